"""The affine layer that everything is made of, and the one door through which it is applied.

Fields never multiply by a weight matrix themselves: they call `dense(layer, values)`. What that call does is the
integrator's choice. Plainly it is `affine`; the hand-written adjoint of the Euler map (gnode.integrate.euler) first
records its result and later replays it without the product.
"""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float


class Dense(eqx.Module):
    """An affine map, values (..., fan_in) to (..., fan_out)."""

    weight: Float[Array, "fan_out fan_in"]
    bias: Float[Array, " fan_out"] | None


Apply = Callable[[Dense, Array], Array]


def affine(layer: Dense, values: Float[Array, "*batch fan_in"]) -> Float[Array, "*batch fan_out"]:
    """W values + b."""
    product = values @ layer.weight.T
    return product if layer.bias is None else product + layer.bias


def draw_dense(generator: np.random.Generator, fan_in: int, fan_out: int, *, bias: bool = True) -> Dense:
    """Weights from N(0, 1 / fan_in) and biases from N(0, 1e-6), as float32."""
    weight = generator.standard_normal((fan_out, fan_in)) / np.sqrt(max(fan_in, 1))
    offset = 1e-3 * generator.standard_normal(fan_out)
    return Dense(
        weight=jnp.asarray(weight, dtype=jnp.float32),
        bias=jnp.asarray(offset, dtype=jnp.float32) if bias else None,
    )
