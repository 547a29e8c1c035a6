"""The page of an expressivity directory: errors against complexity, capacities, and the fitted trajectories
themselves."""

from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from gnode.expressivity import load_result
from gnode.expressivity.directory import REPORT
from gnode.expressivity.measure import fitted_curve
from gnode.expressivity.plan import Architecture, Cell
from gnode.expressivity.result import Result
from gnode.expressivity.words import budget, capacity_words, reference_complexity, statements
from gnode.files import path_of, write_atomically
from gnode.report import style
from gnode.report.blocks import numbers
from gnode.report.html import Card, Section, html_page, table

Figure = dict[str, Any]

COLOURS = (*style.RUNS, "#8b6f4e", "#c7578f", "#5d7183", "#7f9c2b")
VERDICTS = {"holds": "#1fa187", "does not hold": "#d5405c", "undecided": "#9a9a9a"}


def expressivity_report(directory: str | Path) -> Path:
    """Write report.html into an expressivity directory that has finished.

    Raises:
        InvalidInput: it holds no measurement, or one that has not finished.
    """
    result = load_result(directory)
    page = path_of(directory) / REPORT
    write_atomically(page, _html(result).encode())
    return page


def _html(result: Result) -> str:
    note = escape(budget(result))
    dial, unit = result.plan.dial
    sections = [
        Section(
            "capacity",
            "How complex it may be",
            f"Complexity is the {escape(dial)} ({escape(unit)}). The capacity is the complexity at which the median "
            f"error over targets crosses the tolerance; in brackets the 95 % bootstrap interval over targets. {note}.",
            [
                Card("Capacity against N", _captioned("Triangles: beyond the grid.", note), _against_size(result)),
                Card("Capacity, N against F", _captioned("The brighter, the more complex.", note), _heat_map(result)),
                Card(
                    "Capacity against parameters", _captioned("Each dot is one N.", note), _against_parameters(result)
                ),
                Card("All capacities", note, _capacity_table(result), wide=True),
            ],
        ),
        Section(
            "errors",
            "Errors",
            "e = MSE / variance; an error of 1 is that of standing still.",
            [Card("Error against complexity", _captioned(_errors_caption(result), note), _errors(result), wide=True)],
        ),
        Section(
            "trajectories",
            "Where a small network gives up",
            "The first target in grey and the best network's output over it, with its error below. From left to right "
            "the path grows more complex.",
            [Card("Targets and fits", note, _panels(result), wide=True), *_in_space(result, note)],
        ),
        Section("claims", "What holds here", "", [Card("Claims", note, _claims(result), wide=True)]),
    ]
    top = f'<h1>Expressivity</h1><p class="lead">{escape(_headline(result))}</p><p class="lead">{note}.</p>'
    return html_page("Expressivity", top, sections, origin="the files of the expressivity directory alone")


def _headline(result: Result) -> str:
    """A sentence or two of plain words, from the numbers."""
    size = 3 if 3 in result.plan.state_sizes else min(result.plan.state_sizes)
    cells = [_cell(result, kind, size) for kind in result.plan.architectures]
    found = {cell: result.capacity(cell) for cell in cells}
    best = max(cells, key=lambda cell: found[cell].value)
    least = min(cells, key=lambda cell: found[cell].value)
    sentence = (
        f"With N = {size}, {best.architecture.label} networks reproduce paths of complexity up to "
        f"{_words(result, best)}"
    )
    if found[best].value > found[least].value:
        sentence += f", {least.architecture.label} networks up to {_words(result, least)}"
    sentence += f", at an error of {result.plan.tolerances[0]:g}."
    lower = [item for item in statements(result) if item["claim"] == "a more complex F lets a lower N do"]
    return " ".join([sentence, *(item["text"] for item in lower)])


def _words(result: Result, cell: Cell, tolerance: float | None = None) -> str:
    return capacity_words(result.capacity(cell, tolerance), result.dial)


