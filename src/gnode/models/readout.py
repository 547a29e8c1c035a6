"""The readout: what the state says, in the units of the targets."""

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from gnode.models.scaling import Scaling
from gnode.modes import usual_modes
from gnode.nn.dense import Dense
from gnode.nn.feedforward import Perceptron


class Readout(eqx.Module):
    """A perceptron of the state, and the scaling that brings what it says into the units of the targets."""

    layers: tuple[Dense, ...]
    activation: str = eqx.field(static=True)
    scaling: Scaling | None = None  # None: the net speaks in the units of the targets

    @usual_modes()
    def __call__(self, states: Float[ArrayLike, "*batch N"]) -> Float[Array, "*batch outputs"]:
        values = self.net(states)
        return values if self.scaling is None else self.scaling.unscaled(values)

    def net(self, states: Float[ArrayLike, "*batch N"]) -> Float[Array, "*batch outputs"]:
        """What the net alone says, on which losses are computed."""
        return Perceptron(self.layers, self.activation)(states)


def first_units(state_size: int, output_size: int) -> Readout:
    """The readout of units that are the outputs themselves; it is not trained (gnode.models.trainable)."""
    weight, bias = jnp.eye(output_size, state_size, dtype=jnp.float32), jnp.zeros(output_size, jnp.float32)
    return Readout((Dense(weight, bias),), "identity")
