"""Fixed points and slow points of any dynamics, from many starts at once."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from gnode.analysis.descent import Ending
from gnode.analysis.dynamics import Dynamics, dynamics_of, kind_of
from gnode.analysis.frameworks import Function
from gnode.analysis.kinks import LARGEST, MERGE, minima_on_kinks
from gnode.analysis.stability import eigenvalues_with_errors, growing_directions, growth_of, stability
from gnode.analysis.zeros import Groups, Problem, Zeros, descended, merged, posed, zeros_among
from gnode.cards import Card, carded, dots, number
from gnode.errors import many, must_have
from gnode.modes import usual_modes
from gnode.threads import one_thread

_LISTED = 8  # points that are printed one by one; more are counted by their stability
_BESIDE = 1e-5  # of the extent: how far beside a kink its slopes are looked at
_REACH = 4.0  # errors of its place, within which a zero is: a Newton step to one of order three is a third of the way
_SAMPLE = 64  # of starts that came to no zero
_SIDES = 16  # directions in which
_SLOPE_STALLED = (
    1e-3  # slope of the speed, as a share of the rate, at a minimum where no step brought anything any more
)
_SLOPE_UNFINISHED = 1e-6  # and where steps still did


@carded(lambda found: _card_of_fixed(found))
@dataclass(frozen=True, repr=False)
class FixedPoints:
    """Fixed points and how sure one may be of them, sorted by their coordinates.

    Attributes:
        kind: "flow" or "map", what the callable was taken for.
        points: (K, N).
        speeds: (K,), |f(h)| for a flow, |f(h) - h| for a map: the residual.
        errors: (K,), estimated distance to the true zero, from one more Newton step, in the directions in which the
            residual says where it is: along a continuum of fixed points there is no distance.
        jacobians: (K, N, N), df/dh there.
        eigenvalues: (K, N), of those, the largest real part (flow) or modulus (map) first.
        stability: a name for each point, such as "stable node", "saddle", "unstable focus", "center"; "marginal" where
            the growth of a mode is within its error of none; "undecided, on a kink: ..." where the function has
            different slopes around the point that would get different names; "not known" without a finite Jacobian.
        unstable: (K,), how many directions grow by more than their error.
        counts: (K,), how many starts ended at each; 0 where a point turned up beside another one.
        unseen: estimated probability that one more start would end at a point not in this list: the share of starts
            that are alone at their point (Good and Turing; Good, Biometrika 40, 1953), or that came to no end at all.
            Near 1 on a continuum.
        flow_eigenvalues, flow_stability, map_eigenvalues, map_stability: of the flow and of the map side by side where
            both are known (`beside`), else those of `kind` alone and None. They share points, not stability.
        starts: how many starts there were; of these
        converged: ended at `points`;
        outside: converged to a zero outside the bounds;
        unfinished: got stuck at a slow point or used up their iterations;
        failed: had no finite value or Jacobian.
        tolerance: the speed below which a state may count as fixed, as it was used.
        merge: the distance within which two ends count as one point.
        framework, jacobian_method: as found; see gnode.analysis.dynamics.
        jacobian_error: estimated largest absolute error of the Jacobians; 0 where they are exact to rounding.
        eigenvalue_errors: (K, N), how far each eigenvalue may be off: of rounding, of differences, of the point's own
            place. What is within it of none decides nothing.
        kinked: (K,), where the slopes on two sides of the point differ however near one looks.
        unresolved: (U, N), states that cannot be told apart from rest: the residual and its derivative are below the
            rounding of f, so that nothing says whether a fixed point is near. They are no points; their starts count as
            unfinished.
        checks: what was found out about f, a sentence each (gnode.analysis.dynamics).
        evidence: in words, what the list rests on.
    """

    kind: str
    points: np.ndarray
    speeds: np.ndarray
    errors: np.ndarray
    jacobians: np.ndarray = field(repr=False)
    eigenvalues: np.ndarray
    stability: list[str]
    unstable: np.ndarray
    counts: np.ndarray
    unseen: float
    flow_eigenvalues: np.ndarray | None = field(repr=False)
    flow_stability: list[str] | None
    map_eigenvalues: np.ndarray | None = field(repr=False)
    map_stability: list[str] | None
    starts: int
    converged: int
    outside: int
    unfinished: int
    failed: int
    tolerance: float
    merge: float
    framework: str
    jacobian_method: str
    jacobian_error: float
    eigenvalue_errors: np.ndarray | None = field(default=None, repr=False)
    kinked: np.ndarray | None = field(default=None, repr=False)
    unresolved: np.ndarray | None = field(default=None, repr=False)
    checks: tuple[str, ...] = field(default=(), repr=False)
    evidence: str = field(default="", repr=False)

    def __len__(self) -> int:
        return len(self.points)


@carded(lambda found: _card_of_slow(found))
@dataclass(frozen=True, repr=False)
class SlowPoints:
    """Local minima of the speed: where the dynamics lingers. They attract nothing by being slow.

    The speed that is minimal has each coordinate in units of its extent, that of the starts or bounds, so that the
    points do not depend on units; where all extents are alike it is the usual one.

    Attributes:
        kind: "flow" or "map".
        points: (K, N), slowest first.
        speeds: (K,), |f(h)| for a flow, |f(h) - h| for a map.
        fixed: (K,), True where the speed is zero to within `tolerance`.
        eigenvalues: (K, N), of df/dh there.
        counts: (K,), how many starts ended at each.
        unseen: as for FixedPoints.
        starts, unfinished, failed: how many starts there were, found no minimum in time, had no finite value.
        tolerance, merge, checks, evidence: as for FixedPoints.
    """

    kind: str
    points: np.ndarray
    speeds: np.ndarray
    fixed: np.ndarray
    eigenvalues: np.ndarray
    counts: np.ndarray
    unseen: float
    starts: int
    unfinished: int
    failed: int
    tolerance: float
    merge: float
    checks: tuple[str, ...] = field(default=(), repr=False)
    evidence: str = field(default="", repr=False)

    def __len__(self) -> int:
        return len(self.points)


def _card_of_fixed(found: FixedPoints) -> Card:
    """A row a point; of many a row a stability."""
    sizes = found.eigenvalues.real if found.kind == "flow" else np.abs(found.eigenvalues)
    growth = sizes.max(axis=1, initial=-np.inf)
    names = np.array(found.stability)
    if len(found) <= _LISTED:
        head = "point", "stability", _GROWTH[found.kind], "starts"
        columns = map(_place, found.points), names, map(number, growth), map(str, found.counts)
        rows = list(zip(*columns, strict=True))
    else:
        head = "stability", "points", _GROWTH[found.kind], "starts"
        groups = {name: names == name for name in dict.fromkeys(found.stability)}
        rows = [
            (name, str(here.sum()), _range(growth[here]), str(found.counts[here].sum()))
            for name, here in groups.items()
        ]
    title = f"{many(len(found), 'fixed point')} of a {found.kind}, N = {found.points.shape[1]}"
    calm = np.array([name.startswith("stable") for name in found.stability], bool)
    return Card(
        title, rows, head if rows else (), found.evidence, dots(found.points, calm, _plane(found.points, "stable"))
    )


def _card_of_slow(found: SlowPoints) -> Card:
    """The slowest points, a row each."""
    title = f"{len(found)} slow points of a {found.kind}, N = {found.points.shape[1]}"
    columns = map(_place, found.points), map(number, found.speeds), np.where(found.fixed, "yes", "no"), found.counts
    rows = [(place, speed, str(fixed), str(count)) for place, speed, fixed, count in zip(*columns, strict=True)]
    if len(rows) > _LISTED:
        rows = [*rows[:_LISTED], (f"and {len(rows) - _LISTED} more", "", "", "")]
    head = ("point", "speed", "at rest", "starts") if rows else ()
    return Card(title, rows, head, found.evidence, dots(found.points, found.fixed, _plane(found.points, "at rest")))


_GROWTH = {"flow": "fastest growth (1/time)", "map": "largest modulus"}


def _plane(points: np.ndarray, filled: str) -> str:
    """What is seen in a picture of points (K, N)."""
    return f"{'units 1 and 2' if points.shape[1] > 1 else 'the unit'}; filled: {filled}"


def _place(point: np.ndarray) -> str:
    shown = ", ".join(map(number, point[:3]))
    return f"({shown}{', ...' if len(point) > 3 else ''})"


def _range(values: np.ndarray) -> str:
    low, high = number(values.min()), number(values.max())
    return low if low == high else f"{low} to {high}"


@usual_modes()
@one_thread
def fixed_points(
    f: Function,
    *,
    kind: str | None = None,
    starts: Any = None,
    bounds: Any = None,
    count: int = 1024,
    seed: int = 0,
    beside: Function | float | int | None = None,
    tolerance: float | int | None = None,
    merge: float | int | None = None,
    iterations: int = 200,
    seconds: float | int = np.inf,
) -> FixedPoints:
    """Zeros of f (flow) or of f - identity (map), their stability, and an estimate of how complete the list is.

    Every start descends by Levenberg-Marquardt in float64 (gnode.analysis.descent). A zero is accepted where the speed
    is below `tolerance` and the Newton step shorter than `merge`, so places where f only fades away are not.

    Args:
        f: any callable (batch, N) -> (batch, N) in JAX, NumPy or PyTorch; for a flow it returns dh/dt.
        kind: "flow" (the default) or "map"; a callable with such an attribute `kind` needs none.
        starts: (B, N) states to start from, for instance those of trajectories; or
        bounds: (low, high), two vectors (N,), to draw `count` starts uniformly from; then only zeros inside are kept.
        seed: of that draw.
        beside: the same dynamics as the other kind, so that both stabilities are given: the map that stands for a flow
            f, or the flow behind a map f, as a callable; or a time, for the map over it that solves the flow f, whose
            eigenvalues are exp(time * lambda). Where f rests, it must rest too.
        tolerance: of the speed; by default 1e-10 of the extent of the starts or bounds (1e-5 for callables that compute
            in float32), for a flow times its typical rate: the median size of its Jacobian over the starts. Never below
            what rounding makes of f there.
        merge: distance, in units of the state, within which ends on a continuum of fixed points count as one; by
            default 1e-4 of the extent. Isolated points are told apart however near they are.
        iterations: the most trial steps from one start.
        seconds: the longest that the search may take; starts that are not done by then count as unfinished. A thousand
            starts of a network of 100 units take some seconds, of 500 units some minutes.

    Raises:
        InvalidInput: f is no such callable (see gnode.analysis.dynamics), or the other arguments are wrong.
        Diverged: f is not finite at any start.

    Example:
        >>> found = fixed_points(lambda h: h - h**3, bounds=([-2.0], [2.0]))
        >>> found.points.round(6).ravel().tolist(), found.stability
        ([-1.0, 0.0, 1.0], ['stable node', 'unstable node', 'stable node'])
    """
    problem = posed(f, kind, starts, bounds, count, seed, tolerance, merge, seconds)
    kind = problem.kind
    dynamics = problem.dynamics
    states = problem.states(problem.starts)
    other = None if beside is None else _eigenvalues_beside(beside, kind, states, dynamics.extent)
    descent = descended(problem, iterations, 0.01, seconds)
    converged = descent.endings == Ending.CONVERGED
    inside = converged & problem.contains(descent.points)
    zeros = zeros_among(problem, descent.points[inside], descent.residuals[inside])
    points = problem.states(zeros.places)
    slopes = dynamics.checked_jacobians(points)
    eigenvalues, margins = _eigenvalues(problem, zeros, slopes)
    others = None if other is None else other(points, eigenvalues, margins)
    here = stability(eigenvalues, margins, kind)
    kinked = dynamics.compared(points, slopes).kinked
    for at in np.flatnonzero(kinked):
        here[at] = _name_on_kink(problem, zeros.places[at])
    there = None if others is None else stability(others[0], others[1], _OTHER[kind])
    failed = int(np.sum(descent.endings == Ending.FAILED))
    found = int(zeros.counts.sum())
    unfinished = int(np.sum(~converged) - failed + np.sum(inside) - found)
    at_rest = _resting_slowly(problem, descent.points[(descent.endings == Ending.STALLED) & ~converged])
    flow, map_ = (eigenvalues, None) if kind == "flow" else (None, eigenvalues)
    if others is not None:
        flow, map_ = (eigenvalues, others[0]) if kind == "flow" else (others[0], eigenvalues)
    result = FixedPoints(
        kind=kind,
        points=points,
        speeds=np.linalg.norm(problem.residual(zeros.places) * dynamics.extent, axis=1),
        errors=zeros.errors * float(dynamics.extent.max()),
        jacobians=slopes,
        eigenvalues=eigenvalues,
        stability=here,
        unstable=growing_directions(eigenvalues, margins, kind),
        counts=zeros.counts,
        unseen=_unseen(zeros.counts, unfinished - at_rest),
        flow_eigenvalues=flow,
        flow_stability=here if kind == "flow" else there,
        map_eigenvalues=map_,
        map_stability=here if kind == "map" else there,
        starts=len(states),
        converged=found,
        outside=int(np.sum(converged & ~inside)),
        unfinished=unfinished,
        failed=failed,
        tolerance=problem.threshold * float(dynamics.extent.max()),
        merge=problem.merge * float(dynamics.extent.max()),
        framework=dynamics.framework,
        jacobian_method=dynamics.jacobian_method,
        jacobian_error=dynamics.jacobian_error(points),
        eigenvalue_errors=margins,
        kinked=kinked,
        unresolved=problem.states(zeros.unresolved),
        checks=dynamics.checks,
    )
    return replace(result, evidence=_evidence(result, at_rest))


@usual_modes()
@one_thread
def slow_points(
    f: Function,
    *,
    kind: str | None = None,
    starts: Any = None,
    bounds: Any = None,
    count: int = 1024,
    seed: int = 0,
    tolerance: float | int | None = None,
    merge: float | int | None = None,
    iterations: int = 500,
    seconds: float | int = np.inf,
) -> SlowPoints:
    """Local minima of the speed |f| (flow) or |f - identity| (map), fixed points among them.

    Sussillo and Barak, Neural Computation 25 (2013), with Levenberg-Marquardt as the minimiser. Arguments and errors as
    for `fixed_points`.
    """
    problem = posed(f, kind, starts, bounds, count, seed, tolerance, merge, seconds)
    kind = problem.kind
    descent = descended(problem, iterations, 1e-9, seconds)
    speeds = np.linalg.norm(descent.residuals, axis=1)
    alive = (descent.endings != Ending.FAILED) & problem.contains(descent.points)
    resting = alive & (descent.endings == Ending.CONVERGED)
    followed = problem.dynamics.size <= LARGEST  # along kinks
    for ending, share in ((Ending.STALLED, _SLOPE_STALLED), (Ending.UNFINISHED, _SLOPE_UNFINISHED)):
        unsure = np.flatnonzero(alive & (descent.endings == ending))
        here = descent.points[unsure]
        resting[unsure] = problem.stationary(here, share) & ~(followed & problem.on_kink(here))
    groups = merged(descent.points[resting], speeds[resting], problem.merge)
    stuck = descent.points[alive & ~resting & (descent.endings == Ending.STALLED)]
    if followed and len(stuck):
        groups = _with_kinks(problem, groups, minima_on_kinks(problem, stuck))
    minimal = np.linalg.norm(problem.residual(groups.points), axis=1)
    order = np.argsort(minimal, kind="stable")
    places, minimal, counts = groups.points[order], minimal[order], groups.counts[order]
    points = problem.states(places)
    failed = int(np.sum(descent.endings == Ending.FAILED))
    unfinished = int(len(problem.starts) - failed - counts.sum())
    slopes = problem.dynamics.jacobians(points)
    largest = float(problem.extent.max())
    return SlowPoints(
        kind=kind,
        points=points,
        speeds=np.linalg.norm(problem.residual(places) * problem.extent, axis=1),
        fixed=minimal <= problem.threshold,
        eigenvalues=_in_extents(problem.dynamics, slopes, 0 * slopes, kind)[0],
        counts=counts,
        unseen=_unseen(counts, unfinished),
        starts=len(problem.starts),
        unfinished=unfinished,
        failed=failed,
        tolerance=problem.threshold * largest,
        merge=problem.merge * largest,
        checks=problem.dynamics.checks,
        evidence=f"{len(places)} minima of the speed, {int(np.sum(minimal <= problem.threshold))} of them at rest, "
        f"from {len(problem.starts)} starts; {unfinished} found none.",
    )


def _with_kinks(problem: Problem, groups: Groups, more: np.ndarray) -> Groups:
    """The groups, and those minima on kinks that are none of them yet."""
    kinks = merged(more, np.linalg.norm(problem.residual(more), axis=1), MERGE)
    fresh = np.ones(len(kinks.points), bool)
    if len(groups.points) and len(more):
        fresh = cKDTree(groups.points).query(kinks.points)[0] > MERGE
    return Groups(
        np.concatenate([groups.points, kinks.points[fresh]]), np.concatenate([groups.counts, kinks.counts[fresh]])
    )


_OTHER = {"flow": "map", "map": "flow"}


def _eigenvalues(problem: Problem, zeros: Zeros, slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (K, N) of the Jacobians at zeros, and their errors: of the derivative, and of the place."""
    if not len(zeros.places):
        return np.zeros(zeros.places.shape, complex), np.zeros(zeros.places.shape)
    dynamics = problem.dynamics
    reach = (_REACH * zeros.errors + 4 * dynamics.spacing(problem.states(zeros.places)))[:, None]
    direction = np.random.default_rng(0).choice([-1.0, 1.0], zeros.places.shape)
    moved = np.zeros(slopes.shape)
    for move in (reach * zeros.loose, -reach * zeros.loose, reach * direction):
        change = np.abs(dynamics.jacobians(problem.states(zeros.places + move)) - slopes)
        np.maximum(moved, change, out=moved, where=np.isfinite(change))
    off = dynamics.jacobian_errors(problem.states(zeros.places), slopes) + moved + zeros.slack / dynamics.ratio
    return _in_extents(dynamics, slopes, off, problem.kind)


