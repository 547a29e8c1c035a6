"""Targets in the user's tables: classes or numbers, one a sample or one a series."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gnode.data.own_columns import plain_value, rows_named, truly_numbers
from gnode.errors import must_have
from gnode.series import Series, Trials

_MOST_CLASSES = 20  # whole numbers of more values are numbers


class Wanted(NamedTuple):
    """What is to be predicted.

    Attributes:
        targets: classes, (series,) or (samples,), -1 where missing; or numbers (series, outputs) or (samples, outputs),
            NaN where missing; samples of one series after the other.
        per: how many rows of targets each series has; 1 where there is one a series.
        names: of classes.
        strata: (series,), the class of each; 0 where there is none.
        there: (series,), whether it has a target.
        words: what they are.
    """

    targets: np.ndarray
    per: np.ndarray
    names: tuple[str, ...]
    strata: np.ndarray
    there: np.ndarray
    words: str

    @property
    def one_each(self) -> bool:
        """Whether each series has one target."""
        return bool((self.per == 1).all())

    def trials(self, series: Series) -> Trials:
        """Series with these targets. One number a series is read at its last sample."""
        if self.names and self.one_each:
            return Trials(series, np.maximum(self.targets, 0))
        lengths = series.valid.sum(axis=1)
        rows = self.targets
        if self.one_each:
            rows = np.full((lengths.sum(), rows.shape[1]), np.nan)
            rows[np.cumsum(lengths) - 1] = self.targets
        hidden = rows < 0 if self.names else np.repeat(np.isnan(rows).any(axis=1, keepdims=True), rows.shape[1], axis=1)
        whole = np.ma.array(np.where(hidden, 0, rows), mask=hidden)
        return Trials(series, np.split(whole, np.cumsum(lengths)[:-1]) if len(lengths) > 1 else [whole])

    def refuse_absent(self, train: Trials) -> None:
        """Raise InvalidInput where a class never occurs in training."""
        if not self.names:
            return
        counts = train.counts if train.targets.ndim == 2 else np.ones(len(train), bool)
        absent = set(range(len(self.names))) - set(np.unique(train.targets[counts]).tolist())
        if absent:
            must_have(
                "each class among the training series",
                f"none of class {self.names[min(absent)]!r}",
                "Try another split.",
            )


def read_targets(
    table: pd.DataFrame, per: np.ndarray, kind: str | None, whole_allowed: bool, spelled: Mapping[str, pd.Series]
) -> Wanted:
    """Targets from their columns.

    Args:
        table: a row a sample, one series after the other, or a row a series; a column an output.
        per: how many rows each series has.
        kind: "classes", "numbers", or None: what they look like.
        whole_allowed: whether targets that are the same throughout each series are one a series.
        spelled: the text of columns whose numbers are written as names are (gnode.files.table.Table).
    """
    chosen = kind or ("classes" if len(table.columns) == 1 and _like_classes(table.iloc[:, 0], len(per)) else "numbers")
    guessed = "" if kind else " (change it: kind)"
    if chosen == "classes":
        return _classes(table, per, whole_allowed, guessed, spelled)
    return _numbers(table, per, whole_allowed, guessed)


def _like_classes(column: pd.Series, series: int) -> bool:
    """Text, truths, and whole numbers of few values, of which each comes in several series on average."""
    if column.dtype.kind not in "iuf":
        return True
    there = column.dropna()
    return bool((there % 1 == 0).all()) and there.nunique() <= min(_MOST_CLASSES, max(2, series // 2))


def _classes(
    table: pd.DataFrame, per: np.ndarray, whole_allowed: bool, guessed: str, spelled: Mapping[str, pd.Series]
) -> Wanted:
    if len(table.columns) > 1:
        must_have("one target of classes", ", ".join(table.columns))
    name, column = table.columns[0], table.iloc[:, 0]
    if name in spelled:  # 01 and 1 are two classes
        number, column = column, spelled[name].loc[column.index]
        values = column.iloc[np.argsort(number, kind="stable")].dropna().unique().tolist()
    else:
        if column.dtype.kind == "f" and (column.dropna() % 1 == 0).all():
            column = column.astype("Int64")  # that have gaps
        values = sorted(column.dropna().unique(), key=lambda value: (isinstance(value, str), value))
    if len(values) < 2:
        must_have(f"at least two classes in {name!r}", f"{plain_value(values[0])!r} alone" if values else "none")
    codes = column.map({value: at for at, value in enumerate(values)}).astype(float).to_numpy(float, na_value=np.nan)
    names = tuple(map(str, values))
    whole = _one_each(codes, per) if whole_allowed else None
    often = np.bincount(codes[~np.isnan(codes)].astype(int) if whole is None else whole[~np.isnan(whole)].astype(int))
    if len(names) > max(2, often.sum() // 2):
        must_have(
            f"classes in {name!r} that come again",
            f"{len(names)} classes for {often.sum()}",
            "Is it a name, or a number?",
        )
    shown = ", ".join(f"{one} {count}" for one, count in list(zip(names, often, strict=True))[:6])
    shown += ", ..." if len(names) > 6 else ""
    each = "a sample" if whole is None else "a series"
    words = f"{len(names)} classes, one {each}: {shown}{guessed}"
    targets = codes if whole is None else whole
    missing = np.isnan(targets)
    if missing.any():
        words += f"; {missing.sum()} {'samples' if whole is None else 'series'} without one are left out"
    return Wanted(
        np.where(missing, -1, targets).astype(int),
        per if whole is None else np.ones(len(per), int),
        names,
        np.zeros(len(per), int) if whole is None else np.where(missing, -1, targets).astype(int),
        _some(~missing, per) if whole is None else ~missing,
        words,
    )


def _numbers(table: pd.DataFrame, per: np.ndarray, whole_allowed: bool, guessed: str) -> Wanted:
    columns = []
    for name in table.columns:
        column = table[name]
        if column.dtype.kind not in "biuf":
            wrong = column.notna() & pd.to_numeric(column, errors="coerce").isna()
            row = int(np.argmax(wrong.to_numpy()))
            must_have(f"numbers in the target {name!r}", f"{column.iloc[row]!r} in {rows_named(column.index, row)}")
        values = column.to_numpy(float, na_value=np.nan)
        truly_numbers(values, name, column.index)
        if np.isnan(values).all() or np.nanmin(values) == np.nanmax(values):
            must_have(f"different numbers in the target {name!r}", "the same everywhere" if len(values) else "none")
        columns.append(values)
    wholes = [_one_each(values, per) if whole_allowed else None for values in columns]
    if all(whole is not None for whole in wholes):
        rows, per, each = np.stack([np.asarray(whole) for whole in wholes], axis=1), np.ones(len(per), int), "a series"
    else:
        rows, each = np.stack(columns, axis=1), "a sample"
    missing = np.isnan(rows).any(axis=1)
    number = "a number" if rows.shape[1] == 1 else f"{rows.shape[1]} numbers"
    words = f"{number} {each}, from {_shown(rows, np.nanmin)} to {_shown(rows, np.nanmax)}{guessed}"
    if missing.any():
        words += f"; {missing.sum()} {each.split()[1] + ('s' if each == 'a sample' else '')} without one do not count"
    there = _some(~missing, per)
    return Wanted(rows, per, (), np.zeros(len(per), int), there, words)


def _one_each(values: np.ndarray, per: np.ndarray) -> np.ndarray | None:
    """The value of each series, NaN where it has none; None where some series has several."""
    starts = np.cumsum(per) - per
    low, high = np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)
    return low if ((low == high) | np.isnan(low)).all() else None


def _some(there: np.ndarray, per: np.ndarray) -> np.ndarray:
    """Whether a series has any."""
    return np.logical_or.reduceat(there, np.cumsum(per) - per)


def _shown(rows: np.ndarray, of: Any) -> str:
    return f"{of(rows):.4g}"
