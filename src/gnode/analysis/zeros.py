"""The search for zeros of a flow, or of a map's displacement, from many starts at once.

Lengths are in units of the extent of the starts or bounds, coordinate by coordinate, and nothing is asked of f that its
rounding does not hold: residuals are weighed by what rounding makes of them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.spatial import cKDTree

from gnode.analysis.descent import Descent, descend
from gnode.analysis.differences import spacing
from gnode.analysis.dynamics import Dynamics, checked_bounds, checked_states, dynamics_of, extent_of, kind_of
from gnode.analysis.frameworks import Function
from gnode.arguments import integer, positive
from gnode.errors import Diverged, must_have

MERGE = 1e-4  # of the extent: distance within which two ends may be one point
_TIGHT = 1e-3  # of that distance: ends of one isolated zero are nearer to each other
_ROUNDED = 30  # how many roundings of its terms a residual may be off
_ORDERS = (1.0, 2.0, 3.0)  # multiples of a Newton step: for zeros at which f vanishes in this order
_DOUBLE = float(np.finfo(float).eps)
_NEIGHBOURS = 8  # of an end, that may be one point with it


@dataclass(frozen=True)
class Problem:
    """Zeros of what, from where, how close. Coordinates u = (h - centre) / extent.

    Attributes:
        starts: (B, N), of u; low, high: (N,), the box of u that zeros are looked for in.
        rate: typical size of the residual's Jacobian, in 1 / time (flow) or 1 (map).
        threshold: the residual, in extents, below which a state may count as a zero.
        merge: the distance, in extents, within which two ends may be one point.
    """

    dynamics: Dynamics
    kind: str
    starts: np.ndarray
    centre: np.ndarray
    low: np.ndarray
    high: np.ndarray
    rate: float
    threshold: float
    merge: float

    @property
    def extent(self) -> np.ndarray:
        return self.dynamics.extent

    def states(self, places: np.ndarray) -> np.ndarray:
        return self.centre + self.extent * places

    def residual(self, places: np.ndarray) -> np.ndarray:
        states = self.states(places)
        values = self.dynamics.values(states)
        return (values if self.kind == "flow" else values - states) / self.extent

    def jacobian(self, places: np.ndarray) -> np.ndarray:
        return self._of_residual(self.dynamics.jacobians(self.states(places)))

    def checked_jacobian(self, places: np.ndarray) -> np.ndarray:
        """The same, compared with differences at each place (gnode.analysis.dynamics)."""
        return self._of_residual(self.dynamics.checked_jacobians(self.states(places)))

    def _of_residual(self, slopes: np.ndarray) -> np.ndarray:
        """Jacobians of f turned into those of the residual, in place: the search holds many."""
        slopes *= self.dynamics.ratio
        if self.kind == "map":
            np.einsum("bii->bi", slopes)[...] -= 1
        return slopes

    def rounding(self, places: np.ndarray, jacobians: np.ndarray) -> np.ndarray:
        """What rounding may make of each residual (B, N), from the sizes of the terms that it is the sum of."""
        sizes = np.abs(self.states(places)) / self.extent
        terms = np.einsum("bij,bj->bi", np.abs(jacobians), np.maximum(sizes, 1e-6))
        if self.kind == "map":
            terms = terms + sizes
        return _ROUNDED * self.dynamics.precision * terms

    def contains(self, places: np.ndarray) -> np.ndarray:
        return np.all((places >= self.low - self.merge) & (places <= self.high + self.merge), axis=1)

    def on_kink(self, places: np.ndarray) -> np.ndarray:
        """Where the slopes on two sides differ however near one looks, (B,); by differences, which blur a kink, no one
        knows, and it may be anywhere."""
        if self.dynamics.jacobian_method == "finite differences":
            return np.ones(len(places), bool)
        states = self.states(places)
        return self.dynamics.compared(states, self.dynamics.jacobians(states)).kinked

    def stationary(self, places: np.ndarray, share: float) -> np.ndarray:
        """Where the gradient of the squared speed is that of a minimum, up to this share of what it may be."""
        residuals = self.residual(places)
        gradients = np.einsum("bij,bi->bj", self.jacobian(places), residuals)
        return np.linalg.norm(gradients, axis=1) <= share * self.rate * np.linalg.norm(residuals, axis=1)


@dataclass(frozen=True)
class Zeros:
    """Zeros that the residual tells from what is around them.

    Attributes:
        places: (K, N), in extents; errors: (K,), length of one more Newton step; counts: (K,), how many starts.
        unresolved: (U, N), places where neither residual nor Jacobian are above their rounding.
    """

    places: np.ndarray
    errors: np.ndarray
    counts: np.ndarray
    unresolved: np.ndarray


def posed(
    f: Function,
    kind: str | None,
    starts: Any,
    bounds: Any,
    count: int,
    seed: int,
    tolerance: float | int | None,
    merge: float | int | None,
    seconds: float | int,
) -> Problem:
    """The search that the arguments of `fixed_points` ask for.

    Raises:
        InvalidInput, Diverged: as `fixed_points` does.
    """
    seconds = positive("seconds", seconds, np.inf)
    merge = None if merge is None else positive("merge", merge)
    tolerance = None if tolerance is None else positive("tolerance", tolerance)
    kind = kind_of(f, kind)
    states = starts_from(starts, bounds, count, seed)
    corners = None if bounds is None else checked_bounds(bounds)
    extent = extent_of(states) if corners is None else (corners[1] - corners[0]) / 2
    dynamics = dynamics_of(f, states, extent)
    extent = dynamics.extent
    finite = np.isfinite(dynamics.values(states)).all(axis=1)
    if not finite.any():
        raise Diverged(
            f"Must have a callable that is finite somewhere, instead got NaN or infinity at all {len(states)} starts."
        )
    dynamics.verify(states[finite])
    rate = _typical_rate(dynamics, states[finite][:64]) if kind == "flow" else 1.0
    centre = np.median(states, axis=0) if corners is None else corners[0] + extent
    everywhere = np.full(states.shape[1], np.inf)
    low, high = (-everywhere, everywhere) if corners is None else (corner - centre for corner in corners)
    numbers = float(np.median(dynamics.spacing(states[finite])))
    relative = 1e-10 if dynamics.precision < 1e-10 else 1e-5
    wanted = relative * rate if tolerance is None else tolerance / extent.max()
    return Problem(
        dynamics=dynamics,
        kind=kind,
        starts=(states - centre) / extent,
        centre=centre,
        low=low / extent,
        high=high / extent,
        rate=rate,
        threshold=max(wanted, 10 * numbers * (rate + (kind == "map"))) if tolerance is None else wanted,
        merge=max(MERGE, 1e3 * numbers) if merge is None else merge / extent.max(),
    )


def starts_from(starts: Any, bounds: Any, count: int, seed: int) -> np.ndarray:
    """The given starts (B, N), or `count` uniform draws from a box."""
    count, seed = integer("count", count, 1), integer("seed", seed, 0)
    if (starts is None) == (bounds is None):
        must_have("either starts or bounds", "both" if starts is not None else "neither")
    if starts is not None:
        return checked_states(starts, "starts")
    low, high = checked_bounds(bounds)
    return low + (high - low) * np.random.default_rng(seed).random((count, low.size))


def descended(problem: Problem, iterations: int, progress: float, seconds: float | int) -> Descent:
    """Where each start ends. Once more by differences, where the derivative turns out at the ends to be a wrong one."""

    iterations = integer("iterations", iterations, 1)

    def search() -> Descent:
        return descend(
            problem.residual,
            problem.jacobian,
            problem.starts,
            threshold=problem.threshold,
            reach=problem.merge / 10,
            iterations=iterations,
            progress=progress,
            resolution=max(
                1e-14, 4 * float(np.median(spacing(problem.states(problem.starts), problem.extent, _DOUBLE)))
            ),
            seconds=seconds,
        )

    descent = search()
    return search() if problem.dynamics.verify(problem.states(descent.points)) else descent


def zeros_among(problem: Problem, ends: np.ndarray, residuals: np.ndarray) -> Zeros:
    """The distinct zeros that ends (B, N) of descents with these residuals (B, N) have come close to."""
    groups = merged(ends, np.linalg.norm(residuals, axis=1), _TIGHT * problem.merge)
    places, errors, resolved, sure = _polished(problem, groups.points)
    unresolved = places[~resolved]
    # What Newton steps have led to one zero differs by rounding alone.
    arrived = merged(np.column_stack([places, errors])[sure], errors[sure], _TIGHT * problem.merge, groups.counts[sure])
    places, errors = arrived.points[:, :-1], arrived.points[:, -1]
    together = _one_point(problem, places, errors)
    number = together.max(initial=-1) + 1
    best_first = np.lexsort((errors, together))
    best = best_first[np.searchsorted(together[best_first], np.arange(number))]
    totals = np.bincount(together, weights=arrived.counts, minlength=number).astype(int)
    order = np.lexsort(np.round(places[best] / problem.merge)[:, ::-1].T) if number else best
    return Zeros(places[best][order], errors[best][order], totals[order], unresolved)


def _one_point(problem: Problem, places: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Which places (K, N) are the same zero: a number for each.

    Two that are near each other are, where they are within their errors, where f is no larger half way between them, or
    where another zero lies there, as on a continuum: between two isolated zeros there is none.
    """
    count = len(places)
    if count < 2:
        return np.zeros(count, int)
    distances, others = cKDTree(places).query(places, min(_NEIGHBOURS, count), distance_upper_bound=problem.merge)
    one, rank = np.nonzero(np.isfinite(distances))
    other = others[one, rank]
    one, other, apart = (part[one != other] for part in (one, other, distances[one, rank]))
    links = coo_array((np.maximum(apart, 1e-300), (one, other)), shape=(count, count))
    tree = minimum_spanning_tree(links.tocsr()).tocoo()
    one, other, apart = tree.row, tree.col, tree.data
    numbers = problem.dynamics.spacing(problem.states(places))
    same = apart <= 10 * (errors[one] + errors[other]) + 100 * (numbers[one] + numbers[other])
    open_ = np.flatnonzero(~same)
    if len(open_):
        middles = (places[one[open_]] + places[other[open_]]) / 2
        between, off, _, zero = _polished(problem, middles)
        stayed = np.linalg.norm(between - middles, axis=1) <= apart[open_] / 4
        ends = places[one[open_]], places[other[open_]]
        largest = np.max([np.linalg.norm(problem.residual(end), axis=1) for end in ends], axis=0)
        flat = np.linalg.norm(problem.residual(middles), axis=1) <= largest
        same[open_] = flat | (stayed & zero & (off <= apart[open_] / 10))
    joined = coo_array((np.ones(same.sum()), (one[same], other[same])), shape=(count, count))
    return connected_components(joined, directed=False)[1]


