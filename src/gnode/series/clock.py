"""When samples were taken: times of any kind become ticks that lose nothing, and must increase within a series."""

from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Any

import numpy as np

from gnode.errors import look_up, must_have
from gnode.series.arrays import Recordings, described, on_host

UNITS = {  # seconds as a fraction, so that 100,000,000 ns are exactly the float64 nearest to 0.1 s
    "ns": (1, 1_000_000_000),
    "us": (1, 1_000_000),
    "ms": (1, 1_000),
    "s": (1, 1),
    "min": (60, 1),
    "h": (3_600, 1),
    "d": (86_400, 1),
}


@dataclass(frozen=True, eq=False)
class Clock:
    """When the samples were taken, as exactly as it came in.

    Attributes:
        ticks: (trials, time), or (1, time) where one clock serves all; int64 or float64, 0 at padding.
        unit: of a tick, a key of UNITS.
        dates: whether ticks count from 1970-01-01 UTC.
    """

    ticks: np.ndarray
    unit: str
    dates: bool

    @property
    def times(self) -> np.ndarray:
        """float64 seconds, or datetime64[ns] in UTC; shaped like the ticks."""
        return self.ticks.astype("datetime64[ns]") if self.dates else seconds_of(self.ticks, self.unit)

    @property
    def gaps(self) -> np.ndarray:
        """float64 seconds since the sample before, 0 at the first; shaped like the ticks.

        The difference is formed in ticks, before anything is rounded: float64 seconds since 1970 are only good to 0.2
        microseconds.
        """
        return seconds_of(np.diff(self.ticks, axis=1, prepend=self.ticks[:, :1]), self.unit)

    @property
    def since(self) -> np.ndarray:
        """float64 seconds since the first sample, at samples; shaped like the ticks.

        Formed as those of events are (gnode.series.events), so that what happens at a sample has its time to the bit.
        """
        return seconds_of(self.ticks - self.ticks[:, :1], self.unit)


def read_clock(times: Any, unit: str | None, recordings: Recordings) -> Clock:
    """The clock of the samples that were read, checked."""
    if isinstance(times, (list, tuple)) and len(times) and np.ndim(times[0]) > 0:
        rows = [read_stamps(row, f"times of series {at}") for at, row in enumerate(times)]
    else:
        stamps = read_stamps(times, "times")
        if stamps.ndim == 1:
            return _read_common_clock(stamps, unit, recordings)
        if stamps.ndim != 2:
            must_have("times of shape (time,) or (trials, time)", f"shape {stamps.shape}")
        rows = list(stamps)
        if stamps.shape[1] == recordings.width:  # padded as the values are
            rows = [row[:length] for row, length in zip(rows, recordings.lengths, strict=False)]
    if len(rows) != len(recordings.lengths):
        must_have(f"times for each of {len(recordings.lengths)} series", f"times for {len(rows)}")
    for name, row, length in zip(recordings.names, rows, recordings.lengths, strict=True):
        if row.shape != (length,):
            must_have("as many times as samples", f"times of shape {row.shape} for {length} samples in series {name!r}")
    clocks = [_clock(row, unit) for row in rows]
    first = clocks[0]
    if any((clock.unit, clock.dates) != (first.unit, first.dates) for clock in clocks):
        must_have("times of one kind", "dates or durations in some series and other times in others")
    ticks = np.concatenate([clock.ticks for clock in clocks])
    _check_ticks(ticks, recordings, any(map(_narrow, rows)))
    return Clock(recordings.put(ticks), first.unit, first.dates)


def _read_common_clock(stamps: np.ndarray, unit: str | None, recordings: Recordings) -> Clock:
    """One clock for all series."""
    if len(stamps) != recordings.width:
        must_have("as many times as samples", f"{len(stamps)} times for {recordings.width} samples")
    clock = _clock(stamps, unit)
    _check_ticks(clock.ticks, recordings._replace(lengths=np.array([len(stamps)])), _narrow(stamps))
    return Clock(clock.ticks[None], clock.unit, clock.dates)


def read_stamps(times: Any, what: str) -> np.ndarray:
    """Times as an array of integers, floats, datetime64 or timedelta64."""
    if getattr(getattr(times, "dtype", None), "tz", None) is not None:  # pandas, with a zone
        return np.asarray(times, "datetime64[ns]")
    nullable = getattr(getattr(times, "dtype", None), "numpy_dtype", None)  # pandas' own types
    try:
        array = np.asarray(on_host(times)) if nullable is None else times.to_numpy(dtype=nullable)
    except (TypeError, ValueError, RuntimeError):
        must_have(f"an array of {what}", described(times), "Times must all be there.")
    if np.ma.is_masked(times):
        must_have(f"{what} that are all there", "masked ones")
    if array.dtype == object:
        array = _from_objects(array, what)
    if array.dtype.kind not in "iufMm":
        advice = "pandas.to_datetime reads texts." if array.dtype.kind in "OUST" else ""
        must_have(f"{what} that are numbers, datetime64, timedelta64 or pandas' dates", str(array.dtype), advice)
    return array


