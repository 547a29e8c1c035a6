"""Building blocks of figures as plotly descriptions: axes, lines, points, buttons.

Colours of text and grid lines are left to the page, which knows whether it is light or dark.
"""

import json
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from gnode.report import style

Figure = dict[str, Any]
Trace = dict[str, Any]


def numbers(values: Any, digits: int = 5) -> Any:
    """Nested lists with so many significant digits; what is not finite is null."""
    array = np.asarray(values, dtype=float)
    if array.ndim > 1:
        return [numbers(row, digits) for row in array]
    return [float(f"{value:.{digits}g}") if np.isfinite(value) else None for value in array.tolist()]


def axis(title: str, **more: Any) -> dict[str, Any]:
    return {
        "title": {"text": title, "standoff": 8, "font": {"size": 13}},
        "automargin": True,
        "zeroline": False,
        **more,
    }


def log_axis(title: str, curves: list[list[float | None]]) -> dict[str, Any]:
    """Ticks at a handful of powers of ten, and at 2 and 5 times them where the curves span little."""
    positive = [value for curve in curves for value in curve if value is not None and value > 0] or [1.0]
    low, high = int(np.floor(np.log10(min(positive)))), int(np.ceil(np.log10(max(positive))))
    every = max(1, round((high - low) / 7))
    ticks = [
        times * 10.0**power for power in range(low, high + 1, every) for times in ((1, 2, 5) if every == 1 else (1,))
    ]
    if high - low > 3:
        ticks = [tick for tick in ticks if np.isclose(np.log10(tick) % 1, 0) or np.isclose(np.log10(tick) % 1, 1)]
    return axis(title, type="log", tickvals=ticks, ticktext=[style.number(tick) for tick in ticks])


def figure(traces: list[Trace], height: int = 380, **layout: Any) -> Figure:
    base: dict[str, Any] = {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 12, "b": 8},
        "hovermode": "closest",
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": -0.16, "yanchor": "top", "font": {"size": 12}},
    }
    return {"data": traces, "layout": {**base, **layout}}


def recoloured(figure: Figure, one: str, other: str) -> Figure:
    """The figure with two colours exchanged: so one that is drawn in the first colour is in that of its run."""
    if one == other:
        return figure
    parts = json.dumps(figure, allow_nan=False).split(one)
    exchanged: Figure = json.loads(other.join(part.replace(other, one) for part in parts))
    return exchanged


def line(x: Any, y: Any, **more: Any) -> Trace:
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, **more}


def scatter(
    points: np.ndarray,
    name: str,
    dots: dict | None,
    *,
    line: dict | None = None,
    legend: bool = True,
    visible: Any = True,
) -> Trace:
    """Points (n, 1 to 3) as dots, or as a line where `dots` is None."""
    points = np.asarray(points, float)
    if points.shape[1] == 1:
        points = np.column_stack([points[:, 0], np.zeros(len(points))])
    kind = "scatter3d" if points.shape[1] == 3 else "scatter"
    trace: Trace = {"type": kind, "mode": "lines" if dots is None else "markers", "name": name, "visible": visible}
    trace |= dict(zip("xyz", (numbers(column, 4) for column in points.T), strict=False))
    trace |= {"marker": dots} if dots is not None else {"line": line or {}}
    return trace | {"showlegend": legend, "hovertemplate": f"{escape(name)}<extra></extra>"}


def scene(labels: list[str]) -> dict[str, Any]:
    axes = {f"{axis}axis": {"title": {"text": label}} for axis, label in zip("xyz", labels, strict=False)}
    return {**axes, "camera": {"eye": {"x": 1.55, "y": -1.55, "z": 1.1}}}


def buttons(steps: list[dict]) -> dict[str, Any]:
    """A choice that page.js puts above the figure as buttons."""
    return {"type": "buttons", "buttons": steps}


def trial_buttons(names: Sequence[str], trial_of: Sequence[int]) -> dict[str, Any]:
    """One button for each trial, which shows the traces that are of it."""
    steps = [
        {"label": name, "method": "restyle", "args": [{"visible": [of == trial for of in trial_of]}]}
        for trial, name in enumerate(names)
    ]
    return buttons(steps)


def colourbar(title: str, low: float, high: float) -> dict[str, Any]:
    """Ticks at whole powers of ten; at two values within where there are fewer than two of those."""
    powers = list(range(int(np.ceil(low)), int(np.floor(high)) + 1))
    ticks = [float(power) for power in powers] if len(powers) > 1 else [float(low), float(high)]
    return {
        "title": {"text": title, "side": "right", "font": {"size": 12}},
        "tickvals": ticks,
        "ticktext": [style.number(10.0**tick) for tick in ticks],
        "thickness": 10,
        "len": 0.8,
        "outlinewidth": 0,
        "xpad": 6,
    }


def scale(colours: Sequence[str]) -> list[list[Any]]:
    return [[round(at / (len(colours) - 1), 4), colour] for at, colour in enumerate(colours)]
