"""Time passes for states of any dynamics: a map step by step, a flow by steps that control their own error."""

from collections.abc import Callable

import numpy as np

from gnode.analysis.courses import Rules, Units, beginning, follower
from gnode.analysis.dynamics import Dynamics, dynamics_of
from gnode.analysis.frameworks import Function
from gnode.analysis.tangents import reach_of
from gnode.arguments import positive

_FAR = 1e12  # a state has escaped where it is this many times as far out as any was at first
_ERROR = 1e-8  # allowed in a step, as a share of the extent
_ROUNDING = 10  # roundings of a state that a step may be off by

Advance = Callable[[np.ndarray, int], np.ndarray]


def advancing(f: Function, kind: str, states: np.ndarray, step: float | int | None = None) -> tuple[Advance, float]:
    """advance(states (batch, N), steps) -> states, in float64, and the step in the flow's unit of time (1 for a map).

    A state that leaves the finite numbers, or that could not be followed, is NaN.

    Args:
        kind: "map", or "flow", which is integrated by an embedded pair whose error is held at 1e-8 of the extent in
            each coordinate, each state with steps of its own.
        states: (batch, N), some states it will start from.
        step: of a flow, the time that counts as one step; by default a tenth of the shortest time constant that its
            Jacobian shows at those states.
    """
    dynamics = dynamics_of(f, states)
    size = 1.0 if kind == "map" else step_of(dynamics, states, step)
    follow = follower(f, dynamics, kind, Rules(_ERROR))
    extent = np.ptp(states, axis=0)

    def advance(states: np.ndarray, steps: int) -> np.ndarray:
        none, until = np.zeros((len(states), 0, states.shape[1])), float(steps * size)
        units = resting_units(dynamics, states, extent)
        course, _ = follow(beginning(states, none, min(size, until), units), np.array([until]), units)
        return np.where((course.time < until)[:, None], np.nan, course.states)

    return advance, size


def resting_units(dynamics: Dynamics, states: np.ndarray, extent: np.ndarray) -> Units:
    """For states without tangent vectors, from the extent (N,) or (B, N) that is known of them."""
    return units_of(dynamics, states, np.broadcast_to(extent, states.shape), np.ones_like(states))


def units_of(dynamics: Dynamics, states: np.ndarray, extent: np.ndarray, lengths: np.ndarray) -> Units:
    """For states and tangent vectors, from the extent (B, N) and the vectors' units (B, N) that are known of them."""
    return Units(
        extent=extent,
        lengths=lengths,
        rounding=_ROUNDING * dynamics.precision * np.abs(states),
        reach=reach_of(dynamics.precision, states, lengths),
    )


def step_of(dynamics: Dynamics, states: np.ndarray, step: float | int | None) -> float:
    """The given step, checked, or a tenth of the shortest time constant at (at most 64 of) the states."""
    if step is not None:
        return positive("step", step)
    some = states[np.linspace(0, len(states) - 1, min(len(states), 64)).astype(int)]
    slopes = dynamics.jacobians(some)
    slopes = slopes[np.isfinite(slopes).all(axis=(1, 2))]
    fastest = np.abs(np.linalg.eigvals(slopes)).max(initial=0.0) if len(slopes) else 0.0
    return 0.1 / fastest if fastest > 0 else 0.1


def escaped(states: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Which states (batch, N) ran away from where they were, (batch,): not finite, or a coordinate 1e12 times as large
    as the largest one before, whatever the unit; what begins beside an unstable point may go far, and yet stay."""
    reach = np.abs(before).max()
    with np.errstate(invalid="ignore"):
        return ~(np.abs(states).max(axis=1) <= (_FAR * reach if reach > 0 else np.finfo(float).max))
