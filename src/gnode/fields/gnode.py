"""gnODE: the neural ODE whose gate gives each unit an adaptive timescale."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnode.fields.field import Field, FieldOptions
from gnode.nn.dense import Apply, affine
from gnode.nn.feedforward import FeedForward, draw_feedforward


class GatedField(Field):
    """tau dh/dt = G(h, x) * (-h + F(h, x)) (Kim, Can and Krishnamurthy, ICML 2023).

    What the gate's net sees, `gate_reads`, is "both", "state" or "input"; of the rest it sees zeros.
    """

    drive: FeedForward
    gating: FeedForward
    gain: Array | None  # a scalar
    state_size: int = eqx.field(static=True)
    input_size: int = eqx.field(static=True)
    leak: bool = eqx.field(static=True)
    gate_reads: str = eqx.field(static=True, default="both")

    def __call__(self, state: Array, inputs: Array, dense: Apply = affine) -> Array:
        candidate = self.candidate(state, inputs, dense)
        return self.gate(state, inputs, dense) * (candidate - state if self.leak else candidate)

    def gate(self, state: Array, inputs: Array, dense: Apply = affine) -> Array:
        if self.gate_reads == "input":
            state = jnp.zeros_like(state)
        elif self.gate_reads == "state":
            inputs = jnp.zeros_like(inputs)
        return self.gating(state, inputs, dense)

    def candidate(self, state: Array, inputs: Array, dense: Apply = affine) -> Array:
        value = self.drive(state, inputs, dense)
        return value if self.gain is None else self.gain * value

    def gates(self) -> dict[str, FeedForward]:
        """The gate's net; what it does not read has weights of 0."""
        if self.gate_reads == "both":
            return {"gate": self.gating}
        unread = {"input": lambda net: net.from_state, "state": lambda net: net.from_input}[self.gate_reads]
        return {"gate": eqx.tree_at(lambda net: unread(net).weight, self.gating, replace_fn=jnp.zeros_like)}


def draw_gnode(generator: np.random.Generator, options: FieldOptions) -> GatedField:
    """A random gnODE; with no hidden layer in F and G and a tanh at F's end it is the mGRU."""
    drive = draw_feedforward(
        generator,
        options.state_size,
        options.input_size,
        options.hidden,
        activation=options.activation,
        last_activation=options.candidate_activation,
        layer_norm=options.layer_norm,
    )
    gating = draw_feedforward(
        generator,
        options.state_size,
        options.input_size,
        options.gate_hidden,
        activation=options.activation,
        last_activation=options.gate_activation,
        layer_norm=options.layer_norm,
        last_bias=options.gate_bias,
    )
    gain = jnp.float32(1.0) if options.gain else None
    return GatedField(
        drive=drive,
        gating=gating,
        gain=gain,
        state_size=options.state_size,
        input_size=options.input_size,
        leak=options.leak,
        gate_reads=options.gate_reads,
    )
