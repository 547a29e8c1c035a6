"""A recording at the door: checked, cut where its clock jumps, and turned into states by delays."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gnode.errors import must_have
from gnode.series import Series
from gnode.series.arrays import as_floats, described

_JUMP = 20.0  # times the median gap: the clock jumps
_EVEN = 0.01  # of the median gap, by which gaps of an even clock may differ
_COPY = 1.0 - 1e-9  # correlation beyond which a channel is another's copy
_SAME = 1e-12  # of a channel's size: spread below which it is constant, up to rounding
FEWEST = 200  # samples, below which nothing can be held out
TOGETHER = 7  # samples that follow each other, among which noise is told from a smooth path


@dataclass(frozen=True)
class Stretch:
    """Samples that follow each other without a jump.

    Attributes:
        values: (n, C), NaN where missing.
        gaps: (n,), seconds since the sample before; the first is the median gap.
        inputs: (n, K), what was known to act; K may be 0.
        trial: of which series it is a part.
    """

    values: np.ndarray
    gaps: np.ndarray
    inputs: np.ndarray
    trial: int

    def __len__(self) -> int:
        return len(self.values)

    def part(self, first: int, last: int) -> "Stretch":
        return replace(self, values=self.values[first:last], gaps=self.gaps[first:last], inputs=self.inputs[first:last])


@dataclass(frozen=True)
class Recording:
    """What was recorded, in stretches.

    Attributes:
        stretches: in order of series and time.
        step: the median gap, seconds; 1 where no times came.
        even: whether all gaps within stretches are that step.
        channels: how many were recorded.
        said: what was found and done at the door, in sentences.
        every: of so many samples that were recorded one is used.
        delays, lag: states are so many samples of all channels, lag samples apart, the latest first.
    """

    stretches: tuple[Stretch, ...]
    step: float
    even: bool
    channels: int
    said: tuple[str, ...]
    every: int = 1
    delays: int = 1
    lag: int = 1

    @property
    def samples(self) -> int:
        return sum(map(len, self.stretches))

    @property
    def values(self) -> np.ndarray:
        """(samples, C), of all stretches."""
        return np.concatenate([stretch.values for stretch in self.stretches])

    def scale(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each channel, (C,) each."""
        values = self.values
        return np.nanmean(values, axis=0), np.nanstd(values, axis=0)


def read_recording(data: Any, times: Any = None, inputs: Any = None) -> Recording:
    """A recording from what users have.

    Args:
        data: (time, channels) or (time,) of one recording; or whatever `gnode.Series.of` takes, of several.
        times: as `gnode.Series.of` takes them; None for the uniform grid of one second.
        inputs: what was known to act, of the same form and length: the inputs of each sample act until it.

    Raises:
        InvalidInput: too short, a constant channel, a channel that is another's copy, values beyond float32.
    """
    series = _as_series(data, times)
    known = None if inputs is None else _as_series(inputs, None)
    if known is not None and not (known.shape[:2] == series.shape[:2] and (known.valid == series.valid).all()):
        must_have(f"inputs with the samples of the recording, {series!r}", f"{known!r}")
    if known is not None and known.observed is not None:
        must_have("inputs that are all there", "missing ones")
    step = _median_gap(series)
    stretches, said = _stretches(series, known, step)
    recording = Recording(tuple(stretches), step, _is_even(stretches, step), series.channels, tuple(said))
    _refuse(recording)
    return recording


def delayed(recording: Recording, delays: int, lag: int) -> Recording:
    """The recording whose channels are delay vectors (Takens 1981): so many samples, lag apart, the latest first.

    Raises:
        InvalidInput: an uneven clock, or stretches that are all too short.
    """
    if delays == 1:
        return replace(recording, delays=1, lag=lag)
    if not recording.even:
        must_have("an even clock for delays", "gaps that differ", "Record more channels, or resample the recording.")
    reach = (delays - 1) * lag
    longer = [stretch for stretch in recording.stretches if len(stretch) > reach + 1]
    if not suffices_for(recording, delays, lag):
        need = FEWEST + reach
        must_have(
            f"a stretch of at least {need} samples for {delays} delays of {lag} samples",
            f"at most {max(map(len, recording.stretches))}",
            "Record longer, or ask for fewer delays.",
        )
    made = []
    for stretch in longer:
        count = len(stretch) - reach
        parts = [stretch.values[reach - at * lag : reach - at * lag + count] for at in range(delays)]
        made.append(replace(stretch.part(reach, len(stretch)), values=np.hstack(parts)))
    return replace(recording, stretches=tuple(made), delays=delays, lag=lag)


def suffices_for(recording: Recording, delays: int, lag: int) -> bool:
    """Whether enough samples have so many delays before them."""
    reach = (delays - 1) * lag
    return sum(max(len(stretch) - reach, 0) for stretch in recording.stretches if len(stretch) > reach + 1) >= FEWEST


