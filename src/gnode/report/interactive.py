"""Figures of a report as plotly descriptions: plain dictionaries with `data` and `layout`, drawn by page.js.

Colours of text and grid lines are left to the page, which knows whether it is light or dark.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from gnode.examine.content import Content, FlowGrid, Projection, readout_axes
from gnode.report import blocks, style
from gnode.report.blocks import Figure, Trace, numbers

SHOWN_SILENCES = (0, 10, 100, 1000, 10_000)
_FEW_SAMPLES = 60  # of a trial of no more, each is marked


# -- all runs in one picture --


def losses(contents: Sequence[Content]) -> Figure:
    traces = _curves(contents, "loss")
    yaxis = blocks.log_axis(_loss_name(contents), [trace["y"] for trace in traces])
    return blocks.figure(traces, xaxis=blocks.axis("epoch"), yaxis=yaxis)


def accuracies(contents: Sequence[Content]) -> Figure:
    """Of the runs on classes."""
    yaxis = blocks.axis("answers that are right", tickformat=".0%", rangemode="tozero")
    return blocks.figure(_curves(contents, "accuracy"), xaxis=blocks.axis("epoch"), yaxis=yaxis)


def _curves(contents: Sequence[Content], what: str) -> list[Trace]:
    """A quantity of training and validation, epoch by epoch, of the runs that have it."""
    traces = []
    for content, colour in _coloured(contents):
        epochs = [record["epoch"] for record in content.metrics]
        name = _prefix(contents, content)
        for key, label, dash, width in (("train", "training", "dot", 1.2), ("val", "validation", "solid", 2)):
            values = [record.get(f"{key}_{what}", np.nan) for record in content.metrics]
            if np.isfinite(values).any():
                line = {"color": colour, "dash": dash, "width": width}
                traces.append(blocks.line(epochs, numbers(values), name=f"{name}{label}", line=line))
    return traces


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
            blocks.line(
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
    yaxis = (
        blocks.log_axis(label, [trace["y"] for trace in traces])
        if scale == "log"
        else blocks.axis(label, rangemode="tozero")
    )
    return blocks.figure(traces, xaxis=blocks.axis("silent bins", type="log", **marks), yaxis=yaxis)


# -- one run --


def trials(content: Content) -> Figure:
    """Inputs, targets and outputs of unseen trials, row by row; buttons choose the trial."""
    examples = content.examples
    labels = [label for label, _ in examples[0].rows]
    traces, trial_of, named = [], [], set()
    for trial, example in enumerate(examples):
        for row, (label, lines) in enumerate(example.rows):
            for name, values in lines.items():
                look = _trial_look(name, len(values), pulsed=content.task is not None)
                look |= _named(values, content.class_names) if label == "class" else {}
                title = escape(content.titles.get(name, name))
                trace = blocks.line(numbers(example.times), numbers(values), name=title, **look)
                showlegend = (trial, name) not in named
                traces.append(trace | {"yaxis": _axis_name(row), "visible": trial == 0, "showlegend": showlegend})
                trial_of.append(trial)
                named.add((trial, name))
    buttons = blocks.trial_buttons([escape(example.name) for example in examples], trial_of)
    gap = 0.06
    height = (1 - gap * (len(labels) - 1)) / len(labels)
    rows = {}
    for row, label in enumerate(labels):
        top = 1 - row * (height + gap)
        domain = [round(max(top - height, 0), 4), round(top, 4)]
        ticks = _class_ticks(content.class_names) if label == "class" else {}
        title = escape(content.titles.get(label, label))
        rows[f"yaxis{row + 1 if row else ''}"] = blocks.axis(title, domain=domain, **ticks)
    xaxis = blocks.axis("time (s)", anchor=_axis_name(len(labels) - 1))
    return blocks.figure(traces, height=max(330, 170 + 120 * len(labels)), xaxis=xaxis, **rows, updatemenus=[buttons])


def _named(classes: np.ndarray, names: list[str]) -> dict[str, Any]:
    """What the pointer says of a line of classes."""
    text = [escape(names[int(one)]) if np.isfinite(one) else "" for one in classes]
    return {"text": text, "hovertemplate": "%{text}<extra>%{fullData.name}</extra>"}


def _class_ticks(names: list[str]) -> dict[str, Any]:
    places, some = style.some_of(names)
    return {"tickvals": places, "ticktext": list(map(escape, some)), "range": [-0.6, len(names) - 0.4]}


def _axis_name(row: int) -> str:
    return f"y{row + 1 if row else ''}"


def _trial_look(name: str, samples: int, pulsed: bool) -> dict[str, Any]:
    """How an input, a target or an output is drawn: level over the time that each sample stands for."""
    mode = "lines" if samples > _FEW_SAMPLES else "lines+markers"
    if name == "input":
        of_pulses = {"fill": "tozeroy", "line": {"color": "#b9c0cc", "width": 0.5, "shape": "vh"}}
        return {"mode": "lines", **(of_pulses if pulsed else {"line": {"color": "#a3abb9", "width": 2, "shape": "vh"}})}
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
        "colorscale": blocks.scale(style.SPEED),
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
            blocks.scatter(np.column_stack([after, np.maximum(speed, floor) + 0.05]), "after 100 silent bins", dots)
        )
    scene = blocks.scene([*content.plane.labels, "log₁₀ speed (1/s)"])
    scene["aspectratio"] = {"x": 1, "y": 1, "z": 0.55}
    return blocks.figure(
        traces, height=480, scene=scene, margin={"l": 0, "r": 0, "t": 0, "b": 0}, meta={"beyondWidth": 40}
    )


def trajectories(content: Content) -> Figure:
    """States of remembered values, from the pulse on and through the silence, or of sample trials, in their colours; in
    the plane or, for N of at least 3, in space."""
    paths = _paths(content)
    if content.model.config.state_size == 1:
        lines = [
            blocks.line(numbers(times), numbers(states[:, 0]), line={"color": colour, "width": 1.6}, showlegend=False)
            for times, states, _, colour in paths
        ]
        return blocks.figure(lines, xaxis=blocks.axis("time (s)"), yaxis=blocks.axis(content.plane.labels[0]))
    deep = content.model.config.state_size > 2
    projection = content.space if deep else content.plane
    traces, named = [], content.traces is None
    for _, states, label, colour in paths:
        path = projection(states)
        line = {"color": colour, "width": 3 if deep else 1.6}
        traces.append(blocks.scatter(path, label, None, line=line, legend=named))
        end = {"size": 4 if deep else 8, "color": colour, "line": {"color": "#ffffff", "width": 0.8}}
        traces.append(blocks.scatter(path[-1:], label, end, legend=False))
    if deep:
        return _in_space(projection, traces)
    return _in_plane(projection, content, [_speed(content.flow, faint=True), *traces])


def _drawn(samples: int) -> np.ndarray:
    """Which samples after a pulse are drawn: the first ones, where the state moves fast, and some of the rest."""
    return np.unique(np.append(np.arange(min(samples, 40)), np.linspace(0, samples - 1, 60).astype(int)))


def _paths(content: Content) -> list[tuple[np.ndarray, np.ndarray, str, str]]:
    """Times (T,), states (T, N), name and colour of what is drawn as trajectories."""
    if content.traces is None:
        return [
            (example.times, example.states, example.name, style.RUNS[number])
            for number, example in enumerate(content.examples)
        ]
    values, states = content.traces
    some = _drawn(states.shape[1])
    times, states = content.bin_seconds * some, states[:, some]
    names = [f"remember ({', '.join(f'{part:.2f}' for part in value)})" for value in values]
    return [(times, *path) for path in zip(states, names, style.value_colours(values), strict=True)]


def survivors_readout(content: Content) -> Figure:
    """What the readout says after k silent bins, over the task's ideal manifold; a slider sets k."""
    memory, ideal = content.memory, content.ideal
    assert memory is not None and ideal is not None
    projection = readout_axes(ideal)
    colours = style.value_colours(memory.values)
    base = [
        blocks.scatter(projection(ideal), "ideal", {"size": 2.2 if ideal.shape[1] > 2 else 4, "color": style.IDEAL})
    ]
    layers = [
        (silence, blocks.scatter(projection(memory.readouts[at]), "readout", _dots(colours, ideal.shape[1])))
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
        (silence, blocks.scatter(projection(memory.states[at]), "state", _dots(colours, len(projection.labels))))
        for silence, at in _shown(content)
    ]
    return _with_slider(base, layers, projection, None if deep else content.bounds)


