"""Figures of a report as plotly descriptions: plain dictionaries with `data` and `layout`, drawn by page.js.

Colours of text and grid lines are left to the page, which knows whether it is light or dark.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from gnode.examine.content import Content, FlowGrid, Projection, readout_axes
from gnode.report import style

Figure = dict[str, Any]
Trace = dict[str, Any]

SHOWN_SILENCES = (0, 10, 100, 1000, 10_000)
_FEW_SAMPLES = 60  # of a trial of no more, each is marked


# -- all runs in one picture --


def losses(contents: Sequence[Content]) -> Figure:
    traces = []
    for content, colour in _coloured(contents):
        epochs = [record["epoch"] for record in content.metrics]
        name = _prefix(contents, content)
        for key, label, dash, width in (("train_loss", "training", "dot", 1.2), ("val_loss", "validation", "solid", 2)):
            values = numbers([record.get(key, np.nan) for record in content.metrics])
            line = {"color": colour, "dash": dash, "width": width}
            traces.append(_line(epochs, values, name=f"{name}{label}", line=line))
    return _figure(traces, xaxis=_axis("epoch"), yaxis=log_axis(_loss_name(contents), [trace["y"] for trace in traces]))


def memory_error(contents: Sequence[Content]) -> Figure:
    return _memory(contents, "rms_error", "RMS error (task units)", "log")


def memory_values(contents: Sequence[Content]) -> Figure:
    return _memory(contents, "distinct", "values still told apart", "linear")


def _memory(contents: Sequence[Content], what: str, label: str, scale: str) -> Figure:
    traces = []
    for content, colour in _coloured(contents):
        if content.memory is None:
            continue
        shown = content.memory.silences > 0
        traces.append(
            _line(
                content.memory.silences[shown].tolist(),
                numbers(getattr(content.memory, what)[shown]),
                name=_prefix(contents, content).rstrip(": ") or label,
                mode="lines+markers",
                line={"color": colour, "width": 2},
                showlegend=len(contents) > 1,
                hovertemplate="after %{x} silent bins: %{y}<extra></extra>",
            )
        )
    marks = {"tickvals": [1, 10, 100, 1000, 10_000], "ticktext": ["1", "10", "100", "1000", "10 000"]}
    yaxis = log_axis(label, [trace["y"] for trace in traces]) if scale == "log" else _axis(label, rangemode="tozero")
    return _figure(traces, xaxis=_axis("silent bins", type="log", **marks), yaxis=yaxis)


# -- one run --


def trials(content: Content) -> Figure:
    """Inputs, targets and outputs of unseen trials, row by row; buttons choose the trial."""
    examples = content.examples
    labels = [label for label, _ in examples[0].rows]
    traces, trial_of, named = [], [], set()
    for trial, example in enumerate(examples):
        for row, (_, lines) in enumerate(example.rows):
            for name, values in lines.items():
                trace = _line(numbers(example.times), numbers(values), name=name, **_trial_look(name, len(values)))
                showlegend = (trial, name) not in named
                traces.append(trace | {"yaxis": _axis_name(row), "visible": trial == 0, "showlegend": showlegend})
                trial_of.append(trial)
                named.add((trial, name))
    steps = [
        {"label": f"trial {trial + 1}", "method": "restyle", "args": [{"visible": [of == trial for of in trial_of]}]}
        for trial in range(len(examples))
    ]
    gap = 0.06
    height = (1 - gap * (len(labels) - 1)) / len(labels)
    rows = {}
    for row, label in enumerate(labels):
        top = 1 - row * (height + gap)
        domain = [round(max(top - height, 0), 4), round(top, 4)]
        whole = {"tick0": 0, "dtick": -(-content.model.config.output_size // 6)} if label == "class" else {}
        rows[f"yaxis{row + 1 if row else ''}"] = _axis(label, domain=domain, **whole)
    xaxis = _axis("time (s)", anchor=_axis_name(len(labels) - 1))
    return _figure(traces, height=max(330, 170 + 120 * len(labels)), xaxis=xaxis, **rows, updatemenus=[_buttons(steps)])


def _axis_name(row: int) -> str:
    return f"y{row + 1 if row else ''}"


def _trial_look(name: str, samples: int) -> dict[str, Any]:
    """How an input, a target or an output is drawn: level over the time that each sample stands for."""
    mode = "lines" if samples > _FEW_SAMPLES else "lines+markers"
    if name == "input":
        return {"mode": "lines", "fill": "tozeroy", "line": {"color": "#b9c0cc", "width": 0.5, "shape": "vh"}}
    line = {"color": style.line_colour(name), "width": 1.6, "shape": "vh"}
    line |= {"width": 2, "dash": "dot"} if name == "target" else {}
    return {"mode": mode, "marker": {"size": 4}, "line": line}


def flow(content: Content) -> Figure:
    """Speed as colour, directions as arrows, fixed and slow points; in the plane of the two main axes."""
    grid, plane = content.flow, content.plane
    if len(plane.labels) == 1:
        return _flow_on_a_line(content)
    traces = [_speed(grid), _arrows(grid)]
    traces += _points(content, plane)
    return _in_plane(plane, content, traces)


def landscape(content: Content) -> Figure:
    """N = 2: the speed as a landscape, to be turned; the memory lies in its valleys."""
    grid = content.flow
    height = np.log10(np.maximum(grid.speed, 1e-4))
    floor = np.quantile(height, 0.001)
    surface = {
        "type": "surface",
        "x": numbers(grid.x),
        "y": numbers(grid.y),
        "z": numbers(np.maximum(height, floor), 4),
        "colorscale": _scale(style.SPEED),
        "showscale": False,
        "opacity": 0.96,
        "hovertemplate": "log₁₀ speed %{z:.2f}<extra></extra>",
        "lighting": {"ambient": 0.75, "diffuse": 0.5, "specular": 0.05},
        "name": "speed",
    }
    traces = [surface]
    if content.memory is not None:
        after = content.after(100)
        speed = np.log10(np.maximum(np.linalg.norm(content.velocity(after), axis=1), 1e-4))
        dots = {"size": 3.5, "color": style.value_colours(content.memory.values)}
        traces.append(
            _scatter(np.column_stack([after, np.maximum(speed, floor) + 0.05]), "after 100 silent bins", dots)
        )
    scene = _scene([*content.plane.labels, "log₁₀ speed (1/s)"])
    scene["aspectratio"] = {"x": 1, "y": 1, "z": 0.55}
    return _figure(traces, height=480, scene=scene, margin={"l": 0, "r": 0, "t": 0, "b": 0}, meta={"beyondWidth": 40})


def trajectories(content: Content) -> Figure:
    """States of remembered values, from the pulse on and through the silence, or of sample trials, in their colours; in
    the plane or, for N of at least 3, in space."""
    paths = _paths(content)
    if content.model.config.state_size == 1:
        lines = [
            _line(numbers(times), numbers(states[:, 0]), line={"color": colour, "width": 1.6}, showlegend=False)
            for times, states, _, colour in paths
        ]
        return _figure(lines, xaxis=_axis("time (s)"), yaxis=_axis(content.plane.labels[0]))
    deep = content.model.config.state_size > 2
    projection = content.space if deep else content.plane
    traces = []
    for _, states, label, colour in paths:
        path = projection(states)
        traces.append(_scatter(path, label, None, line={"color": colour, "width": 3 if deep else 1.6}, legend=False))
        end = {"size": 4 if deep else 8, "color": colour, "line": {"color": "#ffffff", "width": 0.8}}
        traces.append(_scatter(path[-1:], label, end, legend=False))
    if deep:
        return _in_space(projection, traces)
    return _in_plane(projection, content, [_speed(content.flow, faint=True), *traces])


def _paths(content: Content) -> list[tuple[np.ndarray, np.ndarray, str, str]]:
    """Times (T,), states (T, N), name and colour of what is drawn as trajectories."""
    if content.traces is None:
        return [
            (example.times, example.states, f"trial {number}", style.RUNS[number])
            for number, example in enumerate(content.examples, start=1)
        ]
    values, states = content.traces
    times = content.bin_seconds * np.arange(states.shape[1])
    names = [f"remember ({', '.join(f'{part:.2f}' for part in value)})" for value in values]
    return [(times, *path) for path in zip(states, names, style.value_colours(values), strict=True)]


def survivors_readout(content: Content) -> Figure:
    """What the readout says after k silent bins, over the task's ideal manifold; a slider sets k."""
    memory, ideal = content.memory, content.ideal
    assert memory is not None and ideal is not None
    projection = readout_axes(ideal)
    colours = style.value_colours(memory.values)
    base = [_scatter(projection(ideal), "ideal", {"size": 2.2 if ideal.shape[1] > 2 else 4, "color": style.IDEAL})]
    layers = [
        (silence, _scatter(projection(memory.readouts[at]), "readout", _dots(colours, ideal.shape[1])))
        for silence, at in _shown(content)
    ]
    extent = (
        1.18
        * np.abs(
            np.concatenate([projection(ideal), *[projection(memory.readouts[at]) for _, at in _shown(content)]])
        ).max()
    )
    return _with_slider(base, layers, projection, float(extent))


