"""Scaling: channels brought to mean 0 and variance 1, and back. What it is fitted to is saved with the model."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float32

from gnode.errors import must_have

SCALES = ("none", "standard")
_SAME = 1e-12  # channels whose spread is less than this part of their size are constant, up to rounding


class Scaling(eqx.Module):
    """scaled = (values - shift) / scale, channel by channel. Nothing in it is trained.

    The shift is the sum of two float32 numbers: one alone would miss an offset of 1e9 by up to 32.

    Attributes:
        shift, rest: (channels,), what is subtracted is their sum.
        scale: (channels,), above 0.
    """

    shift: Float32[Array, " channels"]
    rest: Float32[Array, " channels"]
    scale: Float32[Array, " channels"]

    @staticmethod
    def of(shift: Any, scale: Any) -> "Scaling":
        """A scaling by numbers, (channels,) each."""
        exact, by = np.asarray(shift, float), np.asarray(scale, float)
        if exact.ndim != 1 or exact.shape != by.shape or not np.isfinite([exact, by]).all() or not (by > 0).all():
            must_have("a finite shift and a finite scale above 0 for each channel", f"{shift} and {scale}")
        coarse = exact.astype(np.float32)
        return Scaling(*(jnp.asarray(part, jnp.float32) for part in (coarse, exact - coarse, by)))

    @staticmethod
    def fit(values: np.ndarray, seen: np.ndarray) -> "Scaling":
        """The one under which what was seen has mean 0 and variance 1.

        A channel that is constant is only shifted; one that was never seen stays as it is.

        Args:
            values: (trials, time, channels).
            seen: the same shape; what is False is not looked at.
        """
        count = np.maximum(seen.sum(axis=(0, 1)), 1)
        mean = np.where(seen, values, 0.0).sum(axis=(0, 1), dtype=float) / count
        size = np.where(seen, np.abs(values), 0.0).max(axis=(0, 1))
        deviation = np.where(seen, values - mean, 0.0)
        spread = np.sqrt((deviation**2).sum(axis=(0, 1)) / count)
        varies = (spread > _SAME * size) & (spread >= np.finfo(np.float32).tiny)
        return Scaling.of(mean, np.where(varies, spread, 1.0))

    def scaled(self, values: Any) -> Any:
        """Values (..., channels) in this scale. NumPy's are computed in float64, JAX's in their own precision."""
        if isinstance(values, np.ndarray) and not isinstance(self.shift, jax.core.Tracer):
            shift, rest, scale = (np.asarray(part, float) for part in (self.shift, self.rest, self.scale))
            return (values - (shift + rest)) / scale
        return (values - self.shift - self.rest) / self.scale

    def unscaled(self, values: Array) -> Array:
        """Back from `scaled`."""
        return values * self.scale + self.rest + self.shift

    def first(self, channels: int) -> "Scaling":
        """Of the first channels alone."""
        return jax.tree.map(lambda part: part[:channels], self)
