"""Fixed points and slow points of any dynamics, from many starts at once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from gnode.analysis.descent import Descent, Ending, descend
from gnode.analysis.dynamics import Dynamics, Function, checked_bounds, checked_states, dynamics_of, kind_of
from gnode.analysis.stability import flow_stability, growing_directions, map_stability
from gnode.analysis.threads import one_thread
from gnode.errors import Diverged, must_have


@dataclass(frozen=True)
class FixedPoints:
    """Fixed points and how sure one may be of them, sorted by their coordinates.

    Attributes:
        kind: "flow" or "map", what the callable was taken for.
        points: (K, N).
        speeds: (K,), |f(h)| for a flow, |f(h) - h| for a map: the residual.
        errors: (K,), estimated distance to the true zero, from one more Newton step.
        jacobians: (K, N, N), df/dh there.
        eigenvalues: (K, N), of those, the largest real part (flow) or modulus (map) first.
        stability: a name for each point, such as "stable node", "saddle", "unstable focus", "center", "marginal".
        unstable: (K,), how many directions grow.
        counts: (K,), how many starts ended at each.
        unseen: estimated probability that one more start would end at a point not in this list: the share of converged
            starts that are alone at their point (Good and Turing; Good, Biometrika 40, 1953). Near 1 on a continuum.
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

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True)
class SlowPoints:
    """Local minima of the speed: where the dynamics lingers. They attract nothing by being slow.

    Attributes:
        kind: "flow" or "map".
        points: (K, N), slowest first.
        speeds: (K,), |f(h)| for a flow, |f(h) - h| for a map.
        fixed: (K,), True where the speed is zero to within `tolerance`.
        eigenvalues: (K, N), of df/dh there.
        counts: (K,), how many starts ended at each.
        unseen: as for FixedPoints.
        starts, unfinished, failed: how many starts there were, found no minimum in time, had no finite value.
        tolerance, merge: as for FixedPoints.
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

    def __len__(self) -> int:
        return len(self.points)


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
    merge: float | int = 1e-4,
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
        tolerance: of the speed; by default 1e-10 (1e-5 for callables that compute in float32), for a flow times its
            typical rate: the median size of its Jacobian over the starts.
        merge: distance between two ends, in units of the state, within which they count as one point.
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
    kind = kind_of(f, kind)
    problem = _posed(f, kind, starts, bounds, count, seed, tolerance, merge, seconds)
    other = None if beside is None else _eigenvalues_beside(beside, kind, problem.starts)
    descent = _descended(problem, iterations, 0.01, seconds)
    converged = descent.endings == Ending.CONVERGED
    inside = converged & problem.contains(descent.points)
    groups = merged(descent.points[inside], np.linalg.norm(descent.residuals[inside], axis=1), merge)
    points, errors = _polished(problem, groups.points)
    sure = errors <= merge
    points, errors, counts = points[sure], errors[sure], groups.counts[sure]

    order = np.lexsort(np.round(points / merge)[:, ::-1].T)
    points, errors, counts = points[order], errors[order], counts[order]
    jacobians = problem.dynamics.jacobians(points)
    eigenvalues = _sorted_eigenvalues(jacobians, kind)
    others = None if other is None else other(points, eigenvalues)
    flow, map_ = (eigenvalues, others) if kind == "flow" else (others, eigenvalues)
    flow_names = None if flow is None else flow_stability(flow)
    map_names = None if map_ is None else map_stability(map_)
    failed = int(np.sum(descent.endings == Ending.FAILED))
    return FixedPoints(
        kind=kind,
        points=points,
        speeds=np.linalg.norm(problem.residual(points), axis=1),
        errors=errors,
        jacobians=jacobians,
        eigenvalues=eigenvalues,
        stability=list((flow_names if kind == "flow" else map_names) or []),
        unstable=growing_directions(eigenvalues, kind),
        counts=counts,
        unseen=_unseen(counts),
        flow_eigenvalues=flow,
        flow_stability=flow_names,
        map_eigenvalues=map_,
        map_stability=map_names,
        starts=len(problem.starts),
        converged=int(counts.sum()),
        outside=int(np.sum(converged & ~inside)),
        unfinished=int(np.sum(~converged) - failed + groups.counts.sum() - counts.sum()),
        failed=failed,
        tolerance=problem.tolerance,
        merge=merge,
        framework=problem.dynamics.framework,
        jacobian_method=problem.dynamics.jacobian_method,
        jacobian_error=problem.dynamics.jacobian_error(points),
    )


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
    merge: float | int = 1e-4,
    iterations: int = 500,
    seconds: float | int = np.inf,
) -> SlowPoints:
    """Local minima of the speed |f| (flow) or |f - identity| (map), fixed points among them.

    Sussillo and Barak, Neural Computation 25 (2013), with Levenberg-Marquardt as the minimiser. Arguments and errors as
    for `fixed_points`.
    """
    kind = kind_of(f, kind)
    problem = _posed(f, kind, starts, bounds, count, seed, tolerance, merge, seconds)
    descent = _descended(problem, iterations, 1e-9, seconds)
    speeds = np.linalg.norm(descent.residuals, axis=1)
    alive = (descent.endings != Ending.FAILED) & problem.contains(descent.points)
    resting = alive & np.isin(descent.endings, [Ending.CONVERGED, Ending.STALLED])
    unsure = np.flatnonzero(alive & ~resting)
    resting[unsure] = problem.stationary(descent.points[unsure])
    groups = merged(descent.points[resting], speeds[resting], merge)
    points = groups.points
    values = np.linalg.norm(problem.residual(points), axis=1)
    order = np.argsort(values, kind="stable")
    points, values, counts = points[order], values[order], groups.counts[order]
    failed = int(np.sum(descent.endings == Ending.FAILED))
    return SlowPoints(
        kind=kind,
        points=points,
        speeds=values,
        fixed=values <= problem.tolerance,
        eigenvalues=_sorted_eigenvalues(problem.dynamics.jacobians(points), kind),
        counts=counts,
        unseen=_unseen(counts),
        starts=len(problem.starts),
        unfinished=int(len(problem.starts) - failed - resting.sum()),
        failed=failed,
        tolerance=problem.tolerance,
        merge=merge,
    )


@dataclass(frozen=True)
class Groups:
    """Points that stand for groups (K, N), and how many members each has (K,)."""

    points: np.ndarray
    counts: np.ndarray


def merged(points: np.ndarray, residuals: np.ndarray, distance: float) -> Groups:
    """Chains of points closer than `distance` become one: the member with the smallest residual.

    What is returned lies farther apart than that. Points that share a cell of a grid whose cells have that diagonal are
    merged first, so that a million ends at one point cost a sort and not a million squared pairs.

    Args:
        points: (B, N).
        residuals: (B,).
    """
    if not len(points):
        return Groups(points, np.zeros(0, int))
    best_first = np.argsort(residuals, kind="stable")
    cells = np.floor(points[best_first] * (np.sqrt(points.shape[1]) / distance))
    _, first, cell_of = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    members = np.bincount(cell_of.ravel())
    leaders = best_first[first]
    pairs = cKDTree(points[leaders]).query_pairs(distance, output_type="ndarray")
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(leaders),) * 2)
    number, group = connected_components(links, directed=False)
    counts = np.bincount(group, weights=members, minlength=number).astype(int)
    by_residual = np.lexsort((residuals[leaders], group))
    representatives = leaders[by_residual[np.searchsorted(group[by_residual], np.arange(number))]]
    return Groups(points[representatives], counts)


def starts_from(starts: Any, bounds: Any, count: int, seed: int) -> np.ndarray:
    """The given starts (B, N), or `count` uniform draws from a box."""
    if (starts is None) == (bounds is None):
        must_have("either starts or bounds", "both" if starts is not None else "neither")
    if starts is not None:
        return checked_states(starts, "starts")
    low, high = checked_bounds(bounds)
    if not isinstance(count, (int, np.integer)) or count < 1:
        must_have("a count of starts of at least 1", repr(count))
    return low + (high - low) * np.random.default_rng(seed).random((count, low.size))


@dataclass(frozen=True)
class _Problem:
    """Zeros of what, from where, how close."""

    dynamics: Dynamics
    kind: str
    starts: np.ndarray
    low: np.ndarray
    high: np.ndarray
    rate: float
    tolerance: float
    merge: float

    def residual(self, states: np.ndarray) -> np.ndarray:
        values = self.dynamics.values(states)
        return values if self.kind == "flow" else values - states

    def jacobian(self, states: np.ndarray) -> np.ndarray:
        slopes = self.dynamics.jacobians(states)
        return slopes if self.kind == "flow" else slopes - np.eye(self.dynamics.size)

    def contains(self, states: np.ndarray) -> np.ndarray:
        return np.all((states >= self.low - self.merge) & (states <= self.high + self.merge), axis=1)

    def stationary(self, states: np.ndarray) -> np.ndarray:
        """Where the gradient of the squared speed is that of a minimum, up to a millionth of what it may be."""
        residuals = self.residual(states)
        gradients = np.einsum("bij,bi->bj", self.jacobian(states), residuals)
        return np.linalg.norm(gradients, axis=1) <= 1e-6 * self.rate * np.linalg.norm(residuals, axis=1)


def _posed(f, kind, starts, bounds, count, seed, tolerance, merge, seconds) -> _Problem:
    if not seconds > 0:
        must_have("seconds above 0", repr(seconds))
    if not merge > 0:
        must_have("a merging distance above 0", repr(merge))
    if tolerance is not None and not tolerance > 0:
        must_have("a tolerance above 0", repr(tolerance))
    states = starts_from(starts, bounds, count, seed)
    everywhere = np.full(states.shape[1], np.inf)
    low, high = (-everywhere, everywhere) if bounds is None else checked_bounds(bounds)
    dynamics = dynamics_of(f, states)
    finite = np.isfinite(dynamics.values(states)).all(axis=1)
    if not finite.any():
        raise Diverged(
            f"Must have a callable that is finite somewhere, instead got NaN or infinity at all {len(states)} starts."
        )
    typical = _typical_rate(dynamics, states[finite][:64])
    rate = typical if kind == "flow" else 1.0
    if tolerance is None:
        tolerance = (1e-10 if dynamics.precision < 1e-10 else 1e-5) * rate
    return _Problem(dynamics, kind, states, low, high, rate, tolerance, merge)


@np.errstate(all="ignore")
def _typical_rate(dynamics: Dynamics, states: np.ndarray) -> float:
    """Median over states of the root mean square eigen-rate, |J|_F / sqrt(N)."""
    sizes = np.linalg.norm(dynamics.jacobians(states), axis=(1, 2)) / np.sqrt(dynamics.size)
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    return float(np.median(sizes)) if len(sizes) else 1.0


def _descended(problem: _Problem, iterations: int, progress: float, seconds: float | int) -> Descent:
    return descend(
        problem.residual,
        problem.jacobian,
        problem.starts,
        threshold=problem.tolerance,
        reach=problem.merge / 10,
        iterations=iterations,
        progress=progress,
        seconds=seconds,
    )


def _polished(problem: _Problem, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A few Newton steps while they help, and the length of one more as the estimate of the error."""
    for _ in range(4):
        candidates = points + _newton_step(problem, points)
        old, new = (np.linalg.norm(problem.residual(states), axis=1) for states in (points, candidates))
        points = np.where((new < old)[:, None], candidates, points)
    return points, np.linalg.norm(_newton_step(problem, points), axis=1)


