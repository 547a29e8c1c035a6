"""What estimators are given: anything that holds series becomes a gnode.Series, or is refused in one line."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_array

from gnode.errors import must_have
from gnode.series import Series
from gnode.series.arrays import described, is_frame

SHORTEST = 2  # samples; one alone has no dynamics


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
    if series.clock is None:
        return 1.0
    between = np.broadcast_to(series.gaps, series.shape[:2])[:, 1:]
    return float(np.median(between[series.valid[:, 1:]]))


def one_each(series: Series, values: Any, what: str) -> np.ndarray:
    """Numbers or names, one for each series, as an array (n,) or (n, k)."""
    array = np.asarray(values)
    if array.shape[:1] != (len(series),):
        must_have(
            f"{what} for each of {len(series)} series",
            f"{'one' if array.ndim == 0 else len(array)}",
            "A long pandas frame is read so where its column is named: series='id'.",
        )
    return array


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
