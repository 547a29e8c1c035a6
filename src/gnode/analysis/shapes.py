"""Names of the shapes that resting states lie on, piece by piece, and what half of the states say of them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from scipy.spatial import ConvexHull, QhullError, cKDTree

from gnode.analysis.dimension import is_closed, is_curve, local_pca
from gnode.analysis.topology import Topology, persistence, radius, significant, topology

_FEW = 10  # fewer states than this have no shape
_PLAIN = 40  # fewer states than this have one only where it is plain
_SMALL = 0.1  # a piece is small where its radius is this share of the way to the next piece, or less
_BLOB = 1.1  # spread of the squared distances to the middle, beside that of what a piece's covariance makes likely
_MANY = 50  # states of a small piece from which that can be told
_ROUND = 0.93  # isoperimetric quotient 4 pi area / perimeter^2 of an outline: 1 for a disk, 0.785 for a square
_UNCLEAR = 0.25  # a dimension that is farther from a whole number than this decides nothing
_UNITS = 1e3  # coordinates whose widths differ by more than this are also looked at in units of those widths

PLURALS = {
    "point": "points",
    "interval": "intervals",
    "ring": "rings",
    "sheet": "sheets",
    "disk": "disks",
    "annulus": "annuli",
    "torus": "tori",
    "sphere": "spheres",
    "solid": "solids",
    "limit cycle": "limit cycles",
    "invariant circle": "invariant circles",
    "strange set": "strange sets",
}


@dataclass(frozen=True)
class Shapes:
    """The pieces of a set of states, the largest first.

    Attributes:
        names: of each piece: "point", "ring", "undecided, of dimension 1.5", ...
        dimensions: of each, 0 for a point.
        topology: Betti numbers (those of a point where that is what a piece is), labels (n,) and diagrams.
        doubt: what both halves of the states say instead, "" where one of them at least does not contradict.
    """

    names: list[str]
    dimensions: list[float]
    topology: Topology
    doubt: str = field(default="")


IsPoint = Callable[[np.ndarray], bool]  # of the indices of the states of a piece


def shapes(states: np.ndarray, widths: np.ndarray, is_point: IsPoint, shrinks: IsPoint) -> Shapes:
    """What resting states (n, N) lie on, with the doubts that half of them raise.

    Args:
        widths: (N,), of the set in each coordinate: where they differ by more than a thousand, coordinates may have
            different units; then the units are taken in which the set has fewer dimensions, if any.
        is_point: whether a piece is a point whatever its shape, because it is too small or shrinks on and on.
        shrinks: whether a piece becomes much smaller within the time that is looked at.
    """
    whole = _in_best_units(states, widths, is_point, shrinks)
    pieces = [states[whole.topology.labels == piece] for piece in range(len(whole.names))]
    plain = all(name == "point" or is_curve(piece) for name, piece in zip(whole.names, pieces, strict=True))
    if plain or len(states) < 2 * _MANY or any(name.startswith("undecided") for name in whole.names):
        return whole
    order = np.random.default_rng(0).permutation(_by_distance(states))
    halves = [np.sort(order[start::2]) for start in (0, 1)]

    def of_half(half: np.ndarray) -> list[str]:
        return _in_best_units(
            states[half], widths, lambda inside: is_point(half[inside]), lambda inside: shrinks(half[inside])
        ).names

    said = [of_half(half) for half in halves]
    others = [
        names
        for names in said
        if set(names) != set(whole.names) and not any(name.startswith("undecided") for name in names)
    ]
    return Shapes(whole.names, whole.dimensions, whole.topology, listed(others[0])) if len(others) == 2 else whole


def listed(names: list[str]) -> str:
    """One name for several pieces: "ring", "2 rings", "discrete, 4 points", "2 pieces: 1 ring, 1 point"."""
    number = len(names)
    if set(names) == {"point"}:
        return f"discrete, {number} point{'s' if number > 1 else ''}"
    if number == 1:
        return names[0]
    if len(set(names)) == 1 and names[0] in PLURALS:
        return f"{number} {PLURALS[names[0]]}"
    parts = [
        f"{count} {PLURALS.get(name, name) if count > 1 else name}" for name, count in Counter(names).most_common()
    ]
    return f"{number} pieces: {', '.join(parts)}"


def _by_distance(states: np.ndarray) -> np.ndarray:
    """An order that does not depend on the one in which the states come."""
    return np.argsort(np.linalg.norm(states - np.median(states, axis=0), axis=1), kind="stable")


def _in_best_units(states: np.ndarray, widths: np.ndarray, is_point: IsPoint, shrinks: IsPoint) -> Shapes:
    as_given = _pieces_of(states, is_point, shrinks)
    if widths.max() <= _UNITS * widths.min() or max(as_given.dimensions) == 0:
        return as_given
    balanced = _pieces_of((states - np.median(states, axis=0)) / widths, is_point, shrinks)
    if not 0 < max(balanced.dimensions) <= max(as_given.dimensions) + _UNCLEAR:
        return as_given
    # Units that squeeze a set can only hide its holes.
    return as_given if sum(as_given.topology.betti[1:]) > sum(balanced.topology.betti[1:]) else balanced


def _pieces_of(states: np.ndarray, is_point: IsPoint, shrinks: IsPoint) -> Shapes:
    deep = states.shape[1] >= 3
    found = topology(states, voids=False)
    members = [np.flatnonzero(found.labels == piece) for piece in range(found.labels.max() + 1)]
    small = _small([states[inside] for inside in members])
    names, dimensions, betti = [], [], []
    for inside, of_piece, is_small in zip(members, found.piece_betti, small, strict=True):
        piece, of_piece = states[inside], (*of_piece, 0) if deep else of_piece
        if is_point(inside) or (is_small and _like_a_point(piece, of_piece, partial(shrinks, inside))):
            names.append("point")
            dimensions.append(0.0)
            betti.append((1, *(0 for _ in of_piece[1:])))
            continue
        spread = _spread(piece)
        closed = deep and round(spread) == 2 and len(piece) >= _PLAIN and is_closed(piece)
        if closed:
            of_piece = _of_closed(of_piece)
        elif deep and spread > 2 + _UNCLEAR:
            of_piece = (*of_piece[:2], _voids(piece))
        names.append(_name(piece, spread, of_piece, closed))
        dimensions.append(spread)
        betti.append(of_piece)
    total = tuple(int(number) for number in np.sum(betti, axis=0))
    return Shapes(names, dimensions, Topology(total, betti, found.labels, found.diagrams))


def _small(members: list[np.ndarray]) -> np.ndarray:
    """Which pieces are small beside the way to the next."""
    if len(members) == 1:
        return np.array([False])
    centres = np.array([piece.mean(axis=0) for piece in members])
    nearest = cKDTree(centres).query(centres, k=2)[0][:, 1]
    return np.array([radius(piece) for piece in members]) <= _SMALL * nearest


def _like_a_point(piece: np.ndarray, betti: tuple[int, ...], shrinks: Callable[[], bool]) -> bool:
    """Whether a small piece is one: it has no shape of its own, or will soon have none.

    The squared distances of a normal cloud to its middle vary by twice the sum of the squared variances, those of a
    box, a disk or an interval with sharp ends by 0.8 times or less.
    """
    if sum(betti[1:]) and is_curve(piece):
        return False
    if shrinks():
        return True
    centred = piece - piece.mean(axis=0)
    squares, variances = np.sum(centred**2, axis=1), np.linalg.svd(centred, compute_uv=False) ** 2 / len(piece)
    blob = bool(squares.var() >= _BLOB * np.sum(variances**2))
    return blob or (len(piece) < _MANY and not is_curve(piece))


def _spread(piece: np.ndarray) -> float:
    """Dimension of a piece that is no point; 1 where it has too few points to tell.

    Noise adds directions to the small neighbourhoods, and parts of the set that pass nearby add them to large ones: so
    few directions in the small ones are believed.
    """
    if is_curve(piece):
        return 1.0
    estimate = local_pca(piece)
    if np.isnan(estimate):
        return 1.0
    wider = local_pca(piece, len(piece) // 10)
    return max(1.0, min(estimate, wider) if abs(wider - round(wider)) < _UNCLEAR / 2 else estimate)


def _voids(piece: np.ndarray) -> int:
    """Of what is thicker than a surface; a surface without a rim encloses one, with a rim it encloses none."""
    diagram = persistence(piece, 2)[1]
    return int(significant(diagram, 2, radius(piece)).sum())


def _of_closed(betti: tuple[int, ...]) -> tuple[int, ...]:
    """A closed surface encloses a void, and its loops come in pairs: one of a pair may be too narrow to be seen."""
    return (1, betti[1] + betti[1] % 2, 1)


def _name(piece: np.ndarray, spread: float, betti: tuple[int, ...], closed: bool) -> str:
    loops, voids = betti[1], sum(betti[2:])
    dimension = round(spread)
    if len(piece) < _FEW:
        return f"undecided, {len(piece)} states"
    if len(piece) < _PLAIN and not is_curve(piece):
        return f"undecided, too few states ({len(piece)}): between {_guess(loops)}"
    if abs(spread - dimension) > _UNCLEAR:
        return f"undecided, of dimension {spread:.1f}"
    if dimension == 1:
        return {0: "interval", 1: "ring"}.get(loops, f"curve with {loops} loops")
    if dimension == 2 and closed:
        return {0: "sphere", 2: "torus"}.get(loops, f"closed surface with {loops} loops")
    if dimension == 2 and voids == 0:
        flat = "disk" if _is_round(piece) else "sheet"
        return {0: flat, 1: "annulus"}.get(loops, f"sheet with {loops} holes")
    if dimension == 2 and voids == 1 and loops in (0, 2):
        return "torus" if loops == 2 else "sphere"
    if loops or voids:
        return f"undecided, of dimension {spread:.1f}: between a torus and a solid with {loops} holes"
    return "solid" if dimension == 3 else f"{dimension}-dimensional"


def _guess(loops: int) -> str:
    return "ring and annulus" if loops else "ring and disk"


def _is_round(piece: np.ndarray) -> bool:
    """Whether the outline in the plane of largest variance is a circle rather than a polygon, strays left out."""
    centred = piece - piece.mean(axis=0)
    plane = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    apart = cKDTree(plane).query(plane, k=4)[0][:, -1]
    plane = plane[apart <= 3 * np.median(apart)]
    try:
        hull = ConvexHull(plane)
    except QhullError:
        return False
    return bool(4 * np.pi * hull.volume / hull.area**2 >= _ROUND)  # in the plane qhull's volume is the area
