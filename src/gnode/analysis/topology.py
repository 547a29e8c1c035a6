"""The shape of a cloud of points: its pieces, its loops, its voids, and a rule for what is no accident."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial import cKDTree

from gnode.analysis.dynamics import checked_states

LANDMARKS = {1: 300, 2: 200}  # for loops, for voids; never more than every second point
_GAP = 3.0  # pieces lie this many times farther apart than neighbours within them
_SPARSE = 0.05  # share of points that may lie between pieces
_SMALL = 0.005  # share of points below which a piece is an accident
_LIFE = {1: 2.8, 2: 1.5}  # a loop, a void lives until this many times the scale at which it appears
_SIZE = 0.5  # and until this share of its piece's radius
_LINKED = 2000  # points that single linkage is asked to link


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
    """Betti numbers of the shape that points are drawn from.

    Pieces: single linkage, cut at the widest gap between its merging distances if that is a factor of three or more.
    Points that are alone, at most a twentieth of all, are left out of it, and so are pieces of a single point or of
    less than 0.5 % of the points.

    Loops and voids: persistent homology (ripser; Bauer, J. Appl. Comput. Topology 5, 2021) of landmarks of each
    piece: every second point at most, and at most 300 (voids: 200), each the farthest from those before, which takes
    accidents of density out. A class that lives from scale b to scale d counts if d >= 2.8 b (voids: 1.5 b) and d is at
    least half the root mean square radius of its piece. In 5400 simulated clouds of noise (uniform, Gaussian,
    heavy-tailed; 40 to 400 points in 2 or 3 dimensions) the largest d / b of a loop of that size was 2.6.

    Args:
        points: (n, N).
        voids: look for voids too, which costs a second; by default where N is at least 3.

    Raises:
        InvalidInput: points are no finite (n, N) array.
    """
    points = checked_states(points, "points")
    highest = 2 if (points.shape[1] >= 3 if voids is None else voids) else 1
    labels = pieces(points)
    members = [points[labels == piece] for piece in range(labels.max() + 1)]
    diagrams = [persistence(piece, highest) for piece in members]
    piece_betti = [
        (1, *(_count(diagram, order, radius(piece)) for order, diagram in enumerate(of_piece, start=1)))
        for piece, of_piece in zip(members, diagrams, strict=True)
    ]
    betti = tuple(int(total) for total in np.sum(piece_betti, axis=0))
    return Topology(betti, piece_betti, labels, diagrams)


def pieces(points: np.ndarray) -> np.ndarray:
    """The piece of each point (n,), the largest piece first, -1 for outliers."""
    smallest = max(2, int(np.ceil(_SMALL * len(points))))
    if len(points) < 4 or radius(points) == 0:
        return np.zeros(len(points), int)
    some = np.linspace(0, len(points) - 1, min(len(points), _LINKED)).astype(int)
    linked = some[_dense(points[some])]
    tree = linkage(points[linked], "single")
    heights = np.maximum(tree[::-1, 2], 1e-9 * radius(points))
    candidates = heights[: max(1, len(linked) // 3) + 1]
    gaps = candidates[:-1] / candidates[1:]
    cut = int(np.argmax(gaps))
    labels = np.zeros(len(linked), int)
    if gaps[cut] >= _GAP:
        labels = fcluster(tree, np.sqrt(candidates[cut] * candidates[cut + 1]), "distance") - 1
    sizes = np.bincount(labels)
    kept = np.flatnonzero(sizes >= min(smallest, sizes.max()))
    rank = np.full(len(sizes), -1)
    rank[kept[np.argsort(-sizes[kept], kind="stable")]] = np.arange(len(kept))
    distance, nearest = cKDTree(points[linked]).query(points)
    reach = np.sqrt(candidates[cut] * candidates[cut + 1]) if gaps[cut] >= _GAP else 2 * heights[0]
    return np.where(distance <= reach, rank[labels[nearest]], -1)


def persistence(points: np.ndarray, highest: int) -> list[np.ndarray]:
    """Births and deaths (classes, 2) of loops, and with highest = 2 of voids, among landmarks of the points (n, N)."""
    return [_persistence(points, order) for order in range(1, highest + 1)]


def _persistence(points: np.ndarray, order: int) -> np.ndarray:
    from ripser import ripser  # here, because it imports scikit-learn, which sets environment variables

    chosen = landmarks(points, min(LANDMARKS[order], (len(points) + 1) // 2))
    if len(chosen) < 4:
        return np.zeros((0, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ripser remarks on clouds with fewer points than dimensions
        return ripser(chosen, maxdim=order)["dgms"][order]


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
    """Indices of the points, in order, without those that are alone: three times as far from any other as usual.

    At most a twentieth is left out, the loneliest first.
    """
    distance = cKDTree(points).query(points, k=2)[0][:, 1]
    loneliest = np.argsort(-distance, kind="stable")[: int(_SPARSE * len(points))]
    alone = loneliest[distance[loneliest] > _GAP * np.median(distance)]
    return np.setdiff1d(np.arange(len(points)), alone)
