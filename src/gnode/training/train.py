"""gnode.train: a model, a task or data, and settings in; a trained run out."""

import contextlib
import dataclasses
import hashlib
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import equinox as eqx
import jax
import numpy as np

from gnode import tasks
from gnode.arguments import integer
from gnode.cards import Card, carded, curves, number
from gnode.errors import Diverged, GnodeError, check_known, look_up, must_have
from gnode.files import RESUME, alone, path_of
from gnode.files.plain import plain
from gnode.integrate import RULES
from gnode.models import Model, draw, model_bytes, model_table, seed_of, trainable, wide_network_gain
from gnode.modes import usual_modes
from gnode.series import PARTS, Data, Trials
from gnode.series.arrays import is_frame
from gnode.training.constant import no_better_than_a_constant
from gnode.training.directory import DATA_LIMIT, OWN_DATA, SHA256, SOURCE, RunDirectory
from gnode.training.loop import Record, TrainingState
from gnode.training.losses import LOSSES, balanced
from gnode.training.optimisers import OPTIMISERS
from gnode.training.platform import computed_on, forget_programs, platform_facts
from gnode.training.progress import Silent, Unbroken, Watcher, watcher_of_people
from gnode.training.score import LENGTH_CLASSES, Objective, loss_and_accuracy, loss_on, standardised
from gnode.training.settings import Settings

_TOO_FAST = 0.1  # a rate
_LONGEST_BACKSOLVE = 8  # in units of tau, where gradients are good to some 1e-4; at 12 to 0.1

_CURVES = ("val_loss", "train_loss")  # of a card
_OF_WATCHERS = ("__enter__", "__exit__", "start", "epoch", "note")  # gnode.training.progress.Watcher
Snapshot = Callable[[Model, int], None]  # (model, epoch)


class Source(Protocol):
    """What training needs of a task: three sets of trials from a seed (gnode.tasks.Task has more).

    A class that only has `sample(count, seed)` is taken too.
    """

    @property
    def loss(self) -> str | None: ...

    def data(self, seed: int, trials: tuple[int, int, int]) -> Data: ...


class Interrupted(GnodeError):
    """Training was stopped by the user; the run directory can be resumed."""

    exit_code = 130


@carded(lambda run: _card(run))
@dataclass(frozen=True, repr=False)
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


def _card(run: Run) -> Card:
    words = {
        "epochs": "epochs",
        "best_epoch": "best epoch",
        "loss": "loss",
        "val_loss": "validation loss",
        "test_loss": "test loss",
        "test_accuracy": "right, test trials",
        "parameters": "parameters",
        "seconds": "seconds",
    }
    known = [(name, run.summary[key]) for key, name in words.items() if run.summary.get(key) is not None]
    rows = [(name, value if isinstance(value, str) else number(value)) for name, value in known]
    rows += [("directory", str(run.path))] if run.path is not None else []
    losses = [[max(getattr(record, key), np.finfo(float).tiny) for record in run.history] for key in _CURVES]
    return Card(
        f"Run of {run.model!r}",
        rows,
        picture=curves([np.log(line) for line in losses], "validation loss, faint: training loss; logarithmic"),
    )


def make_settings(**settings: Any) -> Settings:
    """Settings, with a clear line for an unknown name."""
    check_known(settings, [item.name for item in dataclasses.fields(Settings)], "settings of training")
    return Settings(**settings)


