"""What a report shows of one run, as plain arrays: computed here once, drawn by gnode.report.interactive and .paper."""

import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnode import analysis, data, tasks
from gnode.analysis.memory import read
from gnode.errors import Diverged
from gnode.examine.answers import Answers, answers_of, at_targets
from gnode.examine.evaluate import SEED, data_of, fresh, memory_of, path_of, scores, task_of
from gnode.examine.stored import Stored, read_stored
from gnode.integrate import Path
from gnode.models import Model, load_model, make, trainable
from gnode.models.encoding import last_seen
from gnode.models.reading import READINGS, so_far
from gnode.series import Data, Series, Trials
from gnode.training import RunDirectory
from gnode.training.directory import CONFIG, SUMMARY
from gnode.training.experiment import experiment_from
from gnode.training.losses import LOSSES
from gnode.training.optimisers import OPTIMISERS
from gnode.training.score import told
from gnode.training.train import prepare

CHANNELS = 4  # drawn of a trial
FILM_SILENCE = 100  # silent bins after which the film of the attractor's birth looks
GRID = 41  # points a side of the flow field
_EXAMPLES = 3
_VISITING = 64  # trials of own data or a data set, whose states are what the model visits
_MOST_VISITED = 20_000  # of those states
_READ = 1500  # states that answers are read from, and answers, of which a picture is drawn
_TRACES = 24  # remembered values whose trajectories are drawn
_STARTS = 512  # of the search for fixed and for slow points
_ITERATIONS = 100  # of that search, from each start
_MERGE = 1e-4  # distance, in units of the state, within which points on a continuum are one
_REST = 200  # silent bins of those trajectories
_MARGIN = 0.22  # of the drawn region around the states, as a share of its extent


@dataclass(frozen=True)
class Projection:
    """Straight axes of a picture of the state space.

    Attributes:
        origin: (N,).
        axes: (d, N), orthonormal rows.
        labels: d names.
        explained: (d,), share of the variance of the trajectories along each axis; None where the axes are the units.
    """

    origin: np.ndarray
    axes: np.ndarray
    labels: list[str]
    explained: np.ndarray | None

    def __call__(self, states: np.ndarray) -> np.ndarray:
        """States (..., N) to coordinates (..., d)."""
        return (np.asarray(states, float) - self.origin) @ self.axes.T

    def back(self, coordinates: np.ndarray) -> np.ndarray:
        """Coordinates (..., d) to the states (..., N) that lie in the picture itself."""
        return self.origin + coordinates @ self.axes


@dataclass(frozen=True)
class Example:
    """A trial that the model was never trained on, as far as it goes: T samples.

    Attributes:
        name: "trial 1"; of trials that have a class also which one, and which the model takes it for.
        times: (T,), seconds since the first sample began to act.
        states: (T, N).
        rows: what is drawn of it, row by row: a label, and values (T,) by name. The names are "input", "target" and
            "output", or of several inputs "input 1", ...; NaN where there is nothing. An output is what the model would
            answer if the trial ended at that sample; an input that is missing is the last one that is not.
        time_constants: (T, N), tau / gate in seconds of each unit while each sample acts.
    """

    name: str
    times: np.ndarray
    states: np.ndarray
    rows: list[tuple[str, dict[str, np.ndarray]]]
    time_constants: np.ndarray


@dataclass(frozen=True)
class StatesRead:
    """States that answers are read from, n of them, in the axes of their largest variance, and the class (n,) of each
    that is right, which are numbers of class names."""

    coordinates: np.ndarray
    axes: Projection
    classes: np.ndarray


@dataclass(frozen=True)
class FlowGrid:
    """The flow without input on a grid of the plane: x (G,), y (G,), velocity (G, G, 2) in units of state per second,
    speed (G, G) of the whole state per second; the first index is y."""

    x: np.ndarray
    y: np.ndarray
    velocity: np.ndarray
    speed: np.ndarray


@dataclass(frozen=True)
class Film:
    """The birth of the attractor: epochs (E,), validation losses (E,), readouts (E, V, D_out) and states (E, V, N) of
    the values that the last model is asked for, after FILM_SILENCE silent bins of each snapshot."""

    epochs: np.ndarray
    losses: np.ndarray
    readouts: np.ndarray
    states: np.ndarray


