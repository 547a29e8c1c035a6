"""gnode.train: a model, a task or data, and settings in; a trained run out."""

import dataclasses
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import equinox as eqx
import jax
import numpy as np

from gnode.errors import Diverged, GnodeError, check_known, must_have
from gnode.models import Model, ModelConfig, trainable
from gnode.training.directory import RunDirectory, platform_facts
from gnode.training.loop import Record, TrainingState, begin, epochs, loss_on
from gnode.training.losses import LOSSES
from gnode.training.progress import Silent, Watcher
from gnode.training.settings import Settings
from gnode.types import Trials

TRAINING, VALIDATION, TEST = 1, 2, 3  # streams of random numbers for the three draws of trials


class Drawable(Protocol):
    """What training needs of a task (gnode.tasks.Task has more)."""

    @property
    def loss(self) -> str: ...

    def sample(self, count: int, seed: Any) -> Trials: ...


@dataclass(frozen=True)
class Data:
    """Three sets of trials: one to train on, one to select the parameters by, one that is touched once, at the end."""

    train: Trials
    validation: Trials
    test: Trials


class Interrupted(GnodeError):
    """Training was stopped by the user; the run directory can be resumed."""

    exit_code = 130


@dataclass(frozen=True)
class Run:
    """A trained model and how it came about.

    Attributes:
        model: the parameters with the lowest validation loss.
        history: one record an epoch of this session.
        summary: what summary.json holds.
        path: the run directory, if there is one.
    """

    model: Model
    history: list[Record]
    summary: dict[str, Any]
    path: Path | None = field(default=None)


def make_settings(**settings: Any) -> Settings:
    """Settings, with a clear line for an unknown name."""
    check_known(settings, [item.name for item in dataclasses.fields(Settings)], "settings of training")
    return Settings(**settings)


def draw_data(task: Drawable, settings: Settings) -> Data:
    """The run's three draws from a task, each from a stream of random numbers of its own."""
    return Data(
        task.sample(settings.train_trials, seed=(settings.seed, TRAINING)),
        task.sample(settings.validation_trials, seed=(settings.seed, VALIDATION)),
        task.sample(settings.test_trials, seed=(settings.seed, TEST)),
    )


def train(
    model: Model,
    task: Drawable | Data,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    watcher: Watcher | None = None,
    **settings: Any,
) -> Run:
    """Train a model.

    Args:
        model: where training starts (gnode.models.make).
        task: a task, of which training, validation and test trials are drawn; or the three sets themselves.
        out: a directory for the run; without it nothing is written.
        resume: go on with the run in `out`, which must have the same configuration; it ends bit-identical to a run
            that was never interrupted. A directory without a run is begun.
        watcher: is told of every epoch (gnode.training.progress.watcher() shows a bar).
        settings: any attribute of gnode.training.Settings.

    Raises:
        InvalidInput: something does not fit; nothing has been computed or written.
        Diverged: NaN or infinity; the directory keeps the best parameters before it.
        Interrupted: Ctrl-C; the directory can be resumed.

    Example:
        >>> run = gnode.train(model, gnode.tasks.make("ring"), epochs=150, batch_size=10, lr=1e-2, out="runs/ring")
    """
    chosen = make_settings(**settings)
    data, loss = prepare(model, task, chosen)
    directory = None
    if out is not None:
        directory = open_directory(Path(out), resume, configuration(task, model.config, chosen))
    state = first_state(model, directory)
    source = _after_patience(model, loss, chosen, state, data)
    training = keep_books(model, data, loss, chosen, directory, state, source, watcher or Silent())
    try:
        while True:
            next(training)
    except StopIteration as end:
        return end.value
    except KeyboardInterrupt as stop:  # between two epochs
        training.throw(stop)
        raise


def prepare(model: Model, task: Drawable | Data, settings: Settings) -> tuple[Data, str]:
    """The trials and the loss of a run, checked against the model and the settings."""
    data = task if isinstance(task, Data) else draw_data(task, settings)
    loss = settings.loss or ("mse" if isinstance(task, Data) else task.loss)
    for trials in (data.train, data.validation, data.test):
        _check(model, loss, trials)
    if settings.batch_size > len(data.train):
        must_have(f"batch_size at most the {len(data.train)} training trials", settings.batch_size)
    return data, loss


def open_directory(path: Path, resume: bool, config: dict[str, Any]) -> RunDirectory:
    """A fresh run directory, or with `resume` the one that is there already."""
    fresh = not resume or not path.exists() or not any(path.iterdir())
    return RunDirectory.create(path, config) if fresh else RunDirectory.reopen(path, config)


def configuration(task: Drawable | Data, model: ModelConfig, settings: Settings) -> dict[str, Any]:
    """Everything that determines a run, as plain data: what its config.toml holds beside the version."""
    return {
        "task": _describe(task),
        "model": {key: value for key, value in model.as_dict().items() if value is not None},
        "training": settings.as_dict(),
    }


def first_state(model: Model, directory: RunDirectory | None) -> TrainingState:
    """Where training begins: at the checkpoint, if there is one. Records of epochs after it are dropped."""
    state = begin(model)
    if directory:
        state = directory.read_checkpoint(state)
        directory.forget_after(int(state.epoch))
    return state


