"""Runs of equal shape as one program: vmap over runs, for a GPU, which a single small run cannot fill.

On a CPU this gains nothing over one run per core (gnode.training.workers), which is what sweeps use there. Sums are
taken in another order than in a single run, so losses agree to rounding and not bit by bit.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from gnode.errors import must_have
from gnode.models import Model, trainable
from gnode.training.loop import Bins, Strength, TrainingState, begin, bins_of, one_epoch, plan, strength
from gnode.training.settings import Settings
from gnode.types import Trials

_FREE = {"lr", "weight_decay", "clip", "seed", "schedule", "warmup_epochs", "final_fraction"}  # may differ between runs


def train_together(
    models: Sequence[Model],
    loss: str,
    settings: Sequence[Settings],
    train: Sequence[Trials],
    validation: Sequence[Trials],
) -> Iterator[tuple[TrainingState, np.ndarray, np.ndarray]]:
    """Train several models at once, epoch by epoch.

    Args:
        models: of one architecture; their random weights may differ.
        settings: one a model; only rate, schedule, weight decay, clip and seed may differ.
        train, validation: trials, one set a model, all of one shape.

    Yields:
        The state of all runs (every array has a first axis of runs), and the training and validation losses, (runs,). A
        run that diverges has NaN there and leaves the others alone.

    Raises:
        InvalidInput: the runs are not of equal shape.
    """
    _check_alike(models, settings)
    states = _stack([_anonymous(begin(model)) for model in models])
    frozen = _stack([_anonymous(eqx.partition(model, trainable(model))[1]) for model in models])
    bins, held_out = (_stack([bins_of(trials) for trials in sets]) for sets in (train, validation))
    strengths = _stack([strength(one) for one in settings])
    for epoch in range(1, settings[0].epochs + 1):
        today = _stack([plan(one, len(trials), epoch) for one, trials in zip(settings, train, strict=True)])
        states, train_loss, validation_loss = _one_epoch_each(frozen, loss, strengths, states, bins, held_out, today)
        yield states, np.asarray(train_loss), np.asarray(validation_loss)


@eqx.filter_jit
def _one_epoch_each(
    frozen: PyTree, loss: str, strengths: Strength, states: TrainingState, train: Bins, validation: Bins, plans: PyTree
) -> tuple[TrainingState, jax.Array, jax.Array]:
    # The frozen part holds functions too, which vmap cannot take: only its arrays are mapped over.
    arrays, rest = eqx.partition(frozen, eqx.is_array)

    def each(arrays: PyTree, *arguments: PyTree) -> tuple[TrainingState, jax.Array, jax.Array]:
        return one_epoch(eqx.combine(arrays, rest), loss, *arguments)

    return jax.vmap(each)(arrays, strengths, states, train, validation, plans)


def _anonymous(tree: PyTree) -> PyTree:
    """The tree without the seed in its models' configurations, which is all that these may differ in."""

    def without_seed(node: PyTree) -> PyTree:
        if not isinstance(node, Model):
            return node
        return Model(node.initial, node.field, node.readout, node.integrator, dataclasses.replace(node.config, seed=0))

    return jax.tree.map(without_seed, tree, is_leaf=lambda node: isinstance(node, Model))


def _check_alike(models: Sequence[Model], settings: Sequence[Settings]) -> None:
    if not models or len(models) != len(settings):
        must_have("as many models as settings, at least one", f"{len(models)} and {len(settings)}")
    first = models[0].config.as_dict()
    for model in models[1:]:
        if odd := [key for key, value in model.config.as_dict().items() if value != first[key] and key != "seed"]:
            must_have("models that differ in their seed alone", f"a difference in {', '.join(odd)}")
    for one in settings[1:]:
        odd = [key for key in dataclasses.asdict(one) if getattr(one, key) != getattr(settings[0], key)]
        if odd := sorted(set(odd) - _FREE):
            must_have(f"settings that differ in {', '.join(sorted(_FREE))} alone", f"a difference in {', '.join(odd)}")
    if any(one.curriculum or one.patience for one in settings):
        must_have("neither a curriculum nor patience", "one of them", "Train these runs one by one.")


def _stack(trees: Sequence[PyTree]) -> PyTree:
    """One tree whose arrays have a first axis of trees; what is no array is the first tree's."""
    arrays, rest = zip(*(eqx.partition(tree, eqx.is_array_like) for tree in trees), strict=True)
    return eqx.combine(jax.tree.map(lambda *leaves: jnp.stack(leaves), *arrays), rest[0])
