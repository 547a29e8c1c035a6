"""Run a sweep: every run in a directory of its own, finished runs never again, and the tables of them all.

Workers (gnode.workers) do the runs. On this machine they write straight into the sweep's directory, checkpoints
included, so that little is lost when anything dies. Through Ray each run happens in a folder of its worker and comes
back as files, which the caller puts in place once, in one step. The files are the same, byte for byte, but for the
seconds in them. On a device, such as a GPU, runs of equal shape are one program (gnode.sweeps.population) in the
caller's own process.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnode.errors import Diverged, many, must_have
from gnode.examine.along import Examination
from gnode.files import RESUME, alone, path_of, write_atomically
from gnode.files.plain import as_json
from gnode.sweeps.directory import FAILED, RUNS, Sweep, open_sweep
from gnode.sweeps.examinations import Examiner
from gnode.sweeps.grid import Plan, PlannedRun, cost, plan
from gnode.sweeps.population import ALONE, FREE, train_group
from gnode.sweeps.progress import NOTHING_YET, SweepWatcher
from gnode.tasks import TASKS, Definition, RecordedTask, Task, definition_of, kind_of
from gnode.training.directory import CONFIG
from gnode.training.experiment import Experiment, assemble, by_section, train_experiment
from gnode.training.loop import Record
from gnode.training.platform import check_device
from gnode.training.progress import Silent
from gnode.training.train import Interrupted, describe
from gnode.workers import attempt, check, run_jobs

if TYPE_CHECKING:
    import pandas as pd

TOGETHER = 256  # runs that a device trains as one program
RUNGS, KEPT = (1 / 9, 1 / 3), 1 / 3  # successive halving: after so much of its epochs, so many of a group go on


def sweep(
    task: str | Task | RecordedTask,
    *,
    out: str | Path,
    grid: dict[str, list[Any]] | None = None,
    seeds: int | list[int] = 1,
    select: Sequence[str] = (),
    compare: str | None = None,
    halving: bool = False,
    resume: bool = False,
    on: str = "local",
    address: str | None = None,
    workers: int | None = None,
    watcher: SweepWatcher | None = None,
    **keys: Any,
) -> "pd.DataFrame":
    """Train every combination of a grid and its seeds: what `gnode sweep` does with an experiment file, from Python.

    The directory is that of the command (gnode.results.load, gnode report, --resume).

    Args:
        task: its name, also as "my_tasks.py:DMS"; or a task, whose class workers can find: a registered one, or one
            from a file or a module.
        out: the sweep's directory: new or empty, or with `resume` that of the same sweep.
        grid: a list of values for each axis, as {"lr": [1e-2, 1e-3]}; a value may be a dictionary of keys that change
            together.
        seeds: how many, or which.
        select, compare, halving: as in the table [sweep] of an experiment file (docs/sweeps.md).
        resume, on, address, workers, watcher: as for `run_sweep`.
        keys: any other keys of the task, the model and training, the same for all runs (gnode list keys).

    Returns:
        one row a run, as in results.parquet (gnode.results.load).

    Raises:
        InvalidInput: what cannot be, before anything is made; a task that workers cannot find.
        GnodeError: no Ray answers at the address; JAX finds no device.

    A script that calls it needs the usual `if __name__ == "__main__":`, since workers import the script.

    Example:
        >>> runs = gnode.sweep("ring", grid={"lr": [1e-2, 1e-3]}, seeds=2, model="rnn", epochs=20, out="runs/rates")
    """
    definition = definition_of(task)
    if isinstance(task, str):
        kind, table = kind_of(task), {"name": task}
    elif isinstance(task, Task | RecordedTask):
        kind, table = type(task), describe(task)
        if definition is None and TASKS.get(task.name) is not kind:
            must_have(
                "a task that worker processes can find",
                f"one of the class {kind.__name__}, which is in none of their modules",
                f'Put it into a file: gnode.sweep("my_tasks.py:{kind.__name__}", ...).',
            )
    else:
        must_have("the name of a task, or a task (gnode.tasks.make)", type(task).__name__)
    if "seed" in keys:
        must_have("seeds, a number of seeds or a list of them", f"seed {keys['seed']!r}")
    tables = by_section(kind, keys)
    tables["task"] = {**table, **tables["task"]}
    chosen = {"seeds": seeds, "select": list(select), "compare": compare, "halving": halving}
    tables |= {"grid": grid or {}, "sweep": {key: value for key, value in chosen.items() if value is not None}}
    planned = plan(tables, Path() if definition is None else definition.folder)
    return run_sweep(planned, out, resume=resume, on=on, address=address, workers=workers, watcher=watcher)


def run_sweep(
    plan: Plan,
    out: str | Path,
    *,
    resume: bool = False,
    on: str = "local",
    address: str | None = None,
    workers: int | None = None,
    watcher: SweepWatcher | None = None,
) -> "pd.DataFrame":
    """Do all runs of a sweep that are not done yet, and write results.parquet and epochs.parquet.

    Args:
        plan: from gnode.sweeps.grid.read_plan.
        out: the sweep's directory: new or empty, or with `resume` that of the same sweep.
        resume: go on: finished runs stay as they are, begun ones continue from their checkpoints.
        on: "local" for one process a core, "ray" for a cluster, or "device" to train runs of equal shape as one
            program on JAX's default device, which is what fills a GPU (gnode.sweeps.population).
        address: of the cluster (gnode.workers.run_jobs).
        workers: at most so many runs at a time; on a device, 256 by default.
        watcher: is told of every finished run.

    Returns:
        one row a run, as in results.parquet (gnode.results.load).

    Raises:
        InvalidInput: the directory holds other files, or another sweep; nothing is overwritten. A script that workers
            cannot import: it needs the usual `if __name__ == "__main__":`.
        GnodeError: no Ray answers at the address; JAX finds no device.
    """
    if not isinstance(plan, Plan):
        must_have("a plan (gnode.sweeps.grid.read_plan)", type(plan).__name__)
    check(workers, on, address, WAYS)
    if on == "device":
        check_device()
    sweep = open_sweep(plan, path_of(out), resume)
    runs = {run.id: run for run in plan.runs}
    lost: dict[str, str] = {}  # why a run whose worker kept dying is missing; another --resume tries it again
    watcher = watcher or SweepWatcher()
    with alone(sweep.path, "another gnode sweep"), watcher:
        watcher.start(
            [(run.id, cost(run.config, plan.examination)) for run in plan.runs if sweep.state(run) == "waiting"],
            len(plan.runs),
            _best(sweep, plan),
        )
        try:
            for rung in (*RUNGS, None) if plan.halving else (None,):
                hopeless = _stopped(sweep)
                waiting = [run for run in plan.runs if sweep.state(run) == "waiting" and run.id not in hopeless]
                watcher.skip(hopeless)
                jobs = [job for run in waiting if (job := _job(sweep, run, rung)) is not None]
                longest_first = sorted(jobs, key=lambda job: -cost(job.config))
                with contextlib.closing(WAYS[on](sweep.path / RUNS, longest_first, address, workers)) as ended:
                    for job, error in ended:
                        run = runs[job.id]
                        if isinstance(error, Exception):
                            lost[run.id] = " ".join(str(error).split())
                        if rung is None or run.id in lost or sweep.state(run) != "waiting":
                            watcher.done(run.id, run.name(), _lowest(sweep, run), sweep.state(run))
        except KeyboardInterrupt:
            _tables(sweep, lost)
            raise Interrupted(f"Interrupted. Go on with the same command and {RESUME}.") from None
        return _tables(sweep, lost)


def _best(sweep: Sweep, plan: Plan) -> tuple[float, str]:
    """Of the runs that are done the lowest validation loss, and which run has it."""
    losses = ((_lowest(sweep, run), run.name()) for run in plan.runs if sweep.state(run) != "waiting")
    return min(((loss, name) for loss, name in losses if loss is not None), default=NOTHING_YET)


def _lowest(sweep: Sweep, run: PlannedRun) -> float | None:
    """The lowest validation loss of a run so far."""
    return min((record["val_loss"] for record in sweep.records(run)), default=None)


def _tables(sweep: Sweep, lost: dict[str, str]) -> "pd.DataFrame":
    from gnode.sweeps.tables import write_tables  # pandas takes memory, and no worker needs it

    return write_tables(sweep, _stopped(sweep), lost)


# -- one run, in a worker --


@dataclass(frozen=True)
class Job:
    """A run for a worker.

    Attributes:
        id: of the run.
        config: its tables task, model and training.
        until: the epoch after which it pauses; None to finish.
        definition: of a task of the user's own.
        examination: what is measured along training; None for nothing.
    """

    id: str
    config: dict[str, Any]
    until: int | None
    definition: Definition | None = None
    examination: Examination | None = None

    def experiment(self) -> Experiment:
        return assemble(self.config, {}, self.definition)


class PauseAfter(Silent):
    """Interrupts a run after an epoch, as Ctrl-C would: it leaves a checkpoint."""

    def __init__(self, last: int | None) -> None:
        self._last = last
        self.paused = False

    def note(self, text: str) -> None:
        """Workers have nobody to tell."""

    def epoch(self, record: Record) -> None:
        if record.epoch == self._last:
            self.paused = True
            raise KeyboardInterrupt


def train_in_place(runs: Path, job: Job) -> None:
    """Train a run into runs/<id>, from its checkpoint if there is one, and examine it as it learns. Divergence is
    written down there."""
    folder, pause = _usable_folder(runs, job), PauseAfter(job.until)
    experiment = job.experiment()
    examiner = None if job.examination is None else Examiner(folder, experiment, job.examination)
    try:
        train_experiment(experiment, out=folder, resume=True, watcher=pause, snapshot=examiner)
    except Interrupted:
        if not pause.paused:
            raise KeyboardInterrupt from None
    except Diverged as error:
        _write_failure(folder, error)
    else:
        if examiner is not None:
            examiner.finish()


def _usable_folder(runs: Path, job: Job) -> Path:
    folder = runs / job.id
    if folder.is_dir() and not (folder / CONFIG).is_file():
        shutil.rmtree(folder)  # it was killed between its first two steps
    return folder


def _write_failure(folder: Path, error: Diverged) -> None:
    write_atomically(folder / FAILED, (as_json({"why": str(error)}, indent=2) + "\n").encode())


def train_elsewhere(job: tuple[Job, dict[str, bytes]]) -> dict[str, bytes]:
    """Train a run in a temporary folder that starts with these files, and return its files."""
    with tempfile.TemporaryDirectory() as folder:
        run, given = job
        _unpack(Path(folder) / run.id, given)
        train_in_place(Path(folder), run)
        return _pack(Path(folder) / run.id)


def _pack(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _unpack(folder: Path, content: dict[str, bytes]) -> None:
    for name, data in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def _put(folder: Path, content: dict[str, bytes]) -> None:
    """Put a run's files in place in one step; what was there before is replaced."""
    fresh = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    _unpack(fresh, content)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(fresh, folder)