def _cell(result: Result, kind: Architecture, size: int) -> Cell:
    return Cell(kind, size, result.plan.durations[0], result.plan.steps[0])


def _captioned(sentence: str, note: str) -> str:
    return f"{sentence} {note}."


def _coloured(result: Result) -> list[tuple[Architecture, str]]:
    return [(kind, COLOURS[at % len(COLOURS)]) for at, kind in enumerate(result.plan.architectures)]


# -- figures --


def _against_size(result: Result) -> Figure:
    traces = []
    sizes = sorted(result.plan.state_sizes)
    for kind, colour in _coloured(result):
        found = [result.capacity(_cell(result, kind, size)) for size in sizes]
        values, low, high = (
            _on_grid(result, [getattr(item, name) for item in found]) for name in ("value", "low", "high")
        )
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": kind.label,
                "x": sizes,
                "y": numbers(values),
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": numbers(high - values),
                    "arrayminus": numbers(values - low),
                    "thickness": 1,
                    "width": 3,
                },
                "marker": {"size": 8, "symbol": [_symbol(item.value) for item in found]},
                "line": {"color": colour, "width": 2},
                "text": [_words(result, _cell(result, kind, size)) for size in sizes],
                "hovertemplate": "N = %{x}: %{text}<extra>" + escape(kind.label) + "</extra>",
            }
        )
    return _figure(traces, _axis("N", tickvals=sizes), _log_dial(result, "capacity"))


def _against_parameters(result: Result) -> Figure:
    traces = []
    for kind, colour in _coloured(result):
        cells = [_cell(result, kind, size) for size in sorted(result.plan.state_sizes)]
        found = [result.capacity(cell).value for cell in cells]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": kind.label,
                "x": [result.parameters(cell) for cell in cells],
                "y": numbers(_on_grid(result, found)),
                "marker": {"size": 7, "symbol": [_symbol(value) for value in found]},
                "line": {"color": colour, "width": 1.5},
                "text": [f"N = {cell.state_size}: {_words(result, cell)}" for cell in cells],
                "hovertemplate": "%{text}, %{x} parameters<extra>" + escape(kind.label) + "</extra>",
            }
        )
    return _figure(
        traces,
        _axis("parameters", type="log", tickvals=[10, 30, 100, 300, 1000, 3000, 10_000, 30_000]),
        _log_dial(result, "capacity"),
    )


def _heat_map(result: Result) -> Figure:
    sizes = sorted(result.plan.state_sizes)
    cells = [[_cell(result, kind, size) for size in sizes] for kind in result.plan.architectures]
    values = np.array([_on_grid(result, [result.capacity(cell).value for cell in row]) for row in cells])
    trace = {
        "type": "heatmap",
        "x": [f"{size}" for size in sizes],
        "y": [kind.label for kind in result.plan.architectures],
        "z": numbers(np.log2(values)),
        "zmin": float(np.log2(result.dial[0])),
        "zmax": float(np.log2(result.dial[-1])),
        "text": [[_words(result, cell).split(" [")[0] for cell in row] for row in cells],
        "texttemplate": "%{text}",
        "hovertemplate": "%{y}, N = %{x}: %{text}<extra></extra>",
        "colorscale": [[at / (len(style.SPEED) - 1), colour] for at, colour in enumerate(style.SPEED)],
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
    }
    height = 120 + 40 * len(result.plan.architectures)
    return _figure(
        [trace], _axis("N", type="category"), _axis("", type="category", autorange="reversed"), height=height
    )


