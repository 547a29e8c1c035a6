"""The shape of a cloud of points: its pieces, its loops, its voids, and a rule for what is no accident."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist, squareform

from gnode.analysis.dimension import is_curve, local_pca
from gnode.analysis.dynamics import checked_states
from gnode.errors import must_have

LANDMARKS = {1: 300, 2: 200}  # for loops, for voids; never more than every second point, unless of a thin curve
_GAP = 3.0  # pieces lie this many times farther apart than neighbours within them
_SPARSE = 0.05  # share of points that may lie between pieces
_SMALL = 0.01  # share of points below which a piece is an accident
_GROWN = 0.05  # share of points from which a piece has a density of its own
_LIFE = {1: 2.8, 2: 1.5}  # a loop, a void lives until this many times the scale at which it appears
_SIZE = 0.5  # and until this share of its piece's radius
_LINKED = 2000  # points that are linked to each other
_FLAT = 1.5  # what spreads in fewer directions encloses nothing


@dataclass(frozen=True)
class Topology:
    """Betti numbers and where they come from.

    Attributes:
        betti: (b0, b1) or (b0, b1, b2): the numbers of pieces, loops and voids.
        piece_betti: the same of each piece, the largest piece first.
        labels: (n,), the piece of each point; -1 for outliers.
        diagrams: for each piece, births and deaths of loops (and of voids), arrays (classes, 2).
    """

    betti: tuple[int, ...]
    piece_betti: list[tuple[int, ...]]
    labels: np.ndarray
    diagrams: list[list[np.ndarray]]


def topology(points: Any, voids: bool | None = None) -> Topology:
    """Betti numbers of the shape that points are drawn from, the same in every unit and at every offset.

    Pieces: two groups of points, each at least a twentieth of all, are apart where the way from one to the other is
    three times as long as any step within either, so each is measured by its own density; what is left in one is then
    cut at the widest gap between the lengths of its steps, if that is a factor of three or more. Points that are
    alone, three times as far from any other as those around them, at most a twentieth of all, are left out of it, and
    so are pieces of a single point or of less than 1 % of the points.

    Loops and voids: persistent homology (ripser; Bauer, J. Appl. Comput. Topology 5, 2021) of landmarks of each
    piece: every second point at most, and at most 300 (voids: 200), each the farthest from those before, which takes
    accidents of density out. A class that lives from scale b to scale d counts if d >= 2.8 b (voids: 1.5 b) and d is at
    least half the root mean square radius of its piece. In 5400 simulated clouds of noise (uniform, Gaussian,
    heavy-tailed; 40 to 400 points in 2 or 3 dimensions) the largest d / b of a loop of that size was 2.6. Of points on
    a curve (gnode.analysis.dimension.is_curve) every one is a landmark and a loop may be narrow: there is no noise to
    mistake for it.

    Args:
        points: (n, N).
        voids: look for voids too, which costs a second for a piece that is no curve; by default where N is at least 3.

    Raises:
        InvalidInput: points are no finite (n, N) array.
    """
    points = checked_states(points, "points")
    if voids is not None and not isinstance(voids, bool | np.bool_):
        must_have("voids true or false", repr(voids))
    highest = 2 if (points.shape[1] >= 3 if voids is None else voids) else 1
    labels = pieces(points)
    members = [points[labels == piece] for piece in range(labels.max() + 1)]
    curves = [is_curve(piece) for piece in members]
    diagrams = [persistence(piece, highest, curve) for piece, curve in zip(members, curves, strict=True)]
    piece_betti = [
        (1, *(_count(diagram, order, 0.0 if curve else radius(piece)) for order, diagram in enumerate(of, start=1)))
        for piece, of, curve in zip(members, diagrams, curves, strict=True)
    ]
    betti = tuple(int(total) for total in np.sum(piece_betti, axis=0))
    return Topology(betti, piece_betti, labels, diagrams)


def pieces(points: np.ndarray) -> np.ndarray:
    """The piece of each point (n,), the largest piece first, -1 for outliers."""
    smallest = max(2, int(np.ceil(_SMALL * len(points))))
    if len(points) < 4 or radius(points) == 0:
        return np.zeros(len(points), int)
    points = points - np.median(points, axis=0)
    some = np.linspace(0, len(points) - 1, min(len(points), _LINKED)).astype(int)
    linked = some[_dense(points[some])]
    tree = _Tree(points[linked])
    labels = _by_own_density(tree, max(10, int(_GROWN * len(linked))))
    reach = np.zeros(len(linked))
    for group in range(labels.max() + 1):
        inside = labels == group
        finer = _at_widest_gap(tree.within(inside))
        labels[inside] = np.where(finer == 0, group, labels.max() + finer)
        reach[inside] = 2 * max(tree.within(labels == piece).longest for piece in np.unique(labels[inside]))
    # A point that was left out belongs to the nearest piece, if within two of the longest steps in pieces of that kind.
    distance, nearest = cKDTree(points[linked]).query(points)
    labels = np.where(distance <= reach[nearest], labels[nearest], -1)
    sizes = np.bincount(labels[labels >= 0])
    kept = np.flatnonzero(sizes >= min(smallest, sizes.max()))
    rank = np.full(len(sizes) + 1, -1)  # the last for what has no piece
    rank[kept[np.argsort(-sizes[kept], kind="stable")]] = np.arange(len(kept))
    return rank[labels]


class _Tree:
    """The shortest tree that links n points (Prim): steps (n - 1, 2) and their lengths, shortest first."""

    def __init__(self, points: np.ndarray) -> None:
        outside = np.full(len(points), True)
        outside[0] = False
        distance, nearest = np.linalg.norm(points - points[0], axis=1), np.zeros(len(points), int)
        steps, lengths = [], []
        for _ in range(len(points) - 1):
            new = int(np.argmin(np.where(outside, distance, np.inf)))
            steps.append((nearest[new], new))
            lengths.append(distance[new])
            outside[new] = False
            to_new = np.linalg.norm(points - points[new], axis=1)
            nearer = to_new < distance
            distance, nearest = np.where(nearer, to_new, distance), np.where(nearer, new, nearest)
        order = np.argsort(lengths, kind="stable")
        self.count = len(points)
        self.steps = np.array(steps, int).reshape(-1, 2)[order]
        self.least = max(1e-9 * radius(points), 1e-300)  # shorter steps are none
        self.lengths = np.maximum(np.array(lengths, float)[order], self.least)

    def within(self, inside: np.ndarray) -> "_Tree":
        """The part that links the chosen points (n,), if none of its steps leads through others."""
        part = object.__new__(_Tree)
        number = np.cumsum(inside) - 1
        kept = inside[self.steps].all(axis=1)
        part.count, part.least = int(inside.sum()), self.least
        part.steps, part.lengths = number[self.steps[kept]], self.lengths[kept]
        return part

    @property
    def longest(self) -> float:
        return float(self.lengths[-1]) if len(self.lengths) else self.least


def _joined(parents: list[int], point: int) -> int:
    while parents[point] != point:
        parents[point] = parents[parents[point]]
        point = parents[point]
    return point


def _numbered(parents: list[int]) -> np.ndarray:
    return np.unique([_joined(parents, point) for point in range(len(parents))], return_inverse=True)[1]


def _by_own_density(tree: _Tree, grown: int) -> np.ndarray:
    """Groups (n,) that are three times as far from each other as the longest step within either."""
    parents = list(range(tree.count))
    sizes, longest = [1] * tree.count, [0.0] * tree.count
    for (one, other), length in zip(tree.steps.tolist(), tree.lengths.tolist(), strict=True):
        first, second = _joined(parents, one), _joined(parents, other)
        both_grown = min(sizes[first], sizes[second]) >= grown
        if both_grown and length >= _GAP * max(longest[first], longest[second]):
            continue
        parents[second] = first
        sizes[first] += sizes[second]
        longest[first] = length
    return _numbered(parents)


def _at_widest_gap(tree: _Tree) -> np.ndarray:
    """Groups (n,) that are left when every step beyond the widest gap between lengths is cut."""
    candidates = tree.lengths[::-1][: max(1, tree.count // 3) + 1]
    gaps = candidates[:-1] / candidates[1:]
    if not len(gaps) or gaps.max() < _GAP:
        return np.zeros(tree.count, int)
    cut = int(np.argmax(gaps))
    parents = list(range(tree.count))
    for one, other in tree.steps[: len(tree.steps) - cut - 1].tolist():
        parents[_joined(parents, other)] = _joined(parents, one)
    return _numbered(parents)


def persistence(points: np.ndarray, highest: int, curve: bool = False) -> list[np.ndarray]:
    """Births and deaths (classes, 2) of loops, and with highest = 2 of voids, among landmarks of the points (n, N)."""
    if curve and len(points) > LANDMARKS[1]:
        found = _persistence(points, 1, len(points))
        narrow = _narrow_loops(points) if not significant(found, 1, 0.0).any() else np.zeros((0, 2))
        return [np.concatenate([found, narrow]), *[np.zeros((0, 2))] * (highest - 1)]
    flat = curve or local_pca(points) < _FLAT
    return [
        np.zeros((0, 2))
        if order == 2 and flat
        else _persistence(points, order, len(points) if curve else (len(points) + 1) // 2)
        for order in range(1, highest + 1)
    ]


def _persistence(points: np.ndarray, order: int, most: int) -> np.ndarray:
    from ripser import ripser  # here, because it imports scikit-learn, which sets environment variables

    chosen = landmarks(points, min(LANDMARKS[order], most))
    if len(chosen) < 4:
        return np.zeros((0, 2))
    # Distances as they are: ripser's own cancel far from the origin. Near 1, because it counts in single precision.
    distances = pdist(chosen)
    unit = distances.max()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ripser remarks on clouds with fewer points than dimensions
        return unit * ripser(squareform(distances / unit), maxdim=order, distance_matrix=True)["dgms"][order]


def _narrow_loops(points: np.ndarray) -> np.ndarray:
    """Births and deaths (classes, 2) of loops of a curve so narrow that few landmarks would not see them.

    Only as far as some of the longest steps, which keeps the work small; what lives beyond has died there.
    """
    from ripser import ripser

    chosen = points[np.linspace(0, len(points) - 1, min(len(points), _LINKED // 2)).astype(int)]
    far = 4 * _Tree(chosen).longest
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = far * ripser(squareform(pdist(chosen / far)), maxdim=1, thresh=1.0, distance_matrix=True)["dgms"][1]
    found = np.minimum(found, far)
    return found[significant(found, 1, 0.0)]


def significant(diagram: np.ndarray, order: int, size: float) -> np.ndarray:
    """Which classes (births, deaths) of a piece with this root mean square radius are no accident, (classes,)."""
    births, deaths = diagram[:, 0], diagram[:, 1]
    return (deaths >= _LIFE[order] * births) & (deaths >= _SIZE * size)


def landmarks(points: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the points, each the farthest from those before: even, whatever the density."""
    if len(points) <= count:
        return np.unique(points, axis=0)
    chosen = [int(np.argmax(np.linalg.norm(points - points.mean(axis=0), axis=1)))]
    distance = np.linalg.norm(points - points[chosen[0]], axis=1)
    while len(chosen) < count and distance.max() > 0:
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return points[chosen]


def radius(points: np.ndarray) -> float:
    """Root mean square distance of points (n, N) to their mean."""
    return float(np.sqrt(np.mean(np.sum((points - points.mean(axis=0)) ** 2, axis=1))))


def _count(diagram: np.ndarray, order: int, size: float) -> int:
    return int(significant(diagram, order, size).sum())


def _dense(points: np.ndarray) -> np.ndarray:
    """Indices of the points, in order, without those that are alone: three times as far from any other as those around.

    At most a twentieth is left out, the loneliest first.
    """
    distance, around = cKDTree(points).query(points, k=min(5, len(points)))
    usual = np.median(distance[around[:, 1:], 1], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        alone = np.where(distance[:, 1] > 0, distance[:, 1] / usual, 0.0)
    loneliest = np.argsort(-alone, kind="stable")[: int(_SPARSE * len(points))]
    return np.setdiff1d(np.arange(len(points)), loneliest[alone[loneliest] > _GAP])
