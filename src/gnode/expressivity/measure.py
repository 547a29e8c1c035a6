"""From errors to statements: the capacity at a tolerance with its interval, paired differences, smallest states,
floors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gnode.errors import must_have

CONFIDENCE = 0.95
_TINY = 1e-12  # errors below count as this: no target is reproduced better in float32


@dataclass(frozen=True)
class Capacity:
    """The greatest complexity reproduced at a tolerance, with a bootstrap interval over targets.

    Attributes:
        value: in units of the dial of the targets' family.
        low, high: the 95 % interval.

    Each of the three is 0 where even the least complexity tried is not reproduced ("< grid"), and infinite where all
    are ("> grid").
    """

    value: float
    low: float
    high: float


def best_of_restarts(errors: np.ndarray) -> np.ndarray:
    """The least error over the last axis; 1, the error of a constant, where all restarts diverged or are worse."""
    return np.minimum(np.nanmin(np.where(np.isfinite(errors), errors, np.inf), axis=-1), 1.0)


def isotonic(values: np.ndarray) -> np.ndarray:
    """The rising sequence nearest to the values in least squares, along the first axis; any others are independent.

    By the minimum-maximum formula (Robertson, Wright and Dykstra 1988, theorem 1.4.4): for the few points of a curve it
    costs nothing, and thousands of bootstrap curves go at once.
    """
    count = len(values)
    sums = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])
    means = np.full((count, count, *values.shape[1:]), np.inf)  # of values a to b
    for a in range(count):
        lengths = np.arange(1, count - a + 1).reshape(-1, *(1,) * (values.ndim - 1))
        means[a, a:] = (sums[a + 1 :] - sums[a]) / lengths
    least = np.minimum.accumulate(means[:, ::-1], axis=1)[:, ::-1]  # over b >= i
    return np.stack([least[: i + 1, i].max(axis=0) for i in range(count)])


def fitted_curve(errors: np.ndarray) -> np.ndarray:
    """log10 of the median error over targets, made to rise with complexity by isotonic least squares.

    Args:
        errors: (complexities, ..., targets).
    """
    return isotonic(np.log10(np.maximum(np.median(errors, axis=-1), _TINY)))


def crossing(complexities: Sequence[float], curves: np.ndarray, tolerance: float) -> np.ndarray:
    """Where rising curves of log10 errors, (C, ...), exceed the tolerance, on log-log axes; 0 below the grid,
    infinity above."""
    check_tolerance(tolerance)
    level, dial = np.log10(tolerance), np.log(np.asarray(complexities, float))
    below = np.sum(curves <= level, axis=0)  # as the curves rise, these are the first ones
    at = np.clip(below - 1, 0, max(len(dial) - 2, 0))
    after = np.minimum(at + 1, len(dial) - 1)
    start, end = (np.take_along_axis(curves, np.asarray(i)[None], axis=0)[0] for i in (at, after))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (level - start) / (end - start)
        inside = np.exp(dial[at] + share * (dial[after] - dial[at]))
    return np.where(below == 0, 0.0, np.where(below == len(dial), np.inf, inside))


def resamples(targets: int, count: int, seed: int) -> np.ndarray:
    """Targets drawn with replacement, (count, targets): the same for every architecture, so that they can be paired."""
    return np.random.default_rng([seed, targets]).integers(0, targets, (count, targets))


def capacities_at(
    complexities: Sequence[float], errors: np.ndarray, tolerance: float, draws: np.ndarray
) -> tuple[float, np.ndarray]:
    """The capacity, and those of resampled targets, (draws,).

    Args:
        complexities: (C,), growing.
        errors: (C, targets), the best restart's.
        tolerance: in (0, 1).
        draws: resampled targets, from `resamples`.
    """
    value = crossing(complexities, fitted_curve(errors), tolerance)
    return float(value), crossing(complexities, fitted_curve(errors[:, draws]), tolerance)


def with_interval(value: float, again: np.ndarray) -> Capacity:
    """A capacity with its percentile bootstrap interval (Efron 1979)."""
    return Capacity(value, *interval(again))


def interval(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """The central 95 % of bootstrap values; always one of them, so that open ends stay open."""
    outside = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, (outside, 1 - outside), method="inverted_cdf")
    return float(low), float(high)


def paired_difference(errors: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over targets of log10 e - log10 e' on the same targets, and the standard error of that mean, both (C,)."""
    if errors.shape != others.shape:
        must_have("errors on the same complexities and targets", f"shapes {errors.shape} and {others.shape}")
    apart = np.log10(np.maximum(errors, _TINY)) - np.log10(np.maximum(others, _TINY))
    count = apart.shape[1]
    spread = apart.std(axis=1, ddof=1) / np.sqrt(count) if count > 1 else np.full(len(apart), np.nan)
    return apart.mean(axis=1), spread


