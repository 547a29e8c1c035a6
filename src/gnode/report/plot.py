"""Plots as matplotlib objects that one can change: `gnode.plot`. Figures for papers are drawn by the same functions.

Each draws on `ax` in the style that is set there and returns it; without one it makes a figure in the house style.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.lines import Line2D

from gnode.analysis import Attractor, FixedPoints, Memory, SlowPoints
from gnode.analysis.dynamics import checked_states, kind_of
from gnode.analysis.frameworks import speaker_of
from gnode.errors import look_up, must_have
from gnode.examine.content import FlowGrid, Projection, bounds_of, flow_grid, projection_of
from gnode.examine.stored import read_stored
from gnode.models import Model
from gnode.report import style
from gnode.series import Trials
from gnode.training import Run, RunDirectory
from gnode.training.loop import Record
from gnode.training.score import told

__all__ = ["LOOK", "loss", "memory", "portrait", "trials"]

COLUMN, PAGE = 3.4, 7.0  # inches: one column of a journal, and two
SQUARE = (4.4, 3.8)
LOOK: Any = {
    "font.family": "sans-serif",
    "font.size": 8,
    "axes.titlesize": "medium",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=style.RUNS),
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.labelsize": "small",
    "ytick.labelsize": "small",
    "legend.fontsize": "small",
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "pdf.fonttype": 42,  # text stays text, as journals ask
    "svg.fonttype": "none",
    "savefig.dpi": 300,
}
_SPEED = LinearSegmentedColormap.from_list("speed", style.SPEED)
_MEASURES = {"distinct": "values told apart", "rms_error": "RMS error (task units)", "bits": "bits"}


@contextlib.contextmanager
def _axes(ax: Axes | None, size: tuple[float, float]) -> Iterator[Axes]:
    """The axes that were given, in the style that they have; or new ones in the house style."""
    if ax is not None:
        if not isinstance(ax, Axes):
            must_have("ax axes of matplotlib", type(ax).__name__)
        yield ax
        return
    from matplotlib import pyplot  # late: it chooses how windows are shown

    with mpl.rc_context(LOOK):
        yield pyplot.subplots(figsize=size, layout="constrained")[1]


def portrait(
    found: FixedPoints | None = None,
    states: Any = None,
    ax: Axes | None = None,
    *,
    flow: Any = None,
    slow: SlowPoints | None = None,
) -> Axes:
    """Fixed points in the plane of the state space, by their stability, with the states that a network visits.

    Of more than two units the plane is that of the two largest principal components of the states (of the points, where
    there are no states), and the axes say how much of the variance they hold.

    Args:
        found: of `gnode.analysis.fixed_points`, of a network in any framework.
        states: (n, N), drawn as dots; or (trials, time, N), drawn as lines that end in a dot.
        flow: the callable whose points they are: its speed is drawn as colour and its direction as arrows, in the plane
            itself. Of one unit its velocity, or its step if it is a map, is drawn against the state.
        slow: of `gnode.analysis.slow_points`.

    Raises:
        InvalidInput: nothing to draw, or states of another size.

    Example:
        >>> found = analysis.fixed_points(f, starts=states)  # doctest: +SKIP
        >>> ax = portrait(found, states)  # doctest: +SKIP
        >>> ax.set_title("without input")  # doctest: +SKIP
    """
    paths = None if states is None else _paths(states)
    sets = [part.points for part in (found, slow) if part is not None and len(part)]
    sets += [] if paths is None else [paths.reshape(-1, paths.shape[-1])]
    if not sets:
        must_have("fixed points, slow points or states to draw", "none")
    if len({part.shape[-1] for part in sets}) > 1:
        sizes = " and ".join(str(part.shape[-1]) for part in sets)
        must_have("points and states of as many units", sizes)
    everything = np.concatenate(sets)
    plane = _plane(sets[-1])
    with _axes(ax, SQUARE if everything.shape[1] > 1 else (COLUMN, 2.3)) as axes:
        if flow is not None:
            _draw_flow(axes, flow, plane, everything, None if found is None else found.kind)
        if paths is not None:
            _draw_paths(axes, plane(paths), under=flow is not None)
        handles = mark_points(axes, found, slow, plane)
        axes.set_xlabel(plane.labels[0])
        if len(plane.labels) > 1:
            axes.set_ylabel(plane.labels[1])
        elif flow is None:
            axes.set_yticks([])
        if handles:
            axes.legend(handles=handles, handletextpad=0.3, frameon=flow is not None or None)
    return axes


def _paths(states: Any) -> np.ndarray:
    """States (trials, time, N); of single states each is a path of one."""
    array = np.asarray(states.detach().cpu() if hasattr(states, "detach") else states)
    if array.ndim == 3 and array.size:
        return checked_states(array.reshape(-1, array.shape[-1])).reshape(array.shape)
    return checked_states(array)[:, None]


def _plane(states: np.ndarray) -> Projection:
    """The plane of a picture: of few states the first units."""
    size = states.shape[1]
    if size > 2 and len(np.unique(states, axis=0)) < 3:
        return Projection(np.zeros(size), np.eye(2, size), ["unit 1", "unit 2"], None)
    return projection_of(states, min(2, size))


def _draw_paths(axes: Axes, coordinates: np.ndarray, under: bool) -> None:
    colour = "white" if under else "C0"
    if coordinates.shape[1] == 1:
        draw_dots(axes, coordinates[:, 0], s=5, c=colour, alpha=0.6)
        return
    if coordinates.shape[2] == 1:
        coordinates = np.concatenate([coordinates, 0 * coordinates], axis=-1)
    for path in coordinates:
        axes.plot(*path.T, color=colour, lw=0.7, alpha=0.6)
        axes.plot(*path[-1:].T, marker="o", ms=3, color=colour, mec="none", alpha=0.8)


def _draw_flow(axes: Axes, flow: Any, plane: Projection, states: np.ndarray, kind: str | None) -> None:
    """Speed and directions of a callable in the plane."""
    call = speaker_of(flow, states[:4]).values
    moves = kind_of(flow, kind) == "map"

    def velocity(places: np.ndarray) -> np.ndarray:
        flat = places.reshape(-1, places.shape[-1])
        return (call(flat) - (flat if moves else 0.0)).reshape(places.shape)

    low, high = bounds_of(plane(states))
    grid = flow_grid(velocity, plane, low, high)
    what = "f(h) - h" if moves else "dh/dt"
    if len(plane.labels) == 1:
        axes.plot(grid.x, grid.velocity[:, 0], color="C0")
        axes.axhline(0.0, color=style.IDEAL, lw=0.6)
        axes.set_ylabel(what)
        return
    mesh = draw_speed(axes, grid)
    bar = axes.figure.colorbar(mesh, ax=axes, shrink=0.85, pad=0.02)
    bar.set_label(f"|{what}|")
    bar.outline.set_visible(False)  # type: ignore[operator]


def loss(source: Any, ax: Axes | None = None, *, label: str = "") -> Axes:
    """Training and validation loss against the epoch.

    Args:
        source: what gnode.train returned; or its history; or a run directory.
        ax: Matplotlib's axes to draw on; by default new ones.
        label: put before "training" and "validation" in the legend, where several runs are drawn on one axes.

    Raises:
        InvalidInput: none of these, or without an epoch.
    """
    records, what = _history(source)
    if not records:
        must_have("at least one epoch to draw", "none")
    epochs = [record["epoch"] for record in records]
    curves = {key: np.array([record.get(key, np.nan) for record in records]) for key in ("train_loss", "val_loss")}
    with _axes(ax, (COLUMN, 2.3)) as axes:
        colour = None
        for key, name, look in (("val_loss", "validation", "-"), ("train_loss", "training", ":")):
            [line] = axes.plot(epochs, curves[key], look, color=colour, label=f"{label} {name}".strip())
            colour = line.get_color()
        if all((values[np.isfinite(values)] > 0).all() for values in curves.values()):
            axes.set_yscale("log")
        axes.set_xlabel("epoch")
        axes.set_ylabel(what)
        axes.legend()
    return axes


def _history(source: Any) -> tuple[list[dict[str, Any]], str]:
    """Epochs as plain data, and what their losses are called."""
    summary: dict[str, Any] = {}
    if isinstance(source, Run):
        source, summary = source.history, source.summary
    elif isinstance(source, str | Path):
        directory = RunDirectory.open(source)
        source = directory.metrics()
        summary = directory.summary() if (directory.path / "summary.json").is_file() else {}
    if not isinstance(source, Sequence) or not all(isinstance(record, Record | dict) for record in source):
        must_have("a run, its history, or a run directory", type(source).__name__)
    records = [record.as_dict() if isinstance(record, Record) else record for record in source]
    name = str(summary.get("loss", "loss"))
    return records, "mean squared error" if name == "mse" else name


def memory(
    source: Memory | Attractor | str | Path, ax: Axes | None = None, *, of: str = "distinct", label: str = ""
) -> Axes:
    """What is left of written values against the silence; the first bin without any is not on the axis.

    Args:
        source: of `gnode.analysis.memory`, an attractor of a model on its task, or a run directory that was analysed.
        ax: Matplotlib's axes to draw on; by default new ones.
        of: "distinct" (how many values the readout tells apart), "bits" (log2 of it) or "rms_error".
        label: in the legend, where several are drawn on one axes.

    Raises:
        InvalidInput: no memory, or another measure.
    """
    found: Memory | None = None
    if isinstance(source, str | Path):
        found = _analysed(source)
    else:
        found = source.memory if isinstance(source, Attractor) else source
    if not isinstance(found, Memory):
        must_have("a memory (gnode.analysis.memory), or an attractor of a model on its task", type(source).__name__)
    look_up("measure", of, _MEASURES)
    shown = found.silences > 0
    with _axes(ax, (COLUMN, 2.3)) as axes:
        axes.plot(found.silences[shown], getattr(found, of)[shown], "o-", ms=3, label=label or None)
        axes.set_xscale("log")
        axes.set_xlabel("silent bins")
        axes.set_ylabel(_MEASURES[of] + (f" (of {len(found.values)})" if of == "distinct" else ""))
        if of == "rms_error":
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
        if label:
            axes.legend()
    return axes


def _analysed(path: str | Path) -> Memory:
    """What gnode analyse found of the memory of a run."""
    folder = RunDirectory.open(path).path
    stored = read_stored(folder)
    if stored is None:
        must_have(f"a run that was analysed in {folder}", "none", f"Run gnode analyse {folder}.")
    if stored.memory is None:
        must_have(f"a run on a task that remembers values in {folder}", "another")
    return stored.memory


def trials(
    some: Trials, answers: Any = None, ax: Axes | None = None, *, index: int = 0, dt: float | None = None
) -> Axes:
    """One of some trials: what went in (grey), what was wanted (dotted) and what a network says (solid).

    Args:
        answers: a model, what gnode.train returned, or what any network says, (trials, time, outputs).
        ax: Matplotlib's axes to draw on; by default new ones.
        index: of the trial.
        dt: seconds between samples of trials without times of their own; by default the model's. Without either the
            axis counts samples.

    Raises:
        InvalidInput: no trials, no such trial, or answers of another shape.
    """
    if not isinstance(some, Trials):
        must_have("trials (gnode.series.Trials)", type(some).__name__)
    if not -len(some) <= index < len(some):
        must_have(f"index of one of {len(some)} trials", f"{index}")
    one, model = some[index], answers.model if isinstance(answers, Run) else answers
    if isinstance(model, Model):
        dt = model.config.dt if dt is None else dt
        said = np.asarray(model(one.series, told(model, one)))[0]
    else:
        said = None if answers is None else _answers(answers, len(some))[index]
    length = int(one.series.valid.sum())
    known = dt is not None or one.series.clock is not None
    times = np.cumsum(np.broadcast_to(one.series.elapsed(1.0 if dt is None else dt), one.series.shape[:2])[0])[:length]
    with _axes(ax, (COLUMN, 2.3)) as axes:
        for channel in one.series.values[0, :length].T:
            draw_line(axes, "input", times, channel)
        if one.targets.dtype.kind == "f" and one.targets.ndim == 3:
            wanted = np.where(one.counts[0, :length, None], one.targets[0, :length], np.nan)
            for at, channel in enumerate(wanted.T):
                draw_line(axes, "target", times, channel, label="target" if at == 0 else None)
        elif one.targets.ndim == 1:
            axes.set_title(f"target: {one.targets[0]:g}")
        if said is not None:
            _draw_answers(axes, times, said[:length] if said.ndim == 2 else said)
        axes.set_xlabel("time (s)" if known else "sample")
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
    return axes


def _answers(answers: Any, count: int) -> np.ndarray:
    array = np.asarray(answers.detach().cpu() if hasattr(answers, "detach") else answers)
    if array.dtype.kind not in "iuf" or array.ndim not in (2, 3) or len(array) != count:
        must_have(f"a model, or answers (trials, time, outputs) to {count} trials", f"{array.dtype} {array.shape}")
    return array


def _draw_answers(axes: Axes, times: np.ndarray, said: np.ndarray) -> None:
    """Outputs at each sample, (T, outputs), or one answer to all of them, (outputs,), at the end."""
    for at, channel in enumerate(said.T):
        label = "output" if said.shape[-1] == 1 else f"output {at + 1}"
        if said.ndim == 2:
            axes.step(times, channel, where="pre", lw=1.1, label=label)
        else:
            axes.plot(times[-1:], [channel], "o", ms=4, label=label)


# -- what several pictures are drawn with --


def draw_line(axes: Axes, name: str, times: np.ndarray, values: np.ndarray, label: str | None = None) -> Any:
    """An input, a target or an output, level over the time that each sample stands for; returns what a legend needs."""
    if name == "input":
        return axes.fill_between(times, values, step="pre", color="#c4cad4", lw=0, label=label)
    look: dict[str, Any] = {"color": style.line_colour(name), "ls": (0, (1.5, 1.5))}
    if name != "target":  # as the style that is set has it
        look = {"color": "C0" if name == "output" else f"C{name.partition(' ')[2]}"}
    return axes.step(times, values, where="pre", lw=1.1, label=label, **look)[0]


def draw_speed(axes: Axes, grid: FlowGrid, alpha: float = 1.0) -> Any:
    """Speed as colour and directions as arrows, in the plane; returns what a colour bar needs."""
    speed = np.maximum(grid.speed, 1e-9 * max(float(grid.speed.max()), np.finfo(float).tiny))
    norm = LogNorm(*np.quantile(speed, (0.005, 0.995)))
    mesh = axes.pcolormesh(
        grid.x, grid.y, speed, cmap=_SPEED, norm=norm, shading="gouraud", alpha=alpha, rasterized=True
    )
    every = (slice(1, None, 3), slice(1, None, 3))
    length = np.linalg.norm(grid.velocity, axis=-1, keepdims=True)
    unit = grid.velocity / np.where(length > 0, length, 1.0)
    look: dict[str, Any] = {
        "color": "white",
        "alpha": 0.7 * alpha + 0.1,
        "pivot": "mid",
        "width": 0.0022,
        "headwidth": 5,
        "scale": 26,
    }
    axes.quiver(grid.x[every[0]], grid.y[every[1]], unit[..., 0][every], unit[..., 1][every], **look)
    axes.set(xlim=(grid.x[0], grid.x[-1]), ylim=(grid.y[0], grid.y[-1]), aspect="equal")
    return mesh


def mark_points(axes: Any, found: FixedPoints | None, slow: SlowPoints | None, projection: Projection) -> list[Line2D]:
    """Fixed points by the stability of the flow, and slow points; returns what a legend needs."""
    handles: list[Line2D] = []
    for name, points in points_by_class(found, slow).items():
        colour, _, marker = style.STABILITY[name]
        face = "none" if name == style.SLOW else colour
        edge = colour if name == style.SLOW else "white"
        look: dict[str, Any] = {"ls": "", "marker": marker, "ms": 4.2, "mfc": face, "mec": edge, "mew": 0.6}
        axes.plot(*_at_least_two(projection(points)).T, zorder=4, **look)
        handles.append(Line2D([], [], label=name, **look))
    return handles


def points_by_class(found: FixedPoints | None, slow: SlowPoints | None) -> dict[str, np.ndarray]:
    """Points (K, N) by the classes of the legend, those without any left out."""
    classes: dict[str, np.ndarray] = {}
    if found is not None:
        names = np.array([style.stability_class(name) for name in found.flow_stability or found.stability])
        classes = {name: found.points[names == name] for name in style.STABILITY}
    if slow is not None:
        classes[style.SLOW] = slow.points[~slow.fixed]
    return {name: classes[name] for name in style.STABILITY if len(classes.get(name, ()))}


def draw_dots(axes: Any, points: np.ndarray, **look: Any) -> None:
    """Points with one to three coordinates."""
    axes.scatter(*_at_least_two(points).T, lw=0, **look)


def _at_least_two(points: np.ndarray) -> np.ndarray:
    return np.column_stack([points[:, 0], np.zeros(len(points))]) if points.shape[1] == 1 else points