def _from_objects(array: np.ndarray, what: str) -> np.ndarray:
    """Python's or pandas' dates or durations, as NumPy's; other objects stay what they are."""
    items = array.ravel().tolist()
    if all(isinstance(item, timedelta) for item in items):
        stamps = [item.to_timedelta64() if hasattr(item, "to_timedelta64") else np.timedelta64(item) for item in items]
    elif all(isinstance(item, date) for item in items):
        zoned = {getattr(item, "tzinfo", None) is not None for item in items if item == item}  # NaT has none
        if len(zoned) > 1:
            must_have(f"{what} that all have a time zone, or none of them", "some with and some without")
        stamps = [_date64(item) for item in items]
    else:
        return array
    return np.array(stamps).reshape(array.shape)


def _date64(item: Any) -> np.datetime64:
    """A date of Python or pandas, in UTC if it has a zone."""
    if hasattr(item, "to_datetime64"):
        return item.to_datetime64()
    if getattr(item, "tzinfo", None) is not None:
        item = item.astimezone(UTC).replace(tzinfo=None)
    return np.datetime64(item)


def _clock(stamps: np.ndarray, unit: str | None) -> Clock:
    """Times of one array in ticks."""
    kind = stamps.dtype.kind
    if kind in "Mm":
        if unit is not None:
            must_have("no unit beside dates or durations, which have their own", repr(unit))
        return Clock(_nanoseconds(stamps), "ns", kind == "M")
    look_up("time unit", "s" if unit is None else unit, UNITS)
    return Clock(stamps.astype(float if kind == "f" else np.int64), "s" if unit is None else unit, False)


def _nanoseconds(stamps: np.ndarray) -> np.ndarray:
    """datetime64 or timedelta64 of any unit as int64 nanoseconds; NaT stays the least integer."""
    kind, (unit, _) = stamps.dtype.kind, np.datetime_data(stamps.dtype)
    if kind == "m" and unit in ("Y", "M", "generic"):
        must_have("durations of a fixed length", f"timedelta64[{unit}]")
    exact = stamps.astype(f"{kind}8[ns]")
    changed = (exact.astype(stamps.dtype) != stamps) & ~np.isnat(stamps)  # NumPy wraps in silence
    if changed.any():
        must_have("whole nanoseconds, within 292 years of 1970 or of 0", repr(stamps[changed][0]))
    return exact.astype(np.int64)


def _check_ticks(ticks: np.ndarray, recordings: Recordings, narrow: bool) -> None:
    """Ticks of all series, one after the other, must be there and increase within each."""
    there = np.isfinite(ticks) if ticks.dtype.kind == "f" else ticks != np.iinfo(np.int64).min
    if not there.all():
        at = int(np.argmin(there))
        got = "infinity" if np.isinf(ticks[at]) else "NaN or NaT"
        must_have("a finite time for each sample", f"{got} in {recordings.place(at)}")
    steps = np.diff(ticks)
    wrong = steps <= 0
    wrong[np.cumsum(recordings.lengths)[:-1] - 1] = False  # from one series to the next
    if wrong.any():
        at = int(np.argmax(wrong))
        got = "the time of the sample before" if steps[at] == 0 else "a time before that of the sample before"
        advice = "Times came as float32 or less, which cannot tell close ones apart." if narrow else ""
        must_have("times that increase", f"{got} in {recordings.place(at + 1)}", advice)


def read_ticks(times: Any, clock: Clock, what: str) -> np.ndarray:
    """Times (n,) of any order in the ticks of a clock, all of them there."""
    stamps = read_stamps(np.asarray(times, float) if np.size(times) == 0 else times, what)
    if stamps.ndim != 1:
        must_have(f"{what} of shape (events,)", f"shape {stamps.shape}")
    if not stamps.size:
        return np.zeros(0, clock.ticks.dtype)
    read = _clock(stamps, None if stamps.dtype.kind in "Mm" else clock.unit)
    if (read.unit, read.dates) != (clock.unit, clock.dates):
        must_have(f"{what} on the clock of the samples", "dates or durations beside other times")
    if read.ticks.dtype.kind == "f" and not np.isfinite(read.ticks).all():
        must_have(f"{what} that are finite", "NaN or infinity")
    if read.ticks.dtype.kind == "i" and (read.ticks == np.iinfo(np.int64).min).any():
        must_have(f"{what} that are all there", "NaT")
    return read.ticks


def _narrow(stamps: np.ndarray) -> bool:
    return stamps.dtype in (np.float16, np.float32)


def seconds_of(ticks: np.ndarray, unit: str) -> np.ndarray:
    multiple, part = UNITS[unit]
    return ticks.astype(float) * multiple / part