def draw_data(task: Source | tasks.Sampled | Data, settings: Settings) -> Data:
    """The run's three sets of trials: data as they are, or what a task gives for the seed of the settings.

    Raises:
        InvalidInput: neither a task nor data, or a task that draws something else than it says.
    """
    if not isinstance(settings, Settings):
        must_have("settings (gnode.training.make_settings)", type(settings).__name__)
    counts = settings.trials
    if isinstance(task, Data):
        return task
    if isinstance(task, type):
        must_have("a task (gnode.tasks.make)", f"the class {task.__name__}", f"Make one: {task.__name__}().")
    if is_frame(task):
        must_have(
            "a task, or data", "a pandas frame", "Data of it: gnode.data.from_frame(frame, target, series=, time=)."
        )
    if isinstance(task, (str, Path)):
        advice = f"A task: gnode.tasks.make({str(task)!r}). A table: gnode.data.from_file({str(task)!r}, target, ...)."
        must_have("a task, or data", f"the {'path' if isinstance(task, Path) else 'text'} {str(task)!r}", advice)
    if isinstance(task, tasks.RecordedTask) and counts != Settings().trials:
        must_have(f"no train_trials, validation_trials or test_trials for {task.name}, whose sets are fixed", counts)
    with tasks.in_own_code(type(task), "draws trials"):
        if hasattr(task, "data") and not isinstance(task, np.ndarray):  # which has a buffer of that name
            return task.data(settings.seed, counts)
        if hasattr(task, "sample"):
            return tasks.draw(task, settings.seed, counts)
    must_have(
        "a task (gnode.tasks.make), or gnode.training.Data of three gnode.series.Trials",
        f"{type(task).__name__}",
        "For data of your own: Data(train, validation, test), each Trials(inputs, targets); a table: "
        "gnode.data.from_frame(frame, target, series=, time=).",
    )


@usual_modes()
def train(
    model: Model,
    task: Source | Data,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    extend: int = 0,
    watcher: Watcher | None = None,
    snapshot: Snapshot | None = None,
    **settings: Any,
) -> Run:
    """Train a model.

    Args:
        model: where training starts (gnode.models.make).
        task: a task, of which training, validation and test trials are drawn; or the three sets themselves.
        out: a directory for the run; without it nothing is written. It keeps a copy of own data up to 256 MB.
        resume: go on with the run in `out`, which must have the same configuration; it ends bit-identical to a run
            that was never interrupted. A directory without a run is begun.
        extend: with `resume`, so many epochs more than the run in `out` has by its configuration, which then says so
            (`epochs` is left out, or as it is there). The optimiser's state is kept, and the rate stays at the last
            value of the schedule, which goes on to span the epochs that it spanned (`schedule_epochs`). Until it ends,
            model and summary are those from before.
        watcher: is told of every epoch, a gnode.training.Watcher; by default a bar in a terminal or a notebook, and
            nothing elsewhere. gnode.training.Silent() shows nothing anywhere.
        snapshot: called with the model and the epoch after every `snapshot_every` epochs, when these are on disk.
        settings: any attribute of gnode.training.Settings.

    Raises:
        InvalidInput: something does not fit; nothing has been computed or written.
        Diverged: NaN or infinity; the directory keeps the best parameters before it.
        Interrupted: Ctrl-C; the directory can be resumed.

    Example:
        >>> run = gnode.train(model, gnode.tasks.make("ring"), epochs=150, batch_size=10, lr=1e-2, out="runs/ring")
    """
    if not isinstance(resume, bool):
        must_have("resume true or false", repr(resume))
    extend = integer("extend", extend, 0)
    if extend and (not resume or out is None or RunDirectory.is_unbegun(path_of(out))):
        must_have("a run in out, and resume, to extend it", f"{'no run there' if resume else 'no resume'} ({out})")
    if watcher is not None and not all(hasattr(watcher, name) for name in _OF_WATCHERS):
        must_have(f"a watcher with {', '.join(_OF_WATCHERS)}", type(watcher).__name__)
    if snapshot is not None and not callable(snapshot):
        must_have("a snapshot that can be called with (model, epoch)", type(snapshot).__name__)
    if extend:
        assert out is not None
        settings = _as_begun(RunDirectory.open(out), settings)
    chosen, watcher = make_settings(**settings), Unbroken(watcher or watcher_of_people() or Silent())
    forget_programs()
    given = model
    model, data, objective = prepare(given, task, chosen)
    for words in (overshooting(model, data), *unlikely(model, chosen)):
        if words:
            watcher.note(words)
    directory, going_on = None, False
    if out is not None:
        going_on = resume and not RunDirectory.is_unbegun(path_of(out))
        config = configuration(task, model_table(model), chosen)
        directory = open_directory(
            path_of(out), resume, config, made_from(model, data), watcher, tasks.definition_of(task)
        )
        if model_bytes(given) != model_bytes(draw(given.config, seed_of(given))):
            directory.keep_start(given)
        if isinstance(task, Data) and not directory.keep_data(data):
            watcher.note(
                f"{directory.path} keeps no copy of these {data.nbytes / 2**20:.0f} MB of data, only their digest"
                f"{' and where their table lies' if 'file' in data.source else ''}: the limit is "
                f"{DATA_LIMIT // 2**20} MB."
            )
    with alone(directory.path, "a training run") if directory else contextlib.nullcontext():
        state = first_state(model, data, chosen, directory, watcher)
        if directory and extend:
            chosen = _extended(chosen, extend, state)
            directory = directory.extend(chosen.as_dict())
        if directory and going_on:
            watcher.note(_where(directory, chosen, state))
        source = _after_patience(model, objective, chosen, state, data)
        training = keep_books(model, data, objective, chosen, directory, state, source, watcher, snapshot=snapshot)
        try:
            with _heeding_interruptions() as check:
                while True:
                    next(training)
                    check()
        except StopIteration as end:
            return end.value
        except KeyboardInterrupt as stop:  # between two epochs
            training.throw(stop)
            raise


