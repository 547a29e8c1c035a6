"""How well a run predicts: figures of classes and of numbers, each with how to read it.

All that is said here is computed in gnode.examine; `gnode evaluate` says the same.
"""

from html import escape
from typing import Any, NamedTuple

import numpy as np

from gnode.examine.content import Content
from gnode.report import blocks, style
from gnode.report.blocks import Figure, Trace, numbers
from gnode.report.html import Card, table

_NAMED = 40  # classes up to which each cell of the confusion matrix shows its count
_LETTERS = 18  # of a class beside an axis; its whole name is shown where a cell or bar is pointed at
_ROWS = 24  # of a table that is shown as a whole
_SAMPLES = 300  # of a trial, up to which time constants are drawn
_UNITS = 64


class Tile(NamedTuple):
    """A number at the top of a page: HTML of its value, its name, its key in the glossary, and a note in HTML."""

    value: str
    name: str
    key: str
    note: str


def of_classes(content: Content) -> bool:
    return content.scores is not None and "accuracy" in content.scores


def scored_on(content: Content) -> str:
    """Which trials figures are of."""
    assert content.scored is not None
    count = len(content.scored) - (content.scores or {}).get("unsolved", 0)
    return f"{count:,} {'test trials' if content.task is None else 'trials drawn afresh'}"


def percent(share: float) -> str:
    return f"{100 * share:.1f}\u00a0%"


def between(interval: list[float], word: Any) -> str:
    return f"{word(interval[0])} to {word(interval[1])}"


def tiles(content: Content) -> list[Tile]:
    """The figures that matter."""
    scores = content.scores
    if scores is None:
        return []
    if not of_classes(content):
        interval = scores["rmse_interval"]
        surely = f"95 % interval {between(interval, style.number)}; " if interval else ""
        explained = "–" if scores["r2"] is None else style.number(scores["r2"])
        return [
            Tile(
                style.number(scores["rmse"]),
                "typical error",
                "typical-error",
                f"{surely}{scored_on(content)}, in the targets' units",
            ),
            Tile(explained, "R²", "r2", "mean over channels; 1 is perfect, 0 is always saying the mean"),
        ]
    low, high = scores["accuracy_interval"]
    common = f"always saying the most common class: {percent(scores['most_common'])}"
    return [
        Tile(
            percent(scores["accuracy"]),
            "accuracy",
            "accuracy",
            f"95 % interval {100 * low:.1f} to {percent(high)}; {scored_on(content)}; {common}",
        ),
        Tile(style.number(scores["f1"]), "macro F1", "f1", f"mean over {_occurring(scores)} classes; 1 is perfect"),
        Tile(
            style.number(scores["calibration_error"]),
            "calibration error",
            "calibration",
            "mean distance of confidence and accuracy; 0 is perfect",
        ),
    ]


def _occurring(scores: dict[str, Any]) -> int:
    return sum(one is not None for one in scores["f1_by_class"])


# -- classes --


def confusion(content: Content) -> Card | None:
    if content.scores is None or not of_classes(content):
        return None
    scores = content.scores
    worst = ", ".join(
        f"{escape(right)} for {escape(taken)} ({often})" for right, taken, often in scores["most_confused"]
    )
    caption = (
        f"Each row is a class that is right, each column one that the network takes it for, on {scored_on(content)}; "
        "colour is the share of the row. A perfect network has all on the diagonal."
        + (f" Mistaken most often: {worst}." if worst else " None was mistaken.")
    )
    return Card("Confusion matrix", caption, _confusion(scores))


