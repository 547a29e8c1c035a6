"""Trajectories with their tangent vectors, of flows that are called from Python, where every call costs alike.

A call with a thousand rows takes hardly longer than one with three. So the trajectory is followed first, alone, by the
few steps that it needs; then the coordinate axes pass all of these steps at once, by as many smaller ones as each
needs; and only what is left is done in turn: tangent vectors made orthonormal from one step to the next.
"""

from typing import NamedTuple

import numpy as np

from gnode.analysis.courses import GROWTH, NOTHING, SMALLEST, Course, Follow, Path, Rules, Units, attempted, follower
from gnode.analysis.dynamics import Dynamics
from gnode.analysis.embedded_pair import change_of_size, stacked_cash_karp
from gnode.analysis.frameworks import Function, Values, undisturbed

_ENTRIES = 2**15  # numbers in one call of the function: what the nearest memory holds
_KEPT = 2**20  # entries of propagators that are kept at a time
_FEW = 16  # units whose axes cost no more than fewer tangent vectors do


class _Attempts(NamedTuple):
    """A attempts of a step of B trajectories: from `states` (A, B, N) at times `begin` (A, B) to times `end`, which are
    the same where a step was refused or the trajectory had arrived."""

    begin: np.ndarray
    end: np.ndarray
    states: np.ndarray


class _Passage(NamedTuple):
    """What S steps do to tangent vectors, which are rows in the units of `Units.lengths`.

    Attributes:
        images: (S, N, N), of the coordinate axes.
        off: (S, N, N), what the images would differ by had the method one order less.
        time: (S,), how far it came.
        taken, refused: (S,), numbers of steps within the step.
    """

    images: np.ndarray
    off: np.ndarray
    time: np.ndarray
    taken: np.ndarray
    refused: np.ndarray


def accompanied(f: Function, dynamics: Dynamics, kind: str, rules: Rules, autodiff: bool = False) -> Follow:
    """As `courses.follower`, and as `propagated` where that is the quicker way with tangent vectors."""
    follow = follower(f, dynamics, kind, rules, autodiff)
    if kind == "map" or dynamics.framework == "jax" or rules.step is not None:
        return follow
    ahead = propagated(dynamics.bare, rules)

    def chosen(course: Course, times: np.ndarray, units: Units) -> tuple[Course, Path]:
        tangents, size = course.together.shape[1] - 1, course.together.shape[2]
        quick = tangents > 0 and size <= max(_FEW, 2 * tangents)
        return (ahead if quick else follow)(course, times, units)

    return chosen