def thinned(recording: Recording, factor: int) -> Recording:
    """Every so-manieth sample."""
    if factor == 1:
        return recording
    made = []
    for stretch in recording.stretches:
        at = np.arange(0, len(stretch), factor)
        since = np.cumsum(stretch.gaps)[at]
        gaps = np.diff(since, prepend=since[0] - factor * recording.step)
        made.append(Stretch(stretch.values[at], gaps, stretch.inputs[at], stretch.trial))
    said = (*recording.said, f"Sampled densely: every {factor}th sample is used.")
    return replace(recording, stretches=tuple(made), step=factor * recording.step, every=factor, said=said)


def _as_series(data: Any, times: Any) -> Series:
    if isinstance(data, Series):
        return Series.of(data, times)
    if not isinstance(data, (list, tuple)) and not hasattr(data, "columns"):
        array = as_floats(data, "a recording")
        if array.ndim in (1, 2):
            return Series.of([array], None if times is None else [times])
        if array.ndim != 3:
            must_have("a recording (time, channels), or several", described(data))
        return Series.of(array, times)
    if hasattr(data, "columns"):
        return Series.of([data], None if times is None else [times])
    return Series.of(data, times)


def _median_gap(series: Series) -> float:
    if series.clock is None:
        return 1.0
    gaps = np.broadcast_to(series.gaps, series.shape[:2])
    later = series.valid & (np.arange(series.longest) > 0)
    return float(np.median(gaps[later])) if later.any() else 1.0


def _stretches(series: Series, known: Series | None, step: float) -> tuple[list[Stretch], list[str]]:
    # In one order in memory, whatever came: sums depend on it in their last bits.
    values = np.ascontiguousarray(np.where(series.seen, series.values, np.nan), float)
    inputs = np.zeros((*series.shape[:2], 0)) if known is None else known.values.astype(float)
    elapsed = np.broadcast_to(series.elapsed(step), series.shape[:2])
    stretches, jumps = [], 0
    for trial, length in enumerate(series.valid.sum(axis=1)):
        cuts = np.flatnonzero(elapsed[trial, :length] > _JUMP * step)
        jumps += len(cuts)
        for first, last in zip((0, *cuts), (*cuts, length), strict=True):
            if last - first > 1:
                gaps = elapsed[trial, first:last].copy()
                gaps[0] = step
                stretches.append(Stretch(values[trial, first:last], gaps, inputs[trial, first:last], trial))
    said = []
    if jumps:
        said.append(f"The clock jumps {jumps} time{'s' * (jumps != 1)} by more than {_JUMP:g} steps: cut there.")
    missing = np.isnan(np.concatenate([stretch.values for stretch in stretches])).any(axis=1).mean() if stretches else 0
    if missing:
        said.append(f"{missing:.1%} of the samples miss a channel and do not count.")
    return stretches, said


def _is_even(stretches: list[Stretch], step: float) -> bool:
    return all(np.abs(stretch.gaps - step).max() <= _EVEN * step for stretch in stretches)


def _longest_run(seen: np.ndarray) -> int:
    """How many true values follow each other at most."""
    gaps = np.flatnonzero(~np.concatenate([[False], seen, [False]]))
    return int(np.diff(gaps).max()) - 1


def _refuse(recording: Recording) -> None:
    values = recording.values
    never = np.isnan(values).all(axis=0)
    if len(values) and never.any():
        must_have("channels that were seen", f"channel {int(np.argmax(never))} that never was", "Leave it out.")
    whole = [~np.isnan(stretch.values).any(axis=1) for stretch in recording.stretches]
    count = int(sum(one.sum() for one in whole))
    if count < FEWEST:
        must_have(
            f"at least {FEWEST} samples in which all channels were seen", count, "Record longer, or with fewer gaps."
        )
    longest = max(map(_longest_run, whole))
    if longest < TOGETHER:
        must_have(
            f"at least {TOGETHER} samples that follow each other, in which all channels were seen",
            f"at most {longest}",
            "Record without a gap, or fill short ones.",
        )
    size = np.nanmax(np.abs(values), axis=0)
    still = np.nanstd(values, axis=0) <= _SAME * size
    if still.any():
        must_have("channels that vary", f"a constant one, channel {int(np.argmax(still))}", "Leave it out.")
    rows = values[~np.isnan(values).any(axis=1)]
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    alike = np.abs(rows.T @ rows) / len(rows) - np.eye(rows.shape[1])
    if alike.size and alike.max() > _COPY:
        first, second = np.unravel_index(int(alike.argmax()), alike.shape)
        must_have("channels that differ", f"channel {second} that is a copy of channel {first}", "Leave one out.")
