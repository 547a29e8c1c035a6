"""Scoring a model on trials: trials as compiled code reads them, what is minimised, and solves that failed."""

import dataclasses
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnode.errors import must_have
from gnode.integrate import Map
from gnode.models import Model, under
from gnode.models.model import Samples, as_samples, read, run
from gnode.series import Trials
from gnode.training.losses import total

LENGTH_CLASSES = 4  # numbers of rows that a ragged minibatch is computed on


class Shown(NamedTuple):
    """Trials as the compiled epoch reads them."""

    samples: Samples
    targets: Array
    weights: Array  # (trials, time), how much a sample counts


def told(model: Model, trials: Trials) -> np.ndarray | None:
    """The first targets, for a model whose initial state is a net of them."""
    return trials.targets[:, 0] if model.is_told else None


def show(model: Model, trials: Trials) -> Shown:
    """Trials for the compiled epoch, as the model's encoding makes them; without weights every sample counts."""
    weights = np.ones(trials.series.shape[:2], np.float32) if trials.weights is None else trials.weights
    samples = as_samples(model.encoding.encode(trials.series), told(model, trials))
    return Shown(samples, jnp.asarray(trials.targets), jnp.asarray(weights))


def cut(shown: Shown, time: int) -> Shown:
    """The first samples of every trial. A class that stands for a whole trial stays."""
    samples, targets = shown.samples, shown.targets
    samples = samples._replace(inputs=samples.inputs[:, :time], elapsed=samples.elapsed[:, :time])
    return Shown(samples, targets if targets.ndim == 1 else targets[:, :time], shown.weights[:, :time])


def take(shown: Shown, trials: Array | np.ndarray) -> Shown:
    """Some of the trials. A clock that all have in common stays as it is."""
    return jax.tree.map(lambda array: array[trials] if len(array) == len(shown.targets) else array, shown)


class Objective(NamedTuple):
    """What is minimised, by names."""

    loss: str
    weigh: str  # out of gnode.training.losses.WEIGHINGS
    on_failure: str  # out of gnode.training.settings.ON_FAILURE
    classes: int = 0  # numbers of rows that a ragged minibatch is computed on; 0 for as a rectangle


class Scored(NamedTuple):
    """How a model did on trials: the cost of its answers, summed by weight, and the first solve that failed."""

    total: Array
    weight: Array
    failed: Array  # (), a key of gnode.integrate.flow.FAILURES, 0 for none
    trial: Array  # (), which one
    until: Array  # (), how many samples it reached


def score(model: Model, objective: Objective, shown: Shown) -> Scored:
    """The cost of a model's answers. What a failed solve did not reach counts by the objective's choice, or not."""
    if objective.classes and isinstance(model.integrator, Map):
        integrator = dataclasses.replace(model.integrator, classes=objective.classes)
        model = dataclasses.replace(model, integrator=integrator)
    path = run(model, shown.samples)
    weights = shown.weights
    if objective.on_failure == "shorten":
        weights = weights * (jnp.arange(weights.shape[1]) < path.until[:, None])
    else:
        weights = weights * (path.failed == 0)[:, None]
    answers = read(model, path, shown.samples)
    summed = total(objective.loss, answers, shown.targets, weights, objective.weigh)
    first = jnp.argmax(path.failed != 0)
    return Scored(*summed, path.failed[first], first, path.until[first])


@eqx.filter_jit
def _compiled_score(model: Model, objective: Objective, shown: Shown) -> Scored:
    return score(model, objective, shown)


def alone(model: Model) -> Model:
    """The same flow with steps of its own for each trial, so that one that cannot be solved takes no other along."""
    return under(model, model.config.integrator, grid="series")


def loss_on(model: Model, objective: Objective, trials: Trials) -> float:
    """The loss of a model on trials, as a number: the mean over all that counts. NaN where no trial could be solved."""
    if not trials.counts.any():
        must_have("trials of which something counts", "none")
    shown = show(model, trials)
    scored = _compiled_score(model, objective, shown)
    if scored.failed:
        scored = _compiled_score(alone(model), objective, shown)
    return float(scored.total / scored.weight)
