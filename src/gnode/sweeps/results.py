"""The tables of a sweep, and what they say: selection by validation loss, intervals over seeds, rank tests."""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from gnode.errors import InvalidInput, check_known, must_have
from gnode.files import path_of
from gnode.sweeps.primary import part_name

CONFIDENCE, RESAMPLES = 0.95, 9999


def load(directory: str | Path) -> pd.DataFrame:
    """One row a run: configuration, losses, seconds, state ("done", "failed", "stopped" or "waiting") and why.

    `attrs` of the frame holds the experiment's "axes", those that it selects over ("select") and the one that it
    compares ("compare"); and what is to be decided ("primary"), where it says.

    Raises:
        InvalidInput: the directory holds no tables of a sweep.
    """
    return _read(path_of(directory) / "results.parquet")


def load_epochs(directory: str | Path) -> pd.DataFrame:
    """One row an epoch of every run: run, epoch, train_loss, val_loss, best_epoch, lr, seconds."""
    return _read(path_of(directory) / "epochs.parquet")


def load_examinations(directory: str | Path) -> pd.DataFrame:
    """One row a snapshot of every run: run, epoch, matching_loss and what else was measured (gnode.examine.along).

    Raises:
        InvalidInput: the directory holds no tables of a sweep that was to examine its runs.
    """
    return _read(path_of(directory) / "examinations.parquet")


def _refuse_other(table: object, columns: Sequence[str] = ()) -> None:
    """Raises InvalidInput where something is no table of a sweep, or has not these columns."""
    if not isinstance(table, pd.DataFrame):
        must_have("a table of runs (gnode.results.load)", type(table).__name__)
    check_known(columns, [str(name) for name in table.columns], "a column of the table")


def selected(runs: pd.DataFrame) -> pd.DataFrame:
    """Of the finished runs that differ only on the axes selected over, the one with the lowest validation loss.

    Args:
        runs: from `load`. Its `attrs` name the experiment's axes, those that are selected over and the one compared.
    """
    _refuse_other(runs, ["state", "seed", "val_loss"])
    finished = runs[runs["state"] == "done"]
    within = [axis for axis in runs.attrs["axes"] if axis not in runs.attrs["select"]]
    best = finished.groupby([*within, "seed"], sort=False)["val_loss"].idxmin()
    return finished.loc[best]


def panels(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows, split by every axis that is neither selected over nor compared, or all of them under the name "".

    Names are the axes' values, numbers with their axis: "ring", "split 0, dropped 0.7".
    """
    _refuse_other(runs)
    used = (*runs.attrs["select"], runs.attrs["compare"])
    by = [axis for axis in runs.attrs["axes"] if axis not in used]
    if not by:
        return {"": runs}
    named = {part_name(dict(zip(by, key, strict=True))): part for key, part in runs.groupby(by, sort=False)}
    if len(by) == 1 and len(named) == 1:
        return {"": runs}
    return named


def summary(chosen: pd.DataFrame, by: Sequence[str], of: str = "test_loss") -> pd.DataFrame:
    """Over seeds: how many, median with its interval, mean, least and greatest.

    Runs that have no end yet are left out; one that diverged has no loss, and makes its row NaN. The interval is of the
    median, by the percentile bootstrap (scipy.stats.bootstrap, 95 %), NaN for fewer than three seeds. With five seeds
    it hardly differs from their range.
    """
    by = [by] if isinstance(by, str) or not isinstance(by, Iterable) else list(by)
    _refuse_other(chosen, [*by, of])
    if "state" in chosen:
        chosen = _ended(chosen)
    rows = []
    for key, group in chosen.groupby(list(by), sort=False):
        values = group[of].to_numpy(dtype=float)
        low, high = _interval(values)
        row = dict(zip(by, key, strict=True))
        row |= {"seeds": len(values), "median": np.median(values), "low": low, "high": high, "mean": values.mean()}
        rows.append({**row, "least": values.min(), "greatest": values.max()})
    return pd.DataFrame(rows, columns=[*by, "seeds", "median", "low", "high", "mean", "least", "greatest"])


def learned(runs: pd.DataFrame, by: Sequence[str], loss: float) -> pd.DataFrame:
    """How many seeds learn: the share of runs whose lowest validation loss is below a loss.

    A run that diverged has what it had before, and may have learned; one that never began counts for nothing.

    Returns:
        one row for each combination of `by`: these, seeds, share, and its 95 % interval (Wilson), low and high.
    """
    _refuse_other(runs, [*by, "state", "val_loss"])
    rows = []
    for key, group in _ended(runs).groupby(list(by), sort=False):
        there = int((group["val_loss"] < loss).sum())
        interval = stats.binomtest(there, len(group)).proportion_ci(CONFIDENCE, "wilson")
        row = dict(zip(by, key, strict=True)) | {"seeds": len(group), "share": there / len(group)}
        rows.append({**row, "low": interval.low, "high": interval.high})
    return pd.DataFrame(rows, columns=[*by, "seeds", "share", "low", "high"])


def rank_tests(chosen: pd.DataFrame, compare: str, of: str = "test_loss") -> pd.DataFrame:
    """Every pair of values of a column: ratio of medians, and the two-sided Mann-Whitney U test over seeds.

    p is exact where no values are equal; it is not corrected for the number of pairs. With n seeds each, the least p
    that can come out is 2 / (2n choose n): 0.1 for three, 0.008 for five.
    """
    _refuse_other(chosen, [compare, of])
    groups = {name: group[of].to_numpy(dtype=float) for name, group in chosen.groupby(compare, sort=False)}
    rows = []
    for (a, left), (b, right) in itertools.combinations(groups.items(), 2):
        p = stats.mannwhitneyu(left, right, alternative="two-sided").pvalue
        rows.append({"first": a, "second": b, "ratio": np.median(left) / np.median(right), "p": p})
    return pd.DataFrame(rows, columns=["first", "second", "ratio", "p"])


def _ended(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs that came to an end, if only to that of having diverged."""
    return runs[runs["state"].isin(("done", "failed"))]


def _interval(values: np.ndarray) -> tuple[float, float]:
    if len(values) < 3 or np.isnan(values).any():
        return np.nan, np.nan
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    found = stats.bootstrap(
        (values,), np.median, confidence_level=CONFIDENCE, n_resamples=RESAMPLES, method="percentile", rng=0
    )
    return found.confidence_interval.low, found.confidence_interval.high


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        must_have(f"the tables of a sweep in {path.parent}", f"no {path.name}", "Make them with gnode sweep.")
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"Must have a readable {path}, instead got: {error}.") from error
