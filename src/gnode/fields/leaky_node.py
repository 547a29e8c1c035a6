"""Leaky nODE: a constant rate for each unit, the honest baseline between the nODE and the gnODE."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnode.fields.field import Field, FieldOptions
from gnode.fields.node import draw_node
from gnode.nn.dense import Apply, Dense, affine
from gnode.nn.feedforward import FeedForward


class LeakyField(Field):
    """tau dh/dt = rate * (-h + F(h, x)), rate = sigmoid(logits): a gate that depends on neither state nor input.

    After the leaky-integrator units of Jaeger et al. (Neural Networks 2007), whose leak is here learned for each unit,
    or one number that is fixed for all: sigmoid(fixed_logit), where `logits` is None.
    """

    drive: FeedForward
    logits: Array | None  # (N,), learned; None where the rate is fixed
    gain: Array | None  # a scalar
    fixed_logit: float = eqx.field(static=True)  # of all units, where `logits` is None
    state_size: int = eqx.field(static=True)
    input_size: int = eqx.field(static=True)
    leak: bool = eqx.field(static=True)

    def __call__(self, state: Array, inputs: Array, dense: Apply = affine) -> Array:
        candidate = self.candidate(state, inputs, dense)
        return self.gate(state, inputs, dense) * (candidate - state if self.leak else candidate)

    def gate(self, state: Array, inputs: Array, dense: Apply = affine) -> Array:
        return jnp.broadcast_to(jax.nn.sigmoid(self._logits(state.dtype)), state.shape)

    def candidate(self, state: Array, inputs: Array, dense: Apply = affine) -> Array:
        value = self.drive(state, inputs, dense)
        return value if self.gain is None else self.gain * value

    def gates(self) -> dict[str, FeedForward]:
        """The rate as a net: one layer without weights."""
        nothing = jnp.zeros((self.state_size, self.state_size)), jnp.zeros((self.state_size, self.input_size))
        layers = Dense(nothing[0], None), Dense(nothing[1], self._logits(np.dtype(np.float32)))
        return {"gate": FeedForward(*layers, (), (), "identity", "sigmoid")}

    def _logits(self, dtype: np.dtype) -> Array:
        return jnp.full(self.state_size, self.fixed_logit, dtype) if self.logits is None else self.logits


def draw_leaky_node(generator: np.random.Generator, options: FieldOptions) -> LeakyField:
    """A random leaky nODE: the weights of the nODE that is drawn alike, and rates that start at sigmoid(gate_bias)."""
    node = draw_node(generator, options)
    return LeakyField(
        drive=node.drive,
        logits=jnp.full(options.state_size, options.gate_bias, jnp.float32) if options.learn_rates else None,
        gain=node.gain,
        fixed_logit=options.gate_bias,
        state_size=node.state_size,
        input_size=node.input_size,
        leak=node.leak,
    )
