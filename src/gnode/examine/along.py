"""What is measured on a model as it is after an epoch: cheap figures at every snapshot, dear ones on a few.

A measure is a function here and a line in CHEAP or DEAR. It is given the model and what it is measured on, and answers
with plain numbers and texts by name, each of which becomes a column; a number that is not finite is None there.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnode import analysis, tasks
from gnode.analysis.memory import CELL, occupied_cells, read
from gnode.arguments import integer, positive
from gnode.errors import GnodeError, check_known, must_have
from gnode.examine.evaluate import SEED, VALUES, memory_of
from gnode.models import Model
from gnode.models.model import read as answers_of_path
from gnode.series import Trials
from gnode.training.experiment import Experiment
from gnode.training.losses import total
from gnode.training.score import Objective, Shown, loss_on, show, told
from gnode.training.train import prepare

MATCHING = 5  # stream of random numbers; training draws from 1, 2 and 3, and what is fresh from 4
_LONG_TRIALS = 36  # trials of 10 and of 100 times the usual length
_GRADIENT_TRIALS = 50


@dataclass(frozen=True)
class Examination:
    """What an experiment file asks for in its table [examine].

    Attributes:
        every: a snapshot every so many epochs; also the setting `snapshot_every` of the runs.
        silences: silent bins after which written values are counted.
        trials: of the set on which losses are matched, which neither trains nor selects; where a task cannot draw any,
            the validation trials are taken.
        lags: over so many samples the gradient of the last sample's loss is followed back.
        at_losses: dear measures are made on the snapshots of the loss nearest to each of these.
        dear: which of them.
    """

    every: int
    silences: tuple[int, ...] = (100, 1000)
    trials: int = 1000
    lags: tuple[int, ...] = (1, 10, 50)
    at_losses: tuple[float, ...] = ()
    dear: tuple[str, ...] = ("half-life", "kind", "slow-modes", "long-trials")

    def __post_init__(self) -> None:
        object.__setattr__(self, "every", integer("every", self.every, 1))
        object.__setattr__(self, "trials", integer("trials", self.trials, 1))
        for name in ("silences", "lags"):
            whole = tuple(integer(name, one, 0) for one in _listed(name, getattr(self, name)))
            if list(whole) != sorted(set(whole)):
                must_have(f"{name} that increase", list(whole))
            object.__setattr__(self, name, whole)
        losses = tuple(positive("at_losses", one) for one in _listed("at_losses", self.at_losses))
        object.__setattr__(self, "at_losses", losses)
        object.__setattr__(self, "dear", tuple(_listed("dear", self.dear)))
        check_known(self.dear, list(DEAR), "a dear measure")


def examination(table: dict[str, Any]) -> Examination:
    """The table [examine] of an experiment file, checked."""
    check_known(table, [item.name for item in fields(Examination)], "a key of [examine]")
    if "every" not in table:
        must_have("every, a number of epochs, in [examine]", "none")
    return Examination(**table)


class Bench:
    """What models of one run are measured on: made once, and the same after every epoch.

    Attributes:
        task: of the run, where it remembers values; None for others.
        wanted: the table [examine].
        matching: trials on which losses are compared.
        start: the model before the first epoch.
    """

    def __init__(self, experiment: Experiment, model: Model, wanted: Examination) -> None:
        task, self.wanted = experiment.task, wanted
        self.task = task if isinstance(task, tasks.Task) and task.remembers else None
        self._objective: Objective
        self.start, data, self._objective = prepare(model, task, experiment.settings)
        self.matching = data.validation
        if isinstance(task, tasks.Task):
            self.matching = task.sample(wanted.trials, seed=(experiment.settings.seed, MATCHING))

    @cached_property
    def values(self) -> np.ndarray | None:
        """(V, D_out), the values that are written; None where the task remembers none."""
        if self.task is None or self.task.manifold is None:
            return None
        return self.task.manifold.sample(VALUES, seed=SEED)

    @cached_property
    def written(self) -> Trials | None:
        """Each value written once, and the longest silence."""
        if self.task is None or self.values is None or not self.wanted.silences:
            return None
        return self.task.recall(self.values, self.wanted.silences[-1])

    def held(self, model: Model) -> dict[int, np.ndarray]:
        """The states (V, N) after each silence, as the network itself computes (float32); none where none are held."""
        if self.written is None:
            return {}
        states = np.asarray(model.states(self.written.inputs, told(model, self.written)))
        begun = states.shape[1] - 1 - self.wanted.silences[-1]
        return {silence: states[:, begun + silence] for silence in self.wanted.silences}

    def loss(self, model: Model) -> float:
        return loss_on(model, self._objective, self.matching)

    def loss_of_long_trials(self, model: Model, times: int) -> float | None:
        """On trials so many times as long as usual, with as many pulses; None where a task has no such trials."""
        if not isinstance(self.task, tasks.PulseTask):
            return None
        bins = times * self.task.bins
        trials = self.task.sample(_LONG_TRIALS, seed=(SEED, MATCHING), bins=bins)
        return loss_on(model, self._objective, trials)

    def gradients(self, model: Model) -> np.ndarray:
        """(time,), the root mean square over trials of the norm of dL/dh at each sample, L the last sample's loss."""
        shown = show(model, self.matching[np.arange(min(_GRADIENT_TRIALS, len(self.matching)))])
        return np.asarray(_norms_of_gradients(model, self._objective, shown), dtype=float)


