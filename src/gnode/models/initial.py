"""Where the state starts. A new way is a class here and a line in INITIAL_STATES."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from gnode.errors import must_have
from gnode.nn.feedforward import Perceptron, draw_perceptron


class InitialState(eqx.Module):
    """The state before the first bin, one for every trial, from the trial's first input and first target."""

    def __call__(
        self, first_inputs: Float[Array, "trials D"], first_targets: Float[Array, "trials outputs"] | None
    ) -> Float[Array, "trials N"]:
        raise NotImplementedError


class LearnedState(InitialState):
    """One vector for all trials, trained."""

    value: Float[Array, " N"]

    def __call__(self, first_inputs: Array, first_targets: Array | None) -> Array:
        return jnp.broadcast_to(self.value, (len(first_inputs), len(self.value)))


class FixedState(InitialState):
    """One random vector for all trials, never trained (nor decayed: gnode.models.trainable leaves it out)."""

    value: Float[Array, " N"]

    def __call__(self, first_inputs: Array, first_targets: Array | None) -> Array:
        return jnp.broadcast_to(self.value, (len(first_inputs), len(self.value)))


class FromFirstInput(InitialState):
    """A perceptron of the first input."""

    net: Perceptron

    def __call__(self, first_inputs: Array, first_targets: Array | None) -> Array:
        return self.net(first_inputs)


class FromFirstTarget(InitialState):
    """A perceptron of the first target: the model is told where the trajectory begins."""

    net: Perceptron

    def __call__(self, first_inputs: Array, first_targets: Array | None) -> Array:
        if first_targets is None:
            must_have("first_targets (trials, outputs), because the initial state is a net of the first target", "none")
        return self.net(first_targets)


@dataclass(frozen=True)
class Sizes:
    """What an initial state is drawn from."""

    inputs: int
    state: int
    outputs: int
    hidden: Sequence[int]
    activation: str


def _draw_vector(generator: np.random.Generator, sizes: Sizes) -> Array:
    return jnp.asarray(generator.standard_normal(sizes.state) / np.sqrt(sizes.state), dtype=jnp.float32)


def _draw_net(generator: np.random.Generator, fan_in: int, sizes: Sizes) -> Perceptron:
    return draw_perceptron(generator, fan_in, sizes.state, sizes.hidden, activation=sizes.activation)


INITIAL_STATES: dict[str, Callable[[np.random.Generator, Sizes], InitialState]] = {
    "learned": lambda generator, sizes: LearnedState(_draw_vector(generator, sizes)),
    "fixed-random": lambda generator, sizes: FixedState(_draw_vector(generator, sizes)),
    "first-input": lambda generator, sizes: FromFirstInput(_draw_net(generator, sizes.inputs, sizes)),
    "first-target": lambda generator, sizes: FromFirstTarget(_draw_net(generator, sizes.outputs, sizes)),
}