def _newton_step(problem: _Problem, points: np.ndarray) -> np.ndarray:
    """-J^+ r, without the directions along which a continuum of fixed points lies."""
    if not len(points):
        return points
    return -np.einsum("bij,bj->bi", np.linalg.pinv(problem.jacobian(points), rcond=1e-9), problem.residual(points))


def _sorted_eigenvalues(jacobians: np.ndarray, kind: str) -> np.ndarray:
    eigenvalues = np.linalg.eigvals(jacobians).astype(complex) if len(jacobians) else jacobians[..., 0].astype(complex)
    size = eigenvalues.real if kind == "flow" else np.abs(eigenvalues)
    return np.take_along_axis(eigenvalues, np.argsort(-size, axis=1, kind="stable"), axis=1)


def _eigenvalues_beside(beside: Any, kind: str, states: np.ndarray) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """other(points, eigenvalues of f there) -> eigenvalues there of what stands beside f."""
    other = "map" if kind == "flow" else "flow"
    if callable(beside):
        if kind_of(beside, None, other) != other:
            must_have(f"a {other} beside a {kind}", f"another {kind}")
        dynamics = dynamics_of(beside, states)
        return lambda points, _: _sorted_eigenvalues(dynamics.jacobians(points), other)
    if kind == "map" or not isinstance(beside, (int, float, np.number)) or not 0 < beside < np.inf:
        must_have(f"a {other} beside a {kind}{', or a time above 0' if kind == 'flow' else ''}", repr(beside))
    time = float(beside)
    return lambda _, eigenvalues: np.exp(time * eigenvalues)  # growth and modulus sort alike


def _unseen(counts: np.ndarray) -> float:
    return float(np.sum(counts == 1) / counts.sum()) if len(counts) else 1.0
