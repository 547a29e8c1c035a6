"""Examinations along the training of a run: examinations.json in its folder, a row a snapshot (gnode.examine.along)."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gnode.errors import must_have
from gnode.examine.along import Bench, Examination, cheap, dear
from gnode.files import refuse_later_format, write_atomically
from gnode.files.plain import as_json
from gnode.models import Model, draw, load_model
from gnode.training import RunDirectory
from gnode.training.experiment import Experiment

EXAMINATIONS = "examinations.json"
FORMAT = 1  # of the file
_NEAR = 2.0  # a snapshot is near a loss where it is at most so many times it, and at least one over that


def examinations(folder: Path) -> tuple[list[dict[str, Any]], bool]:
    """The rows of a run by epoch, and whether all of it has been examined, the dear measures too."""
    path = folder / EXAMINATIONS
    if not path.is_file():
        return [], False
    try:
        stored = json.loads(path.read_text())
        rows, finished = stored["rows"], stored["finished"]
    except (ValueError, KeyError, TypeError):
        must_have(f"the examinations of a run in {path}", "something else", "Remove it: --resume examines anew.")
    refuse_later_format(stored, FORMAT, path)
    return rows, finished


class Examiner:
    """The snapshot hook of a run: measures the model as it is after an epoch, and writes that down at once."""

    def __init__(self, folder: Path, experiment: Experiment, wanted: Examination) -> None:
        self._folder, self._wanted = folder, wanted
        self._bench = Bench(experiment, experiment.start or draw(experiment.model, experiment.seed), wanted)
        rows, self._finished = examinations(folder)
        self._rows = {row["epoch"]: row for row in rows}

    def __call__(self, model: Model, epoch: int) -> None:
        if 0 not in self._rows:  # before the first epoch
            self._measure(cheap, self._bench.start, 0, "seconds")
        self._measure(cheap, model, epoch, "seconds")

    def finish(self) -> None:
        """What is left to do once training has ended: snapshots without a row, and the dear measures."""
        if self._finished:
            return
        snapshots = dict(RunDirectory(self._folder).snapshots())
        for epoch, path in snapshots.items():
            if epoch not in self._rows:
                self(load_model(path), epoch)
        for epoch in self._nearest():
            if "dear_seconds" not in self._rows[epoch]:
                self._measure(dear, load_model(snapshots[epoch]), epoch, "dear_seconds")
        self._finished = True
        self._write()

    def _measure(self, measures: Callable[[Model, Bench], dict[str, Any]], model: Model, epoch: int, took: str) -> None:
        began = time.perf_counter()
        row = measures(model, self._bench)
        before = {} if measures is cheap else self._rows[epoch]
        self._rows[epoch] = {"epoch": epoch, **before, **row, took: time.perf_counter() - began}
        self._write()

    def _nearest(self) -> list[int]:
        """The epochs of the snapshots whose loss is nearest to each of those that dear measures are made at."""
        losses = {epoch: row["matching_loss"] for epoch, row in self._rows.items() if epoch and row["matching_loss"]}
        found = set()
        for level in self._wanted.at_losses:
            nearest = min(losses, key=lambda epoch: max(losses[epoch] / level, level / losses[epoch]), default=None)
            if nearest is not None and 1 / _NEAR <= losses[nearest] / level <= _NEAR:
                found.add(nearest)
        return sorted(found)

    def _write(self) -> None:
        rows = [self._rows[epoch] for epoch in sorted(self._rows)]
        content = {"format": FORMAT, "finished": self._finished, "rows": rows}
        write_atomically(self._folder / EXAMINATIONS, (as_json(content, indent=1) + "\n").encode())