def cheap(model: Model, bench: Bench) -> dict[str, Any]:
    """Every cheap measure of a model."""
    return _all(CHEAP, model, bench)


def dear(model: Model, bench: Bench) -> dict[str, Any]:
    """The dear measures that were asked for. One that cannot be made says why in the column "trouble"."""
    return _all({name: DEAR[name] for name in bench.wanted.dear}, model, bench)


Measure = Callable[[Model, Bench], dict[str, Any]]


def _all(measures: dict[str, Measure], model: Model, bench: Bench) -> dict[str, Any]:
    row: dict[str, Any] = {}
    troubles = []
    for name, measure in measures.items():
        try:
            row |= measure(model, bench)
        except GnodeError as error:  # such as states that all escape: it belongs to the model and stops no training
            troubles.append(f"{name}: {error}")
    row = {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()}
    return row | ({"trouble": "; ".join(troubles)} if troubles else {})


# -- cheap --


def _matching_loss(model: Model, bench: Bench) -> dict[str, Any]:
    """The loss on trials that neither train nor select."""
    return {"matching_loss": bench.loss(model)}


def _kept(model: Model, bench: Bench) -> dict[str, Any]:
    """How many written values the readout tells apart after each silence, as the network itself computes (float32),
    their root mean square error; and on the first of these states its gates, and their participation ratio."""
    held = bench.held(model)
    if not held or bench.values is None:
        return {}
    row: dict[str, Any] = {}
    for silence, states in held.items():
        readouts = read(model, states.astype(float))
        there = np.isfinite(readouts).all(axis=1)
        row[f"values_{silence}"] = len(occupied_cells(readouts[there], CELL))
        squares = np.sum((readouts - bench.values) ** 2, axis=1)
        row[f"error_{silence}"] = float(np.sqrt(squares.mean()))
    first = held[bench.wanted.silences[0]]
    return row | _gates(model, first) | {"participation": _participation(first)}


def _participation(states: np.ndarray) -> float:
    """The participation ratio of states (S, N): over how many directions their variance is spread, 1 to N."""
    there = states[np.isfinite(states).all(axis=1)].astype(float)
    if not len(there):
        return 0.0
    variances = np.linalg.svd(there - there.mean(axis=0), compute_uv=False) ** 2
    return float(variances.sum() ** 2 / np.sum(variances**2)) if variances.sum() > 0 else 0.0


