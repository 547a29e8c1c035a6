"""What the networks of an ensemble hold: exponents, fixed points, attractors; and how many of them, near which data."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial import cKDTree
from scipy.stats import t as student

from gnode.analysis import attractor, fixed_points, lyapunov_exponents
from gnode.analysis.intervals import Interval
from gnode.errors import Diverged, InvalidInput
from gnode.models import Model
from gnode.reconstruction.measures import distance_of_places, distance_of_rhythms

_ALIKE = 0.15  # standard deviations, times the root of the numbers of a state: fixed points of two networks are one
_NEAR = 0.25  # the same: data came near
_BEYOND = 10.0  # standard deviations: a network that goes there has left the recording
_RUNS, _SETTLE = 4, 0.2  # long runs of a network, and what share of them is not looked at
_STEPS = 5000  # of a long run
_NAMED = 400  # states of the recording whose end a turn later is named


@dataclass(frozen=True)
class Portrait:
    """What one network holds.

    Attributes:
        runs: (runs, n, C') of its long free course, without its beginning; None where it leaves the recording.
        exponents: (N,) in 1 / s, and intervals: (N, 2); None where it leaves, or they could not be had.
        dimension: Kaplan-Yorke, and its interval; None likewise.
        points: (K, C'), stability and eigenvalues (growth in 1 / s) of its fixed points.
        kind: of its attractor, in words.
        places, rhythms: distances of the long runs from the recording.
        soon: the name of what states of the recording are on a turn after the input is held; None where not asked.
        drift: how fast they move there, root mean square over their radius, 1 / s: of a ring, in radians.
        said: what could not be done, in sentences.
    """

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


def mean_input(model: Model) -> np.ndarray:
    """The mean of the inputs that a network was trained with, (K,)."""
    if model.encoding.scaling is None:
        return np.zeros(model.config.input_size)
    return np.asarray(model.encoding.scaling.unscaled(jnp.zeros(model.config.input_size)))


def portrait(
    model: Model,
    states: np.ndarray,
    recorded: list[np.ndarray],
    starts: np.ndarray,
    step: float,
    held: np.ndarray,
    turn: float | None,
) -> Portrait:
    """The portrait of a network under an input that is held.

    Args:
        states: (n, N), where the network was along the recording.
        recorded: courses (n, C') of the recording, in standard deviations.
        starts: (B, N), from which it runs on.
        step: seconds of one step of the map.
        held: (K,), the input.
        turn: samples after which what is left is named; None for no such name.
    """
    f, said = model.map_at(held), []
    course = _run(f, starts[:_RUNS])
    size = recorded[0].shape[1]
    bounded = np.isfinite(course).all() and np.abs(course[..., :size]).max() < _BEYOND
    exponents = intervals = dimension = None
    kind, places, rhythms = "leaves the recording", float("inf"), 1.0
    runs = None
    if bounded:
        runs = course[:, int(_SETTLE * _STEPS) :, :size]
        places = distance_of_places(np.concatenate(list(runs)), np.concatenate(recorded))
        rhythms = distance_of_rhythms(list(runs), recorded)
        try:
            found = lyapunov_exponents(f, course[:, -1], duration=_STEPS)
            exponents, intervals = found.exponents / step, found.intervals / step
            dimension = found.kaplan_yorke, found.kaplan_yorke_interval
            said += found.checks
        except (Diverged, InvalidInput) as error:
            said.append(f"No exponents: {error}")
        try:
            kind = attractor(f, states=course[:, :: max(1, _STEPS // 200)].reshape(-1, course.shape[-1])).kind
        except (Diverged, InvalidInput) as error:
            kind = "undecided"
            said.append(f"No name of the attractor: {error}")
    else:
        said.append("Its free course leaves the recording.")
    soon, drift, reasons = (None, float("nan"), []) if turn is None else _soon(f, states, turn, step)
    said += reasons
    generator = np.random.default_rng(0)
    around = states[np.linspace(0, len(states) - 1, min(len(states), 300)).astype(int)]
    around = np.concatenate([around, around + generator.normal(size=around.shape) * 0.5 * states.std(axis=0)])
    points = fixed_points(f, starts=around.astype(np.float32))
    return Portrait(
        runs,
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


# -- over the ensemble --


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
