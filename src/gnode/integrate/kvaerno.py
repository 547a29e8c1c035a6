"""Kvaerno's implicit method of order 5, for stiff fields: diffrax's tableau, with a step of our own.

Why our own: diffrax solves the equations of a step for all trials as one dense system, and differentiates them in a
program that calls the host back, which JAX does not cache. Here each trial has its own small Jacobian. Newton's method
runs without being differentiated, up to its last step, whose derivative is that of the solution: from a solution k of
F(k) = 0 it returns k - F'(k)^-1 F(k), and with F'(k) held still the derivative is that of the implicit function.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

MOST_ITERATIONS = 10
TABLEAU = diffrax.Kvaerno5.tableau
DIAGONAL = 0.26  # of the tableau, at each implicit stage

Scalar = Array | np.ndarray | float | int


class Kvaerno5(diffrax.AbstractSolver):
    """Kvaerno's 5/4 ESDIRK method (BIT Numerical Mathematics 44, 2004): L-stable, order 5, error estimate of order 4.

    States are (*batch, N); the field of each is its own. A step whose equations are not solved is NaN.
    """

    term_structure: ClassVar = diffrax.AbstractTerm
    interpolation_cls: ClassVar = diffrax.LocalLinearInterpolation

    def order(self, terms: diffrax.AbstractTerm) -> int:
        return 5

    def init(self, terms: diffrax.AbstractTerm, t0: Scalar, t1: Scalar, y0: Array, args: object) -> None:
        return None

    def func(self, terms: diffrax.AbstractTerm, t0: Scalar, y0: Array, args: object) -> Array:
        return terms.vf(t0, y0, args)

    def step(
        self,
        terms: diffrax.AbstractTerm,
        t0: Scalar,
        t1: Scalar,
        y0: Array,
        args: object,
        solver_state: None,
        made_jump: Array | np.ndarray | bool,
    ) -> tuple[Array, Array, dict[str, Array], None, Any]:
        step = terms.contr(t0, t1)
        count = len(TABLEAU.b_sol)
        lower = np.array([np.pad(row, (0, count - len(row))) for row in TABLEAU.a_lower])
        reach = step * DIAGONAL

        def stage(slopes: Array, now: tuple[Array, Array, Array]) -> tuple[Array, None]:
            position, weights, fraction = now
            base = y0 + step * jnp.tensordot(weights, slopes, 1)
            time = t0 + fraction * step
            slope = _solve(lambda state, args: terms.vf(time, state, args), base, reach, slopes[position - 1], args)
            return slopes.at[position].set(slope), None

        slopes = jnp.zeros((count, *y0.shape), y0.dtype).at[0].set(terms.vf(t0, y0, args))
        stages = jnp.arange(1, count), jnp.asarray(lower, y0.dtype), jnp.asarray(TABLEAU.c, y0.dtype)
        slopes, _ = lax.scan(stage, slopes, stages)
        y1 = y0 + step * jnp.tensordot(jnp.asarray(TABLEAU.b_sol, y0.dtype), slopes, 1)
        error = step * jnp.tensordot(jnp.asarray(TABLEAU.b_error, y0.dtype), slopes, 1)
        return y1, error, dict(y0=y0, y1=y1), None, diffrax.RESULTS.successful


def _solve(velocity: Callable[[Array, object], Array], base: Array, reach: Array, guess: Array, args: object) -> Array:
    """The slope k = velocity(base + reach * k), to rounding; NaN where Newton's method does not get there."""

    def correct(slope: Array, base: Array, args: object) -> Array:
        state = base + reach * slope
        excess = velocity(state, args) - slope
        return slope - jnp.linalg.solve(lax.stop_gradient(derivative(state)), excess[..., None])[..., 0]

    def derivative(state: Array) -> Array:
        """Of the excess by the slope: (*batch, N, N), from one direction for all trials at a time."""
        basis = jnp.eye(state.shape[-1], dtype=state.dtype)
        push = jax.vmap(
            lambda direction: jax.jvp(
                lambda state: velocity(state, still_args), (state,), (jnp.broadcast_to(direction, state.shape),)
            )[1],
            out_axes=-1,
        )
        return reach * push(basis) - basis

    still_base, still_guess, still_args = lax.stop_gradient((base, guess, args))
    # One step of Newton's squares the error: after a correction below the root of the rounding, the next is the last.
    enough = float(jnp.finfo(base.dtype).eps) ** 0.5

    def going(carry: tuple[Array, Array, Array]) -> Array:
        iteration, _, missing = carry
        return (iteration < MOST_ITERATIONS) & jnp.any(missing > enough)

    def iterate(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        iteration, slope, _ = carry
        better = correct(slope, still_base, still_args)
        missing = jnp.abs(reach * (better - slope)) / (1 + jnp.abs(still_base + reach * better))
        return iteration + 1, better, jnp.max(missing, axis=-1)

    unknown = jnp.full(base.shape[:-1], jnp.inf, base.dtype)
    _, slope, missing = lax.while_loop(going, iterate, (jnp.asarray(0), still_guess, unknown))
    return jnp.where((missing <= enough)[..., None], correct(slope, base, args), jnp.nan)
