"""Numbers at the doors of a model: whatever holds them becomes an array of JAX; a mask becomes NaN, and is not lost."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnode.errors import must_have
from gnode.series.arrays import as_floats


def as_numbers(data: Any, what: str) -> Array:
    """Numbers as floats of JAX, NaN where masked or missing. What JAX is tracing is taken as it is."""
    return jnp.asarray(data) if is_traced(data) else jnp.asarray(as_floats(data, what))


def check_finite(values: Array, expected: str) -> None:
    """An InvalidInput where a number is missing or infinite, unless JAX is tracing them."""
    if not (is_traced(values) or np.isfinite(values).all()):
        must_have(expected, "NaN, infinity or a masked value")


def is_traced(data: Any) -> bool:
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(data))
