"""How sure a figure is: 95 % intervals of what another draw of states would change."""

from collections.abc import Callable

import numpy as np
from scipy.stats import binom
from scipy.stats import t as student

Interval = tuple[float, float]
UNKNOWN: Interval = (np.nan, np.nan)

_LEVEL = 0.95
_PATCH = 10  # points of a patch
_PATCHES = (5, 20)  # at least, at most


def of_median(values: np.ndarray) -> Interval:
    """Of the median of what independent values (n,) are drawn from, whatever it is; NaN for fewer than six.

    Between two of the values: their ranks have a binomial law (Thompson, Annals of Mathematical Statistics 7, 1936).
    """
    rank = int(binom.ppf((1 - _LEVEL) / 2, len(values), 0.5)) if len(values) else 0
    if rank < 1 or not np.isfinite(values).all():
        return UNKNOWN
    ordered = np.sort(values)
    return float(ordered[rank - 1]), float(ordered[-rank])


def patches(points: np.ndarray) -> np.ndarray:
    """The patch (n,) of each point (n, N): halves of halves, each cut across where it is widest, of about ten points.

    At least five patches and at most twenty.
    """
    wanted = int(np.clip(len(points) // _PATCH, *_PATCHES))
    parts = [np.arange(len(points))]
    while len(parts) < wanted:
        part = parts.pop(int(np.argmax([len(part) for part in parts])))
        widest = np.argmax(np.ptp(points[part], axis=0))
        part = part[np.argsort(points[part, widest], kind="stable")]
        parts += [part[: len(part) // 2], part[len(part) // 2 :]]
    labels = np.empty(len(points), int)
    for number, part in enumerate(parts):
        labels[part] = number
    return labels


def half_width(estimate: Callable[[np.ndarray], float], looks: np.ndarray, labels: np.ndarray) -> float:
    """Of an interval of `estimate(looks)`, from what leaving out one patch of points after the other changes.

    Neighbours share their distances, so single points are no independent draws, but patches nearly are (jackknife by
    groups: Kunsch, Annals of Statistics 17, 1989).

    Args:
        looks: (n,), what was seen from each point.
        labels: (n,), the patch of each.
    """
    numbers = np.unique(labels)
    without = np.array([estimate(looks[labels != number]) for number in numbers])
    freedom = len(numbers) - 1
    error = np.sqrt(freedom / len(numbers) * np.sum((without - without.mean()) ** 2))
    return float(student.ppf((1 + _LEVEL) / 2, freedom) * error)


def between(interval: Interval, digits: str) -> str:
    """Such as " [1.9, 2.1]", with as many digits as the figure before it; nothing where the interval is unknown."""
    low, high = interval
    return "" if np.isnan(low) else f" [{low:{digits}}, {high:{digits}}]"
