"""The figures of the pages beside this file, made by gnode's own rules and targets.

`python docs/concepts/figures.py` writes them into figures/, or into the folder that it is given.

Each is a small piece of HTML that wants plotly.js, which the built pages have once. Equal bytes come out each time.
"""

import sys
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from plotly.io import to_html

from gnode.expressivity import draw_targets
from gnode.integrate import RULES

COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#555555"]  # Okabe and Ito: told apart by colour-blind readers
CLOCK = np.linspace(0, 12, 241)  # in units of tau


class Unit:
    """tau dh/dt = gate * (-h + F) of one unit whose gate and slope of F are held: what a rule needs of a field."""

    def __init__(self, gate: float = 1.0, slope: float = 0.0) -> None:
        self._gate, self._slope = gate, slope

    def gate(self, state, inputs, dense=None):
        return np.full_like(state, self._gate)

    def candidate(self, state, inputs, dense=None):
        return self._slope * state + inputs

    def __call__(self, state, inputs, dense=None):
        return self._gate * (self.candidate(state, inputs) - state)


def run(unit: Unit, rule: str, start: float, inputs: np.ndarray, step: float) -> np.ndarray:
    """The states (samples + 1,) of a unit whose input is held over each step of `step` tau."""
    states = [np.array([start])]
    for value in inputs:
        states.append(np.asarray(RULES[rule].advance(unit, states[-1], np.array([value]), step, None)))
    return np.concatenate(states)


def layout(figure: go.Figure, x: str, y: str, **more) -> go.Figure:
    figure.update_layout(
        height=380, margin=dict(l=60, r=20, t=30, b=50), template="simple_white", font_size=13,
        paper_bgcolor="white", legend=dict(orientation="h", y=1.12), xaxis_title=x, yaxis_title=y, **more,
    )  # fmt: skip
    return figure


def with_slider(figures: list[list[go.Scatter]], names: list[str], what: str, shown: int, x: str, y: str) -> go.Figure:
    """The traces of one of several settings, which a slider chooses."""
    figure = go.Figure([trace for traces in figures for trace in traces])
    owner = [setting for setting, traces in enumerate(figures) for _ in traces]
    for at, trace in enumerate(figure.data):
        trace.visible = owner[at] == shown
    steps = [
        dict(method="update", label=name, args=[{"visible": [one == setting for one in owner]}])
        for setting, name in enumerate(names)
    ]
    layout(
        figure, x, y, sliders=[dict(active=shown, steps=steps, currentvalue=dict(prefix=f"{what} "), pad=dict(t=45))]
    )
    figure.update_layout(height=460)
    return figure


def gating() -> go.Figure:
    """A unit that follows a pulse and noise through a gate that is held at some value."""
    noise = 0.4 * np.random.default_rng(0).standard_normal(len(CLOCK) - 1)
    inputs = np.where((CLOCK[1:] > 1) & (CLOCK[1:] < 3), 1.0, 0.0) + noise
    gates = (1.0, 0.3, 0.1, 0.03, 0.0)
    traces = []
    for gate in gates:
        states = run(Unit(gate), "exponential-euler", 0.5, inputs, CLOCK[1])
        traces.append([
            go.Scatter(x=CLOCK[1:], y=inputs.round(3), name="pulled to: F", line=dict(color="#bbbbbb", width=1)),
            go.Scatter(x=CLOCK, y=states.round(4), name="state h", line=dict(color=COLOURS[0], width=3)),
        ])  # fmt: skip
    return with_slider(traces, [f"{gate:g}" for gate in gates], "gate G =", 1, "time / tau", "h")


def map_and_flow() -> go.Figure:
    """One unit, growth -1.5 / tau, as a flow and under Euler's rule with steps of several lengths."""
    unit, steps = Unit(slope=-0.5), (0.25, 0.5, 1.0, 1.33, 1.5)
    traces = []
    for step in steps:
        states = run(unit, "euler", 1.0, np.zeros(int(12 / step)), step)
        traces.append([
            go.Scatter(x=CLOCK, y=np.exp(-1.5 * CLOCK).round(4), name="flow", line=dict(color=COLOURS[4], dash="dot")),
            go.Scatter(x=(step * np.arange(len(states))).round(3), y=states.round(4), mode="lines+markers",
                       name=f"map: factor {1 - 1.5 * step:.3g} a step", line=dict(color=COLOURS[1])),
        ])  # fmt: skip
    return with_slider(
        traces, [f"{step:g}" for step in steps], "dt / tau =", 2, "time / tau", "distance from the fixed point"
    )


def elapsed() -> go.Figure:
    """Where one step over a gap takes a unit that is pulled from 0 to 1."""
    gaps = np.linspace(0, 4, 81)
    figure = go.Figure(
        go.Scatter(x=gaps, y=(-np.expm1(-gaps)).round(4), name="exact", line=dict(color="#bbbbbb", width=8))
    )
    for rule, colour in zip(("euler", "exponential-euler", "rk4"), COLOURS, strict=False):
        ends = [float(run(Unit(), rule, 0.0, np.ones(1), gap)[-1]) for gap in gaps]
        figure.add_scatter(x=gaps, y=np.round(ends, 4), name=rule, line=dict(color=colour))
    return layout(figure, "gap between two samples / tau", "state after one step", yaxis_range=[-0.5, 3])


def drift() -> go.Figure:
    """Remembered angles on a ring that is not quite one: d angle / dt = -rate sin(8 angle) / 8 leaves eight points."""
    silence = np.concatenate([[0], np.logspace(0, 5, 61)])
    figure = go.Figure()
    for start in np.linspace(0, 2 * np.pi, 48, endpoint=False) + 0.01:
        turn = np.round(start / (np.pi / 4)) * (np.pi / 4)  # the point that it ends at
        angle = turn + np.arctan(np.tan(4 * (start - turn)) * np.exp(-1e-3 * silence)) / 4
        figure.add_scatter(x=np.maximum(silence, 0.8).round(3), y=angle.round(4), showlegend=False, mode="lines",
                           line=dict(color=COLOURS[round(turn / (np.pi / 4)) % len(COLOURS)], width=1.2))  # fmt: skip
    return layout(figure, "silent bins since the angle was written", "remembered angle (rad)", xaxis_type="log")


def complexity() -> go.Figure:
    """Targets of the measure of expressivity: one path at four settings of its dial."""
    dial = (2, 4, 8, 16)
    paths = draw_targets("gaussian-process", dial, count=1, samples=200, seed=0)[:, 0].astype(float).round(3)
    traces = [[go.Scatter(x=path[:, 0], y=path[:, 1], showlegend=False, line=dict(color=COLOURS[0]))] for path in paths]
    return with_slider(
        traces, [str(one) for one in dial], "correlation lengths", 1, "first coordinate", "second coordinate"
    )


FIGURES = {figure.__name__.replace("_", "-"): figure for figure in (gating, map_and_flow, elapsed, drift, complexity)}


def html(name: str) -> str:
    """A figure as a piece of a page; equal bytes each time, and numbers as text."""
    made = FIGURES[name]()
    figure = made.to_plotly_json()
    for trace, drawn in zip(figure["data"], made.data, strict=True):
        trace |= {"x": np.asarray(drawn.x).tolist(), "y": np.asarray(drawn.y).tolist()}
    shown = to_html(
        figure, full_html=False, include_plotlyjs=False, div_id=name, config={"responsive": True}, validate=False
    )
    return shown + "\n"


if __name__ == "__main__":
    folder = Path(*sys.argv[1:2] or [Path(__file__).parent / "figures"])
    for name in FIGURES:
        (folder / f"{name}.html").write_text(html(name))