def propagated(values: Values, rules: Rules) -> Follow:
    """As `courses.follower`, for values (B, N) -> (B, N) of a flow in NumPy and steps that control their own error.

    `Course.taken` counts the steps of tangent vectors, which are the smaller ones.
    """

    @undisturbed()
    def follow(course: Course, times: np.ndarray, units: Units) -> tuple[Course, Path]:
        ahead, attempts, seen = _trajectory(values, course, times, units, rules)
        lengths = units.lengths[:, None]
        frames, growth, shift = course.together[:, 1:] / lengths, course.growth, course.shift
        allowed = rules.states * np.maximum(units.extent, ahead.high - ahead.low) + units.rounding + NOTHING
        time, taken, refused = ahead.time, course.taken, ahead.refused
        growths = [growth[None]]
        slab = max(1, _KEPT // (frames.shape[0] * frames.shape[2] ** 2))
        for first in range(0, len(attempts.begin), slab):
            some = _Attempts(*(column[first : first + slab] for column in attempts))
            kept = some.end > some.begin
            row = np.nonzero(kept)[1]
            steps = _Attempts(*(column[kept] for column in some))
            passage = _passage(values, steps, allowed[row], _of(units, row), rules.attempts)
            stuck = passage.time < steps.end
            time = time.copy()
            np.minimum.at(time, row[stuck], passage.time[stuck])
            taken = taken + np.bincount(row, passage.taken, len(time))
            refused = refused + np.bincount(row, passage.refused, len(time))
            frames, growing, shifting = _turned(frames, kept, passage)
            growths.append(growth + growing)
            growth, shift = growths[-1][-1], shift + shifting
        together = np.concatenate([ahead.together, frames * lengths], axis=1)
        course = ahead._replace(time=time, together=together, growth=growth, shift=shift, taken=taken, refused=refused)
        return course, Path(np.minimum(seen.time, time), seen.states, np.concatenate(growths)[seen.growth])

    return follow


def _of(units: Units, row: np.ndarray) -> Units:
    """The units of the trajectory that each step is of."""
    return units._replace(
        extent=units.extent[row], lengths=units.lengths[row], rounding=units.rounding[row], reach=units.reach[row]
    )


def _trajectory(
    values: Values, course: Course, times: np.ndarray, units: Units, rules: Rules
) -> tuple[Course, _Attempts, Path]:
    """States alone, all attempts of a step, and what was seen; its `growth` is the number of attempts by then."""
    course = course._replace(together=course.together[:, :1])
    begin, end, states, seen = [], [], [], []
    for until in times:
        tried = 0
        while tried < rules.attempts and (course.time < until).any():
            begin.append(course.time)
            states.append(course.states)
            course = attempted(values, course, until, units, rules)
            end.append(course.time)
            tried += 1
        seen.append((course.time, course.states, len(begin)))
        if (course.time < until).any():
            break
    attempts = _Attempts(np.array(begin), np.array(end), np.array(states))
    return course, attempts, Path(*(np.array(column) for column in zip(*seen, strict=True)))


def _passage(values: Values, steps: _Attempts, allowed: np.ndarray, units: Units, attempts: int) -> _Passage:
    """How the axes pass S steps, whose columns are (S,) and (S, N), each by steps of its own."""
    count, size = steps.states.shape
    states, time, length = steps.states.copy(), steps.begin.copy(), steps.end - steps.begin
    images, off = np.tile(np.eye(size), (count, 1, 1)), np.zeros((count, size, size))
    taken, refused = np.zeros(count), np.zeros(count)
    at_a_time = _power_of_two(max(1, _ENTRIES // (2 * size * (1 + 2 * size))))
    going = np.ones(count, bool)
    while len(some := np.flatnonzero(going)[:at_a_time]):
        some = np.resize(some, _power_of_two(len(some)))  # calls of few shapes: some functions compile each of them
        left = steps.end[some] - time[some]
        arrives = left <= length[some] * (1 + 1e-9)
        step = np.where(arrives, left, length[some])
        after, error, turned, wrong = _passed(values, states[some], step, _of(units, some))
        longer = np.sqrt(np.sum(turned**2, axis=2))
        relative = np.max(np.sqrt(np.sum(wrong**2, axis=2)) / (longer + NOTHING), axis=1) / units.tangents
        ratio = np.max(np.abs(error) / allowed[some], axis=1)
        ratio = np.where(np.isnan(relative), ratio, np.maximum(ratio, relative))
        good = ratio <= 1
        length[some] = step * change_of_size(np, ratio)
        kept = some[good]
        off[kept] = off[kept] @ turned[good] + images[kept] @ wrong[good]
        images[kept] = images[kept] @ turned[good]
        states[kept] = after[good]
        time[kept] = np.where(arrives, steps.end[some], time[some] + step)[good]
        taken[kept] += 1
        refused[some[~good]] += 1
        vanishes = ~good & (length[some] < SMALLEST * steps.end[some])
        going[some] = (time[some] < steps.end[some]) & ~vanishes & (taken[some] + refused[some] < attempts)
    return _Passage(images, off, time, taken, refused)


def _power_of_two(number: int) -> int:
    """The next one that is not smaller."""
    return 1 << (number - 1).bit_length()


def _passed(
    values: Values, states: np.ndarray, step: np.ndarray, units: Units
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """States (M, N) after a step (M,), its error, the images of the axes (M, N, N), and their errors.

    Neighbours on both sides along every axis take the same step; their differences are the images.
    """
    size = states.shape[1]
    axes = np.arange(size)
    rows = np.repeat(states[:, None], 1 + 2 * size, axis=1)
    moves = units.reach[:, None] * units.lengths
    rows[:, 1 + axes, axes] += moves
    rows[:, 1 + size + axes, axes] -= moves
    after, error = stacked_cash_karp(
        lambda now: values(now.reshape(-1, size)).reshape(now.shape), rows, step[:, None, None]
    )
    widths = 2 * moves[:, None]
    turned, wrong = ((part[:, 1 : 1 + size] - part[:, 1 + size :]) / widths for part in (after, error))
    return after[:, 0], error[:, 0], turned, wrong


def _turned(frames: np.ndarray, kept: np.ndarray, passage: _Passage) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames (B, k, N) after attempts of which some were kept (A, B), the logarithm of their growth after each of them
    (A, B, k), and how wrong it is in the end (B, k)."""
    size = frames.shape[2]
    images = np.broadcast_to(np.eye(size), (*kept.shape, size, size)).copy()
    images[kept] = passage.images
    off = np.zeros_like(images)
    off[kept] = passage.off
    before, triangles = [frames], []
    for image in images:
        axes, triangle = np.linalg.qr((before[-1] @ image).swapaxes(1, 2))
        before.append(axes.swapaxes(1, 2))
        triangles.append(triangle)
    every = np.array(before)
    diagonal = np.diagonal(np.array(triangles), axis1=2, axis2=3)
    diagonal = np.where(np.abs(diagonal) < NOTHING, NOTHING, diagonal)
    growth = np.cumsum(np.log(np.maximum(np.abs(diagonal), GROWTH)), axis=0)
    return every[-1], growth, np.sum(np.sum(every[1:] * (every[:-1] @ off), axis=3) / diagonal, axis=0)