def survivors_state(content: Content) -> Figure:
    """The states after k silent bins; a slider sets k."""
    memory = content.memory
    assert memory is not None
    deep = content.model.config.state_size > 2
    projection = content.space if deep else content.plane
    colours = style.value_colours(memory.values)
    base = [] if deep else [_speed(content.flow, faint=True)] if len(projection.labels) == 2 else []
    base += _points(content, projection, visible="legendonly")
    layers = [
        (silence, _scatter(projection(memory.states[at]), "state", _dots(colours, len(projection.labels))))
        for silence, at in _shown(content)
    ]
    return _with_slider(base, layers, projection, None if deep else content.bounds)


def space(content: Content) -> Figure:
    """N of at least 3: what survives 100 silent bins, and the fixed points, to be turned."""
    traces = []
    if content.memory is not None:
        traces.append(
            _scatter(
                content.space(content.after(100)),
                "after 100 silent bins",
                {"size": 3, "color": style.value_colours(content.memory.values)},
            )
        )
    else:
        traces += [
            _scatter(content.space(example.states), "a trial", None, line={"width": 2}, legend=False)
            for example in content.examples
        ]
    return _in_space(content.space, traces + _points(content, content.space))


def explained(content: Content) -> Figure:
    """N above 3: how much of the variance each principal component carries."""
    states = content.visited
    variance = np.linalg.eigvalsh(np.atleast_2d(np.cov(states.T)))[::-1]
    share = variance / variance.sum()
    shown = min(len(share), 12)
    bar = {
        "type": "bar",
        "x": list(range(1, shown + 1)),
        "y": numbers(100 * share[:shown], 4),
        "marker": {"color": style.RUNS[0]},
        "hovertemplate": "component %{x}: %{y:.1f} %<extra></extra>",
        "showlegend": False,
    }
    together = _line(
        list(range(1, shown + 1)),
        numbers(100 * np.cumsum(share)[:shown], 4),
        name="together",
        line={"color": style.RUNS[1]},
    )
    return _figure(
        [bar, together], height=300, xaxis=_axis("component", dtick=1), yaxis=_axis("variance (%)", range=[0, 104])
    )


