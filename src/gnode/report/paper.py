"""The figures of a report for papers, drawn with matplotlib, and the numbers that are drawn, as tables."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.style import available, context

from gnode.errors import GnodeError, check_known, must_have
from gnode.examine.content import Content, Projection, content_of, readout_axes
from gnode.files import path_of, write_atomically
from gnode.report import plot, style
from gnode.report.plot import COLUMN, LOOK, PAGE, SQUARE, draw_dots, draw_line, draw_speed, mark_points, points_by_class

SILENCES = (0, 100, 1000, 10_000)  # silent bins whose survivors are drawn beside each other
FORMATS = ("png", "pdf", "svg")
_SEEN_AFTER = 100  # silent bins whose survivors are drawn among the fixed points


def folder_for_figures(given: str | Path) -> Path:
    """A folder that figures can go into, which may be yet to be made; InvalidInput where it is a file."""
    folder = path_of(given)
    if folder.exists() and not folder.is_dir():
        must_have("a folder for the figures", f"the file {folder}")
    return folder


class Wanted(NamedTuple):
    """Which figures are to be drawn, and how; made by `wanted_figures`, which checks it."""

    folder: Path
    style: str | Path | None
    only: tuple[str, ...]
    formats: tuple[str, ...]


def wanted_figures(
    folder: str | Path,
    *,
    style: str | Path | None = None,
    only: Iterable[str] | None = None,
    formats: Iterable[str] = ("png", "pdf"),
) -> Wanted:
    """What is asked for of figures, checked before anything is computed. Arguments and errors as for `figures`."""
    names = tuple(_FIGURES) if only is None else tuple(only)
    check_known(names, _FIGURES, f"figures out of {', '.join(_FIGURES)}")
    kinds = tuple(dict.fromkeys(formats))
    check_known(kinds, FORMATS, f"formats out of {', '.join(FORMATS)}")
    if not names or not kinds:
        must_have("at least one figure and one format", "none")
    return Wanted(folder_for_figures(folder), _checked_style(style), names, kinds)


def figures(
    directory: str | Path,
    folder: str | Path,
    *,
    style: str | Path | None = None,
    only: Iterable[str] | None = None,
    formats: Iterable[str] = ("png", "pdf"),
) -> list[Path]:
    """Draw a run's figures for a paper, and write what is drawn in each as a tidy table beside it, NAME.csv.

    losses, trials, flow (N of at least 2; with fixed and slow points and what survives 100 silent bins), and, for tasks
    that remember values, trajectories, survivors and memory; space for N of at least 3. Beyond N = 2 the plane and the
    space are those of the largest variance (PCA).

    Args:
        directory: a run directory.
        folder: where the files go; made if it is not there. Files of the same names are replaced.
        style: a style sheet of matplotlib, FILE.mplstyle, or the name of one that it comes with, over the house style:
            its colours, fonts and lines.
        only: names of figures; by default all that the run has.
        formats: "png" (300 dots an inch), "pdf" and "svg", both with text as text.

    Returns:
        the paths written.

    Raises:
        InvalidInput: the directory holds no run, or a damaged one; the folder is a file; or the rest cannot be.
        GnodeError: a file cannot be written.
    """
    wanted = wanted_figures(folder, style=style, only=only, formats=formats)
    return write_figures(content_of(directory), wanted)


def write_figures(content: Content, wanted: Wanted) -> list[Path]:
    """The figures that are wanted of a run, as far as it has them, and their tables; the paths written."""
    paths = []
    for name in wanted.only:
        with mpl.rc_context(LOOK), context(wanted.style or {}):
            figure = _FIGURES[name].draw(content)
            if figure is not None:
                paths += [_save(figure, wanted.folder / f"{name}.{kind}") for kind in wanted.formats]
        if figure is not None:
            path = wanted.folder / f"{name}.csv"
            write_atomically(path, _FIGURES[name].table(content).to_csv(index=False, float_format="%.9g").encode())
            paths.append(path)
    return paths


def _save(figure: Figure, path: Path) -> Path:
    """Nothing in it depends on when it was made."""
    metadata = {".png": {}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}[path.suffix]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with mpl.rc_context({"svg.hashsalt": path.stem}):
            figure.savefig(path, bbox_inches="tight", pad_inches=0.03, metadata=metadata)
    except OSError as error:
        raise GnodeError(f"Could not write {path}: {error.strerror or error}.") from error
    return path


def _checked_style(given: str | Path | None) -> str | Path | None:
    """A style sheet that matplotlib can read, without an unknown key."""
    if given is None or given in available:
        return given
    path = path_of(given)
    if not path.is_file():
        must_have("a style sheet of matplotlib, FILE.mplstyle, or the name of one that it comes with", str(given))
    try:
        settings = [line.split("#", 1)[0].partition(":")[0].strip() for line in path.read_text().splitlines()]
        unknown = [key for key in settings if key and key not in mpl.rcParams]
        check_known(unknown, mpl.rcParams, f"settings of matplotlib in {path}")
        mpl.rc_params_from_file(path, fail_on_error=True, use_default_template=False)
    except (UnicodeDecodeError, ValueError) as error:
        if isinstance(error, GnodeError):
            raise
        must_have(f"a style sheet of matplotlib that it can read, {path}", str(error))
    return path


# -- the figures, in order, and under each the numbers that are drawn --


def _losses(content: Content) -> Figure | None:
    if not content.metrics:
        return None
    figure, axes = _one(COLUMN, 2.3)
    plot.loss(content.metrics, axes)
    axes.set_ylabel("mean squared error" if content.summary.get("loss") == "mse" else str(content.summary.get("loss")))
    return figure


def _losses_table(content: Content) -> pd.DataFrame:
    table = pd.DataFrame(content.metrics)
    names = {"train_loss": "training", "val_loss": "validation"}
    return table.rename(columns=names).melt("epoch", list(names.values()), "trials", "loss")


def _trials(content: Content) -> Figure | None:
    examples = content.examples
    if not examples:
        return None
    rows = len(examples[0].rows)
    figure = _sized(PAGE, 0.5 + 0.9 * rows)
    grid = figure.subplots(rows, len(examples), sharex="col", sharey="row", squeeze=False)
    handles: dict[str, Any] = {}
    for trial, example in enumerate(examples):
        for row, (label, lines) in enumerate(example.rows):
            axes = grid[row, trial]
            for name, values in lines.items():
                handle = draw_line(axes, name, example.times, values)
                handles.setdefault(_title(content, name), handle)
            if trial == 0:
                axes.set_ylabel(_title(content, label))
            if label == "class":
                axes.set_yticks(*style.some_of(content.class_names))
        grid[0, trial].set_title(example.name)
        grid[-1, trial].set_xlabel("time (s)")
    figure.legend(handles.values(), handles.keys(), loc="outside upper right", ncols=len(handles))
    return figure


def _trials_table(content: Content) -> pd.DataFrame:
    parts = [
        {"trial": example.name, "row": content.titles.get(label, label), "line": content.titles.get(name, name)}
        | {"time": example.times, "value": values}
        for example in content.examples
        for label, lines in example.rows
        for name, values in lines.items()
    ]
    return _stacked(parts)


def _title(content: Content, name: str) -> str:
    """What a row or a line is called, with nothing that Matplotlib would read as a formula."""
    return content.titles.get(name, name).replace("$", r"\$")


def _flow(content: Content) -> Figure | None:
    if content.model.config.state_size < 2:
        return None
    figure, axes = _square()
    mesh = _speed(axes, content)
    if content.memory is not None:
        states = content.plane(content.after(_SEEN_AFTER))
        draw_dots(axes, states, s=6, c=style.value_colours(content.memory.values), zorder=3)
    handles = mark_points(axes, content.fixed_points, content.slow_points, content.plane)
    if content.memory is not None:
        after = f"after {_SEEN_AFTER} silent bins, by value"
        handles.insert(0, Line2D([], [], ls="", marker="o", ms=3.5, color=style.IDEAL, label=after))
    bar = figure.colorbar(mesh, ax=axes, shrink=0.85, pad=0.02)
    bar.set_label("speed (1/s)")
    bar.outline.set_visible(False)  # type: ignore[operator]
    figure.legend(handles=handles, loc="outside lower center", ncols=3 if _larger() < 1.2 else 1, handletextpad=0.3)
    return figure


def _flow_table(content: Content) -> pd.DataFrame:
    """The flow on its grid, then points and states, which have no velocity."""
    grid, names = content.flow, _columns(content.plane)
    x, y = np.meshgrid(grid.x, grid.y, indexing="xy")
    moved = {f"velocity of {name}": grid.velocity[..., at].ravel() for at, name in enumerate(names)}
    field = {"what": "flow", names[0]: x.ravel(), names[1]: y.ravel(), **moved, "speed": grid.speed.ravel()}
    return _stacked([field, *_points_table(content, content.plane)])


def _points_table(content: Content, projection: Projection) -> list[dict[str, Any]]:
    """Points by their class, and what survives a silence, in the coordinates of a picture."""
    shown = points_by_class(content.fixed_points, content.slow_points)
    if content.memory is not None:
        shown[f"after {_SEEN_AFTER} silent bins"] = content.after(_SEEN_AFTER)
    return [{"what": name, **_coordinates(projection, points)} for name, points in shown.items()]


def _trajectories(content: Content) -> Figure | None:
    if content.traces is None:
        return None
    values, states = content.traces
    colours = style.value_colours(values)
    if content.model.config.state_size > 2:
        figure, axes = _three(content.space)
        coordinates = content.space(states)
    elif content.model.config.state_size == 2:
        figure, axes = _square()
        _speed(axes, content, alpha=0.45)
        coordinates = content.plane(states)
    else:
        figure, axes = _one(COLUMN, 2.3)
        times = content.bin_seconds * np.arange(states.shape[1])
        coordinates = np.stack([np.broadcast_to(times, states.shape[:2]), states[..., 0]], axis=-1)
        axes.set_xlabel("time (s)")
        axes.set_ylabel(content.plane.labels[0])
    for path, colour in zip(coordinates, colours, strict=True):
        axes.plot(*path.T, color=colour, lw=0.9)
        axes.plot(*path[-1:].T, marker="o", ms=4, color=colour, mec="white", mew=0.5)
    return figure


def _trajectories_table(content: Content) -> pd.DataFrame:
    assert content.traces is not None
    values, states = content.traces
    projection = content.space if content.model.config.state_size > 2 else content.plane
    times = content.bin_seconds * np.arange(states.shape[1])
    return _stacked(
        [
            {"trajectory": at, **_value(value), "time": times, **_coordinates(projection, path)}
            for at, (value, path) in enumerate(zip(values, states, strict=True))
        ]
    )


def _survivors(content: Content) -> Figure | None:
    memory, ideal = content.memory, content.ideal
    if memory is None or ideal is None:
        return None
    projection = readout_axes(ideal)
    colours = style.value_colours(memory.values)
    deep = len(projection.labels) == 3
    figure = _sized(PAGE, 2.3)
    grid = figure.subplots(1, len(SILENCES), squeeze=False, subplot_kw={"projection": "3d"} if deep else {})[0]
    reach = 1.15 * np.abs(projection(ideal)).max()
    for axes, silence in zip(grid, SILENCES, strict=True):
        draw_dots(axes, projection(ideal), s=1, c="#c9ced8")
        draw_dots(axes, projection(_readouts(content, silence)), s=5, c=colours)
        axes.set_title(f"after {silence:,}\nsilent bins".replace(",", "\u202f"))
        axes.set_xlim(-reach, reach)
        axes.set_ylim(-reach, reach)
        if deep:
            axes.set_zlim(-reach, reach)
            axes.tick_params(labelsize=5, pad=-3)
        else:
            axes.set_aspect("equal")
            axes.set_xlabel(projection.labels[0])
            axes.label_outer()
    if len(projection.labels) == 2:
        grid[0].set_ylabel(projection.labels[1])
    if len(projection.labels) == 1:
        for axes in grid:
            axes.set_yticks([])
            axes.spines["left"].set_visible(False)
    return figure


def _readouts(content: Content, silence: int) -> np.ndarray:
    assert content.memory is not None
    return content.memory.readouts[int(np.flatnonzero(content.memory.silences == silence)[0])]


def _survivors_table(content: Content) -> pd.DataFrame:
    assert content.memory is not None and content.ideal is not None
    projection, values = readout_axes(content.ideal), content.memory.values
    after = [
        {"what": "readout", "silent bins": silence, **_value(values.T), **_coordinates(projection, read)}
        for silence in SILENCES
        for read in [_readouts(content, silence)]
    ]
    return _stacked([*after, {"what": "ideal", **_coordinates(projection, content.ideal)}])


def _memory(content: Content) -> Figure | None:
    if content.memory is None:
        return None
    figure = _sized(PAGE, 2.3)
    for axes, measure in zip(figure.subplots(1, 2), ("rms_error", "distinct"), strict=True):
        plot.memory(content.memory, axes, of=measure)
    return figure


def _memory_table(content: Content) -> pd.DataFrame:
    names = ("silences", "rms_error", "distinct", "bits", "information")
    return pd.DataFrame({name: getattr(content.memory, name) for name in names}).rename(
        columns={"silences": "silent bins"}
    )


def _space(content: Content) -> Figure | None:
    if content.model.config.state_size < 3:
        return None
    figure, axes = _three(content.space)
    if content.memory is not None:
        states = content.space(content.after(_SEEN_AFTER))
        draw_dots(axes, states, s=5, c=style.value_colours(content.memory.values))
    else:
        for example in content.examples:
            axes.plot(*content.space(example.states).T, lw=0.8)
    handles = mark_points(axes, content.fixed_points, content.slow_points, content.space)
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=4, handletextpad=0.3)
    return figure


def _space_table(content: Content) -> pd.DataFrame:
    paths = [] if content.memory is not None else content.examples
    shown = [
        {"what": example.name, "time": example.times, **_coordinates(content.space, example.states)}
        for example in paths
    ]
    return _stacked([*shown, *_points_table(content, content.space)])


class Shown(NamedTuple):
    """A figure, None where a run has no such thing, and what is drawn in it, a row a point."""

    draw: Callable[[Content], Figure | None]
    table: Callable[[Content], pd.DataFrame]


_FIGURES = {
    "losses": Shown(_losses, _losses_table),
    "trials": Shown(_trials, _trials_table),
    "flow": Shown(_flow, _flow_table),
    "trajectories": Shown(_trajectories, _trajectories_table),
    "survivors": Shown(_survivors, _survivors_table),
    "memory": Shown(_memory, _memory_table),
    "space": Shown(_space, _space_table),
}


# -- building blocks --


def _stacked(parts: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Tables under each other; a column that a part does not have is empty there."""
    return pd.concat([pd.DataFrame(part) for part in parts], ignore_index=True)


