"""New series from another table, read as the table of a run was read: what a trained model is asked about."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gnode.data.own_columns import named_unit
from gnode.data.own_reading import (
    CHANGE_UNIT,
    Opened,
    Options,
    array_series,
    checked_options,
    known_columns,
    listed,
    long_series,
    opened,
    rows_in_order,
    spanned,
    wide_series,
)
from gnode.errors import look_up, must_have
from gnode.files import path_of
from gnode.series import UNITS, Series
from gnode.series.arrays import described, is_frame


@dataclass(frozen=True)
class NewSeries:
    """Series of a table, and what stands beside them there.

    Attributes:
        series: with the channels of the run, in its order.
        codes: of which series each row is, from 0 on, series by series and each in order of time.
        order: at which place of the table each of these rows stands.
        about: what names them, a row for each row of the table: series, time, or where in an .npz.
        within: the column of `about` that tells the samples of a series apart, where there is one.
        truth: the target's columns, likewise, where the table has them all.
        said: what was found out, in words.
    """

    series: Series
    codes: np.ndarray
    order: np.ndarray
    about: pd.DataFrame
    within: str | None
    truth: pd.DataFrame | None
    said: dict[str, str]


def new_series(
    source: Mapping[str, Any],
    table: Any,
    *,
    time: str | None = None,
    unit: str | None = None,
    header: bool | None = None,
    encoding: str | None = None,
) -> NewSeries:
    """The series of another table with the columns of the one that a run was trained on. Its target may be missing.

    A long table without a column of series is one series, from its first row to its last.

    Args:
        source: of the data that the run was trained on (gnode.series.Data.source).
        table: the path of a table of text or an .npz, or a pandas frame.
        time: the column of time, where it is called otherwise than in training.
        unit: of times that are numbers; None: as the name of another column of time says, else as in training.
        header, encoding: of a table of text; None: header as for the run's table, encoding found out.

    Raises:
        InvalidInput: the table cannot be read, lacks an input, or holds what a run's table must not hold.
    """
    asked = {key: value for key, value in source["options"].items() if key in Options._fields}
    options = _clocked(checked_options(**asked), time, unit)
    said: dict[str, str] = {}
    if is_frame(table):
        content = Opened(table, {}, {})
    elif isinstance(table, str | Path):
        header = source["options"].get("header") if header is None else header
        content = opened(path_of(table), options, header, encoding, said)
    else:
        must_have("the path of a table, or a pandas frame", described(table))
    if content.frame is None:
        return _of_arrays(content.arrays, source, options, said)
    frame = content.frame.set_axis([str(name) for name in content.frame.columns], axis=1)
    return _of_frame(frame, source, options, said, content.spelled)


def _clocked(options: Options, time: str | None, unit: str | None) -> Options:
    """The options of the run with the time of another table."""
    if unit is not None:
        look_up("time unit", unit, UNITS)
    if time is None:
        return options._replace(unit=unit or options.unit)
    if options.time is None:
        must_have("no column of time, as in training", repr(time))
    return options._replace(time=time, unit=unit or named_unit(time) or options.unit or named_unit(options.time))


def _of_frame(
    frame: pd.DataFrame,
    source: Mapping[str, Any],
    options: Options,
    said: dict[str, str],
    spelled: Mapping[str, pd.Series],
) -> NewSeries:
    channels, truth = source["inputs"], _truth(frame, options, spelled)
    long = options.time is not None or (options.series is not None and not set(channels).isdisjoint(frame.columns))
    beside = {*options.target, options.part} - {*(options.inputs or []), *(channels if long else ())}
    frame = frame.drop(columns=[name for name in frame.columns if name in beside])
    asked = [options.series, options.time, *(channels if long else options.inputs or [])]
    _refuse_missing([name for name in asked if name is not None], frame.columns, "column", options.time)
    inputs = list(channels) if long else options.inputs
    columns = known_columns(frame, options._replace(target=[], inputs=inputs, split=0), said)
    said.pop("left out", None)
    names = [name for name in (options.series, options.time) if name is not None]
    about = frame[names] if names else pd.DataFrame({"row": frame.index}, index=frame.index)
    if not long:
        series, found = wide_series(columns.frame, columns.inputs, options, said)
        places = np.arange(len(frame))
        return NewSeries(_in_order(series, found, channels), places, places, about, options.time, truth, said)
    rows = rows_in_order(columns.frame, options, said)
    series = long_series(rows, rows.codes, columns.inputs, options, said)
    said.setdefault("series", f"none named: one series of {spanned(rows.lengths)} samples")
    said["time"] = said["time"].replace(CHANGE_UNIT, "")
    return NewSeries(series, rows.codes, rows.order, about, options.time, truth, said)


def _of_arrays(
    arrays: dict[str, np.ndarray], source: Mapping[str, Any], options: Options, said: dict[str, str]
) -> NewSeries:
    target = options.target[0]
    asked = [name for name in (options.time, *(options.inputs or [])) if name is not None]
    _refuse_missing(asked, arrays, "array", options.time)
    there = options._replace(target=[name for name in options.target if name in arrays])
    series, found = array_series(arrays, there, said)
    series = _in_order(series, found, source["inputs"])
    if source.get("each") == "series":
        codes = np.arange(len(series))
        about = pd.DataFrame({"series": codes})
    else:
        codes, samples = np.nonzero(series.valid)
        about = pd.DataFrame({"series": codes, "sample": samples})
    truth = None
    if target in arrays:
        wanted = arrays[target] if source.get("each") == "series" else arrays[target][series.valid]
        rows = wanted.reshape(len(codes), -1)
        if rows.shape[1] == len(source["target"]):
            truth = pd.DataFrame(rows, columns=source["target"])
    return NewSeries(series, codes, np.arange(len(codes)), about, "sample", truth, said)


def _refuse_missing(names: Iterable[str], there: Iterable[str], kind: str, time: str | None) -> None:
    """Raise InvalidInput where the table lacks some of what the run knows, with the name that may stand for it."""
    known = list(there)
    missing = [name for name in names if name not in known]
    if not missing:
        return
    what = f"{kind} {missing[0]!r}" if len(missing) == 1 else f"{kind}s {', '.join(map(repr, missing))}"
    others = [name for name in known if name not in names]
    likely = [name for name in others if named_unit(name)] or difflib.get_close_matches(str(time), others, n=1)
    advice = f"Is the time {likely[0]!r}? Name it by time." if time in missing and likely else ""
    must_have(f"{what}, which the run was trained on", listed(known), advice)


def _in_order(series: Series, found: list[str], wanted: list[str]) -> Series:
    """Series with the channels that a run knows, in its order."""
    if sorted(found) != sorted(wanted):
        must_have(f"the inputs that the run was trained on, {listed(wanted)}", listed(found))
    if found == wanted:
        return series
    places = [found.index(name) for name in wanted]
    observed = None if series.observed is None else series.observed[..., places]
    return replace(series, values=series.values[..., places], observed=observed)


def _truth(frame: pd.DataFrame, options: Options, spelled: Mapping[str, pd.Series]) -> pd.DataFrame | None:
    if not set(options.target) <= set(frame.columns):
        return None
    return pd.DataFrame({name: spelled.get(name, frame[name]) for name in options.target})


def true_classes(column: pd.Series, names: list[str]) -> tuple[np.ndarray, int]:
    """Numbers of classes, -1 where there is none or one that a run does not know; and how many are not known."""
    if column.dtype.kind == "f" and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    codes = column.map(lambda value: names.index(str(value)) if str(value) in names else -1, na_action="ignore")
    found = codes.astype(float).fillna(-1).to_numpy(int)
    return found, int((found[column.notna().to_numpy()] < 0).sum())
