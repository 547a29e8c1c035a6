"""Whether states rest or move, and how: on closed curves, in steps of a period, or without ever coming back."""

from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree
from scipy.stats import t as student

from gnode.analysis.differences import spacing
from gnode.analysis.dynamics import Dynamics, extent_of
from gnode.analysis.following import Following
from gnode.analysis.frameworks import Function
from gnode.analysis.topology import landmarks
from gnode.analysis.zeros import merged

_FOLLOWED = 24  # states that are followed
_CORNERS = 8  # of them those that lie farthest apart, so that no piece is missed
_STILL = 0.05  # what moves less than this share of the extent within the horizon rests
_STEPS = 24_000  # that a state is followed at most
_ENTRIES = 2**23  # fewer where those of many units would fill the memory
_LAPS = 60.0  # ways through the set, in diameters of it, before a state counts as one that never comes back
_ROUND_TRIP = 2.5  # fewer diameters than this are no way round
_FAR = 0.3  # of the extent: who has come so far and not stopped may be on a slow way round
_ENOUGH = 0.7  # share of the followed that are told, from which those that wander need not be waited for
_BESIDE = 100.0  # extents: what lies farther away is a straggler, and is not followed
_COARSE = 1e-5  # of the extent: where numbers are farther apart, no step can be held to its error
_SOON = 100  # of the horizon, the part in which states that get an extent far are only on their way
_ONE_PLACE = 0.01  # of the extent: ends so near to each other are one point
_NOTHING = 1e-4  # of the extent: what moves no farther has come to rest; the steps are wrong by a hundredth of it
_CLOSE = 2e-3  # a path is closed where it comes back this near, in units of its extent
_TRIALS = 12  # moments at which a path may have come back that are looked at
_EXACT = 1e-5  # the same for a map that returns after some steps
_LONGEST_PERIOD = 64
_NEAR = 0.005  # of the width of a path in each coordinate: the size of one place
_PLACES = 8  # it lingers where half of the time is spent in so few; slow branches of relaxation oscillations have 20
_MOMENTS = 4000  # of a path, at which it is looked where it is
_LEFT = 0.1  # of the fastest rate: what rests where neighbours leave at it is not held there
PARTED = 3.0  # log growth over half of the time: shear makes log 2 there, however long
_AMID = 0.05  # of the extent, within which a path is amid others
_FINE = 8  # points for each step of a path


@dataclass(frozen=True)
class Orbit:
    """A closed curve, or the states of a period.

    Attributes:
        points: (P, N), evenly spaced along the curve; the states in their order where `period` counts steps of a map.
        period: time of one round; whole for a map that comes back exactly.
        closed: whether it is a curve; else it is `period` separate states.
    """

    points: np.ndarray = field(repr=False)
    period: float
    closed: bool


_Verdict = tuple[str | None, Orbit | None]


@dataclass(frozen=True)
class Motion:
    """What became of the followed states.

    Attributes:
        unit: (N,), how wide the states lie in each coordinate: the extent of everything here.
        followed: (m,), which states.
        fates: (m,), "rest", "orbit", "wander", "leave", "linger" at places that neighbours leave, or "unclear" where
            the time did not do to tell.
        ends: (k, N), the few places at which all that rest do so, where they are only on their way there; none where
            they rest where they are, or end everywhere. end_of: (m,), which of them a state comes to, -1 for none.
        orbits: those that were found, and orbit_of: (m,), which of them a state is on, -1 for none.
        growth: of the wandering, log of how much farther a neighbour is after half of the time (median).
        rate, interval: the same for each unit of time, its mean over states, and its 95 % interval (2,).
        wandering: (w, N), states that the wandering passed, evenly in time.
        horizon: the time in which a state that moves has to be seen to move.
        moved: how far the quicker ones get within the horizon at their present speed, in units of the extent.
    """

    unit: np.ndarray
    followed: np.ndarray
    fates: np.ndarray
    ends: np.ndarray
    end_of: np.ndarray
    orbits: list[Orbit]
    orbit_of: np.ndarray
    growth: float
    rate: float
    interval: np.ndarray
    wandering: np.ndarray
    horizon: float
    moved: float


