"""Scores of a finished run on trials and values that it has never seen."""

from pathlib import Path
from typing import Any

import numpy as np

from gnode import tasks
from gnode.analysis.memory import SILENCES
from gnode.errors import must_have
from gnode.examine.recalling import SEED, memory_of
from gnode.models import Model, load_model
from gnode.series import Trials
from gnode.training import RunDirectory
from gnode.training.score import Objective, loss_on

_FRESH = 4  # stream of random numbers; training draws from 1, 2 and 3


def task_of(directory: RunDirectory) -> tasks.Task:
    """The task that a run was trained on.

    Raises:
        InvalidInput: it was trained on the user's own data.
    """
    table = dict(directory.config()["task"])
    name = table.pop("name")
    if name not in tasks.TASKS:
        must_have(f"a run trained on a registered task in {directory.path}", f"one trained on {name}")
    return tasks.make(name, **table)


def evaluate(
    path: str | Path,
    *,
    trials: int | None = None,
    seed: int = SEED,
    silence: int | None = None,
    integrator: str | None = None,
) -> dict[str, Any]:
    """Loss on fresh trials and, with `silence`, how well values survive so many silent bins.

    A run on data of one's own is scored on its test trials.

    Args:
        path: a run directory.
        trials: how many fresh trials; 500 by default.
        seed: of the fresh trials and of the remembered values; the run's own draws cannot recur. By default the values
            are those of the report.
        silence: bins without input between the end of the writing pulses and the reading.

        integrator: the name of another integrator under which the same weights are scored beside their own.

    Returns:
        loss (its name), fresh_loss, trials, seed (of own data: loss, test_loss, trials); with silence: silence, values,
        rms_error (root mean square of the Euclidean distance between readout and value, in the units of the task),
        distinct (values that the readout still tells apart, in cells of 0.02), bits (log2 of distinct); with
        integrator: its name, other_loss, and largest_difference between outputs of the two.
    """
    directory = RunDirectory.open(path)
    summary, config = directory.summary(), directory.config()
    model = load_model(directory.path)
    objective = Objective(summary["loss"], config["training"].get("weigh", "samples"), "skip")
    if config["task"]["name"] == tasks.OWN_DATA:
        return _on_own_data(directory, model, objective, trials, silence, integrator)
    task, trials = task_of(directory), 500 if trials is None else trials
    fresh = task.sample(trials, seed=(seed, _FRESH))
    result = {
        "loss": summary["loss"],
        "fresh_loss": loss_on(model, objective, fresh),
        "trials": trials,
        "seed": seed,
    }
    result |= _under(integrator, model, objective, fresh)
    if silence is None:
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


def _on_own_data(
    directory: RunDirectory,
    model: Model,
    objective: Objective,
    trials: int | None,
    silence: int | None,
    integrator: str | None,
) -> dict[str, Any]:
    for name, value in (("trials", trials), ("silence", silence)):
        if value is not None:
            must_have(f"no --{name} for a run on own data, which is scored on its test trials", value)
    data = directory.data()
    if data is None:
        must_have(f"a run that kept its data, in {directory.path}/data", "one without", "Train it again with them.")
    score = loss_on(model, objective, data.test)
    result = {"loss": objective.loss, "test_loss": score, "trials": len(data.test)}
    return result | _under(integrator, model, objective, data.test)


def _under(integrator: str | None, model: Model, objective: Objective, trials: Trials) -> dict[str, Any]:
    """The same weights under another integrator, on the same trials; nothing where none is asked for."""
    if integrator is None:
        return {}
    other = model.under(integrator)
    told = trials.targets[:, 0] if model.config.initial_state == "first-target" else None
    difference = np.abs(np.asarray(other(trials.series, told)) - np.asarray(model(trials.series, told)))
    there = trials.series.valid if difference.ndim == 3 else slice(None)
    return {
        "integrator": integrator,
        "other_loss": loss_on(other, objective, trials),
        "largest_difference": float(difference[there].max()),
    }
