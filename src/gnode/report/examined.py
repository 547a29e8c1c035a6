"""Of a sweep whose runs were examined while they trained: models at equal loss, and what was measured on the way."""

import itertools
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from gnode.report import style
from gnode.report.blocks import log_axis, numbers
from gnode.report.groups import figure, grouped, titled
from gnode.report.html import Card, Section, table
from gnode.sweeps.levels import Comparison, at_equal_loss, decided, primary_of
from gnode.sweeps.results import panels, selected

_COURSES = {"gate": "gate where values are held", "gradient": "gradient's norm, as a share of that at the last sample"}
HEAD = [
    "part",
    "what",
    "first",
    "other",
    "at loss",
    "pairs",
    "never there",
    "fell through",
    "ratio",
    "95 % interval",
    "p",
]


def examined_sections(runs: pd.DataFrame, examinations: pd.DataFrame) -> list[Section]:
    """The sections of a sweep's page on what was measured along training."""
    parts = panels(selected(runs))
    measure = measure_of(runs, examinations)
    sections = []
    if measure is not None and runs.attrs["compare"] in runs:
        lead = (
            "At its end a better model also keeps more, so models are compared where their losses were equal, seed by "
            "seed. Losses are those of trials that neither train nor select; a loss is crossed where the running "
            "median of three snapshots is below it, and what was measured is interpolated there in the logarithm of "
            "the loss. p is by flipping signs of the logarithms of ratios; ratios are geometric means."
        )
        cards = [*_decided(runs, examinations), *_secondary(parts, runs, examinations)]
        cards += [
            Card(
                titled(f"{words(measure).capitalize()} against loss", name),
                "A line is a run as it trains, from right to left; the chosen ones alone.",
                _against_loss(part, examinations, measure),
            )
            for name, part in parts.items()
        ]
        sections.append(Section("equal-loss", "At equal loss", lead, cards))
    lead = "Medians over the seeds of the chosen runs."
    courses = [
        Card(titled(words(column).capitalize(), name), "", _course(part, examinations, column))
        for column in examinations
        if column == "gate" or str(column).startswith("gradient_")
        for name, part in parts.items()
        if examinations[column].notna().any() and len(part)
    ]
    return [*sections, Section("along-training", "Along training", lead, courses)]


def measure_of(runs: pd.DataFrame, examinations: pd.DataFrame) -> str | None:
    """What models are compared by at equal loss: what is to be decided, or values after the longest silence."""
    if primary := primary_of(runs):
        return primary.measure
    kept = [column for column in examinations if str(column).startswith("values_")]
    return kept[-1] if kept else None


def words(column: str) -> str:
    """A column of the examinations as a person says it."""
    name, _, number = str(column).rpartition("_")
    if name == "values":
        return f"values kept after {number} silent bins"
    if name == "error":
        return f"error after {number} silent bins"
    if name == "gradient":
        return f"gradient {number} samples back"
    return _COURSES.get(str(column), str(column).replace("_", " "))


def comparison_row(found: Comparison) -> list[str]:
    """A comparison as cells under HEAD."""
    pairs = found.pairs
    never, fell = (
        f"{int(pairs[f'{key}_first'].eq(answer).sum())}, {int(pairs[f'{key}_other'].eq(answer).sum())}"
        for key, answer in (("reached", False), ("fell", True))
    )
    loss = "the lowest of both" if found.loss is None else style.number(found.loss)
    ends = [style.number(end) for end in (found.low, found.high) if np.isfinite(end)]
    interval = " to ".join(ends) or "–"
    return [
        found.part or "all", words(found.measure), found.first, found.other, loss, f"{found.seeds} of {len(pairs)}",
        never, fell, style.number(found.ratio), interval, style.number(found.p),
    ]  # fmt: skip


