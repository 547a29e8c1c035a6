"""The training loop: one epoch is one compiled call.

Everything that an epoch does is decided before the call: the order of the trials, the learning rate of every minibatch.
So the state at the end of an epoch is a function of the state at its beginning, the epoch's number and the settings,
which is what makes a resumed run bit-identical to one that was never interrupted.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jaxtyping import PyTree

from gnode.errors import Diverged, must_have
from gnode.models import Model, trainable
from gnode.models.model import run
from gnode.training.losses import LOSSES
from gnode.training.schedules import SCHEDULES
from gnode.training.settings import Settings
from gnode.types import Trials

_SHUFFLING = 101  # the stream of random numbers that orders trials; the draws of trials have others


class TrainingState(NamedTuple):
    """What the next epoch starts from."""

    parameters: PyTree
    optimiser: PyTree
    best_parameters: PyTree
    best_loss: Array
    best_epoch: Array
    epoch: Array  # finished epochs


class Bins(NamedTuple):
    """Trials as the compiled epoch reads them."""

    inputs: Array  # (trials, time, D)
    targets: Array
    weights: Array  # (trials, time), 1 where a bin counts


class Plan(NamedTuple):
    """What one epoch does, minibatch by minibatch."""

    trials: np.ndarray  # (batches, batch), indices
    weights: np.ndarray  # (batches, batch), 0 for the filling of a last, smaller batch
    rates: np.ndarray  # (batches,)


class Strength(NamedTuple):
    """Numbers of the optimiser that the compiled epoch takes as arguments, so that runs can share it."""

    weight_decay: np.ndarray | np.float32
    clip: np.ndarray | np.float32  # infinity for none


@dataclass(frozen=True)
class Record:
    """One epoch, as metrics.jsonl holds it (with the seconds beside it)."""

    epoch: int
    train_loss: float
    val_loss: float
    best_epoch: int
    lr: float


def bins_of(trials: Trials) -> Bins:
    """Trials for the compiled epoch; where no mask is given every bin counts."""
    mask = np.ones(trials.inputs.shape[:2]) if trials.mask is None else trials.mask
    targets = trials.targets
    kind = np.int32 if np.issubdtype(targets.dtype, np.integer) else np.float32
    return Bins(jnp.asarray(trials.inputs, jnp.float32), jnp.asarray(targets, kind), jnp.asarray(mask, jnp.float32))


def cut(bins: Bins, time: int) -> Bins:
    """The first bins of every trial. A class that stands for a whole trial stays."""
    targets = bins.targets if bins.targets.ndim == 1 else bins.targets[:, :time]
    return Bins(bins.inputs[:, :time], targets, bins.weights[:, :time])


def begin(model: Model) -> TrainingState:
    """The state before the first epoch."""
    parameters = eqx.filter(model, trainable(model))
    return TrainingState(
        parameters=parameters,
        optimiser=optax.scale_by_adam().init(parameters),
        best_parameters=parameters,
        best_loss=jnp.float32(jnp.inf),
        best_epoch=jnp.int32(0),
        epoch=jnp.int32(0),
    )


def plan(settings: Settings, trials: int, epoch: int) -> Plan:
    """The minibatches of an epoch (1 is the first), shuffled by the run's seed and the epoch alone."""
    today = rates(settings, trials, epoch)
    batches = len(today)
    generator = np.random.default_rng(np.random.SeedSequence((settings.seed, _SHUFFLING, epoch)))
    order = np.zeros(batches * settings.batch_size, dtype=np.int32)
    order[:trials] = generator.permutation(trials)
    weights = (np.arange(len(order)) < trials).astype(np.float32)
    shape = (batches, settings.batch_size)
    return Plan(order.reshape(shape), weights.reshape(shape), today)


