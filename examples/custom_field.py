# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # A field of your own
#
# `tau dh/dt = -tanh(h) + F(h, x)`: no gate, and a leak that saturates. Registered, it is a model like the others.

# %%
import os

import equinox as eqx
import jax.numpy as jnp

import gnode
from gnode.fields import FIELDS, Field, FieldKind
from gnode.nn.dense import affine
from gnode.nn.feedforward import FeedForward, draw_feedforward

SMALL = "GNODE_SMALL" in os.environ


class SaturatingField(Field):
    """Layers are applied through `dense` alone, in the same order at every call: the adjoint works through it."""

    drive: FeedForward
    gain: None
    state_size: int = eqx.field(static=True)
    input_size: int = eqx.field(static=True)
    leak: bool = eqx.field(static=True)

    def __call__(self, state, inputs, dense=affine):
        return self.candidate(state, inputs, dense) - jnp.tanh(state)

    def gate(self, state, inputs, dense=affine):
        return jnp.ones_like(state)

    def candidate(self, state, inputs, dense=affine):
        return self.drive(state, inputs, dense)


def draw_saturating(generator, options):
    drive = draw_feedforward(
        generator,
        options.state_size,
        options.input_size,
        options.hidden,
        activation=options.activation,
        last_activation=options.candidate_activation,
        layer_norm=False,
    )
    return SaturatingField(drive, None, options.state_size, options.input_size, options.leak)


FIELDS["saturating"] = FieldKind(draw_saturating, (32,), frozenset({"activation"}), "tanh", "a leak that saturates")

# %%
model = gnode.models.make("saturating", input_size=2, state_size=2, output_size=2, hidden=(8,) if SMALL else (32,))
run = gnode.train(model, gnode.tasks.make("ring"), epochs=1 if SMALL else 20)
print(f"test loss {run.summary['test_loss']:.3g}")
