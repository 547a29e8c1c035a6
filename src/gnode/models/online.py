"""A model that is fed sample by sample: closed-loop experiments, deployed predictors."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from gnode.errors import Diverged, must_have
from gnode.integrate import INTERPOLATIONS, Flow, Integrator
from gnode.models.encoding import Encoding
from gnode.models.numbers import is_traced
from gnode.series.arrays import as_floats


class Online(eqx.Module):
    """Where a model is between two samples. Made by `model.begin`, moved by `model.advance`.

    Attributes:
        state: (batch, N).
        memory: what the encoding remembers of each channel, (batch, channels) twice: its last value, as the field sees
            it, and how long ago it was seen, in units of tau.
        inputs: (batch, window, width), the last samples, as many as the interpolation looks back at, and one.
        elapsed: (batch, window), their times in units of tau.
        single: whether samples come without a batch axis.
    """

    state: Float[Array, "batch N"]
    memory: tuple[Array, Array]
    inputs: Float[Array, "batch window width"]
    elapsed: Float[Array, "batch window"]
    single: bool = eqx.field(static=True)


def window_of(integrator: Integrator) -> int:
    """How many samples an integrator must see to go on. An InvalidInput where it must see the future."""
    if not isinstance(integrator, Flow):
        return 1
    interpolation = INTERPOLATIONS[integrator.interpolation]
    if interpolation.looks_ahead or interpolation.history is None:
        causal = [name for name, kind in INTERPOLATIONS.items() if not kind.looks_ahead]
        must_have(
            f"an interpolation that does not look ahead for online use ({', '.join(causal)})",
            integrator.interpolation,
            "Its outputs depend on samples that are yet to come.",
        )
    return 1 + interpolation.history


def checked_sample(sample: Any, encoding: Encoding, batch: int | None, dtype: Any) -> tuple[Any, Any]:
    """One sample of every member of a batch, (batch, channels), scaled, 0 where missing, and where it was seen.

    Args:
        batch: how many members there must be; None for any number.
    """
    channels, traced = encoding.channels, is_traced(sample)
    values: Any = jnp.atleast_2d(sample) if traced else np.atleast_2d(as_floats(sample, "a sample").astype(float))
    if values.shape != (len(values) if batch is None else batch, channels):
        must_have(f"a sample of shape ({channels},) or ({batch or 'batch'}, {channels})", f"shape {np.shape(sample)}")
    if not traced:
        with np.errstate(over="ignore"):
            infinite = np.isinf(values.astype(dtype))
        if infinite.any():
            must_have("finite values that float32 can hold", "infinity")
        if encoding.missing == "refuse" and np.isnan(values).any():
            must_have("a sample that is all there", "a missing value", "Choose missing='hold' when the model is made.")
        seen = ~np.isnan(values)  # of NumPy's arrays by NumPy, which takes microseconds
        return np.where(seen, np.asarray(encoding.scaled(values), dtype), np.zeros((), dtype)), seen
    seen = ~jnp.isnan(values)
    return jnp.where(seen, jnp.asarray(encoding.scaled(values), dtype), 0), seen


def checked_elapsed(seconds: Any, tau: float, batch: int, dtype: Any) -> Any:
    """Elapsed time in units of tau, (batch,)."""
    if is_traced(seconds):
        return jnp.broadcast_to(jnp.asarray(seconds, dtype) / tau, (batch,))
    lengths = as_floats(seconds, "elapsed").astype(float) / tau  # divided in float64, and cast last, as for a series
    if lengths.shape not in ((), (batch,)):
        must_have(f"elapsed one number or ({batch},) of them", f"shape {lengths.shape}")
    if not ((lengths >= np.finfo(np.float32).tiny) & (lengths <= np.finfo(np.float32).max)).all():
        must_have("elapsed times above 0 that float32 can hold in units of tau", f"{seconds} s with tau {tau:g} s")
    return np.broadcast_to(lengths.astype(dtype), (batch,))


def check_solved(states: Array) -> None:
    """Raises Diverged where a state is not a number: its interval could not be solved."""
    if not isinstance(states, jax.core.Tracer) and not np.isfinite(states).all():
        member = int(np.argwhere(~np.isfinite(np.asarray(states)).all(axis=-1))[0][0])
        raise Diverged(
            f"Must have a finite state, instead got NaN or infinity in member {member} of the batch: its interval "
            "could not be solved, or the network leaves the numbers. Try a shorter elapsed time, larger tolerances or "
            "another solver."
        )