def _as_begun(directory: RunDirectory, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with as many epochs as the run in the directory has so far."""
    theirs = directory.config()["training"]
    if settings.get("epochs", theirs.get("epochs")) != theirs.get("epochs"):
        must_have(
            f"epochs {theirs.get('epochs')}, as {directory.path} has them, beside extend",
            settings["epochs"],
            "Leave epochs out: extend says how many more.",
        )
    begun = {key: theirs[key] for key in ("epochs", "schedule_epochs") if key in theirs}
    return {**{key: value for key, value in settings.items() if value is not None}, **begun}


def _extended(settings: Settings, more: int, state: TrainingState) -> Settings:
    """The settings with more epochs, and a schedule that spans what it spanned."""
    if _has_waited(settings, state):
        must_have(
            "a run that has not ended by its patience, to extend it",
            f"one that {settings.patience} epochs without a lower validation loss ended after epoch {int(state.epoch)}",
            "Begin another from its weights: gnode train TASK --from DIR --out another directory.",
        )
    span = settings.schedule_epochs or settings.epochs
    return dataclasses.replace(settings, epochs=settings.epochs + more, schedule_epochs=span)


def _where(directory: RunDirectory, settings: Settings, state: TrainingState) -> str:
    """From where a run goes on."""
    done = int(state.epoch)
    if not done:
        return f"No checkpoint yet in {directory.path}: it starts over, with epoch 1 of {settings.epochs}."
    if done >= settings.epochs:
        return f"All {done} epochs of {directory.path} are done. For more: --extend EPOCHS."
    if _has_waited(settings, state):
        return f"{directory.path} has ended after epoch {done} of {settings.epochs}, by its patience."
    return f"Going on from epoch {done} of {settings.epochs}."


@contextlib.contextmanager
def _heeding_interruptions() -> Iterator[Callable[[], None]]:
    """A function that raises KeyboardInterrupt if one came and was lost.

    Python drops an exception that is raised while it collects garbage, where JAX has a callback. So a Ctrl-C is written
    down as well as raised.
    """
    came = []

    def write_down(number: int, frame: Any) -> None:
        came.append(number)
        raise KeyboardInterrupt

    def check() -> None:
        if came:
            raise KeyboardInterrupt

    ours = []
    if threading.current_thread() is threading.main_thread():
        handlers = {which: signal.getsignal(which) for which in (signal.SIGINT, signal.SIGTERM)}
        ours = [which for which, handler in handlers.items() if handler is signal.default_int_handler]
    for which in ours:
        signal.signal(which, write_down)
    try:
        yield check
    finally:
        for which in ours:
            signal.signal(which, signal.default_int_handler)


def prepare(model: Model, task: Source | Data, settings: Settings) -> tuple[Model, Data, Objective]:
    """The model as training starts it, the trials and what is minimised on them, all checked."""
    if not isinstance(model, Model):
        must_have("a model (gnode.models.make) to train", type(model).__name__)
    data = draw_data(task, settings)
    classes = data.train.targets.dtype.kind == "i"
    of_targets = "cross-entropy" if classes else "mse"
    loss: str = settings.loss or getattr(task, "loss", None) or of_targets
    look_up("loss", loss, LOSSES)
    outputs = model.config.output_size
    for trials in (data.train, data.validation, data.test):
        if trials.series.channels != model.config.input_size:
            must_have(f"inputs of size {model.config.input_size}, as the model has", trials.series.channels)
        LOSSES[loss].check(loss, trials, outputs, model.config.reading)
        elapsed = model.encoding.encode(trials.series).elapsed  # it refuses what it cannot turn into numbers
        if getattr(model.integrator, "adjoint", None) == "backsolve" and elapsed.max() > _LONGEST_BACKSOLVE:
            must_have(
                f"elapsed times of at most {_LONGEST_BACKSOLVE} tau for the adjoint backsolve",
                f"one of {elapsed.max():.4g} tau",
                "Backwards, rounding grows as exp(elapsed / tau), and so would the error of gradients. Use "
                "recursive-checkpoint.",
            )
    if model.is_told and (LOSSES[loss].classes or LOSSES[loss].targets(outputs) != outputs):
        must_have(f"another initial_state for {loss}", model.config.initial_state, "Its targets are no outputs.")
    if model.config.residual and (LOSSES[loss].scaling is None or LOSSES[loss].targets(outputs) != outputs):
        must_have("a model without residual for " + loss, "one with it", "Its outputs are no values as the inputs are.")
    if settings.curriculum and data.train.series.events is not None:
        must_have("no curriculum for series with events", "one", "Cut the series beforehand.")
    for epoch, samples in settings.curriculum:
        if not data.train.counts[:, :samples].any():
            must_have(
                f"a curriculum that shows something that counts from epoch {epoch} on",
                f"{samples} samples of each training trial, none of which does",
            )
    OPTIMISERS[settings.optimiser].refuse(model, loss, settings, data.train)
    ragged = data.train.series.lengths is not None and model.config.gradient == "adjoint"
    model = standardised(model, loss, data.train)
    weights = _class_weights(settings, loss, data.train, outputs)
    of_length = LENGTH_CLASSES if ragged else 0
    gaps = model.integrator.kind == "flow" or not (data.train.counts.all() and data.validation.counts.all())
    objective = Objective(
        loss,
        settings.weigh,
        settings.on_failure,
        of_length,
        weights,
        settings.input_noise,
        settings.readout_dropout,
        gaps,
    )
    return model, data, objective


def overshooting(model: Model, data: Data) -> str:
    """What the user should know of gaps over which the step rule lets the leak grow, step by step; "" of none."""
    rule = RULES.get(model.config.integrator)
    if rule is None or not model.config.leak or np.isinf(rule.longest):
        return ""
    longest = max(model.encoding.longest_step(getattr(data, part).series) for part in PARTS)
    if longest <= rule.longest:
        return ""
    return (
        f"The longest time between samples is {longest * model.config.tau:g} s, {longest:.3g} tau, and a step of "
        f"{model.config.integrator} overshoots beyond {rule.longest:.3g} tau: states may grow without bound. The "
        "integrator exponential-euler is stable over any time."
    )


def unlikely(model: Model, settings: Settings) -> list[str]:
    """What the user should know of settings under which hardly any network learned (docs/results/trainability.md)."""
    said = []
    deep = bool(model.field.drive.later)
    if deep and settings.optimiser == "adamw" and settings.lr >= _TOO_FAST:
        said.append(
            f"At a rate of {_TOO_FAST:g} or more (now {settings.lr:g}) hardly any network whose F has hidden layers "
            "learned in our trials; at 0.001 to 0.03 nearly all did."
        )
    gain = model.config.initial_gain
    if gain > 1 and not model.field.drive.norms and wide_network_gain(model) > 1:
        said.append(
            f"F is drawn so strong (initial_gain {gain:g}) that states and gradients grow from sample to sample: by "
            "mean-field theory its spectral radius is above 1. At most half of such networks learned in our trials."
        )
    return said


def _class_weights(settings: Settings, loss: str, train: Trials, outputs: int) -> tuple[float, ...]:
    """How much each class weighs in the loss; none for all alike."""
    weights = settings.class_weights
    if weights is None:
        return ()
    if not LOSSES[loss].classes:
        must_have("a loss of classes for class_weights", loss)
    if isinstance(weights, str):
        return balanced(train, outputs)
    if len(weights) != outputs:
        must_have(f"class_weights for each of {outputs} classes", len(weights))
    return weights


def made_from(model: Model, data: Data) -> dict[str, Any]:
    """What a run is made from beside its configuration, and on what."""
    return {"data": data.digest(), "start": hashlib.sha256(model_bytes(model)).hexdigest(), **computed_on()}


def open_directory(
    path: Path,
    resume: bool,
    config: dict[str, Any],
    origin: dict[str, Any],
    watcher: Watcher,
    definition: tasks.Definition | None,
) -> RunDirectory:
    """A fresh run directory, or with `resume` the one that is there already.

    Args:
        definition: of a task of the user's own, which is trusted from now on.
    """
    if definition is not None:
        tasks.remember(definition)
    if not resume or RunDirectory.is_unbegun(path):
        directory = RunDirectory.create(path, config, origin, definition)
    else:
        directory, notes = RunDirectory.reopen(path, config, origin)
        for note in notes:
            watcher.note(note)
    if definition is not None:
        directory.keep_task(definition)
    return directory


def configuration(task: Source | Data, model: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Everything that determines a run, as plain data: what its config.toml holds beside the version."""
    return {
        "task": describe(task),
        "model": model,
        "training": settings.as_dict(),
    }


def first_state(
    model: Model, data: Data, settings: Settings, directory: RunDirectory | None, watcher: Watcher
) -> TrainingState:
    """Where training begins: at the checkpoint, if there is one. Records of epochs after it are dropped."""
    state = OPTIMISERS[settings.optimiser].begin(model, data, settings)
    if directory:
        state = directory.read_checkpoint(state)
        if words := directory.forget_after(int(state.epoch)):
            watcher.note(words)
    return state


def keep_books(
    model: Model,
    data: Data,
    objective: Objective,
    settings: Settings,
    directory: RunDirectory | None,
    state: TrainingState,
    source: Iterable[tuple[TrainingState, Record]],
    watcher: Watcher,
    clock: Callable[[], float] = time.perf_counter,
    snapshot: Snapshot | None = None,
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
                if settings.snapshot_every and record.epoch % settings.snapshot_every == 0:
                    current = eqx.combine(following.parameters, frozen)
                    if directory:
                        directory.write_snapshot(current, record.epoch)
                    if snapshot:
                        snapshot(current, record.epoch)
                # What comes before this line lets the epoch be forgotten, and done again with its snapshot.
                state = following
                history.append(record)
                checkpoints.maybe_write(state)
                watcher.epoch(record)
                last = now
                yield
    except KeyboardInterrupt:
        if not directory:
            raise
        directory.write_checkpoint(state)
        directory.forget_after(int(state.epoch))
        again = "--resume alone, without --extend" if settings.schedule_epochs else f"the same command and {RESUME}"
        raise Interrupted(
            f"Interrupted after epoch {int(state.epoch)} of {settings.epochs}. Go on with {again}."
        ) from None
    except Diverged:
        if directory and history:
            directory.write_model(eqx.combine(state.best_parameters, frozen))
        raise
    except Exception:  # of a watcher or a snapshot of one's own, of memory, ...: what was trained is not lost with it
        if directory:
            with contextlib.suppress(GnodeError):  # as of a full disk, which may be what came
                directory.write_checkpoint(state)
        raise
    best = eqx.combine(state.best_parameters, frozen)
    summary = _summary(best, objective, data, state, directory, history, clock() - began)
    if summary["test_loss"] is None:
        watcher.note(
            f"The loss on the {len(data.test)} test trials is no number (none could be solved, or answers left the "
            "numbers): test_loss in the summary is null."
        )
    if words := no_better_than_a_constant(model, objective, data, settings, summary["val_loss"]):
        watcher.note(words)
    if directory:
        directory.write_checkpoint(state)
        directory.write_model(best)
        directory.write_summary(summary)
    return Run(best, history, summary, directory.path if directory else None)


def _after_patience(
    model: Model, objective: Objective, settings: Settings, state: TrainingState, data: Data
) -> Iterator[tuple[TrainingState, Record]]:
    """The epochs that remain; none where early stopping had already ended the run."""
    frozen = eqx.partition(model, trainable(model))[1]
    if _has_waited(settings, state):
        return iter(())
    return OPTIMISERS[settings.optimiser].epochs(frozen, objective, settings, state, data.train, data.validation)


def _has_waited(settings: Settings, state: TrainingState) -> bool:
    """Whether early stopping has ended the run."""
    waited = int(state.epoch) - int(state.best_epoch)
    return bool(settings.patience and int(state.epoch) and waited >= settings.patience)


class _Checkpoints:
    """Writes a checkpoint after the first epoch, and then when enough time has passed since the last one."""

    def __init__(self, directory: RunDirectory | None, seconds: float) -> None:
        self._directory = directory
        self._seconds = seconds
        self._last = -np.inf

    def maybe_write(self, state: TrainingState) -> None:
        if self._directory and time.monotonic() - self._last >= self._seconds:
            self._directory.write_checkpoint(state)
            self._last = time.monotonic()


def _summary(
    best: Model,
    objective: Objective,
    data: Data,
    state: TrainingState,
    directory: RunDirectory | None,
    history: list[Record],
    seconds: float,
) -> dict[str, Any]:
    records = directory.metrics() if directory else [record.as_dict() for record in history]
    earlier = sum(record.get("seconds", 0.0) for record in records[: len(records) - len(history)])
    train_loss, train_accuracy = loss_and_accuracy(best, objective, data.train)
    test_loss, test_accuracy = loss_and_accuracy(best, objective, data.test)
    outcome: dict[str, Any] = {
        "loss": objective.loss,
        "best_epoch": int(state.best_epoch),
        "epochs": int(state.epoch),
        "train_loss": _finite(train_loss),
        "val_loss": float(state.best_loss),
        "test_loss": _finite(test_loss),
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(best, trainable(best)))),
        "seconds": round(seconds + earlier, 3),
        **platform_facts(),
    }
    if train_accuracy is not None and test_accuracy is not None:
        of_best = next((record for record in records if record["epoch"] == outcome["best_epoch"]), {})
        outcome |= {"train_accuracy": _finite(train_accuracy), "val_accuracy": of_best.get("val_accuracy")}
        outcome["test_accuracy"] = _finite(test_accuracy)
    if objective.class_weights:
        outcome["class_weights"] = list(objective.class_weights)
    if data.classes:
        outcome["classes"] = list(data.classes)
    if best.output_scaling is not None:
        outcome["test_loss_in_units"] = _finite(loss_on(best, objective._replace(in_units=True), data.test))
    return outcome


def _finite(value: float) -> float | None:
    """A number as JSON knows it."""
    return value if np.isfinite(value) else None


def describe(task: Source | Data) -> dict[str, Any]:
    """What config.toml says of where the trials came from."""
    if isinstance(task, Data):
        sizes = {part: len(getattr(task, part)) for part in PARTS}
        return {"name": OWN_DATA, **sizes, **({SOURCE: task.source} if task.source else {})}
    options = dataclasses.asdict(task) if dataclasses.is_dataclass(task) else {}
    given = plain({key: value for key, value in options.items() if value is not None})
    if definition := tasks.definition_of(task):
        kept = {} if definition.sha256 is None else {SHA256: definition.sha256}
        return {"name": definition.name, **kept, **given}
    name = getattr(task, "name", type(task).__name__)
    inherited = isinstance(task, tasks.Task) and tasks.TASKS.get(name, type(task)) is not type(task)
    return {"name": type(task).__name__ if inherited else name, **given}
