"""What estimators are given: anything that holds series becomes a gnode.Series, or is refused in one line."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_array

from gnode.errors import must_have
from gnode.estimators.pieces import seconds_between
from gnode.series import Series
from gnode.series.arrays import as_floats, described, is_frame, place
from gnode.series.clock import read_stamps
from gnode.series.trials import in_order

SHORTEST = 2  # samples; one alone has no dynamics
_BLUR = 1e-3  # of the standard deviation, by which rounding may change numbers that are to be predicted


def read_series(
    X: Any, times: Any = None, *, series: str | None, time: str | None, channels: str | Sequence[str] | None
) -> Series:
    """The series in X.

    Args:
        X: a gnode.Series; a list of arrays (time, channels) or (time,); an array (cases, time, channels), or (cases,
            time) of one channel; a long pandas frame, where `series` or `time` is given, else a wide one, one row a
            series of one channel.
        times: as `gnode.Series.of` takes them.
        series, time, channels: the columns of a long frame.

    Raises:
        InvalidInput: what `gnode.Series.of` refuses; a sparse matrix; times beside a Series, which has its own.
    """
    if hasattr(X, "tocsr"):
        must_have("dense series", "a sparse matrix", "Make it dense: X.toarray().")
    long = not (series is time is channels is None)
    if isinstance(X, Series) or (isinstance(X, (list, tuple)) and not (long and not any(map(is_frame, X)))):
        frames = not isinstance(X, Series) and any(map(is_frame, X))
        return Series.of(X, times, time=time, channels=channels) if frames else Series.of(X, times)
    if is_frame(X):
        if long:
            return Series.of(X, times, series=series, time=time, channels=channels)
        return Series.of_wide(X, times)
    if X is None or isinstance(X, str):
        must_have("series: arrays, frames or a gnode.Series", described(X))
    array = check_array(X, dtype="numeric", ensure_2d=False, allow_nd=True, ensure_all_finite=False)
    if array.ndim not in (2, 3):
        must_have(
            "an array (cases, time, channels), or (cases, time) of one channel",
            f"shape {array.shape}. Reshape your data",
            "One series alone is [series]; aeon's collections (cases, channels, time) are Series.of_aeon(X).",
        )
    return Series.of(array[..., None] if array.ndim == 2 else array, times)


def refuse_short(series: Series) -> None:
    """Raise InvalidInput where a series to learn from has fewer than two samples."""
    lengths = series.valid.sum(axis=1)
    if lengths.min() < SHORTEST:
        at = int(lengths.argmin())
        name = at if series.names is None else series.names[at]
        must_have(f"series of at least {SHORTEST} samples to learn from", f"{lengths[at]} in series {name!r}")


def usual_gap(series: Series) -> float:
    """The median time between two samples, seconds; 1 on the uniform grid, whose unit is the sample."""
    return 1.0 if series.clock is None else float(np.median(gaps_within(series)))


def gaps_within(series: Series) -> np.ndarray:
    """Seconds between each two samples of series with times, one series after the other."""
    return np.broadcast_to(series.gaps, series.shape[:2])[:, 1:][series.valid[:, 1:]]


def one_each(series: Series, values: Any, what: str) -> np.ndarray:
    """Numbers or names, one for each series, as an array (n,) or (n, k).

    What pandas labels by the names of the series is put in their order.
    """
    array = np.asarray(in_order(series, values, what))
    if array.shape[:1] != (len(series),):
        must_have(
            f"{what} for each of {len(series)} series",
            f"{'one' if array.ndim == 0 else len(array)}",
            "A long pandas frame is read so where its column is named: series='id'.",
        )
    return array


def read_static(series: Series, static: Any) -> np.ndarray:
    """Static covariates at each sample of the series, (n, time, k), NaN where missing; k is 0 where there are none.

    Args:
        static: (n, k), or (n,) for one; a pandas frame labelled by the names of the series is put in their order. None
            for none.
    """
    if static is None:
        return np.empty((*series.shape[:2], 0), np.float32)
    values = as_floats(in_order(series, static, "static covariates"), "static covariates")
    values = one_each(series, values, "static covariates")
    if values.ndim > 2:
        must_have("static covariates of shape (n, k) or (n,)", f"shape {values.shape}")
    values = values.reshape(len(series), -1)
    _refuse_infinite("static covariates", values)
    return np.repeat(values[:, None], series.shape[1], axis=1)


class Covariates(NamedTuple):
    """What is known ahead of each series.

    Attributes:
        along: (n, time, k), at the samples of the series, NaN where missing.
        ahead: (n, steps, k), at the samples that follow.
        gaps: (n, steps), seconds between the samples that follow, of the first since the last of the series; None where
            covariates have no times.
    """

    along: np.ndarray
    ahead: np.ndarray
    gaps: np.ndarray | None


def read_covariates(
    series: Series, covariates: Any, steps: int, *, names: str | None = None, time: str | None = None
) -> Covariates:
    """What is known ahead, as much of it as is asked for.

    Args:
        covariates: for each series its samples and so many more: a list of arrays (time, k) or (time,), an array (n,
            time, k), a gnode.Series, or a long pandas frame. None for none.
        steps: how many samples ahead are needed.
        names, time: the columns of a frame.

    Raises:
        InvalidInput: too few samples, other times than those of the series, or what `read_series` refuses.
    """
    trials, longest, _ = series.shape
    if covariates is None:
        return Covariates(np.empty((trials, longest, 0)), np.empty((trials, steps, 0)), None)
    columns = {"series": names, "time": time} if is_frame(covariates) else {"series": None, "time": None}
    beside = _in_order_of(series, read_series(covariates, **columns, channels=None))
    ends, known = series.valid.sum(axis=1), beside.valid.sum(axis=1)
    for at in np.flatnonzero(known < ends + steps)[:1]:
        needed = f" and {steps} steps ahead" if steps else ""
        must_have(f"covariates for the {ends[at]} samples of series {at}{needed}", f"{known[at]} samples of them")
    values = np.where(beside.seen, beside.values, np.nan)
    following = ends[:, None] + np.arange(steps)
    along = values[:, np.minimum(np.arange(longest), values.shape[1] - 1)]  # beyond its end a series reads nothing
    ahead = np.take_along_axis(values, following[..., None], axis=1)
    return Covariates(along, ahead, _gaps_ahead(series, beside, following))


def _in_order_of(series: Series, beside: Series) -> Series:
    """Covariates in the order of the series, by name where both have names."""
    if len(beside) != len(series):
        must_have(f"covariates for each of {len(series)} series", len(beside))
    if series.names is None or beside.names is None:
        return beside
    for name in series.names:
        if name not in beside.names:
            must_have("covariates named as the series are", f"none for series {name!r}")
    return beside[[beside.names.index(name) for name in series.names]]


def _gaps_ahead(series: Series, beside: Series, following: np.ndarray) -> np.ndarray | None:
    """Seconds between the samples that follow, where covariates have times, which then must be those of the series."""
    if beside.times is None:
        return None
    if series.times is None:
        must_have("covariates without times, as the series are", "times")
    for at, there in enumerate(series.valid):
        own = int(there.sum())
        if not np.array_equal(series.times[at, :own], beside.times[at, :own]):
            must_have("covariates at the times of the series", f"other times in {place(at)}")
    return np.take_along_axis(np.broadcast_to(beside.gaps, beside.shape[:2]), following, axis=1)


def gaps_until(series: Series, at: Any) -> np.ndarray:
    """Seconds (n, steps) between times to forecast for, of the first since the last sample of each series.

    Args:
        at: (steps,) for all series, or (n, steps); of the kind of the times of the series.

    Raises:
        InvalidInput: series without times; times of another kind or shape, or that do not come after the last sample.
    """
    stamps = read_stamps(at, "times to forecast for")
    if series.times is None:
        must_have("series with times for at=", "none", "Without times, steps= says how many.")
    dates = series.times.dtype.kind == "M"
    if dates != (stamps.dtype.kind == "M") or stamps.dtype.kind == "m":
        must_have(f"at= as times of the kind of the series, {'dates' if dates else 'seconds'}", str(stamps.dtype))
    if stamps.ndim not in (1, 2) or not stamps.size or (stamps.ndim == 2 and len(stamps) != len(series)):
        must_have(f"at= of shape (steps,) or ({len(series)}, steps)", f"shape {stamps.shape}")
    times = np.broadcast_to(series.times, series.shape[:2])
    last = times[np.arange(len(series)), series.valid.sum(axis=1) - 1]
    stamps = np.broadcast_to(stamps.astype(last.dtype), (len(series), stamps.shape[-1]))
    gaps = seconds_between(np.hstack([last[:, None], stamps]))
    late = (gaps > 0) & np.isfinite(gaps)
    if not late.all():
        row = int((~late).any(axis=1).argmax())
        step = int((~late[row]).argmax())
        before = stamps[row, step - 1] if step else last[row]
        whose = "" if step else f"the last sample of {place(row)}, "
        must_have(f"at= that increases, after {whose}{_written(before)}", _written(stamps[row, step]))
    return gaps


def _written(stamp: np.generic) -> str:
    """A time as a person would write it."""
    return f"{stamp:.10g}" if isinstance(stamp, np.floating) else str(stamp)


def refuse_other_width(what: str, argument: str, fitted: int, given: np.ndarray) -> None:
    """Raise InvalidInput where there are not as many of something as in fit."""
    if given.shape[-1] != fitted:
        advice = f"Give them by {argument}=." * (not given.shape[-1])
        must_have(f"{fitted or 'no'} {what}, as in fit", given.shape[-1] or "none", advice)


def with_channels(series: Series, more: np.ndarray) -> Series:
    """Series with further channels (n, time, k), NaN where missing."""
    there = series.valid[..., None]
    seen = ~np.isnan(more) & there
    complete = series.observed is None and (seen | ~there).all()
    return replace(
        series,
        values=np.concatenate([series.values, np.where(seen, more, more.dtype.type(0))], axis=-1),
        observed=None if complete else np.concatenate([series.seen, seen], axis=-1),
    )


def _refuse_infinite(what: str, values: np.ndarray) -> None:
    with np.errstate(over="ignore"):
        infinite = np.isinf(values.astype(np.float32)).any(axis=1)
    if infinite.any():
        must_have(f"{what} that are finite, or NaN where one is missing", f"infinity for {place(infinite.argmax())}")


def refuse_rounded(values: np.ndarray, what: str) -> None:
    """Raise InvalidInput where numbers (n, k), NaN where missing, are so far from 0 that float32 blurs them."""
    with np.errstate(over="ignore", invalid="ignore"):
        rounding = np.abs(values - values.astype(np.float32).astype(float))
    for at, column in enumerate(values.T):
        there = ~np.isnan(column)
        if not there.any() or np.ptp(column[there]) == 0:
            continue
        spread, off = float(column[there].std()), float(rounding[there, at].max())
        if off > _BLUR * spread:
            must_have(
                f"{what} that float32 can tell apart",
                f"numbers around {column[there].mean():.6g} that differ by {spread:.2g}, which it rounds by {off:.2g} "
                f"(channel {at}, counted from 0)",
                "Subtract what they have in common, and add it to the answers.",
            )


def weights_of(series: Series, sample_weight: Any) -> np.ndarray | None:
    """How much each series counts, (n,); None where all count alike."""
    if sample_weight is None:
        return None
    weights = one_each(series, sample_weight, "a sample_weight").astype(float)
    if weights.ndim != 1:
        must_have("sample_weight of one dimension: Sample weights must be 1D", f"shape {weights.shape}")
    if not np.isfinite(weights).all() or (weights < 0).any():
        must_have("sample_weight of finite numbers, at least 0", f"{weights[~(weights >= 0)][:1]}")
    if not weights.any():
        must_have("a sample_weight above 0", "all zero")
    return weights


def counted(
    series: Series, targets: np.ndarray, weights: np.ndarray | None, groups: Any
) -> tuple[Series, np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Series, their targets, weights and groups, without the series of weight 0."""
    names = None if groups is None else one_each(series, groups, "a group")
    if weights is None:
        return series, targets, None, names
    counting = np.flatnonzero(weights)
    return series[counting], targets[counting], weights[counting], None if names is None else names[counting]
