"""How the user's own tables are read: which column is what, and the series that the rows make.

Three forms: long (a row a sample), wide (a row a series), and arrays by name (.npz). What is found out is said.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gnode.data.own_columns import (
    channels_of,
    named_unit,
    number_columns,
    past_midnight,
    plain_value,
    read_times,
    rows_named,
    samples_of,
    truly_numbers,
)
from gnode.errors import check_known, look_up, many, must_have
from gnode.files.table import read_archive, read_table
from gnode.series import UNITS, Series

KINDS = ("classes", "numbers")
CHANGE_UNIT = " (change it: unit)"  # what is said where a unit was guessed
_NO_TIME = "none named: samples follow each other, one a second"
_SINGLE = "\0series"  # the column that names the series where the user names none


class Options(NamedTuple):
    """What the user has said of a table."""

    target: list[str]
    series: str | None = None
    time: str | None = None
    inputs: list[str] | None = None
    unit: str | None = None
    kind: str | None = None
    split: int | str = 0

    @property
    def part(self) -> str | None:
        """The column that says which series are trained on."""
        return self.split if isinstance(self.split, str) else None


class Opened(NamedTuple):
    """What a file holds.

    Attributes:
        frame: its columns; None where it holds arrays.
        arrays: by name, where they are no columns.
        spelled: columns of numbers that are written as names are (gnode.files.table.Table).
    """

    frame: pd.DataFrame | None
    arrays: dict[str, np.ndarray]
    spelled: dict[str, pd.Series]


class Columns(NamedTuple):
    """A frame whose columns are known."""

    frame: pd.DataFrame
    inputs: list[str]
    wide: bool


class Rows(NamedTuple):
    """Rows of a long frame, one a sample, one series after the other and each in order of time.

    Attributes:
        codes: of which series each row is, from 0 on.
        order: at which place of the frame as it came each row stood.
        moved: what is to be said of rows that were not in order.
    """

    frame: pd.DataFrame
    codes: np.ndarray
    order: np.ndarray
    moved: str

    @property
    def lengths(self) -> np.ndarray:
        """How many rows each series has."""
        return np.bincount(self.codes)


def checked_options(
    target: str | Sequence[str],
    series: str | None = None,
    time: str | None = None,
    inputs: str | Sequence[str] | None = None,
    unit: str | None = None,
    kind: str | None = None,
    split: int | str = 0,
) -> Options:
    """What the user has said, refused where it means nothing. Arguments as for gnode.data.from_frame."""
    targets = _columns("target", target)
    if not targets:
        must_have("a target, the column that is to be predicted", "none")
    if kind is not None:
        look_up("kind of target", kind, dict.fromkeys(KINDS))
    if unit is not None:
        look_up("time unit", unit, UNITS)
    if not isinstance(split, str) and (isinstance(split, bool) or not isinstance(split, int) or split < 0):
        must_have("split a number of at least 0, or the column that says train, validation or test", repr(split))
    asked = None if inputs is None else _columns("inputs", inputs)
    return Options(targets, series, time, asked, unit, kind, split)


def _columns(name: str, given: Any) -> list[str]:
    """Names of columns, one or several, as a list."""
    names = [given] if isinstance(given, str) else given
    if isinstance(names, Mapping | bytes) or not isinstance(names, Iterable):
        must_have(f"{name} the name of a column, or a list of them", repr(given))
    return list(names)


def opened(path: Path, options: Options, header: bool | None, encoding: str | None, said: dict[str, str]) -> Opened:
    """The content of a table of text, or of an .npz.

    Raises:
        InvalidInput: it cannot be read.
    """
    if path.suffix == ".npz":
        arrays = read_archive(path)
        flat = all(array.ndim == 1 and len(array) == len(next(iter(arrays.values()))) for array in arrays.values())
        said["file"] = f"{path.name}: {many(len(arrays), 'array')}"
        return Opened(pd.DataFrame(arrays) if flat else None, arrays, {})
    asked = [*options.target, *(options.inputs or []), options.series, options.time]
    table = read_table(path, header=header, encoding=encoding, names=[name for name in asked if name])
    rows, width = table.frame.shape
    said["file"] = f"{path.name}: {many(rows, 'row')}, {many(width, 'column')} ({table.how})"
    named = options.series in table.spelled  # 001 and 1 are two series
    frame = table.frame.assign(**{str(options.series): table.spelled[str(options.series)]}) if named else table.frame
    return Opened(frame, {}, table.spelled)


def known_columns(frame: pd.DataFrame, options: Options, said: dict[str, str]) -> Columns:
    """Which column is what, and whether a row is a series."""
    if not len(frame):
        must_have("a table with rows", "one of zero rows")
    if not frame.columns.is_unique:
        must_have("columns of different names", f"{frame.columns[frame.columns.duplicated()][0]!r} twice")
    known = [str(name) for name in frame.columns]
    frame = frame.set_axis(known, axis=1)
    asked = [*options.target, *(options.inputs or []), options.series, options.time, options.part]
    check_known(
        [name for name in asked if name is not None], known, "a column of the table", f"It has {listed(known)}."
    )
    roles = [name for name in (options.series, options.time, options.part) if name is not None]
    for names in (options.target, options.inputs or []):
        if twice := [name for name in names if names.count(name) > 1]:
            must_have("columns of different names", f"{twice[0]!r} twice")
    for name in (*options.target, *(options.inputs or [])):
        if name in roles:
            must_have("a column in one role alone", f"{name!r} in two")
    taken = {*roles, *(() if options.inputs else options.target)}
    inputs, left = number_columns(frame, options.inputs, [name for name in known if name not in taken])
    if left:
        said["left out"] = listed(left)
    once = options.series is not None and options.time is None and frame[options.series].is_unique
    return Columns(frame, inputs, (options.series is None and options.time is None) or once)


# -- a row a sample --


def rows_in_order(frame: pd.DataFrame, options: Options, said: dict[str, str]) -> Rows:
    """The rows of a long frame in order of time within each series; said["time"] says what times are."""
    codes = np.zeros(len(frame), int) if options.series is None else _series_codes(frame, options.series)
    plain = np.argsort(codes, kind="stable")
    order, moved = plain, ""
    if options.time is not None:
        stamps, words = read_times(frame[options.time], options.time, options.unit)
        stamps, passing = past_midnight(stamps, frame[options.time], codes)
        words += f"; {many(passing, 'series')} that {'goes' if passing == 1 else 'go'} past midnight" if passing else ""
        frame = frame.assign(**{options.time: stamps})
        order = np.lexsort((stamps.to_numpy(), codes))
        unsorted = np.unique(codes[order][order != plain])
        moved = f"; rows of {many(len(unsorted), 'series')} were put in its order" if len(unsorted) else ""
        said["time"] = words
    frame, codes = frame.iloc[order], codes[order]
    if options.time is not None:
        _refuse_repeats(frame, codes, options)
    return Rows(frame, codes, order, moved)


def long_series(rows: Rows, codes: np.ndarray, inputs: list[str], options: Options, said: dict[str, str]) -> Series:
    """The series of rows in order.

    Args:
        codes: of which series each row is, where the table names none: all of one, or of its pieces.
    """
    name = _SINGLE if options.series is None else options.series
    frame = rows.frame.assign(**{name: codes}) if options.series is None else rows.frame
    unit = _unit(frame, options, said)
    series = Series.of(frame, series=name, time=options.time, channels=inputs, unit=unit)
    said["time"] = said["time"] + rows.moved if options.time is not None else _NO_TIME
    if options.series is not None:
        said["series"] = f"{options.series}: {many(len(series), 'series')} of {spanned(rows.lengths)} samples"
    return series


def _series_codes(frame: pd.DataFrame, name: str) -> np.ndarray:
    codes, _ = frame[name].factorize()
    if (codes < 0).any():
        must_have(
            f"the name of a series in each row of {name!r}", f"none in {rows_named(frame.index, int(np.argmin(codes)))}"
        )
    return codes


def _refuse_repeats(frame: pd.DataFrame, codes: np.ndarray, options: Options) -> None:
    stamps = frame[options.time].to_numpy()
    same = (stamps[1:] == stamps[:-1]) & (codes[1:] == codes[:-1])
    if same.any():
        at = int(np.argmax(same))
        where = "" if options.series is None else f", of series {plain_value(frame[options.series].iloc[at])!r}"
        must_have(
            f"different times in {options.time!r} within a series",
            f"{stamps[at]} twice, in {rows_named(frame.index, at, at + 1)}{where}",
            "Is there a column that names the series?" if options.series is None else "Average such rows, or drop one.",
        )


def _unit(frame: pd.DataFrame, options: Options, said: dict[str, str]) -> str | None:
    """The unit of times that are numbers."""
    if options.time is None or options.unit is not None:
        if options.unit is not None and options.time is not None:
            said["time"] += f", in {options.unit}"
        return options.unit if options.time is not None else None
    if frame[options.time].dtype.kind in "Mm":
        return None
    unit = named_unit(options.time)
    said["time"] += f", taken for {unit or 's'}" + (", as its name says" if unit else CHANGE_UNIT)
    return unit or "s"


# -- a row a series --


def wide_series(
    frame: pd.DataFrame, inputs: list[str], options: Options, said: dict[str, str]
) -> tuple[Series, list[str]]:
    """Series of a row each, a column a sample; and what their channels are called."""
    inputs, left = samples_of(inputs) if options.inputs is None else (inputs, [])
    if left:
        before = [said["left out"]] if "left out" in said else []
        said["left out"] = ", ".join([*before, f"{listed(left)} (no sample, by the name)"])
    channels = channels_of(inputs)
    samples = len(next(iter(channels.values())))
    if samples < 2:
        must_have(
            "at least two samples in each series, which are columns where a row is a series",
            f"one column, {inputs[0]!r}",
            "Where a row is a sample, name the column of the series or of the time.",
        )
    values = np.stack([frame[names].to_numpy(float, na_value=np.nan) for names in channels.values()], axis=-1)
    seen = ~np.isnan(values).all(axis=-1)
    lengths = samples - np.argmax(seen[:, ::-1], axis=1)
    for row in np.flatnonzero(~seen.any(axis=1))[:1]:
        must_have("values in each row, which is a series", f"none in {rows_named(frame.index, row)}")
    labels = next(iter(channels.values())) if len(channels) == 1 else []
    times = pd.to_numeric(pd.Series(labels), errors="coerce").to_numpy(float)
    clocked = len(labels) > 1 and bool((np.diff(times) > 0).all())
    unit = options.unit or "s"
    series = Series.of(values, times if clocked else None, unit=unit if clocked else None, lengths=lengths)
    if options.series is not None:
        series = replace(series, names=tuple(frame[options.series]))
    ended = ", which end where nothing follows" if lengths.min() < samples else ""
    why = "" if options.series is not None else ", as neither series nor time is named"
    said["series"] = f"a row each{why}: {many(len(frame), 'series')} of {spanned(lengths)} samples{ended}"
    said["time"] = f"the names of the columns, in {unit}" if clocked else _NO_TIME
    return series, list(channels)


# -- arrays by name --


def array_series(arrays: dict[str, np.ndarray], options: Options, said: dict[str, str]) -> tuple[Series, list[str]]:
    """Series of one array (trials, time) or (trials, time, channels); and what their channels are called."""
    asked = [*options.target, *(options.inputs or []), options.time]
    check_known([name for name in asked if name], arrays, "an array of the file", f"It has {listed(list(arrays))}.")
    if len(options.target) > 1 or len(options.inputs or []) > 1 or options.series is not None:
        must_have("one array of inputs and one target in an .npz, whose first axis is that of the series", "more")
    if options.part is not None:
        must_have("split a number for arrays", repr(options.split))
    trials = {arrays[name].shape[:1] for name in options.target}
    fitting = {
        name: array
        for name, array in arrays.items()
        if name not in (*options.target, options.time) and array.ndim in (2, 3) and array.dtype.kind in "biuf"
        and trials <= {array.shape[:1]}
    }  # fmt: skip
    chosen = (options.inputs or list(fitting))[:2]
    if len(chosen) != 1 or chosen[0] not in fitting:
        beside = "".join(f" beside {name!r} of shape {arrays[name].shape}" for name in options.target)
        must_have(
            f"one array (trials, time) or (trials, time, channels) of inputs{beside}",
            listed([f"{name} {array.shape}" for name, array in arrays.items()]),
            "Name it by inputs." if len(chosen) > 1 else "",
        )
    values = fitting[chosen[0]]
    values = values[..., None] if values.ndim == 2 else values
    truly_numbers(values, chosen[0])
    times = None if options.time is None else arrays[options.time]
    unit = None if times is None or times.dtype.kind in "Mm" else options.unit or named_unit(str(options.time)) or "s"
    series = Series.of(values, times, unit=unit, lengths=arrays.get("lengths"))
    said["series"] = f"{chosen[0]}: {many(len(series), 'series')} of {spanned(series.valid.sum(axis=1))} samples"
    said["time"] = f"{options.time}, in {unit or 'dates'}" if times is not None else _NO_TIME
    return series, [f"channel {at + 1}" for at in range(series.channels)]


# -- words --


def listed(names: Sequence[str]) -> str:
    """The first of some names, in a sentence."""
    shown = ", ".join(map(str, names[:8]))
    return shown if len(names) <= 8 else f"{shown}, ... ({len(names)} in all)"


def spanned(lengths: np.ndarray) -> str:
    """From the shortest to the longest."""
    return f"{lengths.min()}" if lengths.min() == lengths.max() else f"{lengths.min()} to {lengths.max()}"
