"""Runs of equal shape as one program: vmap over runs, for a GPU, which a single small run cannot fill.

On a CPU this gains nothing over one run per core (gnode.workers), which is what sweeps use there. Sums are
taken in another order than in a single run, so losses agree to rounding and not bit by bit.
"""

import contextlib
import dataclasses
import inspect
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from gnode.errors import must_have
from gnode.files import alone
from gnode.models import Model, draw, model_table, trainable
from gnode.series import Trials
from gnode.tasks import definition_of
from gnode.training.experiment import Experiment
from gnode.training.loop import (
    Record,
    Strength,
    TrainingState,
    accuracies,
    begin,
    check_finite,
    one_epoch,
    plan,
    rates,
    strength,
)
from gnode.training.progress import Silent
from gnode.training.score import Objective, Scored, Shown, show
from gnode.training.settings import Settings
from gnode.training.train import Interrupted, configuration, first_state, keep_books, made_from, open_directory, prepare

FREE = {"lr", "weight_decay", "clip", "seed", "schedule", "warmup_epochs", "final_fraction"}  # may differ between runs
ALONE = {"curriculum": (), "patience": 0, "optimiser": "adamw"}  # runs with other values cannot be trained together


def train_together(
    models: Sequence[Model],
    objective: Objective,
    settings: Sequence[Settings],
    train: Sequence[Trials],
    validation: Sequence[Trials],
    states: Sequence[TrainingState] | None = None,
) -> Iterator[tuple[TrainingState, np.ndarray, np.ndarray, Scored]]:
    """Train several models at once, epoch by epoch.

    Args:
        models: of one architecture; their random weights may differ.
        settings: one a model; only rate, schedule, weight decay, clip and seed may differ.
        train, validation: trials, one set a model, all of one shape.
        states: where to go on, all after the same epoch; by default each model's beginning.

    Yields:
        The state of all runs (every array has a first axis of runs), the training and validation losses, (runs,), and
        each minibatch's score, (runs, minibatches), the validation's last. A run that diverges has NaN there and leaves
        the others alone.

    Raises:
        InvalidInput: the runs are not of equal shape.
    """
    _check_alike(models, settings)
    first = states or [begin(model) for model in models]
    done = int(first[0].epoch)
    stacked = _stack(first)
    frozen = _stack([eqx.partition(model, trainable(model))[1] for model in models])
    shown, held_out = (_stack(list(map(show, models, sets))) for sets in (train, validation))
    strengths = _stack([strength(one) for one in settings])
    for epoch in range(done + 1, settings[0].epochs + 1):
        today = _stack([plan(one, len(trials), epoch) for one, trials in zip(settings, train, strict=True)])
        stacked, train_loss, validation_loss, scores = _one_epoch_each(
            frozen, objective, strengths, stacked, shown, held_out, today
        )
        yield stacked, np.asarray(train_loss), np.asarray(validation_loss), scores


def train_group(
    experiments: Sequence[Experiment], folders: Sequence[Path], until: int | None = None
) -> Generator[tuple[int, Exception | None]]:
    """Train runs of equal shape together, each into its directory, from its checkpoint if there is one.

    However it ends, with Ctrl-C or because its caller stops, every begun run has a checkpoint of its last finished
    epoch.

    Args:
        experiments, folders: one a run.
        until: the epoch after which all pause; None to finish.

    Yields:
        The index of each run as it ends or pauses, and what went wrong with it: Diverged, a full disk, a model that
        cannot be drawn, another process at work in its directory. The others go on.
    """
    runs: dict[int, _Member] = {}
    with contextlib.ExitStack() as locks:
        try:
            for index, (experiment, folder) in enumerate(zip(experiments, folders, strict=True)):
                try:
                    runs[index] = _Member(experiment, folder, locks)
                except Exception as error:
                    yield index, error
            while runs:
                # Interrupted amid an epoch, some are an epoch behind: they catch up first.
                first, *later = sorted({run.epoch for run in runs.values()})
                if until is not None and first >= until:
                    break
                stop = min(later, default=until)
                for index, reason in _train_to({index: run for index, run in runs.items() if run.epoch == first}, stop):
                    del runs[index]
                    yield index, reason
            for index in list(runs):
                runs.pop(index).pause()
                yield index, None
        except BaseException:
            for run in runs.values():
                run.pause()
            raise


def _train_to(runs: dict[int, "_Member"], stop: int | None) -> Iterator[tuple[int, Exception | None]]:
    """Train runs that are after the same epoch as far as the epoch `stop`, or to their end; yields those that end."""
    members = list(runs.values())
    at = {index: place for place, index in enumerate(runs)}
    together = train_together(
        [run.model for run in members],
        members[0].objective,
        [run.settings for run in members],
        [run.data.train for run in members],
        [run.data.validation for run in members],
        [run.state for run in members],
    )
    try:
        last = time.perf_counter()
        for stacked, train_loss, validation_loss, scores in together:
            states, right, counted = jax.device_get((stacked, scores.right, scores.counted))
            now = time.perf_counter()
            for index, run in list(runs.items()):
                place = at[index]
                losses = float(train_loss[place]), float(validation_loss[place])
                shares = accuracies(*(None if part is None else part[place] for part in (right, counted)))
                state = jax.tree.map(lambda part, place=place: part[place], states)
                try:
                    run.receive(state, losses, shares, (now - last) / len(members))
                except Exception as error:
                    del runs[index]
                    yield index, error
            if not runs or int(states.epoch[0]) == stop:
                return
            last = now
    except Exception as error:  # of the program that they share, as when memory runs out
        for index, run in runs.items():
            run.pause()
            yield index, error
        return
    for index, run in runs.items():
        yield index, run.finish()