def film(content: Content) -> Figure:
    """The attractor's birth over the snapshots: frames, a slider and a play button."""
    shown, ideal, memory = content.film, content.ideal, content.memory
    assert shown is not None and ideal is not None and memory is not None
    projection = readout_axes(ideal)
    points = projection(shown.readouts)
    values = content.task.manifold.sample(shown.readouts.shape[1], seed=2023)  # type: ignore[union-attr]
    dots = _dots(style.value_colours(values), ideal.shape[1])
    base = _scatter(projection(ideal), "ideal", {"size": 2.2 if ideal.shape[1] > 2 else 4, "color": style.IDEAL})
    frames: list[dict[str, Any]] = []
    steps: list[dict[str, Any]] = []
    for epoch, loss, at in zip(shown.epochs, shown.losses, points, strict=True):
        name = str(int(epoch))
        title = {"text": f"epoch {name}, validation loss {style.number(loss)}"}
        layout = {"title": title}
        coordinates = dict(zip("xyz", (numbers(column, 4) for column in at.T), strict=False))
        frames.append({"name": name, "data": [coordinates], "traces": [1], "layout": layout})
        args = [[name], {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}]
        steps.append({"label": name, "method": "animate", "args": args})
    moving = _scatter(points[0], "after 100 silent bins", dots)
    extent = float(
        min(
            1.15 * np.abs(np.concatenate([projection(ideal), points.reshape(-1, points.shape[-1])])).max(),
            2.0 * np.abs(projection(ideal)).max(),
        )
    )
    figure = _with_slider([base], [(0, moving)], projection, extent)
    figure["layout"].pop("sliders")
    play = {"frame": {"duration": 280, "redraw": True}, "transition": {"duration": 0}, "fromcurrent": True}
    pause = [[None], {"mode": "immediate", "frame": {"duration": 0, "redraw": False}}]
    buttons: list[dict[str, Any]] = [
        {"label": "▶ play", "method": "animate", "args": [None, play]},
        {"label": "❚❚ pause", "method": "animate", "args": pause},
    ]
    figure["layout"]["updatemenus"] = [_buttons(buttons)]
    figure["layout"]["sliders"] = [_slider(steps, "epoch ")]
    figure["layout"]["title"] = {
        **frames[0]["layout"]["title"],
        "font": {"size": 14},
        "x": 0.02,
        "xanchor": "left",
        "y": 0.98,
    }
    figure["layout"]["margin"]["t"] = 84
    figure["layout"]["showlegend"] = False
    figure["layout"]["meta"] = {"beyondWidth": 160}
    figure["frames"] = frames
    return figure


