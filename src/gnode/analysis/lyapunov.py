"""Lyapunov exponents of flows and maps, with how far they have converged and how sure they are."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import f as fisher
from scipy.stats import t as student

from gnode.analysis.courses import Course, Follow, Path, Rules, Units, beginning
from gnode.analysis.dynamics import Dynamics, checked_states, dynamics_of, first_positive, kind_of
from gnode.analysis.frameworks import Function
from gnode.analysis.integration import units_of
from gnode.analysis.intervals import UNKNOWN, Interval, between
from gnode.analysis.propagators import accompanied
from gnode.arguments import integer, positive
from gnode.errors import Diverged, must_have
from gnode.modes import usual_modes
from gnode.threads import one_thread

_SCOUTING, _TURNING = 20, 20  # of so many blocks of the duration: to learn the extent, to turn the tangent vectors
_BLOCKS = 200  # points of the convergence curve
_AT_A_TIME = 10  # blocks of one call
_SLOW_WAVES = 10  # the lowest frequencies, whose power is that of the mean
_MEDIAN_OF_THEM, _FREEDOM = 0.7456, 11  # of as many exponential draws the mean median, and what it is worth in chi^2
_SLOWEST, _STANDS_OUT = 3, 15.0  # waves of which the time holds too few, and times the median that no noise reaches
_STATES, _TANGENTS = 1e-6, 1e-5  # errors allowed in a step
_STILL = 1e-9  # share of an extent below which it is at rest
_DOUBT, _MATTERS = 1e-4, 0.01  # level at which starts are said to differ, and by what share of the fastest exponent
_TOLERATED = 3e-5  # of the largest exponent: what steps within their tolerance may shift the others by
_GROUPS = 4  # of starts that agree, at most, that are named one by one
_BEYOND = 3.0  # half widths of an interval at which the neutral direction is missed
_SAID = ("Derivative by finite differences along each tangent vector.",)
_JUMP, _NEAR, _SLIDES = 0.1, 1e-3, 0.5  # of the speed: a jump; of the extent: beside it; of the states: along it
_HALVINGS = 60  # until no number lies between two states
_COARSE = 1e3  # times what is allowed, the error of a fixed step that is worth a word


@dataclass(frozen=True)
class LyapunovExponents:
    """Exponents in 1 / time of a flow, 1 / step of a map, the largest first.

    Attributes:
        exponents: (count,). Where every step annihilates a direction, log(1e-300) a step stands for minus infinity.
        intervals: (count, 2), 95 % intervals: how much the growth wanders over long times and between starts, and what
            the integration may have added.
        times: (T,), and curve: (T, count): the estimates as they stood then, over all starts.
        kaplan_yorke: the Kaplan-Yorke dimension, exponents whose interval holds 0 taken for 0; NaN where too few
            exponents were asked for to know it, or starts differ.
        kaplan_yorke_interval: (low, high), a 95 % interval, from the growth rates and how they go together.
        step: of the integration, on average where it is adapted; 1 for a map.
        starts: how many trajectories were averaged.
        per_start: (starts, count), the exponents of each trajectory.
        differ: whether trajectories differ by more than their own scatter, as on different attractors. What is averaged
            over them then describes none, and the Kaplan-Yorke dimension is NaN.
        neutral: of a flow, the growth of f itself along the trajectories, a direction whose exponent is 0 unless they
            come to rest: one of the exponents has to be near it. NaN for a map, and where all starts rest.
        step_error: (count,), by how much the integration may have shifted the exponents.
        steps: how many steps of integration were taken in all.
        checks: what was found wanting, in sentences.
        evidence: the numbers behind the result.
    """

    exponents: np.ndarray
    intervals: np.ndarray
    times: np.ndarray
    curve: np.ndarray
    kaplan_yorke: float
    kaplan_yorke_interval: Interval
    step: float
    starts: int
    per_start: np.ndarray
    differ: bool
    neutral: float
    step_error: np.ndarray
    steps: int
    checks: tuple[str, ...]
    evidence: str


@usual_modes()
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

    Benettin, Galgani, Giorgilli and Strelcyn, Meccanica 15 (1980). Flows are integrated, tangents with them, by an
    embedded Runge-Kutta pair, each start with steps of its own, whose error is held at a millionth of the trajectory's
    extent in each coordinate. A fifth of the duration is run first and not counted. Tangents of JAX functions are
    differentiated; where that is not the derivative of the values, and for others, they are differences.

    The mean of a growth that wanders has the variance of its slowest waves (the power at its lowest frequencies;
    Heidelberger and Welch, Communications of the ACM 24, 1981), which also holds where it repeats itself.

    Args:
        f: any callable (batch, N) -> (batch, N).
        start: (N,), or (B, N) for several trajectories whose average is taken: the cheapest way to narrow intervals.
            They have to settle on one attractor; where they do not, `checks` says so and `per_start` has each.
        kind: as for `fixed_points`.
        duration: how long each trajectory is followed, in the flow's unit of time, or in steps of the map.
        count: how many exponents; all N by default.
        step: of the flow's integration, if it is to be fixed; by default steps control their own error.
        seed: of the tangent vectors' first directions.

    Raises:
        InvalidInput: an argument is wrong, or the duration holds fewer than 200 steps of the map or of a given size.
        Diverged: a trajectory leaves the finite numbers, its steps would have to become ever smaller, or it slides
            along a jump.
    """
    states = checked_states(start, "start")
    return in_groups(f, states[None], kind=kind, duration=duration, count=count, step=step, seed=seed)[0]


