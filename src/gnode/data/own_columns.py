"""Columns of the user's tables: which hold numbers, which times, and what their names say."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gnode.errors import must_have
from gnode.files.table import BELOW_HEADER, OF_FILE

_UNIT_NAMES = {
    unit: names.split()
    for unit, names in {
        "ns": "ns nanoseconds",
        "us": "us µs microseconds",
        "ms": "ms msec millis milliseconds",
        "s": "s sec secs second seconds",
        "min": "min mins minute minutes",
        "h": "h hr hrs hour hours",
        "d": "d day days",
    }.items()
}
_IN_DIGITS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_DAY = pd.Timedelta(days=1)
_NUMBERED = re.compile(r"(.*?)[_ .\-]?(\d+)")


def number_columns(
    frame: pd.DataFrame, asked: Sequence[str] | None, others: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The columns that the model sees, all of them finite numbers or missing; and those left out, with why.

    Args:
        asked: those that the user wants; None for all of `others` that hold numbers.
    """
    left = []
    chosen = []
    for name in others if asked is None else asked:
        column = frame[name]
        if asked is None and _is_plain_text(column):
            left.append(f"{name} (text)")
        elif asked is None and column.dtype.kind in "Mm":
            left.append(f"{name} (dates)")
        elif asked is None and column.isna().all():
            left.append(f"{name} (empty)")
        else:
            _refuse_text(column, name)
            truly_numbers(column.to_numpy(float, na_value=np.nan), name, column.index)
            chosen.append(name)
    if not chosen:
        must_have("columns of numbers as inputs", "none", f"Left out: {', '.join(left)}." if left else "")
    return chosen, left


def _is_plain_text(column: pd.Series) -> bool:
    """Whether it is of text, and not of numbers among which some text is."""
    if column.dtype.kind in "biufMm":
        return False
    there = column.dropna()
    return bool(pd.to_numeric(there, errors="coerce").notna().mean() < 0.5) if len(there) else False


def _refuse_text(column: pd.Series, name: str) -> None:
    if column.dtype.kind in "biuf":
        return
    if column.dtype.kind in "Mm":
        must_have(f"numbers in the input {name!r}", "dates or durations", "Are they the time?")
    wrong = column.notna() & pd.to_numeric(column, errors="coerce").isna()
    if not wrong.any():
        must_have(f"numbers in the input {name!r}", f"values of type {column.dtype}")
    row = int(np.argmax(wrong.to_numpy()))
    got = f"{column.iloc[row]!r} in {rows_named(column.index, row)}"
    advice = "Leave it out by naming the inputs, or make numbers of it first." if _is_plain_text(column) else ""
    must_have(f"numbers in the input {name!r}", got, advice or "An empty cell, NA or NaN stands for a missing value.")


def truly_numbers(values: np.ndarray, name: str, rows: pd.Index | None = None) -> None:
    """Raise InvalidInput where one is infinite."""
    infinite = np.isinf(values)
    if infinite.any():
        at = np.argwhere(infinite)[0]
        where = rows_named(rows, int(at[0])) if rows is not None else f"at {tuple(map(int, at))}, counted from 0"
        must_have(f"finite numbers in {name!r}", f"infinity in {where}" if rows is not None else f"infinity {where}")


def rows_named(index: pd.Index, *places: int) -> str:
    """Rows of a table in words, and what their numbers count."""
    labels = [str(index[place]) for place in places]
    what = "row" if len(labels) == 1 else "rows"
    counted = str(index.name).removeprefix("row ") if index.name in (OF_FILE, BELOW_HEADER) else "by the frame's index"
    return f"{what} {' and '.join(labels)} {counted}"


def plain_value(value: Any) -> Any:
    """A cell as a person would write it: 1, not np.int64(1)."""
    return value.item() if isinstance(value, np.generic) else value


def read_times(column: pd.Series, name: str, unit: str | None = None) -> tuple[pd.Series, str]:
    """Times as numbers, dates or durations, all of them there; and in words what they are.

    Args:
        unit: of numbers, where the user names it.
    """
    if column.isna().any():
        must_have(
            f"a time in each row of {name!r}", f"none in {rows_named(column.index, int(np.argmax(column.isna())))}"
        )
    kind = column.dtype.kind
    if kind in "iuf":
        truly_numbers(column.to_numpy(float), name, column.index)
        dates = _dates_in_digits(column) if unit is None and named_unit(name) is None else None
        if dates is not None:
            return dates, f"{name}, dates as one number, year, month, day (to count them: unit)"
        return column, f"{name}"
    if kind in "Mm":
        zoned = getattr(column.dtype, "tz", None) is not None
        plain = column.dt.tz_convert("UTC").dt.tz_localize(None) if zoned else column
        return plain, f"{name}, {'dates' if kind == 'M' else 'durations'}"
    return _read_texts(column, name)