# -- the pages of gnode analyse --


def nullclines(content: Content) -> Figure:
    """N = 2: where each unit stands still, and where F and the gate would have it."""
    stored = content.stored
    assert stored is not None
    traces = [_speed(content.flow, faint=True)]
    looks = (
        ("flow", "dh/dt = 0", "solid", True),
        ("candidate", "F(h) = h", "dash", "legendonly"),
        ("gate", "gate = ½", "dot", "legendonly"),
    )
    for of, label, dash, visible in looks:
        found = stored.nullclines(of)
        if found is None:
            continue
        for unit, curves in enumerate(found.curves):
            if curves:
                broken = np.concatenate([np.vstack([curve, [np.nan, np.nan]]) for curve in curves])
                line = {"color": ("#e4572e", "#f2c14e")[unit], "dash": dash, "width": 2}
                traces.append(_scatter(broken, f"{label}, unit {unit + 1}", None, line=line, visible=visible))
    for manifold, colour in (("stable", "#7ad1c0"), ("unstable", "#ff8fa3")):
        branches = [
            array for name, array in stored.arrays.items() if name.startswith("saddles/") and f"/{manifold}/" in name
        ]
        if branches:
            broken = np.concatenate([np.vstack([branch, [np.nan, np.nan]]) for branch in branches])
            label = f"{manifold} manifolds of saddles"
            traces.append(_scatter(broken, label, None, line={"color": colour, "width": 1.5}, visible="legendonly"))
    traces += _points(content, content.plane)
    return _in_plane(content.plane, content, traces)


def timescale_map(content: Content) -> Figure:
    """N = 2: the effective time constant tau / gate over the plane, unit by unit."""
    stored = content.stored
    assert stored is not None
    scales = np.log10(stored["timescales/plane/units"])
    low, high = np.quantile(scales, 0.01), np.quantile(scales, 0.99)
    traces: list[Trace] = [
        {
            "type": "heatmap",
            "x": numbers(content.flow.x),
            "y": numbers(content.flow.y),
            "z": numbers(scales[..., unit], 4),
            "zmin": float(low),
            "zmax": float(high),
            "zsmooth": "best",
            "visible": unit == 0,
            "colorscale": _scale(style.SPEED[::-1]),
            "colorbar": _colourbar("τ/gate (s)", low, high),
            "hovertemplate": "log₁₀ time constant %{z:.2f}<extra></extra>",
        }
        for unit in range(2)
    ]
    states = stored["timescales/states"]
    dots = {"size": 4, "color": "#ff7a59", "line": {"width": 0.4, "color": "#ffffff"}}
    traces.append(_scatter(states, "after 100 silent bins", dots))
    steps = [
        {"label": f"unit {unit + 1}", "method": "restyle", "args": [{"visible": [unit == 0, unit == 1, True]}]}
        for unit in range(2)
    ]
    figure = _in_plane(content.plane, content, traces)
    figure["layout"]["updatemenus"] = [_buttons(steps)]
    figure["layout"]["margin"]["t"] = 48
    return figure