def in_groups(
    f: Function,
    starts: np.ndarray,
    *,
    kind: str | None = None,
    duration: float | int,
    count: int | None = None,
    step: float | int | None = None,
    seed: int = 0,
) -> list[LyapunovExponents]:
    """As `lyapunov_exponents` of each of several groups of starts (groups, B, N), from one run of them all."""
    kind, states = kind_of(f, kind), np.concatenate(starts)
    size = states.shape[1]
    count = size if count is None else count
    count, seed = integer("count", count, 1, size), integer("seed", seed, 0)
    dynamics = dynamics_of(f, states)
    block, step = _checked_times(kind, duration, step)
    frames = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(states), size, count)))[0].swapaxes(1, 2)
    record = _recorded(f, dynamics, kind, states, frames, block, step)
    members = np.arange(len(states)).reshape(len(starts), -1)
    return [_summarised(record.of(group), kind, size) for group in members]


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


def kaplan_yorke_slopes(exponents: np.ndarray) -> np.ndarray:
    """By how much the Kaplan-Yorke dimension changes with each of the exponents (count,), where it is known."""
    sums = np.cumsum(exponents)
    first = int(np.argmax(sums < 0)) if sums[-1] < 0 else len(exponents) - 1
    slopes = np.zeros(len(exponents))
    if first and exponents[first] < 0:
        slopes[:first] = 1 / abs(exponents[first])
        slopes[first] = sums[first - 1] / exponents[first] ** 2
    return slopes


