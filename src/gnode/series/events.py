"""Events beside the samples of a series: spikes, doses, stimuli; each at a time of its own, of a kind, of a size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnode.errors import must_have
from gnode.series.arrays import as_floats
from gnode.series.clock import Clock, read_ticks, seconds_of

_ROUNDINGS = 4  # by so many units in the last place may the times of an event and of its sample differ


@dataclass(frozen=True, eq=False)
class Events:
    """What happened in each series, one array an event.

    Attributes:
        series: (events,), which series.
        seconds: (events,), float64 since the first sample of that series.
        kind: (events,), from 0.
        size: (events,), float32.
        kinds: how many kinds there are.
    """

    series: np.ndarray
    seconds: np.ndarray
    kind: np.ndarray
    size: np.ndarray
    kinds: int

    def of(self, chosen: np.ndarray) -> "Events":
        """The events of some of the series, which are numbered anew."""
        at = [np.flatnonzero(self.series == series) for series in chosen]
        which = np.concatenate(at)
        numbers = np.repeat(np.arange(len(chosen)), [len(some) for some in at])
        return Events(numbers, self.seconds[which], self.kind[which], self.size[which], self.kinds)


def read_events(clock: Clock | None, lengths: np.ndarray, times: Any, sizes: Any) -> Events:
    """Events from times [series][kind] and sizes of the same form (None for 1 each), on the clock of the samples."""
    if clock is None:
        must_have("series with times of their own for events", "the uniform grid", "Give times= to Series.of.")
    if not isinstance(times, Sequence) or len(times) != len(lengths):
        must_have(f"times of events for each of {len(lengths)} series", _described(times))
    kinds = {len(of_series) for of_series in times}
    if len(kinds) != 1 or not min(kinds):
        must_have("in each series an array of times for each kind of event", f"{sorted(kinds)} kinds")
    if sizes is not None and [len(of_series) for of_series in sizes] != [*kinds] * len(times):
        must_have("sizes of the same form as the times of events", _described(sizes))
    found: list[list[np.ndarray]] = []
    ticks = np.broadcast_to(clock.ticks, (len(lengths), clock.ticks.shape[1]))
    for number, (of_series, length) in enumerate(zip(times, lengths, strict=True)):
        for kind, when in enumerate(of_series):
            where = f"events of kind {kind} in series {number}"
            stamps = read_ticks(when, clock, where)
            amounts = _amounts(None if sizes is None else sizes[number][kind], len(stamps), where)
            own = ticks[number, :length]
            nearest = _nearest(own, stamps)
            apart = stamps - nearest
            if stamps.dtype.kind == "f":  # but for rounding a sample's: on which side of it that fell would be chance
                precision = np.float32 if getattr(when, "dtype", None) == np.float32 else float
                apart[np.abs(apart) <= _ROUNDINGS * np.spacing(np.abs(stamps).astype(precision))] = 0
            if (apart[nearest == own[-1]] > 0).any():
                must_have("events no later than the last sample", f"a later one among the {where}")
            since = seconds_of(nearest - own[0] + apart, clock.unit)
            found.append([np.full(len(stamps), number), since, np.full(len(stamps), kind), amounts])
    series, seconds, of_kind, size = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Events(series, seconds, of_kind, size.astype(np.float32), kinds.pop())


def stored_events(content: Mapping[str, np.ndarray], series: int) -> Events | None:
    """The events in a file of series, checked; None where it has none."""
    if "events.kinds" not in content:
        return None
    try:
        which, seconds, kind, size = (content[f"events.{name}"] for name in ("series", "seconds", "kind", "size"))
        kinds = int(content["events.kinds"])
        right = all(array.shape == which.shape and array.ndim == 1 for array in (which, seconds, kind, size))
        right = right and all(array.dtype.kind in "iuf" for array in (which, seconds, kind, size))
        right = right and bool(np.isfinite(seconds).all() and np.isfinite(size).all())
        right = right and bool(((which >= 0) & (which < series) & (kind >= 0) & (kind < kinds)).all())
    except (KeyError, TypeError, ValueError):
        right = False
    if not right:
        must_have("events that belong to the series", "others")
    return Events(which, seconds, kind, size, kinds)


def _nearest(ticks: np.ndarray, stamps: np.ndarray) -> np.ndarray:
    """Of increasing ticks that which is nearest to each stamp."""
    after = np.searchsorted(ticks, stamps).clip(max=len(ticks) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(stamps - ticks[before] < ticks[after] - stamps, ticks[before], ticks[after])


def _amounts(sizes: Any, count: int, where: str) -> np.ndarray:
    if sizes is None:
        return np.ones(count)
    amounts = as_floats(sizes, f"sizes of the {where}")
    if amounts.shape != (count,) or not np.isfinite(amounts.astype(np.float32)).all():
        must_have(f"{count} finite sizes of the {where}", f"shape {amounts.shape}")
    return amounts


def _described(times: Any) -> str:
    return f"{len(times)}" if isinstance(times, Sequence) else type(times).__name__
