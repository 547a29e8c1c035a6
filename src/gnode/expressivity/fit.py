"""Fitting many autonomous networks at once, each to a trajectory of its own.

All networks of a call share architecture and program; `jax.vmap` runs them side by side. Two things make that several
times faster on a CPU than the plain vmapped scan. Each step of the scan is recomputed in the reverse pass instead of
kept (jax.checkpoint): the products are so small that memory traffic is what costs. And every weight matrix is
stored with its longer side last, where vector instructions reach it; fields apply their weights through `dense`
alone, so
none of them notices.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jaxtyping import PyTree

from gnode.errors import look_up, must_have
from gnode.fields import FIELDS, Field
from gnode.models import ModelConfig
from gnode.nn.dense import Apply, Dense, affine, draw_dense

STEPS_A_CALL = 250


class Network(eqx.Module):
    """An autonomous network: a learned initial state, a field without input, a linear readout."""

    start: Array  # (N,)
    field: Field
    readout: Dense


@dataclass(frozen=True)
class Fitted:
    """Outcome of a call, network by network.

    Attributes:
        networks: their parameters, with a leading axis of networks.
        errors: (M,) mean squared error over the target's variance; NaN or infinity where training diverged.
        outputs: (M, time, d).
        states: (M, time, N).
    """

    networks: Network
    errors: np.ndarray
    outputs: np.ndarray
    states: np.ndarray


def draw_network(config: ModelConfig, seed: Sequence[int]) -> Network:
    """A random network; equal seeds give equal networks."""
    generator = np.random.default_rng(seed)
    field = FIELDS[config.model].draw(generator, config.field_options())
    start = jnp.asarray(generator.standard_normal(config.state_size), jnp.float32)
    return Network(start, field, draw_dense(generator, config.state_size, config.output_size))


def fit(
    config: ModelConfig,
    targets: np.ndarray,
    *,
    seeds: Sequence[Sequence[int]],
    rates: Sequence[float],
    alpha: float,
    steps: int,
    clip: float = 1.0,
    step: str = "map",
) -> Fitted:
    """Train one network a target by backpropagation through time.

    Adam (Kingma and Ba 2015) with a one-cycle cosine rate (Smith and Topin 2017) and a clip of each network's gradient.

    Args:
        config: of the networks; input_size is 0.
        targets: (M, time, d); the state at the first sample is the learned initial state.
        seeds: of the random parameters, one a network.
        rates: peak learning rates, one a network.
        alpha: time between samples in units of tau.
        steps: of the optimiser.
        clip: largest norm of a network's gradient.
        step: "map" (h + alpha * field) or "flow" (a classical Runge-Kutta step of alpha).
    """
    move = look_up("step", step, STEPS)
    _check(targets, seeds, rates, steps)
    networks = _stacked([_wide_last(draw_network(config, seed)) for seed in seeds])
    parameters, rest = eqx.partition(networks, eqx.is_inexact_array)
    goals = jnp.asarray(targets, jnp.float32)
    peaks = jnp.asarray(rates, jnp.float32)
    state = (parameters, optax.scale_by_adam().init(parameters))
    for first in range(0, steps, STEPS_A_CALL):
        last = min(first + STEPS_A_CALL, steps)
        state = _train(state, rest, goals, peaks, jnp.int32(first), jnp.int32(last), steps, alpha, clip, move)
    networks = eqx.combine(state[0], rest)
    states, outputs = _run(networks, targets.shape[1], alpha, move)
    errors = relative_error(np.asarray(outputs), targets)
    return Fitted(_as_drawn(networks, config), errors, np.asarray(outputs), np.asarray(states))


def relative_error(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """MSE / variance of trajectories (..., time, d), in float64."""
    outputs, targets = np.asarray(outputs, np.float64), np.asarray(targets, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.mean((outputs - targets) ** 2, axis=(-2, -1)) / np.mean(np.var(targets, axis=-2), axis=-1)


def simulate(network: Network, samples: int, alpha: float, move: "Move", dense: Apply = affine) -> tuple[Array, Array]:
    """States (time, N) and outputs (time, d) of one network."""
    nothing = jnp.zeros(0, network.start.dtype)

    # prevent_cse guards against a danger that a scan does not have.
    @partial(jax.checkpoint, prevent_cse=False)
    def step(state: Array, field: Field) -> Array:
        return move(lambda h: field(h, nothing, dense), state, alpha)

    def advance(state: Array, _: None) -> tuple[Array, Array]:
        state = step(state, network.field)
        return state, state

    _, later = jax.lax.scan(advance, network.start, None, length=samples - 1)
    states = jnp.concatenate([network.start[None], later])
    return states, dense(network.readout, states)


Move = Callable[[Callable[[Array], Array], Array, float], Array]


def euler(velocity: Callable[[Array], Array], state: Array, alpha: float) -> Array:
    """The map: one Euler step."""
    return state + alpha * velocity(state)


def runge_kutta(velocity: Callable[[Array], Array], state: Array, alpha: float) -> Array:
    """The flow, to fourth order in alpha (Kutta 1901)."""
    k1 = velocity(state)
    k2 = velocity(state + alpha / 2 * k1)
    k3 = velocity(state + alpha / 2 * k2)
    k4 = velocity(state + alpha * k3)
    return state + alpha / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


STEPS: dict[str, Move] = {"map": euler, "flow": runge_kutta}


# -- one program for all networks --


@eqx.filter_jit
def _train(
    state: PyTree,
    rest: Network,
    goals: Array,
    peaks: Array,
    first: Array,
    last: Array,
    steps: int,
    alpha: float,
    clip: float,
    move: Move,
) -> PyTree:
    adam = optax.scale_by_adam()
    # A peak of one, to be multiplied by each network's own.
    schedule = optax.cosine_onecycle_schedule(max(steps, 10), 1.0)

    def loss(parameters: Network, goal: Array) -> Array:
        _, outputs = simulate(eqx.combine(parameters, rest), goal.shape[0], alpha, move, _apply)
        return jnp.mean((outputs - goal) ** 2)

    def clipped(parameters: Network, goal: Array) -> Network:
        gradient = jax.grad(loss)(parameters, goal)
        norm = optax.tree.norm(gradient)
        return jax.tree.map(lambda part: part * jnp.minimum(1.0, clip / norm), gradient)

    def update(number: Array, state: PyTree) -> PyTree:
        parameters, moments = state
        gradient = jax.vmap(clipped)(parameters, goals)
        change, moments = adam.update(gradient, moments)
        rate = peaks * schedule(number)
        parameters = jax.tree.map(
            lambda old, part: old - rate.reshape(-1, *(1,) * (part.ndim - 1)) * part, parameters, change
        )
        return parameters, moments

    return jax.lax.fori_loop(first, last, update, state)


@eqx.filter_jit
def _run(networks: Network, samples: int, alpha: float, move: Move) -> tuple[Array, Array]:
    parameters, rest = eqx.partition(networks, eqx.is_inexact_array)
    return jax.vmap(lambda part: simulate(eqx.combine(part, rest), samples, alpha, move, _apply))(parameters)


# -- weights with the longer side last --


def _apply(layer: Dense, values: Array) -> Array:
    """`affine` for a layer stored by `_wide_last`; values may have leading axes."""
    natural = layer.weight.shape[1] == values.shape[-1]
    product = values @ (layer.weight.T if natural else layer.weight)
    return product if layer.bias is None else product + layer.bias


def _wide_last(network: Network) -> Network:
    return jax.tree.map(_turned, network, is_leaf=_is_dense)


def _turned(node: PyTree) -> PyTree:
    if _is_dense(node) and node.weight.shape[0] > node.weight.shape[1]:
        return eqx.tree_at(lambda layer: layer.weight, node, np.ascontiguousarray(np.asarray(node.weight).T))
    return node


def _as_drawn(networks: Network, config: ModelConfig) -> Network:
    """Stacked networks with their weights as (fan_out, fan_in) again."""
    like = draw_network(config, [0])

    def restore(drawn: Array, stored: Array) -> Array:
        if not eqx.is_array(drawn):
            return stored
        return stored if stored.shape[1:] == drawn.shape else jnp.swapaxes(stored, 1, 2)

    return jax.tree.map(restore, like, networks)


def _is_dense(node: object) -> bool:
    return isinstance(node, Dense)


def _stacked(networks: Sequence[Network]) -> Network:
    def stack(*parts: PyTree) -> PyTree:
        return jnp.asarray(np.stack([np.asarray(part) for part in parts])) if eqx.is_array_like(parts[0]) else parts[0]

    return jax.tree.map(stack, *networks)


def _check(targets: np.ndarray, seeds: Sequence, rates: Sequence[float], steps: int) -> None:
    if np.ndim(targets) != 3 or targets.shape[1] < 3:
        must_have("targets of shape (networks, time, d) with at least three samples", f"shape {np.shape(targets)}")
    if not np.all(np.isfinite(targets)):
        must_have("targets of finite values", "NaN or infinity")
    if len(seeds) != len(targets) or len(rates) != len(targets):
        must_have(f"a seed and a rate for each of {len(targets)} networks", f"{len(seeds)} and {len(rates)}")
    if steps < 1:
        must_have("at least one step of the optimiser", steps)
    if min(rates) <= 0:
        must_have("positive learning rates", min(rates))