@dataclass(frozen=True)
class _Record:
    """What was seen on the way.

    Attributes:
        block: the time of each of the blocks.
        rates: (blocks, B, count), of growth.
        step_error: (B, count), of the rates over all the time.
        fixed: the size of a step, if it was given.
        taken: (B,), how many steps were counted; steps, refused: (B,), how many were taken and refused in all.
        still: (B,), whether the state hardly moved meanwhile, and never: whether it never did.
        neutral, wander: (B,), mean growth of f along the way, and by how much it may be off; NaN where unknown.
        replaced: whether tangents were differences because JAX's derivative is not finite on the way.
        said: what was found out about the callable.
        worst: (B,), the largest error of a step as a multiple of what is allowed.
    """

    block: float
    rates: np.ndarray
    step_error: np.ndarray
    taken: np.ndarray
    steps: np.ndarray
    refused: np.ndarray
    still: np.ndarray
    never: np.ndarray
    neutral: np.ndarray
    wander: np.ndarray
    worst: np.ndarray
    fixed: float | None = None
    replaced: bool = False
    said: tuple[str, ...] = ()

    @property
    def step(self) -> float:
        """The mean size of a step."""
        return self.fixed or float(len(self.rates) * self.block / np.mean(self.taken))

    def of(self, starts: np.ndarray) -> "_Record":
        """Of some of the starts (indices) alone."""
        by_start = ("step_error", "taken", "steps", "refused", "still", "never", "neutral", "wander", "worst")
        return replace(self, rates=self.rates[:, starts], **{name: getattr(self, name)[starts] for name in by_start})


