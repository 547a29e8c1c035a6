"""Runs of equal shape as one program: vmap over runs, for a GPU, which a single small run cannot fill.

On a CPU this gains nothing over one run per core (gnode.training.workers), which is what sweeps use there. Sums are
taken in another order than in a single run, so losses agree to rounding and not bit by bit.
"""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from gnode.errors import Diverged, must_have
from gnode.models import Model, draw, trainable
from gnode.training.experiment import Experiment
from gnode.training.loop import (
    Bins,
    Record,
    Strength,
    TrainingState,
    anonymous,
    begin,
    bins_of,
    check_finite,
    one_epoch,
    plan,
    strength,
)
from gnode.training.progress import Silent
from gnode.training.settings import Settings
from gnode.training.train import Interrupted, Run, configuration, first_state, keep_books, open_directory, prepare
from gnode.types import Trials

Books = Generator[None, None, Run]
FREE = {"lr", "weight_decay", "clip", "seed", "schedule", "warmup_epochs", "final_fraction"}  # may differ between runs


def train_together(
    models: Sequence[Model],
    loss: str,
    settings: Sequence[Settings],
    train: Sequence[Trials],
    validation: Sequence[Trials],
    states: Sequence[TrainingState] | None = None,
) -> Iterator[tuple[TrainingState, np.ndarray, np.ndarray]]:
    """Train several models at once, epoch by epoch.

    Args:
        models: of one architecture; their random weights may differ.
        settings: one a model; only rate, schedule, weight decay, clip and seed may differ.
        train, validation: trials, one set a model, all of one shape.
        states: where to go on, all after the same epoch; by default each model's beginning.

    Yields:
        The state of all runs (every array has a first axis of runs), and the training and validation losses, (runs,). A
        run that diverges has NaN there and leaves the others alone.

    Raises:
        InvalidInput: the runs are not of equal shape.
    """
    _check_alike(models, settings)
    first = states or [begin(model) for model in models]
    done = int(first[0].epoch)
    stacked = _stack([anonymous(state) for state in first])
    frozen = _stack([anonymous(eqx.partition(model, trainable(model))[1]) for model in models])
    bins, held_out = (_stack([bins_of(trials) for trials in sets]) for sets in (train, validation))
    strengths = _stack([strength(one) for one in settings])
    for epoch in range(done + 1, settings[0].epochs + 1):
        today = _stack([plan(one, len(trials), epoch) for one, trials in zip(settings, train, strict=True)])
        stacked, train_loss, validation_loss = _one_epoch_each(frozen, loss, strengths, stacked, bins, held_out, today)
        yield stacked, np.asarray(train_loss), np.asarray(validation_loss)


def train_group(
    experiments: Sequence[Experiment], folders: Sequence[Path], until: int | None = None
) -> Iterator[tuple[int, Diverged | None]]:
    """Train runs of equal shape together, each into its directory, from its checkpoint if there is one.

    Args:
        experiments, folders: one a run.
        until: the epoch after which all pause, with a checkpoint; None to finish.

    Yields:
        The index of each run as it ends, and Diverged if that was why.

    Raises:
        KeyboardInterrupt: Ctrl-C; every run has a checkpoint of its last finished epoch.
    """
    runs = [_Member(*run) for run in zip(experiments, folders, strict=True)]
    # What was killed while it wrote checkpoints may have them from two epochs.
    for epoch in sorted({run.epoch for run in runs}):
        yield from _train_equal({index: run for index, run in enumerate(runs) if run.epoch == epoch}, until)


def _train_equal(runs: dict[int, "_Member"], until: int | None) -> Iterator[tuple[int, Diverged | None]]:
    """Those that are after the same epoch."""
    members = list(runs.values())
    together = train_together(
        [run.model for run in members],
        members[0].loss,
        [run.settings for run in members],
        [run.data.train for run in members],
        [run.data.validation for run in members],
        [run.state for run in members],
    )
    began = time.perf_counter()
    books = {index: run.books(lambda: (time.perf_counter() - began) / len(members)) for index, run in runs.items()}
    try:
        for stacked, train_loss, validation_loss in together:
            for at, (index, run) in enumerate(runs.items()):
                if index in books:
                    run.receive(_one(stacked, at), float(train_loss[at]), float(validation_loss[at]))
                    yield from _turn(books, index)
            if not books:
                return
            if until is not None and int(stacked.epoch[0]) >= until:
                _interrupt(books)
                yield from ((index, None) for index in books)
                return
        for index in list(books):
            yield from _turn(books, index)
    except KeyboardInterrupt:
        _interrupt(books)
        raise


