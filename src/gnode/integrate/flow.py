"""Flows: the field followed through continuous time, by the methods of diffrax (Kidger 2021, arXiv 2202.02435).

Each interval between two samples is solved by itself, from s = 0 to s = 1, with

    dh/ds = elapsed * field(h, x(s)),

and a scan goes from sample to sample. So samples, knots and pulse edges are ends of solves: steps land on them to the
bit, however long or irregular a series is; no step is shared by two samples, so that nothing depends on what comes
later; an interval of length 0 (padding) does not move the state; and elapsed times are factors, differentiable as any
other number. The first step tries the whole interval, or a part of tau; where that is too long, the error says so.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float, Int, PyTree, Real

from gnode.errors import look_up, must_have
from gnode.fields import Field
from gnode.integrate.interpolations import INTERPOLATIONS, Coefficients
from gnode.integrate.kvaerno import kvaerno5
from gnode.integrate.methods import Method, euler, explicit
from gnode.integrate.path import Path
from gnode.integrate.stepping import BESIDE, NOT_FINITE, TOO_MANY, TOO_SMALL, WAYS_BACK, Stepping, solve
from gnode.nn.dense import Apply, turn

FIRST_TRY = 0.3  # of the first step of an interval, in units of tau; all of a shorter interval


@dataclass(frozen=True)
class Solver:
    """A registered solver.

    Attributes:
        method: that takes its steps.
        estimates: whether it estimates its error, which steps chosen by a tolerance need.
        summary: one line for `gnode list integrators`.
    """

    method: Method
    estimates: bool
    summary: str


SOLVERS: dict[str, Solver] = {
    "euler-flow": Solver(euler(), False, "Euler with equal steps inside each interval"),
    "heun": Solver(explicit(diffrax.Heun), True, "Heun's method, order 2"),
    "bosh3": Solver(explicit(diffrax.Bosh3), True, "Bogacki and Shampine, order 3: for loose tolerances"),
    "tsit5": Solver(explicit(diffrax.Tsit5), True, "Tsitouras, order 5: the first to try"),
    "dopri5": Solver(explicit(diffrax.Dopri5), True, "Dormand and Prince, order 5"),
    "dopri8": Solver(explicit(diffrax.Dopri8), True, "Dormand and Prince, order 8: for tight tolerances in float64"),
    "kvaerno5": Solver(kvaerno5(), True, "Kvaerno, order 5, implicit: for stiff fields"),
}

ADJOINTS: dict[str, str] = {
    "recursive-checkpoint": "back through the steps that were taken, with few states kept",
    "backsolve": "back by solving the adjoint equation: exact only as far as the tolerances go, over a few tau",
    "direct": "through the steps, forward and reverse and more than once; slow where most_steps is large",
}

GRIDS: dict[str, str] = {
    "batch": "one step size for the batch, that of its most difficult series",
    "series": "a step size for each series, so that it is solved as if alone",
}

# What went wrong, and what to try.
FAILURES: dict[int, tuple[str, str]] = {
    TOO_MANY: (
        "the interval took more steps than most_steps",
        "Try larger tolerances, a larger most_steps, or the solver kvaerno5 if the field is stiff.",
    ),
    TOO_SMALL: (
        "the steps became too small to be told from 0, as where a state grows without bound",
        "Try a field with leak, a smaller learning rate, or larger tolerances.",
    ),
    NOT_FINITE: (
        "the state left the numbers that can be computed with",
        "Try a field with leak, a smaller learning rate, or more substeps.",
    ),
    BESIDE: (
        "another trial, which shares its steps, could not be solved",
        "With grid = 'series' each trial has steps of its own.",
    ),
}


class Flow(eqx.Module):
    """The continuous integrator: tau dh/dt = field(h, x(t)), solved between samples.

    Attributes:
        solver: a name out of SOLVERS.
        rtol: by how much a step may err, relative to the state.
        atol: by how much it may err where the state is near 0.
        most_steps: how many steps an interval may take before the solve is given up.
        substeps: 0 for steps chosen by rtol and atol; n for n equal steps in each interval.
        interpolation: what the input does between samples, a name out of INTERPOLATIONS.
        adjoint: how gradients are computed, a name out of ADJOINTS.
        grid: which trials share their steps, a name out of GRIDS.

    Raises:
        InvalidInput: options that are no such names, out of range, or cannot work together.
    """

    kind: ClassVar[str] = "flow"

    solver: str = eqx.field(static=True, default="tsit5")
    rtol: float = eqx.field(static=True, default=1e-5)
    atol: float = eqx.field(static=True, default=1e-6)
    most_steps: int = eqx.field(static=True, default=4096)
    substeps: int = eqx.field(static=True, default=0)
    interpolation: str = eqx.field(static=True, default="constant")
    adjoint: str = eqx.field(static=True, default="recursive-checkpoint")
    grid: str = eqx.field(static=True, default="batch")

    def __check_init__(self) -> None:
        solver = look_up("solver", self.solver, SOLVERS)
        look_up("interpolation", self.interpolation, INTERPOLATIONS)
        look_up("adjoint", self.adjoint, WAYS_BACK)
        look_up("grid", self.grid, GRIDS)
        for name in ("rtol", "atol"):
            if not 0 < getattr(self, name) < np.inf:
                must_have(f"{name} above 0", getattr(self, name))
        if not self.most_steps >= 1:
            must_have("most_steps of 1 or more", self.most_steps)
        if not self.substeps >= 0:
            must_have("substeps of 0 (steps chosen by rtol and atol) or more", self.substeps)
        if not (solver.estimates or self.substeps):
            must_have(f"substeps of 1 or more with {self.solver}", self.substeps, "It has no estimate of its error.")
        if self.adjoint == "backsolve" and self.substeps:
            must_have("substeps = 0 with backsolve", self.substeps, "What it keeps small, it keeps small by tolerance.")
        if self.adjoint == "backsolve" and solver.method.implicit:
            must_have(
                "an explicit solver with backsolve",
                self.solver,
                "An implicit one would solve equations in all parameters.",
            )

    def __call__(
        self,
        field: Field,
        start: Float[Array, "trials N"],
        inputs: Float[Array, "trials time D"],
        elapsed: Float[Array, "#trials time"],
        impulses: Float[Array, "trials time N"] | None = None,
    ) -> Path:
        """The state at each sample.

        Args:
            start: the state before the first interval.
            inputs: the samples; sample k is that at the end of interval k.
            elapsed: how long each interval is, in units of tau; 0 at padding, where the state does not move.
            impulses: what is added to the state at the end of each interval.
        """
        elapsed = jnp.broadcast_to(elapsed, inputs.shape[:2])
        coefficients = INTERPOLATIONS[self.interpolation].coefficients(inputs, elapsed)
        return self.along(field, start, coefficients, elapsed, impulses)

    def along(
        self,
        field: Field,
        start: Float[Array, "trials N"],
        coefficients: Coefficients,
        elapsed: Float[Array, "trials time"],
        impulses: Float[Array, "trials time N"] | None = None,
    ) -> Path:
        """The state at each sample, where the coefficients of a cubic give the input on each interval."""
        return _follow(self._steps(), field, start, coefficients, elapsed, impulses)

    def step(
        self,
        field: Field,
        state: Float[Array, "*batch N"],
        inputs: Float[Array, "*batch D"],
        elapsed: Float[ArrayLike, "*batch"],
    ) -> Float[Array, "*batch N"]:
        """The state after `elapsed`, in units of tau, with the input held still; NaN where that cannot be solved.

        Each state is solved as if alone, and may be differentiated forward only, as analysis does.
        """
        batch = state.shape[:-1]
        held = jnp.broadcast_to(inputs, (*batch, inputs.shape[-1])).reshape(-1, 1, inputs.shape[-1])
        coefficients = jnp.pad(held, ((0, 0), (0, 3), (0, 0)))
        elapsed = jnp.broadcast_to(jnp.asarray(elapsed, state.dtype), batch).reshape(-1)
        alone = replace(self._steps(), grid="series", adjoint="forward")
        states, failed = _across(alone, field, state.reshape(-1, state.shape[-1]), coefficients, elapsed, turn(field))
        return jnp.where((failed == 0)[:, None], states, jnp.nan).reshape(state.shape)

    def between(
        self,
        field: Field,
        start: Float[Array, "trials N"],
        inputs: Float[Array, "trials time D"],
        elapsed: Float[Array, "#trials time"],
        states: Float[Array, "trials time N"],
        sample: Int[Array, "trials K"],
        fraction: Float[Array, "trials K"],
    ) -> Float[Array, "trials K N"]:
        """The states inside intervals: at a `fraction`, in (0, 1], of the interval that ends at `sample`.

        NaN where that cannot be solved.
        """
        elapsed = jnp.broadcast_to(elapsed, inputs.shape[:2])
        coefficients = INTERPOLATIONS[self.interpolation].coefficients(inputs, elapsed)
        before = jnp.concatenate([start[:, None], states[:, :-1]], axis=1)
        # A part of an interval is an interval: its cubic is that of the whole, run through more slowly.
        slower = fraction[..., None, None] ** jnp.arange(4)[:, None]
        of_part, from_state, part = (
            jax.vmap(lambda values, at: values[at])(values, sample) for values in (coefficients, before, elapsed)
        )
        flat = [values.reshape(-1, *values.shape[2:]) for values in (from_state, of_part * slower, part * fraction)]
        from_start, of_cubic, lengths = flat
        reached, failed = _across_once(self._steps(), field, from_start, of_cubic, lengths, turn(field))
        return jnp.where((failed == 0)[:, None], reached, jnp.nan).reshape(from_state.shape)

    def _steps(self) -> "Flow":
        """What a compiled solve depends on: coefficients are its data, whichever interpolation made them."""
        return replace(self, interpolation="constant")


def explain(path: Path, times: Real[ArrayLike, "#trials time"]) -> str | None:
    """Which trial of a path was not solved, from when on, why, and what to try; None where all were.

    Args:
        times: of the samples, in seconds.
    """
    failed, until = np.asarray(path.failed), np.asarray(path.until)
    trials = np.flatnonzero(failed)
    if not len(trials):
        return None
    # A trial that failed by itself comes before those that it took along.
    trial = min(trials, key=lambda trial: (failed[trial] == BESIDE, until[trial]))
    times = np.broadcast_to(np.asarray(times), path.states.shape[:2])
    since = f"t = {times[trial, until[trial] - 1]:g} s" if until[trial] else "its start"
    reason, advice = FAILURES[int(failed[trial])]
    others = f" (and {len(trials) - 1} of the other {len(failed) - 1})" if len(trials) > 1 else ""
    return (
        f"Trial {trial}{others} could not be solved beyond {since}, sample {until[trial]} of {times.shape[1]}: "
        f"{reason}. {advice}"
    )


@eqx.filter_jit
def _follow(
    flow: Flow,
    field: Field,
    start: Float[Array, "trials N"],
    coefficients: Coefficients,
    elapsed: Float[Array, "trials time"],
    impulses: Float[Array, "trials time N"] | None,
) -> Path:
    """The state at each sample, under inputs that are cubics."""

    def interval(carry: tuple[Array, Array], now: tuple[Array, Array, Array | None]) -> tuple:
        state, failed = carry
        cubic, elapsed, impulse = now
        # A trial that has failed stands still, so that nothing is computed from where it failed.
        following, failing = _across(flow, field, state, cubic, jnp.where(failed == 0, elapsed, 0), turned)
        failed = jnp.where(failed == 0, failing, failed)
        following = following if impulse is None else following + impulse
        state = jnp.where((failed == 0)[:, None], following, state)
        return (state, failed), (state, failed == 0)

    turned = turn(field)
    jumps = None if impulses is None else jnp.moveaxis(impulses, 1, 0)
    over_time = jnp.moveaxis(coefficients, 1, 0), elapsed.T, jumps
    (_, failed), (states, reached) = lax.scan(interval, (start, jnp.zeros(len(start), jnp.int32)), over_time)
    states, until = jnp.moveaxis(states, 0, 1), reached.sum(axis=0)
    return Path(states, failed, until)


def _across(
    flow: Flow,
    field: Field,
    state: Float[Array, "trials N"],
    cubic: Float[Array, "trials 4 D"],
    elapsed: Float[Array, " trials"],
    turned: list[Array],
) -> tuple[Float[Array, "trials N"], Int[Array, " trials"]]:
    """The state at the end of an interval, and what failed: 0 or a key of FAILURES.

    What padding stands for, an interval of length 0, cannot fail: nothing was asked of it.
    """
    parameters, rest = eqx.partition(field, eqx.is_inexact_array)

    def velocity(by: Callable[[PyTree], Apply], s: Array, state: Array, args: tuple) -> Array:
        parameters, cubic, elapsed = args
        whole = eqx.combine(parameters, rest)
        return _velocity(whole, s, state, cubic, elapsed, by(whole))

    stepping = Stepping(
        SOLVERS[flow.solver].method, flow.rtol, flow.atol, flow.most_steps, flow.substeps, flow.grid == "batch"
    )
    first = jnp.minimum(elapsed, FIRST_TRY) / jnp.where(elapsed == 0, 1, elapsed)
    args = parameters, cubic, elapsed
    following, failed = solve(stepping, flow.adjoint, velocity, state, lax.stop_gradient(first), args, turned)
    failed = jnp.where((failed == 0) & ~_bounded(following)[..., 0], NOT_FINITE, failed)
    return following, jnp.where(elapsed == 0, 0, failed)


_across_once = eqx.filter_jit(_across)  # for who is not in a program of their own, where each loop would be one


def _velocity(field: Field, s: Array, state: Array, cubic: Array, elapsed: Array, dense: Apply) -> Array:
    """dh/ds. NaN where the state has left the numbers, which a solver takes for an error without bound.

    The field itself sees no such state, and the NaN is a constant: so none enters a gradient.
    """
    level, slope, bend, twist = jnp.moveaxis(cubic, -2, 0)
    inputs = level + s * (slope + s * (bend + s * twist))
    bounded, moving = _bounded(state), elapsed[..., None] != 0
    velocity = elapsed[..., None] * field(jnp.where(bounded, state, 0), inputs, dense)
    return jnp.where(moving, jnp.where(bounded, velocity, jnp.nan), 0)


def _bounded(state: Float[Array, "*batch N"]) -> Array:
    """Whether a field can compute with a state: whether its fourth power is a number. (*batch, 1)."""
    return jnp.all(jnp.abs(state) < float(jnp.finfo(state.dtype).max) ** 0.25, axis=-1, keepdims=True)