def space(content: Content) -> Figure:
    """N of at least 3: what survives 100 silent bins, and the fixed points, to be turned."""
    traces = []
    if content.memory is not None:
        traces.append(
            blocks.scatter(
                content.space(content.after(100)),
                "after 100 silent bins",
                {"size": 3, "color": style.value_colours(content.memory.values)},
            )
        )
    else:
        traces += [
            blocks.scatter(content.space(states), name, None, line={"width": 3, "color": colour})
            for _, states, name, colour in _paths(content)
        ]
    figure = _in_space(content.space, traces + _points(content, content.space))
    seen = content.space(content.visited)
    low, high = seen.min(axis=0), seen.max(axis=0)
    margin = 0.15 * float((high - low).max())  # points beyond it are not drawn, or nothing could be seen of the states
    for axis, start, end in zip("xyz", low - margin, high + margin, strict=True):
        figure["layout"]["scene"][f"{axis}axis"]["range"] = [float(start), float(end)]
    return figure


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
    together = blocks.line(
        list(range(1, shown + 1)),
        numbers(100 * np.cumsum(share)[:shown], 4),
        name="together",
        line={"color": style.RUNS[1]},
    )
    return blocks.figure(
        [bar, together],
        height=300,
        xaxis=blocks.axis("component", dtick=1),
        yaxis=blocks.axis("variance (%)", range=[0, 104]),
    )


