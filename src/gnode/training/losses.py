"""Losses. Each returns a weighted sum and the weight that it stands for, so that means over parts can be joined.

Outputs are (time, trials, outputs), as they leave the scan; targets, masks and weights have trials first.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from gnode.errors import must_have
from gnode.types import Trials


@dataclass(frozen=True)
class Loss:
    """A registered loss.

    Attributes:
        total: (outputs, targets, counted bins as (trials, time) weights) -> (weighted sum, weight).
        check: raises InvalidInput where a model of so many outputs cannot be scored on these trials.
    """

    total: Callable[[Float[Array, "time trials outputs"], Array, Float[Array, "trials time"]], tuple[Array, Array]]
    check: Callable[[Trials, int], None]


def _squared_error(outputs: Array, targets: Array, bins: Array) -> tuple[Array, Array]:
    squares = (outputs - jnp.swapaxes(targets, 0, 1)) ** 2
    return jnp.sum(squares * bins.T[..., None]), jnp.sum(bins) * outputs.shape[-1]


def _cross_entropy(outputs: Array, targets: Array, bins: Array) -> tuple[Array, Array]:
    log_probabilities = jax.nn.log_softmax(outputs)
    chosen = jnp.take_along_axis(log_probabilities, targets.T[..., None], axis=-1)[..., 0]
    return -jnp.sum(chosen * bins.T), jnp.sum(bins)


def _last_step_cross_entropy(outputs: Array, targets: Array, bins: Array) -> tuple[Array, Array]:
    time = bins.shape[1]
    last = time - 1 - jnp.argmax(bins[:, ::-1] > 0, axis=1)  # the last bin that counts
    scores = jax.nn.log_softmax(outputs[last, jnp.arange(len(bins))])
    weights = jnp.max(bins, axis=1)
    return -jnp.sum(weights * scores[jnp.arange(len(bins)), targets]), jnp.sum(weights)


def _check_regression(trials: Trials, output_size: int) -> None:
    wanted = (*trials.inputs.shape[:2], output_size)
    if trials.targets.shape != wanted:
        must_have(f"targets of shape (trials, time, outputs) = {wanted} for mse", f"shape {trials.targets.shape}")


def _check_classes(trials: Trials, output_size: int, shape: tuple[int, ...]) -> None:
    targets = trials.targets
    if targets.shape != shape or not np.issubdtype(targets.dtype, np.integer):
        must_have(f"integer classes of shape {shape} for this loss", f"{targets.dtype} of shape {targets.shape}")
    if targets.min() < 0 or targets.max() >= output_size:
        must_have(f"classes from 0 to {output_size - 1}", f"classes from {targets.min()} to {targets.max()}")


LOSSES: dict[str, Loss] = {
    "mse": Loss(_squared_error, _check_regression),
    "cross-entropy": Loss(
        _cross_entropy, lambda trials, outputs: _check_classes(trials, outputs, trials.inputs.shape[:2])
    ),
    "last-step-cross-entropy": Loss(
        _last_step_cross_entropy, lambda trials, outputs: _check_classes(trials, outputs, trials.inputs.shape[:1])
    ),
}
