"""The name of a set of states under f: shapes of what rests, orbits of what moves, stretching where nothing returns."""

from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree

from gnode.analysis.dimension import is_curve, levina_bickel, local_pca
from gnode.analysis.dynamics import Dynamics, extent_of
from gnode.analysis.following import Following
from gnode.analysis.frameworks import Function
from gnode.analysis.motion import PARTED, Motion, motion, on_orbit
from gnode.analysis.shapes import listed, shapes
from gnode.analysis.topology import Topology, radius, topology

_ROUNDING = 100.0  # a piece is a point where its radius is this many times the rounding of its states, or less
_COLLAPSED = 1e-2  # or where it shrinks to this share, and then again
_SOON = 0.5  # a small piece is one where it shrinks to this share in the same time
_RELAXED = 10.0  # that time is the silence, or at least this many of the shortest time constants, or steps of a map
_WATCHED = 64  # states of a piece that are followed to see whether it shrinks
_MOST = 0.1  # share of the followed that may do something else than the rest
_COEXIST = 4  # closed orbits that may lie side by side; more, if one in four is another, fill the set
_WHOLE = 0.25  # a dimension this near to a whole number is whole


@dataclass(frozen=True)
class Portrait:
    """name: of the whole; dimension: of its largest part; topology: labels and Betti numbers; reasons: sentences."""

    name: str
    dimension: int
    topology: Topology
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Part:
    """One kind of motion among the states, with a name for each of its pieces."""

    names: list[str]
    dimension: float
    topology: Topology
    inside: np.ndarray  # indices of its states
    reasons: list[str]


def portrait(
    f: Function,
    dynamics: Dynamics,
    kind: str,
    states: np.ndarray,
    velocities: np.ndarray,
    fastest: float,
    silence: float,
) -> Portrait:
    """What f does with states (n, N) that have settled for a time `silence`.

    Args:
        velocities: (n, N), of a flow; displacements of a step of a map.
        fastest: rate of a flow at the states; 1 for a map.
    """
    if radius(states) <= _rounding_of(dynamics, states):
        one = _betti(states, 0)
        found = Topology(one, [one], np.zeros(len(states), int), [[]])
        return Portrait(listed(["point"]), 0, found, ["the states lie nearer to each other than f can tell apart"])
    moves = motion(f, dynamics, kind, states, velocities, fastest, silence)
    patience = max(silence, _RELAXED / fastest if fastest > 0 else _RELAXED)
    reasons = [_drift(moves, kind)]

    def part(fate: str, inside: np.ndarray) -> _Part:
        if fate != "rest":
            return _moving(moves, kind, states, fate, inside)
        if len(moves.ends):
            return _arriving(moves, states, inside)
        return _resting(f, dynamics, kind, states, velocities, inside, patience)

    parts = [part(fate, inside) for fate, inside in _by_fate(moves, states)]
    parts.sort(key=lambda part: -len(part.inside))
    name = listed([name for part in parts for name in part.names])
    whole = [reason for part in parts for reason in part.reasons]
    return Portrait(name, round(max(part.dimension for part in parts)), _together(parts, len(states)), reasons + whole)


def _drift(moves: Motion, kind: str) -> str:
    """What is said about speed."""
    time = f"{moves.horizon:.3g}" + (" steps" if kind == "map" else " of time")
    said = f"at their speed states move {moves.moved:.2g} of the extent within {time}"
    if not len(moves.fates):
        return said
    counts = {fate: int(np.sum(moves.fates == fate)) for fate in dict.fromkeys(moves.fates.tolist())}
    words = {
        "rest": "come to rest or do not get round",
        "orbit": "come back",
        "wander": "go on without coming back",
        "leave": "leave",
        "linger": "linger where neighbours leave",
        "unclear": "are not yet told",
    }
    return f"{said}; of {len(moves.fates)} followed " + ", ".join(f"{n} {words[fate]}" for fate, n in counts.items())