def _in_extents(dynamics: Dynamics, slopes: np.ndarray, errors: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and their errors of Jacobians with each coordinate in units of its extent, what grows most first."""
    return _sorted(*eigenvalues_with_errors(slopes * dynamics.ratio, errors * dynamics.ratio), kind)


def _sorted(eigenvalues: np.ndarray, margins: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """What grows most first."""
    order = np.argsort(-growth_of(eigenvalues, kind), axis=1, kind="stable")
    return np.take_along_axis(eigenvalues, order, axis=1), np.take_along_axis(margins, order, axis=1)


def _name_on_kink(problem: Problem, place: np.ndarray) -> str:
    """The name, or names, that the slopes around a place on a kink give it."""
    directions = np.random.default_rng(0).normal(size=(_SIDES, place.size))
    directions = np.concatenate([directions, -directions])
    around = problem.states(place + _BESIDE * directions / np.linalg.norm(directions, axis=1, keepdims=True))
    slopes = problem.dynamics.jacobians(around)
    errors = problem.dynamics.jacobian_errors(around, slopes) + 1e-3 * np.abs(slopes)  # f also bends on the way there
    names = sorted(set(stability(*_in_extents(problem.dynamics, slopes, errors, problem.kind), problem.kind)))
    return names[0] if len(names) == 1 else f"undecided, on a kink: {' or '.join(names)}"


def _resting_slowly(problem: Problem, places: np.ndarray) -> int:
    """How many places are minima of a speed that is not zero: their starts have come to an end, though to no zero. Of
    many a sample is looked at."""
    some = places[:: max(1, len(places) // _SAMPLE)]
    return round(len(places) * float(np.mean(problem.stationary(some, _SLOPE_STALLED)))) if len(places) else 0


def _eigenvalues_beside(beside: Any, kind: str, states: np.ndarray, extent: np.ndarray) -> Callable:
    """other(points, eigenvalues and margins of f there) -> eigenvalues and margins there of what stands beside f."""
    other = _OTHER[kind]
    if callable(beside):
        if kind_of(beside, None, other) != other:
            must_have(f"a {other} beside a {kind}", f"another {kind}")
        dynamics = dynamics_of(beside, states, extent)

        def of_callable(points: np.ndarray, *_: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            slopes = dynamics.jacobians(points)
            return _in_extents(dynamics, slopes, dynamics.jacobian_errors(points, slopes), other)

        return of_callable
    if kind == "map" or not isinstance(beside, (int, float, np.number)) or not 0 < beside < np.inf:
        must_have(f"a {other} beside a {kind}{', or a time above 0' if kind == 'flow' else ''}", repr(beside))
    time = float(beside)

    def of_time(_: np.ndarray, eigenvalues: np.ndarray, margins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        multipliers = np.exp(time * eigenvalues)  # growth and modulus sort alike
        return multipliers, np.abs(multipliers) * np.expm1(time * margins)

    return of_time


def _unseen(counts: np.ndarray, lost: int) -> float:
    """Share of starts that are alone at their point or came to no end; 1 where none came to any."""
    return float((np.sum(counts == 1) + lost) / (counts.sum() + lost)) if len(counts) else 1.0


def _chance(unseen: float, starts: int) -> str:
    """In words. Where all ended in company the estimate is 0, but a point that draws 3 in n starts may be missed."""
    return f"at most {unseen:.2g}" if unseen or not starts else f"below {min(1.0, 3 / starts):.1g} (95 %)"


def _evidence(found: FixedPoints, at_rest: int) -> str:
    """What the list rests on, in words."""
    names = ", ".join(f"{found.stability.count(name)} {name}" for name in dict.fromkeys(found.stability))
    parts = [f"{many(len(found), 'fixed point')} from {found.starts} starts{f' ({names})' if names else ''}"]
    lost = {
        "ended outside": found.outside,
        "ended at a slow point": at_rest,
        "came to no end": found.unfinished - at_rest,
        "had no finite value": found.failed,
    }
    parts += [f"{number} {what}" for what, number in lost.items() if number > 0]
    parts.append(f"chance of a new point from one more start {_chance(found.unseen, found.starts - found.failed)}")
    if found.unresolved is not None and len(found.unresolved):
        parts.append(f"{len(found.unresolved)} states cannot be told apart from rest: f is below its rounding there")
    if found.kinked is not None and found.kinked.any():
        parts.append(f"{int(found.kinked.sum())} on a kink of f")
    return "; ".join(parts) + "."
