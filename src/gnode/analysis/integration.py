"""Repeated steps of any dynamics: a map as it is, a flow by Runge-Kutta steps of fixed size."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gnode.analysis.dynamics import Dynamics, Function, dynamics_of
from gnode.errors import must_have

_FAR = 1e6  # a state has escaped where it is this many times as far out as any was at first

Advance = Callable[[np.ndarray, int], np.ndarray]


def advancing(f: Function, kind: str, states: np.ndarray, step: float | int | None = None) -> tuple[Advance, float]:
    """advance(states (batch, N), steps) -> states, in float64, and the step in the flow's unit of time (1 for a map).

    Args:
        kind: "map", or "flow", which is integrated by the classical Runge-Kutta method of order four.
        states: (batch, N), some states it will start from.
        step: of a flow; by default a tenth of the shortest time constant that its Jacobian shows at those states.
    """
    dynamics = dynamics_of(f, states)
    size = 1.0 if kind == "map" else step_of(dynamics, states, step)
    following = stepper(f, kind, size)
    if dynamics.framework != "jax":
        values = stepper(dynamics.values, kind, size)

        def advance_in_steps(states: np.ndarray, steps: int) -> np.ndarray:
            for _ in range(steps):
                states = values(states)
            return states

        return advance_in_steps, size

    @jax.jit
    def loop(states: jax.Array, steps: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, steps, lambda _, now: jnp.asarray(following(now), now.dtype), states)

    def advance(states: np.ndarray, steps: int) -> np.ndarray:
        with jax.enable_x64(True):
            return np.asarray(loop(jnp.asarray(states, jnp.float64), steps))

    return advance, size


def stepper(f: Function, kind: str, step: float | int) -> Function:
    """One step: the map itself, or a classical Runge-Kutta step of the flow."""
    if kind == "map":
        return f

    def runge_kutta(states: Any) -> Any:
        first = f(states)
        second = f(states + step / 2 * first)
        third = f(states + step / 2 * second)
        fourth = f(states + step * third)
        return states + step / 6 * (first + 2 * second + 2 * third + fourth)

    return runge_kutta


def step_of(dynamics: Dynamics, states: np.ndarray, step: float | int | None) -> float:
    """The given step, checked, or a tenth of the shortest time constant at (at most 64 of) the states."""
    if step is not None:
        if not (np.isfinite(step) and step > 0):
            must_have("a step above 0", repr(step))
        return float(step)
    some = states[np.linspace(0, len(states) - 1, min(len(states), 64)).astype(int)]
    slopes = dynamics.jacobians(some)
    slopes = slopes[np.isfinite(slopes).all(axis=(1, 2))]
    fastest = np.abs(np.linalg.eigvals(slopes)).max(initial=0.0) if len(slopes) else 0.0
    return 0.1 / fastest if fastest > 0 else 0.1


def escaped(states: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Which states (batch, N) ran away from where they were, (batch,): not finite, or a coordinate beyond a million
    times 1 + the largest one before."""
    with np.errstate(invalid="ignore"):
        return ~(np.abs(states).max(axis=1) <= _FAR * (1 + np.abs(before).max()))
