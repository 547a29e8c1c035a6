"""Where outputs are read: a function of outputs and lengths, and a line in READINGS."""

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

# (outputs (trials, time, outputs), true samples (trials or 1, time)) -> what the model answers with
Reading = Callable[[Float[Array, "trials time outputs"], Array], Array]


def each(outputs: Array, there: Array) -> Array:
    """At each sample, (trials, time, outputs)."""
    return outputs


def last(outputs: Array, there: Array) -> Array:
    """At the last sample, (trials, outputs). Padding does not move a state, so it is that of the last place."""
    return outputs[:, -1]


def mean(outputs: Array, there: Array) -> Array:
    """The mean over the samples that are there, (trials, outputs)."""
    weights = jnp.broadcast_to(there, outputs.shape[:2]).astype(outputs.dtype)
    return jnp.einsum("btk,bt->bk", outputs, weights) / jnp.sum(weights, axis=1, keepdims=True)


READINGS: dict[str, Reading] = {"each": each, "last": last, "mean": mean}


def so_far(
    reading: str, outputs: Float[Array, "trials time outputs"], there: Array
) -> Float[Array, "trials time outputs"]:
    """What the model would answer if its series ended at each sample."""
    if reading == "each":
        return outputs
    places = jnp.arange(outputs.shape[1])

    def ended_at(sample: Array) -> Array:
        return READINGS[reading](outputs[:, jnp.minimum(places, sample)], there & (places <= sample))

    return jnp.swapaxes(lax.map(ended_at, places), 0, 1)
