"""Intrinsic dimension of a cloud of points, by published estimators that look at different scales."""

from collections.abc import Callable

import numpy as np
from scipy.spatial import cKDTree

from gnode.analysis.intervals import UNKNOWN, Interval, half_width, patches

_FLAT = 0.15  # a direction counts where its variance is this share of the widest one's
_CENTRES = 400  # points around which it is looked
_STRAIGHT = 1.15  # a curve spreads in no more directions than this in the smallest neighbourhoods
_FEW = 40  # fewer points than this make a curve only where they line up one after the other
_TURN = np.cos(np.radians(75))  # and turn by no more than this from one to the next
_RIM = 0.95 * np.pi  # a point lies on the rim of a surface where an angle as wide as this holds no neighbour
_SMALLEST, _MIDDLE = 6, 12  # neighbours
_SURE = 20  # points from which an estimate has an interval
_NEAREST = 3  # neighbours that are so near that an edge or a bend hardly shows
_AROUND, _CANCELLED = 10, 2.0  # neighbours on all sides: their directions add up to no more than twice what chance does


def two_nn(points: np.ndarray) -> float:
    """TwoNN: from the ratio of the distances to the second and the first neighbour; the finest scale there is.

    Facco, d'Errico, Rodriguez and Laio, Scientific Reports 7 (2017): the ratios follow a Pareto law whose exponent is
    the dimension; fitted through the origin without the largest tenth. NaN for fewer than 10 distinct points, and for
    points that are spaced too evenly to be independent draws, whose ratios are nearly 1.

    Args:
        points: (n, N).
    """
    points = np.unique(points, axis=0)
    return np.nan if len(points) < 10 else _possible(_fitted(_ratios(points)), points)


def two_nn_interval(points: np.ndarray) -> Interval:
    """95 % interval of `two_nn`: what another draw of points (n, N) would change, and an edge. NaN for fewer than 20.

    From the points that have neighbours on all sides; stretched, where it must be, to hold the estimate itself.
    """
    points = np.unique(points, axis=0)
    return UNKNOWN if len(points) < _SURE else _interval(two_nn(points), _fitted, _ratios(points), points)


def levina_bickel(points: np.ndarray, neighbours: int = 10) -> float:
    """Maximum likelihood from the distances to the first `neighbours` neighbours.

    Levina and Bickel, NeurIPS 2004, averaged as inverses (MacKay and Ghahramani 2005). NaN for too few distinct points,
    and for points that are spaced too evenly to be independent draws.

    Args:
        points: (n, N).
    """
    points = np.unique(points, axis=0)
    return np.nan if len(points) < neighbours + 2 else _possible(_inverse(_logarithms(points, neighbours)), points)


def levina_bickel_interval(points: np.ndarray) -> Interval:
    """95 % interval of `levina_bickel`: what another draw of points (n, N) would change, and an edge or a bend.

    From three neighbours, which lie in too small a place to see much of it, of the points that have neighbours on all
    sides; stretched, where it must be, to hold the estimate itself. NaN for fewer than 20 points.
    """
    points = np.unique(points, axis=0)
    if len(points) < _SURE:
        return UNKNOWN
    return _interval(levina_bickel(points), _inverse, _logarithms(points, _NEAREST), points)


def local_pca(points: np.ndarray, neighbours: int | None = None) -> float:
    """How many directions a neighbourhood spreads in, on average: by default of a tenth of the points (at most 40).

    Fukunaga and Olsen, IEEE Transactions on Computers C-20 (1971). The coarsest of the three: noise that is thin beside
    a neighbourhood adds no dimension. NaN for fewer than 10 points.

    Args:
        points: (n, N).
    """
    if len(points) < 10:
        return np.nan
    return _average(_directions(points, _usual(points) if neighbours is None else neighbours))


