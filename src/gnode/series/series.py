"""Series: values at times, checked and converted once."""

import hashlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from gnode.cards import Card, as_html, curves
from gnode.errors import look_up, must_have
from gnode.series.arrays import Recordings, as_array, as_floats, described, feed, is_frame
from gnode.series.clock import Clock, read_clock, read_stamps
from gnode.series.events import Events, read_events, stored_events
from gnode.series.storage import named, read_arrays, write_arrays

_DRAWN = 4  # channels of a picture


@dataclass(frozen=True, eq=False, repr=False)
class Series:
    """Values at times: recordings, inputs, targets. Made by `Series.of`; its arrays cannot be written to.

    Attributes:
        values: (trials, time, channels), float32 if they came with at most 24 bits, else float64; 0 where missing or
            padded.
        clock: when the samples were taken; None for the uniform grid, whose step is the model's dt.
        observed: (trials, time, channels), True where a value was seen; None where all were.
        lengths: (trials,), how many samples each series has; None where all fill the array.
        events: what happened between samples and at them, from `with_events`; None for nothing.
        names: of the series, where they came from a column; by these what stands beside them finds its place.
    """

    values: np.ndarray
    clock: Clock | None
    observed: np.ndarray | None
    lengths: np.ndarray | None
    events: Events | None = None
    names: tuple | None = None

    def __post_init__(self) -> None:
        ticks = None if self.clock is None else self.clock.ticks
        for array in (self.values, ticks, self.observed, self.lengths):
            if array is not None:
                array.setflags(write=False)

    @staticmethod
    def of(
        data: Any,
        times: Any = None,
        *,
        unit: str | None = None,
        lengths: Any = None,
        series: str | None = None,
        time: str | None = None,
        channels: str | Sequence[str] | None = None,
    ) -> "Series":
        """Series from what users have. NaN, None in pandas, and what is masked in a NumPy masked array mean "missing".

        Args:
            data: one of
                a list of arrays (time, channels) or (time,), of any lengths;
                an array (trials, time, channels) of NumPy, JAX or PyTorch;
                a long pandas frame: one row a sample, in order of time within each series;
                a list of pandas frames, one a series;
                a Series, which is handed back.
            times: None for the uniform grid; one clock for all series, (time,), of which shorter ones take the
                beginning; or one for each: (trials, time) or a list. Numbers, datetime64, timedelta64, or pandas'
                dates, which become UTC where they have a zone.
            unit: of times that are numbers: "s" (the default), "ns", "us", "ms", "min", "h" or "d".
            lengths: (trials,), for an array: what lies behind them is padding and never read.
            series, time, channels: the columns of a frame that hold the name of the series, the time and the values
                (by default all the others). Without `series` the frame is one series, without `time` on a uniform grid.

        Raises:
            InvalidInput: numbers that float32 cannot hold, infinity, an array that holds no numbers; times that repeat,
                run backwards or are not finite; lengths that do not match; no series, or one in which nothing was seen.

        Example:
            >>> Series.of([[0.1, 0.2, 0.4], [0.3, float("nan")]], times=[[0, 1, 3], [0, 2]], unit="ms")
            Series(2 series, 2 to 3 samples, 1 channel, own times, 20 % missing)
        """
        for name, column in (("series", series), ("time", time)):
            if column is not None and not isinstance(column, Hashable):
                must_have(f"{name} the name of a column", repr(column))
        frames = is_frame(data) or (isinstance(data, (list, tuple)) and any(map(is_frame, data)))
        if not frames and not (series is time is channels is None):
            must_have("a pandas frame for series=, time= or channels=", described(data))
        if lengths is not None and (frames or isinstance(data, (list, tuple, Series))):
            must_have("lengths only beside an array (trials, time, channels)", f"lengths beside {described(data)}")
        if time is not None and times is not None:
            must_have("times or the column that holds them", "both")
        if isinstance(data, Series):
            if times is not None or unit is not None:
                must_have("a Series alone, which has its own times", "times beside it")
            return data
        if is_frame(data):
            if series is None and time is None:
                must_have(
                    "series= or time=, the columns of a long frame that name the series and the time",
                    "neither",
                    "One row a series: Series.of_wide. One frame a series: Series.of([frame, ...]).",
                )
            recordings, times = _read_long(data, times, series, time, channels)
        elif isinstance(data, (list, tuple)):
            recordings, times = _read_list(data, times, time, channels)
        else:
            recordings = _read_array(data, lengths)
        if times is None and unit is not None:
            must_have("times that the unit belongs to", f"unit={unit!r} without times")
        return _assemble(recordings, None if times is None else read_clock(times, unit, recordings))

    @staticmethod
    def of_aeon(collection: Any, times: Any = None, *, unit: str | None = None) -> "Series":
        """Series from aeon's collections, where channels come before time.

        Args:
            collection: (cases, channels, time); (cases, time) of one channel; or a list of (channels, time).
            times, unit: as in `Series.of`.

        Raises:
            InvalidInput: another shape, or times that do not fit.
        """
        if isinstance(collection, (list, tuple)):
            cases = [as_floats(case, f"series {at}") for at, case in enumerate(collection)]
            for at, case in enumerate(cases):
                if case.ndim != 2:
                    must_have("arrays (channels, time) in aeon's collections", f"shape {case.shape} for series {at}")
            return Series.of([case.T for case in cases], times, unit=unit)
        array = as_floats(collection, "the collection")
        if array.ndim not in (2, 3):
            must_have("a collection (cases, channels, time) or (cases, time)", f"shape {array.shape}")
        return Series.of(array[..., None] if array.ndim == 2 else np.swapaxes(array, 1, 2), times, unit=unit)

    @staticmethod
    def of_wide(frame: Any, times: Any = None, *, unit: str | None = None, lengths: Any = None) -> "Series":
        """Series from a wide pandas frame: one row a series, one column a sample, or columns (channel, sample).

        The labels of the columns are not read as times: give `times=frame.columns` if they are.

        Args:
            times, unit, lengths: as in `Series.of`.

        Raises:
            InvalidInput: no frame, columns of more than two levels, or times that do not fit.
        """
        if not is_frame(frame):
            must_have("a wide pandas frame", described(frame))
        if frame.columns.nlevels == 1:
            blocks = [frame]
        elif frame.columns.nlevels == 2:
            blocks = [frame[channel] for channel in frame.columns.get_level_values(0).unique()]
        else:
            must_have("columns of one level, or two: (channel, sample)", f"{frame.columns.nlevels} levels")
        if any(not block.columns.equals(blocks[0].columns) for block in blocks):
            must_have("the same samples in the same order for each channel", "channels that differ in their columns")
        values = np.stack([as_floats(block, "the frame") for block in blocks], axis=-1)
        return Series.of(values, times, unit=unit, lengths=lengths)

    def with_events(self, times: Sequence[Sequence[Any]], sizes: Sequence[Sequence[Any]] | None = None) -> "Series":
        """The same series beside which something happened: spikes, doses, stimuli.

        Args:
            times: for each series and each kind of event the times of its events, (n,), on the clock of the series;
                none later than the last sample.
            sizes: of the same form; 1 each by default.

        Example:
            >>> Series.of([[0.0, 1.0]], times=[[0.0, 2.0]]).with_events([[[0.5, 1.5], []]])
            Series(1 series, 2 samples, 1 channel, own times, 2 events of 2 kinds)
        """
        return replace(self, events=read_events(self.clock, self.valid.sum(axis=1), times, sizes))

    def __len__(self) -> int:
        return self.values.shape[0]

    def __getitem__(self, index: Any) -> "Series":
        """Some of the series, by an integer, a slice or an array of integers; the trials axis always stays."""
        chosen = np.atleast_1d(np.arange(len(self))[index])
        if chosen.ndim != 1 or not chosen.size:
            must_have("an index that picks at least one series", repr(index))
        clock = self.clock
        if clock is not None and self._own_clocks:
            clock = Clock(clock.ticks[chosen], clock.unit, clock.dates)
        return Series(
            self.values[chosen],
            clock,
            None if self.observed is None else self.observed[chosen],
            None if self.lengths is None else self.lengths[chosen],
            None if self.events is None else self.events.of(chosen),
            None if self.names is None else tuple(self.names[at] for at in chosen),
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(trials, time, channels), padding included."""
        trials, time, channels = self.values.shape
        return trials, time, channels

    @property
    def channels(self) -> int:
        """How many numbers a sample has."""
        return self.values.shape[2]

    @property
    def longest(self) -> int:
        """The number of samples of the longest series."""
        return self.values.shape[1] if self.lengths is None else int(self.lengths.max())

    @property
    def valid(self) -> np.ndarray:
        """(trials, time), False at padding."""
        trials, time, _ = self.values.shape
        if self.lengths is None:
            return np.ones((trials, time), bool)
        return np.arange(time) < self.lengths[:, None]

    @property
    def seen(self) -> np.ndarray:
        """(trials, time, channels), True where there is a value: neither missing nor padding."""
        if self.observed is not None:
            return self.observed
        return np.broadcast_to(self.valid[..., None], self.values.shape)

    @property
    def times(self) -> np.ndarray | None:
        """(trials, time), the clock that came in: float64 seconds or datetime64[ns] in UTC, NaN or NaT at padding."""
        if self.clock is None:
            return None
        times = np.broadcast_to(self.clock.times, self.values.shape[:2])
        return np.where(self.valid, times, np.array("NaT", times.dtype) if self.clock.dates else np.nan)

    @property
    def gaps(self) -> np.ndarray:
        """Seconds since the sample before, 0 at the first, (trials, time) or (1, time).

        Raises:
            InvalidInput: they are on the uniform grid, without times of their own.
        """
        if self.clock is None:
            must_have("series with times of their own", "the uniform grid")
        return self.clock.gaps

    def elapsed(self, dt: float) -> np.ndarray:
        """Seconds that each sample acts for, (trials, time) or, where all agree, (1, time); float64.

        Args:
            dt: seconds that the first sample acts for, and the step of the uniform grid.

        Returns:
            dt for the first sample, then the gap to the sample before; 0 at padding.

        Raises:
            InvalidInput: dt is no positive number.
        """
        if isinstance(dt, bool) or not isinstance(dt, Real) or not 0 < dt < np.inf:
            must_have("dt a positive number of seconds", repr(dt))
        if self.clock is None:
            steps = np.full((1, self.values.shape[1]), dt, float)
        else:
            steps = self.clock.gaps
            steps[:, 0] = dt
        return steps if self.lengths is None else np.where(self.valid, steps, 0.0)

    def digest(self) -> str:
        """A SHA-256 in hexadecimal that names the content: equal for equal content, whatever form it came in."""
        content = hashlib.sha256(b"gnode series 1")
        valid = self.valid
        lengths = valid.sum(axis=1)
        feed(content, lengths, np.array(self.channels))
        feed(content, self.values[valid].astype(float), self.seen[valid])
        if self.clock is not None:
            content.update(b"dates" if self.clock.dates else b"seconds")
            for array in (self.clock.times, self.clock.gaps):
                feed(content, np.broadcast_to(array, valid.shape)[valid])
        if self.events is not None:
            events = self.events
            order = np.lexsort((events.size, events.kind, events.seconds, events.series))
            feed(content, np.array(events.kinds))
            for array in (events.series, events.seconds, events.kind, events.size):
                feed(content, array[order].astype(float))
        return content.hexdigest()

    def save(self, path: str | Path) -> None:
        """Write the series to an .npz file, whole or not at all."""
        write_arrays(path, self.as_arrays())

    @staticmethod
    def load(path: str | Path) -> "Series":
        """The series in a file that `save` wrote, which passes the same door again.

        Raises:
            InvalidInput: there is no such file, or it is truncated, foreign, of a newer format, or holds no series.
        """
        content = read_arrays(path, "series")
        with named(path, "series"):
            return Series.from_arrays(content)

    def as_arrays(self) -> dict[str, Any]:
        """What a file of these series holds, by name."""
        content: dict[str, Any] = {"values": np.where(self._missing, np.nan, self.values)}
        if self.lengths is not None:
            content["lengths"] = self.lengths
        if self.clock is not None:
            content["ticks"] = self.clock.ticks if self._own_clocks else self.clock.ticks[0]
            content["unit"] = "date" if self.clock.dates else self.clock.unit
        if self.events is not None:
            for name in ("series", "seconds", "kind", "size", "kinds"):
                content[f"events.{name}"] = getattr(self.events, name)
        return content

    @staticmethod
    def from_arrays(content: Mapping[str, np.ndarray]) -> "Series":
        """The series of which a file holds these arrays."""
        values, times, lengths = content["values"], content.get("ticks"), content.get("lengths")
        unit = str(content.get("unit", ""))
        if unit == "date" and times is not None and times.dtype.kind == "i":
            series = Series.of(values, times.astype("datetime64[ns]"), lengths=lengths)
        else:
            series = Series.of(values, times, unit=unit or None, lengths=lengths)
        return replace(series, events=stored_events(content, len(series)))

    def _repr_html_(self) -> str:
        first = self.values[0, : int(self.valid[0].sum())]
        shown = curves(np.where(self.seen[0, : len(first)], first, np.nan).T[:_DRAWN], "the first series")
        return as_html(Card(repr(self), picture=shown))

    def __repr__(self) -> str:
        lengths = self.valid.sum(axis=1)
        fewest, most = int(lengths.min()), int(lengths.max())
        words = [
            f"{len(self)} series",
            f"{most} sample{'s' * (most != 1)}" if fewest == most else f"{fewest} to {most} samples",
            f"{self.channels} channel{'s' * (self.channels != 1)}",
            "uniform grid" if self.clock is None else "dates" if self.clock.dates else "own times",
        ]
        if self._missing.any():
            words.append(f"{100 * self._missing.sum() / (lengths.sum() * self.channels):.2g} % missing")
        if self.events is not None:
            words.append(f"{len(self.events.kind)} events of {self.events.kinds} kind{'s' * (self.events.kinds != 1)}")
        return f"Series({', '.join(words)})"

    @property
    def _missing(self) -> np.ndarray:
        return self.valid[..., None] & ~self.seen

    @property
    def _own_clocks(self) -> bool:
        return self.clock is not None and len(self.clock.ticks) == len(self)


def _assemble(recordings: Recordings, clock: Clock | None) -> Series:
    """Series of what was read, with the values checked; the clock has been."""
    samples, lengths = recordings.samples, recordings.lengths
    seen = ~np.isnan(samples)
    with np.errstate(over="ignore"):
        fitting = np.isfinite(samples.astype(np.float32, copy=False)) | ~seen
    if not fitting.all():
        sample, channel = np.argwhere(~fitting)[0]
        must_have(
            "finite values that float32 can hold, or NaN where one is missing",
            f"{samples[sample, channel]:g} in {recordings.place(sample, channel)}",
        )
    some = np.logical_or.reduceat(seen.any(axis=1), np.cumsum(lengths) - lengths)
    if samples.shape[1] and not some.all():
        must_have(
            "at least one value that was seen in each series",
            f"everything missing in series {recordings.names[int(np.argmin(some))]!r}",
        )
    return Series(
        values=recordings.put(np.where(seen, samples, samples.dtype.type(0))),
        clock=clock,
        observed=None if seen.all() else recordings.put(seen),
        lengths=None if (lengths == recordings.width).all() else lengths,
        names=None if isinstance(recordings.names, range) else tuple(recordings.names),
    )


def _read_array(data: Any, lengths: Any) -> Recordings:
    """The samples of an array (trials, time, channels)."""
    array = as_floats(data, "data")
    if array.ndim != 3:
        advice = "One series of several channels: data[None]. Series of one channel: data[..., None]."
        must_have(
            "an array (trials, time, channels), or a list of arrays (time, channels)",
            f"an array of shape {array.shape}",
            advice if array.ndim == 2 else "",
        )
    trials, time, channels = array.shape
    if not trials or not time:
        must_have("at least one series, and in it at least one sample", f"an array of shape {array.shape}")
    if lengths is None:
        return Recordings(array.reshape(trials * time, channels), np.full(trials, time), time, range(trials))
    counts = as_array(lengths, "lengths")
    if counts.shape != (trials,) or counts.dtype.kind not in "iu":
        must_have(f"one integer length for each of {trials} series", f"{counts.dtype} of shape {counts.shape}")
    for series in np.flatnonzero((counts < 1) | (counts > time))[:1]:
        must_have(f"lengths between 1 and {time}", f"{counts[series]} for series {series}")
    counts = np.array(counts, np.int64)
    return Recordings(array[np.arange(time) < counts[:, None]], counts, time, range(trials))


def _read_list(
    data: Sequence[Any], times: Any, time: str | None, channels: str | Sequence[str] | None
) -> tuple[Recordings, Any]:
    """The samples of a list of arrays or frames, and their times."""
    if not len(data):
        must_have("at least one series", "an empty list")
    arrays, clocks = [], []
    for at, item in enumerate(data):
        if is_frame(item):
            names = _columns(item, [time], channels)
            clocks.append(None if time is None else item[time])
            item = item[names]
        array = as_floats(item, f"series {at}")
        if array.ndim == 0:
            must_have(
                "a list of arrays, one for each series", "a list of numbers", "A single series: [[1.0, 2.0, ...]]."
            )
        if array.ndim > 2:
            must_have("series of shape (time, channels) or (time,)", f"shape {array.shape} for series {at}")
        array = array[:, None] if array.ndim == 1 else array
        if not len(array):
            must_have("at least one sample in each series", f"none in series {at}")
        if arrays and array.shape[1] != arrays[0].shape[1]:
            must_have(
                f"as many channels in each series as in the first, {arrays[0].shape[1]}",
                f"{array.shape[1]} in series {at}",
            )
        arrays.append(array)
    if time is not None and len(clocks) != len(data):
        must_have("a list of frames for time=", "a list of frames and arrays")
    lengths = np.array([len(array) for array in arrays])
    recordings = Recordings(np.concatenate(arrays), lengths, int(lengths.max()), range(len(data)))
    return recordings, times if time is None else clocks


def _read_long(
    frame: Any, times: Any, series: str | None, time: str | None, channels: str | Sequence[str] | None
) -> tuple[Recordings, Any]:
    """The samples of a frame with one row a sample, and their times, a list of one clock for each series."""
    if {series, time} & set(frame.index.names) - {None}:
        frame = frame.reset_index()
    names = _columns(frame, [series, time], channels)
    if not len(frame):
        must_have("at least one series", "a frame without rows")
    if series is None:
        return _read_list([frame], times, time, names)
    codes, labels = frame[series].factorize()  # in order of appearance
    if (codes < 0).any():
        must_have(f"the name of a series in each row of {series!r}", f"none in row {int(np.argmin(codes))}")
    rows = np.argsort(codes, kind="stable")
    lengths = np.bincount(codes)
    samples = as_floats(frame[names], "the frame")[rows]
    recordings = Recordings(samples, lengths, int(lengths.max()), labels.tolist())
    if time is None:
        return recordings, times
    return recordings, np.split(read_stamps(frame[time], f"column {time!r}")[rows], np.cumsum(lengths)[:-1])


def _columns(frame: Any, taken: Sequence[str | None], channels: str | Sequence[str] | None) -> list[str]:
    """The columns that hold the values: those asked for, or all that are not taken."""
    if not frame.columns.is_unique:
        must_have("columns of different names", f"{frame.columns[frame.columns.duplicated()][0]!r} twice")
    known = {str(name): name for name in frame.columns}
    for name in taken:
        if name is not None and name not in frame.columns:
            look_up("column", name, known)
    if channels is None:
        return [name for name in frame.columns if name not in taken]
    asked = list(channels) if isinstance(channels, Iterable) and not isinstance(channels, str) else [channels]
    if len(set(asked)) < len(asked):
        must_have("channels that are different columns", repr(asked))
    for name in asked:
        if name not in frame.columns:
            look_up("column", name, known)
    return asked