# -- all of them, from the caller --


def _job(sweep: Sweep, run: PlannedRun, rung: float | None) -> Job | None:
    """What is left to do of a run up to a rung; None where it is there already."""
    if rung is None:
        return Job(run.id, run.config, None, run.definition, sweep.plan.examination)
    until = _epoch_of(run, rung)
    if len(sweep.records(run)) >= until:
        return None
    return Job(run.id, run.config, until, run.definition, sweep.plan.examination)


Ended = Generator[tuple[Job, Any]]  # each job with what went wrong (an Exception) or None


def _train_locally(runs: Path, jobs: list[Job], address: str | None, workers: int | None) -> Ended:
    for index, error in run_jobs(partial(train_in_place, runs), jobs, workers=workers):
        yield jobs[index], error


def _train_on_ray(runs: Path, jobs: list[Job], address: str | None, workers: int | None) -> Ended:
    packed = [(job, _pack(runs / job.id)) for job in jobs]
    for index, content in run_jobs(train_elsewhere, packed, workers=workers, on="ray", address=address):
        if not isinstance(content, Exception):
            _put(runs / jobs[index].id, content)
        yield jobs[index], content


def _train_on_device(runs: Path, jobs: list[Job], address: str | None, workers: int | None) -> Ended:
    for group in _groups(jobs, workers or TOGETHER):
        if len(group) == 1:
            yield group[0], attempt(partial(train_in_place, runs), group[0])
            continue
        folders = [_usable_folder(runs, job) for job in group]
        experiments = [job.experiment() for job in group]
        with contextlib.closing(train_group(experiments, folders, group[0].until)) as ended:
            for index, error in ended:
                job = group[index]
                if isinstance(error, Diverged):
                    _write_failure(folders[index], error)
                    error = None
                elif error is None and job.examination is not None and job.until is None:
                    Examiner(folders[index], experiments[index], job.examination).finish()
                yield job, error