def _errors(result: Result) -> Figure:
    """A button chooses N: medians as dots, the isotonic fit as a line, tolerances and floors."""
    dial = list(result.dial)
    traces: list[dict[str, Any]] = []
    shown_for: list[int] = []
    sizes = sorted(result.plan.state_sizes)
    for size in sizes:
        before = len(traces)
        for kind, colour in _coloured(result):
            errors = result.best(_cell(result, kind, size))
            dots = {"size": 7, "color": colour}
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "x": dial,
                    "y": numbers(np.median(errors, axis=1)),
                    "marker": dots,
                    "name": kind.label,
                    "showlegend": False,
                    "legendgroup": kind.label,
                    "hovertemplate": "complexity %{x}: e = %{y:.2g}<extra>" + escape(kind.label) + "</extra>",
                }
            )
            curve = numbers(10 ** fitted_curve(errors))
            line = {"color": colour, "width": 2}
            traces.append(_line(dial, curve, kind.label, line, legendgroup=kind.label, hoverinfo="skip"))
        floor = np.median(result.floor(size), axis=1)
        if floor.max() > 1e-9:
            dashes = {"color": style.IDEAL, "width": 2, "dash": "dash"}
            traces.append(_line(dial, numbers(floor), "floor: d > N", dashes))
        crossing = _first_crossing(result)
        if size == 2 and crossing is not None:
            dashes = {"color": style.IDEAL, "width": 1.5, "dash": "dot"}
            traces.append(_line([crossing, crossing], [1e-5, 1], "most targets cross themselves", dashes))
        for tolerance in result.plan.tolerances:
            dashes = {"color": style.IDEAL, "width": 1, "dash": "dot"}
            traces.append(_line([dial[0], dial[-1]], [tolerance] * 2, "", dashes, showlegend=False, hoverinfo="skip"))
        shown_for += [size] * (len(traces) - before)
    first = 3 if 3 in sizes else sizes[0]
    for trace, size in zip(traces, shown_for, strict=True):
        trace["visible"] = size == first
    buttons = [
        {"label": f"N = {size}", "method": "restyle", "args": [{"visible": [size == at for at in shown_for]}]}
        for size in sizes
    ]
    menu = {"type": "buttons", "buttons": buttons, "active": sizes.index(first)}
    low = min(
        float(np.median(result.best(_cell(result, k, n)), axis=1).min()) for k, _ in _coloured(result) for n in sizes
    )
    yaxis = _axis("e", type="log", exponentformat="power", dtick=1, range=[np.floor(np.log10(max(low, 1e-7))), 0.1])
    return _figure(traces, _log_dial(result, "complexity", "x"), yaxis, height=460, updatemenus=[menu])


def _in_space(result: Result, note: str) -> list[Card]:
    """Targets and outputs in three dimensions (a plane over time), and the states behind them."""
    sizes = [size for size in result.plan.state_sizes if size >= 3]
    at = int(np.searchsorted(result.dial, reference_complexity(result)))
    cards = []
    size = 3 if 3 in sizes else min(result.plan.state_sizes)
    target = result.targets[at, 0]
    dots = {"color": style.IDEAL, "width": 7}
    traces = [_path(_spatial(target), "target", dots)]
    for kind, colour in _coloured(result):
        outputs = result.arrays[_cell(result, kind, size)]["outputs"][at, 0]
        traces.append(_path(_spatial(outputs), kind.label, {"color": colour, "width": 4}, visible=_some(len(traces))))
    axes = ["y₁", "y₂", "y₃"] if target.shape[-1] >= 3 else ["time (share)", "y₁", "y₂"]
    caption = f"N = {size}, complexity {result.dial[at]:g}. Drag to turn; a click in the legend shows or hides. {note}."
    cards.append(Card("Target and outputs in space", caption, _scene(traces, axes)))
    if sizes:
        traces = []
        for kind, colour in _coloured(result):
            states = result.arrays[_cell(result, kind, size)]["states"][at, 0]
            line = {"color": colour, "width": 4}
            traces.append(_path(states[:, :3], kind.label, line, visible=_some(len(traces) + 1)))
        caption = (
            f"The states of the same networks, N = {size}. What crosses itself in the plane of the "
            f"outputs does not cross here. {note}."
        )
        cards.append(Card("The states behind them", caption, _scene(traces, ["h₁", "h₂", "h₃"])))
    return cards