class _Member:
    """A run that is trained with others: what it needs, where it is, and its books."""

    def __init__(self, experiment: Experiment, folder: Path, locks: contextlib.ExitStack) -> None:
        self.settings = experiment.settings
        drawn = draw(experiment.model, experiment.seed)
        self.model, self.data, self.objective = prepare(drawn, experiment.task, self.settings)
        config = configuration(experiment.task, model_table(self.model), self.settings)
        origin = made_from(self.model, self.data)
        directory = open_directory(folder, True, config, origin, Silent(), definition_of(experiment.task))
        locks.enter_context(alone(directory.path, "a training run"))
        self.state = first_state(self.model, self.data, self.settings, directory, Silent())
        self._seconds = 0.0  # its share of its groups'
        self._news: list[tuple[TrainingState, Record]] = []
        self._books = keep_books(
            self.model, self.data, self.objective, self.settings, directory, self.state, self._epochs(), Silent(),
            lambda: self._seconds,
        )  # fmt: skip
        self._turn()

    @property
    def epoch(self) -> int:
        return int(self.state.epoch)

    def receive(
        self,
        state: TrainingState,
        losses: tuple[float, float],
        shares: tuple[float | None, float | None],
        seconds: float,
    ) -> None:
        """Write an epoch down: its losses and accuracies, of training and of validation."""
        self.state = jax.tree.unflatten(jax.tree.structure(self.state), jax.tree.leaves(state))
        self._seconds += seconds
        rate = float(rates(self.settings, len(self.data.train), self.epoch)[-1])
        record = Record(self.epoch, *losses, int(state.best_epoch), rate, 0, *shares)
        self._news.append((self.state, record))
        self._turn()

    def finish(self) -> Exception | None:
        """Write the outcome down; what went wrong with that."""
        try:
            self._turn()
        except StopIteration:
            return None
        except Exception as error:
            return error
        raise AssertionError("the books wait for an epoch that is not to come")

    def pause(self) -> None:
        """Leave a checkpoint, unless it has ended."""
        if inspect.getgeneratorstate(self._books) == inspect.GEN_SUSPENDED:
            with contextlib.suppress(Interrupted):
                self._books.throw(KeyboardInterrupt)

    def _turn(self) -> None:
        try:
            next(self._books)
        except Interrupted:  # Ctrl-C is for all of them, not for this one
            raise KeyboardInterrupt from None

    def _epochs(self) -> Iterator[tuple[TrainingState, Record]]:
        while self._news:
            state, record = self._news.pop()
            check_finite(record, self.settings)
            yield state, record


@eqx.filter_jit
def _one_epoch_each(
    frozen: PyTree,
    objective: Objective,
    strengths: Strength,
    states: TrainingState,
    train: Shown,
    validation: Shown,
    plans: PyTree,
) -> tuple[TrainingState, jax.Array, jax.Array, Scored]:
    # The frozen part holds functions too, which vmap cannot take: only its arrays are mapped over.
    arrays, rest = eqx.partition(frozen, eqx.is_array)

    def each(arrays: PyTree, *arguments: PyTree) -> tuple[TrainingState, jax.Array, jax.Array, Scored]:
        return one_epoch(eqx.combine(arrays, rest), objective, *arguments)

    with jax.default_matmul_precision("highest"):  # a GPU would round the factors of its products
        return jax.vmap(each)(arrays, strengths, states, train, validation, plans)


def _check_alike(models: Sequence[Model], settings: Sequence[Settings]) -> None:
    if not models or len(models) != len(settings):
        must_have("as many models as settings, at least one", f"{len(models)} and {len(settings)}")
    first = models[0].config.as_dict()
    for model in models[1:]:
        theirs = model.config.as_dict()
        if odd := sorted(key for key in theirs | first if theirs.get(key) != first.get(key)):
            must_have("models that differ in their seed alone", f"a difference in {', '.join(odd)}")
    for one in settings[1:]:
        odd = [key for key in dataclasses.asdict(one) if getattr(one, key) != getattr(settings[0], key)]
        if odd := sorted(set(odd) - FREE):
            must_have(f"settings that differ in {', '.join(sorted(FREE))} alone", f"a difference in {', '.join(odd)}")
    if any(getattr(one, key) != usual for one in settings for key, usual in ALONE.items()):
        must_have("neither a curriculum nor patience", "one of them", "Train these runs one by one.")


def _stack(trees: Sequence[PyTree]) -> PyTree:
    """One tree whose arrays have a first axis of trees; what is no array is the first tree's."""
    arrays, rest = zip(*(eqx.partition(tree, eqx.is_array_like) for tree in trees), strict=True)
    return eqx.combine(jax.tree.map(lambda *leaves: jnp.stack(leaves), *arrays), rest[0])
