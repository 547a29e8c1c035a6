"""Trajectories with their tangent vectors, of flows that are called from Python, where every call costs alike.

A call with a thousand rows takes hardly longer than one with three. So the trajectory is followed first, alone, by the
few steps that it needs; then the coordinate axes pass all of these steps at once, by as many smaller ones as each
needs; and only what is left is done in turn: tangent vectors made orthonormal from one step to the next.
"""

from typing import NamedTuple

import numpy as np

from gnode.analysis.courses import NOTHING, SMALLEST, Course, Follow, Path, Rules, Units, attempted, follower
from gnode.analysis.dynamics import Dynamics
from gnode.analysis.embedded_pair import change_of_size, stacked_cash_karp
from gnode.analysis.frameworks import Function, Values, undisturbed

_ENTRIES = 2**15  # numbers in one call of the function: what the nearest memory holds
_KEPT = 2**20  # entries of propagators that are kept at a time
_TOGETHER = 8  # small steps passed as one: in so few of them no vector shrinks so far that rounding shows
_FEW = 16  # units, for which a call costs more than what is computed in it


class _Attempts(NamedTuple):
    """A attempts of a step of B trajectories: from `states` (A, B, N) at times `begin` (A, B) to times `end`, which are
    the same where a step was refused or the trajectory had arrived."""

    begin: np.ndarray
    end: np.ndarray
    states: np.ndarray


class _Passage(NamedTuple):
    """What S steps do to tangent vectors, which are rows in the units of `Units.lengths`, in P smaller steps.

    Attributes:
        images: (P, N, N), of the coordinate axes by each small step, in the order of time within each step.
        off: (P, N, N), what the images would differ by had the method one order less.
        which: (P,), the step that each is part of.
        time: (S,), how far each step came.
        refused: (S,), how many small steps were.
    """

    images: np.ndarray
    off: np.ndarray
    which: np.ndarray
    time: np.ndarray
    refused: np.ndarray


