"""GRU in continuous time: an update gate, and a reset gate inside the candidate."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnode.fields.field import Field, FieldOptions
from gnode.nn.dense import Apply, affine
from gnode.nn.feedforward import FeedForward, draw_feedforward


class GRUField(Field):
    """tau dh/dt = z * (-h + c), z and r sigmoid layers of (h, x), c = tanh(Wh (r * h) + Uh x + bh).

    Cho et al. 2014 (arXiv 1406.1078), as a flow in Kim, Can and Krishnamurthy, ICML 2023.
    """

    drive: FeedForward
    update: FeedForward
    reset: FeedForward
    gain: Array | None  # a scalar
    state_size: int = eqx.field(static=True)
    input_size: int = eqx.field(static=True)
    leak: bool = eqx.field(static=True)

    def __call__(self, state: Array, inputs: Array, dense: Apply = affine) -> Array:
        candidate = self.candidate(state, inputs, dense)
        return self.gate(state, inputs, dense) * (candidate - state if self.leak else candidate)

    def gate(self, state: Array, inputs: Array, dense: Apply = affine) -> Array:
        return self.update(state, inputs, dense)

    def candidate(self, state: Array, inputs: Array, dense: Apply = affine) -> Array:
        value = self.drive(self.reset(state, inputs, dense) * state, inputs, dense)
        return value if self.gain is None else self.gain * value

    def gates(self) -> dict[str, FeedForward]:
        return {"gate": self.update, "reset": self.reset}


def draw_gru(generator: np.random.Generator, options: FieldOptions) -> GRUField:
    """A random GRU; `gate_bias` shifts the update gate only."""

    def layer(last_activation: str, last_bias: float) -> FeedForward:
        return draw_feedforward(
            generator,
            options.state_size,
            options.input_size,
            (),
            activation=options.activation,
            last_activation=last_activation,
            layer_norm=options.layer_norm,
            last_bias=last_bias,
        )

    drive = layer(options.candidate_activation, 0.0)
    update = layer(options.gate_activation, options.gate_bias)
    reset = layer(options.gate_activation, 0.0)
    gain = jnp.float32(1.0) if options.gain else None
    return GRUField(
        drive=drive,
        update=update,
        reset=reset,
        gain=gain,
        state_size=options.state_size,
        input_size=options.input_size,
        leak=options.leak,
    )
