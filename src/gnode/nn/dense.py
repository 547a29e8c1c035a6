"""The affine layer that everything is made of, and the one door through which it is applied.

Fields never multiply by a weight matrix themselves: they call `dense(layer, values)`. What that call does is the
integrator's choice. Plainly it is `affine`; in loops it is `turned_affine`; the hand-written adjoint of step rules
(gnode.integrate.adjoint) first records its result and later replays it without the product.
"""

from collections.abc import Callable, Sequence
from functools import reduce

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float, PyTree

from gnode.nn.derivatives import with_derivative


class Dense(eqx.Module):
    """An affine map, values (..., fan_in) to (..., fan_out)."""

    weight: Float[Array, "fan_out fan_in"]
    bias: Float[Array, " fan_out"] | None


Apply = Callable[[Dense, Array], Array]


def affine(layer: Dense, values: Float[Array, "*batch fan_in"]) -> Float[Array, "*batch fan_out"]:
    """W values + b."""
    product = values @ layer.weight.T
    return product if layer.bias is None else product + layer.bias


def layers_of(tree: PyTree) -> list[Dense]:
    """All dense layers in a tree, in its order."""
    return [node for node in jax.tree.leaves(tree, is_leaf=is_dense) if is_dense(node)]


def is_dense(node: object) -> bool:
    """Whether a node of a tree is a dense layer."""
    return isinstance(node, Dense)


def turn(tree: PyTree) -> list[Array]:
    """The weights of all layers of a tree, each turned to (fan_in, fan_out), for a loop; no gradient passes through.

    At small batches a product with a transposed matrix takes thrice the time.
    """
    return [lax.optimization_barrier(lax.stop_gradient(layer.weight).T) for layer in layers_of(tree)]


def turned_affine(tree: PyTree, turned: list[Array]) -> Apply:
    """`affine` for the layers of a tree, from its weights as `turn` gives them; its gradient is that of `affine`."""
    weights = {id(layer): weight for layer, weight in zip(layers_of(tree), turned, strict=True)}

    def dense(layer: Dense, values: Array) -> Array:
        product = _product(layer.weight, weights[id(layer)], values)
        return product if layer.bias is None else product + layer.bias

    return dense


def by_turned(turned: list[Array]) -> Callable[[PyTree], Apply]:
    """`turned_affine` of the tree that is still to come."""
    return lambda tree: turned_affine(tree, turned)


def _along(arrays: Sequence[Array], tangents: Sequence[Array | None]) -> Array:
    weight, _, values = arrays
    of_weight, _, of_values = tangents
    return sum_of(
        None if of_values is None else of_values @ weight.T,
        None if of_weight is None else values @ of_weight.T,
    )


# The product with `turned`, differentiated as that with the weight.
_product = with_derivative(lambda weight, turned, values: values @ turned, _along, constant=1)


def sum_of(*parts: Array | None) -> Array:
    """The sum of those that are there, of which there has to be one."""
    return reduce(jnp.add, [part for part in parts if part is not None])


def draw_dense(generator: np.random.Generator, fan_in: int, fan_out: int, *, bias: bool = True) -> Dense:
    """Weights from N(0, 1 / fan_in) and biases from N(0, 1e-6), as float32."""
    weight = generator.standard_normal((fan_out, fan_in)) / np.sqrt(max(fan_in, 1))
    offset = 1e-3 * generator.standard_normal(fan_out)
    return Dense(
        weight=jnp.asarray(weight, dtype=jnp.float32),
        bias=jnp.asarray(offset, dtype=jnp.float32) if bias else None,
    )
