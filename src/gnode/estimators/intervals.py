"""How wide prediction intervals must be, and how often they hold, from forecasts of what is known."""

from typing import NamedTuple, NoReturn

import numpy as np
from sklearn.isotonic import IsotonicRegression

from gnode.errors import must_have

_LEAST = 1e-6  # of the root mean square error, what is usual anywhere


class Tried(NamedTuple):
    """Forecasts of what is known.

    Attributes:
        leads: (origins, steps), seconds from the last sample that a forecast knows of to what it is for.
        errors: (origins, steps, channels), NaN where nothing was seen.
        unchanged: the same, of the last value seen in the place of the forecast.
    """

    leads: np.ndarray
    errors: np.ndarray
    unchanged: np.ndarray


def half_widths(tried: Tried, leads: np.ndarray, interval: float) -> np.ndarray:
    """Half the widths of intervals that hold with a probability, (n, steps, channels), for forecasts so far ahead.

    By split conformal prediction from the errors of forecasts about as far ahead: those nearest in time, as many as
    there are origins, which on a regular grid are all of the same step. On an irregular one they are not quite as far
    ahead, so they count in units of what is usual there, which grows with time (Lei et al., JASA 2018, section 5.2).

    Args:
        leads: (n, steps), seconds from the last sample to each forecast.

    Raises:
        InvalidInput: too few errors for such an interval.
    """
    steps, channels = tried.errors.shape[1:]
    wanted, places = np.unique(leads, return_inverse=True)
    widths = np.empty((len(wanted), channels))
    for channel in range(channels):
        there = ~np.isnan(tried.errors[..., channel])
        sizes, ahead = np.abs(tried.errors[there, channel]), tried.leads[there]
        count = there.sum() // steps  # of each step, on average
        rank = rank_of(interval, int(count))
        if rank > count:
            refuse_few(int(count), steps, interval)
        usual = IsotonicRegression(out_of_bounds="clip").fit(ahead, sizes**2)
        least = _LEAST * np.sqrt(np.mean(sizes**2)) or 1.0  # where nothing is ever wrong
        units, unit_wanted = (np.maximum(np.sqrt(usual.predict(times)), least) for times in (ahead, wanted))
        for at, lead in enumerate(wanted):
            nearest = np.argpartition(np.abs(ahead - lead), count - 1)[:count]
            widths[at, channel] = np.partition(sizes[nearest] / units[nearest], rank - 1)[rank - 1] * unit_wanted[at]
    return widths[places.reshape(leads.shape)]


def least_errors(interval: float) -> int:
    """How many errors an interval of this probability wants: of so many and one more, enough are smaller."""
    errors = 1
    while rank_of(interval, errors) > errors:
        errors = max(errors + 1, int(interval / (1 - interval)) - 1)
    return errors


def rank_of(interval: float, errors: int) -> int:
    """Which of so many errors, the smallest first, the next one lies below with this probability."""
    return int(np.ceil((errors + 1) * interval))


def refuse_few(errors: int, steps: int, interval: float, farthest: int | None = None) -> NoReturn:
    """Raise InvalidInput as there are too few errors for an interval.

    Args:
        farthest: for how many steps ahead there are enough, where that is known.
    """
    nearer = f"There are enough for {farthest} steps ahead; for more, fit" if farthest else "Fit"
    must_have(
        f"at least {least_errors(interval)} calibration errors for intervals of {interval:g}, {steps} steps ahead",
        errors,
        f"{nearer} more or longer series, or raise calibration_fraction.",
    )


def share_held(held: np.ndarray, there: np.ndarray) -> np.ndarray:
    """The share of cases that held among those that are there, over the first axis; NaN where none is."""
    counts = there.sum(axis=0)
    return np.where(counts, (held & there).sum(axis=0) / np.maximum(counts, 1), np.nan)


def skill(error: np.ndarray, naive: np.ndarray) -> float:
    """1 - squared error / that of "no change"; errors are NaN where nothing was seen. Where nothing changes it is 1 if
    there is no error and else 0."""
    there = ~np.isnan(error) & ~np.isnan(naive)
    squared, unchanged = (error[there] ** 2).sum(), (naive[there] ** 2).sum()
    return float(1 - squared / unchanged) if unchanged else float(squared == 0)