def _confusion(scores: dict[str, Any]) -> Figure:
    counts, names = np.array(scores["confusion"]), list(map(escape, scores["classes"]))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    places = list(range(len(names)))
    trace: Trace = {
        "type": "heatmap",
        "x": places,
        "y": places,
        "z": numbers(np.where(counts > 0, shares, np.nan), 4),
        "zmin": 0,
        "zmax": 1,
        "xgap": 1,
        "ygap": 1,
        "colorscale": blocks.scale(style.SHARE),
        "showscale": False,
        "hoverongaps": False,
        "hovertext": [
            [f"{right}, taken for {taken}: {count}" for taken, count in zip(names, row, strict=True)]
            for right, row in zip(names, counts, strict=True)
        ],
        "hovertemplate": "%{hovertext} (%{z:.0%})<extra></extra>",
    }
    if len(names) <= _NAMED:
        text = [[str(count) if count else "" for count in row] for row in counts]
        trace |= {"text": text, "texttemplate": "%{text}", "textfont": {"size": 10}}
    every = -(-len(names) // _NAMED)
    ticks = {"tickvals": places[::every], "ticktext": _beside_an_axis(scores["classes"])[::every]}
    ticks |= {"showgrid": False, "tickfont": {"size": 11}}
    if max(map(len, names)) < 3:
        ticks["tickangle"] = 0
    xaxis = blocks.axis("taken for", constrain="domain", **ticks)
    yaxis = blocks.axis(
        "class", autorange="reversed", scaleanchor="x", constrain="domain", constraintoward="top", **ticks
    )
    return blocks.figure([trace], height=560, xaxis=xaxis, yaxis=yaxis, meta={"beyondWidth": 20})


def by_class(content: Content) -> Card | None:
    if content.scores is None or not of_classes(content):
        return None
    caption = (
        "F1 of each class, the balance of two shares: recall, how many of the class are recognised, and precision, how "
        "many of those taken for it are of it."
    )
    return Card("Figures by class", caption, _by_class(content.scores))


def _by_class(scores: dict[str, Any]) -> Figure:
    names, places = list(map(escape, scores["classes"])), list(range(len(scores["classes"])))
    often = np.sum(scores["confusion"], axis=1).tolist()
    bars: Trace = {
        "type": "bar",
        "x": places,
        "y": _some(scores["f1_by_class"]),
        "name": "F1",
        "marker": {"color": style.RUNS[0]},
        "opacity": 0.75,
        "text": [f"{name} ({count} trials)" for name, count in zip(names, often, strict=True)],
        "textposition": "none",
        "hovertemplate": "%{text}: F1 %{y:.3f}<extra></extra>",
    }
    traces = [bars]
    for key, label, colour, symbol in (
        ("recall_by_class", "recall", style.RUNS[1], "circle"),
        ("precision_by_class", "precision", style.RUNS[4], "diamond"),
    ):
        look = {"size": 7, "color": colour, "symbol": symbol}
        hover = {"text": names, "hovertemplate": f"%{{text}}: {label} %{{y:.3f}}<extra></extra>"}
        traces.append(blocks.line(places, _some(scores[key]), name=label, mode="markers", marker=look, **hover))
    every = -(-len(names) // 40)
    ticktext = _beside_an_axis(scores["classes"])[::every]
    xaxis = blocks.axis("class", tickvals=places[::every], ticktext=ticktext, showgrid=False)
    return blocks.figure(traces, height=340, xaxis=xaxis, yaxis=blocks.axis("share", range=[0, 1.04]))


def _beside_an_axis(classes: list[str]) -> list[str]:
    """Names that leave room for the figure: Plotly would give long ones all of it."""
    return [escape(name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…") for name in classes]


def _some(values: list[float | None]) -> list[float | None]:
    return numbers([np.nan if value is None else value for value in values], 4)


def reliability(content: Content) -> Card | None:
    if content.scores is None or not of_classes(content):
        return None
    error = style.number(content.scores["calibration_error"])
    caption = (
        "Answers in bins of the chance that the network gives to what it answers, against how many of them are right; "
        "larger dots are more answers. On the dotted line it is as often right as it is sure; below, it is too sure. "
        f"The mean distance is the expected calibration error, {error}."
    )
    return Card("Does it know how sure to be?", caption, _reliability(content.scores))


def _reliability(scores: dict[str, Any]) -> Figure:
    sure, right, count = (list(part) for part in zip(*scores["reliability"], strict=True))
    sizes = (6 + 24 * np.sqrt(np.array(count) / max(count))).tolist()
    dots = {
        "size": numbers(sizes, 3),
        "color": style.RUNS[0],
        "opacity": 0.8,
    }
    traces = [
        blocks.line(
            [0, 1], [0, 1], name="as sure as right", line={"color": style.IDEAL, "dash": "dot"}, hoverinfo="skip"
        ),
        blocks.line(
            numbers(sure, 4),
            numbers(right, 4),
            name="answers",
            mode="lines+markers",
            marker=dots,
            line={"color": style.RUNS[0], "width": 1},
            customdata=count,
            hovertemplate="%{customdata} answers: %{x:.1%} sure, %{y:.1%} right<extra></extra>",
            showlegend=False,
            cliponaxis=False,
        ),
    ]
    axes = {"range": [0, 1.03], "tickformat": ".0%"}
    return blocks.figure(
        traces,
        height=380,
        xaxis=blocks.axis("confidence", **axes),
        yaxis=blocks.axis("right", **axes),
    )


def states(content: Content) -> Card | None:
    """Where the answers are read from, by class."""
    found = content.states_read
    if found is None:
        return None
    when = {
        "last": "after the last sample of each trial",
        "mean": "averaged over each trial",
        "each": "at the samples that are asked about",
    }[content.model.config.reading]
    shown = ""
    if found.axes.explained is not None:
        shown = f" The two directions in which they vary most carry {found.axes.explained.sum():.0%} of their variance."
    caption = (
        f"The states of the network {when}, one dot each, in the colour of the class that is right; the name stands in "
        f"the middle of its class. Classes that lie apart here are told apart.{shown}"
    )
    return Card("States by class", caption, _states(content))


def _states(content: Content) -> Figure:
    found, names = content.states_read, content.class_names
    assert found is not None
    present = np.unique(found.classes)
    looks = style.class_looks(len(names))
    traces, middles = [], []
    for at in present:
        here = found.coordinates[found.classes == at]
        colour, symbol = looks[at]
        dots = {"size": 6, "color": colour, "symbol": symbol, "opacity": 0.75}
        traces.append(blocks.scatter(here, names[at], dots))
        middles.append(np.median(here, axis=0))
    labels = blocks.scatter(np.array(middles), "middle", None, legend=False)
    labels |= {"mode": "text", "text": [f"<b>{escape(names[at])}</b>" for at in present], "textfont": {"size": 13}}
    if len(present) <= _NAMED:
        traces.append(labels | {"hoverinfo": "skip", "hovertemplate": None})
    second = {"title": found.axes.labels[1]} if len(found.axes.labels) > 1 else {"title": "", "showticklabels": False}
    figure = blocks.figure(
        traces,
        height=560,
        xaxis=blocks.axis(found.axes.labels[0]),
        yaxis=blocks.axis(**second),
        meta={"beyondWidth": 150},
    )
    return figure


# -- numbers --


def by_channel(content: Content) -> Card | None:
    if content.scores is None or of_classes(content):
        return None
    scores = content.scores
    rows = [
        [escape(name), *map(style.number, values), "–" if explained is None else style.number(explained)]
        for name, explained, *values in zip(
            scores["channels"],
            *(scores[f"{key}_by_channel"] for key in ("r2", "rmse", "mae", "spread")),
            strict=True,
        )
    ]
    caption = (
        f"On {scored_on(content)}, in the units of the targets: root mean square and mean absolute error; beside them "
        "how much the targets vary (their standard deviation), by which whoever always says their mean is wrong. R² is "
        "the share of the variance that the network explains."
    )
    head = ["", "RMS error", "mean absolute", "targets vary by", "R²"]
    body = table(head, rows)
    return Card("Errors by channel", caption, f'<div class="tall">{body}</div>' if len(rows) > _ROWS else body)


def against_truth(content: Content) -> Card | None:
    if content.answers is None or of_classes(content):
        return None
    caption = (
        f"{len(content.answers.truth):,} answers, drawn at random from {scored_on(content)}. On the dotted line an "
        "answer is right."
    )
    if content.answers.truth.shape[1] > 1:
        caption += " Choose the channel above."
    return Card("Predicted against true", caption, _against_truth(content))


def _against_truth(content: Content) -> Figure:
    answers = content.answers
    assert answers is not None
    channels = answers.truth.shape[1]
    shown = range(min(channels, 24))
    traces = []
    for at in shown:
        true, said = answers.truth[:, at].astype(float), answers.said[:, at]
        ends = [float(min(true.min(), said.min())), float(max(true.max(), said.max()))]
        ideal = {"color": style.IDEAL, "dash": "dot"}
        look = {"size": 5, "color": style.RUNS[0], "opacity": 0.45}
        traces += [
            blocks.line(
                numbers(true, 4), numbers(said, 4), mode="markers", marker=look, visible=at == 0, showlegend=False,
                hovertemplate="true %{x}, predicted %{y}<extra></extra>",
            ),
            blocks.line(numbers(ends), numbers(ends), line=ideal, visible=at == 0, showlegend=False, hoverinfo="skip"),
        ]  # fmt: skip
    layout: dict[str, Any] = {
        "xaxis": blocks.axis("true"),
        "yaxis": blocks.axis("predicted"),
        "meta": {"beyondWidth": 60},
    }
    if channels > 1:
        steps = [
            {
                "label": escape(content.titles.get(f"channel {at + 1}", f"channel {at + 1}")),
                "method": "restyle",
                "args": [{"visible": [of // 2 == at for of in range(len(traces))]}],
            }
            for at in shown
        ]
        layout["updatemenus"] = [blocks.buttons(steps) | {"type": "dropdown", "direction": "down"}]
    return blocks.figure(traces, height=440, **layout)


# -- time --


def time_constants(content: Content) -> Card | None:
    """Over a series: only where gates change with it."""
    if not content.examples or np.ptp(content.time_constants, axis=(0, 1)).max() == 0:
        return None
    caption = (
        "The time constant τ/gate of each unit while each sample acts, over the sample trials; dark is slow, and a "
        "slow unit holds what it has. Units are in the order of their mean, the slowest on top."
    )
    return Card("Time scales over a series", caption, _time_constants(content))


def _time_constants(content: Content) -> Figure:
    examples = content.examples
    scales = [np.log10(example.time_constants) for example in examples]
    order = np.argsort(np.concatenate(scales).mean(axis=0))
    order = order[np.unique(np.linspace(0, len(order) - 1, _UNITS).astype(int))] if len(order) > _UNITS else order
    low, high = np.quantile(np.concatenate(scales), (0.005, 0.995))
    traces = []
    for at, (example, scale) in enumerate(zip(examples, scales, strict=True)):
        some = np.unique(np.linspace(0, len(scale) - 1, _SAMPLES).astype(int))
        traces.append(
            {
                "type": "heatmap",
                "x": numbers(example.times[some]),
                "y": [f"unit {unit + 1}" for unit in order],
                "z": numbers(scale[some][:, order].T, 3),
                "zmin": float(low),
                "zmax": float(max(high, low + 1e-6)),
                "colorscale": blocks.scale(style.SPEED[::-1]),
                "colorbar": blocks.colourbar("τ/gate (s)", float(low), float(high)),
                "hovertemplate": "%{y}: log₁₀ time constant %{z:.2f}<extra></extra>",
                "visible": at == 0,
            }
        )
    return blocks.figure(
        traces,
        height=400,
        xaxis=blocks.axis("time (s)", showgrid=False),
        yaxis=blocks.axis("units, slowest on top", showticklabels=False, ticks="", showgrid=False),
        updatemenus=[blocks.trial_buttons([example.name for example in examples], list(range(len(traces))))],
    )


def slowness(content: Content) -> Card | None:
    """Unit by unit, over all trials: where there is a gate at all."""
    if content.trials is None or np.all(content.time_constants == content.model.config.tau):
        return None
    caption = (
        f"The time constant τ/gate of each unit over {len(content.trials)} trials, in the order of its median (line); "
        "the band holds 90 % of the samples. Without a gate all would lie at τ (dotted), "
        f"{style.number(content.model.config.tau)} s. A wide band is a unit whose gate opens and closes."
    )
    return Card("How slow each unit is", caption, _slowness(content))


def _slowness(content: Content) -> Figure:
    assert content.trials is not None
    low, middle, high = np.quantile(content.time_constants[content.trials.series.valid], (0.05, 0.5, 0.95), axis=0)
    order = np.argsort(middle)
    places = list(range(1, len(order) + 1))
    edge = {"color": style.RUNS[0], "width": 0}
    look = {"mode": "lines+markers", "marker": {"size": 5}} if len(places) < 40 else {}
    names = {"text": [f"unit {unit + 1}" for unit in order], "hovertemplate": "%{text}: %{y:.3g} s<extra></extra>"}
    traces = [
        blocks.line(places, numbers(low[order], 3), line=edge, showlegend=False, hoverinfo="skip"),
        blocks.line(
            places, numbers(high[order], 3), line=edge, fill="tonexty", fillcolor=f"{style.RUNS[0]}38",
            name="90 % of the samples", hoverinfo="skip",
        ),
        blocks.line(
            places, numbers(middle[order], 3), name="median", line={"color": style.RUNS[0], "width": 2}, **look, **names
        ),
        blocks.line(
            [1, len(places)], [content.model.config.tau] * 2, name="τ", line={"color": style.IDEAL, "dash": "dot"},
            hoverinfo="skip",
        ),
    ]  # fmt: skip
    yaxis = blocks.log_axis("τ/gate (s)", [trace["y"] for trace in traces])
    return blocks.figure(traces, height=340, xaxis=blocks.axis("units, the fastest first"), yaxis=yaxis)