def gate_histogram(content: Content) -> Figure:
    """How open the gates are on the attractor, unit by unit."""
    stored = content.stored
    assert stored is not None
    counts, edges = stored["timescales/histogram"], stored["timescales/edges"]
    middle = (edges[:-1] + edges[1:]) / 2
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "fill": "tozeroy",
            "x": numbers(middle),
            "y": numbers(of_unit / of_unit.sum() * 100, 4),
            "name": f"unit {unit + 1}",
            "line": {"shape": "hvh", "width": 1.5, "color": style.RUNS[unit % len(style.RUNS)]},
            "opacity": 0.7,
        }
        for unit, of_unit in enumerate(counts[:8])
    ]
    xaxis = _axis("gate (1: τ as it is, 0.01: a hundred times slower)", range=[0, 1])
    return _figure(traces, height=320, xaxis=xaxis, yaxis=_axis("states (%)"))


def persistence(content: Content) -> Figure:
    """Loops and voids of the states after 100 silent bins: far from the diagonal is a real hole."""
    stored = content.stored
    assert stored is not None
    traces = []
    end = 0.0
    for order, label in enumerate(("loops", "voids")):
        diagram = stored.arrays.get(f"attractors/100/persistence/{order}")
        if diagram is None or not diagram.size:
            continue
        finite = diagram[np.isfinite(diagram).all(axis=1)]
        end = max(end, float(finite.max(initial=0.0)))
        dots = {"size": 7, "color": style.RUNS[order], "opacity": 0.7}
        traces.append(_scatter(finite, label, dots))
    end = 1.06 * end or 1.0
    traces.append(_line([0, end], [0, end], name="noise", line={"color": style.IDEAL, "dash": "dot"}, showlegend=False))
    return _figure(
        traces, xaxis=_axis("appears at distance"), yaxis=_axis("disappears at distance"), meta={"beyondWidth": 40}
    )


def lyapunov(content: Content) -> Figure:
    """How the estimates of the exponents settle."""
    stored = content.stored
    assert stored is not None
    times, curve = stored["lyapunov/map/times"], stored["lyapunov/map/curve"]
    traces = [
        _line(
            numbers(times),
            numbers(of_one, 4),
            name=f"λ{number}",
            line={"color": style.RUNS[(number - 1) % len(style.RUNS)], "width": 2},
        )
        for number, of_one in enumerate(curve.T[:6], start=1)
    ]
    return _figure(traces, height=320, xaxis=_axis("bins"), yaxis=_axis("exponent (1/bin)"))


# -- building blocks --


def numbers(values: Any, digits: int = 5) -> Any:
    """Nested lists with so many significant digits; what is not finite is null."""
    array = np.asarray(values, dtype=float)
    if array.ndim > 1:
        return [numbers(row, digits) for row in array]
    return [float(f"{value:.{digits}g}") if np.isfinite(value) else None for value in array.tolist()]


def _coloured(contents: Sequence[Content]) -> list[tuple[Content, str]]:
    return [(content, style.RUNS[at % len(style.RUNS)]) for at, content in enumerate(contents)]


def _prefix(contents: Sequence[Content], content: Content) -> str:
    return f"{escape(content.name)}: " if len(contents) > 1 else ""


def _loss_name(contents: Sequence[Content]) -> str:
    names = {str(content.summary.get("loss", "loss")) for content in contents}
    return {"mse": "mean squared error"}.get(*names, *names) if len(names) == 1 else "loss"


def _axis(title: str, **more: Any) -> dict[str, Any]:
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
    return _axis(title, type="log", tickvals=ticks, ticktext=[style.number(tick) for tick in ticks])


def _figure(traces: list[Trace], height: int = 380, **layout: Any) -> Figure:
    base: dict[str, Any] = {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 12, "b": 8},
        "hovermode": "closest",
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": -0.16, "yanchor": "top", "font": {"size": 12}},
    }
    if "updatemenus" in layout:
        base["margin"]["t"] = 48
    return {"data": traces, "layout": {**base, **layout}}


def _line(x: Any, y: Any, **more: Any) -> Trace:
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, **more}