def _groups(jobs: list[Job], most: int) -> list[list[Job]]:
    """Jobs that can be one program: equal but for what only enters it as numbers."""
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        task, model, training = (job.config[table] for table in ("task", "model", "training"))
        model = {key: value for key, value in model.items() if key != "seed"}
        alone = job.id if any(training.get(key) not in (None, [], usual) for key, usual in ALONE.items()) else None
        training = {key: value for key, value in training.items() if key not in FREE}
        groups.setdefault(json.dumps([task, model, training, job.until, alone], sort_keys=True), []).append(job)
    return [group[first : first + most] for group in groups.values() for first in range(0, len(group), most)]


Way = Callable[[Path, list[Job], str | None, int | None], Ended]
WAYS: dict[str, Way] = {"local": _train_locally, "ray": _train_on_ray, "device": _train_on_device}


# -- successive halving (Jamieson and Talwalkar 2016, arXiv 1502.07943) --


def _epoch_of(run: PlannedRun, rung: float) -> int:
    return max(1, round(rung * run.config["training"]["epochs"]))


def _stopped(sweep: Sweep) -> dict[str, str]:
    """The runs that are stopped early and why, as far as all of their group have come.

    A group are the runs that differ only on the axes that the sweep selects over. At every rung the third of them with
    the lowest validation loss so far goes on. Only the runs' records decide, so a resumed sweep decides the same.
    """
    stopped: dict[str, str] = {}
    if not sweep.plan.halving:
        return stopped
    groups: dict[tuple, list[PlannedRun]] = {}
    for run in sweep.plan.runs:
        key = tuple(value for axis, value in run.labels.items() if axis not in sweep.plan.select)
        groups.setdefault(key, []).append(run)
    for group in groups.values():
        alive = [run for run in group if sweep.state(run) != "failed"]
        for rung in RUNGS:
            best = {}
            for run in alive:
                losses = [record["val_loss"] for record in sweep.records(run)][: _epoch_of(run, rung)]
                if len(losses) == _epoch_of(run, rung):
                    best[run.id] = min(losses)
            if len(best) < len(alive):
                break  # some have not come that far
            alive.sort(key=lambda run: best[run.id])
            going_on = max(1, round(len(alive) * KEPT))
            for place, run in enumerate(alive[going_on:], going_on + 1):
                stopped[run.id] = f"halving: {place} of {len(alive)} after {many(_epoch_of(run, rung), 'epoch')}"
            alive = alive[:going_on]
    return stopped