def secondary(
    parts: dict[str, pd.DataFrame], runs: pd.DataFrame, examinations: pd.DataFrame
) -> list[tuple[Comparison, float]]:
    """Every pair of values of the compared axis by what is kept and by its error after each silence: at the lowest loss
    that both reach, at those that dear measures were made at, and at that of what is to be decided; each with its p
    under a false discovery rate (Benjamini and Hochberg 1995)."""
    kept = [str(column) for column in examinations if str(column).startswith(("values_", "error_"))]
    trained = examinations[examinations["epoch"] > 0]
    measures = [column for column in kept if trained[column].notna().mean() > 0.5]  # the dear ones are on few snapshots
    primary = primary_of(runs)
    decisive = {} if primary is None else primary.at_losses
    found = []
    for name, part in parts.items():
        values = list(dict.fromkeys(part[runs.attrs["compare"]].astype(str)))
        losses = dict.fromkeys(
            [None, *runs.attrs.get("at_losses", []), *([decisive[name]] if name in decisive else [])]
        )
        for measure, loss, (first, other) in itertools.product(measures, losses, itertools.combinations(values, 2)):
            found.append(at_equal_loss(part, examinations, measure, first, other, loss, name))
    found = [one for one in found if np.isfinite(one.p)]
    if not found:
        return []
    corrected = stats.false_discovery_control([one.p for one in found])
    return list(zip(found, corrected.tolist(), strict=True))


def _decided(runs: pd.DataFrame, examinations: pd.DataFrame) -> list[Card]:
    primary = primary_of(runs)
    if primary is None:
        return []
    rows = [
        [*map(escape, comparison_row(found)), style.number(p), f"<b>{said}</b>"]
        for found, p, said in decided(runs, examinations, primary)
    ]
    caption = (
        f"Written in the experiment file before the first run: {escape(words(primary.measure))}, "
        f"{escape(primary.first)} against {escape(', '.join(primary.against))}. Decided where p, corrected by Holm's "
        "method for this table, is below 0.05 and the interval excludes 1. Of those never there, and of those that "
        "fell through the loss by more than a factor of ten from one snapshot to the next, the numbers of both are "
        "given; they are left out."
    )
    return [Card("What was to be decided", caption, table([*HEAD, "p (Holm)", "verdict"], rows), wide=True)]


def _secondary(parts: dict[str, pd.DataFrame], runs: pd.DataFrame, examinations: pd.DataFrame) -> list[Card]:
    rows = [[*map(escape, comparison_row(found)), style.number(p)] for found, p in secondary(parts, runs, examinations)]
    caption = (
        "Secondary: what these suggest is to be tried again. At the lowest loss of both, each pair of runs is compared "
        "at the lowest loss that both of it reach. The last column is p under a false discovery rate."
    )
    return [Card("Every pair", caption, table([*HEAD, "p (FDR)"], rows), wide=True)] if rows else []


def _against_loss(part: pd.DataFrame, examinations: pd.DataFrame, measure: str) -> dict[str, Any]:
    traces: list[dict[str, Any]] = []
    trained = examinations[examinations["epoch"] > 0]  # before, what is kept says nothing
    for colour, (value, group) in grouped(part, part.attrs["compare"]):
        for at, row in enumerate(group.to_dict("records")):
            course = trained[trained["run"] == row["run"]].sort_values("epoch")
            line = {"x": numbers(course["matching_loss"]), "y": numbers(course[measure])}
            hover = (
                f"{escape(str(value))}, seed {row['seed']}, run {escape(row['run'])}<br>epoch %{{customdata}}: "
                "loss %{x:.3g}, %{y:.4g}<extra></extra>"
            )
            look = {"line": {"color": colour, "width": 1}, "marker": {"size": 3}, "opacity": 0.7}
            more = {"customdata": numbers(course["epoch"]), "hovertemplate": hover, "name": str(value)}
            traces.append({"type": "scatter", "mode": "lines+markers", **line, **look, **more})
            traces[-1] |= {"legendgroup": str(value), "showlegend": at == 0}
    losses, kept = ([trace[axis] for trace in traces] for axis in "xy")
    return figure(traces, xaxis=log_axis("loss", losses), yaxis=log_axis(words(measure), kept))


def _course(part: pd.DataFrame, examinations: pd.DataFrame, column: str) -> dict[str, Any]:
    traces = []
    for colour, (value, group) in grouped(part, part.attrs["compare"]):
        rows = examinations[examinations["run"].isin(group["run"])]
        middle = rows.groupby("epoch")[column].median()
        line = {"x": numbers(middle.index.to_numpy()), "y": numbers(middle), "name": str(value)}
        traces.append({"type": "scatter", "mode": "lines", "line": {"color": colour, "width": 2}, **line})
    heights = [trace["y"] for trace in traces]
    return figure(traces, xaxis={"title": {"text": "epoch"}}, yaxis=log_axis(words(column), heights))