@dataclass(frozen=True)
class Content:
    """A run and what can be seen of it. Arrays are NumPy; all that is expensive is computed when first asked for.

    Attributes:
        path: the run directory.
        name: what the run is called on the page.
        config, summary, metrics: of the run directory.
        model: the best parameters.
        task: None where the run was trained on something else than a task that draws its trials and can be found again.
        data_set: the registered task on recorded trials that the run was trained on; None where it was none.
        stored: the results of `gnode analyse`, if they are there and belong to this model.
    """

    path: pathlib.Path
    name: str
    config: dict[str, Any]
    summary: dict[str, Any]
    metrics: list[dict[str, float]]
    model: Model
    task: tasks.Task | None
    data_set: tasks.RecordedTask | None
    stored: Stored | None

    @property
    def bin_seconds(self) -> float:
        return self.model.config.dt

    @property
    def silent(self) -> np.ndarray:
        """No input, (D,)."""
        return np.zeros(self.model.config.input_size, np.float32)

    @property
    def held(self) -> np.ndarray:
        """No input, as the field sees it, (width,)."""
        return np.asarray(self.model.encoding.hold_still(self.silent))

    @cached_property
    def recorded(self) -> Data | None:
        """Own data, or the data set; None where they are not at hand, or the task draws its trials."""
        if self.task is not None:
            return None
        at_hand = RunDirectory(self.path).data_at_hand if self.data_set is None else data.at_hand(self.data_set.name)
        return data_of(RunDirectory(self.path)) if at_hand else None

    @cached_property
    def unseen(self) -> Trials | None:
        """Trials that the model was never trained on: drawn afresh, or some of the test set of own data or of a data
        set; None where these are not at hand."""
        if self.task is not None:
            return self.task.sample(_EXAMPLES, seed=SEED)
        if self.recorded is None:
            return None
        test = self.recorded.test
        return test[np.random.default_rng(SEED).permutation(len(test))[:_VISITING]]

    @cached_property
    def scored(self) -> Trials | None:
        """What `gnode evaluate` scores the run on: the test set, or trials drawn afresh. None where the test set is not
        at hand, and for tasks that remember values, of which the memory says more."""
        if self.task is None:
            return None if self.recorded is None else self.recorded.test
        return None if self.task.remembers else fresh(self.task)

    @cached_property
    def scores(self) -> dict[str, Any] | None:
        """How well the model does on `scored`; None where there are none that could be solved."""
        if self.scored is None:
            return None
        try:
            return scores(self.model, self.loss, self.scored, self.class_names, RunDirectory(self.path).columns()[1])
        except Diverged:
            return None

    @cached_property
    def loss(self) -> str:
        """Its name. A run that was stopped has no summary, and may have left the choice to its trials."""
        of_settings = self.config.get("training", {}).get("loss")
        named = [name for name in (self.summary.get("loss"), of_settings) if name in LOSSES]
        if named or self.unseen is None:
            return named[0] if named else "mse"
        return "cross-entropy" if self.unseen.targets.dtype.kind == "i" else "mse"

    @cached_property
    def class_names(self) -> list[str]:
        """What classes are called, by default by their numbers; nothing where targets are numbers."""
        if not LOSSES[self.loss].classes:
            return []
        names = list(self.summary.get("classes", [] if self.recorded is None else self.recorded.classes))
        return names + [str(at) for at in range(len(names), self.model.config.output_size)]

    @cached_property
    def titles(self) -> dict[str, str]:
        """What a table or the data set calls the rows and lines of examples, "input 1", ... and "channel 1", ...: names
        of columns; nothing of those without."""
        inputs, targets = RunDirectory(self.path).columns()
        inputs = inputs or list(() if self.data_set is None else self.data_set.input_names)
        return {
            f"{what} {at}": name
            for what, names in (("input", inputs), ("channel", targets))
            for at, name in enumerate(names, start=1)
        }

    @cached_property
    def unseen_path(self) -> Path:
        """The states of `unseen`, and which of them could not be solved."""
        assert self.unseen is not None
        return path_of(self.model, self.unseen)

    @property
    def unsolved(self) -> int:
        """How many of the unseen trials could not be solved; nothing is shown of them."""
        return 0 if self.unseen is None else int(np.count_nonzero(self.unseen_path.failed))

    @cached_property
    def trials(self) -> Trials | None:
        """The unseen trials that could be solved; None where there are none."""
        if self.unseen is None or self.unsolved == len(self.unseen):
            return None
        return self.unseen[np.flatnonzero(np.asarray(self.unseen_path.failed) == 0)]

    @cached_property
    def trial_states(self) -> np.ndarray:
        """States at each sample of `trials`, (trials, time, N)."""
        return np.asarray(self.unseen_path.states)[np.asarray(self.unseen_path.failed) == 0]

    def _answers_so_far(self, some: Trials) -> Array:
        """What the model says at each sample of the first trials."""
        if self.model.config.reading == "each":
            return self.model(some.series, told(self.model, some))
        at_samples = jnp.asarray(read(self.model, self.trial_states[: len(some)]))
        return so_far(self.model.config.reading, at_samples, jnp.asarray(some.series.valid))

    @cached_property
    def examples(self) -> list[Example]:
        """The first of the trials, to be drawn."""
        if self.trials is None:
            return []
        some = self.trials[:_EXAMPLES]
        outputs = LOSSES[self.loss].link(np.asarray(self._answers_so_far(some), float))
        seconds = np.cumsum(np.broadcast_to(some.series.elapsed(self.bin_seconds), some.series.shape[:2]), axis=1)
        inputs = _held(some.series)
        counts = some.counts
        names = self._names_of(some)
        return [
            Example(
                name=names[at],
                times=seconds[at, :length],
                states=self.trial_states[at, :length],
                rows=_rows(
                    inputs[at, :length], _cut(some.targets[at], length), outputs[at, :length], counts[at, :length]
                ),
                time_constants=self.time_constants[at, :length],
            )
            for at, length in enumerate(some.series.valid.sum(axis=1))
        ]

    def _names_of(self, some: Trials) -> list[str]:
        """What the first trials are called on the page."""
        names = [f"trial {number}" for number in range(1, len(some) + 1)]
        if some.targets.ndim > 1:
            return names
        taken = answers_of(self.model, self.loss, some).said.argmax(axis=1)
        pairs = [
            (self.class_names[right], self.class_names[answer])
            for right, answer in zip(some.targets, taken, strict=True)
        ]
        return [
            f"{name}: {right}" + (f", taken for {answer}" if answer != right else "")
            for name, (right, answer) in zip(names, pairs, strict=True)
        ]

    @cached_property
    def time_constants(self) -> np.ndarray:
        """tau / gate in seconds of each unit while each sample of `trials` acts, (trials, time, N)."""
        assert self.trials is not None
        samples, _ = self.model.samples_of(self.trials.series, told(self.model, self.trials))
        start = self.model.initial(samples.inputs[:, 0], samples.told)
        before = np.concatenate([np.asarray(start)[:, None], self.trial_states[:, :-1]], axis=1)
        inputs = samples.inputs
        if samples.samples is not None:  # events cut what acts into shorter intervals
            inputs = jnp.take_along_axis(inputs, samples.samples[..., None], axis=1)
        return self.model.config.tau / np.asarray(self.model.field.gate(jnp.asarray(before), inputs), float)

    @cached_property
    def answers(self) -> Answers | None:
        """Some of what `scores` is computed from: at most _READ answers to trials drawn at random."""
        if self._some_scored is None:
            return None
        found = answers_of(self.model, self.loss, self._some_scored)
        chosen = np.random.default_rng(SEED).permutation(len(found.truth))[:_READ]
        return Answers(*(part[chosen] for part in found))

    @cached_property
    def states_read(self) -> StatesRead | None:
        """What answers about classes are read from; None where there are no classes."""
        some = self._some_scored
        if some is None or not self.class_names:
            return None
        states = jnp.asarray(path_of(self.model, some).states)
        read_from, counts = at_targets(
            READINGS[self.model.config.reading](states, jnp.asarray(some.series.valid)), some
        )
        chosen = np.random.default_rng(SEED).permutation(np.count_nonzero(counts))[:_READ]
        found = read_from[counts][chosen].astype(float)
        axes = projection_of(found, min(2, found.shape[1]))
        return StatesRead(axes(found), axes, some.targets[counts][chosen])

    @cached_property
    def _some_scored(self) -> Trials | None:
        """At most _READ of the trials that the run is scored on, drawn at random, which could be solved."""
        if self.scores is None or self.scored is None:
            return None
        some = self.scored[np.random.default_rng(SEED).permutation(len(self.scored))[:_READ]]
        solved = np.flatnonzero(np.asarray(path_of(self.model, some).failed) == 0)
        return some[solved] if len(solved) else None

    @cached_property
    def memory(self) -> analysis.Memory | None:
        """Memory of the task's values against silence: the stored one if it is there; None for tasks that remember no
        values."""
        if self.task is None:
            return None
        kept = None if self.stored is None else self.stored.memory
        return memory_of(self.model, self.task) if kept is None else kept

    def after(self, silence: int) -> np.ndarray:
        """States (V, N) of the remembered values after so many silent bins, one of those of the memory."""
        assert self.memory is not None
        return self.memory.states[int(np.flatnonzero(self.memory.silences == silence)[0])]

    @cached_property
    def ideal(self) -> np.ndarray | None:
        """Points of the task's ideal manifold, (n, D_out)."""
        if self.task is None or self.task.manifold is None:
            return None
        return self.task.manifold.sample(900, seed=0)

    @cached_property
    def traces(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Remembered values (V, D_out), and states (V, T, N) from their last pulse's first bin on, then silence."""
        if self.task is None or not self.task.remembers:
            return None
        assert self.task.manifold is not None
        values = self.task.manifold.sample(_TRACES, seed=SEED)
        trials = self.task.recall(values, silence=_REST)
        path = path_of(self.model, trials)
        solved = np.asarray(path.failed) == 0
        if not solved.any():
            return None
        values, states = values[solved], np.asarray(path.states)[solved]
        first = int(np.flatnonzero(np.abs(trials.inputs).max(axis=(0, 2)) > 0)[0])
        return values, states[:, max(first - 1, 0) :]

    @cached_property
    def visited(self) -> np.ndarray:
        """States that the model visits, (n, N): what pictures must contain and searches start from."""
        size = self.model.config.state_size
        parts = []
        if self.trials is not None:
            there = self.trial_states[self.trials.series.valid]
            parts.append(there[:: -(-len(there) // _MOST_VISITED)])
        if self.traces is not None:
            parts.append(self.traces[1].reshape(-1, size))
        if self.memory is not None:
            parts.append(self.memory.states[self.memory.silences <= 1000].reshape(-1, size))
        if not parts:  # the trials are not in the run directory: free runs from random states
            step = self.model.map_at(self.silent)
            state = jnp.asarray(np.random.default_rng(SEED).standard_normal((64, size)), jnp.float32)
            _, moved = jax.lax.scan(lambda state, _: (step(state),) * 2, state, None, length=100)
            parts.append(np.asarray(moved).reshape(-1, size))
        return np.concatenate(parts).astype(float)

    @cached_property
    def plane(self) -> Projection:
        """Two axes: the state's own for N = 2, else the two of the largest variance."""
        return projection_of(self.visited, min(2, self.model.config.state_size))

    @cached_property
    def space(self) -> Projection:
        """Three axes, for N of at least 3: the state's own for N = 3, else the three of the largest variance."""
        return projection_of(self.visited, min(3, self.model.config.state_size))

    @cached_property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner of the drawn region, in coordinates of the plane, equally wide in every direction."""
        return bounds_of(self.plane(self.visited), 0.002, least=1e-3)

    @cached_property
    def flow(self) -> FlowGrid:
        return flow_grid(self.velocity, self.plane, *self.bounds)

    def velocity(self, states: np.ndarray) -> np.ndarray:
        """dh/dt without input, in units of the state per second, (..., N)."""
        with jax.enable_x64(True):
            return np.asarray(jax.jit(self.model.field_at(self.silent))(jnp.asarray(states)))

    @cached_property
    def starts(self) -> np.ndarray:
        """Where searches for fixed points begin, (_STARTS, N): visited states, and around them."""
        random = np.random.default_rng(SEED)
        chosen = self.visited[random.choice(len(self.visited), _STARTS)]
        spread = 0.5 * self.visited.std(axis=0) + 1e-3
        around = random.standard_normal(chosen.shape) * spread * (np.arange(_STARTS) % 2)[:, None]
        return chosen + around

    @cached_property
    def fixed_points(self) -> analysis.FixedPoints:
        """Of the flow without input, with the stability of flow and map: the stored ones if they are there."""
        if self.stored is not None:
            return self.stored.fixed_points
        solved = self.model.integrator.kind == "flow"
        return analysis.fixed_points(
            self.model.field_at(self.silent),
            starts=self.starts,
            beside=self.bin_seconds if solved else self.model.map_at(self.silent),
            merge=_MERGE,
            iterations=_ITERATIONS,
        )

    @cached_property
    def slow_points(self) -> analysis.SlowPoints:
        """Local minima of the speed: the stored ones if they are there."""
        if self.stored is not None:
            return self.stored.slow_points
        return analysis.slow_points(
            self.model.field_at(self.silent), starts=self.starts, merge=_MERGE, iterations=_ITERATIONS
        )

    @cached_property
    def film(self) -> Film | None:
        if self.task is None:
            return None
        return film_of(RunDirectory.open(self.path), self.task, self.metrics)


def bounds_of(
    coordinates: np.ndarray, outside: float = 0.0, least: float = np.finfo(float).tiny
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper corner of a region around coordinates (n, d), equally wide in every direction.

    Args:
        outside: the share of them that may lie outside, below and above.
        least: of the extent around which there is a margin.
    """
    low, high = np.quantile(coordinates, outside, axis=0), np.quantile(coordinates, 1 - outside, axis=0)
    extent = float((high - low).max()) or float(np.abs(coordinates).max()) or 1.0
    middle, half = (low + high) / 2, (0.5 + _MARGIN) * max(extent, least)
    return middle - half, middle + half


def flow_grid(
    velocity: Callable[[np.ndarray], np.ndarray], plane: Projection, low: np.ndarray, high: np.ndarray
) -> FlowGrid:
    """The flow, a function of states (..., N), on a grid of the plane between two of its corners."""
    size = low.size
    axes = [np.linspace(low[at], high[at], GRID if size > 1 else 10 * GRID) for at in range(size)]
    nodes = np.stack(np.meshgrid(*axes, indexing="xy"), axis=-1)  # (y, x, 2); (x, 1) for N = 1
    found = velocity(plane.back(nodes))
    y = axes[1] if size > 1 else np.zeros(1)
    return FlowGrid(axes[0], y, found @ plane.axes.T, np.linalg.norm(found, axis=-1))


def _held(series: Series) -> np.ndarray:
    """Values as the model sees them where some are missing: the last one that was seen; NaN before the first."""
    last = last_seen(series.seen)
    return np.where(last >= 0, np.take_along_axis(series.values, np.maximum(last, 0), axis=1), np.nan)


def _cut(targets: np.ndarray, length: int) -> np.ndarray:
    """What is wanted of a trial (T, ...), as far as it goes; one class for all of it is () and stays."""
    return targets[:length] if targets.ndim else targets


def _rows(
    inputs: np.ndarray, targets: np.ndarray, outputs: np.ndarray, counts: np.ndarray
) -> list[tuple[str, dict[str, np.ndarray]]]:
    """What is drawn of a trial: inputs (T, D), targets (T, outputs) or classes (T,) or (), outputs (T, outputs)."""
    going_in = ("input", {f"input {at}": channel for at, channel in enumerate(inputs.T[:CHANNELS], start=1)})
    if targets.dtype.kind == "i":
        classes = np.broadcast_to(targets, counts.shape)
        scores = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        chances = np.take_along_axis(scores, classes[:, None], axis=1)[:, 0] / scores.sum(axis=1)
        shown = np.where(counts if targets.ndim else True, classes, np.nan)
        return [
            going_in,
            ("class", {"target": shown, "output": outputs.argmax(axis=1).astype(float)}),
            ("chance of the target", {"output": np.where(np.isnan(shown), np.nan, chances)}),
        ]
    beside = inputs.shape[1] == targets.shape[1]  # else they are other quantities, on axes of their own
    rows = [] if beside else [going_in]
    for channel in range(min(targets.shape[1], CHANNELS)):
        lines = {"input": inputs[:, channel]} if beside else {}
        lines |= {"target": np.where(counts, targets[:, channel], np.nan), "output": outputs[:, channel]}
        rows.append((f"channel {channel + 1}", lines))
    return rows


def readout_axes(ideal: np.ndarray) -> Projection:
    """Axes of readout space: the channels, or for more than three the main axes of the ideal manifold."""
    size = ideal.shape[1]
    if size <= 3:
        return Projection(np.zeros(size), np.eye(size), [f"channel {at}" for at in range(1, size + 1)], None)
    axes = np.linalg.svd(ideal - ideal.mean(axis=0), full_matrices=False)[2][:3]
    return Projection(ideal.mean(axis=0), axes, [f"main axis {at}" for at in (1, 2, 3)], None)


def content_of(path: str | pathlib.Path) -> Content:
    """The content of a run directory.

    Raises:
        InvalidInput: it holds no finished run, or files of it are damaged.
    """
    directory = RunDirectory.open(path)
    config = directory.config()
    name = config.get("task", {}).get("name")
    task = task_of(directory) if name in tasks.TASKS or tasks.is_own(name) else None
    model = _best_so_far(directory)
    return Content(
        path=directory.path,
        name=directory.path.resolve().name,
        config=config,
        summary=_summary(directory),
        metrics=directory.metrics(),
        model=model,
        task=task if isinstance(task, tasks.Task) else None,
        data_set=task if isinstance(task, tasks.RecordedTask) else None,
        stored=read_stored(directory.path),
    )


def film_of(directory: RunDirectory, task: tasks.Task, metrics: list[dict[str, float]]) -> Film | None:
    """The states that survive FILM_SILENCE silent bins in every snapshot; None where there are no snapshots."""
    snapshots = directory.snapshots()
    if not snapshots or not task.remembers:
        return None
    assert task.manifold is not None
    values = task.manifold.sample(180, seed=SEED)
    trials = task.recall(values, silence=FILM_SILENCE)
    losses = {int(record["epoch"]): record["val_loss"] for record in metrics}
    survivors, readouts = [], []
    for _, path in snapshots:
        model = load_model(path)
        state = np.asarray(path_of(model, trials).states)[:, -1]  # of one that failed, the last that was reached
        survivors.append(state)
        readouts.append(read(model, state))
    return Film(
        epochs=np.array([epoch for epoch, _ in snapshots]),
        losses=np.array([losses.get(epoch, np.nan) for epoch, _ in snapshots]),
        readouts=np.stack(readouts),
        states=np.stack(survivors),
    )


def projection_of(states: np.ndarray, dimensions: int) -> Projection:
    """Axes of a picture of states (n, N): the units themselves where there are so many, else those of the largest
    variance, whose labels say how much of it they hold."""
    size = states.shape[1]
    if size == dimensions:
        labels = [f"unit {number}" for number in range(1, size + 1)]
        return Projection(np.zeros(size), np.eye(size), labels, None)
    middle = states.mean(axis=0)
    _, spread, axes = np.linalg.svd(states - middle, full_matrices=False)
    explained = (spread**2 / np.sum(spread**2))[:dimensions]
    axes = axes[:dimensions] * np.sign(axes[:dimensions, np.abs(axes[:dimensions]).argmax(axis=1)].diagonal())[:, None]
    labels = [f"PC {number} ({share:.0%})" for number, share in enumerate(explained, start=1)]
    return Projection(middle, axes, labels, explained)


def _best_so_far(directory: RunDirectory) -> Model:
    """The model file, or, of a run that was stopped, the best parameters in its checkpoint."""
    finished = (directory.path / "model.safetensors").is_file()
    if finished or not (directory.path / "checkpoint" / "state.safetensors").is_file():
        return load_model(directory.path)
    begun = experiment_from(str(directory.path / CONFIG), {})
    # Training sets scales from its trials, and only finished models keep them.
    drawn = directory.start() or make(**directory.config()["model"])
    model, data, _ = prepare(drawn, begun.task, begun.settings)
    _, frozen = eqx.partition(model, trainable(model))
    state = OPTIMISERS[begun.settings.optimiser].begin(model, data, begun.settings)
    return eqx.combine(directory.read_checkpoint(state).best_parameters, frozen)


def _summary(directory: RunDirectory) -> dict[str, Any]:
    """The outcome; of a run that was stopped, what its last line says."""
    metrics = directory.metrics()
    if (directory.path / SUMMARY).is_file() or not metrics:
        return directory.summary()
    last = metrics[-1]
    return {
        "loss": "loss",
        "epochs": last["epoch"],
        "best_epoch": last.get("best_epoch", last["epoch"]),
        "val_loss": min(record["val_loss"] for record in metrics),
        "unfinished": True,
    }