def _columns(projection: Projection) -> list[str]:
    """Axes of a picture as names of columns: "unit 1", "PC 2", without the share of the variance."""
    return [label.split(" (")[0] for label in projection.labels]


def _coordinates(projection: Projection, states: np.ndarray) -> dict[str, np.ndarray]:
    return dict(zip(_columns(projection), projection(states).T, strict=True))


def _value(values: np.ndarray) -> dict[str, Any]:
    """A remembered value (D_out,), or of many each channel (D_out, V), by the number of the channel."""
    return {f"value {at}": channel for at, channel in enumerate(values, start=1)}


def _one(width: float, height: float) -> tuple[Figure, Axes]:
    figure = _sized(width, height)
    return figure, figure.subplots()


def _square() -> tuple[Figure, Axes]:
    """For a plane whose sides are alike, which larger letters make no higher."""
    figure = Figure(figsize=SQUARE, layout="constrained")
    return figure, figure.subplots()


def _sized(width: float, height: float) -> Figure:
    """A figure as wide as a journal wants it, and higher where a style has larger letters than ours, so that labels
    have room."""
    return Figure(figsize=(width, height * _larger()), layout="constrained")


def _larger() -> float:
    """By how much the letters of a style are larger than ours."""
    return max(1.0, mpl.rcParams["font.size"] / LOOK["font.size"])


def _three(projection: Projection) -> tuple[Figure, Any]:
    figure = _sized(4.4, 4.0)
    axes: Any = figure.add_subplot(projection="3d")
    axes.view_init(elev=24, azim=-52)
    axes.set_xlabel(projection.labels[0])
    axes.set_ylabel(projection.labels[1])
    axes.set_zlabel(projection.labels[2])
    axes.set_box_aspect(None, zoom=0.86)  # so that the label of the vertical axis stays within the figure
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_pane_color((1, 1, 1, 0))
        axis._axinfo["grid"].update(color="#e2e5ea", linewidth=0.5)
    return figure, axes


def _speed(axes: Axes, content: Content, alpha: float = 1.0) -> Any:
    """Speed as colour and directions as arrows, in the plane; returns what a colour bar needs."""
    axes.set(xlabel=content.plane.labels[0], ylabel=content.plane.labels[1])
    return draw_speed(axes, content.flow, alpha)