def film(content: Content) -> Figure:
    """The attractor's birth over the snapshots: frames, a slider and a play button."""
    shown, ideal, memory = content.film, content.ideal, content.memory
    assert shown is not None and ideal is not None and memory is not None
    projection = readout_axes(ideal)
    points = projection(shown.readouts)
    values = content.task.manifold.sample(shown.readouts.shape[1], seed=2023)  # type: ignore[union-attr]
    dots = _dots(style.value_colours(values), ideal.shape[1])
    base = blocks.scatter(projection(ideal), "ideal", {"size": 2.2 if ideal.shape[1] > 2 else 4, "color": style.IDEAL})
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
    moving = blocks.scatter(points[0], "after 100 silent bins", dots)
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
    figure["layout"]["updatemenus"] = [blocks.buttons(buttons)]
    figure["layout"]["sliders"] = [_slider(steps, "epoch ")]
    figure["layout"]["title"] = {
        **frames[0]["layout"]["title"],
        "font": {"size": 14},
        "x": 0.02,
        "xanchor": "left",
        "y": 0.98,
    }
    figure["layout"]["margin"]["t"] = 44
    figure["layout"]["showlegend"] = False
    figure["layout"]["meta"] = {"beyondWidth": 60}
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
                traces.append(blocks.scatter(broken, f"{label}, unit {unit + 1}", None, line=line, visible=visible))
    for manifold, colour in (("stable", "#7ad1c0"), ("unstable", "#ff8fa3")):
        branches = [
            array for name, array in stored.arrays.items() if name.startswith("saddles/") and f"/{manifold}/" in name
        ]
        if branches:
            broken = np.concatenate([np.vstack([branch, [np.nan, np.nan]]) for branch in branches])
            label = f"{manifold} manifolds of saddles"
            traces.append(
                blocks.scatter(broken, label, None, line={"color": colour, "width": 1.5}, visible="legendonly")
            )
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
            "colorscale": blocks.scale(style.SPEED[::-1]),
            "colorbar": blocks.colourbar("τ/gate (s)", low, high),
            "hovertemplate": "log₁₀ time constant %{z:.2f}<extra></extra>",
        }
        for unit in range(2)
    ]
    states = stored["timescales/states"]
    dots = {"size": 4, "color": "#ff7a59", "line": {"width": 0.4, "color": "#ffffff"}}
    traces.append(blocks.scatter(states, "after 100 silent bins", dots))
    steps = [
        {"label": f"unit {unit + 1}", "method": "restyle", "args": [{"visible": [unit == 0, unit == 1, True]}]}
        for unit in range(2)
    ]
    figure = _in_plane(content.plane, content, traces)
    figure["layout"]["updatemenus"] = [blocks.buttons(steps)]
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
    xaxis = blocks.axis("gate (1: τ as it is, 0.01: a hundred times slower)", range=[0, 1])
    return blocks.figure(traces, height=320, xaxis=xaxis, yaxis=blocks.axis("states (%)"))


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
        traces.append(blocks.scatter(finite, label, dots))
    end = 1.06 * end or 1.0
    traces.append(
        blocks.line([0, end], [0, end], name="noise", line={"color": style.IDEAL, "dash": "dot"}, showlegend=False)
    )
    return blocks.figure(
        traces,
        xaxis=blocks.axis("appears at distance"),
        yaxis=blocks.axis("disappears at distance"),
        meta={"beyondWidth": 40},
    )


def lyapunov(content: Content) -> Figure:
    """How the estimates of the exponents settle."""
    stored = content.stored
    assert stored is not None
    times, curve = stored["lyapunov/map/times"], stored["lyapunov/map/curve"]
    traces = [
        blocks.line(
            numbers(times),
            numbers(of_one, 4),
            name=f"λ{number}",
            line={"color": style.RUNS[(number - 1) % len(style.RUNS)], "width": 2},
        )
        for number, of_one in enumerate(curve.T[:6], start=1)
    ]
    return blocks.figure(traces, height=320, xaxis=blocks.axis("bins"), yaxis=blocks.axis("exponent (1/bin)"))


