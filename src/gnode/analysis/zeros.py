"""The search for zeros of a flow, or of a map's displacement, from many starts at once.

Lengths are in units of the extent of the starts or bounds, coordinate by coordinate, and nothing is asked of f that its
rounding does not hold: residuals are weighed by what rounding makes of them.
"""

from dataclasses import dataclass, replace
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
_APART = 100  # spacings of numbers: what Newton steps have led to one zero is not farther apart
_WITHIN = 4  # errors within which two may be one
_ALONG = np.array([0.29, 0.5, 0.67])  # where between two of a continuum others are looked for
_CURVED = 0.5  # share of itself by which the Jacobian changes where another zero may be
_DISTANCES = 20  # between rounding and the merging distance, at which is looked around a zero
_MOST = 64  # zeros beside which others are looked for
_STEPS = 60  # of Newton, at most
_ORDERS = (1.0, 2.0, 3.0, 4.0)  # multiples of a Newton step: for zeros at which f vanishes in this order
_SIXTH = np.array([1.0, -6.0, 15.0, -20.0, 15.0, -6.0, 1.0])
_LINE = 13  # places on a line over which they are taken
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

    @np.errstate(all="ignore")
    def noise(self, places: np.ndarray) -> np.ndarray:
        """What rounding does make of each residual (B, N), as seen in what sixth differences along a line do not take
        for smooth: more than `rounding` where f is a small difference of large terms.

        Over steps of some spacings of the numbers, and over longer ones, where f may be a staircase of wider stairs;
        the smallest of these counts, since a kink would be seen in the longest.
        """
        numbers = self.dynamics.spacing(self.states(places))
        shares = np.geomspace(1, 1e3, 3)[:, None]
        steps = np.concatenate([32 * numbers[None], shares * np.maximum(3e-8, 256 * numbers)])  # (S, B)
        direction = np.random.default_rng(0).choice([-1.0, 1.0], places.shape)
        along = np.arange(_LINE)[:, None, None, None] - _LINE // 2
        around = places + along * steps[:, :, None] * direction
        residuals = self.residual(around.reshape(-1, places.shape[1])).reshape(around.shape)
        bends = np.tensordot(_SIXTH, np.lib.stride_tricks.sliding_window_view(residuals, 7, axis=0), axes=(0, -1))
        seen = np.sqrt(np.mean(bends**2, axis=0)) / np.linalg.norm(_SIXTH)  # (S, B, N)
        return np.nan_to_num(np.maximum(seen[0], seen[1:].min(axis=0)), posinf=0.0)

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
        places: (K, N), in extents; errors: (K,), length of one more Newton step, and the noise of f in such lengths.
        loose: (K, N), the direction in which f changes least; slack: (K, N, N), what each entry of the Jacobian may be
            and not be seen, where f does not change by more than its rounding.
        counts: (K,), how many starts, 0 for zeros that turned up beside others.
        unresolved: (U, N), places where neither residual nor Jacobian are above their rounding.
    """

    places: np.ndarray
    errors: np.ndarray
    loose: np.ndarray
    slack: np.ndarray
    counts: np.ndarray
    unresolved: np.ndarray


@dataclass(frozen=True)
class Groups:
    """Points that stand for groups (K, N), and how many members each has (K,)."""

    points: np.ndarray
    counts: np.ndarray


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
    places, ways = _polished(problem, groups.points)
    unresolved = places[~ways.resolved]
    places, counts = places[ways.sure], groups.counts[ways.sure]
    more = _beside(problem, places)
    places = np.concatenate([places, more])
    counts = np.concatenate([counts, np.zeros(len(more), int)])
    # What Newton steps have led to one zero differs by rounding alone.
    numbers = float(np.median(problem.dynamics.spacing(problem.states(places)))) if len(places) else 1.0
    arrived = merged(places, np.linalg.norm(problem.residual(places), axis=1), _APART * numbers, counts)
    places, errors, counts = _distinct(problem, arrived)
    order = np.lexsort(np.round(places / problem.merge)[:, ::-1].T) if len(places) else counts
    ways = _judged(problem, places)
    hidden = np.where(ways.firm[:, None], 0.0, problem.rounding(places, problem.jacobian(places)) / problem.merge)
    slack = hidden[:, :, None] * np.abs(ways.loose)[:, None, :]
    return Zeros(places[order], errors[order], ways.loose[order], slack[order], counts[order], unresolved)


def _distinct(problem: Problem, zeros: Groups) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places (K, N), errors (K,) and counts (K,) of those that are not the same."""
    places, counts = zeros.points, zeros.counts
    errors = own = _judged(problem, places).errors
    while True:  # each time a place is compared with its nearest only
        together, errors = _one_point(problem, places, errors)
        number = together.max(initial=-1) + 1
        if number == len(places):
            return places, errors, counts
        best_first = np.lexsort((own, together))
        best = best_first[np.searchsorted(together[best_first], np.arange(number))]
        places, errors, own = places[best], errors[best], own[best]
        counts = np.bincount(together, weights=counts, minlength=number).astype(int)


