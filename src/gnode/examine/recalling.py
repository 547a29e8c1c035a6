"""What a run's model does when it is asked to remember."""

from collections.abc import Sequence

import numpy as np

from gnode import analysis, tasks
from gnode.analysis.memory import SILENCES
from gnode.models import Model
from gnode.series import Series

VALUES = 360  # how many remembered values memory is measured on
SEED = 2023  # of what is drawn to look at a run; training's draws have seeds of two numbers, so they cannot recur


def memory_of(
    model: Model, task: tasks.Task, silences: Sequence[int] = SILENCES, seed: int = SEED
) -> analysis.Memory | None:
    """Memory of VALUES values of a task, drawn with `seed`, against silence; None where a task remembers no values."""
    if task.manifold is None:
        return None
    return analysis.memory(Recalling(model, task), task, task.manifold.sample(VALUES, seed=seed), silences)


class Recalling:
    """A model as gnode.analysis.memory wants one: its states depend on inputs alone.

    A model whose initial state is a net of the first target is told the value that the task holds before any pulse.
    """

    def __init__(self, model: Model, task: tasks.Task) -> None:
        self.model = model
        self.map_at, self.field_at, self.readout = model.map_at, model.field_at, model.readout
        self.field, self.integrator, self.config = model.field, model.integrator, model.config
        assert task.manifold is not None
        self._first = task.recall(task.manifold.sample(1, seed=0), silence=0).targets[:, 0]

    def states(self, inputs: np.ndarray) -> np.ndarray:
        return states_of(self.model, inputs, np.repeat(self._first, len(inputs), axis=0)[:, None])


def states_of(model: Model, inputs: np.ndarray | Series, targets: np.ndarray) -> np.ndarray:
    """States at each sample (trials, T, N), for any kind of initial state."""
    told = model.config.initial_state == "first-target"
    return np.asarray(model.states(inputs, targets[:, 0] if told else None))