def _by_fate(moves: Motion, states: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Groups of states by what became of the nearest that were followed; a few strays go with the others."""
    everyone = np.arange(len(states))
    if not len(moves.fates):
        return [("rest", everyone)]
    fates, counts = np.unique(moves.fates, return_counts=True)
    usual = fates[np.argmax(counts)]
    if counts.max() >= (1 - _MOST) * counts.sum():
        return [(str(usual), everyone)]
    nearest = cKDTree(states[moves.followed] / moves.unit).query(states / moves.unit)[1]
    of_each = moves.fates[nearest]
    return [(str(fate), np.flatnonzero(of_each == fate)) for fate in fates if (of_each == fate).any()]


def _together(parts: list[_Part], count: int) -> Topology:
    labels, number = np.full(count, -1), 0
    for part in parts:
        inside = part.topology.labels >= 0
        labels[part.inside[inside]] = part.topology.labels[inside] + number
        number += len(part.topology.piece_betti)
    piece_betti = [betti for part in parts for betti in part.topology.piece_betti]
    diagrams = [diagram for part in parts for diagram in part.topology.diagrams]
    return Topology(tuple(int(total) for total in np.sum(piece_betti, axis=0)), piece_betti, labels, diagrams)


def _rounding_of(dynamics: Dynamics, states: np.ndarray) -> float:
    """The radius up to which states are one point as far as f can tell."""
    return _ROUNDING * dynamics.precision * float(np.abs(states).max())


# -- what rests --


def _resting(
    f: Function,
    dynamics: Dynamics,
    kind: str,
    states: np.ndarray,
    velocities: np.ndarray,
    inside: np.ndarray,
    patience: float,
) -> _Part:
    states, velocities = states[inside], velocities[inside]
    rounding = _rounding_of(dynamics, states)

    def rate(piece: np.ndarray) -> float:
        """Of the radius, in 1 / time."""
        centred = states[piece] - states[piece].mean(axis=0)
        moved = velocities[piece] - velocities[piece].mean(axis=0)
        squares = np.sum(centred**2)
        if squares == 0:
            return 0.0
        if kind == "map":
            return float(0.5 * np.log(max(np.sum((centred + moved) ** 2) / squares, 1e-300)))
        return float(np.sum(centred * moved) / squares)

    def shrinks(piece: np.ndarray) -> bool:
        return bool(rate(piece) * patience <= np.log(_SOON))

    def is_point(piece: np.ndarray) -> bool:
        size = radius(states[piece])
        if size <= rounding:
            return True
        return bool(rate(piece) * patience <= np.log(_COLLAPSED)) and _collapses(
            f, dynamics, kind, states[piece], np.log(_COLLAPSED) / rate(piece), rounding
        )

    found = shapes(states, 2 * extent_of(states), is_point, shrinks)
    reasons = []
    names = found.names
    if found.doubt:
        reasons.append(f"of half of the states one would say {found.doubt}")
        names = [f"undecided, between {listed(found.names)} and {found.doubt}"]
    return _Part(names, max(found.dimensions), found.topology, inside, reasons)


def _arriving(moves: Motion, states: np.ndarray, inside: np.ndarray) -> _Part:
    """What is on its way to a few points is named for these, and not for the shape that it has by the way."""
    coming = np.flatnonzero(moves.end_of >= 0)
    nearest = cKDTree(states[moves.followed[coming]] / moves.unit).query(states[inside] / moves.unit)[1]
    places, labels = np.unique(moves.end_of[coming][nearest], return_inverse=True)
    pieces = [_betti(states, 0)] * len(places)
    found = Topology(_betti(states, 0, pieces=len(places)), pieces, np.asarray(labels), [[] for _ in pieces])
    return _Part(["point"] * len(places), 0.0, found, inside, ["they are on their way to where they rest"])


def _collapses(f: Function, dynamics: Dynamics, kind: str, piece: np.ndarray, time: float, rounding: float) -> bool:
    """Whether states shrink to a hundredth and then to a hundredth of that, as towards a point and no smaller shape."""
    watched = piece[np.linspace(0, len(piece) - 1, min(len(piece), _WATCHED)).astype(int)]
    following = Following(f, dynamics, kind, watched, 2 * extent_of(watched), time / 10)
    while following.times[-1].min() < 2 * time and following.attempts < 5000:
        following.go_on()
    sizes = [radius(following.at(share * time)) for share in (0.0, 1.0, 2.0)]
    return sizes[1] <= max(10 * _COLLAPSED * sizes[0], rounding) and sizes[2] <= max(
        10 * _COLLAPSED * sizes[1], rounding
    )


# -- what moves --


def _moving(moves: Motion, kind: str, states: np.ndarray, fate: str, inside: np.ndarray) -> _Part:
    if fate == "orbit":
        return _orbits(moves, kind, states, inside)
    if fate == "wander":
        return _wandering(moves, kind, states, inside)
    found = topology(states[inside])
    if fate == "leave":
        return _Part(["moving, undecided: the states leave"], _dimension(states[inside]), found, inside, [])
    if fate == "linger":
        return _Part(
            ["moving, undecided between a limit cycle of long period and a heteroclinic cycle"],
            _dimension(states[inside]),
            _one_piece(found),
            inside,
            ["they spend most of their time near places that neighbours leave"],
        )
    return _Part(
        ["moving, undecided between a limit cycle, a torus and a strange set"],
        _dimension(states[inside]),
        _one_piece(found),
        inside,
        ["they were not followed long enough to tell, or lie too near to each other for the numbers of f"],
    )


def _dimension(states: np.ndarray) -> float:
    estimate = local_pca(states)
    return 0.0 if np.isnan(estimate) else estimate


def _one_piece(found: Topology) -> Topology:
    """All of it as one, with the holes that were found."""
    betti = (1, *found.betti[1:])
    return Topology(betti, [betti], np.where(found.labels >= 0, 0, -1), found.diagrams[:1])


def _betti(states: np.ndarray, loops: int, voids: int = 0, pieces: int = 1) -> tuple[int, ...]:
    """Betti numbers as `topology` gives them: those of voids from three coordinates on."""
    return (pieces, loops, voids)[: 3 if states.shape[1] >= 3 else 2]


def _orbits(moves: Motion, kind: str, states: np.ndarray, inside: np.ndarray) -> _Part:
    own = np.sum(moves.orbit_of >= 0)
    if len(moves.orbits) > max(_COEXIST, own / 4):
        found = shapes(states[inside], moves.unit, lambda _: False, lambda _: False)
        names = [f"{listed(found.names)}, moving"]
        reason = f"each of {len(moves.orbits)} followed states is on a closed orbit of its own"
        return _Part(names, max(found.dimensions), found.topology, inside, [reason])
    near = np.array([on_orbit(orbit, states[inside], moves.unit, 0.05) for orbit in moves.orbits])
    labels = np.where(near.any(axis=0), np.argmax(near, axis=0), -1)
    names, reasons = [], []
    betti: list[tuple[int, ...]] = []
    diagrams: list[list[np.ndarray]] = []
    for orbit in moves.orbits:
        if not orbit.closed:
            names.append(f"cycle of period {round(orbit.period)}")
            betti.append(_betti(states, 0))
            diagrams.append([])
            continue
        names.append("limit cycle" if kind == "flow" else "invariant circle")
        betti.append(_betti(states, 1))
        diagrams.append(topology(orbit.points[::4] / moves.unit).diagrams[0])
        reasons.append(f"a closed curve that is gone round in {orbit.period:.4g}")
    dimension = 1.0 if any(orbit.closed for orbit in moves.orbits) else 0.0
    total = tuple(int(number) for number in np.sum(betti, axis=0))
    return _Part(names, dimension, Topology(total, betti, labels, diagrams), inside, reasons)


def _wandering(moves: Motion, kind: str, states: np.ndarray, inside: np.ndarray) -> _Part:
    """Where neighbours part the set is strange, where they do not it is a torus, or a circle of a map."""
    passed = moves.wandering / moves.unit
    dimension = levina_bickel(passed)
    low, high = moves.interval
    parting = f"neighbours part at a rate of {moves.rate:.3g} [{low:.3g}, {high:.3g}]"
    reasons = [f"{parting}; dimension of what they pass by Levina-Bickel {dimension:.2f}"]
    found = topology(passed, voids=False)
    near = _near(states[inside] / moves.unit, passed)

    def whole(betti: tuple[int, ...]) -> Topology:
        """All of it as one, with these Betti numbers."""
        return Topology(betti, [betti], np.where(near, 0, -1), found.diagrams[:1])

    as_found = whole(_betti(states, found.betti[1]))
    if low > 0 and moves.growth > PARTED:
        return _Part([f"strange set, of dimension about {dimension:.1f}"], dimension, as_found, inside, reasons)
    smooth = 1.0 if is_curve(passed) else local_pca(passed, 12)
    if moves.growth > PARTED / 2 or abs(smooth - round(smooth)) > _WHOLE:
        names = [f"moving, undecided between a torus and a strange set, of dimension about {dimension:.1f}"]
        return _Part(names, smooth, as_found, inside, reasons)
    if round(smooth) == 1:
        circles = max(found.betti[1], 1)
        names = ["invariant circle" if kind == "map" else "limit cycle"] * circles
        return _Part(names, 1.0, whole(_betti(states, circles, pieces=circles)), inside, reasons)
    if round(smooth) == 2:
        return _Part(["torus, moving"], 2.0, whole(_betti(states, 2, voids=1)), inside, reasons)
    return _Part([f"{round(smooth)}-dimensional torus, moving"], smooth, as_found, inside, reasons)


def _near(states: np.ndarray, passed: np.ndarray) -> np.ndarray:
    """Which states (n, N) lie where others passed: no farther from them than those from each other, by and large."""
    tree = cKDTree(passed)
    usual = np.quantile(tree.query(passed, k=2)[0][:, 1], 0.99)
    return tree.query(states)[0] <= 5 * usual + 1e-3
