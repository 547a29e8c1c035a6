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


def next_samples(series: Series, chosen: Sequence[Piece]) -> Trials:
    """Trials whose inputs are all samples of a piece but the last, and whose targets are the samples that follow.

    An input acts until the sample that it predicts. A target counts where all of its channels were seen.
    """
    inputs, targets, masks, clocks = [], [], [], []
    values, times = cut(series, chosen)
    for at, piece in enumerate(values):
        counts = ~np.isnan(piece[1:]).any(axis=1)
        if counts.any() and not np.isnan(piece[:-1]).all():
            inputs.append(piece[:-1])
            targets.append(piece[1:])
            masks.append(counts)
            clocks.append(None if times is None else times[at][1:])
    if not inputs:
        must_have("samples that were seen in all channels, to be predicted", "none in some part of the series")
    return Trials(Series.of(inputs, None if times is None else clocks), targets, masks)