def overall_difference(errors: np.ndarray, others: np.ndarray) -> tuple[float, float]:
    """The same over all complexities: each target gives one number, so the standard error counts targets alone."""
    apart = np.log10(np.maximum(errors, _TINY)) - np.log10(np.maximum(others, _TINY))
    each = apart.mean(axis=0)
    return float(each.mean()), float(each.std(ddof=1) / np.sqrt(each.size)) if each.size > 1 else float("nan")


def smallest_state(found: dict[int, tuple[float, np.ndarray]], wanted: float) -> Capacity:
    """The smallest N whose capacity reaches a complexity, with its bootstrap interval; infinity where none does.

    Args:
        found: what `capacities_at` gives for each N, with the same draws.
        wanted: complexity to be reached.
    """
    sizes = np.array([*sorted(found), np.inf])
    reached = np.array([[found[size][0], *found[size][1]] for size in sorted(found)]) >= wanted
    first = sizes[np.argmax(np.concatenate([reached, np.ones_like(reached[:1])]), axis=0)]
    return with_interval(float(first[0]), first[1:])


def principal_floor(targets: np.ndarray, state_size: int) -> np.ndarray:
    """The least error any affine readout of N numbers can have: the share of variance outside the first N axes.

    Args:
        targets: (..., time, d).

    Returns:
        (...), 0 where N is at least d (Eckart and Young 1936).
    """
    centred = np.asarray(targets, float) - np.mean(targets, axis=-2, keepdims=True)
    powers = np.linalg.svd(centred, compute_uv=False) ** 2
    return powers[..., state_size:].sum(axis=-1) / powers.sum(axis=-1)


def self_crossings(path: np.ndarray) -> int:
    """How often a path in the plane, (time, 2), crosses itself.

    A flow of two dimensions has one velocity at each point, so with a readout that is one to one it cannot cross. To go
    along the same curve again, as a limit cycle does, is no crossing: there the ends of both segments lie as near the
    other pass as chords lie to the curve that they are drawn through.
    """
    path = np.asarray(path, float) - np.mean(path, axis=0, dtype=float)
    start, move = path[:-1], np.diff(path, axis=0)
    between = start[None] - start[:, None]

    def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]

    turn = cross(move[:, None], move[None])
    with np.errstate(divide="ignore", invalid="ignore"):
        along = cross(between, move[None]) / turn
        across = cross(between, move[:, None]) / turn
        hit = (along >= 0) & (along < 1) & (across >= 0) & (across < 1)
    later = np.arange(len(move))[None] - np.arange(len(move))[:, None] > 1
    one, other = np.nonzero(hit & later)
    return int(np.sum(~(_runs_along(path, one, other) & _runs_along(path, other, one))))


def _runs_along(path: np.ndarray, segments: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether both ends of each segment lie on the path around the segment beside it, to within its sagitta."""
    bend = np.linalg.norm(np.diff(path, n=2, axis=0), axis=1) / 8  # of the chord at the vertex between two segments
    sagitta = np.zeros(len(path))
    sagitta[1:-1] = bend
    sagitta[[0, -1]] = bend[[0, -1]]
    size = np.abs(path).max()
    ends = path[np.stack([segments, segments + 1])]  # (2, hits, 2)
    distances = []
    for shift in (-1, 0, 1):
        near = np.clip(others + shift, 0, len(path) - 2)
        origin, move = path[near], path[near + 1] - path[near]
        length = np.maximum((move**2).sum(axis=1), 1e-300)
        share = ((ends - origin) * move).sum(axis=2) / length
        off = np.linalg.norm(ends - origin - np.clip(share, 0, 1)[:, :, None] * move, axis=2)
        beyond = ((near == 0) & (share < 0)) | ((near == len(path) - 2) & (share > 1))  # of the ends of the path
        distances.append(np.where(beyond, 0.0, off))
    around = [sagitta[np.clip(at, 0, len(path) - 1)] for at in (segments, segments + 1, others, others + 1)]
    return (np.min(distances, axis=0) <= 1.1 * np.max(around, axis=0) + 1e-6 * size).all(axis=0)


def check_tolerance(tolerance: float) -> None:
    if isinstance(tolerance, bool) or not isinstance(tolerance, (int, float)) or not 0 < tolerance < 1:
        must_have("a tolerance between 0 and 1, both excluded", repr(tolerance))
