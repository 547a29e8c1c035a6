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
from jax.typing import ArrayLike
from jaxtyping import PyTree

from gnode.errors import Diverged, must_have
from gnode.integrate.flow import FAILURES
from gnode.models import Model, trainable
from gnode.series import Trials
from gnode.training.losses import mean_of
from gnode.training.perturb import keys
from gnode.training.schedules import SCHEDULES
from gnode.training.score import Objective, Scored, Shown, cut, score, show, take
from gnode.training.settings import Settings

_SHUFFLING = 101  # the stream of random numbers that orders trials; the draws of trials have others


class TrainingState(NamedTuple):
    """What the next epoch starts from."""

    parameters: PyTree
    optimiser: PyTree
    best_parameters: PyTree
    best_loss: Array
    best_epoch: Array
    epoch: Array  # finished epochs


class Plan(NamedTuple):
    """What one epoch does, minibatch by minibatch."""

    trials: np.ndarray  # (batches, batch), indices
    weights: np.ndarray  # (batches, batch), 0 for the filling of a last, smaller batch
    rates: np.ndarray  # (batches,)
    keys: np.ndarray | None = None  # (batches, 2), of noise and dropout; None where there are none


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
    lr: float | None = None  # None of a method that has none
    failed: int = 0  # minibatches in which a solve failed, validation as one
    train_accuracy: float | None = None  # of classes: the share that is right
    val_accuracy: float | None = None
    damping: float | None = None  # of gnode.training.levenberg

    def as_dict(self) -> dict[str, float]:
        """Plain data; without `failed` where nothing did, and without what there is none of."""
        data = dataclasses.asdict(self)
        if not self.failed:
            del data["failed"]
        return {key: value for key, value in data.items() if value is not None}


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
    disturbed = settings.input_noise or settings.readout_dropout
    drawn = keys(settings.seed, epoch, batches) if disturbed else None
    return Plan(order.reshape(shape), weights.reshape(shape), today, drawn)


def longest_first(plan: Plan, lengths: np.ndarray) -> Plan:
    """The same minibatches with their longest trials first, which is how a ragged batch is quick to compute."""
    order = np.argsort(-lengths[plan.trials], axis=1, kind="stable")
    trials, weights = (np.take_along_axis(array, order, axis=1) for array in (plan.trials, plan.weights))
    return plan._replace(trials=trials, weights=weights)


