"""The nonlinearities a layer may have, by name."""

from collections.abc import Callable

import jax
from jax import Array

Activation = Callable[[Array], Array]


def identity(values: Array) -> Array:
    return values


@jax.custom_jvp
def relu(values: Array) -> Array:
    """max(values, 0), with the derivative 0 at 0.

    The derivative is a product. jax.nn.relu selects between it and zeros; vmap brings what is selected to the front,
    which undoes the layout that makes gnode.expressivity.fit fast.
    """
    return jax.numpy.maximum(values, 0)


@relu.defjvp
def _relu_forward_mode(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return relu(*primals), tangents[0] * (primals[0] > 0)


def steep_sigmoid(values: Array) -> Array:
    """A sigmoid ten times as steep: a gate that is nearly open or nearly shut."""
    return jax.nn.sigmoid(10.0 * values)


ACTIVATIONS: dict[str, Activation] = {
    "identity": identity,
    "sigmoid": jax.nn.sigmoid,
    "steep-sigmoid": steep_sigmoid,
    "swish": jax.nn.swish,
    "relu": relu,
    "gelu": jax.nn.gelu,
    "tanh": jax.numpy.tanh,
}