# -- parts of several figures --


def _coloured(contents: Sequence[Content]) -> list[tuple[Content, str]]:
    return [(content, style.of_run(at)) for at, content in enumerate(contents)]


def _prefix(contents: Sequence[Content], content: Content) -> str:
    return f"{escape(content.name)}: " if len(contents) > 1 else ""


def _loss_name(contents: Sequence[Content]) -> str:
    names = {str(content.summary.get("loss", "loss")) for content in contents}
    return {"mse": "mean squared error"}.get(*names, *names) if len(names) == 1 else "loss"


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
        "colorscale": blocks.scale(style.SPEED),
        "opacity": 0.45 if faint else 1.0,
        "hovertemplate": "speed 10^%{z:.2f} /s<extra></extra>",
        "name": "speed",
    }
    return trace | ({"showscale": False} if faint else {"colorbar": blocks.colourbar("speed (1/s)", low, high)})


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
    return blocks.scatter(path, "direction", None, line=line, legend=False) | {
        "hoverinfo": "skip",
        "hovertemplate": None,
    }


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
            trace = blocks.scatter(projection(found.points[classes == name]), name, dots, visible=visible)
            trace["text"] = [_both(found, int(at)) for at in np.flatnonzero(classes == name)]
            traces.append(trace | {"hovertemplate": "%{text}<extra></extra>"})
    if (~slow.fixed).any():
        colour, symbol, _ = style.STABILITY[style.SLOW]
        dots = {"color": colour, "symbol": symbol, "size": 4 if deep else 8, "line": {"color": colour, "width": 1.5}}
        trace = blocks.scatter(projection(slow.points[~slow.fixed]), style.SLOW, dots, visible=visible)
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
    xaxis = blocks.axis(projection.labels[0], range=[float(low[0]), float(high[0])], showgrid=False, constrain="domain")
    yaxis = blocks.axis(projection.labels[1], range=[float(low[1]), float(high[1])], showgrid=False, constrain="domain")
    yaxis |= {"scaleanchor": "x"}
    return blocks.figure(traces, height=560, xaxis=xaxis, yaxis=yaxis, meta={"beyondWidth": 40})


def _in_space(projection: Projection, traces: list[Trace]) -> Figure:
    scene = {**blocks.scene(projection.labels), "aspectmode": "data"}
    return blocks.figure(
        traces, height=520, scene=scene, margin={"l": 0, "r": 0, "t": 0, "b": 0}, meta={"beyondWidth": 40}
    )


def _flow_on_a_line(content: Content) -> Figure:
    """N = 1: the velocity against the state."""
    grid = content.flow
    traces = [
        blocks.line(
            numbers(grid.x), numbers(grid.velocity[:, 0]), name="dh/dt", line={"color": style.RUNS[0], "width": 2}
        )
    ]
    traces.append(
        blocks.line(
            [float(grid.x[0]), float(grid.x[-1])],
            [0, 0],
            name="0",
            line={"color": style.IDEAL, "dash": "dot"},
            showlegend=False,
        )
    )
    traces += _points(content, content.plane)
    return blocks.figure(traces, xaxis=blocks.axis(content.plane.labels[0]), yaxis=blocks.axis("dh/dt (1/s)"))


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
        layout["scene"] = {**blocks.scene(projection.labels), "aspectmode": "data"}
    else:
        low, high = (-np.full(2, extent), np.full(2, extent)) if np.isscalar(extent) else extent
        layout["xaxis"] = blocks.axis(projection.labels[0], range=[float(low[0]), float(high[0])], constrain="domain")
        if len(projection.labels) == 2:
            layout["yaxis"] = blocks.axis(
                projection.labels[1], range=[float(low[1]), float(high[1])], constrain="domain"
            )
            layout["yaxis"] |= {"scaleanchor": "x"}
        else:
            layout["yaxis"] = blocks.axis("", range=[-1, 1], showticklabels=False, showgrid=False)
    figure = blocks.figure(
        traces, height=260 if len(projection.labels) == 1 else 600, meta={"beyondWidth": 60}, **layout
    )
    figure["layout"]["legend"] = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"size": 12}}
    figure["layout"]["margin"]["t"] = 34
    return figure


def _slider(steps: list[dict], prefix: str, active: int = 0) -> dict[str, Any]:
    """A choice that page.js puts above the figure as a slider."""
    return {"active": active, "steps": steps, "currentvalue": {"prefix": prefix}}
