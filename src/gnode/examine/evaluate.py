"""Scores of a finished run on trials and values that it has never seen."""

from pathlib import Path
from typing import Any

from gnode import tasks
from gnode.analysis.memory import SILENCES
from gnode.errors import must_have
from gnode.examine.recalling import SEED, memory_of
from gnode.models import load_model
from gnode.training import RunDirectory
from gnode.training.loop import Objective, loss_on

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


def evaluate(path: str | Path, *, trials: int = 500, seed: int = SEED, silence: int | None = None) -> dict[str, Any]:
    """Loss on fresh trials and, with `silence`, how well values survive so many silent bins.

    Args:
        path: a run directory.
        trials: how many fresh trials.
        seed: of the fresh trials and of the remembered values; the run's own draws cannot recur. By default the values
            are those of the report.
        silence: bins without input between the end of the writing pulses and the reading.

    Returns:
        loss (its name), fresh_loss, trials, seed; and with silence: silence, values, rms_error (root mean square of the
        Euclidean distance between readout and value, in the units of the task), distinct (values that the readout still
        tells apart, in cells of 0.02), bits (log2 of distinct).
    """
    directory = RunDirectory.open(path)
    summary = directory.summary()
    task = task_of(directory)
    model = load_model(directory.path)
    objective = Objective(summary["loss"], directory.config()["training"].get("weigh", "samples"), "skip")
    fresh = task.sample(trials, seed=(seed, _FRESH))
    result = {
        "loss": summary["loss"],
        "fresh_loss": loss_on(model, objective, fresh),
        "trials": trials,
        "seed": seed,
    }
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
