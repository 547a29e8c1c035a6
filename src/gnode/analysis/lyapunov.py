"""Lyapunov exponents of flows and maps, with how far they have converged."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import t as student

from gnode.analysis.dynamics import Dynamics, Function, checked_states, dynamics_of, kind_of
from gnode.analysis.integration import step_of, stepper
from gnode.analysis.threads import one_thread
from gnode.errors import Diverged, must_have

_TRANSIENT = 0.1  # share of the duration that is run before counting
_BLOCKS = 200  # points of the convergence curve
_SMALLEST = 1e-300  # growth that a step may have
_GROUPS = 10  # stretches of time whose scatter gives the interval


@dataclass(frozen=True)
class LyapunovExponents:
    """Exponents in 1 / time of a flow, 1 / step of a map, the largest first.

    Attributes:
        exponents: (count,). Where every step annihilates a direction, log(1e-300) a step stands for minus infinity.
        intervals: (count, 2), 95 % intervals from the scatter between stretches of time and between starts.
        times: (T,), and curve: (T, count): the estimates as they stood then, over all starts.
        kaplan_yorke: the Kaplan-Yorke dimension; NaN where too few exponents were asked for to know it.
        step: of the integration, 1 for a map.
        starts: how many trajectories were averaged.
    """

    exponents: np.ndarray
    intervals: np.ndarray
    times: np.ndarray
    curve: np.ndarray
    kaplan_yorke: float
    step: float
    starts: int


@one_thread
def lyapunov_exponents(
    f: Function,
    start: Any,
    *,
    kind: str | None = None,
    duration: float | int,
    count: int | None = None,
    step: float | int | None = None,
    seed: int = 0,
) -> LyapunovExponents:
    """The `count` largest Lyapunov exponents along trajectories, by repeated QR decomposition of tangent vectors.

    Benettin, Galgani, Giorgilli and Strelcyn, Meccanica 15 (1980). Flows are integrated, tangents with them, by
    classical Runge-Kutta steps of fixed size. A tenth of the duration is run first and not counted.

    Args:
        f: any callable (batch, N) -> (batch, N).
        start: (N,), or (B, N) for several trajectories whose average is taken: the cheapest way to narrow intervals.
        kind: as for `fixed_points`.
        duration: how long each trajectory is followed, in the flow's unit of time, or in steps of the map.
        count: how many exponents; all N by default.
        step: of the flow's integration; by default a tenth of the shortest time constant at the starts.
        seed: of the tangent vectors' first directions.

    Raises:
        InvalidInput: an argument is wrong, or the duration holds fewer than 200 steps.
        Diverged: a trajectory leaves the finite numbers.
    """
    kind, states = kind_of(f, kind), checked_states(start, "start")
    size = states.shape[1]
    count = size if count is None else count
    if not isinstance(count, (int, np.integer)) or not 1 <= count <= size:
        must_have(f"a count of exponents from 1 to N = {size}", repr(count))
    dynamics = dynamics_of(f, states)
    length = 1.0 if kind == "map" else step_of(dynamics, states, step)
    steps = round(duration / length) if np.isfinite(duration) else 0
    if steps < _BLOCKS:
        must_have(f"a duration of at least {_BLOCKS} steps of {length:.3g}", f"{duration}")
    per_block = steps // _BLOCKS
    directions = np.random.default_rng(seed).standard_normal((len(states), size, count))
    frames = np.linalg.qr(directions)[0]
    follow = _follower(dynamics, f, kind, length, per_block)

    transient_blocks = int(np.ceil(_TRANSIENT * _BLOCKS))
    growths = []
    for block in range(transient_blocks + _BLOCKS):
        states, frames, growth = follow(states, frames)
        if not (np.isfinite(states).all() and np.isfinite(growth).all()):
            raise Diverged(
                f"A trajectory is not finite after {(block + 1) * per_block} steps of {length:.3g}. "
                "Take a smaller step, or a start that stays bounded."
            )
        growths.append(growth)
    rates = np.stack(growths[transient_blocks:]) / (per_block * length)  # (blocks, starts, count)
    times = np.arange(1, _BLOCKS + 1) * per_block * length
    curve = np.cumsum(rates.mean(axis=1), axis=0) / np.arange(1, _BLOCKS + 1)[:, None]
    exponents = curve[-1]
    order = np.argsort(-exponents)
    return LyapunovExponents(
        exponents=exponents[order],
        intervals=_intervals(rates)[order],
        times=times,
        curve=curve[:, order],
        kaplan_yorke=kaplan_yorke(exponents[order], size),
        step=length,
        starts=len(states),
    )


def kaplan_yorke(exponents: np.ndarray, size: int) -> float:
    """The Kaplan-Yorke dimension from the largest exponents of a system of this size; NaN where they are too few.

    Kaplan and Yorke 1979: j + (sum of the first j) / |exponent j + 1|, j the most whose sum is not negative.
    """
    sums = np.cumsum(exponents)
    negative = np.flatnonzero(sums < 0)
    if not len(negative):
        return float(size) if len(exponents) == size else np.nan
    first = negative[0]
    return float(first + (sums[first - 1] if first else 0.0) / abs(exponents[first]))


def _intervals(rates: np.ndarray) -> np.ndarray:
    """95 % intervals (count, 2) of the mean of rates (blocks, starts, count), long stretches taken as independent."""
    blocks, starts, count = rates.shape
    samples = rates.reshape(_GROUPS, blocks // _GROUPS, starts, count).mean(axis=1).reshape(-1, count)
    width = student.ppf(0.975, len(samples) - 1) * samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    centre = samples.mean(axis=0)
    return np.stack([centre - width, centre + width], axis=1)


def _follower(dynamics: Dynamics, f: Function, kind: str, length: float, steps: int):
    """follow(states, frames) -> states, frames and log growths (batch, count) after so many steps."""
    if dynamics.framework == "jax":
        return _compiled_follower(stepper(f, kind, length), steps)
    tangent = _tangent_stepper(dynamics, kind, length)

    @np.errstate(all="ignore")
    def follow(states: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        growth = np.zeros((len(states), frames.shape[2]))
        for _ in range(steps):
            states, frames = tangent(states, frames)
            frames, sizes = np.linalg.qr(frames)
            growth += np.log(np.maximum(np.abs(np.diagonal(sizes, axis1=1, axis2=2)), _SMALLEST))
        return states, frames, growth

    return follow


def _compiled_follower(step: Function, steps: int):
    def one(carry: tuple, _: None) -> tuple[tuple, None]:
        states, frames, growth = carry
        following, push_forward = jax.linearize(lambda now: jnp.asarray(step(now), now.dtype), states)
        moved = jax.vmap(push_forward, in_axes=2, out_axes=2)(frames)
        frames, sizes = jnp.linalg.qr(moved)
        growth = growth + jnp.log(jnp.maximum(jnp.abs(jnp.diagonal(sizes, axis1=1, axis2=2)), _SMALLEST))
        return (following, frames, growth), None

    @jax.jit
    def run(states: jax.Array, frames: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        growth = jnp.zeros((states.shape[0], frames.shape[2]))
        return jax.lax.scan(one, (states, frames, growth), length=steps)[0]

    def follow(states: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        with jax.enable_x64(True):
            result = run(jnp.asarray(states, jnp.float64), jnp.asarray(frames, jnp.float64))
            return np.asarray(result[0]), np.asarray(result[1]), np.asarray(result[2])

    return follow


def _tangent_stepper(dynamics: Dynamics, kind: str, length: float):
    """One step of states and tangent vectors from values and Jacobians."""
    if kind == "map":
        return lambda states, frames: (dynamics.values(states), dynamics.jacobians(states) @ frames)
    size = dynamics.size

    def joint(together: np.ndarray) -> np.ndarray:
        """The flow of (state, tangents), (batch, N, 1 + count)."""
        states = together[:, :, 0]
        return np.concatenate([dynamics.values(states)[:, :, None], dynamics.jacobians(states) @ together[:, :, 1:]], 2)

    runge_kutta = stepper(joint, "flow", length)

    def step(states: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        after = runge_kutta(np.concatenate([states.reshape(-1, size, 1), frames], axis=2))
        return after[:, :, 0], after[:, :, 1:]

    return step