def _polished(problem: Problem, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Newton steps while they help: places (K, N), the length of one more step (K,) as the estimate of the error, where
    anything says which way to go, and where what was reached is surely a zero.

    Where they only creep, as at a zero of higher order, twice or three times the step is tried too. Where f only fades
    away, steps do not shrink and the residual never comes down to its rounding: no zero.
    """
    places = _stepped(problem, places, (1.0,))
    errors, resolved, sure = _judged(problem, places)
    creeping = np.flatnonzero(resolved & ~sure)
    if len(creeping):
        leapt = _stepped(problem, places[creeping], _ORDERS)
        off, known, zero = _judged(problem, leapt)
        better = zero | (off < errors[creeping])
        at = creeping[better]
        places[at], errors[at], resolved[at], sure[at] = leapt[better], off[better], known[better], zero[better]
    return places, errors, resolved, sure


@np.errstate(all="ignore")
def _stepped(problem: Problem, places: np.ndarray, orders: tuple[float, ...]) -> np.ndarray:
    """Places after at most 20 Newton steps, each times the best of `orders`, as long as they halve the residual."""
    places = places.copy()
    active = np.arange(len(places))
    for _ in range(20):
        if not len(active):
            break
        steps = _newton(problem, places[active], problem.jacobian(places[active]))[0]
        old = np.linalg.norm(problem.residual(places[active]), axis=1)
        trials = np.stack([places[active] + order * steps for order in orders])
        new = np.linalg.norm(problem.residual(trials.reshape(-1, places.shape[1])), axis=1).reshape(trials.shape[:2])
        new[~np.isfinite(new)] = np.inf
        best, rows = new.argmin(axis=0), np.arange(len(active))
        smaller = new[best, rows]
        better = smaller < old
        places[active[better]] = trials[best, rows][better]
        active = active[smaller < old / 2]
    return places


@np.errstate(all="ignore")
def _judged(problem: Problem, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The length of one more Newton step (K,), where anything says which way to go, and where surely a zero is."""
    steps, resolved, rounding = _newton(problem, places, problem.checked_jacobian(places))
    errors = np.linalg.norm(steps, axis=1)
    residuals = np.abs(problem.residual(places))
    at_rounding = (residuals <= rounding).all(axis=1)
    settled = errors <= np.maximum(1e3 * problem.dynamics.spacing(problem.states(places)), 1e-9)
    below = np.linalg.norm(residuals, axis=1) <= problem.threshold
    return errors, resolved, resolved & below & (errors <= problem.merge) & (at_rounding | settled)


@np.errstate(all="ignore")
def _newton(problem: Problem, places: np.ndarray, slopes: np.ndarray) -> tuple[np.ndarray, Any, np.ndarray]:
    """-J^+ r (K, N), without the directions in which a whole merging distance changes the residual by less than its
    rounding: there a continuum lies. Also where any other direction is left, (K,), and that rounding, (K, N)."""
    if not len(places):
        return places, np.zeros(0, bool), places
    residuals = problem.residual(places)
    rounding = problem.rounding(places, slopes)
    finite = np.isfinite(slopes).all(axis=(1, 2))
    weights = np.where((rounding > 0) & finite[:, None], 1 / rounding, 0.0)
    weighed = np.where(finite[:, None, None], slopes * weights[:, :, None], 0.0)
    left, sizes, right = np.linalg.svd(weighed)
    firm = sizes * problem.merge * _ROUNDED > 1
    amounts = np.einsum("bij,bi->bj", left, residuals * weights)
    steps = -np.einsum("bji,bj->bi", right, np.where(firm, amounts / sizes, 0.0))
    return steps, np.any(firm, axis=1), rounding


@np.errstate(all="ignore")
def _typical_rate(dynamics: Dynamics, states: np.ndarray) -> float:
    """Median over states of the root mean square eigen-rate, |J|_F / sqrt(N), in extents."""
    slopes = dynamics.jacobians(states) * dynamics.ratio
    sizes = np.linalg.norm(slopes, axis=(1, 2)) / np.sqrt(dynamics.size)
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    return float(np.median(sizes)) if len(sizes) else 1.0


@dataclass(frozen=True)
class Groups:
    """Points that stand for groups (K, N), and how many members each has (K,)."""

    points: np.ndarray
    counts: np.ndarray


def merged(points: np.ndarray, residuals: np.ndarray, distance: float, counts: np.ndarray | None = None) -> Groups:
    """Chains of points closer than `distance` become one: the member with the smallest residual.

    What is returned lies farther apart than that. Points that share a cell of a grid whose cells have that diagonal are
    merged first, so that a million ends at one point cost a sort and not a million squared pairs.

    Args:
        points: (B, N).
        residuals: (B,).
        counts: (B,), how many members each point stands for already; one by default.
    """
    if not len(points):
        return Groups(points, np.zeros(0, int))
    best_first = np.argsort(residuals, kind="stable")
    cells = np.floor(points[best_first] * (np.sqrt(points.shape[1]) / distance))
    _, first, cell_of = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    members = np.bincount(cell_of.ravel(), weights=None if counts is None else counts[best_first])
    leaders = best_first[first]
    pairs = cKDTree(points[leaders]).query_pairs(distance, output_type="ndarray")
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(leaders),) * 2)
    number, group = connected_components(links, directed=False)
    counts = np.bincount(group, weights=members, minlength=number).astype(int)
    by_residual = np.lexsort((residuals[leaders], group))
    representatives = leaders[by_residual[np.searchsorted(group[by_residual], np.arange(number))]]
    return Groups(points[representatives], counts)