def _some(position: int) -> bool | str:
    return True if position <= 3 else "legendonly"


def _spatial(path: np.ndarray) -> np.ndarray:
    if path.shape[-1] >= 3:
        return path[:, :3]
    planar = path if path.shape[-1] == 2 else np.column_stack([path, np.zeros(len(path))])
    return np.column_stack([np.linspace(0, 1, len(path)), planar])


def _path(points: np.ndarray, name: str, line: dict[str, Any], **more: Any) -> dict[str, Any]:
    x, y, z = (numbers(column) for column in np.clip(points, -1e3, 1e3).T)
    return {"type": "scatter3d", "mode": "lines", "x": x, "y": y, "z": z, "name": name, "line": line, **more}


def _scene(traces: list[dict[str, Any]], labels: list[str]) -> Figure:
    axes = {f"{axis}axis": {"title": {"text": label}} for axis, label in zip("xyz", labels, strict=True)}
    figure = _figure(traces, height=460)
    figure["layout"] |= {"scene": {**axes, "camera": {"eye": {"x": 1.3, "y": -1.4, "z": 0.9}}, "aspectmode": "cube"}}
    figure["layout"]["legend"] |= {"y": -0.02}
    return figure


# -- tables and small pictures --


def _capacity_table(result: Result) -> str:
    plan = result.plan
    head = ["F", "N", "parameters"]
    head += ["duration (τ)"] if len(plan.durations) > 1 else []
    head += ["steps"] if len(plan.steps) > 1 else []
    head += [f"capacity at {tolerance:g}" for tolerance in plan.tolerances]
    at = int(np.searchsorted(result.dial, reference_complexity(result)))
    head += [f"median e at {result.dial[at]:g}", "diverged"]
    rows = []
    for cell in plan.cells():
        errors = result.arrays[cell]["errors"]
        row = [escape(cell.architecture.label), str(cell.state_size), f"{result.parameters(cell):,}"]
        row += [f"{cell.duration:g}"] if len(plan.durations) > 1 else []
        row += [str(cell.steps)] if len(plan.steps) > 1 else []
        row += [escape(_words(result, cell, tolerance)) for tolerance in plan.tolerances]
        row += [style.number(float(np.median(result.best(cell)[at])))]
        row += [f"{int(np.sum(~np.isfinite(errors)))} of {errors.size}"]
        rows.append(row)
    return table(head, rows)


def _claims(result: Result) -> str:
    rows = []
    for item in statements(result):
        dot = f'<span class="dot" style="background:{VERDICTS[item["verdict"]]}"></span>'
        rows.append(
            [
                escape(item["claim"]),
                f"{dot}{escape(item['verdict'])}",
                f'<div style="min-width:18rem">{escape(item["text"])}</div>',
            ]
        )
    return table(["claim", "here", "numbers"], rows)


def _panels(result: Result) -> str:
    """Rows of small pictures, a row an N and a column a complexity, folded by architecture."""
    blocks = []
    reference = 3 if 3 in result.plan.state_sizes else min(result.plan.state_sizes)
    for at, (kind, colour) in enumerate(_coloured(result)):
        rows = []
        for size in sorted(result.plan.state_sizes):
            cell = _cell(result, kind, size)
            pictures = [
                _picture(result.targets[c, 0], result.arrays[cell]["outputs"][c, 0], colour, result.best(cell)[c, 0])
                for c in range(len(result.dial))
            ]
            rows.append([f"N&nbsp;=&nbsp;{size}", *pictures])
        opened = " open" if at == 0 or kind.label == "[30]" else ""
        words = escape(_words(result, _cell(result, kind, reference)))
        summary = f"<summary><b>{escape(kind.label)}</b>, capacity {words} at N = {reference}</summary>"
        grid = table(["", *[f"{value:g}" for value in result.dial]], rows)
        blocks.append(f"<details{opened}>{summary}{grid}</details>")
    return "".join(blocks)


