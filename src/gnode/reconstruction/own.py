"""Recordings in the user's own files: tables of text, and .npz."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gnode.data.own_columns import named_unit, number_columns, read_times
from gnode.errors import check_known, must_have
from gnode.files import path_of
from gnode.files.table import read_archive, read_table
from gnode.series import Series

_NAMES = ("values", "times", "inputs", "lengths")


class OwnRecording(NamedTuple):
    """What `gnode.reconstruct` is asked with.

    Attributes:
        series: the recording.
        inputs: what was known to act; None for nothing.
        channels: their names.
        said: what was assumed, in words.
    """

    series: Series
    inputs: Series | None
    channels: list[str]
    said: dict[str, str]


def read_file(
    path: str | Path,
    *,
    channels: Sequence[str] | None = None,
    inputs: Sequence[str] | None = None,
    series: str | None = None,
    time: str | None = None,
    unit: str | None = None,
) -> OwnRecording:
    """A recording from a table with a row a sample, or from an .npz.

    In an .npz an array called values is (time, channels) or (trials, time, channels); beside it there may be times,
    inputs and lengths. A file that `gnode.Series.save` wrote is read too.

    Args:
        channels: columns that were recorded; by default all that hold numbers and are nothing else.
        inputs: columns of what was known to act.
        series, time: columns that name the recording and the time; without time samples are a second apart.
        unit: of times that are numbers; by default what the column's name says, or seconds.

    Raises:
        InvalidInput: the file cannot be read, or a column is not there or holds no numbers.
    """
    path = path_of(path)
    if path.suffix == ".npz":
        if any(given is not None for given in (channels, inputs, series, time, unit)):
            must_have("no columns beside an .npz, whose arrays are values, times, inputs and lengths", "some")
        return _of_archive(path)
    asked = [name for name in (*(channels or ()), *(inputs or ()), series, time) if name is not None]
    table = read_table(path, names=asked)
    frame = table.frame
    known = [str(name) for name in frame.columns]
    frame = frame.set_axis(known, axis=1)
    check_known(asked, known, "a column of the table", f"It has {', '.join(known)}.")
    if twice := [name for name in asked if asked.count(name) > 1]:
        must_have("a column in one role alone", f"{twice[0]!r} in two")
    taken = {name for name in (*(inputs or ()), series, time) if name is not None}
    chosen, left = number_columns(frame, channels, [name for name in known if name not in taken])
    said = {"file": f"{path.name}: {len(frame)} rows ({table.how})", "channels": ", ".join(chosen)}
    said |= {"left out": ", ".join(left)} if left else {}
    of_time = None
    if time is not None:
        frame = frame.assign(**{time: read_times(frame[time], time, unit)[0]})
        if frame[time].dtype.kind in "iuf":
            of_time = unit or named_unit(time) or "s"
    said["time"] = (
        "none named: samples a second apart" if time is None else f"{time}{f', {of_time}' if of_time else ''}"
    )

    def read(columns: list[str]) -> Series:
        if series is None and time is None:
            return Series.of([frame[columns].to_numpy(float, na_value=np.nan)])
        return Series.of(frame, series=series, time=time, channels=columns, unit=of_time)

    known_inputs = None if inputs is None else read(number_columns(frame, inputs, [])[0])
    return OwnRecording(read(chosen), known_inputs, chosen, said)


def _of_archive(path: Path) -> OwnRecording:
    arrays = read_archive(path)
    if "format" in arrays and "values" in arrays:
        recorded = Series.load(path)
        return OwnRecording(recorded, None, _numbered(recorded), {"file": f"{path.name}: {recorded!r}"})
    if len(arrays) == 1:
        arrays = {"values": next(iter(arrays.values()))}
    check_known(arrays, _NAMES, f"arrays called {', '.join(_NAMES)}")
    if "values" not in arrays:
        must_have("an array called values", ", ".join(arrays))
    recorded = _series(arrays["values"], arrays.get("times"), arrays.get("lengths"))
    known = None if "inputs" not in arrays else _series(arrays["inputs"], None, arrays.get("lengths"))
    return OwnRecording(recorded, known, _numbered(recorded), {"file": f"{path.name}: {recorded!r}"})


def _series(values: Any, times: Any, lengths: Any) -> Series:
    if values.ndim in (1, 2) and lengths is None:
        return Series.of([values], None if times is None else [times])
    return Series.of(values, times, lengths=lengths)


def _numbered(series: Series) -> list[str]:
    return [f"channel {at + 1}" for at in range(series.channels)]