def keep_books(
    model: Model,
    data: Data,
    loss: str,
    settings: Settings,
    directory: RunDirectory | None,
    state: TrainingState,
    source: Iterable[tuple[TrainingState, Record]],
    watcher: Watcher,
    clock: Callable[[], float] = time.perf_counter,
) -> Generator[None, None, Run]:
    """Write down each epoch that `source` brings, then the outcome, which is what this generator returns.

    It pauses before the first epoch and after every one, so that runs that are trained together can take turns. Once it
    has begun, a KeyboardInterrupt that happens in it or is thrown into it leaves a checkpoint and becomes Interrupted.
    """
    frozen = eqx.partition(model, trainable(model))[1]
    history: list[Record] = []
    checkpoints = _Checkpoints(directory, settings.checkpoint_seconds)
    began = clock()
    try:
        with watcher:
            watcher.start(int(state.epoch) + 1, settings.epochs)
            last = clock()
            yield
            for following, record in source:
                now = clock()
                if directory:
                    directory.add(record, now - last)
                # Interrupted before this line, the epoch is forgotten and done again; after it, it is kept.
                state = following
                history.append(record)
                if directory:
                    if settings.snapshot_every and record.epoch % settings.snapshot_every == 0:
                        directory.write_snapshot(eqx.combine(state.parameters, frozen), record.epoch)
                    checkpoints.maybe_write(state)
                watcher.epoch(record)
                last = now
                yield
    except KeyboardInterrupt:
        if not directory:
            raise
        directory.write_checkpoint(state)
        directory.forget_after(int(state.epoch))
        raise Interrupted(
            f"Interrupted after epoch {int(state.epoch)} of {settings.epochs}. "
            "Go on with the same command and --resume."
        ) from None
    except Diverged:
        if directory and history:
            directory.write_model(eqx.combine(state.best_parameters, frozen))
        raise
    best = eqx.combine(state.best_parameters, frozen)
    summary = _summary(best, loss, data, state, directory, history, clock() - began)
    if directory:
        directory.write_checkpoint(state)
        directory.write_model(best)
        directory.write_summary(summary)
    return Run(best, history, summary, directory.path if directory else None)


def _after_patience(
    model: Model, loss: str, settings: Settings, state: TrainingState, data: Data
) -> Iterator[tuple[TrainingState, Record]]:
    """The epochs that remain; none where early stopping had already ended the run."""
    frozen = eqx.partition(model, trainable(model))[1]
    waited = int(state.epoch) - int(state.best_epoch)
    if settings.patience and int(state.epoch) and waited >= settings.patience:
        return iter(())
    return epochs(frozen, loss, settings, state, data.train, data.validation)


class _Checkpoints:
    """Writes a checkpoint when enough time has passed since the last one."""

    def __init__(self, directory: RunDirectory | None, seconds: float) -> None:
        self._directory = directory
        self._seconds = seconds
        self._last = time.monotonic()

    def maybe_write(self, state: TrainingState) -> None:
        if self._directory and time.monotonic() - self._last >= self._seconds:
            self._directory.write_checkpoint(state)
            self._last = time.monotonic()


def _summary(
    best: Model,
    loss: str,
    data: Data,
    state: TrainingState,
    directory: RunDirectory | None,
    history: list[Record],
    seconds: float,
) -> dict[str, Any]:
    records = directory.metrics() if directory else [dataclasses.asdict(record) for record in history]
    best_epoch = int(state.best_epoch)
    earlier = sum(record.get("seconds", 0.0) for record in records[: len(records) - len(history)])
    return {
        "loss": loss,
        "best_epoch": best_epoch,
        "epochs": int(state.epoch),
        "train_loss": next(record["train_loss"] for record in records if record["epoch"] == best_epoch),
        "val_loss": float(state.best_loss),
        "test_loss": loss_on(best, loss, data.test),
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(best, trainable(best)))),
        "seconds": round(seconds + earlier, 3),
        **platform_facts(),
    }


def _check(model: Model, loss: str, trials: Trials) -> None:
    if trials.inputs.shape[-1] != model.config.input_size:
        must_have(f"inputs of size {model.config.input_size}, as the model has", trials.inputs.shape[-1])
    if not np.isfinite(trials.inputs).all():
        must_have("finite inputs", "NaN or infinity", "Fill in or mask what is missing.")
    counted = np.ones(trials.inputs.shape[:2], bool) if trials.mask is None else trials.mask
    if np.issubdtype(trials.targets.dtype, np.floating) and not np.isfinite(trials.targets).all():
        must_have("finite targets", "NaN or infinity", "Fill in what is missing and mask it.")
    if not counted.any():
        must_have("a mask that lets some bins count", "one that lets none")
    LOSSES[loss].check(trials, model.config.output_size)


def _describe(task: Drawable | Data) -> dict[str, Any]:
    """What config.toml says of where the trials came from."""
    if isinstance(task, Data):
        sizes = {name: len(getattr(task, name)) for name in ("train", "validation", "test")}
        return {"name": "own data", **sizes}
    options = dataclasses.asdict(task) if dataclasses.is_dataclass(task) and not isinstance(task, type) else {}
    options = {key: list(value) if isinstance(value, tuple) else value for key, value in options.items()}
    return {"name": getattr(task, "name", type(task).__name__), **{k: v for k, v in options.items() if v is not None}}
