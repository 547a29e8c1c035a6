"""What the networks of an ensemble hold: exponents, fixed points, attractors; and how many of them, near which data."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial import cKDTree
from scipy.stats import t as student

from gnode.analysis import attractor, fixed_points
from gnode.analysis.intervals import Interval
from gnode.analysis.lyapunov import in_groups
from gnode.errors import Diverged, InvalidInput
from gnode.reconstruction.measures import distance_of_places, distance_of_rhythms

_ALIKE = 0.15  # standard deviations, times the root of the numbers of a state: fixed points of two networks are one
_NEAR = 0.25  # the same: data came near
_BEYOND = 10.0  # standard deviations: a network that goes there has left the recording
_RUNS, _SETTLE = 12, 0.2  # long runs of a network, and what share of them is not looked at
_STEPS = 5000  # of a long run
_NAMED = 400  # states of the recording whose end a turn later is named
_STAYS = 0.75  # share of its long runs that have to stay for a network to stay
_LEAST, _TIMES = 0.1, 2.0  # the limit of places: standard deviations, and times what pieces of the recording differ by
_WALL = 100.0  # standard deviations, at which what grows beyond all bounds is held while exponents are followed
_MEDIAN = 1.25  # times the standard error of a mean is that of a median


@dataclass(frozen=True)
class Runs:
    """Long free runs of a network.

    Attributes:
        courses: (R, n, N), without their beginning.
        stay: (R,), whether they are where the recording is: their distance of places is within the limit.
    """

    courses: np.ndarray
    stay: np.ndarray

    @property
    def share(self) -> float:
        return float(self.stay.mean())

    @property
    def network_stays(self) -> bool:
        """Whether at least three quarters of them stay."""
        return self.share >= _STAYS


@dataclass(frozen=True)
class Portrait:
    """What one network holds. Of a network that does not stay, runs are for pictures, and nothing else is followed.

    Attributes:
        stays: whether the network stays where the recording is.
        share: of its long runs that do.
        runs: (runs, n, C') of its long free course, without its beginning; None where all leave ten deviations.
        exponents: (N,) in 1 / s, and intervals: (N, 2); None where it does not stay, or they could not be had.
        dimension: Kaplan-Yorke, and its interval; None likewise.
        points: (K, C'), stability and eigenvalues (growth in 1 / s) of its fixed points.
        kind: of its attractor, in words.
        places, rhythms: distances of the runs from the recording.
        soon: the name of what states of the recording are on a turn after the input is held; None where it does not
            stay, or was not asked.
        drift: how fast they move there, root mean square over their radius, 1 / s: of a ring, in radians.
        said: what could not be done, in sentences.
    """

    stays: bool
    share: float
    runs: np.ndarray | None
    exponents: np.ndarray | None
    intervals: np.ndarray | None
    dimension: tuple[float, Interval] | None
    points: np.ndarray
    stability: tuple[str, ...]
    kind: str
    places: float
    rhythms: float
    soon: str | None = None
    drift: float = float("nan")
    said: tuple[str, ...] = field(default=())


def limit_of_places(recorded: list[np.ndarray], length: int | None = None) -> float:
    """The distance of places up to which a run is where the recording is: twice the most by which a piece of the
    recording, as long as the run or a quarter of the recording, differs from all of it; at least 0.1 deviations.

    Args:
        recorded: courses (n, C'), in standard deviations.
        length: samples of a run; by default of a long free one.
    """
    cloud = np.concatenate(recorded)
    length = max(1, min(length or round((1 - _SETTLE) * _STEPS), len(cloud) // 4))
    pieces = [cloud[first : first + length] for first in range(0, len(cloud) - length + 1, length)]
    return max(_LEAST, _TIMES * max(distance_of_places(piece, cloud) for piece in pieces))


def long_runs(
    f: Any,
    recorded: list[np.ndarray],
    starts: np.ndarray,
    limit: float,
    driven: np.ndarray | None = None,
    noise: float = 0.0,
) -> Runs:
    """Long free runs of a network, and whether they stay within the limit of places.

    Args:
        f: the map of the network under an input that is held.
        recorded: courses (n, C') of the recording, in the scale of the network.
        starts: (B, N), of which up to twelve are taken.
        driven: (B, T, C'), the courses from these starts under the inputs of the recording, which then are those that
            have to stay: where inputs act, a run without them goes elsewhere.
        noise: standard deviation of that of samples, with which runs are compared as they would have been recorded.
    """
    generator = np.random.default_rng(0)
    chosen = np.unique(np.linspace(0, len(starts) - 1, _RUNS).astype(int))
    courses = _run(f, starts[chosen])[:, int(_SETTLE * _STEPS) :]
    cloud = np.concatenate(recorded)
    seen = courses[..., : cloud.shape[1]]
    judged = seen if driven is None else driven[chosen]
    stay = [
        _is_near(free)
        and _is_near(one)
        and distance_of_places(one + noise * generator.normal(size=one.shape), cloud) <= limit
        for free, one in zip(seen, judged, strict=True)
    ]
    return Runs(courses, np.array(stay))


def portrait(
    f: Any, runs: Runs, states: np.ndarray, recorded: list[np.ndarray], step: float, turn: float | None
) -> Portrait:
    """The portrait of a network under an input that is held: of a network that stays, along those of its runs that do.

    Args:
        f: its map under that input, and runs: of this map.
        states: (n, N), where the network was along the recording.
        recorded: courses (n, C') of the recording, in the scale of the network.
        step: seconds of one step of the map.
        turn: samples after which what is left of these states is named; None for no such name.
    """
    size = recorded[0].shape[1]
    exponents = intervals = dimension = soon = None
    drift = float("nan")
    kind, places, rhythms, shown = "leaves the recording", float("inf"), 1.0, None
    said: list[str] = []
    stays = runs.network_stays
    kept = runs.courses[runs.stay] if stays else runs.courses[[_is_near(one[..., :size]) for one in runs.courses]]
    if len(kept):
        shown = kept[..., :size]
    if shown is not None and (stays or len(kept) == len(runs.courses)):
        places = distance_of_places(np.concatenate(list(shown)), np.concatenate(recorded))
        rhythms = distance_of_rhythms(list(shown), recorded)
    if stays:
        try:
            exponents, intervals, dimension, wanting = _exponents(f, kept[:, -1], step)
            said += wanting
        except (Diverged, InvalidInput) as error:
            said.append(f"No exponents: {error}")
        try:
            kind = attractor(f, states=kept[:, :: max(1, _STEPS // 80)].reshape(-1, kept.shape[-1])).kind
        except (Diverged, InvalidInput) as error:
            kind = "undecided"
            said.append(f"No name of the attractor: {error}")
    if stays and turn is not None:
        soon, drift, failed = _soon(f, states, turn, step)
        said += failed
    generator = np.random.default_rng(0)
    around = states[np.linspace(0, len(states) - 1, min(len(states), 300)).astype(int)]
    around = np.concatenate([around, around + generator.normal(size=around.shape) * 0.5 * states.std(axis=0)])
    points = fixed_points(f, starts=around.astype(np.float32))
    return Portrait(
        stays,
        runs.share,
        shown,
        exponents,
        intervals,
        dimension,
        np.asarray(points.points, float)[:, :size],
        tuple(points.stability),
        kind,
        places,
        rhythms,
        soon,
        drift,
        tuple(said),
    )


def _is_near(course: np.ndarray) -> bool:
    return bool(np.isfinite(course).all() and np.abs(course).max() < _BEYOND)


def _exponents(
    f: Any, starts: np.ndarray, step: float
) -> tuple[np.ndarray, np.ndarray, tuple[float, Interval], list[str]]:
    """The median over trajectories, which a few that leave later do not move: exponents (N,) in 1 / s, intervals, the
    Kaplan-Yorke dimension, and what was found wanting of at least half of them. A half width is the median of those of
    single trajectories, as that of a median of so many."""

    def walled(states: Any) -> Any:
        return jnp.clip(f(states), -_WALL, _WALL)

    each = in_groups(walled, starts[:, None], kind="map", duration=_STEPS)
    narrower = _MEDIAN / max(_MEDIAN, np.sqrt(len(each)))
    values = np.median([one.exponents for one in each], axis=0) / step
    half = narrower * np.median([np.abs(one.intervals - one.exponents[:, None]).max(axis=1) for one in each], axis=0)
    dimensions = np.array([(one.kaplan_yorke, *one.kaplan_yorke_interval) for one in each])
    middle, low, high = np.median(dimensions, axis=0)
    width = narrower * max(high - middle, middle - low)
    lines = Counter(line for one in each for line in one.checks)
    return (
        values,
        np.column_stack([values - half / step, values + half / step]),
        (float(middle), (float(middle - width), float(middle + width))),
        sorted(line for line, count in lines.items() if count >= len(each) / 2),
    )


def _soon(f: Any, states: np.ndarray, turn: float, step: float) -> tuple[str, float, list[str]]:
    """What states of the recording are on a turn after the input is held, how fast they move there, and what failed.

    In the long run they may end in a few points; what they keep until then is what a network has for a memory.
    """
    some = states[np.linspace(0, len(states) - 1, min(len(states), _NAMED)).astype(int)]
    try:
        found = attractor(f, states=some, silence=max(1, round(turn)))
    except (Diverged, InvalidInput) as error:
        return "undecided", float("nan"), [f"No name of what is left a turn after the input is held: {error}"]
    radius = np.sqrt(np.mean(np.sum((found.states - found.states.mean(axis=0)) ** 2, axis=1)))
    return found.kind, float(np.sqrt(np.mean(found.drifts**2)) / max(radius, 1e-300) / step), []


def _run(f: Any, starts: np.ndarray) -> np.ndarray:
    """(runs, _STEPS, N)."""

    def on(state: Any, _: None) -> tuple[Any, Any]:
        after = f(state)
        return after, after

    return np.swapaxes(np.asarray(jax.lax.scan(on, f(np.asarray(starts, np.float32)), None, length=_STEPS)[1]), 0, 1)


# -- over the networks that stay --


def exponents_over(portraits: list[Portrait]) -> list[dict[str, Any]]:
    """Each exponent: the mean over networks, an interval of 95 % that holds how networks differ and how sure each is,
    and the share of networks in which it is above and below 0 with 95 % confidence."""
    known = [one for one in portraits if one.exponents is not None and one.intervals is not None]
    if not known:
        return []
    values = np.stack([one.exponents for one in known if one.exponents is not None])
    intervals = np.stack([one.intervals for one in known if one.intervals is not None])
    count = len(values)
    alone = np.mean(np.abs(intervals - values[..., None]).max(axis=-1), axis=0)
    between = np.zeros(values.shape[1])
    if count > 1:
        between = values.std(axis=0, ddof=1) / np.sqrt(count) * student.ppf(0.975, count - 1)
    half = np.sqrt(alone**2 + between**2)
    whole = len(portraits)
    return [
        {
            "value": float(mean),
            "low": float(mean - width),
            "high": float(mean + width),
            "above": float(np.sum(intervals[:, at, 0] > 0) / whole),
            "below": float(np.sum(intervals[:, at, 1] < 0) / whole),
        }
        for at, (mean, width) in enumerate(zip(values.mean(axis=0), half, strict=True))
    ]


def points_over(portraits: list[Portrait], recorded: np.ndarray) -> list[dict[str, Any]]:
    """Fixed points that networks share: where, how stable, in what share of them, and how near data came.

    Args:
        recorded: (n, C') of the recording, in standard deviations, as the points are.
    """
    reach = _ALIKE * np.sqrt(recorded.shape[1])
    clusters: list[list[tuple[int, np.ndarray, str]]] = []
    for member, one in enumerate(portraits):
        for point, name in zip(one.points, one.stability, strict=True):
            near = [
                (float(np.linalg.norm(point - np.mean([place for _, place, _ in cluster], axis=0))), at)
                for at, cluster in enumerate(clusters)
            ]
            distance, at = min(near, default=(np.inf, -1))
            if distance <= reach:
                clusters[at].append((member, point, name))
            else:
                clusters.append([(member, point, name)])
    tree = cKDTree(recorded)
    found = []
    for cluster in clusters:
        places = np.stack([place for _, place, _ in cluster])
        middle = places.mean(axis=0)
        names = Counter(name for _, _, name in cluster)
        distance = float(tree.query(middle)[0])
        found.append(
            {
                "place": middle,
                "spread": places.std(axis=0) if len(places) > 1 else None,
                "stability": names.most_common(1)[0][0],
                "agreed": names.most_common(1)[0][1] / len(cluster),
                "share": len({member for member, _, _ in cluster}) / len(portraits),
                "distance": distance,
                "near": distance <= _NEAR * np.sqrt(recorded.shape[1]),
            }
        )
    return sorted(found, key=lambda one: (-one["share"], one["distance"]))


def kinds_over(kinds: list[str]) -> dict[str, float]:
    """In what share of the networks an attractor has which name, the most frequent first."""
    names = Counter(kind.split(", of dimension")[0] for kind in kinds)
    return {name: count / len(kinds) for name, count in names.most_common()}