def _checked_times(kind: str, duration: float | int, step: float | int | None) -> tuple[float, float | None]:
    """The time of a block, whole steps of a map, and the fixed step if there is one."""
    duration, step = positive("duration", duration), None if step is None else positive("step", step)
    if kind == "map" or step is not None:
        length = 1.0 if kind == "map" or step is None else step
        steps = round(duration / length)
        if steps < _BLOCKS:
            must_have(f"a duration of at least {_BLOCKS} steps of {length:.3g}", f"{duration}")
        return (float(steps // _BLOCKS), None) if kind == "map" else (steps * length / _BLOCKS, length)
    return duration / _BLOCKS, None


def _recorded(
    f: Function,
    dynamics: Dynamics,
    kind: str,
    states: np.ndarray,
    frames: np.ndarray,
    block: float,
    step: float | None,
) -> _Record:
    """Scouted, then followed with tangent vectors (B, count, N): by autodiff where that is the derivative of f."""
    rules, jax = Rules(_STATES, step), dynamics.framework == "jax"
    follow = _follower(f, dynamics, kind, rules, autodiff=jax)
    # In JAX tangent vectors come along although they count for nothing yet: one program is compiled instead of two.
    scouted = _scouted(follow, dynamics, states, frames if jax else frames[:, :0], block)
    dynamics = dynamics_of(f, scouted.visited)  # whose extent is that of the trajectories, and not of where they began
    record, replaced = None, False
    if not jax or not (
        dynamics.verify(scouted.visited) or dynamics.jacobian_method != "autodiff" or _is_alone(dynamics, scouted)
    ):
        record = _counted(follow, dynamics, kind, scouted, frames, block)
        replaced = record is None
    if record is None and jax:
        record = _counted(_follower(f, dynamics, kind, rules), dynamics, kind, scouted, frames, block)
    if record is None:
        raise Diverged(
            "A trajectory is finite, but the derivative of the callable along it is not, by differences neither. Take "
            "a start that stays where the callable is smooth."
        )
    return replace(record, replaced=replaced, fixed=step, said=dynamics.checks if jax else _SAID)


@dataclass(frozen=True)
class _Scouted:
    """Where trajectories settle: `course` there, their `extent` (B, N) on the way, `units` for what comes, and states
    that were `visited` (M, N)."""

    course: Course
    extent: np.ndarray
    units: Units
    visited: np.ndarray


def _scouted(follow: Follow, dynamics: Dynamics, states: np.ndarray, frames: np.ndarray, block: float) -> _Scouted:
    unknown = units_of(dynamics, states, np.zeros_like(states), np.ones_like(states))
    course = beginning(states, frames, 1e-3 * block, unknown)
    visited, extents = [states[None]], []
    for first, last in ((0, _SCOUTING // 2), (_SCOUTING // 2, _SCOUTING)):
        course, path = _led(follow, course._replace(low=course.states, high=course.states), first, last, block, unknown)
        _check_arrived(path, last, block, 0.0)
        visited.append(path.states)
        extents.append(course.high - course.low)
    seen, extent = np.concatenate(visited), np.maximum(*extents)
    units = units_of(dynamics, course.states, extents[-1], _lengths(extent, course.states))
    return _Scouted(course, extent, units, seen.reshape(-1, seen.shape[2]))


def _counted(
    follow: Follow,
    dynamics: Dynamics,
    kind: str,
    scouted: _Scouted,
    frames: np.ndarray,
    block: float,
) -> _Record | None:
    """Tangent vectors turned and then counted; None where they are not finite although the states are."""
    units = scouted.units._replace(tangents=max(_TANGENTS, float(scouted.units.reach.max()) ** 2))
    begun = beginning(scouted.course.states, frames, block, units)._replace(size=scouted.course.size)
    start, turned = _led(follow, begun, 0, _TURNING, block, units)
    if _only_growth_is_lost(turned):
        return None
    begun = start._replace(low=start.states, high=start.states)
    course, path = _led(follow, begun, _TURNING, _TURNING + _BLOCKS, block, units)
    if _only_growth_is_lost(path):
        return None
    _check_arrived(turned, _TURNING, block, _SCOUTING * block)
    _check_arrived(path, _TURNING + _BLOCKS, block, _SCOUTING * block)
    time = _BLOCKS * block
    still = (course.high - course.low <= _STILL * scouted.extent + units.rounding).all(axis=1)
    neutral, wander = _neutral(dynamics, np.concatenate([start.states[None], path.states]), units.lengths, time)
    moving = ~still & (kind == "flow")
    return _Record(
        block=block,
        rates=np.diff(path.growth, axis=0, prepend=start.growth[None]) / block,
        step_error=np.abs(course.shift - start.shift) / time,
        taken=course.taken - start.taken,
        steps=course.taken + scouted.course.taken,
        refused=course.refused,
        still=still,
        never=still & (scouted.extent <= units.rounding).all(axis=1),
        neutral=np.where(moving, neutral, np.nan),
        wander=np.where(moving, wander, np.nan),
        worst=course.worst,
    )


def _is_alone(dynamics: Dynamics, scouted: _Scouted) -> bool:
    """Whether the callable is finite where trajectories are and nowhere beside: autodiff differentiates one branch of
    it, and there is no derivative."""
    beside = 1e-6 * scouted.units.lengths * np.random.default_rng(0).standard_normal(scouted.units.lengths.shape)
    around = np.concatenate([scouted.course.states + beside, scouted.course.states - beside])
    return not np.isfinite(dynamics.values(around)).any()


def _only_growth_is_lost(path: Path) -> bool:
    """Whether the derivative is not finite along states that are."""
    return not np.isfinite(path.growth).all() and bool(np.isfinite(path.states).all())


def _lengths(ranges: np.ndarray, states: np.ndarray) -> np.ndarray:
    """A unit for each coordinate (B, N) from how far it ranged; where it did not, what others did, or its own size."""
    others, largest = ranges.max(axis=0, keepdims=True), ranges.max(axis=1, keepdims=True)
    return first_positive(ranges, others, largest, np.abs(states).max(axis=1, keepdims=True), 1.0)


def _led(follow: Follow, course: Course, first: int, last: int, block: float, units: Units) -> tuple[Course, Path]:
    """Followed over blocks, a few at a time: always as many, so that one program serves, and not on once it stops."""
    parts = []
    for begin in range(first, last, _AT_A_TIME):
        times = np.arange(begin + 1, begin + _AT_A_TIME + 1) * block
        course, path = follow(course, times, units)
        parts.append(path)
        if (course.time < times[-1]).any() or not np.isfinite(course.states).all():
            break
    return course, Path(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _check_arrived(path: Path, last: int, block: float, before: float) -> None:
    """Trajectories that began `before` are finite, and as far as they were to be followed."""
    finite = np.isfinite(path.states).all(axis=(1, 2))
    if not finite.all():
        raise Diverged(
            f"A trajectory is not finite after a time of {before + path.time[np.argmin(finite)].max():.3g}. Take a "
            "start that stays bounded, or a smaller step where one was given."
        )
    if (path.time[-1] < last * block).any():
        raise Diverged(
            f"A trajectory needs ever smaller steps at a time of about {before + path.time[-1].min():.3g}: it may jump "
            "there or be very stiff. Take a shorter duration, or give a step that is held whatever its error."
        )


def _follower(f: Function, dynamics: Dynamics, kind: str, rules: Rules, autodiff: bool = False) -> Follow:
    """As `accompanied`, and no trajectory of a flow slides along a jump."""
    follow = accompanied(f, dynamics, kind, rules, autodiff)
    if kind == "map":
        return follow

    def watched(course: Course, times: np.ndarray, units: Units) -> tuple[Course, Path]:
        after, path = follow(course, times, units)
        steps = (after.time - course.time) / np.maximum(after.taken - course.taken, 1)
        _check_slides(dynamics, path.states, _lengths(after.high - after.low, after.states), 10 * units.rounding, steps)
        return after, path

    return watched


def _check_slides(
    dynamics: Dynamics, path: np.ndarray, lengths: np.ndarray, rounding: np.ndarray, steps: np.ndarray
) -> None:
    """No trajectory (blocks, B, N) slides along a jump, where steps of any size (B,) that is allowed are as good."""
    times = len(path)
    lengths, rounding, steps = np.tile(lengths, (times, 1)), np.tile(rounding, (times, 1)), np.tile(steps, times)
    beside = _beside_a_jump(dynamics, path.reshape(-1, path.shape[2]), lengths, rounding, steps)
    sliding = np.mean(beside.reshape(path.shape[:2]), axis=0) > _SLIDES
    if sliding.any():
        raise Diverged(
            f"{_starts(sliding)} slides along a jump of the callable, where it turns back at every step: no step is "
            "small enough, and there are no exponents. Make the jump a steep slope, such as tanh(x / width) for "
            "sign(x), of a width that the states tell apart."
        )


@np.errstate(all="ignore")
def _beside_a_jump(
    dynamics: Dynamics, states: np.ndarray, lengths: np.ndarray, rounding: np.ndarray, steps: np.ndarray
) -> np.ndarray:
    """Which states (M, N) meet a jump of the flow within two steps, tiny beside the extent but no rounding, (M, 1)."""
    near, at_near = states, dynamics.values(states)
    moves, speeds = 2 * steps[:, None] * at_near, _norms(at_near / lengths)
    tiny = (_norms(moves / lengths) < _NEAR) & (_norms(moves / lengths) > _norms(rounding / lengths))
    if not tiny.any():
        return tiny
    far = states + moves
    at_far = dynamics.values(far)
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        at_middle = dynamics.values(middle)
        nearer = _norms((at_middle - at_near) / lengths) > _norms((at_far - at_middle) / lengths)
        far, at_far = np.where(nearer, middle, far), np.where(nearer, at_middle, at_far)
        near, at_near = np.where(nearer, near, middle), np.where(nearer, at_near, at_middle)
    return tiny & (_norms((at_far - at_near) / lengths) > _JUMP * speeds)


def _norms(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors, axis=1, keepdims=True)


@np.errstate(all="ignore")
def _neutral(dynamics: Dynamics, path: np.ndarray, lengths: np.ndarray, time: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean growth of |f| along each path (blocks, B, N), and how far its wandering puts that off: (B,), (B,)."""
    speeds = dynamics.values(path.reshape(-1, path.shape[2])).reshape(path.shape) / lengths
    logarithms = np.log(np.linalg.norm(speeds, axis=2))
    return (logarithms[-1] - logarithms[0]) / time, np.ptp(logarithms, axis=0) / time


# -- what it says --


def _summarised(record: _Record, kind: str, size: int) -> LyapunovExponents:
    rates = record.rates
    order = np.argsort(-rates.mean(axis=(0, 1)), kind="stable")
    rates, step_error = rates[:, :, order], record.step_error[:, order]
    exponents, per_start = rates.mean(axis=(0, 1)), rates.mean(axis=0)
    scatter, single = half_widths(rates)
    error = step_error.mean(axis=0)
    # Where growth repeats itself exactly, scatter says nothing; the steps' own tolerance still does.
    half = scatter + error + _TOLERATED * np.abs(exponents).max()
    intervals = np.stack([exponents - half, exponents + half], axis=1)
    counted = np.where(half >= np.abs(exponents), 0.0, exponents)
    differing = _differing(rates, single)
    dimension, dimensions = np.nan, UNKNOWN
    if differing is None:
        dimension = kaplan_yorke(counted, size)
        dimensions = _kaplan_yorke_interval(record, rates, exponents, counted, error, size)
    missed = _missing_neutral(record, per_start, single + step_error, size)
    checks = _checks(record, kind, per_start, differing, missed, error)
    moving = record.neutral[np.isfinite(record.neutral)]
    neutral = float(moving.mean()) if len(moving) else np.nan
    one = single + step_error + _TOLERATED * np.abs(per_start).max()
    found = _averaged(exponents, half) if differing is None else _of_each(per_start, one)
    evidence = _evidence(record, kind, found, error, neutral, dimension, dimensions)
    times = np.arange(1, _BLOCKS + 1) * record.block
    return LyapunovExponents(
        exponents=exponents,
        intervals=intervals,
        times=times,
        curve=np.cumsum(rates.mean(axis=1), axis=0) / np.arange(1, _BLOCKS + 1)[:, None],
        kaplan_yorke=dimension,
        kaplan_yorke_interval=dimensions,
        step=record.step,
        starts=len(per_start),
        per_start=per_start,
        differ=differing is not None,
        neutral=neutral,
        step_error=error,
        steps=int(record.steps.sum()),
        checks=(*record.said, *checks),
        evidence=" ".join([evidence, *checks]),
    )


def _kaplan_yorke_interval(
    record: _Record, rates: np.ndarray, exponents: np.ndarray, counted: np.ndarray, error: np.ndarray, size: int
) -> Interval:
    """To first order in the exponents, from the same combination of the rates (blocks, B, count) as is theirs of it.

    Of a flow that moves one exponent is 0 for certain. What else was taken for 0 may be off by what was found.
    """
    dimension = kaplan_yorke(counted, size)
    if np.isnan(dimension):
        return UNKNOWN
    slopes, doubtful = kaplan_yorke_slopes(counted), counted == 0
    surely = bool(np.isfinite(record.neutral).all() and doubtful.any())
    if surely:
        neutral = np.argmin(np.where(doubtful, np.abs(exponents), np.inf))
        slopes[neutral], doubtful[neutral] = 0.0, False
    scatter = float(half_widths(rates @ slopes[:, None])[0][0])
    taken = slopes @ np.where(doubtful, np.abs(exponents), 0.0)
    half = scatter + slopes @ error + _TOLERATED * np.abs(exponents).max() * slopes.sum() + taken
    # Beyond the last of the exponents the dimension would be that of a larger system.
    beyond = counted[:-1].sum() / abs(counted[-1]) + size - 1 if dimension == size and counted[-1] < 0 else dimension
    low = beyond - half
    if doubtful.any() and not (counted > 0).any():
        low = min(low, float(surely))  # were it below 0, the attractor would be a cycle or a point
    return float(np.clip(low, 0, dimension)), float(np.clip(beyond + half, dimension, size))


def half_widths(rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Half widths of 95 % intervals of the mean of rates (blocks, B, count): over all starts, and of one, (count,)."""
    starts = rates.shape[1]
    of_each = _variance_of_mean(rates).mean(axis=0)
    together = _variance_of_mean(rates.mean(axis=1, keepdims=True))[0]  # starts that move alike say less
    within = _student(_FREEDOM * starts) * np.sqrt(of_each)
    over_all = np.maximum(within / np.sqrt(starts), _student(_FREEDOM) * np.sqrt(together) * (starts > 1))
    if starts > 1:
        between = rates.mean(axis=0).var(axis=0, ddof=1) / starts
        over_all = np.where(_apart(rates), np.maximum(over_all, _student(starts - 1) * np.sqrt(between)), over_all)
    return over_all, within


def _apart(rates: np.ndarray) -> np.ndarray:
    """Which exponents differ between starts by more than each start's own scatter, (count,), by an F test."""
    starts = rates.shape[1]
    if starts < 2:
        return np.zeros(rates.shape[2], bool)
    between = rates.mean(axis=0).var(axis=0, ddof=1)
    ratio = between / (_variance_of_mean(rates).mean(axis=0) + 1e-300)
    return fisher.sf(ratio, starts - 1, _FREEDOM * starts) < _DOUBT


def _differing(rates: np.ndarray, single: np.ndarray) -> str | None:
    """How starts differ by more than their own scatter (count,), and by how much it matters; None where they do not."""
    per_start = rates.mean(axis=0)
    fastest = np.abs(per_start).max()
    apart = _apart(rates) & (np.ptp(per_start, axis=0) > _MATTERS * fastest)
    if not apart.any():
        return None
    which = int(np.argmax(apart))
    values = per_start[:, which]
    order = np.argsort(values)
    cuts = np.flatnonzero(np.diff(values[order]) > max(2 * single[which], _MATTERS * fastest)) + 1
    groups = [np.sort(group) for group in np.split(order, cuts)]
    name = "the largest exponent" if which == 0 else f"exponent {which + 1}"
    told = f"from {values.min():.3g} to {values.max():.3g}"
    if 1 < len(groups) <= _GROUPS:
        parts = [
            f"{values[group].mean():.3g} for {_starts(np.isin(np.arange(len(values)), group)).lower()}"
            for group in groups
        ]
        told = f"{', '.join(parts[:-1])} and {parts[-1]}"
    return (
        "The starts differ by more than their own scatter, as on different attractors: "
        f"{name} is {told}; see per_start."
    )


def _variance_of_mean(rates: np.ndarray) -> np.ndarray:
    """Of each series (blocks, B, count), (B, count), from the power of its slowest waves.

    Their median, since a wave with the period of an orbit says nothing about the mean; but their mean where such a
    wave is among the very slowest, of which the time holds too few to know.
    """
    waves = np.abs(np.fft.rfft(rates - rates.mean(axis=0), axis=0)[1 : 1 + _SLOW_WAVES]) ** 2
    power = np.median(waves, axis=0) / _MEDIAN_OF_THEM
    alone = waves[:_SLOWEST].max(axis=0) > _STANDS_OUT * power
    return np.where(alone, waves.mean(axis=0), power) / len(rates) ** 2


def _student(freedom: int) -> float:
    return float(student.ppf(0.975, freedom))


def _missing_neutral(record: _Record, per_start: np.ndarray, half: np.ndarray, size: int) -> np.ndarray:
    """Starts (B,) along which no exponent is that of f itself, which may be one of those not computed."""
    gaps = np.abs(per_start - record.neutral[:, None]) - _BEYOND * half
    known = np.isfinite(record.neutral) & np.isfinite(record.wander)
    if per_start.shape[1] < size:
        known &= record.neutral > per_start.min(axis=1)
    return known & (gaps.min(axis=1) > record.wander)


def _checks(
    record: _Record,
    kind: str,
    per_start: np.ndarray,
    differing: str | None,
    missed: np.ndarray,
    step_error: np.ndarray,
) -> tuple[str, ...]:
    """What the reader of the exponents has to know."""
    fastest = np.abs(per_start).max()
    found = []
    if record.never.any():
        found.append(
            f"{_starts(record.never)} never moved: at a fixed point the exponents are the "
            + ("logarithms of the moduli of its multipliers." if kind == "map" else "real parts of its eigenvalues.")
        )
    if (record.still & ~record.never).any():
        found.append(f"{_starts(record.still & ~record.never)} came to rest: the exponents are those of a fixed point.")
    if differing is not None:
        found.append(differing)
    if missed.any():
        found.append(
            f"No exponent is that of the flow's own direction ({record.neutral[missed][0]:.2g}) along "
            f"{_starts(missed).lower()}: the step is too large, the flow jumps, or the duration is too short."
        )
    if record.replaced:
        found.append("The derivative by JAX is not finite along a trajectory: differences were taken instead.")
    if record.fixed and ((record.worst > _COARSE).any() or (step_error > _MATTERS * fastest).any()):
        found.append(
            f"The step of {record.step:.3g} is too large: a step is off by up to {_STATES * record.worst.max():.1g} of "
            "the trajectory's extent or by as much of a tangent vector. Leave step out."
        )
    return tuple(found)


def _starts(which: np.ndarray) -> str:
    """The start, start 3, or 5 of 16 starts (3, 4, 8, ...)."""
    numbers = np.flatnonzero(which)
    if len(which) == 1:
        return "The start"
    if len(numbers) == 1:
        return f"Start {numbers[0]}"
    listed = ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")
    return f"{len(numbers)} of {len(which)} starts ({listed})"


def _averaged(exponents: np.ndarray, half: np.ndarray) -> str:
    """The first of the exponents, and their signs."""
    some = "; ".join(f"{value:.4g} ± {width:.2g}" for value, width in zip(exponents[:4], half[:4], strict=True))
    some += "; ..." if len(exponents) > 4 else ""
    signs = f"{int((exponents > half).sum())} above 0, {int((np.abs(exponents) <= half).sum())} not told from 0"
    return f"{len(exponents)} exponents ({some}), {signs}"


def _of_each(per_start: np.ndarray, half: np.ndarray) -> str:
    """The largest exponent of starts that are not averaged, and its signs; half widths (B, count)."""
    largest, width = per_start.max(axis=1), np.take_along_axis(half, per_start.argmax(axis=1)[:, None], axis=1)[:, 0]
    signs = f"above 0 at {int((largest > width).sum())}, not told from 0 at {int((np.abs(largest) <= width).sum())}"
    return (
        f"{per_start.shape[1]} exponents of each start, not averaged as starts differ: the largest from "
        f"{largest.min():.4g} to {largest.max():.4g}, {signs}"
    )


def _evidence(
    record: _Record,
    kind: str,
    found: str,
    error: np.ndarray,
    neutral: float,
    dimension: float,
    dimensions: Interval,
) -> str:
    """What the exponents rest on."""
    unit = "steps" if kind == "map" else "units of time"
    counted = _BLOCKS * record.block
    parts = [
        f"{found}, over {counted:.4g} {unit} of {len(record.still)} "
        f"starts, after {(_SCOUTING + _TURNING) * record.block:.4g} not counted"
    ]
    if kind == "flow":
        parts.append(
            f"{int(record.steps.sum())} steps of {record.step:.2g} on average, {int(record.refused.sum())} refused, "
            f"which shift exponents by {error.max():.1g} at most"
        )
    if np.isfinite(neutral):
        parts.append(f"along the flow itself the growth is {neutral:.2g} (0 if it stays bounded and moves)")
    if np.isfinite(dimension):
        parts.append(
            f"Kaplan-Yorke dimension {dimension:.4g}{between(dimensions, '.4g')}, exponents not told from 0 taken for 0"
        )
    return "; ".join(parts) + "."
