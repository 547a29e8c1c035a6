"""The user's own tables: columns become training, validation and test trials, and what was assumed is said."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gnode.data.own_columns import plain_value, rows_named
from gnode.data.own_reading import (
    Options,
    Rows,
    array_series,
    checked_options,
    known_columns,
    listed,
    long_series,
    opened,
    rows_in_order,
    wide_series,
)
from gnode.data.own_targets import Wanted, read_targets
from gnode.errors import check_known, must_have
from gnode.files import path_of
from gnode.series import Data, Series
from gnode.series.arrays import described, is_frame

_PARTS = {
    "train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "dev": 1, "test": 2, "testing": 2,
}  # fmt: skip
_HELD_OUT = 0.15  # of the series for validation, and as many for the test
_LONGEST_PIECE = 100  # samples of a piece of a single recording, which is cut into at least 20 where it is long enough


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
    ahead: bool  # whether targets are inputs, one sample ahead


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
    options = checked_options(target, series, time, inputs, unit, kind, split)
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
    check_known(columns, Options._fields, "an argument of from_file")
    options = checked_options(target, **columns)
    said: dict[str, str] = {}
    table = opened(path, options, header, encoding, said)
    frame = table.frame
    read = _read_arrays(table.arrays, options, said) if frame is None else _read_frame(frame, options, said)
    data = _data(read, options, said, table.spelled)
    given = {"target": options.target, "header": header, "encoding": encoding, **columns}
    source = {
        "file": str(path.resolve()),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        **data.source,
        "options": {key: value for key, value in given.items() if value is not None},
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


# -- reading --


def _read_frame(frame: pd.DataFrame, options: Options, said: dict[str, str]) -> _Read:
    columns = known_columns(frame, options, said)
    ahead = [name for name in options.target if name in columns.inputs]
    if columns.wide:
        if ahead:
            must_have(
                "a target that is no input where a row is a series",
                listed(ahead),
                "A long table names series or time.",
            )
        return _read_wide(columns.frame, columns.inputs, options, said)
    if ahead and len(ahead) < len(options.target):
        must_have("targets that are all inputs, to be predicted ahead, or none of them", f"only {listed(ahead)}")
    return _read_long(columns.frame, columns.inputs, bool(ahead), options, said)


def _read_long(frame: pd.DataFrame, inputs: list[str], ahead: bool, options: Options, said: dict[str, str]) -> _Read:
    """A row a sample, put in order of time within each series."""
    rows = rows_in_order(frame, options, said)
    codes, lengths = rows.codes, rows.lengths
    if options.series is not None:
        _refuse_few(rows, options.series)
    targets = rows.frame[options.target]
    if ahead:
        targets = targets.groupby(codes).shift(-1)
    if options.series is None:
        codes, lengths = _pieces(len(frame))
        said["series"] = f"none named: one recording, cut into {len(lengths)} pieces of {lengths[0]} samples"
    series = long_series(rows, codes, inputs, options, said)
    parts = None if options.part is None else rows.frame[options.part]
    return _Read(series, inputs, targets, lengths, parts, options.series is None, ahead)


def _refuse_few(rows: Rows, name: str) -> None:
    """Raise InvalidInput where there are too few series, or too few samples in one."""
    lengths = rows.lengths
    if len(lengths) < 3:
        advice = "A single recording is cut into pieces where no series are named." if len(lengths) == 1 else ""
        must_have("at least three series: to train on, to validate and to test", f"{len(lengths)} in {name!r}", advice)
    if lengths.min() < 2:
        short = plain_value(rows.frame[name].iloc[np.cumsum(lengths)[np.argmin(lengths)] - 1])
        more = np.count_nonzero(lengths < 2) - 1
        must_have(
            "at least two samples in each series", f"one in series {short!r}" + (f" and {more} more" if more else "")
        )


def _pieces(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Consecutive pieces of one recording: to which each sample belongs, and how long they are."""
    length = int(np.clip(samples // 20, 2, _LONGEST_PIECE))
    count = samples // length
    if count < 3:
        must_have("a recording of at least 6 samples", samples)
    codes = np.minimum(np.arange(samples) // length, count - 1)
    return codes, np.bincount(codes)


def _read_wide(frame: pd.DataFrame, inputs: list[str], options: Options, said: dict[str, str]) -> _Read:
    """A row a series, a column a sample."""
    series, channels = wide_series(frame, inputs, options, said)
    for row in np.flatnonzero(series.valid.sum(axis=1) < 2)[:1]:
        must_have("at least two samples in each series", f"one in {rows_named(frame.index, row)}")
    parts = None if options.part is None else frame[options.part]
    return _Read(series, channels, frame[options.target], np.ones(len(frame), int), parts, False, False)


def _read_arrays(arrays: dict[str, np.ndarray], options: Options, said: dict[str, str]) -> _Read:
    """Inputs (trials, time) or (trials, time, channels) beside targets."""
    series, channels = array_series(arrays, options, said)
    target = options.target[0]
    wanted, counts = arrays[target], series.valid.sum(axis=1)
    if wanted.ndim == 1:
        one_each = np.ones(len(series), int)
        return _Read(series, channels, pd.DataFrame({target: wanted}), one_each, None, False, False)
    if wanted.shape[:2] != series.shape[:2] or wanted.ndim > 3:
        must_have(f"targets (trials,) or beginning with {series.shape[:2]}", f"{target!r} of shape {wanted.shape}")
    rows = wanted[series.valid].reshape(counts.sum(), -1)
    names = [target] if rows.shape[1] == 1 else [f"{target} {at + 1}" for at in range(rows.shape[1])]
    return _Read(series, channels, pd.DataFrame(rows, columns=names), counts, None, False, False)


# -- trials --


def _data(
    read: _Read, options: Options, said: dict[str, str], spelled: Mapping[str, pd.Series] = MappingProxyType({})
) -> Data:
    said["inputs"] = listed(read.channels)
    kind = "numbers" if read.ahead else options.kind
    wanted = read_targets(read.targets, read.per, kind, not read.in_order, spelled)
    said["target"] = f"{listed(list(read.targets))}: {wanted.words}" + (", one sample ahead" if read.ahead else "")
    if (missing := _missing(read)) is not None:
        said["missing"] = missing
    trials = wanted.trials(read.series)
    parts, said["split"] = _parts(read, wanted, options)
    train, validation, test = (trials[indices] for indices in parts)
    wanted.refuse_absent(train)
    order = ("file", "series", "time", "inputs", "left out", "target", "missing", "split")
    given = {**options._asdict(), "split": options.split or None}
    source = {
        "options": {key: value for key, value in given.items() if value is not None},
        "inputs": read.channels,
        "target": list(read.targets),
        "each": "series" if wanted.one_each else "sample",
        "ahead": read.ahead,
        "assumed": {k: said[k] for k in order if k in said},
    }
    return Data(train, validation, test, wanted.names, source)


def _parts(read: _Read, wanted: Wanted, options: Options) -> tuple[list[np.ndarray], str]:
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


def _counts(parts: Sequence[np.ndarray]) -> str:
    return f"{len(parts[0])} to train on, {len(parts[1])} to validate, {len(parts[2])} to test"