def _gates(model: Model, states: np.ndarray) -> dict[str, Any]:
    """Median and least of the gates at states (S, N) without input, in the geometric mean over units."""
    held = np.asarray(model.encoding.hold_still(np.zeros(model.config.input_size)))
    gates = np.asarray(model.field.gate(jnp.asarray(states), jnp.broadcast_to(held, (len(states), held.size))))
    means = np.exp(np.log(np.maximum(gates.astype(float), 1e-30)).mean(axis=1))
    return {"gate": float(np.median(means)), "least_gate": float(means.min())}


def _gradients(model: Model, bench: Bench) -> dict[str, Any]:
    """The norm of the last sample's loss's gradient with respect to earlier states, as a share of that at the last."""
    if model.config.events or model.config.reading == "mean":
        return {}
    norms = bench.gradients(model)
    usable = [lag for lag in bench.wanted.lags if lag < len(norms)]
    return {f"gradient_{lag}": float(norms[-1 - lag] / norms[-1]) if norms[-1] > 0 else None for lag in usable}


@eqx.filter_jit
def _norms_of_gradients(model: Model, objective: Objective, shown: Shown) -> Array:
    samples = shown.samples
    start = model.initial(samples.inputs[:, 0], samples.told)
    weights = shown.weights.at[:, :-1].set(0.0)

    def loss(jumps: Array) -> Array:
        path = model.integrator(model.field, start, samples.inputs, samples.elapsed, jumps)
        answers = answers_of_path(model, path, samples)
        return total(objective.loss, answers, shown.targets, weights, objective.weigh, (), True).cost

    jumps = jnp.zeros((*samples.inputs.shape[:2], model.config.state_size), samples.inputs.dtype)
    return jnp.sqrt(jnp.mean(jnp.sum(jax.grad(loss)(jumps) ** 2, axis=-1), axis=0))


# -- dear --


def _half_life(model: Model, bench: Bench) -> dict[str, Any]:
    """The half-life of the number of values, in bins, with its interval, and what is left after the longest silence."""
    if bench.task is None:
        return {}
    memory = memory_of(model, bench.task)
    assert memory is not None
    low, high = memory.half_life_interval
    return {
        "half_life": memory.half_life,
        "half_life_low": low,
        "half_life_high": high,
        f"values_{memory.silences[-1]}": int(memory.distinct[-1]),
    }


def _kind(model: Model, bench: Bench) -> dict[str, Any]:
    """The name of the attractor after the first silence, its dimension and drift."""
    if bench.task is None or not bench.wanted.silences:
        return {}
    found = analysis.attractor(model, bench.task, silence=bench.wanted.silences[0])
    return {"kind": found.kind, "dimension": found.dimension, "drift": float(found.drift)}


def _slow_modes(model: Model, bench: Bench) -> dict[str, Any]:
    """Medians over the states after the first silence of the slowest and second slowest mode of the map, in bins, and
    of how much slower the gate makes a unit there than around (gnode.analysis.timescales)."""
    held = bench.held(model)
    if not held:
        return {}
    found = analysis.timescales(model, held[bench.wanted.silences[0]].astype(float))
    steps = np.median(found.steps, axis=0) / model.config.dt
    return {"slowest_mode": float(steps[0]), "slow_overlap": found.slow_overlap} | (
        {"second_slowest_mode": float(steps[1])} if len(steps) > 1 else {}
    )


def _long_trials(model: Model, bench: Bench) -> dict[str, Any]:
    """The loss on trials of 10 and of 100 times the length."""
    return {f"loss_of_{times}_lengths": bench.loss_of_long_trials(model, times) for times in (10, 100)}


CHEAP: dict[str, Measure] = {"matching-loss": _matching_loss, "values": _kept, "gradients": _gradients}
DEAR: dict[str, Measure] = {
    "half-life": _half_life,
    "kind": _kind,
    "slow-modes": _slow_modes,
    "long-trials": _long_trials,
}


def _listed(name: str, value: Any) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        must_have(f"{name} a list", repr(value))
    return value
