"""The directory of a sweep: sweep.toml, a run directory each in runs/, and a note in those that failed."""

import json
import tomllib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import tomli_w

from gnode import tasks
from gnode.errors import InvalidInput, must_have
from gnode.files import begin_folder, refuse_later_format, write_atomically
from gnode.sweeps.examinations import examinations
from gnode.sweeps.grid import Plan, PlannedRun
from gnode.training.directory import SUMMARY, RunDirectory

SWEEP, RUNS, FAILED = "sweep.toml", "runs", "failed.json"
FORMAT = 1  # of the directory


@dataclass(frozen=True)
class Sweep:
    """The directory of a sweep and what it is to hold."""

    path: Path
    plan: Plan

    def folder(self, run: PlannedRun) -> Path:
        return self.path / RUNS / run.id

    def state(self, run: PlannedRun) -> str:
        """done, failed, or waiting: not begun or not finished, or not yet examined."""
        folder = self.folder(run)
        if (folder / SUMMARY).is_file() and (self.plan.examination is None or examinations(folder)[1]):
            return "done"
        return "failed" if (folder / FAILED).is_file() else "waiting"

    def failure(self, run: PlannedRun) -> str:
        """Why a failed run failed."""
        return json.loads((self.folder(run) / FAILED).read_text())["why"]

    def records(self, run: PlannedRun) -> list[dict[str, float]]:
        """The finished epochs of a run, with the seconds of each."""
        return RunDirectory(self.folder(run)).metrics()


def open_sweep(plan: Plan, path: Path, resume: bool) -> Sweep:
    tables = tomllib.loads(tomli_w.dumps(plan.tables))
    if resume and (path / SWEEP).is_file():
        try:
            theirs = tomllib.loads((path / SWEEP).read_text())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InvalidInput(f"Must have a readable {path / SWEEP}, instead got: {error}.") from error
        refuse_later_format(theirs, FORMAT, path / SWEEP)
        theirs.pop("gnode", None)
        if different := sorted(name for name in {*theirs, *tables} if theirs.get(name) != tables.get(name)):
            must_have(
                f"the sweep that {path} was started with",
                f"another {' and '.join(f'[{name}]' for name in different)}",
                "Choose another directory.",
            )
        return Sweep(path, plan)
    text = tomli_w.dumps({"gnode": version("gnode"), **plan.tables})
    begin_folder(path, RUNS, {SWEEP: text.encode()}, "for the sweep", "a sweep")
    for definition in {run.definition.place: run.definition for run in plan.runs if run.definition}.values():
        tasks.remember(definition)
        if definition.code is not None:  # beside sweep.toml, which names it
            write_atomically(path / definition.place, definition.code)
            tasks.remember(tasks.define(definition.name, path))
    return Sweep(path, plan)
