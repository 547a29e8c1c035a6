"""Where wanted times lie in a series: in which interval, and how far in it."""

from typing import Any

import numpy as np
from jax.typing import ArrayLike

from gnode.errors import must_have
from gnode.series import Series
from gnode.series.clock import read_stamps

_ROUNDING = 1e-9  # of the length of a series: so far beyond its end a time is the end, and rounded


def _clock(series: Series, dt: float) -> np.ndarray:
    """When the samples were taken, (trials, time), on the clock of the series; the uniform grid begins at dt."""
    if series.times is not None:
        return series.times
    return np.cumsum(np.broadcast_to(series.elapsed(dt), series.shape[:2]), axis=1)


def places(series: Series, dt: float, at: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """For each wanted time the sample that ends its interval, and how much of the interval has passed: (trials, K)."""
    clock = _clock(series, dt)
    wanted = _wanted(at, dates=clock.dtype.kind == "M")
    if wanted.ndim == 1:
        wanted = np.broadcast_to(wanted, (len(series), wanted.size))
    if wanted.ndim != 2 or len(wanted) != len(series) or not wanted.size:
        must_have(f"times (K,) or ({len(series)}, K) to answer at", f"shape {np.shape(at)}")
    lengths = series.valid.sum(axis=1)
    sample, fraction = np.empty(wanted.shape, np.int32), np.empty(wanted.shape, np.float32)
    for trial, length in enumerate(lengths):
        ends = _since(clock[trial, :length], clock[trial, 0])
        begins = np.concatenate([[-dt], ends[:-1]])
        times = _since(wanted[trial], clock[trial, 0])
        times[np.abs(times - ends[-1]) <= _ROUNDING * (ends[-1] + dt)] = ends[-1]
        if not (times.min() > begins[0] and times.max() <= ends[-1]):
            must_have(
                f"times to answer at between dt before the first sample ({clock[trial, 0]}) and the last "
                f"({clock[trial, length - 1]}) of series {trial}",
                f"{wanted[trial].min()} to {wanted[trial].max()}",
            )
        sample[trial] = np.searchsorted(ends, times)
        fraction[trial] = (times - begins[sample[trial]]) / (ends - begins)[sample[trial]]
    return sample, fraction


def _wanted(at: ArrayLike, dates: bool) -> np.ndarray:
    """Times to answer at, float64 seconds or datetime64[ns]."""
    stamps = read_stamps(at, "times to answer at")
    if (stamps.dtype.kind == "M") != dates:
        must_have(f"times to answer at in {'dates' if dates else 'seconds'}, as those of the series", stamps.dtype)
    if dates:
        return stamps.astype("datetime64[ns]")
    return stamps / np.timedelta64(1, "s") if stamps.dtype.kind == "m" else stamps.astype(float)


def _since(times: np.ndarray, origin: Any) -> np.ndarray:
    """Seconds since the origin, float64."""
    past = times - origin
    return past / np.timedelta64(1, "s") if past.dtype.kind == "m" else past
