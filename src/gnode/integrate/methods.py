"""One step of a method for all trials at a time, each at its own s by a step of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import diffrax
from jax import Array
from jaxtyping import PyTree

Velocity = Callable[[Array, Array, PyTree], Array]  # dh/ds (trials, N) of s (trials, 1), the state and the arguments


# One step: of the velocity, its arguments, the state, the slope there (None where it is not known), s and the step; to
# the state after it, the estimate of its error, and the slope there (None where the method does not end with it).
Advance = Callable[[Velocity, PyTree, Array, Array | None, Array, Array], tuple[Array, Array, Array | None]]


@dataclass(frozen=True)
class Method:
    """A way to take steps.

    Attributes:
        advance: one step.
        order: by which power of the step its error falls.
        reuses: whether a step can begin with the slope that the one before it ended with.
        implicit: whether a step solves equations, in loops of its own: dear, and stable on stiff fields.
        in_diffrax: diffrax's solver for the same, where there is one and it is explicit.
    """

    advance: Advance
    order: int
    reuses: bool
    implicit: bool = False
    in_diffrax: Callable[[], diffrax.AbstractSolver] | None = None


def explicit(solver: Any) -> Method:
    """The method of an explicit solver of diffrax, from its tableau."""
    tableau = solver.tableau
    lower = [[float(weight) for weight in row] for row in tableau.a_lower]
    nodes, weights, errors = ([float(value) for value in row] for row in (tableau.c, tableau.b_sol, tableau.b_error))
    return Method(
        _runge_kutta(lower, nodes, weights, errors, tableau.fsal), solver().order(None), tableau.fsal, in_diffrax=solver
    )


def euler() -> Method:
    """Euler's method, without an estimate of its error."""
    return Method(_runge_kutta([], [], [1.0], [0.0], False), 1, False)


def _runge_kutta(lower: list, nodes: list, weights: list, errors: list, reuses: bool) -> Advance:
    """The explicit method of a tableau. Its stages are written out, as they are few and XLA then fuses their sums."""

    def advance(
        velocity: Velocity, args: PyTree, state: Array, slope: Array | None, s: Array, step: Array
    ) -> tuple[Array, Array, Array | None]:
        slopes = [velocity(s, state, args) if slope is None else slope]
        for row, node in zip(lower, nodes, strict=True):
            slopes.append(velocity(s + node * step, state + step * _sum(row, slopes), args))
        following, error = state + step * _sum(weights, slopes), step * _sum(errors, slopes)
        return following, error, slopes[-1] if reuses else None

    return advance


def _sum(weights: list, slopes: list) -> Array | int:
    return sum(weight * slope for weight, slope in zip(weights, slopes, strict=True) if weight)
