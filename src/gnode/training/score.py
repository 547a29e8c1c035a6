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
from gnode.models.model import Samples, as_samples, in_units, read, run, with_scalings
from gnode.models.scaling import Scaling
from gnode.series import Trials
from gnode.training.losses import LOSSES, total
from gnode.training.perturb import dropped, noisy

LENGTH_CLASSES = 4  # numbers of rows that a ragged minibatch is computed on


class Shown(NamedTuple):
    """Trials as the compiled epoch reads them."""

    samples: Samples
    targets: Array
    weights: Array  # (trials, time), how much a sample counts


def told(model: Model, trials: Trials) -> np.ndarray | None:
    """The first targets, for a model whose initial state is a net of them."""
    return trials.targets[:, 0] if model.is_told else None


def show(model: Model, trials: Trials, in_units: bool = False) -> Shown:
    """Trials for the compiled epoch, as the model's encoding makes them; without weights every sample counts.

    Args:
        in_units: whether targets stay in the user's units; else they are brought to the model's scale.
    """
    first = told(model, trials)
    if model.output_scaling is not None and first is not None:
        first = model.output_scaling.first(trials.targets.shape[-1]).scaled(first)
    samples = as_samples(model.encoding.encode(trials.series), first)
    targets, weights = targets_and_weights(model, trials, in_units)
    return Shown(samples, jnp.asarray(targets), jnp.asarray(weights))


def targets_and_weights(model: Model, trials: Trials, in_units: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """What is wanted of trials, and how much each sample counts, (trials, time). `in_units` as for `show`."""
    targets = trials.targets
    weights = np.ones(trials.series.shape[:2], np.float32) if trials.weights is None else trials.weights
    if model.output_scaling is not None and not in_units:
        scaled = model.output_scaling.first(targets.shape[-1]).scaled(targets)
        targets = np.where(weights[..., None] > 0, scaled, 0.0).astype(np.float32)
    return targets, weights


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
    class_weights: tuple[float, ...] = ()  # how much each class weighs; none for all alike
    input_noise: float = 0.0  # in training alone (gnode.training.perturb)
    readout_dropout: float = 0.0
    gaps: bool = True  # whether some samples may not count, or a solve may fail
    in_units: bool = False  # whether targets and answers are in the user's units; else in the model's scale


class Scored(NamedTuple):
    """How a model did on trials: the cost of its answers, summed by weight, and the first solve that failed."""

    total: Array
    weight: Array
    failed: Array  # (), a key of gnode.integrate.flow.FAILURES, 0 for none
    trial: Array  # (), which one
    until: Array  # (), how many samples it reached
    right: Array | None  # of classes (gnode.training.losses.Totals)
    counted: Array | None


def score(model: Model, objective: Objective, shown: Shown, key: Array | np.ndarray | None = None) -> Scored:
    """The cost of a model's answers. What a failed solve did not reach counts by the objective's choice, or not.

    Args:
        key: of the noise and the dropout of a minibatch that is trained on; None for neither.
    """
    if objective.classes and isinstance(model.integrator, Map):
        integrator = dataclasses.replace(model.integrator, classes=objective.classes)
        model = dataclasses.replace(model, integrator=integrator)
    samples, weights = shown.samples, shown.weights
    if key is not None and objective.input_noise:
        samples = noisy(samples, objective.input_noise, model.encoding.channels, key)
    path = run(model, samples)
    if key is not None and objective.readout_dropout:
        path = dataclasses.replace(path, states=dropped(path.states, objective.readout_dropout, key))
    if objective.on_failure == "shorten":
        weights = weights * (jnp.arange(weights.shape[1]) < path.until[:, None])
    else:
        weights = weights * (path.failed == 0)[:, None]
    answers = read(model, path, samples)
    if objective.in_units:
        answers = in_units(model, answers)
    sums = total(
        objective.loss, answers, shown.targets, weights, objective.weigh, objective.class_weights, objective.gaps
    )
    first = jnp.argmax(path.failed != 0)
    return Scored(sums.cost, sums.weight, path.failed[first], first, path.until[first], sums.right, sums.counted)


@eqx.filter_jit
def _compiled_score(model: Model, objective: Objective, shown: Shown) -> Scored:
    return score(model, objective, shown)


def standardised(model: Model, loss: str, train: Trials) -> Model:
    """The model with the scalings that it is to have set from what counts in training trials, unless they are set."""
    inputs, outputs, of_outputs = model.encoding.scaling, model.readout.scaling, LOSSES[loss].scaling
    if model.config.scale == "none":
        return model
    if inputs is None:
        inputs = Scaling.fit(train.series.values, train.series.seen)
    if outputs is None and model.config.residual:
        number = model.config.output_size
        outputs = Scaling.of(np.zeros(number), inputs.scale[:number])  # of what is added to the inputs
    if outputs is None and of_outputs is not None:
        counts = np.broadcast_to(train.counts[..., None], train.targets.shape)
        outputs = of_outputs(Scaling.fit(train.targets, counts))
    return with_scalings(model, inputs, outputs)


def alone(model: Model) -> Model:
    """The same flow with steps of its own for each trial, so that one that cannot be solved takes no other along."""
    return under(model, model.config.integrator, grid="series")


def loss_and_accuracy(model: Model, objective: Objective, trials: Trials) -> tuple[float, float | None]:
    """The loss of a model on trials, the mean over all that counts; and of classes, the share that is right.

    NaN where no trial could be solved.
    """
    if not trials.counts.any():
        must_have("trials of which something counts", "none")
    shown = show(model, trials, objective.in_units)
    scored = _compiled_score(model, objective, shown)
    if scored.failed:
        scored = _compiled_score(alone(model), objective, shown)
    accuracy = None if scored.right is None or scored.counted is None else float(scored.right / scored.counted)
    return float(scored.total / scored.weight), accuracy


def loss_on(model: Model, objective: Objective, trials: Trials) -> float:
    """The loss of a model on trials, as a number: the mean over all that counts."""
    return loss_and_accuracy(model, objective, trials)[0]