def rates(settings: Settings, trials: int, epoch: int) -> np.ndarray:
    """The learning rate of every minibatch of an epoch."""
    batches = -(-trials // settings.batch_size)
    span = settings.schedule_epochs or settings.epochs
    progress = np.minimum(epoch - 1 + (np.arange(batches) + 1) / batches, span)  # beyond it the rate stays
    fractions = SCHEDULES[settings.schedule](progress, span, settings.warmup_epochs, settings.final_fraction)
    return (settings.lr * fractions).astype(np.float32)


def strength(settings: Settings) -> Strength:
    return Strength(np.float32(settings.weight_decay), np.float32(settings.clip or np.inf))


def one_epoch(
    frozen: PyTree,
    objective: Objective,
    strength: Strength,
    state: TrainingState,
    train: Shown,
    validation: Shown,
    plan: Plan,
) -> tuple[TrainingState, Array, Array, Scored]:
    """An epoch of AdamW, then the validation loss, then the best parameters so far.

    Args:
        frozen: the model without what is trained.

    Returns:
        The state after it, the mean training loss over its minibatches, the validation loss, and each minibatch's
        score, the validation's last.
    """
    adam = optax.scale_by_adam()

    def batch_loss(parameters: PyTree, batch: Plan) -> tuple[Array, Scored]:
        shown = take(train, batch.trials)
        shown = shown._replace(weights=shown.weights * batch.weights[:, None])
        scored = score(eqx.combine(parameters, frozen), objective, shown, batch.keys)
        return mean_of(scored.total, scored.weight), scored._replace(trial=batch.trials[scored.trial])

    def step(carry: tuple, batch: Plan) -> tuple:
        parameters, optimiser = carry
        (_, scored), gradient = jax.value_and_grad(batch_loss, has_aux=True)(parameters, batch)
        norm = optax.tree.norm(gradient)
        gradient = jax.tree.map(lambda g: g * jnp.minimum(1.0, strength.clip / (norm + 1e-12)), gradient)
        direction, moments = adam.update(gradient, optimiser)
        stepped = jax.tree.map(lambda p, d: p - batch.rates * (d + strength.weight_decay * p), parameters, direction)
        if not objective.gaps:
            return (stepped, moments), scored
        # Where nothing counted there is nothing to learn, and momentum and weight decay alone would move the model.
        counts = scored.weight > 0
        return jax.tree.map(lambda new, old: jnp.where(counts, new, old), (stepped, moments), carry), scored

    (parameters, optimiser), scores = jax.lax.scan(step, (state.parameters, state.optimiser), plan)
    train_loss = jnp.sum(scores.total) / jnp.sum(scores.weight)
    held_out = score(eqx.combine(parameters, frozen), objective, validation)
    validation_loss = held_out.total / held_out.weight
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
    every = jax.tree.map(lambda of_batches, last: jnp.append(of_batches, last), scores, held_out)
    return following, train_loss, validation_loss, every


@eqx.filter_jit
def _compiled_epoch(
    frozen: PyTree, objective: Objective, *arguments: PyTree
) -> tuple[TrainingState, Array, Array, Scored]:
    return one_epoch(frozen, objective, *arguments)


def epochs(
    frozen: Model, objective: Objective, settings: Settings, state: TrainingState, train: Trials, validation: Trials
) -> Iterator[tuple[TrainingState, Record]]:
    """Train epoch by epoch from `state`, yielding the state and the record of each.

    Raises:
        Diverged: a loss or a parameter became NaN or infinite, or a solve failed and is to end training.
    """
    refuse_large_batches(settings, train)
    lengths = train.series.valid.sum(axis=1)
    all_shown, held_out = show(frozen, train), show(frozen, validation)
    for epoch in range(int(state.epoch) + 1, settings.epochs + 1):
        shown = shown_in(epoch, all_shown, settings)
        today = longest_first(plan(settings, len(train), epoch), lengths)
        state, train_loss, validation_loss, scores = _compiled_epoch(
            frozen, objective, strength(settings), state, shown, held_out, today
        )
        record = Record(
            epoch, float(train_loss), float(validation_loss), int(state.best_epoch), float(today.rates[-1]),
            int(np.count_nonzero(scores.failed)), *accuracies(scores.right, scores.counted),
        )  # fmt: skip
        finite = np.isfinite([record.train_loss, record.val_loss]).all()
        if record.failed and (objective.on_failure == "stop" or not finite):
            raise Diverged(_failure(epoch, scores, shown.weights.shape[1]))
        check_finite(record, settings)
        yield state, record
        if settings.patience and epoch - record.best_epoch >= settings.patience:
            return


def refuse_large_batches(settings: Settings, train: Trials) -> None:
    """Raises InvalidInput where a minibatch would hold more trials than there are."""
    if settings.batch_size > len(train):
        must_have(f"batch_size at most the {len(train)} training trials", settings.batch_size)


def shown_in(epoch: int, shown: Shown, settings: Settings) -> Shown:
    """Training trials as the curriculum cuts them in an epoch."""
    stages = [time for start, time in settings.curriculum if start <= epoch]
    return cut(shown, stages[-1]) if stages else shown


def accuracies(right: ArrayLike | None, counted: ArrayLike | None) -> tuple[float | None, float | None]:
    """Of training and of validation, from what is right in each minibatch and out of how many, validation's last."""
    if right is None:
        return None, None
    right, counted = np.asarray(right, float), np.asarray(counted, float)
    return float(right[:-1].sum() / counted[:-1].sum()), float(right[-1] / counted[-1])


def check_finite(record: Record, settings: Settings) -> None:
    """Raises Diverged where a loss is not a number, or infinite."""
    if not np.isfinite([record.train_loss, record.val_loss]).all():
        raise Diverged(
            f"Training diverged in epoch {record.epoch} of {settings.epochs}: training loss {record.train_loss:.3g}, "
            f"validation loss {record.val_loss:.3g}. Try a lower learning rate (now {settings.lr:g}), "
            + (f"a smaller clip (now {settings.clip:g})" if settings.clip else "clipping (clip = 1; now off)")
            + " or a longer warm-up."
        )


def _failure(epoch: int, scores: Scored, time: int) -> str:
    """Which solve failed first, where and why, and what to try."""
    first = int(np.flatnonzero(scores.failed)[0])
    which = "validation" if first == len(scores.failed) - 1 else "training"
    reason, advice = FAILURES[int(scores.failed[first])]
    return (
        f"In epoch {epoch} the {which} trial {int(scores.trial[first])} could not be solved beyond sample "
        f"{int(scores.until[first])} of {time}: {reason}. {advice} Where others can be solved, training goes on "
        "without it by on_failure = 'skip'."
    )