def _picture(target: np.ndarray, outputs: np.ndarray, colour: str, error: float) -> str:
    """A target and an output as SVG, seen along the first two dimensions (or against time where there is one)."""

    def drawn(path: np.ndarray) -> str:
        planar = path[:, :2] if path.shape[1] > 1 else np.column_stack([np.linspace(-2, 2, len(path)), path])
        xy = np.clip(np.nan_to_num(planar, nan=9.0) * (14, -14) + 40, -99, 199)
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in xy)

    line = 'fill="none" stroke-linejoin="round"'
    return (
        f'<svg width="80" height="80" viewBox="0 0 80 80" role="img" aria-label="error {error:.2g}">'
        f'<polyline {line} stroke="{style.IDEAL}" stroke-width="3" opacity=".55" points="{drawn(target)}"/>'
        f'<polyline {line} stroke="{colour}" stroke-width="1.4" points="{drawn(outputs)}"/></svg>'
        f"<br><small>{style.number(error)}</small>"
    )


# -- pieces --


def _errors_caption(result: Result) -> str:
    sentence = "Dots: medians over targets. Lines: the isotonic fit. Dotted levels: the tolerances."
    if max(np.median(result.floor(n), axis=1).max() for n in result.plan.state_sizes) > 1e-9:
        sentence += " Dashed: below it no affine readout of N numbers can go."
    if 2 in result.plan.state_sizes and _first_crossing(result) is not None:
        sentence += (
            " At N = 2, right of the dotted line most targets cross themselves, which a flow in the plane cannot."
        )
    return sentence


def _first_crossing(result: Result) -> float | None:
    """The least complexity at which more than half of the targets cross themselves."""
    if result.crossings is None:
        return None
    most = np.flatnonzero(np.mean(result.crossings > 0, axis=1) > 0.5)
    return result.dial[int(most[0])] if most.size else None


def _on_grid(result: Result, values: list[float]) -> np.ndarray:
    """Open ends are drawn at the ends of the grid."""
    return np.clip(values, result.dial[0], result.dial[-1])


def _symbol(value: float) -> str:
    return "triangle-down" if value == 0 else "triangle-up" if np.isinf(value) else "circle"


def _log_dial(result: Result, title: str, axis: str = "y") -> dict[str, Any]:
    low, high = np.log10(result.dial[0]), np.log10(result.dial[-1])
    room = 0.04 * max(high - low, 0.1)
    ticks = list(result.dial)
    if axis == "y":
        title = f"{title} ({result.plan.dial[1]})"
    else:
        title = f"{title}: {result.plan.dial[0]} ({result.plan.dial[1]})"
    labels = [f"{tick:g}" for tick in ticks]
    return _axis(title, type="log", tickvals=ticks, ticktext=labels, range=[low - room, high + room])


def _line(x: Any, y: Any, name: str, line: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "name": name, "line": line, **more}


def _axis(title: str, **more: Any) -> dict[str, Any]:
    return {"title": {"text": title, "standoff": 8}, "automargin": True, "zeroline": False, **more}


def _figure(
    traces: list[dict[str, Any]],
    xaxis: dict[str, Any] | None = None,
    yaxis: dict[str, Any] | None = None,
    height: int = 400,
    **more: Any,
) -> Figure:
    axes = {} if xaxis is None or yaxis is None else {"xaxis": xaxis, "yaxis": yaxis}
    legend = {"orientation": "h", "x": 0, "xanchor": "left", "y": -0.2, "yanchor": "top", "font": {"size": 12}}
    margin = {"l": 8, "r": 8, "t": 12, "b": 8}
    layout = {"height": height, "margin": margin, "hovermode": "closest", "legend": legend, **axes, **more}
    return {"data": traces, "layout": layout}
