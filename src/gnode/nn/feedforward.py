"""Feed-forward nets: F and G of a field, and plain multilayer perceptrons for readouts and initial states."""

from collections.abc import Sequence
from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from gnode.nn.activations import ACTIVATIONS
from gnode.nn.dense import Apply, Dense, affine, draw_dense


class LayerNorm(eqx.Module):
    """Layer normalisation with a learned scale and shift (Ba, Kiros and Hinton 2016, arXiv 1607.06450)."""

    scale: Float[Array, " width"]
    shift: Float[Array, " width"]

    def __call__(self, values: Float[Array, "*batch width"]) -> Float[Array, "*batch width"]:
        centred = values - jnp.mean(values, axis=-1, keepdims=True)
        variance = jnp.mean(centred**2, axis=-1, keepdims=True)
        return centred * jax.lax.rsqrt(variance + 1e-5) * self.scale + self.shift


class FeedForward(eqx.Module):
    """A net of a state and an input; the input enters the first layer only.

    s(1) = phi(W h + U x + b), s(l+1) = phi(W(l) s(l) + b(l)); the last layer has its own nonlinearity. With layer
    normalisation, W h is normalised before U x + b is added, and so is every later layer's pre-activation.
    """

    from_state: Dense
    from_input: Dense
    later: tuple[Dense, ...]
    norms: tuple[LayerNorm, ...]  # one a layer, or none at all
    activation: str = eqx.field(static=True)  # a name: functions in static fields would make equal nets unequal
    last_activation: str = eqx.field(static=True)

    def __call__(
        self, state: Float[Array, "*batch N"], inputs: Float[Array, "*batch D"], dense: Apply = affine
    ) -> Float[Array, "*batch width"]:
        activation = ACTIVATIONS[self.activation]
        signal = dense(self.from_state, state)
        if self.norms:
            signal = self.norms[0](signal)
        signal = signal + dense(self.from_input, inputs)
        for position, layer in enumerate(self.later, start=1):
            signal = dense(layer, activation(signal))
            if self.norms:
                signal = self.norms[position](signal)
        return ACTIVATIONS[self.last_activation](signal)


class Perceptron(eqx.Module):
    """A multilayer perceptron of one argument whose last layer is affine; with no hidden layer, an affine map."""

    layers: tuple[Dense, ...]
    activation: str = eqx.field(static=True)

    def __call__(self, values: Float[ArrayLike, "*batch fan_in"]) -> Float[Array, "*batch fan_out"]:
        signal = affine(self.layers[0], jnp.asarray(values))
        for layer in self.layers[1:]:
            signal = affine(layer, ACTIVATIONS[self.activation](signal))
        return signal


def draw_feedforward(
    generator: np.random.Generator,
    state_size: int,
    input_size: int,
    hidden: Sequence[int],
    *,
    activation: str,
    last_activation: str,
    layer_norm: bool,
    last_bias: float = 0.0,
) -> FeedForward:
    """A random FeedForward from (state, input) to a vector as long as the state.

    Args:
        hidden: widths of the hidden layers; empty means a single layer.
        last_bias: added to the biases of the last layer (a gate that starts nearly shut has a negative one).
    """
    widths = [*hidden, state_size]
    from_state = draw_dense(generator, state_size, widths[0], bias=False)
    from_input = draw_dense(generator, input_size, widths[0])
    later = [draw_dense(generator, fan_in, fan_out) for fan_in, fan_out in pairwise(widths)]
    norms = (
        tuple(LayerNorm(jnp.ones(width, jnp.float32), jnp.zeros(width, jnp.float32)) for width in widths)
        if layer_norm
        else ()
    )
    if later:
        later[-1] = _raise_bias(later[-1], last_bias)
    else:
        from_input = _raise_bias(from_input, last_bias)
    return FeedForward(from_state, from_input, tuple(later), norms, activation, last_activation)


def draw_perceptron(
    generator: np.random.Generator, fan_in: int, fan_out: int, hidden: Sequence[int], *, activation: str
) -> Perceptron:
    """A random Perceptron with the given hidden widths."""
    widths = [fan_in, *hidden, fan_out]
    layers = tuple(draw_dense(generator, *pair) for pair in pairwise(widths))
    return Perceptron(layers, activation)


def _draw_norm(width: int) -> LayerNorm:
    return LayerNorm(jnp.ones(width, jnp.float32), jnp.zeros(width, jnp.float32))


def _raise_bias(layer: Dense, amount: float) -> Dense:
    assert layer.bias is not None
    return Dense(layer.weight, layer.bias + jnp.float32(amount))