def past_midnight(stamps: pd.Series, column: pd.Series, codes: np.ndarray) -> tuple[pd.Series, int]:
    """Times of day counted on past midnight; and in how many series.

    These are texts such as 23:55, below 24 hours, which in their series, as its rows stand, go up but for falls of more
    than half a day.

    Args:
        column: the texts, or whatever the times were made of.
        codes: of which series each row is.
    """
    if stamps.dtype.kind != "m" or column.dtype.kind in "iufMm" or (stamps >= _DAY).any():
        return stamps, 0
    order = np.argsort(codes, kind="stable")
    sorted_codes, hours = codes[order], (stamps.iloc[order] / pd.Timedelta(hours=1)).to_numpy()
    steps = np.where(np.diff(sorted_codes, prepend=-1) == 0, np.diff(hours, prepend=0.0), 0.0)
    falls = steps < 0
    unsorted = np.bincount(sorted_codes, falls & (steps >= -12)) > 0
    counted_on = (np.bincount(sorted_codes, falls) > 0) & ~unsorted
    nights = pd.Series(falls).groupby(sorted_codes).cumsum().to_numpy() * counted_on[sorted_codes]
    days = np.empty(len(nights), int)
    days[order] = nights
    return stamps + pd.to_timedelta(days, unit="D"), int(counted_on.sum())


def _dates_in_digits(column: pd.Series) -> pd.Series | None:
    """Dates where all numbers are such as 20260131, 202601312359 or 20260131235959, from 1900 to 2100; else None."""
    numbers = column.to_numpy(float)
    if (numbers % 1 != 0).any() or numbers.min() < 19000101 or numbers.min() == numbers.max():
        return None
    digits = column.astype("int64").astype(str)
    form = _IN_DIGITS.get(len(digits.iloc[0]))
    if form is None or not (digits.str.len() == len(digits.iloc[0])).all():
        return None
    dates = pd.to_datetime(digits, format=form, errors="coerce")
    return dates if dates.dt.year.between(1900, 2100).all() else None


def _read_texts(column: pd.Series, name: str) -> tuple[pd.Series, str]:
    text = column.astype(str)
    if text.str.fullmatch(r"\d+:\d\d(:\d\d(\.\d+)?)?").all():
        clocks = text.where(text.str.count(":") == 2, text + ":00")
        return pd.to_timedelta(clocks), f"{name}, durations (hours:minutes:seconds)"
    for words, options in (
        ("dates", dict(format="ISO8601")),
        ("dates, the day first", dict(format="mixed", dayfirst=True)),
        ("dates, the month first", dict(format="mixed", dayfirst=False)),
    ):
        if options.get("dayfirst") is not None and _day_first(text) is not options["dayfirst"]:
            continue
        dates = pd.to_datetime(text, errors="coerce", utc=True, **options)  # type: ignore[call-overload]
        if dates.notna().all():
            return dates.dt.tz_localize(None), f"{name}, {words}"
    numbers = pd.to_numeric(text, errors="coerce")
    dates = pd.to_datetime(text, errors="coerce", utc=True, format="mixed")
    wrong = (dates.isna() if dates.notna().sum() > numbers.notna().sum() else numbers.isna()).to_numpy()
    row = int(np.argmax(wrong))
    must_have(
        f"numbers, dates such as 2026-01-31 08:00 or durations such as 0:01:30 in the time {name!r}",
        f"{text.iloc[row]!r} in {rows_named(column.index, row)}",
    )


def _day_first(text: pd.Series) -> bool:
    """31.12.2026 and 31/12/2026; where every date could be either, dots mean the day first and slashes the month."""
    fields = text.str.extract(r"^\s*(\d{1,2})[./-](\d{1,2})[./-]\d{2,4}").astype(float)
    if (fields[0] > 12).any() or (fields[1] > 12).any():
        return bool((fields[0] > 12).any())
    return bool(text.str.match(r"^\s*\d{1,2}\.").all())


def named_unit(name: str) -> str | None:
    """The unit that a name says: time_ms, "t (h)", hours; None where it says none."""
    words = re.findall(r"[a-zµ]+", name.lower())
    long_enough = len(words) > 1 or bool(words and len(words[0]) > 1)  # a name such as t or s says nothing
    return next((unit for unit, names in _UNIT_NAMES.items() if long_enough and words[-1] in names), None)


def samples_of(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Columns that are samples where a row is a series: where most have numbers for names, the others are none."""
    numbered = [name for name in names if _is_number(name) or _NUMBERED.fullmatch(name)]
    if len(numbered) < 2 or 2 * len(numbered) <= len(names):
        return list(names), []
    return numbered, [name for name in names if name not in numbered]


def channels_of(names: Sequence[str]) -> dict[str, list[str]]:
    """The channels whose samples stand in columns x_0, x_1, ..., y_0, y_1, ...; else all are samples of one channel."""
    if all(map(_is_number, names)):
        return {"values": list(names)}
    channels: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        found = _NUMBERED.fullmatch(name)
        if not found or not found[1]:
            return {"values": list(names)}
        channels.setdefault(found[1], []).append((int(found[2]), name))
    numbers = [[number for number, _ in samples] for samples in channels.values()]
    if any(sorted(some) != sorted(numbers[0]) for some in numbers) or len(set(numbers[0])) < len(numbers[0]):
        return {"values": list(names)}
    return {channel: [name for _, name in sorted(samples)] for channel, samples in channels.items()}


def _is_number(name: str) -> bool:
    return bool(re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", name.strip()))
