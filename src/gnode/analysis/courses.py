"""Trajectories with their tangent vectors: of maps, and of flows by steps that control their own error.

Each start has steps of its own. What is allowed as an error of a step is a share of the extent that the trajectory has
had in each coordinate, so the same system in other units, at another offset or with one coordinate scaled takes the
same steps. A tangent vector may be off by a share of its own length.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gnode.analysis.dynamics import Dynamics
from gnode.analysis.embedded_pair import cash_karp, change_of_size, stacked_cash_karp
from gnode.analysis.frameworks import Function, compiled, undisturbed
from gnode.analysis.tangents import by_autodiff, by_differences

SMALLEST = 1e-15  # of the time: a step that asks for less never arrives
GROWTH = 1e-300  # smallest growth that has a logarithm
NOTHING = 1e-300


class Course(NamedTuple):
    """Where B trajectories of N units with k tangent vectors each are.

    Attributes:
        time: (B,), since the start.
        size: (B,), of the next step.
        together: (B, 1 + k, N), the state and its tangent vectors, orthonormal in the units of `Units.lengths`.
        low, high: (B, N), of the states so far.
        growth: (B, k), logarithm of how much each tangent vector has grown.
        shift: (B, k), what the growth would differ by had the method one order less.
        taken, refused: (B,), numbers of steps.
        worst: (B,), the largest error of a step that was taken, as a multiple of what is allowed.
    """

    time: Any
    size: Any
    together: Any
    low: Any
    high: Any
    growth: Any
    shift: Any
    taken: Any
    refused: Any
    worst: Any

    @property
    def states(self) -> Any:
        return self.together[:, 0]


class Units(NamedTuple):
    """What is large and what is small, for each of B trajectories.

    Attributes:
        extent: (B, N), of the trajectory as far as it is known before it is followed; 0 where nothing is.
        lengths: (B, N), the unit of tangent vectors in each coordinate.
        rounding: (B, N), errors of the state that nobody can avoid.
        reach: (B,), of differences along tangent vectors of length 1.
        tangents: error allowed in a step of a tangent vector, as a share of its length; infinite where they only come
            along.
    """

    extent: Any
    lengths: Any
    rounding: Any
    reach: Any
    tangents: Any = np.inf


class Path(NamedTuple):
    """What was seen at T times, or after T attempts of a step.

    Attributes:
        time: (T, B), how far each trajectory was: less than a time asked for where it took too many steps.
        states: (T, B, N).
        growth: (T, B, k), logarithm of how much each tangent vector had grown.
    """

    time: Any
    states: Any
    growth: Any


@dataclass(frozen=True)
class Rules:
    """How exact.

    Attributes:
        states: error allowed in a step, as a share of the extent.
        step: a fixed size, whatever the error; None for steps that control it.
        attempts: the most steps from one of the times asked for to the next, refused ones among them; steps of a fixed
            size and of maps are as many as they are.
    """

    states: float
    step: float | None = None
    attempts: int = 50_000


Follow = Callable[[Course, np.ndarray, Units], tuple[Course, Path]]
Recorded = Callable[[Course, Units], tuple[Course, Path]]


def beginning(states: np.ndarray, frames: np.ndarray, size: float, units: Units) -> Course:
    """Trajectories at time 0. frames: (B, k, N), orthonormal; k may be 0."""
    nothing, none = np.zeros(len(states)), np.zeros(frames.shape[:2])
    together = np.concatenate([states[:, None], frames * units.lengths[:, None]], axis=1)
    return Course(
        time=nothing,
        size=np.full(len(states), size),
        together=together,
        low=states,
        high=states,
        growth=none,
        shift=none,
        taken=nothing,
        refused=nothing,
        worst=nothing,
    )


def follower(f: Function, dynamics: Dynamics, kind: str, rules: Rules, autodiff: bool = False) -> Follow:
    """follow(course, times (T,), units) -> course at the last of the times, and what was seen at each.

    Where `rules.attempts` do not suffice for the way to one of them, it stops there. A trajectory that blows up, or
    meets values that are not finite, is NaN from there on. A step of a map takes a time of 1.

    Args:
        autodiff: tangent vectors by automatic differentiation (JAX alone), else by differences of f.
    """
    if dynamics.framework == "jax":
        return _from_numpy(compiled(_followed, f, kind, rules, autodiff))
    return called(dynamics.bare, kind, rules)


def recorder(f: Function, dynamics: Dynamics, kind: str, rules: Rules, count: int, longest: float) -> Recorded:
    """record(course, units) -> course after `count` attempts of a step each, and what was seen after every one.

    A trajectory whose attempt was refused is where it was before. Tangent vectors are moved by differences.

    Args:
        longest: no step of a flow takes more time than this.
    """
    step = _attempting(kind, rules, longest)
    if dynamics.framework != "jax":

        @undisturbed()
        def record(course: Course, units: Units) -> tuple[Course, Path]:
            slopes = by_differences(np, dynamics.bare, units.reach)
            seen = []
            for _ in range(count):
                course = step(np, slopes, course, units)
                seen.append((course.time, course.states, course.growth))
            return course, Path(*(np.stack(column) for column in zip(*seen, strict=True)))

        return record

    run = _from_numpy(compiled(_recorded, f, kind, rules, count))
    return lambda course, units: run(course, units, longest)


Attempt = Callable[[Any, Callable[[Any], Any], Course, Units], Course]  # the first: numpy or jax.numpy


def _attempting(kind: str, rules: Rules, longest: Any) -> Attempt:
    """An attempt of a step that takes at most so much time."""
    onwards, _ = _how(kind, rules)

    def step(numbers: Any, slopes: Callable[[Any], Any], course: Course, units: Units) -> Course:
        shorter = course._replace(size=numbers.minimum(course.size, longest))
        return onwards(numbers, slopes, shorter, course.time + 2 * longest, units, rules)  # which it cannot reach

    return step


def _recorded(
    f: Function, kind: str, rules: Rules, count: int, course: Course, units: Units, longest: Any
) -> tuple[Course, Path]:
    step = _attempting(kind, rules, longest)
    slopes = by_differences(jnp, _values_of(f), units.reach)

    def once(course: Course, _: None) -> tuple[Course, Path]:
        course = step(jnp, slopes, course, units)
        return course, Path(course.time, course.states, course.growth)

    return jax.lax.scan(once, course, length=count)


def called(values: Callable[[np.ndarray], np.ndarray], kind: str, rules: Rules) -> Follow:
    """As `follower`, for values (B, N) -> (B, N) in NumPy that are called again and again."""
    onwards, attempts = _how(kind, rules)

    @undisturbed()
    def follow(course: Course, times: np.ndarray, units: Units) -> tuple[Course, Path]:
        slopes = by_differences(np, values, units.reach)
        alone = kind == "flow" and rules.step is None and course.together.shape[1] == 1

        def once(course: Course) -> Course:
            if alone:
                return attempted(values, course, until, units, rules)
            return onwards(np, slopes, course, until, units, rules)

        seen = []
        for until in times:
            tried = 0
            while tried < attempts and (course.time < until).any():
                course = once(course)
                tried += 1
            seen.append((course.time, course.states, course.growth))
            if (course.time < until).any():
                break
        return course, Path(*(np.stack(column) for column in zip(*seen, strict=True)))

    return follow


def attempted(
    values: Callable[[np.ndarray], np.ndarray], course: Course, until: float, units: Units, rules: Rules
) -> Course:
    """As `_integrated`, for states without tangent vectors in NumPy, where every call of an array function counts."""
    left = np.maximum(until - course.time, 0.0)
    arrives = left <= course.size * (1 + 1e-9)
    size = np.where(arrives, left, course.size)
    states, error = stacked_cash_karp(values, course.states, size[:, None])
    together, low, high = states[:, None], np.minimum(course.low, states), np.maximum(course.high, states)
    allowed = rules.states * np.maximum(units.extent, high - low) + units.rounding + NOTHING
    ratio = np.maximum.reduce(np.abs(error) / allowed, axis=1)
    good, moving = ratio <= 1, left > 0
    kept = good & moving
    following = size * change_of_size(np, ratio)
    time, worst = np.where(arrives, until, course.time + size), np.fmax(course.worst, ratio)
    longer = np.where(arrives, np.maximum(course.size, following), following)
    if kept.all():
        return Course(
            time, longer, together, low, high, course.growth, course.shift, course.taken + 1, course.refused, worst
        )
    lost = ~good & moving & (following < SMALLEST * until)
    return course._replace(
        time=np.where(kept, time, np.where(lost, until, course.time)),
        size=np.where(kept, longer, np.where(moving, following, course.size)),
        together=np.where(lost[:, None, None], np.nan, np.where(kept[:, None, None], together, course.together)),
        low=np.where(kept[:, None], low, course.low),
        high=np.where(kept[:, None], high, course.high),
        taken=course.taken + kept,
        refused=course.refused + (moving & ~good),
        worst=np.where(kept, worst, course.worst),
    )


def _how(kind: str, rules: Rules) -> tuple[Callable[..., Course], int | float]:
    """One step of such a course, and the most of them."""
    if kind == "map":
        return _iterated, np.inf
    return _integrated, rules.attempts if rules.step is None else np.inf


def _followed(
    f: Function, kind: str, rules: Rules, autodiff: bool, course: Course, times: jax.Array, units: Units
) -> tuple[Course, Path]:
    onwards, attempts = _how(kind, rules)
    values = _values_of(f)
    slopes = by_autodiff(values) if autodiff else by_differences(jnp, values, units.reach)

    def to(carry: tuple[Course, jax.Array], until: jax.Array) -> tuple[tuple[Course, jax.Array], Path]:
        def under_way(loop: tuple) -> jax.Array:
            tried, now = loop
            return (tried < attempts) & (now.time < until).any()

        def once(loop: tuple) -> tuple:
            tried, now = loop
            return tried + 1, onwards(jnp, slopes, now, until, units, rules)

        before, stopped = carry
        tried = jnp.where(stopped, jnp.inf, 0.0)
        course = jax.lax.while_loop(under_way, once, (tried, before))[1]
        stopped = (course.time < until).any()
        return (course, stopped), Path(course.time, course.states, course.growth)

    (course, _), path = jax.lax.scan(to, (course, jnp.array(False)), times)
    return course, path


def _values_of(f: Function) -> Callable[[jax.Array], jax.Array]:
    """f, answering in the numbers that it was asked in."""
    return lambda states: jnp.asarray(f(states), states.dtype)


def _from_numpy(run: Callable[..., tuple[Course, Path]]) -> Callable[..., tuple[Course, Path]]:
    """A compiled run, in float64, for NumPy arrays in and out."""

    def called_with(*arrays: Any) -> tuple[Course, Path]:
        with jax.enable_x64(True):
            given = jax.tree.map(lambda array: jnp.asarray(array, jnp.float64), arrays)
            return jax.tree.map(np.asarray, run(*given))

    return called_with


def _iterated(
    numbers: Any, images: Callable[[Any], Any], course: Course, until: Any, units: Units, rules: Rules
) -> Course:
    """One step of a map. numbers: numpy or jax.numpy."""
    after, growth = images(course.together), course.growth
    if course.together.shape[1] > 1:
        lengths = units.lengths[:, None]
        axes, sizes = orthonormal(numbers, after[:, 1:] / lengths)
        after = numbers.concatenate([after[:, :1], axes * lengths], axis=1)
        growth = growth + numbers.log(numbers.maximum(sizes, GROWTH))
    return course._replace(
        time=course.time + 1,
        together=after,
        low=numbers.minimum(course.low, after[:, 0]),
        high=numbers.maximum(course.high, after[:, 0]),
        growth=growth,
        taken=course.taken + 1,
    )


def _integrated(
    numbers: Any, slopes: Callable[[Any], Any], course: Course, until: Any, units: Units, rules: Rules
) -> Course:
    """One step of each trajectory that is not there yet, kept where its error is allowed. numbers: numpy, jax.numpy."""
    left = numbers.maximum(until - course.time, 0.0)
    asked = course.size if rules.step is None else numbers.full_like(course.size, rules.step)
    arrives = left <= asked * (1 + 1e-9)
    size = numbers.where(arrives, left, asked)  # 0 for those that are there
    pair = stacked_cash_karp if numbers is np else cash_karp
    after, error = pair(slopes, course.together, size[:, None, None])

    low, high = numbers.minimum(course.low, after[:, 0]), numbers.maximum(course.high, after[:, 0])
    allowed = rules.states * numbers.maximum(units.extent, high - low) + units.rounding + NOTHING
    ratio = numbers.max(numbers.abs(error[:, 0]) / allowed, axis=1)
    growth, shift = course.growth, course.shift
    if course.together.shape[1] > 1:
        lengths = units.lengths[:, None]
        frames, off = after[:, 1:] / lengths, error[:, 1:] / lengths
        longer = numbers.sqrt(numbers.sum(frames**2, axis=2))
        relative = numbers.sqrt(numbers.sum(off**2, axis=2)) / (longer + NOTHING)
        counts = numbers.where(units.tangents < np.inf, numbers.max(relative, axis=1) / units.tangents, 0.0)
        # A derivative that is not finite where the states are is no matter of steps: their growth is NaN, and shows it.
        ratio = numbers.where(numbers.isnan(counts), ratio, numbers.maximum(ratio, counts))
        axes, sizes = orthonormal(numbers, frames)
        after = numbers.concatenate([after[:, :1], axes * lengths], axis=1)
        growth = growth + numbers.log(numbers.maximum(sizes, GROWTH))
        shift = shift + numbers.sum(axes * off, axis=2) / (sizes + NOTHING)

    moving = left > 0
    good = (ratio <= 1) if rules.step is None else numbers.ones_like(moving)
    factor = change_of_size(numbers, ratio)
    following = size * factor
    lost = ~good & (following < SMALLEST * until)  # nothing finite lies ahead
    kept = good & moving
    time = numbers.where(lost | (kept & arrives), until, numbers.where(kept, course.time + size, course.time))
    # A step that was cut short to arrive says nothing against longer ones.
    following = numbers.where(kept & arrives, numbers.maximum(course.size, following), following)
    together = numbers.where(kept[:, None, None], after, course.together)
    return Course(
        time=time,
        size=numbers.where(moving, following, course.size),
        together=numbers.where(lost[:, None, None], numbers.nan, together),
        low=numbers.where(kept[:, None], low, course.low),
        high=numbers.where(kept[:, None], high, course.high),
        growth=numbers.where(kept[:, None], growth, course.growth),
        shift=numbers.where(kept[:, None], shift, course.shift),
        taken=course.taken + kept,
        refused=course.refused + (moving & ~good),
        worst=numbers.where(kept, numbers.fmax(course.worst, ratio), course.worst),
    )


def orthonormal(numbers: Any, frames: Any) -> tuple[Any, Any]:
    """Tangent vectors (B, k, N) made orthonormal in turn, and how long each was across those before it (B, k)."""
    axes, sizes = numbers.linalg.qr(numbers.swapaxes(frames, 1, 2))
    diagonal = numbers.diagonal(sizes, axis1=1, axis2=2)
    sides = numbers.where(diagonal < 0, -1.0, 1.0)
    return numbers.swapaxes(axes, 1, 2) * sides[:, :, None], numbers.abs(diagonal)
