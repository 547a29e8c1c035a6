"""Basins of attraction by running from many starts for a bounded time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from gnode.analysis.courses import Rules, beginning, follower
from gnode.analysis.dynamics import Dynamics, checked_states, dynamics_of, first_positive, kind_of
from gnode.analysis.fixed_points import fixed_points
from gnode.analysis.frameworks import Function
from gnode.analysis.integration import resting_units, step_of
from gnode.analysis.stability import eigenvalues_with_errors, growth_of
from gnode.analysis.zeros import starts_from
from gnode.arguments import integer, positive
from gnode.errors import must_have
from gnode.modes import usual_modes
from gnode.threads import one_thread

UNDECIDED = -1
DIVERGED = -2
_ERROR = 1e-7  # allowed in a step, as a share of the extent
_SHARE, _OF_DISTANCE = 0.01, 0.1  # of the extent, and of the distance between attractors, that counts as there
_STAY = 3.0  # time constants of an attractor for which a state must stay with it
_FAR = 1e6  # times the extent


@dataclass(frozen=True)
class Basins:
    """Where each start ends up.

    Attributes:
        attractors: (K, N), fixed points.
        starts: (B, N).
        labels: (B,), the number of the attractor; -1 where the steps did not suffice to tell (the start may be slow, or
            go to something that is no given point), -2 where the state left the finite numbers, or was a million
            times the extent away and going farther in the end.
        shares: (K,), share of the starts in each basin.
        undecided: share of the starts that are.
        steps: (B,), after how many steps of time each was decided, rounded up to a power of two.
        radius: how near an attractor counts as there; where it is not given, in the widest coordinate of
        radii: (N,), the same in each coordinate.
        step: the time of one of the steps.
        checks: what was found wanting, in sentences.
        evidence: the numbers behind the result.
    """

    attractors: np.ndarray
    starts: np.ndarray
    labels: np.ndarray
    shares: np.ndarray
    undecided: float
    steps: np.ndarray
    radius: float
    radii: np.ndarray
    step: float
    checks: tuple[str, ...]
    evidence: str


@usual_modes()
@one_thread
def basins(
    f: Function,
    attractors: Any = None,
    *,
    kind: str | None = None,
    starts: Any = None,
    bounds: Any = None,
    count: int = 1024,
    seed: int = 0,
    steps: int = 10_000,
    step: float | int | None = None,
    radius: float | int | None = None,
) -> Basins:
    """Run from each start for at most `steps` steps, until it has come within `radius` of an attractor and stays there.

    A flow is integrated by an embedded pair whose error is held at 1e-7 of the extent of starts and attractors in each
    coordinate. A point that does not rest, or from which a direction grows, has no basin: what comes near it is
    undecided, and `checks` says so.

    Args:
        f: any callable (batch, N) -> (batch, N).
        attractors: (K, N); by default the points that `fixed_points` finds from the same starts and that attract by
            their eigenvalues.
        kind: as for `fixed_points`.
        starts, bounds, count, seed: as for `fixed_points`.
        steps: the most that a start is given, of time and of the integration.
        step: of a flow's integration, if it is to be fixed. By default the time of a step is a tenth of the shortest
            time constant at the starts, or of the longest at the attractors if that is longer.
        radius: in units of the state. By default a hundredth of the extent of starts and attractors in each coordinate,
            or less: a tenth of the distance between the two nearest attractors.

    Raises:
        InvalidInput: an argument is wrong.
    """
    kind = kind_of(f, kind)
    states = starts_from(starts, bounds, count, seed)
    steps, radius = integer("steps", steps, 1), None if radius is None else positive("radius", radius)
    targets = _attracting(f, kind, states) if attractors is None else checked_states(attractors, "attractors")
    if targets.shape[1] != states.shape[1]:
        must_have(f"attractors of shape (K, {states.shape[1]})", f"shape {targets.shape}")
    everything = np.concatenate([states, targets])
    dynamics, extent = dynamics_of(f, everything), _extent(everything)
    radii = _default_radii(targets, extent) if radius is None else np.full(len(extent), radius)
    goals = _Goals.at(dynamics, kind, targets, radii)
    unit = 1.0 if kind == "map" else step_of(dynamics, states, step)
    if step is None and kind == "flow":
        unit = max(unit, 0.1 * float(goals.constants[goals.attracts].max(initial=0.0)))

    seen = _followed(f, dynamics, kind, states, goals, extent, unit, steps, step)
    labels = seen.labels
    checks = (*goals.checks(), *seen.checks(dynamics, kind, extent))
    shares = np.array([np.mean(labels == number) for number in range(len(targets))])
    undecided, left = float(np.mean(labels == UNDECIDED)), float(np.mean(labels == DIVERGED))
    evidence = (
        f"{len(states)} starts, {len(targets)} attractors with shares {np.round(shares, 3).tolist()}; undecided "
        f"{undecided:.3g}, left {left:.3g}; a state is there within {float(radii.max()):.3g} (at the widest) "
        f"if it stays for {_STAY:g} time constants; at most {steps} steps of {unit:.3g}."
    )
    return Basins(
        attractors=targets,
        starts=states,
        labels=labels,
        shares=shares,
        undecided=undecided,
        steps=seen.steps,
        radius=float(radii.max()),
        radii=radii,
        step=unit,
        checks=(*dynamics.checks, *checks),
        evidence=" ".join([evidence, *checks]),
    )


@dataclass(frozen=True)
class _Goals:
    """Points that may attract.

    Attributes:
        points: (K, N).
        radii: (N,).
        rests, repels: (K,), whether f leaves it where it is, and whether a direction grows from it.
        constants: (K,), the longest of its time constants; infinite where nothing is known to pull.
    """

    points: np.ndarray
    radii: np.ndarray
    rests: np.ndarray
    repels: np.ndarray
    constants: np.ndarray

    @classmethod
    @np.errstate(all="ignore")
    def at(cls, dynamics: Dynamics, kind: str, points: np.ndarray, radii: np.ndarray) -> "_Goals":
        if not len(points):
            return cls(points, radii, np.zeros(0, bool), np.zeros(0, bool), np.zeros(0))
        slopes, rest = dynamics.checked_jacobians(points), dynamics.values(points) - (points if kind == "map" else 0)
        known = np.isfinite(slopes).all(axis=(1, 2))
        off = dynamics.jacobian_errors(points, slopes)
        eigenvalues, errors = eigenvalues_with_errors(slopes * dynamics.ratio, off * dynamics.ratio)
        growths = growth_of(eigenvalues, kind)
        decay = growths if kind == "flow" else np.log(np.abs(eigenvalues))
        slopes = np.where(known[:, None, None], slopes, 0.0)
        towards = slopes - np.eye(points.shape[1]) if kind == "map" else slopes
        away = np.einsum("bij,bj->bi", np.linalg.pinv(towards, rcond=1e-9), rest) / radii
        left = (rest - np.einsum("bij,bj->bi", towards, away * radii)) / radii
        # What no move of the state undoes must be rounding, or it would carry the state off.
        undone = np.linalg.norm(left, axis=1) <= 1e-3 * np.linalg.norm(towards, axis=(1, 2)) + 1e-300
        rests = (np.linalg.norm(away, axis=1) <= 1) & undone
        shrinks, grows = np.all(growths < -errors, axis=1), np.any(growths > errors, axis=1)
        return cls(points, radii, rests, grows, np.where(shrinks, -1 / decay.max(axis=1), np.inf))

    @property
    def attracts(self) -> np.ndarray:
        return self.rests & ~self.repels & np.isfinite(self.constants)

    def nearest(self, states: np.ndarray) -> np.ndarray:
        """The point within the radii of each state (B,) that may be an attractor, else UNDECIDED."""
        labels = np.full(len(states), UNDECIDED)
        finite = np.isfinite(states).all(axis=1)
        if len(self.points) and finite.any():
            distance, number = cKDTree(self.points / self.radii).query(states[finite] / self.radii)
            there = (distance <= 1) & (self.rests & ~self.repels)[np.minimum(number, len(self.points) - 1)]
            labels[finite] = np.where(there, number, UNDECIDED)
        return labels

    def checks(self) -> tuple[str, ...]:
        return tuple(
            f"Attractor {number} {reason}, so it has no basin."
            for reason, which in (
                ("does not rest", ~self.rests),
                ("has a direction that grows", self.rests & self.repels),
            )
            for number in np.flatnonzero(which)
        )


@dataclass(frozen=True)
class _Seen:
    """What became of the starts. Attributes as of Basins; `exhausted` (B,) used up their steps, `last` (B, N)."""

    labels: np.ndarray
    steps: np.ndarray
    exhausted: np.ndarray
    last: np.ndarray
    time: float

    @np.errstate(all="ignore")
    def checks(self, dynamics: Dynamics, kind: str, extent: np.ndarray) -> tuple[str, ...]:
        left = self.labels == UNDECIDED
        if not left.any():
            return ()
        velocity = dynamics.values(self.last[left]) - (self.last[left] if kind == "map" else 0)
        moving = np.linalg.norm(velocity / extent, axis=1) * self.time > 1
        exhausted = self.exhausted[left]
        counts = {
            "used up the steps of the integration, so the flow may be stiff or jump": exhausted,
            "still move fast enough to cross the whole extent, as on a limit cycle": moving & ~exhausted,
            "hardly move: they are slow, or rest at no given point": ~moving & ~exhausted,
        }
        return tuple(f"{int(which.sum())} undecided starts {what}." for what, which in counts.items() if which.any())


def _followed(
    f: Function,
    dynamics: Dynamics,
    kind: str,
    states: np.ndarray,
    goals: _Goals,
    extent: np.ndarray,
    unit: float,
    steps: int,
    step: float | int | None,
) -> _Seen:
    follow = follower(f, dynamics, kind, Rules(_ERROR, None if step is None else unit, steps))
    units = resting_units(dynamics, states, extent)
    course = beginning(states, np.zeros((len(states), 0, states.shape[1])), unit, units)
    labels, decided = np.full(len(states), UNDECIDED), np.full(len(states), steps)
    whom, since = np.full(len(states), UNDECIDED), np.zeros(len(states))
    exhausted = np.zeros(len(states), bool)
    centre, before, out = np.median(states, axis=0), np.zeros(len(states)), np.zeros(len(states))
    until, last = unit, steps * unit
    while len(goals.points):
        course, _ = follow(course, np.array([until]), units)
        exhausted |= course.time < until
        gone = ~np.isfinite(course.states).all(axis=1) & (labels == UNDECIDED)
        labels[gone], decided[gone] = DIVERGED, np.ceil(until / unit)
        at = goals.nearest(course.states)
        since = np.where(at == whom, since, until)
        whom = at
        stay = np.minimum(_STAY * np.append(goals.constants, np.inf)[whom], since)
        settled = (whom != UNDECIDED) & (labels == UNDECIDED) & (until > since) & (until - since >= stay)
        labels[settled], decided[settled] = whom[settled], np.ceil(since[settled] / unit)
        before, out = out, np.max(np.abs(course.states - centre) / extent, axis=1)
        waiting = (labels == UNDECIDED) & ~exhausted
        if until >= last:
            waiting &= (whom != UNDECIDED) & (until <= last)  # those that have just arrived are looked at once more
        if not waiting.any():
            break
        course = course._replace(time=np.where(waiting, course.time, np.inf))
        until = min(2 * until, last) if until < last else 2 * last
    far = (labels == UNDECIDED) & (out > _FAR) & (out > before)
    labels[far] = DIVERGED
    return _Seen(labels, np.minimum(decided, steps), exhausted, course.states, steps * unit)


def _attracting(f: Function, kind: str, states: np.ndarray) -> np.ndarray:
    """Fixed points all of whose modes shrink by more than their error, whatever their names."""
    found = fixed_points(f, kind=kind, starts=states)
    assert found.eigenvalue_errors is not None
    with np.errstate(invalid="ignore"):
        return found.points[(growth_of(found.eigenvalues, kind) < -found.eigenvalue_errors).all(axis=1)]


def _extent(points: np.ndarray) -> np.ndarray:
    """How far points (M, N) range in each coordinate (N,); where they do not, as far as in another, or their size."""
    extent = np.ptp(points, axis=0)
    return first_positive(extent, extent.max(), np.abs(points).max(), 1.0)


def _default_radii(targets: np.ndarray, extent: np.ndarray) -> np.ndarray:
    if len(targets) < 2:
        return _SHARE * extent
    nearest = cKDTree(targets / extent).query(targets / extent, k=2)[0][:, 1].min()
    return min(_SHARE, _OF_DISTANCE * nearest) * extent