def local_pca_interval(points: np.ndarray) -> Interval:
    """From the least to the greatest that `local_pca` of points (n, N) may be on other scales. NaN for fewer than 20.

    On half as many neighbours (12 at most), on as many and on twice as many, each with its 95 % interval. In small
    neighbourhoods a direction may have no point, in large ones the set bends: that matters more than the draw.
    """
    if len(points) < _SURE:
        return UNKNOWN
    usual = _usual(points)
    centres = patches(points)[_centres(points)]
    ends: list[float] = []
    for neighbours in (min(usual // 2, _MIDDLE), usual, 2 * usual):
        seen = _directions(points, neighbours)
        ends += _around(_average(seen), half_width(_average, seen, centres))
    return min(ends), max(ends)


def is_curve(points: np.ndarray) -> bool:
    """Whether points (n, N) lie on a curve without noise: line up, each with the next, in the smallest neighbourhoods.

    A larger neighbourhood may see the curve turn, or another part of it, as of an ellipse ten times as long as wide.
    Fewer than 40 points have to follow each other along a single line, closed or not, without sharp turns.
    """
    if len(points) < 10:
        return False
    if len(points) < _FEW:
        return _in_line(points)
    return local_pca(points, _SMALLEST) <= _STRAIGHT


def is_closed(points: np.ndarray) -> bool:
    """Whether a surface that the points (n, N) lie on has no rim: nearly all have neighbours on every side."""
    patches = _patches(points, _MIDDLE)
    patches = patches - patches.mean(axis=1, keepdims=True)
    planes = np.linalg.svd(patches, full_matrices=False)[2][:, :2]
    flat = (patches - patches[:, :1]) @ np.moveaxis(planes, 1, 2)
    angles = np.sort(np.arctan2(flat[:, 1:, 1], flat[:, 1:, 0]), axis=1)
    gaps = np.diff(angles, axis=1, append=angles[:, :1] + 2 * np.pi)
    return bool(np.mean(gaps.max(axis=1) > _RIM) < 0.03)


def _in_line(points: np.ndarray) -> bool:
    """Whether some tens of points follow each other: every one's two nearest lie on either side, but at two ends."""
    near = cKDTree(points).query(points, k=3)[1]
    ways = points[near[:, 1:]] - points[:, None]
    lengths = np.linalg.norm(ways, axis=2)
    if (lengths == 0).any():
        return False
    cosines = np.sum(ways[:, 0] * ways[:, 1], axis=1) / lengths.prod(axis=1)
    straight = cosines < -_TURN
    return bool(np.sum(~straight) <= 2)


def _ratios(points: np.ndarray) -> np.ndarray:
    """Distance to the second neighbour over that to the first, (n,)."""
    distances = cKDTree(points).query(points, k=3)[0]
    return distances[:, 2] / distances[:, 1]


def _fitted(ratios: np.ndarray) -> float:
    """The exponent of the Pareto law of ratios (n,); NaN where all are 1."""
    kept = int(0.9 * len(ratios))
    across = np.log(np.sort(ratios)[:kept])
    up = -np.log1p(-np.arange(1, kept + 1) / len(ratios))
    return float(across @ up / (across @ across)) if across.any() else np.nan


def _logarithms(points: np.ndarray, neighbours: int) -> np.ndarray:
    """Mean logarithm of the distance to the last of the neighbours over that to each one before, (n,)."""
    distances = cKDTree(points).query(points, k=neighbours + 1)[0][:, 1:]
    return np.log(distances[:, -1:] / distances[:, :-1]).mean(axis=1)


def _inverse(logarithms: np.ndarray) -> float:
    return float(1 / logarithms.mean()) if logarithms.any() else np.nan


def _usual(points: np.ndarray) -> int:
    """Neighbours of a neighbourhood."""
    return int(np.clip(len(points) // 10, 6, 40))


def _directions(points: np.ndarray, neighbours: int) -> np.ndarray:
    """How many directions the neighbourhood of each centre spreads in, (centres,); NaN where it does not spread."""
    spread = _patches(points, neighbours)
    variances = np.linalg.svd(spread - spread.mean(axis=1, keepdims=True), compute_uv=False) ** 2
    return np.where(variances[:, 0] > 0, np.sum(variances >= _FLAT * variances[:, :1], axis=1), np.nan)


def _average(directions: np.ndarray) -> float:
    """Over the neighbourhoods that spread; 0 where none does."""
    spread = directions[~np.isnan(directions)]
    return float(spread.mean()) if len(spread) else 0.0


def _interval(value: float, estimate: Callable[[np.ndarray], float], looks: np.ndarray, points: np.ndarray) -> Interval:
    """Of an estimate that is a `value`, from what is seen from the points (n, N) amid the others, `looks` (n,)."""
    amid = _amid(points)
    looks, labels = looks[amid], patches(points)[amid]
    if amid.sum() < _SURE / 2 or len(np.unique(labels)) < 3:
        return UNKNOWN
    low, high = _around(_possible(estimate(looks), points), half_width(estimate, looks, labels))
    return UNKNOWN if np.isnan(value + low) else (min(low, value), max(high, value))


def _amid(points: np.ndarray) -> np.ndarray:
    """Which points (n, N) have neighbours on all sides, (n,): the ways to them cancel about as much as random ones do.

    What distances say does not depend on it: inside of a set, ways and distances are independent.
    """
    near = cKDTree(points).query(points, k=_AROUND + 1)[1][:, 1:]
    ways = points[near] - points[:, None]
    ways /= np.linalg.norm(ways, axis=2, keepdims=True)
    return np.sum(ways.sum(axis=1) ** 2, axis=1) <= _CANCELLED * _AROUND


def _around(estimate: float, half: float) -> Interval:
    return max(estimate - half, 0.0), estimate + half


def _centres(points: np.ndarray) -> np.ndarray:
    return np.linspace(0, len(points) - 1, min(len(points), _CENTRES)).astype(int)


def _patches(points: np.ndarray, neighbours: int) -> np.ndarray:
    """(centres, neighbours + 1, N): points and those nearest to them, themselves first."""
    return points[cKDTree(points).query(points[_centres(points)], k=min(neighbours + 1, len(points)))[1]]


def _possible(estimate: float, points: np.ndarray) -> float:
    """NaN for what is far more than there are coordinates."""
    return estimate if estimate <= 2 * points.shape[1] else np.nan
