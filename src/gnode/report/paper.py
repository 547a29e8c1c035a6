"""The figures of a report for papers: PNG and PDF files, drawn with matplotlib."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gnode.errors import GnodeError, must_have
from gnode.examine.content import Content, Projection, content_of, readout_axes
from gnode.files import path_of
from gnode.report import style

SILENCES = (0, 100, 1000, 10_000)  # silent bins whose survivors are drawn beside each other
_COLUMN, _PAGE = 3.4, 7.0  # inches: one column of a journal, and two
_SPEED = LinearSegmentedColormap.from_list("speed", style.SPEED)
_LOOK: Any = {
    "font.family": "sans-serif",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "pdf.fonttype": 42,  # text stays text, as journals ask
    "savefig.dpi": 300,
}


def folder_for_figures(given: str | Path) -> Path:
    """A folder that figures can go into, which may be yet to be made; InvalidInput where it is a file."""
    folder = path_of(given)
    if folder.exists() and not folder.is_dir():
        must_have("a folder for the figures", f"the file {folder}")
    return folder


def figures(directory: str | Path, folder: str | Path) -> list[Path]:
    """Draw a run's figures for a paper, each as PNG (300 dots an inch) and as PDF.

    losses, trials, flow (N of at least 2; with fixed and slow points and what survives 100 silent bins), and, for tasks
    that remember values, trajectories, survivors and memory; space for N of at least 3. Beyond N = 2 the plane and the
    space are those of the largest variance (PCA).

    Args:
        directory: a run directory.
        folder: where the files go; made if it is not there. Files of the same names are replaced.

    Returns:
        the paths written.

    Raises:
        InvalidInput: the directory holds no run, or a damaged one; or the folder is a file.
        GnodeError: a file cannot be written.
    """
    folder, content = folder_for_figures(folder), content_of(directory)
    paths = []
    with mpl.rc_context(_LOOK):
        drawn = [(name, draw(content)) for name, draw in _FIGURES.items()]
        for name, figure in drawn:
            if figure is None:
                continue
            for kind, metadata in (("png", {}), ("pdf", {"CreationDate": None})):
                path = folder / f"{name}.{kind}"
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                    figure.savefig(path, bbox_inches="tight", pad_inches=0.03, metadata=metadata)
                except OSError as error:
                    raise GnodeError(f"Could not write {path}: {error.strerror or error}.") from error
                paths.append(path)
    return paths


# -- the figures, in order --


def _losses(content: Content) -> Figure | None:
    if not content.metrics:
        return None
    figure, axes = _one(_COLUMN, 2.3)
    epochs = [record["epoch"] for record in content.metrics]
    for key, label, look in (("train_loss", "training", ":"), ("val_loss", "validation", "-")):
        values = [record.get(key, np.nan) for record in content.metrics]
        axes.semilogy(epochs, values, look, color=style.RUNS[0], label=label)
    axes.set_xlabel("epoch")
    axes.set_ylabel("mean squared error" if content.summary.get("loss") == "mse" else str(content.summary.get("loss")))
    axes.legend()
    return figure


def _trials(content: Content) -> Figure | None:
    examples = content.examples
    if not examples:
        return None
    rows = len(examples[0].rows)
    figure = Figure(figsize=(_PAGE, 0.5 + 0.9 * rows), layout="constrained")
    grid = figure.subplots(rows, len(examples), sharex="col", sharey="row", squeeze=False)
    handles: dict[str, Any] = {}
    for trial, example in enumerate(examples):
        for row, (label, lines) in enumerate(example.rows):
            axes = grid[row, trial]
            for name, values in lines.items():
                handle = _trial_line(axes, name, example.times, values)
                handles.setdefault(_title(content, name), handle)
            if trial == 0:
                axes.set_ylabel(_title(content, label))
            if label == "class":
                axes.set_yticks(*style.some_of(content.class_names))
        grid[0, trial].set_title(example.name)
        grid[-1, trial].set_xlabel("time (s)")
    figure.legend(handles.values(), handles.keys(), loc="outside upper right", ncols=len(handles))
    return figure


def _title(content: Content, name: str) -> str:
    """What a row or a line is called, with nothing that Matplotlib would read as a formula."""
    return content.titles.get(name, name).replace("$", r"\$")


def _trial_line(axes: Axes, name: str, times: np.ndarray, values: np.ndarray) -> Any:
    """An input, a target or an output, level over the time that each sample stands for; returns what a legend needs."""
    if name == "input":
        return axes.fill_between(times, values, step="pre", color="#c4cad4", lw=0)
    look: dict[str, Any] = {"ls": (0, (1.5, 1.5))} if name == "target" else {}
    return axes.step(times, values, where="pre", lw=1.1, color=style.line_colour(name), **look)[0]


def _flow(content: Content) -> Figure | None:
    if content.model.config.state_size < 2:
        return None
    figure, axes = _one(4.4, 3.8)
    mesh = _speed(axes, content)
    if content.memory is not None:
        states = content.plane(content.after(100))
        _dots(axes, states, s=6, c=style.value_colours(content.memory.values), zorder=3)
    handles = _points(axes, content, content.plane)
    if content.memory is not None:
        handles.insert(0, Line2D([], [], ls="", marker="o", ms=3.5, color=style.RUNS[1], label="after 100 silent bins"))
    bar = figure.colorbar(mesh, ax=axes, shrink=0.85, pad=0.02)
    bar.set_label("speed (1/s)")
    bar.outline.set_visible(False)  # type: ignore[operator]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, handletextpad=0.3)
    return figure


def _trajectories(content: Content) -> Figure | None:
    if content.traces is None:
        return None
    values, states = content.traces
    colours = style.value_colours(values)
    if content.model.config.state_size > 2:
        figure, axes = _three(content.space)
        coordinates = content.space(states)
    elif content.model.config.state_size == 2:
        figure, axes = _one(4.4, 3.8)
        _speed(axes, content, alpha=0.45)
        coordinates = content.plane(states)
    else:
        figure, axes = _one(_COLUMN, 2.3)
        times = content.bin_seconds * np.arange(states.shape[1])
        coordinates = np.stack([np.broadcast_to(times, states.shape[:2]), states[..., 0]], axis=-1)
        axes.set_xlabel("time (s)")
        axes.set_ylabel(content.plane.labels[0])
    for path, colour in zip(coordinates, colours, strict=True):
        axes.plot(*path.T, color=colour, lw=0.9)
        axes.plot(*path[-1:].T, marker="o", ms=4, color=colour, mec="white", mew=0.5)
    return figure


def _survivors(content: Content) -> Figure | None:
    memory, ideal = content.memory, content.ideal
    if memory is None or ideal is None:
        return None
    projection = readout_axes(ideal)
    colours = style.value_colours(memory.values)
    deep = len(projection.labels) == 3
    figure = Figure(figsize=(_PAGE, 2.3), layout="constrained")
    grid = figure.subplots(1, len(SILENCES), squeeze=False, subplot_kw={"projection": "3d"} if deep else {})[0]
    reach = 1.15 * np.abs(projection(ideal)).max()
    for axes, silence in zip(grid, SILENCES, strict=True):
        readouts = projection(memory.readouts[int(np.flatnonzero(memory.silences == silence)[0])])
        _dots(axes, projection(ideal), s=1, c="#c9ced8")
        _dots(axes, readouts, s=5, c=colours)
        axes.set_title(f"after {silence:,} silent bins".replace(",", "\u202f"))
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


def _memory(content: Content) -> Figure | None:
    memory = content.memory
    if memory is None:
        return None
    figure = Figure(figsize=(_PAGE, 2.3), layout="constrained")
    left, right = figure.subplots(1, 2)
    shown = memory.silences > 0
    left.loglog(memory.silences[shown], memory.rms_error[shown], "o-", ms=3, color=style.RUNS[0])
    left.set_ylabel("RMS error (task units)")
    right.semilogx(memory.silences[shown], memory.distinct[shown], "o-", ms=3, color=style.RUNS[0])
    right.set_ylabel(f"values told apart (of {len(memory.values)})")
    right.set_ylim(bottom=0)
    for axes in (left, right):
        axes.set_xlabel("silent bins")
    return figure


def _space(content: Content) -> Figure | None:
    if content.model.config.state_size < 3:
        return None
    figure, axes = _three(content.space)
    if content.memory is not None:
        states = content.space(content.after(100))
        _dots(axes, states, s=5, c=style.value_colours(content.memory.values))
    else:
        for example in content.examples:
            axes.plot(*content.space(example.states).T, lw=0.8)
    handles = _points(axes, content, content.space)
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=4, handletextpad=0.3)
    return figure


_FIGURES: dict[str, Callable[[Content], Figure | None]] = {
    "losses": _losses,
    "trials": _trials,
    "flow": _flow,
    "trajectories": _trajectories,
    "survivors": _survivors,
    "memory": _memory,
    "space": _space,
}


# -- building blocks --


def _one(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _three(projection: Projection) -> tuple[Figure, Any]:
    figure = Figure(figsize=(4.4, 4.0), layout="constrained")
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
    grid = content.flow
    speed = np.maximum(grid.speed, 1e-9)
    norm = LogNorm(*np.quantile(speed, (0.005, 0.995)))
    mesh = axes.pcolormesh(
        grid.x, grid.y, speed, cmap=_SPEED, norm=norm, shading="gouraud", alpha=alpha, rasterized=True
    )
    every = (slice(1, None, 3), slice(1, None, 3))
    unit = grid.velocity / np.maximum(np.linalg.norm(grid.velocity, axis=-1, keepdims=True), 1e-12)
    look: dict[str, Any] = {
        "color": "white",
        "alpha": 0.7 * alpha + 0.1,
        "pivot": "mid",
        "width": 0.0022,
        "headwidth": 5,
        "scale": 26,
    }
    axes.quiver(grid.x[every[0]], grid.y[every[1]], unit[..., 0][every], unit[..., 1][every], **look)
    low, high = content.bounds
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    axes.set(xlabel=content.plane.labels[0], ylabel=content.plane.labels[1])
    return mesh


def _points(axes: Any, content: Content, projection: Projection) -> list[Line2D]:
    """Fixed points by the stability of the flow, and slow points; returns what a legend needs."""
    found, slow = content.fixed_points, content.slow_points
    classes = np.array([style.stability_class(name) for name in found.flow_stability or found.stability])
    handles: list[Line2D] = []
    for name, (colour, _, marker) in style.STABILITY.items():
        points = slow.points[~slow.fixed] if name == style.SLOW else found.points[classes == name]
        if not len(points):
            continue
        face = "none" if name == style.SLOW else colour
        edge = colour if name == style.SLOW else "white"
        look: dict[str, Any] = {"ls": "", "marker": marker, "ms": 4.2, "mfc": face, "mec": edge, "mew": 0.6}
        axes.plot(*projection(points).T, zorder=4, **look)
        handles.append(Line2D([], [], label=name, **look))
    return handles


def _dots(axes: Any, points: np.ndarray, **look: Any) -> None:
    """Points with one to three coordinates."""
    if points.shape[1] == 1:
        points = np.column_stack([points[:, 0], np.zeros(len(points))])
    axes.scatter(*points.T, lw=0, **look)
