"""The tables of a sweep: one row a run, one row an epoch, and one row an examination of a snapshot."""

import dataclasses
from typing import Any

import pandas as pd

from gnode.files import write_atomically
from gnode.files.plain import plain
from gnode.sweeps.directory import Sweep
from gnode.sweeps.examinations import examinations
from gnode.sweeps.grid import PlannedRun
from gnode.sweeps.grid import plain as as_cell
from gnode.training.directory import RunDirectory

RESULTS, EPOCHS, EXAMINED = "results.parquet", "epochs.parquet", "examinations.parquet"
ACCURACIES = ("val_accuracy", "test_accuracy")  # columns where a run has classes


def write_tables(sweep: Sweep, stopped: dict[str, str], lost: dict[str, str]) -> pd.DataFrame:
    """Write results.parquet, epochs.parquet and, where runs are examined, examinations.parquet. Returns the first.

    Args:
        stopped, lost: runs that were stopped early, or whose workers kept dying, and why.
    """
    results = pd.DataFrame([_row(sweep, run, stopped, lost) for run in sweep.plan.runs])
    # Kept in the file: what the tables are to be read by.
    results.attrs = {"axes": sweep.plan.axes, "select": sweep.plan.select, "compare": sweep.plan.compare}
    if sweep.plan.reach is not None:
        results.attrs["reach"] = sweep.plan.reach
    if sweep.plan.primary is not None:
        results.attrs["primary"] = plain(dataclasses.asdict(sweep.plan.primary))
    if sweep.plan.examination is not None:
        results.attrs["at_losses"] = list(sweep.plan.examination.at_losses)
    epochs = [{"run": run.id, **record} for run in sweep.plan.runs for record in sweep.records(run)]
    columns = ["run", "epoch", "train_loss", "val_loss", "best_epoch", "lr", "seconds"]
    tables = {RESULTS: results, EPOCHS: pd.DataFrame(epochs, columns=columns)}
    if sweep.plan.examination is not None:
        rows = [{"run": run.id, **row} for run in sweep.plan.runs for row in examinations(sweep.folder(run))[0]]
        tables[EXAMINED] = pd.DataFrame(rows or None, columns=None if rows else ["run", "epoch"])
    for name, frame in tables.items():
        write_atomically(sweep.path / name, frame.to_parquet(index=False))
    return results


def _row(sweep: Sweep, run: PlannedRun, stopped: dict[str, str], lost: dict[str, str]) -> dict[str, Any]:
    state, why = sweep.state(run), ""
    if state == "failed":
        why = sweep.failure(run)
    elif state == "waiting" and run.id in stopped:
        state, why = "stopped", stopped[run.id]
    elif state == "waiting" and run.id in lost:
        state, why = "failed", lost[run.id]
    row = {"run": run.id, "state": state, "why": why, **run.labels, **columns(run.config)}
    records = sweep.records(run)
    best = min(records, key=lambda record: record["val_loss"], default={})
    outcome = {
        "best_epoch": best.get("epoch"),
        "epochs_run": len(records),
        "train_loss": best.get("train_loss"),
        "val_loss": best.get("val_loss"),
        "test_loss": None,
        "parameters": None,
        "seconds": sum(record.get("seconds", 0.0) for record in records),
    }
    if state == "done":
        known = (*outcome, *ACCURACIES)
        outcome |= {key: value for key, value in RunDirectory(sweep.folder(run)).summary().items() if key in known}
    return row | outcome


def columns(config: dict[str, Any]) -> dict[str, Any]:
    """A run's configuration in one row; the task's name is the column "task"."""
    task = {("task" if key == "name" else key): value for key, value in config["task"].items()}
    model = {("model_seed" if key == "seed" else key): value for key, value in config["model"].items()}
    return {key: as_cell(value) for key, value in {**task, **model, **config["training"]}.items()}
