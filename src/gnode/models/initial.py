"""Where the state starts. A new way is a class here and a line in INITIAL_STATES."""

import abc
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
    """The state before the first sample, one for every trial.

    It sees the first input, and what the model was told of the trajectory's beginning (its first target), if anything.
    """

    @abc.abstractmethod
    def __call__(
        self, first_inputs: Float[Array, "trials D"], told: Float[Array, "trials outputs"] | None
    ) -> Float[Array, "trials N"]:
        """The states to start from."""


class LearnedState(InitialState):
    """One vector for all trials, trained."""

    value: Float[Array, " N"]

    def __call__(self, first_inputs: Array, told: Array | None) -> Array:
        return jnp.broadcast_to(self.value, (first_inputs.shape[0], len(self.value)))


class FixedState(InitialState):
    """One random vector for all trials, never trained (nor decayed: gnode.models.trainable leaves it out)."""

    value: Float[Array, " N"]

    def __call__(self, first_inputs: Array, told: Array | None) -> Array:
        return jnp.broadcast_to(self.value, (first_inputs.shape[0], len(self.value)))


class FromFirstInput(InitialState):
    """A perceptron of the first input."""

    net: Perceptron

    def __call__(self, first_inputs: Array, told: Array | None) -> Array:
        return self.net(first_inputs)


class FromFirstTarget(InitialState):
    """A perceptron of the first target: the model is told where the trajectory begins."""

    net: Perceptron

    def __call__(self, first_inputs: Array, told: Array | None) -> Array:
        if told is None:
            must_have("first_targets (trials, outputs), because the initial state is a net of the first target", "none")
        return self.net(told)


class Observed(InitialState):
    """The first units are the first target; further ones, which nobody observes, a perceptron of it."""

    net: Perceptron | None

    def __call__(self, first_inputs: Array, told: Array | None) -> Array:
        if told is None:
            must_have("first_targets (trials, outputs), because the first units start there", "none")
        return told if self.net is None else jnp.concatenate([told, self.net(told)], axis=-1)


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


def _draw_observed(generator: np.random.Generator, sizes: Sizes) -> Observed:
    hidden = sizes.state - sizes.outputs
    if not hidden:
        return Observed(None)
    return Observed(draw_perceptron(generator, sizes.outputs, hidden, sizes.hidden, activation=sizes.activation))


@dataclass(frozen=True)
class InitialKind:
    """A registered way to start.

    Attributes:
        draw: a random one from a generator and sizes.
        has_net: whether it is a net, with `initial_hidden` and `activation`.
        is_told: whether it must be told the first target.
    """

    draw: Callable[[np.random.Generator, Sizes], InitialState]
    has_net: bool = False
    is_told: bool = False


INITIAL_STATES: dict[str, InitialKind] = {
    "learned": InitialKind(lambda generator, sizes: LearnedState(_draw_vector(generator, sizes))),
    "fixed-random": InitialKind(lambda generator, sizes: FixedState(_draw_vector(generator, sizes))),
    "first-input": InitialKind(
        lambda generator, sizes: FromFirstInput(_draw_net(generator, sizes.inputs, sizes)), has_net=True
    ),
    "first-target": InitialKind(
        lambda generator, sizes: FromFirstTarget(_draw_net(generator, sizes.outputs, sizes)), has_net=True, is_told=True
    ),
    "observed": InitialKind(_draw_observed, has_net=True, is_told=True),
}