def _scatter(
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


def _dots(colours: list[str], dimensions: int) -> dict[str, Any]:
    return {"size": 3 if dimensions > 2 else 6, "color": colours, "line": {"width": 0.3, "color": "rgba(0,0,0,.4)"}}


def _speed(grid: FlowGrid, faint: bool = False) -> Trace:
    height = np.log10(np.maximum(grid.speed, 1e-6))
    low, high = np.quantile(height, 0.005), np.quantile(height, 0.995)
    trace: Trace = {
        "type": "heatmap",
        "x": numbers(grid.x),
        "y": numbers(grid.y),
        "z": numbers(height, 4),
        "zmin": float(low),
        "zmax": float(high),
        "zsmooth": "best",
        "colorscale": _scale(style.SPEED),
        "opacity": 0.45 if faint else 1.0,
        "hovertemplate": "speed 10^%{z:.2f} /s<extra></extra>",
        "name": "speed",
    }
    return trace | ({"showscale": False} if faint else {"colorbar": _colourbar("speed (1/s)", low, high)})


def _arrows(grid: FlowGrid, every: int = 3) -> Trace:
    """Directions as short arrows of one length; the colour underneath says how fast."""
    nodes = np.stack(np.meshgrid(grid.x, grid.y, indexing="xy"), axis=-1)[1::every, 1::every].reshape(-1, 2)
    velocity = grid.velocity[1::every, 1::every].reshape(-1, 2)
    length = np.linalg.norm(velocity, axis=1, keepdims=True)
    unit = velocity / np.maximum(length, 1e-12)
    size = 0.62 * every * (grid.x[1] - grid.x[0])
    tail, tip = nodes - unit * size / 2, nodes + unit * size / 2
    side = np.stack([-unit[:, 1], unit[:, 0]], axis=1)
    left, right = (tip - unit * 0.38 * size + turn * side * 0.2 * size for turn in (1, -1))
    gap = np.full_like(tip, np.nan)
    path = np.stack([tail, tip, left, tip, right, gap], axis=1).reshape(-1, 2)
    line = {"color": "rgba(255,255,255,.62)", "width": 1}
    return _scatter(path, "direction", None, line=line, legend=False) | {"hoverinfo": "skip", "hovertemplate": None}


def _points(content: Content, projection: Projection, visible: Any = True) -> list[Trace]:
    """Fixed points by stability of the flow, and slow points that are not fixed."""
    found, slow = content.fixed_points, content.slow_points
    deep = len(projection.labels) > 2
    classes = np.array([style.stability_class(name) for name in found.flow_stability or found.stability])
    traces = []
    for name in (style.STABLE, style.SADDLE, style.UNSTABLE, style.MARGINAL):
        if (classes == name).any():
            colour, symbol, _ = style.STABILITY[name]
            dots = {
                "color": colour,
                "symbol": symbol,
                "size": 4 if deep else 9,
                "line": {"color": "#ffffff", "width": 1},
            }
            trace = _scatter(projection(found.points[classes == name]), name, dots, visible=visible)
            trace["text"] = [_both(found, int(at)) for at in np.flatnonzero(classes == name)]
            traces.append(trace | {"hovertemplate": "%{text}<extra></extra>"})
    if (~slow.fixed).any():
        colour, symbol, _ = style.STABILITY[style.SLOW]
        dots = {"color": colour, "symbol": symbol, "size": 4 if deep else 8, "line": {"color": colour, "width": 1.5}}
        trace = _scatter(projection(slow.points[~slow.fixed]), style.SLOW, dots, visible=visible)
        trace["text"] = [f"slow point: speed {style.number(speed)} /s" for speed in slow.speeds[~slow.fixed]]
        traces.append(trace | {"hovertemplate": "%{text}<extra></extra>"})
    return traces


def _both(found: Any, at: int) -> str:
    flow = found.flow_stability[at] if found.flow_stability else "–"
    map_ = found.map_stability[at] if found.map_stability else "–"
    rate = style.number(float(found.eigenvalues[at].real.max()))
    return f"flow: {flow}<br>map: {map_}<br>fastest growth {rate} /s"


def _in_plane(projection: Projection, content: Content, traces: list[Trace]) -> Figure:
    low, high = content.bounds
    xaxis = _axis(projection.labels[0], range=[float(low[0]), float(high[0])], showgrid=False, constrain="domain")
    yaxis = _axis(projection.labels[1], range=[float(low[1]), float(high[1])], showgrid=False, constrain="domain")
    yaxis |= {"scaleanchor": "x"}
    return _figure(traces, height=560, xaxis=xaxis, yaxis=yaxis, meta={"beyondWidth": 40})


def _in_space(projection: Projection, traces: list[Trace]) -> Figure:
    scene = {**_scene(projection.labels), "aspectmode": "data"}
    return _figure(traces, height=520, scene=scene, margin={"l": 0, "r": 0, "t": 0, "b": 0}, meta={"beyondWidth": 40})


def _scene(labels: list[str]) -> dict[str, Any]:
    axes = {f"{axis}axis": {"title": {"text": label}} for axis, label in zip("xyz", labels, strict=False)}
    return {**axes, "camera": {"eye": {"x": 1.35, "y": -1.35, "z": 1.05}}}


def _flow_on_a_line(content: Content) -> Figure:
    """N = 1: the velocity against the state."""
    grid = content.flow
    traces = [
        _line(numbers(grid.x), numbers(grid.velocity[:, 0]), name="dh/dt", line={"color": style.RUNS[0], "width": 2})
    ]
    traces.append(
        _line(
            [float(grid.x[0]), float(grid.x[-1])],
            [0, 0],
            name="0",
            line={"color": style.IDEAL, "dash": "dot"},
            showlegend=False,
        )
    )
    traces += _points(content, content.plane)
    return _figure(traces, xaxis=_axis(content.plane.labels[0]), yaxis=_axis("dh/dt (1/s)"))


def _shown(content: Content) -> list[tuple[int, int]]:
    """Silences with a picture of their own, and where in the memory they are."""
    assert content.memory is not None
    silences = content.memory.silences.tolist()
    return [(silence, silences.index(silence)) for silence in SHOWN_SILENCES]


def _with_slider(base: list[Trace], layers: list[tuple[int, Trace]], projection: Projection, extent: Any) -> Figure:
    """A picture whose slider shows one of the layers over the base."""
    first = min(2, len(layers) - 1)
    traces = [*base, *({**trace, "visible": at == first} for at, (_, trace) in enumerate(layers))]
    moving = list(range(len(base), len(traces)))
    steps = [
        {
            "label": f"{silence:,}".replace(",", " "),
            "method": "restyle",
            "args": [{"visible": [at == chosen for at in range(len(layers))]}, moving],
        }
        for chosen, (silence, _) in enumerate(layers)
    ]
    layout: dict[str, Any] = {"sliders": [_slider(steps, "silent bins: ", first)]}
    if len(projection.labels) == 3:
        layout["scene"] = {**_scene(projection.labels), "aspectmode": "data"}
    else:
        low, high = (-np.full(2, extent), np.full(2, extent)) if np.isscalar(extent) else extent
        layout["xaxis"] = _axis(projection.labels[0], range=[float(low[0]), float(high[0])], constrain="domain")
        if len(projection.labels) == 2:
            layout["yaxis"] = _axis(projection.labels[1], range=[float(low[1]), float(high[1])], constrain="domain")
            layout["yaxis"] |= {"scaleanchor": "x"}
        else:
            layout["yaxis"] = _axis("", range=[-1, 1], showticklabels=False, showgrid=False)
    figure = _figure(traces, height=260 if len(projection.labels) == 1 else 600, meta={"beyondWidth": 120}, **layout)
    figure["layout"]["legend"] = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"size": 12}}
    figure["layout"]["margin"]["t"] = 34
    return figure


def _slider(steps: list[dict], prefix: str, active: int = 0) -> dict[str, Any]:
    return {
        "active": active,
        "steps": steps,
        "pad": {"t": 46, "b": 4, "l": 6, "r": 6},
        "currentvalue": {"prefix": prefix, "xanchor": "left", "font": {"size": 13}},
        "tickcolor": style.IDEAL,
        "font": {"size": 11},
        "bgcolor": "#c5ccd8",
        "bordercolor": "#c5ccd8",
        "activebgcolor": style.RUNS[0],
    }


def _buttons(steps: list[dict]) -> dict[str, Any]:
    return {
        "type": "buttons",
        "direction": "right",
        "buttons": steps,
        "x": 0,
        "xanchor": "left",
        "y": 1,
        "yanchor": "bottom",
        "pad": {"b": 8, "t": 0},
        "showactive": True,
        "font": {"size": 12},
    }


def _colourbar(title: str, low: float, high: float) -> dict[str, Any]:
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


def _scale(colours: Sequence[str]) -> list[list[Any]]:
    return [[round(at / (len(colours) - 1), 4), colour] for at, colour in enumerate(colours)]
