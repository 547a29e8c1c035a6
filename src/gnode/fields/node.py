"""nODE: the neural ODE without a gate; every unit has the same timescale tau."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnode.fields.field import Field, FieldOptions
from gnode.nn.dense import Apply, affine
from gnode.nn.feedforward import FeedForward, draw_feedforward


class UngatedField(Field):
    """tau dh/dt = -h + F(h, x) (Chen et al., NeurIPS 2018, with the leak of Kim, Can and Krishnamurthy, ICML 2023)."""

    drive: FeedForward
    gain: Array | None  # a scalar
    state_size: int = eqx.field(static=True)
    input_size: int = eqx.field(static=True)
    leak: bool = eqx.field(static=True)

    def __call__(self, state: Array, inputs: Array, dense: Apply = affine) -> Array:
        candidate = self.candidate(state, inputs, dense)
        return candidate - state if self.leak else candidate

    def gate(self, state: Array, inputs: Array, dense: Apply = affine) -> Array:
        return jnp.ones_like(state)

    def candidate(self, state: Array, inputs: Array, dense: Apply = affine) -> Array:
        value = self.drive(state, inputs, dense)
        return value if self.gain is None else self.gain * value


def draw_node(generator: np.random.Generator, options: FieldOptions) -> UngatedField:
    """A random nODE; with no hidden layer and a tanh at F's end it is the RNN."""
    drive = draw_feedforward(
        generator,
        options.state_size,
        options.input_size,
        options.hidden,
        activation=options.activation,
        last_activation=options.candidate_activation,
        layer_norm=options.layer_norm,
    )
    gain = jnp.float32(1.0) if options.gain else None
    return UngatedField(
        drive=drive,
        gain=gain,
        state_size=options.state_size,
        input_size=options.input_size,
        leak=options.leak,
    )