def rates(settings: Settings, trials: int, epoch: int) -> np.ndarray:
    """The learning rate of every minibatch of an epoch."""
    batches = -(-trials // settings.batch_size)
    progress = epoch - 1 + (np.arange(batches) + 1) / batches
    fractions = SCHEDULES[settings.schedule](progress, settings.epochs, settings.warmup_epochs, settings.final_fraction)
    return (settings.lr * fractions).astype(np.float32)


def strength(settings: Settings) -> Strength:
    return Strength(np.float32(settings.weight_decay), np.float32(settings.clip or np.inf))


def mean_loss(model: Model, loss: str, bins: Bins) -> Array:
    """The loss of a model on trials: the mean over all bins that count."""
    first_targets = bins.targets[:, 0] if bins.targets.ndim == 3 else None
    outputs = model.readout(run(model, bins.inputs, first_targets))
    total, weight = LOSSES[loss].total(outputs, bins.targets, bins.weights)
    return total / jnp.maximum(weight, 1e-9)


def one_epoch(
    frozen: PyTree, loss: str, strength: Strength, state: TrainingState, train: Bins, validation: Bins, plan: Plan
) -> tuple[TrainingState, Array, Array]:
    """An epoch of AdamW, then the validation loss, then the best parameters so far.

    Args:
        frozen: the model without what is trained.

    Returns:
        The state after it, the mean training loss over its minibatches, and the validation loss.
    """
    adam = optax.scale_by_adam()

    def batch_loss(parameters: PyTree, trials: Array, weights: Array) -> Array:
        bins = Bins(train.inputs[trials], train.targets[trials], train.weights[trials] * weights[:, None])
        return mean_loss(eqx.combine(parameters, frozen), loss, bins)

    def step(carry: tuple, batch: Plan) -> tuple:
        parameters, optimiser = carry
        value, gradient = jax.value_and_grad(batch_loss)(parameters, batch.trials, batch.weights)
        norm = optax.tree.norm(gradient)
        gradient = jax.tree.map(lambda g: g * jnp.minimum(1.0, strength.clip / (norm + 1e-12)), gradient)
        direction, optimiser = adam.update(gradient, optimiser)
        parameters = jax.tree.map(lambda p, d: p - batch.rates * (d + strength.weight_decay * p), parameters, direction)
        return (parameters, optimiser), value * jnp.mean(batch.weights)

    (parameters, optimiser), losses = jax.lax.scan(step, (state.parameters, state.optimiser), plan)
    train_loss = jnp.sum(losses) / jnp.sum(jnp.mean(plan.weights, axis=1))
    validation_loss = mean_loss(eqx.combine(parameters, frozen), loss, validation)
    epoch = state.epoch + 1
    better = validation_loss < state.best_loss
    following = TrainingState(
        parameters=parameters,
        optimiser=optimiser,
        best_parameters=jax.tree.map(lambda new, old: jnp.where(better, new, old), parameters, state.best_parameters),
        best_loss=jnp.where(better, validation_loss, state.best_loss),
        best_epoch=jnp.where(better, epoch, state.best_epoch),
        epoch=epoch,
    )
    return following, train_loss, validation_loss


@eqx.filter_jit
def _compiled_epoch(frozen: PyTree, loss: str, *arguments: PyTree) -> tuple[TrainingState, Array, Array]:
    return one_epoch(frozen, loss, *arguments)


@eqx.filter_jit
def _compiled_loss(model: Model, loss: str, bins: Bins) -> Array:
    return mean_loss(model, loss, bins)


def loss_on(model: Model, loss: str, trials: Trials) -> float:
    """The loss of a model on trials, as a number."""
    return float(_compiled_loss(anonymous(model), loss, bins_of(trials)))


def anonymous(tree: PyTree) -> PyTree:
    """The tree without the seed in its models' configurations, so that models that differ in it share a program."""

    def without_seed(node: PyTree) -> PyTree:
        if not isinstance(node, Model):
            return node
        return Model(node.initial, node.field, node.readout, node.integrator, dataclasses.replace(node.config, seed=0))

    return jax.tree.map(without_seed, tree, is_leaf=lambda node: isinstance(node, Model))


def epochs(
    frozen: PyTree, loss: str, settings: Settings, state: TrainingState, train: Trials, validation: Trials
) -> Iterator[tuple[TrainingState, Record]]:
    """Train epoch by epoch from `state`, yielding the state and the record of each.

    Raises:
        Diverged: a loss or a parameter became NaN or infinite.
    """
    if settings.batch_size > len(train):
        must_have(f"batch_size at most the {len(train)} training trials", settings.batch_size)
    train_bins, validation_bins = bins_of(train), bins_of(validation)
    for epoch in range(int(state.epoch) + 1, settings.epochs + 1):
        stages = [time for start, time in settings.curriculum if start <= epoch]
        shown = cut(train_bins, stages[-1]) if stages else train_bins
        today = plan(settings, len(train), epoch)
        state, train_loss, validation_loss = _compiled_epoch(
            frozen, loss, strength(settings), state, shown, validation_bins, today
        )
        record = Record(epoch, float(train_loss), float(validation_loss), int(state.best_epoch), float(today.rates[-1]))
        check_finite(record, settings)
        yield state, record
        if settings.patience and epoch - record.best_epoch >= settings.patience:
            return


def check_finite(record: Record, settings: Settings) -> None:
    """Raises Diverged where a loss is not a number, or infinite."""
    if not np.isfinite([record.train_loss, record.val_loss]).all():
        raise Diverged(
            f"Training diverged in epoch {record.epoch} of {settings.epochs}: training loss {record.train_loss:.3g}, "
            f"validation loss {record.val_loss:.3g}. Try a lower learning rate (now {settings.lr:g}), a smaller "
            f"clip (now {settings.clip:g}) or a longer warm-up."
        )
