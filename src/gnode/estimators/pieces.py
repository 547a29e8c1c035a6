"""Pieces of series to predict in: each sample is asked for the next one."""

from collections.abc import Sequence

import numpy as np

from gnode.errors import must_have
from gnode.series import Series, Trials

Piece = tuple[int, int, int]  # a series, from which sample on, and before which it ends


def pieces(parts: Sequence[Piece], window: int, stride: int) -> list[Piece]:
    """Stretches of at most `window` samples and the one that follows, which overlap and cover each part."""
    found: list[Piece] = []
    for at, start, end in parts:
        last = max(start, end - window - 1)
        found += [(at, first, min(first + window + 1, end)) for first in (*range(start, last, stride), last)]
    return found


def cut(series: Series, chosen: Sequence[Piece]) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
    """Values (time, channels) of each piece, NaN where missing, and its times; None on the uniform grid."""
    values = np.where(series.seen, series.values, np.nan)
    times = series.times
    clocks = None if times is None else [times[at, first:end] for at, first, end in chosen]
    return [values[at, first:end] for at, first, end in chosen], clocks


def seconds_between(times: np.ndarray) -> np.ndarray:
    """Gaps along the last axis of times, which are seconds or dates."""
    gaps = np.diff(times)
    return gaps / np.timedelta64(1, "s") if gaps.dtype.kind == "m" else gaps


def beside_the_next(values: np.ndarray, following: np.ndarray, channels: int) -> np.ndarray:
    """Samples (time, ...) of which what is known ahead, behind the first channels, is that of the sample after each.

    Args:
        following: (1, k), what is known of the sample after the last.
    """
    return np.hstack([values[:, :channels], np.vstack([values[1:, channels:], following])])


def next_samples(series: Series, chosen: Sequence[Piece], channels: int) -> Trials:
    """Trials whose inputs are all samples of a piece but the last, and whose targets are the samples that follow.

    An input acts until the sample that it predicts. A target counts where all of its channels were seen.

    Args:
        channels: how many are predicted; what stands behind them is known of a sample when it is predicted.
    """
    inputs, targets, masks, clocks = [], [], [], []
    values, times = cut(series, chosen)
    for at, piece in enumerate(values):
        given = beside_the_next(piece[:-1], piece[-1:, channels:], channels)
        wanted = piece[1:, :channels]
        counts = ~np.isnan(wanted).any(axis=1)
        if counts.any() and not np.isnan(given).all():
            inputs.append(given)
            targets.append(wanted)
            masks.append(counts)
            clocks.append(None if times is None else times[at][1:])
    if not inputs:
        must_have("samples that were seen in all channels, to be predicted", "none in some part of the series")
    return Trials(Series.of(inputs, None if times is None else clocks), targets, masks)
