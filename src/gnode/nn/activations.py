"""The nonlinearities a layer may have, by name."""

from collections.abc import Callable

import jax
from jax import Array

Activation = Callable[[Array], Array]


def identity(values: Array) -> Array:
    return values


def steep_sigmoid(values: Array) -> Array:
    """A sigmoid ten times as steep: a gate that is nearly open or nearly shut."""
    return jax.nn.sigmoid(10.0 * values)


ACTIVATIONS: dict[str, Activation] = {
    "identity": identity,
    "sigmoid": jax.nn.sigmoid,
    "steep-sigmoid": steep_sigmoid,
    "swish": jax.nn.swish,
    "relu": jax.nn.relu,
    "gelu": jax.nn.gelu,
    "tanh": jax.numpy.tanh,
}