def _turn(books: dict[int, Books], index: int) -> Iterator[tuple[int, Diverged | None]]:
    """Let a run write down what it received; where it ends by that, it leaves the books."""
    try:
        next(books[index])
    except StopIteration:
        del books[index]
        yield index, None
    except Diverged as error:
        del books[index]
        yield index, error
    except Interrupted:
        del books[index]
        raise KeyboardInterrupt from None


def _interrupt(books: dict[int, Books]) -> None:
    """Every run writes a checkpoint, as after Ctrl-C."""
    for book in books.values():
        with contextlib.suppress(Interrupted, KeyboardInterrupt):  # the latter from one that has not begun
            book.throw(KeyboardInterrupt)


class _Member:
    """A run that is trained with others: what it needs, and the last epoch, on its way into the books."""

    def __init__(self, experiment: Experiment, folder: Path) -> None:
        self.settings = experiment.settings
        self.model = draw(experiment.model)
        self.data, self.loss = prepare(self.model, experiment.task, self.settings)
        config = configuration(experiment.task, experiment.model, self.settings)
        self._directory = open_directory(folder, True, config)
        self.state = first_state(self.model, self._directory)
        self.epoch = int(self.state.epoch)
        self._news: list[tuple[TrainingState, Record]] = []

    def books(self, clock: Callable[[], float]) -> Books:
        return keep_books(
            self.model, self.data, self.loss, self.settings, self._directory, self.state, self._epochs(),
            Silent(), clock,
        )  # fmt: skip

    def receive(self, state: TrainingState, train_loss: float, validation_loss: float) -> None:
        epoch = int(state.epoch)
        rate = plan(self.settings, len(self.data.train), epoch).rates[-1]
        named = jax.tree.unflatten(jax.tree.structure(self.state), jax.tree.leaves(state))
        self._news.append((named, Record(epoch, train_loss, validation_loss, int(state.best_epoch), float(rate))))

    def _epochs(self) -> Iterator[tuple[TrainingState, Record]]:
        while self._news:
            state, record = self._news.pop()
            check_finite(record, self.settings)
            yield state, record


@eqx.filter_jit
def _one_epoch_each(
    frozen: PyTree, loss: str, strengths: Strength, states: TrainingState, train: Bins, validation: Bins, plans: PyTree
) -> tuple[TrainingState, jax.Array, jax.Array]:
    # The frozen part holds functions too, which vmap cannot take: only its arrays are mapped over.
    arrays, rest = eqx.partition(frozen, eqx.is_array)

    def each(arrays: PyTree, *arguments: PyTree) -> tuple[TrainingState, jax.Array, jax.Array]:
        return one_epoch(eqx.combine(arrays, rest), loss, *arguments)

    return jax.vmap(each)(arrays, strengths, states, train, validation, plans)


def _check_alike(models: Sequence[Model], settings: Sequence[Settings]) -> None:
    if not models or len(models) != len(settings):
        must_have("as many models as settings, at least one", f"{len(models)} and {len(settings)}")
    first = models[0].config.as_dict()
    for model in models[1:]:
        if odd := [key for key, value in model.config.as_dict().items() if value != first[key] and key != "seed"]:
            must_have("models that differ in their seed alone", f"a difference in {', '.join(odd)}")
    for one in settings[1:]:
        odd = [key for key in dataclasses.asdict(one) if getattr(one, key) != getattr(settings[0], key)]
        if odd := sorted(set(odd) - FREE):
            must_have(f"settings that differ in {', '.join(sorted(FREE))} alone", f"a difference in {', '.join(odd)}")
    if any(one.curriculum or one.patience for one in settings):
        must_have("neither a curriculum nor patience", "one of them", "Train these runs one by one.")


def _one(tree: PyTree, at: int) -> PyTree:
    return jax.tree.map(lambda part: part[at], tree)


def _stack(trees: Sequence[PyTree]) -> PyTree:
    """One tree whose arrays have a first axis of trees; what is no array is the first tree's."""
    arrays, rest = zip(*(eqx.partition(tree, eqx.is_array_like) for tree in trees), strict=True)
    return eqx.combine(jax.tree.map(lambda *leaves: jnp.stack(leaves), *arrays), rest[0])