def accompanied(f: Function, dynamics: Dynamics, kind: str, rules: Rules, autodiff: bool = False) -> Follow:
    """As `courses.follower`, and as `propagated` where that is the quicker way with tangent vectors."""
    follow = follower(f, dynamics, kind, rules, autodiff)
    if kind == "map" or dynamics.framework == "jax" or rules.step is not None:
        return follow
    ahead = propagated(dynamics.bare, rules)

    def chosen(course: Course, times: np.ndarray, units: Units) -> tuple[Course, Path]:
        quick = course.together.shape[1] > 1 and course.together.shape[2] <= _FEW
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
        starts, _, size = frames.shape
        allowed = rules.states * np.maximum(units.extent, ahead.high - ahead.low) + units.rounding + NOTHING
        time, taken, refused = ahead.time.copy(), course.taken, ahead.refused
        growths = np.repeat(growth[None], len(seen.time), axis=0)
        slab = max(1, _KEPT // (starts * size**2))
        for first in range(0, len(attempts.begin), slab):
            some = _Attempts(*(column[first : first + slab] for column in attempts))
            attempt, row = np.nonzero(some.end > some.begin)
            steps = _Attempts(*(column[attempt, row] for column in some))
            passage = _passage(values, steps, allowed[row], _of(units, row), rules.attempts)
            stuck = passage.time < steps.end
            np.minimum.at(time, row[stuck], passage.time[stuck])
            refused = refused + np.bincount(row, passage.refused, starts)
            taken = taken + np.bincount(row[passage.which], minlength=starts)
            block = np.searchsorted(seen.growth, first + attempt, side="right")
            images, off, turns = _grouped(passage, row[passage.which], block[passage.which], (len(growths), starts))
            frames, growing, shifting = _turned(frames, images, off)
            growths[block[0] :] = growth + growing[turns[block[0] :]]
            growth, shift = growth + growing[-1], shift + shifting
        together = np.concatenate([ahead.together, frames * lengths], axis=1)
        course = ahead._replace(time=time, together=together, growth=growth, shift=shift, taken=taken, refused=refused)
        return course, Path(np.minimum(seen.time, time), seen.states, growths)

    return follow


def _of(units: Units, row: np.ndarray) -> Units:
    """The units of the trajectory that each step is of."""
    return units._replace(
        extent=units.extent[row], lengths=units.lengths[row], rounding=units.rounding[row], reach=units.reach[row]
    )


def _trajectory(
    values: Values, course: Course, times: np.ndarray, units: Units, rules: Rules
) -> tuple[Course, _Attempts, Path]:
    """States alone, the attempts that led on, and what was seen; its `growth` is the number of attempts by then."""
    course = course._replace(together=course.together[:, :1])
    begin, end, states, seen = [], [], [], []
    for until in times:
        tried = 0
        while tried < rules.attempts and (course.time < until).any():
            before, course = course, attempted(values, course, until, units, rules)
            tried += 1
            if (course.time > before.time).any():
                begin.append(before.time)
                end.append(course.time)
                states.append(before.states)
        seen.append((course.time, course.states, len(begin)))
        if (course.time < until).any():
            break
    rows, size = course.states.shape
    attempts = _Attempts(
        np.reshape(begin, (-1, rows)), np.reshape(end, (-1, rows)), np.reshape(states, (-1, rows, size))
    )
    return course, attempts, Path(*(np.array(column) for column in zip(*seen, strict=True)))


def _passage(values: Values, steps: _Attempts, allowed: np.ndarray, units: Units, attempts: int) -> _Passage:
    """How the axes pass S steps, whose columns are (S,) and (S, N), each by steps of its own."""
    count, size = steps.states.shape
    states, time, length = steps.states.copy(), steps.begin.copy(), steps.end - steps.begin
    images, off, which = [np.zeros((0, size, size))], [np.zeros((0, size, size))], [np.zeros(0, int)]
    tried, taken, going = np.zeros(count), np.zeros(count), np.ones(count, bool)
    at_a_time = _power_of_two(max(1, _ENTRIES // (2 * size * (1 + 2 * size))))
    while len(some := np.flatnonzero(going)[:at_a_time]):
        few, some = len(some), np.resize(some, _power_of_two(len(some)))  # some functions compile each shape of a call
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
        new = np.flatnonzero(good[:few])
        images.append(turned[new])
        off.append(wrong[new])
        which.append(some[new])
        states[some[new]] = after[new]
        time[some[new]] = np.where(arrives, steps.end[some], time[some] + step)[new]
        tried[some] += 1
        taken[some[new]] += 1
        vanishes = ~good & (length[some] < SMALLEST * steps.end[some])
        going[some] = (time[some] < steps.end[some]) & ~vanishes & (tried[some] < attempts)
    parts = np.concatenate(which)
    order = np.argsort(parts, kind="stable")
    return _Passage(np.concatenate(images)[order], np.concatenate(off)[order], parts[order], time, tried - taken)


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


def _grouped(
    passage: _Passage, row: np.ndarray, block: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Some small steps as one: images and their errors, (G, B, N, N), and the number of groups by each time (T,).

    Args:
        row: (P,), the trajectory that each is of.
        block: (P,), the first of the times that lies behind it; no group goes across one.
        shape: T, B.
    """
    size = passage.images.shape[1]
    place = block * shape[1] + row
    counts = np.bincount(place, minlength=shape[0] * shape[1])
    order = np.argsort(place, kind="stable")
    rank = np.empty_like(place)
    rank[order] = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
    each = -(-counts.reshape(shape).max(axis=1) // _TOGETHER)
    turns = np.cumsum(each)
    group, slot = (turns - each)[block] + rank // _TOGETHER, rank % _TOGETHER
    images = np.broadcast_to(np.eye(size), (_TOGETHER, turns[-1], shape[1], size, size)).copy()
    images[slot, group, row] = passage.images
    off = np.zeros_like(images)
    off[slot, group, row] = passage.off
    image, wrong = images[0], off[0]
    for following, error in zip(images[1:], off[1:], strict=True):
        image, wrong = image @ following, wrong @ following + image @ error
    return image, wrong, turns


def _turned(frames: np.ndarray, images: np.ndarray, off: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames (B, k, N) after G steps, the logarithm of their growth after none, one and more of them (1 + G, B, k), and
    how wrong it is in the end (B, k)."""
    before, triangles = [frames], [np.broadcast_to(np.eye(frames.shape[1]), (len(frames), *[frames.shape[1]] * 2))]
    for image in images:
        axes, triangle = np.linalg.qr((before[-1] @ image).swapaxes(1, 2))
        before.append(axes.swapaxes(1, 2))
        triangles.append(triangle)
    every = np.array(before)
    diagonal = np.diagonal(np.array(triangles), axis1=2, axis2=3)
    diagonal = np.where(np.abs(diagonal) < NOTHING, NOTHING, diagonal)
    growth = np.cumsum(np.log(np.abs(diagonal)), axis=0)
    return every[-1], growth, np.sum(np.sum(every[1:] * (every[:-1] @ off), axis=3) / diagonal[1:], axis=0)
