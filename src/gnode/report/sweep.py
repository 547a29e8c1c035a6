"""The page of a sweep: what came out over seeds, how sure that is, how it was learned, and every run."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from gnode.files import path_of, write_atomically
from gnode.report import style
from gnode.report.blocks import log_axis, numbers
from gnode.report.examined import examined_sections
from gnode.report.groups import figure, grouped, titled
from gnode.report.html import Card, Section, html_page, table
from gnode.report.page import report
from gnode.sweeps import results
from gnode.sweeps.tables import EXAMINED
from gnode.workers import run_jobs


@dataclass(frozen=True)
class Score:
    """What runs are judged by.

    Attributes:
        column: of the table of runs; runs without it are left out.
        title: what it is called.
        ascending: the least is the best.
        words: a value as text.
        beside_head, beside: how a value compares with the best one, as a column and as text.
        hover: its format in the picture.
        axis: the picture's axis for these heights.
    """

    column: str
    title: str
    ascending: bool
    words: Callable[[float], str]
    beside_head: str
    beside: Callable[[float, float], str]
    hover: str
    axis: Callable[[list[list[float | None]]], dict[str, Any]]


SCORES = (
    Score(
        "test_loss", "Test loss", True, style.number,
        "times the best", lambda value, best: style.number(value / best),
        ".3e", lambda heights: log_axis("test loss", heights),
    ),
    Score(
        "test_accuracy", "Test accuracy", False, "{:.1%}".format,
        "points below the best", lambda value, best: f"{100 * (best - value):.1f}",
        ".1%", lambda heights: {"title": {"text": "test accuracy"}, "tickformat": ".0%"},
    ),
)  # fmt: skip


def sweep_report(directory: str | Path) -> Path:
    """Make report.html in a sweep's directory from its tables. Returns its path.

    Raises:
        InvalidInput: the directory holds no tables of a sweep.
    """
    path = path_of(directory)
    runs, epochs = results.load(path), results.load_epochs(path)
    chosen = results.selected(runs)
    compare, select = runs.attrs["compare"], runs.attrs["select"]
    by = compare if compare in runs else "state"  # a sweep without axes has one row
    sections = [
        Section(
            "results",
            "What came out",
            _how_selected(select),
            [
                card
                for name, part in results.panels(chosen).items()
                for score in SCORES
                for card in _outcome(name, part, by, score)
            ],
        ),
        Section(
            "learning",
            "How it was learned",
            "Validation loss of the selected runs: the line is the median over seeds, the band reaches from the least "
            "to the greatest.",
            [
                Card(titled("Validation loss against epoch", name), "", _curves(part, epochs, by))
                for name, part in results.panels(chosen).items()
                if len(part)
            ],
        ),
        Section(
            "sensitivity",
            "What the choice of hyper-parameters does",
            "The median over seeds of the lowest validation loss, with the other hyper-parameters at their best. A "
            "flat curve: the choice does not matter.",
            [
                Card(titled(f"Sensitivity to {axis}", name), "", _sensitivity(part, axis, by))
                for name, part in results.panels(runs[runs["state"] == "done"]).items()
                for axis in select
                if len(part)
            ],
        ),
        Section(
            "trainability",
            "What trains",
            f"The share of seeds whose validation loss falls below {style.number(runs.attrs.get('reach', 0.0))}.",
            [
                Card(
                    titled(f"Share of seeds that learn: {first} and {second}", str(value)),
                    "",
                    _shares(group, first, second),
                )
                for first, second in _pairs_of_numbers(runs)
                for _, (value, group) in grouped(runs, by)
            ],
        ),
        Section("runs", "Every run", "", [Card("Runs", _run_caption(runs), _runs(path, runs), wide=True)]),
    ]
    if (path / EXAMINED).is_file():
        sections[1:1] = examined_sections(runs, results.load_examinations(path))
    page = html_page(
        path.resolve().name, _top(path, runs), sections, origin="the tables of the sweep's directory alone"
    )
    write_atomically(path / "report.html", page.encode())
    return path / "report.html"


def run_reports(directory: str | Path) -> None:
    """Make the report of every selected run that has none, on all cores.

    Raises:
        GnodeError: the first that could not be made, once all others are.
    """
    folders = [path_of(directory) / "runs" / run for run in results.selected(results.load(directory))["run"]]
    missing = [[folder] for folder in folders if not (folder / "report.html").is_file()]
    errors = [outcome for _, outcome in run_jobs(report, missing) if isinstance(outcome, Exception)]
    if errors:
        raise errors[0]


def _top(path: Path, runs: pd.DataFrame) -> str:
    counts = runs["state"].value_counts()
    states = ", ".join(f"{count} {state}" for state, count in counts.items())
    hours = runs["seconds"].sum() / 3600
    axes = ", ".join(f"{axis} ({runs[axis].nunique()})" for axis in (*runs.attrs["axes"], "seed"))
    return (
        f"<h1>{escape(path.resolve().name)}</h1><p class='lead'>{len(runs)} runs: {states}; {style.number(hours)} "
        f"hours of training in all. Axes: {escape(axes)}.</p>"
    )


def _how_selected(select: Sequence[str]) -> str:
    how = (
        f"For each seed the best of {', '.join(map(escape, select))} by validation loss; then the loss on test trials "
        "that neither training nor selection saw. "
        if select
        else "The loss on test trials that training did not see. "
    )
    return (
        how
        + "Intervals are of the median over seeds (percentile bootstrap, 95 %). The tests are two-sided Mann-Whitney U "
        "tests over seeds, not corrected for their number."
    )


def _outcome(name: str, part: pd.DataFrame, by: str, score: Score) -> list[Card]:
    if score.column not in part or part[score.column].isna().all():
        return []
    known = part[part[score.column].notna()]
    summary = results.summary(known, [by], score.column).sort_values("median", ascending=score.ascending)
    best = summary["median"].iloc[0]
    rows = [
        [
            escape(str(row[by])),
            str(row["seeds"]),
            f"<b>{score.words(row['median'])}</b>",
            f"{score.words(row['low'])} to {score.words(row['high'])}",
            score.words(row["mean"]),
            f"{score.words(row['least'])} to {score.words(row['greatest'])}",
            score.beside(row["median"], best),
        ]
        for row in summary.to_dict("records")
    ]
    head = [by, "seeds", "median", "95 % interval", "mean", "least to greatest", score.beside_head]
    dots = _dots(known, by, score)
    cards = [
        Card(titled(score.title, name), "", table(head, rows), wide=True),
        Card(titled(f"{score.title}, seed by seed", name), "Each dot is a seed; the bar is the median.", dots),
    ]
    tests = results.rank_tests(known, by, score.column)
    if len(tests) and known.groupby(by)["seed"].nunique().min() > 1:
        lines = [
            [escape(str(row["first"])), escape(str(row["second"])), style.number(row["ratio"]), style.number(row["p"])]
            for row in tests.to_dict("records")
        ]
        title = titled(f"Rank tests of the {score.title.lower()}", name)
        cards.append(Card(title, "", table(["first", "second", "ratio of medians", "p"], lines)))
    return cards


def _dots(part: pd.DataFrame, by: str, score: Score) -> dict[str, Any]:
    traces = []
    for colour, (value, group) in grouped(part, by):
        hover = "%{y:" + score.hover + "}, seed %{customdata}<extra>" + escape(str(value)) + "</extra>"
        dots = {"x": [str(value)] * len(group), "y": numbers(group[score.column]), "customdata": numbers(group["seed"])}
        traces.append(
            {"type": "scatter", "mode": "markers", "marker": {"color": colour, "size": 9, "opacity": 0.75}, **dots}
        )
        traces[-1] |= {"showlegend": False, "hovertemplate": hover}
        bar = {"x": [str(value)], "y": [float(group[score.column].median())], "mode": "markers", "showlegend": False}
        symbol = {"symbol": "line-ew", "size": 30, "line": {"color": colour, "width": 3}}
        traces.append({"type": "scatter", "marker": symbol, "hoverinfo": "skip", **bar})
    return figure(traces, xaxis={"type": "category"}, yaxis=score.axis(_heights(traces)))


def _curves(part: pd.DataFrame, epochs: pd.DataFrame, by: str) -> dict[str, Any]:
    traces = []
    for colour, (value, group) in grouped(part, by):
        per_epoch = epochs[epochs["run"].isin(group["run"])].groupby("epoch")["val_loss"]
        middle, low, high = per_epoch.median(), per_epoch.min(), per_epoch.max()
        at = numbers(middle.index.to_numpy())
        around = {"x": [*at, *reversed(at)], "y": [*numbers(high), *reversed(numbers(low))], "fill": "toself"}
        hidden = {"line": {"width": 0}, "hoverinfo": "skip", "showlegend": False, "legendgroup": str(value)}
        traces.append({"type": "scatter", "mode": "lines", "fillcolor": f"{colour}26", **around, **hidden})
        line = {"x": at, "y": numbers(middle), "line": {"color": colour, "width": 2}, "name": str(value)}
        traces.append({"type": "scatter", "mode": "lines", "legendgroup": str(value), **line})
    return figure(traces, xaxis={"title": {"text": "epoch"}}, yaxis=log_axis("validation loss", _heights(traces)))


def _sensitivity(part: pd.DataFrame, axis: str, by: str) -> dict[str, Any]:
    traces = []
    for colour, (value, group) in grouped(part, by):
        best = group.groupby([axis, "seed"])["val_loss"].min().groupby(axis).median()
        line = {"x": [str(at) for at in best.index], "y": numbers(best), "name": str(value)}
        traces.append({"type": "scatter", "mode": "lines+markers", "line": {"color": colour, "width": 2}, **line})
    xaxis = {"type": "category", "title": {"text": axis}}
    return figure(traces, xaxis=xaxis, yaxis=log_axis("validation loss", _heights(traces)))


def _pairs_of_numbers(runs: pd.DataFrame) -> list[tuple[str, str]]:
    """Pairs of the axes that a loss to be reached is looked at over: those of more than one value, but the compared."""
    if "reach" not in runs.attrs:
        return []
    axes = [axis for axis in runs.attrs["axes"] if axis != runs.attrs["compare"] and runs[axis].nunique() > 1]
    return list(itertools.combinations(axes, 2))


def _shares(group: pd.DataFrame, first: str, second: str) -> dict[str, Any]:
    """A map of two axes; over any others the mean."""
    shares = results.learned(group, [first, second], group.attrs["reach"])
    table = shares.pivot(index=second, columns=first, values="share")
    heat = {
        "x": [str(at) for at in table.columns],
        "y": [str(at) for at in table.index],
        "z": numbers(table.to_numpy()),
    }
    look = {"zmin": 0, "zmax": 1, "colorscale": "Viridis", "colorbar": {"tickformat": ".0%", "thickness": 10}}
    hover = f"{escape(first)} %{{x}}, {escape(second)} %{{y}}: %{{z:.0%}}<extra></extra>"
    axes = {
        "xaxis": {"type": "category", "title": {"text": first}},
        "yaxis": {"type": "category", "title": {"text": second}},
    }
    return figure([{"type": "heatmap", "hovertemplate": hover, **heat, **look}], **axes)


def _heights(traces: list[dict[str, Any]]) -> list[list[float | None]]:
    return [trace["y"] for trace in traces]


def _run_caption(runs: pd.DataFrame) -> str:
    return (
        "A run is a folder of its own in <code>runs/</code>; its link leads to its report where one was made "
        "(<code>gnode report</code> makes it)."
    )


def _runs(path: Path, runs: pd.DataFrame) -> str:
    axes = [*runs.attrs["axes"], "seed"]
    shown = [score for score in SCORES if score.column in runs]
    rows = []
    for row in runs.to_dict("records"):
        own = f"runs/{row['run']}/report.html"
        name = f'<a href="{own}">{row["run"]}</a>' if (path / own).is_file() else f"<code>{row['run']}</code>"
        state = escape(f"{row['state']}: {row['why']}" if row["why"] else row["state"])
        scores = [style.number(_number(row["val_loss"]))]
        scores += [score.words(_number(row[score.column])) for score in shown]
        rows.append([name, *(escape(str(row[axis])) for axis in axes), *scores, style.number(row["seconds"]), state])
    heads = ["validation loss", *(score.title.lower() for score in shown)]
    return table(["run", *axes, *heads, "seconds", "state"], rows)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
