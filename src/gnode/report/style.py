"""Colours and words that the interactive page and the figures for papers share."""

import colorsys
from collections.abc import Sequence

import numpy as np

# Told apart with full colour vision and without red or green cones, and seen on light and on dark: searched for so.
RUNS = ("#2263cc", "#ab4a15", "#1ca860", "#c180a0", "#db8200", "#539cdf")
SPEED = ("#0b1030", "#1b3a73", "#3d7fb8", "#9ccfd8", "#f6f4e3")  # slow to fast
SHARE = ("rgba(47,111,181,.15)", "rgba(47,111,181,.65)")  # little to much, under text on light and on dark
IDEAL = "#8d96a5"

_NAMES = 7  # of classes, on an axis

STABLE, SADDLE, UNSTABLE, MARGINAL, SLOW = "stable", "saddle", "unstable", "marginal", "slow, not fixed"
STABILITY = {  # colour, plotly marker, matplotlib marker
    STABLE: ("#1fa187", "circle", "o"),
    SADDLE: ("#f0a030", "diamond", "D"),
    UNSTABLE: ("#d5405c", "x", "X"),
    MARGINAL: ("#9a9a9a", "square", "s"),
    SLOW: ("#a98bff", "circle-open", "o"),
}


def of_run(number: int) -> str:
    """The colour of a run of several, wherever it is drawn."""
    return RUNS[number % len(RUNS)]


def line_colour(name: str) -> str:
    """Of a line of a trial: "target", "output", or one of several inputs, "input 2"."""
    kind, _, number = name.partition(" ")
    return {"target": "#6b7280", "output": RUNS[0]}.get(kind) or RUNS[int(number) % len(RUNS)]


def class_looks(count: int) -> list[tuple[str, str]]:
    """A colour and a plotly marker for each of so many classes: at most ten hues, then other markers."""
    if count <= len(RUNS):
        return [(colour, "circle") for colour in RUNS[:count]]
    markers = ("circle", "diamond", "square", "triangle-up", "x")
    hues = -(-count // -(-count // 10))  # at most ten
    colours = [_hex(colorsys.hls_to_rgb(at / hues, 0.5 - 0.08 * (at % 2), 0.62)) for at in range(hues)]
    return [(colours[at % hues], markers[at // hues % len(markers)]) for at in range(count)]


def some_of(names: Sequence[str]) -> tuple[list[int], list[str]]:
    """Where an axis of classes has names, and which; of many classes some."""
    places = list(range(len(names)))[:: -(-len(names) // _NAMES)]
    return places, [names[at] for at in places]


def stability_class(name: str) -> str:
    """A stability name of gnode.analysis ("stable focus", "saddle-focus", "center", ...) to its class in the legend."""
    if "marginal" in name or name == "center":
        return MARGINAL
    if name.startswith("saddle"):
        return SADDLE
    return UNSTABLE if name.startswith("unstable") else STABLE


def value_colours(values: np.ndarray) -> list[str]:
    """A colour for each remembered value (V, D_out), alike for values that are alike.

    One channel: blue to red. Two: the hue is the angle, the lightness the distance from the middle. More: the first
    three channels are red, green and blue.
    """
    values = np.asarray(values, float)
    low, high = values.min(axis=0), values.max(axis=0)
    unit = (values - low) / np.where(high > low, high - low, 1.0)
    if values.shape[1] == 1:
        return [_hex(colorsys.hls_to_rgb(0.62 * (1 - share), 0.52, 0.75)) for share in unit[:, 0]]
    if values.shape[1] == 2:
        centred = values - (low + high) / 2
        radius = np.linalg.norm(centred, axis=1)
        reach = radius / max(float(radius.max()), 1e-12)
        angle = np.arctan2(centred[:, 1], centred[:, 0]) / (2 * np.pi) % 1
        return [
            _hex(colorsys.hls_to_rgb(a, 0.78 - 0.22 * r, 0.35 + 0.45 * r)) for a, r in zip(angle, reach, strict=True)
        ]
    return [_hex(tuple(0.15 + 0.75 * row[:3])) for row in unit]


def number(value: float) -> str:
    """Three significant digits, as a person would write them."""
    if value is None or np.isnan(value):
        return "–"
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}·10{str(int(exponent)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def _hex(rgb: tuple[float, ...]) -> str:
    return "#" + "".join(f"{round(255 * min(max(float(part), 0.0), 1.0)):02x}" for part in rgb)