def _one_point(problem: Problem, places: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which places (K, N) are the same zero: a number for each; and their errors (K,), which are larger now.

    Two that are near each other are, where they are within their errors or f does not rise above its noise between
    them: then the error covers all that cannot be told apart. And where other zeros lie all along between them, as on a
    continuum: between two isolated zeros there are none, or few.
    """
    count = len(places)
    if count < 2:
        return np.zeros(count, int), errors
    distances, others = cKDTree(places).query(places, min(_NEIGHBOURS, count), distance_upper_bound=problem.merge)
    one, rank = np.nonzero(np.isfinite(distances))
    other = others[one, rank]
    one, other, apart = (part[one != other] for part in (one, other, distances[one, rank]))
    links = coo_array((np.maximum(apart, 1e-300), (one, other)), shape=(count, count))
    tree = minimum_spanning_tree(links.tocsr()).tocoo()
    one, other, apart = tree.row, tree.col, tree.data
    if not len(apart):
        return np.arange(count), errors
    numbers = problem.dynamics.spacing(problem.states(places))
    blurred = apart <= _WITHIN * (errors[one] + errors[other]) + _APART * (numbers[one] + numbers[other])
    between = places[one] + _ALONG[:, None, None] * (places[other] - places[one])
    blurred |= np.all([_as_still(problem, there, places[one], places[other]) for there in between], axis=0)
    same = blurred.copy()
    open_ = np.flatnonzero(~same)
    if len(open_):
        same[open_] = np.all([_zero_at(problem, there, apart[open_]) for there in between[:, open_]], axis=0)
    return _joined(one[same], other[same], count), _covering(
        problem, places, errors, _joined(one[blurred], other[blurred], count)
    )


def _joined(one: np.ndarray, other: np.ndarray, count: int) -> np.ndarray:
    """A number for the group of each of so many, given links between them."""
    links = coo_array((np.ones(len(one)), (one, other)), shape=(count, count))
    return connected_components(links, directed=False)[1]


def _covering(problem: Problem, places: np.ndarray, errors: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Errors (K,) that cover the group that a zero cannot be told from, unless it is part of a straight continuum."""
    low, high = np.full((2, groups.max() + 1, places.shape[1]), [[[np.inf]], [[-np.inf]]])
    np.minimum.at(low, groups, places)
    np.maximum.at(high, groups, places)
    wide = np.minimum(np.linalg.norm(high - low, axis=1)[groups], problem.merge)
    return np.where(errors > 0, np.maximum(errors, wide), errors)


@np.errstate(all="ignore")
def _as_still(problem: Problem, places: np.ndarray, *ends: np.ndarray) -> np.ndarray:
    """Where f at places (K, N) is no more than at one of the ends, or than its noise."""
    residuals = np.abs(problem.residual(places))
    largest = np.max([np.linalg.norm(problem.residual(end), axis=1) for end in ends], axis=0)
    return (residuals <= 5 * problem.noise(places)).all(axis=1) | (np.linalg.norm(residuals, axis=1) <= largest)


def _zero_at(problem: Problem, places: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Where a zero lies at places (K, N), up to a tenth of scales (K,)."""
    reached, ways = _polished(problem, places)
    return (np.linalg.norm(reached - places, axis=1) <= scales / 10) & ways.sure & (ways.errors <= scales / 10)


@np.errstate(all="ignore")
def _beside(problem: Problem, places: np.ndarray) -> np.ndarray:
    """Zeros (M, N) beside zeros (K, N) around which f is so curved that others may lie within the merging distance.

    Where the Jacobian changes by less than half of itself on the way, there is no other (Kantorovich). Else Newton
    steps are taken from places at all distances, most of them where f changes least.
    """
    ways = _judged(problem, places)
    curved = ways.firm & ~_straight(problem, places, problem.merge * ways.loose)
    here = merged(places[curved], ways.errors[curved], problem.merge).points[:_MOST]
    if not len(here):
        return here
    loose = _judged(problem, here).loose
    random = np.random.default_rng(0).normal(size=(*here.shape, 2))
    sideways = np.linalg.pinv(problem.jacobian(here)) @ random
    sideways = np.moveaxis(sideways / np.linalg.norm(sideways, axis=1, keepdims=True), 2, 0)
    nearest = 10 * float(np.median(problem.dynamics.spacing(problem.states(here))))
    distances = np.geomspace(nearest, problem.merge, 2 * _DISTANCES)[:, None, None, None]
    seeds = here + distances * np.stack([loose, -loose, *sideways])
    found, ways = _polished(problem, seeds.reshape(-1, places.shape[1]))
    near = np.linalg.norm(found.reshape(seeds.shape) - here, axis=-1).ravel() <= 2 * problem.merge
    return found[near & ways.sure & problem.contains(found)]


@np.errstate(all="ignore")
def _straight(problem: Problem, places: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Where the Jacobian at places (K, N) changes by less than half of itself over moves (K, N) to either side."""
    slopes = problem.jacobian(places)
    finite = np.isfinite(slopes).all(axis=(1, 2))
    inverse = np.linalg.pinv(np.where(finite[:, None, None], slopes, 0.0))
    changes = [inverse @ (problem.jacobian(places + side * moves) - slopes) for side in (1, -1)]
    straight = [np.linalg.norm(change, axis=(1, 2)) < _CURVED for change in changes]
    return np.all(straight, axis=0) & finite


def _polished(problem: Problem, places: np.ndarray) -> tuple[np.ndarray, "_Ways"]:
    """Places (K, N) after Newton steps, as long as those help, and what lies around what was reached.

    Where they only creep, as at a zero of higher order, twice or three times the step is tried too. Where f only fades
    away, steps do not shrink and the residual never comes down to its rounding: no zero.
    """
    places = _stepped(problem, places, (1.0,))
    ways = _judged(problem, places)
    creeping = np.flatnonzero(ways.resolved & ~ways.sure)
    if not len(creeping):
        return places, ways
    leapt = _stepped(problem, places[creeping], _ORDERS)
    there = _judged(problem, leapt)
    # A zero of higher order may be hit so well that nothing of f is left there.
    before = ways.errors[creeping]
    hit = (before <= problem.merge) & (np.linalg.norm(leapt - places[creeping], axis=1) <= (max(_ORDERS) + 1) * before)
    hit &= ~there.resolved & ~problem.residual(leapt).any(axis=1)
    better = hit | there.sure | (there.errors < before) & there.resolved
    places[creeping[better]] = leapt[better]
    ways = _judged(problem, places)
    ways.sure[creeping[hit]] = ways.resolved[creeping[hit]] = True
    return places, ways


@np.errstate(all="ignore")
def _stepped(problem: Problem, places: np.ndarray, orders: tuple[float, ...]) -> np.ndarray:
    """Places after Newton steps, each times the best of `orders`, as long as they halve the way that is left.

    That is measured by the next step with the same Jacobian (Deuflhard's natural monotonicity), not by the residual,
    which grows where the way to a zero of higher order is bent.
    """
    places = places.copy()
    active = np.arange(len(places))
    for _ in range(_STEPS):
        if not len(active):
            break
        here = places[active]
        inverse = _inverse(problem, here, problem.jacobian(here))
        steps = -inverse.times(problem.residual(here))
        old = np.linalg.norm(steps, axis=1)
        trials = np.stack([here + order * steps for order in orders])
        left = np.stack([inverse.times(problem.residual(trial)) for trial in trials])
        new = np.linalg.norm(left, axis=2)
        new[~np.isfinite(new)] = np.inf
        best, rows = new.argmin(axis=0), np.arange(len(active))
        smaller = new[best, rows]
        better = smaller < old
        places[active[better]] = trials[best, rows][better]
        active = active[smaller < old / 2]
    return _once_more(problem, _once_more(problem, places))


@np.errstate(all="ignore")
def _once_more(problem: Problem, places: np.ndarray) -> np.ndarray:
    """Places after one Newton step where the residual is smaller there: across the way to a zero of higher order it may
    still fall where along the way it is lost in rounding."""
    if not len(places):
        return places
    residuals = problem.residual(places)
    there = places - _inverse(problem, places, problem.jacobian(places)).times(residuals)
    smaller = np.linalg.norm(problem.residual(there), axis=1) < np.linalg.norm(residuals, axis=1)
    return np.where(smaller[:, None], there, places)


@dataclass(frozen=True)
class _Ways:
    """From K places to zeros.

    Attributes:
        steps: (K, N), one more Newton step; errors: (K,), how long it is, and how far the noise of f reaches.
        loose: (K, N), the direction in which f changes least, of length 1.
        resolved, firm: (K,), where any direction, and where all, change f by more than its rounding.
        sure: (K,), where a zero is.
    """

    steps: np.ndarray
    errors: np.ndarray
    loose: np.ndarray
    resolved: np.ndarray
    firm: np.ndarray
    sure: np.ndarray


@np.errstate(all="ignore")
def _judged(problem: Problem, places: np.ndarray) -> _Ways:
    """What lies around places (K, N).

    A zero is sure where the residual is what rounding makes of none; or where the step to it is short, and f straight
    on the way there, as it is not at a minimum of the speed just above none.
    """
    slopes = problem.checked_jacobian(places)
    noise = problem.noise(places)
    ways = _ways(problem, places, slopes)
    ways = replace(ways, errors=ways.errors + _blur(problem, places, ways.loose, noise))
    residuals = np.abs(problem.residual(places))
    at_rounding = (residuals <= np.maximum(problem.rounding(places, slopes), 5 * noise)).all(axis=1)
    settled = ways.errors <= np.maximum(1e3 * problem.dynamics.spacing(problem.states(places)), 1e-9)
    open_ = np.flatnonzero(settled & ~at_rounding)
    settled[open_] = _straight(problem, places[open_], 2 * ways.errors[open_, None] * ways.loose[open_])
    below = np.linalg.norm(residuals, axis=1) <= problem.threshold
    sure = ways.resolved & below & (ways.errors <= problem.merge) & (at_rounding | settled)
    return replace(ways, sure=sure)


@np.errstate(all="ignore")
def _blur(problem: Problem, places: np.ndarray, loose: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """How far from places (K, N) f is no other than there but for its noise, in the direction in which it changes
    least: a zero may be anywhere in between. 0 where it never is another: along a continuum there is no error."""
    if not len(places):
        return np.zeros(0)
    nearest = problem.dynamics.spacing(problem.states(places))
    shares = np.linspace(0, 1, _DISTANCES)[:, None]
    distances = np.maximum(nearest, nearest ** (1 - shares) * problem.merge**shares)  # (D, K)
    sides = np.array([1.0, -1.0])[:, None, None, None] * distances[:, :, None] * loose
    around = problem.residual((places + sides).reshape(-1, places.shape[1])).reshape(sides.shape)
    other = (np.abs(around - problem.residual(places)) > 5 * noise).any(axis=-1).all(axis=0)
    return np.where(other.any(axis=0), distances[other.argmax(axis=0), np.arange(len(places))], 0.0)


def _ways(problem: Problem, places: np.ndarray, slopes: np.ndarray) -> _Ways:
    inverse = _inverse(problem, places, slopes)
    steps = -inverse.times(problem.residual(places))
    resolved, firm = (np.asarray(those) for those in (inverse.firm.any(axis=1), inverse.firm.all(axis=1)))
    loose = inverse.right[:, -1]
    return _Ways(steps, np.linalg.norm(steps, axis=1), loose, resolved, firm, np.zeros(len(places), bool))


@dataclass(frozen=True)
class _Inverse:
    """Of Jacobians (K, N, N), each row weighed by the rounding of its residual, by singular values.

    Attributes:
        firm: (K, N), the directions `right` in which a whole merging distance changes the residual by more than its
            rounding. The others are left out: there a continuum lies.
    """

    left: np.ndarray
    sizes: np.ndarray
    right: np.ndarray
    weights: np.ndarray
    firm: np.ndarray

    @np.errstate(all="ignore")
    def times(self, residuals: np.ndarray) -> np.ndarray:
        amounts = np.einsum("bij,bi->bj", self.left, residuals * self.weights)
        return np.asarray(np.einsum("bji,bj->bi", self.right, np.where(self.firm, amounts / self.sizes, 0.0)))


@np.errstate(all="ignore")
def _inverse(problem: Problem, places: np.ndarray, slopes: np.ndarray) -> _Inverse:
    rounding = problem.rounding(places, slopes)
    finite = np.isfinite(slopes).all(axis=(1, 2))
    weights = np.where((rounding > 0) & finite[:, None], 1 / rounding, 0.0)
    weighed = np.where(finite[:, None, None], slopes * weights[:, :, None], 0.0)
    left, sizes, right = np.linalg.svd(weighed)
    return _Inverse(left, sizes, right, weights, sizes * problem.merge * _ROUNDED > 1)


@np.errstate(all="ignore")
def _typical_rate(dynamics: Dynamics, states: np.ndarray) -> float:
    """Median over states of the root mean square eigen-rate, |J|_F / sqrt(N), in extents."""
    slopes = dynamics.jacobians(states) * dynamics.ratio
    sizes = np.linalg.norm(slopes, axis=(1, 2)) / np.sqrt(dynamics.size)
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    return float(np.median(sizes)) if len(sizes) else 1.0


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
