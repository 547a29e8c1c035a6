"""Scores of a finished run on trials and values that it has never seen."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gnode import analysis, integrate, tasks
from gnode.analysis.memory import SILENCES
from gnode.arguments import integer
from gnode.errors import Diverged, must_have
from gnode.examine.answers import answers_of
from gnode.examine.classification import classification
from gnode.examine.regression import regression
from gnode.models import Model, load_model, under
from gnode.series import Data, Series, Trials
from gnode.training import RunDirectory
from gnode.training.directory import OTHER_TRIALS
from gnode.training.losses import LOSSES
from gnode.training.score import Objective, alone, loss_on, told
from gnode.training.settings import Settings
from gnode.training.train import draw_data

VALUES = 360  # how many remembered values memory is measured on
SEED = 2023  # of what is drawn to look at a run; training's draws have seeds of two numbers, so they cannot recur
FRESH = 500  # trials that a run is scored on where its task draws them
_FRESH_STREAM = 4  # stream of random numbers; training draws from 1, 2 and 3


def evaluate(
    path: str | Path,
    *,
    trials: int | None = None,
    seed: int = SEED,
    silence: int | None = None,
    integrator: str | None = None,
) -> dict[str, Any]:
    """Loss on fresh trials and, with `silence`, how well values survive so many silent bins.

    A run on own data or on a data set is scored on its test set; nothing fresh can be drawn.

    Args:
        path: a run directory.
        trials: how many fresh trials; 500 by default.
        seed: of the fresh trials and of the remembered values; the run's own draws cannot recur. By default the values
            are those of the report.
        silence: bins without input between the end of the writing pulses and the reading.
        integrator: another one, under which the same weights are scored too.

    Returns:
        loss (its name), fresh_loss, trials, seed; without fresh trials loss, test_loss, trials. unsolved: how many of
        them a flow could not be solved for, which are left out; not there where that is none. Where the model scales
        its outputs, loss_in_units (the same in the units of the targets). Of classes also what
        gnode.examine.classification says, of numbers what gnode.examine.regression says, in their own units. With
        integrator: integrator, loss_under (it), largest_difference (of outputs, where both could be solved). With
        silence: silence, values, rms_error (root mean square of the Euclidean distance between readout and value, in
        the units of the task), distinct (values that the readout still tells apart, in cells of 0.02), bits (log2 of
        distinct).

    Raises:
        InvalidInput: no finished run, or what was asked for means nothing to it.
        Diverged: no trial could be solved.
    """
    directory = RunDirectory.open(path)
    if integrator is not None:
        integrate.integrator_kind(integrator)  # refused before anything is computed
    seed, silence = integer("seed", seed, 0), None if silence is None else integer("silence", silence, 0)
    summary, model = directory.summary(), load_model(directory.path)
    objective = Objective(summary["loss"], directory.config()["training"].get("weigh", "samples"), "skip")
    objective = objective._replace(class_weights=tuple(summary.get("class_weights", ())))
    task = None if directory.on_own_data else task_of(directory)
    if not isinstance(task, tasks.Task):
        if trials is not None or silence is not None:
            what = "own data" if task is None else task.name
            must_have(f"neither trials nor silence for a run on {what}, which is scored on its test set", "one of them")
        scored = data_of(directory).test
        result = {"loss": summary["loss"], "test_loss": loss_on(model, objective, scored), "trials": len(scored)}
    else:
        scored = fresh(task, FRESH if trials is None else trials, seed)
        fresh_loss = loss_on(model, objective, scored)
        result = {"loss": summary["loss"], "fresh_loss": fresh_loss, "trials": len(scored), "seed": seed}
    result |= scores(model, summary["loss"], scored, summary.get("classes", []), directory.columns()[1])
    if model.output_scaling is not None:
        result["loss_in_units"] = loss_on(model, objective._replace(in_units=True), scored)
    if integrator is not None:
        result |= _under(model, integrator, objective, scored)
    if not isinstance(task, tasks.Task) or silence is None:
        return result
    # The report's silences up to this one, since a state that has escaped at one of them is lost for good.
    memory = memory_of(model, task, [*(span for span in SILENCES if span < silence), silence], seed)
    if memory is None:
        must_have("a task that remembers values, for --silence", task.name)
    return result | {
        "silence": silence,
        "values": len(memory.values),
        "rms_error": float(memory.rms_error[-1]),
        "distinct": int(memory.distinct[-1]),
        "bits": float(memory.bits[-1]),
    }


def task_of(directory: RunDirectory) -> tasks.Task | tasks.RecordedTask:
    """The task that a run was trained on: a registered one, or one of the user's own from a file or module.

    Raises:
        InvalidInput: it was trained on something else, or the user's own task draws other trials by now.
    """
    name = directory.config()["task"].get("name")
    if name not in tasks.TASKS and not tasks.is_own(name):
        must_have(
            f"a run trained on a registered task in {directory.path}",
            f"one trained on {name}",
            "What is defined in a script or a notebook cannot be found again: put it in a file, my_tasks.py, and train "
            'on gnode.tasks.make("my_tasks.py:MyTask").',
        )
    task = directory.task()
    if tasks.is_own(name):  # what it imports may have changed
        drawn = draw_data(task, Settings(**directory.config()["training"]))
        directory.refuse_others(drawn, f"what {name} draws now", OTHER_TRIALS)
    return task


def fresh(task: tasks.Task, trials: int = FRESH, seed: int = SEED) -> Trials:
    """Trials of a task that no run on it was trained on."""
    return task.sample(trials, seed=(seed, _FRESH_STREAM))


def scores(
    model: Model, loss: str, trials: Trials, classes: Sequence[str] = (), channels: Sequence[str] = ()
) -> dict[str, Any]:
    """How well a model does on trials, beside its loss: what `gnode evaluate` and the report both say.

    Args:
        loss: that it was trained with.
        classes, channels: what classes, or the channels of targets, are called.

    Returns:
        what gnode.examine.classification or gnode.examine.regression says; and unsolved, how many trials a flow could
        not be solved for, which are left out; not there where that is none.

    Raises:
        Diverged: no trial could be solved.
    """
    solved = np.flatnonzero(np.asarray(path_of(model, trials).failed) == 0)
    if not len(solved):
        raise Diverged(f"None of {len(trials)} trials could be solved.")
    unsolved = {"unsolved": len(trials) - len(solved)} if len(solved) < len(trials) else {}
    answers = answers_of(model, loss, trials[solved])
    return unsolved | (classification(answers, classes) if LOSSES[loss].classes else regression(answers, channels))


def data_of(directory: RunDirectory) -> Data:
    """The trials of a run on own data or on a data set.

    Raises:
        InvalidInput: they are not on this machine, damaged, or not those that the run was started with.
    """
    if directory.on_own_data:
        return directory.data()
    task = task_of(directory)
    data = draw_data(task, Settings(**directory.config()["training"]))
    directory.refuse_others(data, f"the data set {task.name}")
    return data


def memory_of(
    model: Model, task: tasks.Task, silences: Sequence[int] = SILENCES, seed: int = SEED
) -> analysis.Memory | None:
    """Memory of VALUES values of a task, drawn with `seed`, against silence; None where a task remembers no values."""
    if not task.remembers:
        return None
    assert task.manifold is not None
    return analysis.memory(model, task, task.manifold.sample(VALUES, seed=seed), silences)


def path_of(model: Model, trials: Trials) -> integrate.Path:
    """States at each sample, for any kind of initial state. Only trials that fail by themselves have failed."""
    return solved_path(model, trials.series, told(model, trials))


def solved_path(model: Model, series: Series, first_targets: np.ndarray | None = None) -> integrate.Path:
    """States at each sample of series. Only series that fail by themselves have failed."""
    path = model.path(series, first_targets)
    return alone(model).path(series, first_targets) if np.any(path.failed) else path


def _under(model: Model, integrator: str, objective: Objective, trials: Trials) -> dict[str, Any]:
    """How the same weights do under another integrator."""
    other = under(model, integrator)
    both = np.all([path_of(each, trials).failed == 0 for each in (model, other)], axis=0)
    if not both.any():
        raise Diverged(f"No trial could be solved by both {model.config.integrator} and {integrator}.")
    solved = trials[np.flatnonzero(both)]
    one, another = (np.asarray(each(solved.series, told(each, solved))) for each in (model, other))
    apart = np.abs(one - another).max(axis=-1)
    there = solved.series.valid if apart.ndim == 2 else np.ones(len(apart), bool)
    return {
        "integrator": integrator,
        "loss_under": loss_on(other, objective, trials),
        "largest_difference": float(apart[there].max()),
    }