def motion(
    f: Function, dynamics: Dynamics, kind: str, states: np.ndarray, speeds: np.ndarray, fastest: float, silence: float
) -> Motion:
    """What becomes of some of the states (n, N), given speeds (n, N) and the fastest rate along them.

    Nothing is followed where the speed of nine in ten states would move them by less than a twentieth of the extent
    within the horizon: the silence, or at least 100 steps of a map that has been silent, else 1000 steps of a map,
    and 10,000 of the shortest time constants of a flow.
    """
    unit = 2 * extent_of(states)
    if kind == "map":
        horizon = max(silence, 100.0) if silence else 1000.0
    else:
        horizon = max(silence, 1e4 / fastest if fastest > 0 else 0.0)
    quick = float(np.quantile(np.max(np.abs(speeds) / unit, axis=1), 0.9))
    moved = quick * horizon if quick > 0 else 0.0
    centre = np.median(states, axis=0)
    followed = _chosen(states, unit)
    if moved < _STILL:
        held = np.median(_leaving(dynamics, kind, states[followed])) < _LEFT * (fastest if kind == "flow" else 1.0)
        return _not_followed(unit, followed[:0] if held else followed, "rest" if held else "linger", horizon, moved)
    if np.median(spacing(states, unit, dynamics.precision)) > _COARSE:
        return _not_followed(unit, followed, "unclear", horizon, moved)
    following = Following(f, dynamics, kind, states[followed], unit, horizon / 30)
    allowed = min(_STEPS, _ENTRIES // (len(followed) * states.shape[1]))
    chunks = 1
    while True:
        following.go_on(chunks)
        paths = _paths(following, unit, centre)
        last = following.attempts >= allowed
        verdicts = [_verdict(path, kind, horizon, last) for path in paths]
        verdicts = _held(verdicts, paths, dynamics, kind, unit, centre, last)
        told = np.mean([verdict is not None for verdict, _ in verdicts])
        if told < 1 and told >= _ENOUGH and any(verdict == "wander" for verdict, _ in verdicts):
            last, verdicts = True, [_verdict(path, kind, horizon, True) for path in paths]
            verdicts = _held(verdicts, paths, dynamics, kind, unit, centre, last)
        if last or told == 1:
            break
        chunks = min(2 * chunks, 16)
    fates = np.array([verdict or "unclear" for verdict, _ in verdicts])
    if (fates == "linger").any():
        fates[fates == "leave"] = "linger"  # on which side of a saddle a path leaves it, rounding may have decided
        fates = _among_wandering(fates, paths)
    ends, end_of = _ends(paths, fates == "rest") if moved > _SOON else _nowhere(len(paths), unit.size)
    orbits, orbit_of = _distinct([orbit for _, orbit in verdicts], unit)
    wandering = [path for path, fate in zip(paths, fates, strict=True) if fate == "wander"]
    rate, interval, growth = _parting(wandering)
    passed = [path.evenly(max(1, 3000 // len(wandering))) for path in wandering]
    orbits = [Orbit(orbit.points * unit + centre, orbit.period, orbit.closed) for orbit in orbits]
    return Motion(
        unit,
        followed,
        fates,
        ends * unit + centre,
        end_of,
        orbits,
        orbit_of,
        growth,
        rate,
        interval,
        np.concatenate(passed) * unit + centre if passed else np.empty((0, states.shape[1])),
        horizon,
        moved,
    )


def _not_followed(unit: np.ndarray, which: np.ndarray, fate: str, horizon: float, moved: float) -> Motion:
    return Motion(
        unit,
        which,
        np.full(len(which), fate),
        *_nowhere(len(which), unit.size),
        [],
        np.full(len(which), -1),
        np.nan,
        np.nan,
        np.full(2, np.nan),
        np.empty((0, unit.size)),
        float(horizon),
        float(moved),
    )


def _leaving(dynamics: Dynamics, kind: str, states: np.ndarray) -> np.ndarray:
    """The rate (B,) at which neighbours leave states (B, N) at rest; below 0 where they come nearer."""
    eigenvalues = np.linalg.eigvals(dynamics.jacobians(states) * dynamics.ratio)
    with np.errstate(divide="ignore"):
        rates = eigenvalues.real if kind == "flow" else np.log(np.abs(eigenvalues))
    return np.asarray(rates.max(axis=1))


def _chosen(states: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Indices of states to follow: some of all, and some of those that lie farthest apart, no stragglers."""
    near = np.flatnonzero(np.max(np.abs(states - np.median(states, axis=0)) / unit, axis=1) <= _BESIDE)
    if len(near) <= _FOLLOWED:
        return near
    some = np.linspace(0, len(near) - 1, _FOLLOWED - _CORNERS).astype(int)
    corners = landmarks(states[near] / unit, _CORNERS)
    return near[np.union1d(some, cKDTree(states[near] / unit).query(corners)[1])]


def _nowhere(count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    return np.empty((0, size)), np.full(count, -1)


def _ends(paths: list["_Path"], resting: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The places, if they are few, at which those of the paths that come to rest do, and to which each comes."""
    last = np.stack([path.points[-1] for path in paths])
    if not resting.any():
        return _nowhere(len(paths), last.shape[1])
    places = merged(last[resting], np.zeros(int(resting.sum())), _ONE_PLACE).points
    if len(places) > max(1, resting.sum() / 4):
        return _nowhere(len(paths), last.shape[1])
    return places, np.where(resting, cKDTree(places).query(last)[1], -1)


@dataclass(frozen=True)
class _Path:
    """Of one state, in units of the set and without the steps that were taken back."""

    times: np.ndarray  # (K,)
    points: np.ndarray  # (K, N)
    velocities: np.ndarray  # (K, N); 0 for a map
    growth: np.ndarray  # (K,)

    def since(self, time: float) -> int:
        return int(np.searchsorted(self.times, time))

    def length(self, first: int, last: int) -> float:
        return float(np.linalg.norm(np.diff(self.points[first:last], axis=0), axis=1).sum())

    def diameter(self, first: int, last: int) -> float:
        return float(np.linalg.norm(np.ptp(self.points[first:last], axis=0))) if last > first else 0.0

    def fine(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Times and points between two steps, by cubic Hermite interpolation, or straight for a map."""
        share = np.arange(_FINE) / _FINE
        steps = np.diff(self.times[first : last + 1])[:, None]
        times = (self.times[first:last, None] + share * steps).ravel()
        old, new = self.points[first:last, None], self.points[first + 1 : last + 1, None]
        u, width = share[:, None], steps[:, :, None]
        points = old + u * (new - old)
        if self.velocities.any():
            start, end = (width * self.velocities[at : at + len(steps), None] for at in (first, first + 1))
            points = points + u * (1 - u) * ((1 - 2 * u) * (old - new) + (1 - u) * start - u * end)
        points = points.reshape(-1, self.points.shape[1])
        return np.append(times, self.times[last]), np.concatenate([points, self.points[last : last + 1]])

    def evenly(self, count: int) -> np.ndarray:
        """States at even times of the later half; of a map those that it was in."""
        middle = self.since(self.times[-1] / 2)
        if not self.velocities.any():
            return self.points[np.linspace(middle, len(self.points) - 1, count).astype(int)]
        times, points = self.fine(middle, len(self.times) - 1)
        at = np.linspace(times[0], times[-1], count)
        return np.stack([np.interp(at, times, column) for column in points.T], axis=1)


def _paths(following: Following, unit: np.ndarray, centre: np.ndarray) -> list[_Path]:
    times, growth = following.times, following.growth
    points, velocities = (following.states - centre) / unit, following.velocities / unit
    kept = np.concatenate([np.full((1, times.shape[1]), True), np.diff(times, axis=0) > 0])
    return [
        _Path(
            times[kept[:, row], row],
            points[kept[:, row], row],
            velocities[kept[:, row], row],
            growth[kept[:, row], row],
        )
        for row in range(times.shape[1])
    ]


def _verdict(path: _Path, kind: str, horizon: float, last: bool) -> _Verdict:
    """The fate of a state so far, None while it is open, and its orbit."""
    if len(path.times) < 8:
        return ("rest" if last and not path.velocities.any() else None), None
    if not np.isfinite(path.points[-1]).all() or np.abs(path.points[-1]).max() > 1e4:
        return "leave", None
    ends = [path.since(share * path.times[-1]) for share in (0.5, 0.75)] + [len(path.times)]
    diameter = path.diameter(ends[0], ends[2])
    earlier, later = path.diameter(ends[0], ends[1]), path.diameter(ends[1], ends[2])
    if later <= _NOTHING or (later < 0.1 * earlier and later < 10 * _NOTHING):
        return "rest", None
    ways = path.length(ends[0], ends[2]) / diameter
    if kind == "map" and (orbit := _period(path)) is not None:
        return "orbit", orbit
    if ways > _ROUND_TRIP and _lingers(path, ends[0]):
        return ("linger" if last or ways >= _LAPS else None), None
    if ways > _ROUND_TRIP and (orbit := _closed(path, ends[0])) is not None:
        return "orbit", orbit
    shrinks = later < 0.7 * earlier
    if ways >= _LAPS and not shrinks:
        return "rest" if diameter < 10 * _NOTHING else "wander", None  # steps jitter about a point
    nowhere = ways < _ROUND_TRIP and diameter < _FAR
    if last or (path.times[-1] > horizon and nowhere):
        if shrinks or nowhere:
            return "rest", None
        return ("wander" if ways >= _LAPS / 4 else "unclear") if last else None, None
    return None, None


def _held(
    verdicts: list[_Verdict],
    paths: list[_Path],
    dynamics: Dynamics,
    kind: str,
    unit: np.ndarray,
    centre: np.ndarray,
    last: bool,
) -> list[_Verdict]:
    """Verdicts without rest where nothing is held: where whatever is near would have left in the time that a path has
    been there, so that it has only come close to a saddle."""
    resting = [number for number, (verdict, _) in enumerate(verdicts) if verdict == "rest"]
    if not resting:
        return verdicts
    rates = _leaving(dynamics, kind, np.stack([paths[number].points[-1] for number in resting]) * unit + centre)
    held = list(verdicts)
    for number, rate in zip(resting, rates, strict=True):
        if rate * paths[number].times[-1] / 4 > PARTED:
            held[number] = ("linger" if last else None), None
    return held


def _among_wandering(fates: np.ndarray, paths: list[_Path]) -> np.ndarray:
    """Fates where those that linger amid others that wander do so too: a strange set may have slow places."""
    amid = [path.points for path, fate in zip(paths, fates, strict=True) if fate == "wander"]
    if len(amid) <= np.sum(fates == "linger"):
        return fates
    tree = cKDTree(np.concatenate(amid))
    found = fates.copy()
    for number in np.flatnonzero(fates == "linger"):
        points = paths[number].points[len(paths[number].points) // 2 :]
        beyond = not np.isfinite(points).all()  # it has left the numbers, wherever it was before
        if not beyond and np.quantile(tree.query(points)[0], 0.9) <= _AMID:
            found[number] = "wander"
    return found


def _lingers(path: _Path, first: int) -> bool:
    """Whether a flow's path stays so near to a few places for half of the time that how long depends on the last digits
    of how near it came: each round may take longer than the one before."""
    if not path.velocities.any():
        return False
    moments = np.linspace(path.times[first], path.times[-1], _MOMENTS)
    points = np.stack([np.interp(moments, path.times[first:], column) for column in path.points[first:].T], axis=1)
    width = np.ptp(points, axis=0)
    places = np.floor((points - points.min(axis=0)) / np.maximum(width, 1e-3 * width.max()) / _NEAR + 0.4)
    spent = np.sort(np.unique(places, axis=0, return_counts=True)[1])[::-1]
    return bool(spent[:_PLACES].sum() > _MOMENTS / 2)


def _period(path: _Path) -> Orbit | None:
    """The states that a map goes through again and again, if there are at least two."""
    tail = path.points[len(path.points) // 2 :]
    size = np.linalg.norm(np.ptp(tail, axis=0))
    for period in range(1, min(_LONGEST_PERIOD, len(tail) // 4) + 1):
        last = tail[-max(3 * period, 32) :]
        if np.abs(last[period:] - last[:-period]).max() < _EXACT * size:
            if period == 1:
                return None
            return Orbit(tail[-period:], float(period), False)
    return None


def _closed(path: _Path, middle: int) -> Orbit | None:
    """The closed curve that the end of a path has gone round at least twice, if it has."""
    width = np.ptp(path.points[middle:], axis=0)
    width = np.maximum(width, 1e-3 * width.max())
    points = path.points / width
    scaled = _Path(path.times, points, path.velocities / width, path.growth)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    if np.median(steps) > 0.1 and not path.velocities.any():
        return None  # a map that leaps is on no curve that its path would show
    away = np.linalg.norm(points - points[-1], axis=1)
    left = np.flatnonzero(away > 0.1)
    if not len(left):
        return None
    inner = np.arange(1, left[-1])
    minima = inner[(away[inner] <= away[inner - 1]) & (away[inner] <= away[inner + 1])]
    longer = np.maximum(steps[minima - 1], steps[minima])
    chord = np.minimum(*(_to_chord(points[-1], points[minima - 1 + side], points[minima + side]) for side in (0, 1)))
    minima = minima[chord < longer**2 + _CLOSE]  # a path does not bend away from its chord by more
    for back in minima[::-1][:_TRIALS].tolist():
        times, near = scaled.fine(back - 1, back + 1)
        nearest, at = _nearest_on(near, points[-1:])
        period = path.times[-1] - np.interp(at[0], np.arange(len(times)), times)
        if nearest[0] > _CLOSE or path.times[-1] - 2.2 * period < 0:
            continue
        first, again = (
            path.since(path.times[-1] - period) - 1,
            path.since(path.times[-1] - min(6 * period, path.times[-1] / 1.5)),
        )
        _, curve = scaled.fine(first, len(path.times) - 1)
        apart, _ = _nearest_on(curve, points[again:first])
        if apart.max() < 2 * _CLOSE and _steady(scaled, period, nearest[0]):
            return Orbit(_even(curve) * width, float(period), True)
    return None


def _steady(path: _Path, period: float, miss: float) -> bool:
    """Whether the second round also takes a period, and does not miss by as much again, as a slow spiral does."""
    first, last = (path.since(path.times[-1] - share * period) for share in (2.2, 1.8))
    times, points = path.fine(max(first - 1, 0), last)
    apart, at = _nearest_on(points, path.points[-1:])
    took = path.times[-1] - np.interp(at[0], np.arange(len(times)), times)
    spirals = miss > 1e-4 and 1.6 < apart[0] / miss < 2.4
    return bool(apart[0] < 4 * _CLOSE and abs(took - 2 * period) < 0.05 * period and not spirals)


def _nearest_on(curve: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances of points (P, N) to a chain (C, N) of straight pieces, and where on it, counted in pieces."""
    nearest = cKDTree(curve).query(points)[1]
    best, where = np.full(len(points), np.inf), np.zeros(len(points))
    for first in (np.maximum(nearest - 1, 0), np.minimum(nearest, len(curve) - 2)):
        start, way = curve[first], curve[first + 1] - curve[first]
        square = np.maximum((way**2).sum(axis=1), 1e-300)
        share = np.clip(((points - start) * way).sum(axis=1) / square, 0, 1)
        distance = np.linalg.norm(points - start - share[:, None] * way, axis=1)
        where = np.where(distance < best, first + share, where)
        best = np.minimum(distance, best)
    return best, where


def _to_chord(point: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Distances of a point to chords (C,)."""
    ways = ends - starts
    share = np.clip(((point - starts) * ways).sum(axis=1) / np.maximum((ways**2).sum(axis=1), 1e-300), 0, 1)
    return np.linalg.norm(point - starts - share[:, None] * ways, axis=1)


def _even(curve: np.ndarray, count: int = 400) -> np.ndarray:
    """Points at even arc length."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    at = np.linspace(0, along[-1], count, endpoint=False)
    return np.stack([np.interp(at, along, column) for column in curve.T], axis=1)


def _distinct(orbits: list[Orbit | None], unit: np.ndarray) -> tuple[list[Orbit], np.ndarray]:
    """The different orbits among those found, and which of them each is."""
    found: list[Orbit] = []
    of = np.full(len(orbits), -1)
    for number, orbit in enumerate(orbits):
        if orbit is None:
            continue
        same = [index for index, other in enumerate(found) if on_orbit(other, orbit.points, np.ones_like(unit)).all()]
        if not same:
            found.append(orbit)
        of[number] = same[0] if same else len(found) - 1
    return found, of


def on_orbit(orbit: Orbit, states: np.ndarray, unit: np.ndarray, within: float = 0.03) -> np.ndarray:
    """Which states (n, N) lie on an orbit, up to a share of its width in each coordinate, (n,)."""
    width = np.ptp(orbit.points / unit, axis=0)
    width = unit * np.maximum(width, 1e-3 * width.max())
    if orbit.closed:
        curve = np.concatenate([orbit.points, orbit.points[:1]]) / width
        return _nearest_on(curve, states / width)[0] < within
    return cKDTree(orbit.points / width).query(states / width)[0] < within


def _parting(paths: list[_Path]) -> tuple[float, np.ndarray, float]:
    """Mean rate at which neighbours of wandering states part over the later half, its interval, and log growth."""
    if not paths:
        return np.nan, np.full(2, np.nan), np.nan
    rates, growths = [], []
    for path in paths:
        middle = path.since(path.times[-1] / 2)
        growths.append(path.growth[-1] - path.growth[middle])
        rates.append(growths[-1] / (path.times[-1] - path.times[middle]))
    mean, spread = float(np.mean(rates)), float(np.std(rates, ddof=1)) if len(rates) > 1 else np.inf
    half = student.ppf(0.975, max(len(rates) - 1, 1)) * spread / np.sqrt(len(rates))
    return mean, np.array([mean - half, mean + half]), float(np.median(growths))
