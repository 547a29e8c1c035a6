"""The user's own tables: columns become training, validation and test trials, and what was assumed is said.

Three forms: long (a row a sample), wide (a row a series), and arrays by name (.npz).
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
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
    samples_of,
    truly_numbers,
)
from gnode.data.own_targets import Wanted, read_targets
from gnode.errors import check_known, look_up, many, must_have
from gnode.files import path_of
from gnode.files.table import read_archive, read_table
from gnode.series import UNITS, Data, Series
from gnode.series.arrays import described, is_frame

KINDS = ("classes", "numbers")
_PARTS = {
    "train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "dev": 1, "test": 2, "testing": 2,
}  # fmt: skip
_HELD_OUT = 0.15  # of the series for validation, and as many for the test
_NO_TIME = "none named: samples follow each other, one a second"
_LONGEST_PIECE = 100  # samples of a piece of a single recording, which is cut into at least 20 where it is long enough


class _Options(NamedTuple):
    """What the user has said of a table."""

    target: list[str]
    series: str | None
    time: str | None
    inputs: list[str] | None
    unit: str | None
    kind: str | None
    split: int | str


class _Read(NamedTuple):
    """A table whose columns are known.

    `targets` has a row a sample of each series, or a row a series; `per` is how many rows each series has.
    """

    series: Series
    channels: list[str]
    targets: pd.DataFrame
    per: np.ndarray
    parts: pd.Series | None  # what the column of parts says, row by row of targets
    in_order: bool  # of time, as pieces of one recording are


def from_frame(
    frame: pd.DataFrame,
    target: str | Sequence[str],
    *,
    series: str | None = None,
    time: str | None = None,
    inputs: str | Sequence[str] | None = None,
    unit: str | None = None,
    kind: str | None = None,
    split: int | str = 0,
) -> Data:
    """Training, validation and test trials from a pandas frame; `Data.source["assumed"]` says what was assumed.

    With `series` or `time` the frame is long, a row a sample; with neither it is wide, a row a series, a column a
    sample (or columns x_0, x_1, ..., y_0, y_1, ... of several channels).

    Args:
        target: the column that holds what is to be predicted: a class or a number, one a sample or, where it is the
            same throughout each series, one a series. Several columns are several numbers. A target that is among the
            inputs is predicted one sample ahead.
        series: the column that names the series. Without it a long frame is one recording, which is cut into pieces.
        time: the column of times: numbers, dates or durations. Rows are put in its order within each series. Without it
            samples follow each other as they stand.
        inputs: the columns that the model sees; by default all others that hold numbers.
        unit: of times that are numbers: "s", "ns", "us", "ms", "min", "h" or "d"; by default what the column's name
            says, as in time_ms, or seconds.
        kind: "classes" or "numbers"; by default text, truths and whole numbers of at most 20 values are classes.
        split: the number of a random split of the series, 70 / 15 / 15 % of each class; or the column that says
            train, validation or test.

    Raises:
        InvalidInput: a column is not there or not what it must be; the sentence says which, and where.

    Example:
        >>> data = gnode.data.from_frame(frame, "label", series="id", time="t")
        >>> model = gnode.models.make("gnode", state_size=32, **gnode.data.model_defaults(data))
        >>> run = gnode.train(model, data, epochs=50, batch_size=8)
    """
    if not is_frame(frame):
        must_have("a pandas frame", described(frame), "Lists and arrays: Data(train, validation, test) of Trials.")
    said: dict[str, str] = {}
    options = _checked(target, series, time, inputs, unit, kind, split)
    return _data(_read_frame(frame, options, said), options, said)


def from_file(
    path: str | Path,
    target: str | Sequence[str],
    *,
    header: bool | None = None,
    encoding: str | None = None,
    **columns: Any,
) -> Data:
    """The same from a table of text (.csv and its kin), or from arrays in an .npz.

    In an .npz, columns are arrays (rows,); or `inputs` is one array (trials, time) or (trials, time, channels) beside
    targets (trials,), (trials, time) or (trials, time, outputs), `time` is (time,) or (trials, time), and an array
    called lengths says how many samples each trial has.

    Args:
        path: the file.
        header, encoding: of a table of text (gnode.files.table.read_table).
        target, columns: as for `from_frame`.

    Raises:
        InvalidInput: the file cannot be read, and what `from_frame` raises.
    """
    path = path_of(path)
    check_known(columns, _Options._fields, "an argument of from_file")
    options = _checked(target, **columns)
    said: dict[str, str] = {}
    spelled: dict[str, pd.Series] = {}
    if path.suffix == ".npz":
        arrays = read_archive(path)
        flat = all(array.ndim == 1 and len(array) == len(next(iter(arrays.values()))) for array in arrays.values())
        said["file"] = f"{path.name}: {len(arrays)} arrays"
        read = _read_frame(pd.DataFrame(arrays), options, said) if flat else _read_arrays(arrays, options, said)
    else:
        asked = [*options.target, *(options.inputs or []), options.series, options.time]
        table = read_table(path, header=header, encoding=encoding, names=[name for name in asked if name])
        rows, width = table.frame.shape
        said["file"] = f"{path.name}: {many(rows, 'row')}, {many(width, 'column')} ({table.how})"
        spelled = table.spelled
        named = options.series in spelled  # 001 and 1 are two series
        frame = table.frame.assign(**{str(options.series): spelled[str(options.series)]}) if named else table.frame
        read = _read_frame(frame, options, said)
    data = _data(read, options, said, spelled)
    given = {"target": options.target, "header": header, "encoding": encoding, **columns}
    source = {
        "file": str(path.resolve()),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "options": {key: value for key, value in given.items() if value is not None},
        **data.source,
    }
    return replace(data, source=source)


def again(source: dict[str, Any]) -> Data:
    """The data that came from a file (`Data.source`), read once more.

    Raises:
        InvalidInput: the file is not there, or is another one now.
    """
    path = Path(source["file"])
    if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() != source["sha256"]:
        must_have(f"the table of the run in {path}", "one whose content has changed since")
    return from_file(path, **source["options"])


def model_defaults(data: Data) -> dict[str, Any]:
    """Keys of a model for data, where the user names none: sizes, scale, reading, and what irregular times ask for.

    dt and tau are the median time between samples, 1 s on a uniform grid. A step of Euler's rule over a long gap would
    overshoot, so the rule is one that is stable over any.

    Raises:
        InvalidInput: it is no data of three sets.
    """
    if not isinstance(data, Data):
        must_have("data of three sets (gnode.training.Data)", type(data).__name__)
    parts = (data.train, data.validation, data.test)
    targets = data.train.targets
    classes = targets.dtype.kind == "i"
    most = max(int(part.targets.max()) for part in parts) + 1 if classes else 0
    step = _median_gap([part.series for part in parts])
    keys: dict[str, Any] = {
        "input_size": data.train.series.channels,
        "output_size": max(most, len(data.classes)) if classes else targets.shape[-1],
        "scale": "standard",
        "integrator": "exponential-euler",
        "dt": step,
        "tau": step,
    }
    if classes and targets.ndim == 1:
        keys["reading"] = "last"
    if any(part.series.observed is not None for part in parts):
        keys["missing"] = "hold-with-observed"
    return keys


# -- which column is what --


def _checked(
    target: str | Sequence[str],
    series: str | None = None,
    time: str | None = None,
    inputs: str | Sequence[str] | None = None,
    unit: str | None = None,
    kind: str | None = None,
    split: int | str = 0,
) -> _Options:
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
    return _Options(targets, series, time, asked, unit, kind, split)


def _columns(name: str, given: Any) -> list[str]:
    """Names of columns, one or several, as a list."""
    names = [given] if isinstance(given, str) else given
    if isinstance(names, Mapping | bytes) or not isinstance(names, Iterable):
        must_have(f"{name} the name of a column, or a list of them", repr(given))
    return list(names)


def _read_frame(frame: pd.DataFrame, options: _Options, said: dict[str, str]) -> _Read:
    if not len(frame):
        must_have("a table with rows", "one of zero rows")
    if not frame.columns.is_unique:
        must_have("columns of different names", f"{frame.columns[frame.columns.duplicated()][0]!r} twice")
    part = options.split if isinstance(options.split, str) else None
    known = [str(name) for name in frame.columns]
    frame = frame.set_axis(known, axis=1)
    asked = [*options.target, *(options.inputs or []), options.series, options.time, part]
    check_known([name for name in asked if name is not None], known, "a column of the table", f"It has {_list(known)}.")
    roles = [name for name in (options.series, options.time, part) if name is not None]
    for names in (options.target, options.inputs or []):
        if twice := [name for name in names if names.count(name) > 1]:
            must_have("columns of different names", f"{twice[0]!r} twice")
    for name in (*options.target, *(options.inputs or [])):
        if name in roles:
            must_have("a column in one role alone", f"{name!r} in two")
    taken = {*roles, *(() if options.inputs else options.target)}
    inputs, left = number_columns(frame, options.inputs, [name for name in known if name not in taken])
    if left:
        said["left out"] = _list(left)
    once = options.series is not None and options.time is None and frame[options.series].is_unique
    if (options.series is None and options.time is None) or once:
        return _read_wide(frame, inputs, options, said)
    return _read_long(frame, inputs, options, said)


def _read_long(frame: pd.DataFrame, inputs: list[str], options: _Options, said: dict[str, str]) -> _Read:
    """A row a sample, put in order of time within each series."""
    single = options.series is None
    codes = np.zeros(len(frame), int) if single else _series_codes(frame, str(options.series))
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
    lengths = np.bincount(codes)
    if options.time is not None:
        _refuse_repeats(frame, codes, options)
    if not single and lengths.min() < 2:
        short = frame[options.series].iloc[np.cumsum(lengths)[np.argmin(lengths)] - 1]
        more = np.count_nonzero(lengths < 2) - 1
        must_have(
            "at least two samples in each series",
            f"one in series {plain_value(short)!r}" + (f" and {more} more" if more else ""),
        )
    targets = frame[options.target]
    ahead = [name for name in options.target if name in inputs]
    if ahead:
        if len(ahead) < len(options.target):
            must_have("targets that are all inputs, to be predicted ahead, or none of them", f"only {_list(ahead)}")
        targets = targets.groupby(codes).shift(-1)
        options = options._replace(kind="numbers")
        said["target"] = "one sample ahead"
    if single:
        codes, lengths = _pieces(len(frame))
        said["series"] = f"none named: one recording, cut into {len(lengths)} pieces of {lengths[0]} samples"
    name = "\0series" if single else str(options.series)
    rows = frame.assign(**{name: codes}) if single else frame
    unit = _unit(rows, options, said)
    series = Series.of(rows, series=name, time=options.time, channels=inputs, unit=unit)
    said["time"] = said["time"] + moved if options.time is not None else _NO_TIME
    if not single:
        said["series"] = f"{options.series}: {many(len(series), 'series')} of {_range(lengths)} samples"
    parts = frame[options.split] if isinstance(options.split, str) else None
    return _Read(series, inputs, targets, lengths, parts, single)


def _series_codes(frame: pd.DataFrame, name: str) -> np.ndarray:
    codes, labels = frame[name].factorize()
    if (codes < 0).any():
        must_have(f"the name of a series in each row of {name!r}", f"none in row {frame.index[int(np.argmin(codes))]}")
    if len(labels) < 3:
        advice = "A single recording is cut into pieces where no series are named." if len(labels) == 1 else ""
        must_have("at least three series: to train on, to validate and to test", f"{len(labels)} in {name!r}", advice)
    return codes


def _refuse_repeats(frame: pd.DataFrame, codes: np.ndarray, options: _Options) -> None:
    stamps = frame[options.time].to_numpy()
    same = (stamps[1:] == stamps[:-1]) & (codes[1:] == codes[:-1])
    if same.any():
        at = int(np.argmax(same))
        where = "" if options.series is None else f" of series {plain_value(frame[options.series].iloc[at])!r}"
        must_have(
            f"different times in {options.time!r} within a series",
            f"{stamps[at]} twice, in rows {frame.index[at]} and {frame.index[at + 1]}{where}",
            "Is there a column that names the series?" if options.series is None else "Average such rows, or drop one.",
        )


def _pieces(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Consecutive pieces of one recording: to which each sample belongs, and how long they are."""
    length = int(np.clip(samples // 20, 2, _LONGEST_PIECE))
    count = samples // length
    if count < 3:
        must_have("a recording of at least 6 samples", samples)
    codes = np.minimum(np.arange(samples) // length, count - 1)
    return codes, np.bincount(codes)


def _unit(frame: pd.DataFrame, options: _Options, said: dict[str, str]) -> str | None:
    """The unit of times that are numbers."""
    if options.time is None or options.unit is not None:
        if options.unit is not None and options.time is not None:
            said["time"] += f", in {options.unit}"
        return options.unit if options.time is not None else None
    if frame[options.time].dtype.kind in "Mm":
        return None
    unit = named_unit(options.time)
    said["time"] += f", taken for {unit or 's'}" + (", as its name says" if unit else " (change it: unit)")
    return unit or "s"


def _read_wide(frame: pd.DataFrame, inputs: list[str], options: _Options, said: dict[str, str]) -> _Read:
    """A row a series, a column a sample."""
    ahead = [name for name in options.target if name in inputs]
    if ahead:
        must_have(
            "a target that is no input where a row is a series", _list(ahead), "A long table names series or time."
        )
    inputs, left = samples_of(inputs) if options.inputs is None else (inputs, [])
    if left:
        before = [said["left out"]] if "left out" in said else []
        said["left out"] = ", ".join([*before, f"{_list(left)} (no sample, by the name)"])
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
    for row in frame.index[~seen.any(axis=1)][:1]:
        must_have("values in each row, which is a series", f"none in row {row}")
    for row in frame.index[lengths < 2][:1]:
        must_have("at least two samples in each series", f"one in row {row}")
    labels = next(iter(channels.values())) if len(channels) == 1 else []
    times = pd.to_numeric(pd.Series(labels), errors="coerce").to_numpy(float)
    clocked = len(labels) > 1 and bool((np.diff(times) > 0).all())
    unit = options.unit or "s"
    series = Series.of(values, times if clocked else None, unit=unit if clocked else None, lengths=lengths)
    if options.series is not None:
        series = replace(series, names=tuple(frame[options.series]))
    ended = ", which end where nothing follows" if lengths.min() < samples else ""
    why = "" if options.series is not None else ", as neither series nor time is named"
    said["series"] = f"a row each{why}: {many(len(frame), 'series')} of {_range(lengths)} samples{ended}"
    said["time"] = f"the names of the columns, in {unit}" if clocked else _NO_TIME
    parts = frame[options.split] if isinstance(options.split, str) else None
    return _Read(series, list(channels), frame[options.target], np.ones(len(frame), int), parts, False)


def _read_arrays(arrays: dict[str, np.ndarray], options: _Options, said: dict[str, str]) -> _Read:
    """Inputs (trials, time) or (trials, time, channels) beside targets."""
    asked = [*options.target, *(options.inputs or []), options.time]
    check_known([name for name in asked if name], arrays, "an array of the file", f"It has {_list(list(arrays))}.")
    if len(options.target) > 1 or len(options.inputs or []) > 1 or options.series is not None:
        must_have("one array of inputs and one target in an .npz, whose first axis is that of the series", "more")
    if isinstance(options.split, str):
        must_have("split a number for arrays", repr(options.split))
    target = options.target[0]
    wanted = arrays[target]
    fitting = {
        name: array
        for name, array in arrays.items()
        if name not in (target, options.time) and array.ndim in (2, 3) and array.dtype.kind in "biuf"
        and array.shape[:1] == wanted.shape[:1]
    }  # fmt: skip
    chosen = (options.inputs or list(fitting))[:2]
    if len(chosen) != 1 or chosen[0] not in fitting:
        must_have(
            f"one array (trials, time) or (trials, time, channels) of inputs beside {target!r} of shape {wanted.shape}",
            _list([f"{name} {array.shape}" for name, array in arrays.items()]),
            "Name it by inputs." if len(chosen) > 1 else "",
        )
    values = fitting[chosen[0]]
    values = values[..., None] if values.ndim == 2 else values
    truly_numbers(values, chosen[0])
    times = None if options.time is None else arrays[options.time]
    lengths = arrays.get("lengths")
    unit = None if times is None or times.dtype.kind in "Mm" else options.unit or named_unit(str(options.time)) or "s"
    series = Series.of(values, times, unit=unit, lengths=lengths)
    counts = series.valid.sum(axis=1)
    said["series"] = f"{chosen[0]}: {many(len(series), 'series')} of {_range(counts)} samples"
    said["time"] = f"{options.time}, in {unit or 'dates'}" if times is not None else _NO_TIME
    channels = [f"channel {at + 1}" for at in range(series.channels)]
    if wanted.ndim == 1:
        return _Read(series, channels, pd.DataFrame({target: wanted}), np.ones(len(series), int), None, False)
    if wanted.shape[:2] != series.shape[:2] or wanted.ndim > 3:
        must_have(f"targets (trials,) or beginning with {series.shape[:2]}", f"{target!r} of shape {wanted.shape}")
    rows = wanted[series.valid].reshape(counts.sum(), -1)
    names = [target] if rows.shape[1] == 1 else [f"{target} {at + 1}" for at in range(rows.shape[1])]
    return _Read(series, channels, pd.DataFrame(rows, columns=names), counts, None, False)


# -- trials --


def _data(
    read: _Read, options: _Options, said: dict[str, str], spelled: Mapping[str, pd.Series] = MappingProxyType({})
) -> Data:
    said["inputs"] = _list(read.channels)
    ahead = said.pop("target", "")
    wanted = read_targets(read.targets, read.per, "numbers" if ahead else options.kind, not read.in_order, spelled)
    said["target"] = f"{_list(list(read.targets))}: {wanted.words}" + (f", {ahead}" if ahead else "")
    if (missing := _missing(read)) is not None:
        said["missing"] = missing
    trials = wanted.trials(read.series)
    parts, said["split"] = _parts(read, wanted, options)
    train, validation, test = (trials[indices] for indices in parts)
    wanted.refuse_absent(train)
    order = ("file", "series", "time", "inputs", "left out", "target", "missing", "split")
    source = {
        "inputs": read.channels,
        "target": list(read.targets),
        "assumed": {k: said[k] for k in order if k in said},
    }
    return Data(train, validation, test, wanted.names, source)


def _parts(read: _Read, wanted: Wanted, options: _Options) -> tuple[list[np.ndarray], str]:
    """Which of the series that have a target are trained on, validated on and tested on."""
    there = np.flatnonzero(wanted.there)
    if read.parts is not None:
        return _given_parts(read, there, str(options.split))
    if len(there) < 3:
        must_have("at least three series with a target: to train on, to validate and to test", len(there))
    held = max(1, round(_HELD_OUT * len(there)))
    if read.in_order:
        cut = np.split(there, [len(there) - 2 * held, len(there) - held])
        return cut, f"pieces in order of time: {_counts(cut)}"
    random = np.random.default_rng(int(options.split))
    chosen: list[list[np.ndarray]] = [[], [], []]
    due = 0.0  # what rounding owes to the held-out parts
    for stratum in np.unique(wanted.strata[there]):
        members = random.permutation(there[wanted.strata[there] == stratum])
        due += _HELD_OUT * len(members)
        few = max(1, round(due)) if len(members) > 2 else 0
        due -= few
        for part, some in zip(chosen, (members[2 * few :], members[:few], members[few : 2 * few]), strict=True):
            part.append(some)
    parts = [np.sort(np.concatenate(part)) for part in chosen]
    if not len(parts[1]):
        must_have("at least three series of some class: to train on, to validate and to test", "fewer of each")
    evenly = ", of each class alike" if wanted.names and wanted.one_each else ""
    return parts, f"random by series{evenly}, number {options.split}: {_counts(parts)}"


def _given_parts(read: _Read, there: np.ndarray, column: str) -> tuple[list[np.ndarray], str]:
    assert read.parts is not None
    words = read.parts.astype(str).str.strip().str.lower()
    check_known(words.unique(), _PARTS, f"train, validation or test in each row of {column!r}")
    codes = words.map(_PARTS).to_numpy(int)
    starts = np.cumsum(read.per) - read.per
    first, last = np.minimum.reduceat(codes, starts), np.maximum.reduceat(codes, starts)
    if (first != last).any():
        names = read.series.names
        at = int(np.argmax(first != last))
        must_have(
            f"one part for all of a series in {column!r}",
            f"several in series {plain_value(names[at]) if names else at!r}",
        )
    parts = [there[first[there] == part] for part in range(3)]
    for name, part in zip(("train", "validation", "test"), parts, strict=True):
        if not len(part):
            must_have(f"series of all three parts in {column!r}", f"none of {name}")
    return parts, f"as {column} says: {_counts(parts)}"


def _missing(read: _Read) -> str | None:
    """Which share of which channel is missing, in words; None where nothing is."""
    series = read.series
    if series.observed is None:
        return None
    valid = series.valid
    shares = 1 - series.seen[valid].mean(axis=0)
    worst = np.argsort(-shares, kind="stable")[:6]
    words = [f"{100 * shares[at]:.2g} % of {read.channels[at]}" for at in worst if shares[at] > 0]
    return ", ".join(words) + (", ..." if np.count_nonzero(shares) > len(words) else "")


def _median_gap(sets: Sequence[Series]) -> float:
    """The median time between samples in seconds, 1 on a uniform grid. Of all sets, so that no split changes it."""
    if any(series.clock is None for series in sets):
        return 1.0
    gaps = np.concatenate([np.broadcast_to(series.gaps, series.shape[:2])[series.valid] for series in sets])
    gaps = gaps[gaps > 0]
    return float(f"{np.median(gaps):.6g}") if len(gaps) else 1.0


# -- words --


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(map(str, names[:8]))
    return shown if len(names) <= 8 else f"{shown}, ... ({len(names)} in all)"


def _range(lengths: np.ndarray) -> str:
    return f"{lengths.min()}" if lengths.min() == lengths.max() else f"{lengths.min()} to {lengths.max()}"


def _counts(parts: Sequence[np.ndarray]) -> str:
    return f"{len(parts[0])} to train on, {len(parts[1])} to validate, {len(parts[2])} to test"
