"""Kvaerno's implicit method of order 5, for stiff fields: diffrax's tableau, with a step of our own.

Why our own: diffrax solves the equations of a step for all trials as one dense system, and differentiates them in a
program that calls the host back, which JAX does not cache. Here each trial has its own small Jacobian. Newton's method
runs without being differentiated, up to its last step, whose derivative is that of the solution: from a solution k of
F(k) = 0 it returns k - F'(k)^-1 F(k), and with F'(k) held still the derivative is that of the implicit function.
"""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import PyTree

from gnode.integrate.methods import Method, Velocity

MOST_ITERATIONS = 10
TABLEAU = diffrax.Kvaerno5.tableau
DIAGONAL = 0.26  # of the tableau, at each implicit stage


def kvaerno5() -> Method:
    """Kvaerno's 5/4 ESDIRK method (BIT Numerical Mathematics 44, 2004): L-stable, order 5, its estimate of order 4."""
    return Method(_advance, order=5, reuses=True, implicit=True)


def _advance(
    velocity: Velocity, args: PyTree, state: Array, slope: Array | None, s: Array, step: Array
) -> tuple[Array, Array, Array]:
    """One step, NaN for trials whose equations are not solved."""
    count, dtype = len(TABLEAU.b_sol), state.dtype
    lower = np.array([np.pad(row, (0, count - len(row))) for row in TABLEAU.a_lower])

    def stage(slopes: Array, now: tuple[Array, Array, Array]) -> tuple[Array, None]:
        position, weights, node = now
        base = state + step * jnp.tensordot(weights, slopes, 1)
        found = _solve(velocity, s + node * step, base, step * DIAGONAL, slopes[position - 1], args)
        return slopes.at[position].set(found), None

    first = velocity(s, state, args) if slope is None else slope
    slopes = jnp.zeros((count, *state.shape), dtype).at[0].set(first)
    stages = jnp.arange(1, count), jnp.asarray(lower, dtype), jnp.asarray(TABLEAU.c, dtype)
    slopes, _ = lax.scan(stage, slopes, stages)
    following, error = (
        step * jnp.tensordot(jnp.asarray(weights, dtype), slopes, 1) for weights in (TABLEAU.b_sol, TABLEAU.b_error)
    )
    return state + following, error, slopes[-1]


def _solve(velocity: Velocity, s: Array, base: Array, reach: Array, guess: Array, args: PyTree) -> Array:
    """The slope k = velocity(base + reach * k), (trials, N), to rounding; NaN where Newton does not get there."""

    def correct(slope: Array, base: Array, args: PyTree) -> Array:
        state = base + reach * slope
        excess = velocity(s, state, args) - slope
        return slope - jnp.linalg.solve(lax.stop_gradient(derivative(state)), excess[..., None])[..., 0]

    def derivative(state: Array) -> Array:
        """Of the excess by the slope: (trials, N, N), from one direction for all trials at a time."""
        basis = jnp.eye(state.shape[-1], dtype=state.dtype)
        push = jax.vmap(
            lambda direction: jax.jvp(
                lambda state: velocity(s, state, still_args), (state,), (jnp.broadcast_to(direction, state.shape),)
            )[1],
            out_axes=-1,
        )
        return reach[..., None] * push(basis) - basis

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
    # After one the first derivative would be right, and no second.
    solved = correct(correct(slope, base, args), base, args)
    return jnp.where((missing <= enough)[..., None], solved, jnp.nan)
