"""The page of a reconstruction: recording and networks side by side, forecasts, and the table of what holds."""

from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from gnode.files import path_of, write_atomically
from gnode.reconstruction import Reconstruction, load_reconstruction
from gnode.reconstruction.words import bears_out
from gnode.report import style
from gnode.report.blocks import Figure, axis, figure, line, log_axis, numbers, scatter, scene, trial_buttons
from gnode.report.html import Card, Section, html_page, table

REPORT = "report.html"
_FAR, _LISTED = 5.0, 12  # standard deviations from data, beyond which points are not drawn; and how many are listed
_POINTS, _TRIALS, _AHEAD = 2500, 6, 600  # of a course, of forecasts, and samples of one, that are drawn


def reconstruction_report(directory: str | Path, out: str | Path | None = None, *, title: str | None = None) -> Path:
    """Write the page of a directory that gnode.reconstruct wrote, by default as its report.html.

    Raises:
        InvalidInput: it holds no reconstruction, or a damaged one.
    """
    found = load_reconstruction(directory)
    page = path_of(directory) / REPORT if out is None else path_of(out)
    title = title or f"Dynamics of {path_of(directory).resolve().name}"
    write_atomically(page, _html(found, title).encode())
    return page


def _html(found: Reconstruction, title: str) -> str:
    summary = found.summary
    sections = [
        Section(
            "forecasts",
            "How far it foretells",
            "From held-out states the networks run on freely. The line is the median of the ensemble; the band holds "
            "its middle 80 %.",
            [
                Card("Forecasts of what was held out", _forecast_caption(summary), _forecasts(found), wide=True),
                Card("How long forecasts hold", "A dot is a start.", _valid(found)),
                Card("Beside simpler forecasts", "Median over starts.", _beside(summary)),
            ],
        ),
        Section(
            "dynamics",
            "Recording and networks",
            "In colour the free course of each network, in grey the recording.",
            [
                Card("Where it goes", _portrait_caption(summary), _portrait(found), wide=True),
                Card("In which rhythms", "Power spectra of the first channel.", _spectra(found)),
                Card("Distances from the recording", _distances_caption(), _distances(summary)),
            ],
        ),
        Section(
            "holds",
            "What holds",
            _holds_lead(summary),
            [
                Card("Lyapunov exponents", _exponents_caption(summary), _exponents(summary), wide=True),
                Card("Fixed points", _points_caption(), _points(summary), wide=True),
                Card("Attractors", _attractors_caption(summary), _attractors(summary)),
                *_delays(summary),
                *_factors(summary),
                Card("What was recorded, and how it was fitted", "", _facts(summary)),
            ],
        ),
    ]
    words = "".join(f"<li>{escape(sentence)}</li>" for sentence in summary["verdict"])
    top = f"<h1>{escape(title)}</h1><ul class='lead'>{words}</ul>"
    return html_page(title, top, sections, origin="the files of the reconstruction alone")


# -- figures --


def _forecasts(found: Reconstruction) -> Figure:
    arrays, step = found.arrays, found.summary["recording"]["step"]
    names = found.summary["recording"]["channels"]
    starts = np.unique(np.linspace(0, len(arrays["truth"]) - 1, _TRIALS).astype(int))
    longest = max(found.summary["forecast"]["valid_high"], found.summary["recording"]["turn"] * 3)
    ahead = int(min(arrays["truth"].shape[1], max(10, 2.0 * longest / step), _AHEAD * 10))
    stride = max(1, ahead // _AHEAD)
    time = numbers(step * np.arange(1, ahead + 1)[::stride])
    traces, of = [], []
    for number, start in enumerate(starts):
        for at, name in enumerate(names[:3]):
            colour = style.RUNS[at % len(style.RUNS)]
            pick = (start, slice(0, ahead, stride), at)
            low, high = numbers(arrays["low"][pick]), numbers(arrays["high"][pick])
            shown: dict[str, Any] = {"visible": number == 0, "legendgroup": name}
            hidden = shown | {"showlegend": False, "hoverinfo": "skip"}
            band = {"color": colour, "width": 0}
            made = [
                line(time, low, line=band, **hidden),
                line(time, high, line=band, fill="tonexty", fillcolor=f"{colour}33", **hidden),
                line(
                    time, numbers(arrays["truth"][pick]), name=f"{name}, recorded", line={"color": style.IDEAL}, **shown
                ),
                line(time, numbers(arrays["median"][pick]), name=f"{name}, foretold", line={"color": colour}, **shown),
            ]
            traces += made
            of += [number] * len(made)
    menus = [trial_buttons([f"start {number + 1}" for number in range(len(starts))], of)]
    return figure(traces, 420, xaxis=axis("time ahead (s)"), yaxis=axis("recorded units"), updatemenus=menus)


def _valid(found: Reconstruction) -> Figure:
    times = np.sort(found.arrays["valid"])
    share = (np.arange(len(times)) + 0.5) / len(times)
    dots = {"size": 8, "color": style.RUNS[0]}
    trace = scatter(np.column_stack([times, share]), "ensemble", dots, legend=False)
    trace["hovertemplate"] = "%{x:.3g} s<extra></extra>"
    return figure([trace], xaxis=axis("seconds until it is off", rangemode="tozero"), yaxis=axis("share of starts"))


def _portrait(found: Reconstruction) -> Figure:
    summary, arrays = found.summary, found.arrays
    recorded = arrays["recorded"][:_POINTS]
    axes = _axes(summary)
    shown = list(range(min(3, len(axes))))
    traces = [scatter(recorded[:, shown], "recording", None, line={"color": style.IDEAL, "width": 2})]
    for number in range(1, len(summary["members"]) + 1):
        run = arrays.get(f"run.{number}")
        if run is not None:
            look = {"color": style.RUNS[(number - 1) % len(style.RUNS)], "width": 2}
            visible: Any = True if number == 1 else "legendonly"
            traces.append(scatter(run[:_POINTS][:, shown], f"network {number}", None, line=look, visible=visible))
    alike: dict[tuple[str, float], list[list[float]]] = {}
    for point in summary["fixed_points"]:
        if point["distance"] <= _FAR:
            alike.setdefault((point["stability"], point["share"]), []).append(point["place"])
    for (stability, share), places in alike.items():
        colour, marker, _ = style.STABILITY[style.stability_class(stability)]
        dots = {"size": 7, "color": colour, "symbol": marker, "opacity": max(0.3, share)}
        traces.append(scatter(np.array(places)[:, shown], f"{stability}, in {share:.0%}", dots))
    if len(shown) == 3:
        return figure(traces, 520, scene=scene(axes[:3]))
    second = axes[1] if len(axes) > 1 else ""
    return figure(traces, 420, xaxis=axis(axes[0]), yaxis=axis(second))


def _axes(summary: dict[str, Any]) -> list[str]:
    """What the numbers of a state are called."""
    names, state = summary["recording"]["channels"], summary["state"]
    said = list(names)
    for at in range(1, state["delays"]):
        said += [f"{name}, {at * state['lag']:.3g} s ago" for name in names]
    return said


def _spectra(found: Reconstruction) -> Figure:
    arrays = found.arrays
    curves = [
        line(numbers(arrays["frequencies"]), numbers(arrays["power"]), name="recording", line={"color": style.IDEAL})
    ]
    for number in range(1, len(found.summary["members"]) + 1):
        power = arrays.get(f"power.{number}")
        if power is not None and len(power) == len(arrays["frequencies"]):
            look = {"color": style.RUNS[(number - 1) % len(style.RUNS)], "width": 1}
            curves.append(line(numbers(arrays["frequencies"]), numbers(power), name=f"network {number}", line=look))
    heights = [curve["y"] for curve in curves]
    return figure(curves, xaxis=axis("frequency (1/s)"), yaxis=log_axis("power", heights))


def _delays(summary: dict[str, Any]) -> list[Card]:
    caption = (
        "Error of foretelling a state, one lag ahead, from its nearest neighbours elsewhere in the recording, in "
        "standard deviations. The fewest delays within a fifth of the least error are taken."
    )
    errors = summary["state"]["errors_of_delays"]
    return _chosen_by("How many delays a state needs", caption, errors, "delays", "error")


def _factors(summary: dict[str, Any]) -> list[Card]:
    caption = (
        "How much better held-out counts are foretold from the factors of the bins beside them than from mean rates. "
        "The fewest with nine tenths of the most are taken."
    )
    gains = summary.get("counts", {}).get("gains_of_factors", {})
    return _chosen_by("How many factors units share", caption, gains, "factors", "bits a spike")


def _chosen_by(title: str, caption: str, curve: dict[str, float | None], across: str, up: str) -> list[Card]:
    """The curve by which a number was chosen; nothing where there was no choice."""
    if len(curve) < 2:
        return []
    points = np.array([[int(number), height] for number, height in curve.items() if height is not None])
    look = {"color": style.RUNS[0]}
    trace = line(numbers(points[:, 0]), numbers(points[:, 1]), mode="lines+markers", line=look, showlegend=False)
    height = axis(up, rangemode="tozero")
    return [Card(title, caption, figure([trace], xaxis=axis(across, dtick=1), yaxis=height))]


# -- tables --


def _beside(summary: dict[str, Any]) -> str:
    of = summary["forecast"]
    rows = [
        ["ensemble", f"{of['valid_median']:.3g} s"],
        *([f"network {at + 1}", f"{valid:.3g} s"] for at, valid in enumerate(of["valid_of_each"])),
        ["linear model", f"{of['valid_linear']:.3g} s"],
    ]
    return table(["forecast by", "holds for"], rows)


def _exponents(summary: dict[str, Any]) -> str:
    if not summary["exponents"]:
        return "<p>None: no network stays where the recording is.</p>"
    rows = [
        [
            str(number),
            style.number(one["value"]),
            f"{style.number(one['low'])} to {style.number(one['high'])}",
            f"{one['above']:.0%}",
            f"{one['below']:.0%}",
        ]
        for number, one in enumerate(summary["exponents"], start=1)
    ]
    return table(["", "exponent (1/s)", "95 % interval", "above 0 in", "below 0 in"], rows)


def _points(summary: dict[str, Any]) -> str:
    rows = []
    for point in summary["fixed_points"][:_LISTED]:
        place = ", ".join(style.number(value) for value in point["place"])
        near = "yes" if point["near"] else f"no: {point['distance']:.2g} deviations away"
        rows.append(
            [
                escape(point["stability"]),
                f"{point['share']:.0%}",
                near,
                f'<div style="min-width:12rem">{place}</div>',
                "yes"
                if point["share"] >= 0.75 and point["near"]
                else "by extrapolation"
                if point["share"] >= 0.75
                else "no",
            ]
        )
    more = len(summary["fixed_points"]) - _LISTED
    rest = f"<p>And {more} more, which fewer networks have or which lie farther from data.</p>" if more > 0 else ""
    if not rows:
        return "<p>None was found.</p>"
    return table(["kind", "in networks", "did data come near?", "where", "can be trusted"], rows) + rest


def _attractors(summary: dict[str, Any]) -> str:
    soon = summary.get("soon")
    looks = [("in the long run", summary["attractors"])]
    if soon is not None:
        looks.insert(0, (f"after {soon['seconds']:.3g} s", soon["attractors"]))
    rows = [[when, escape(name), f"{share:.0%}"] for when, names in looks for name, share in names.items()]
    if not rows:
        return "<p>None: no network stays where the recording is.</p>"
    return table(["when", "name", "in networks"], rows)


def _distances(summary: dict[str, Any]) -> str:
    rows = [
        [
            "two halves of the recording",
            style.number(summary["places_of_halves"]),
            style.number(summary["rhythms_of_halves"]),
            f"within {style.number(summary['limit_of_places'])}",
        ]
    ]
    for at, (place, rhythm) in enumerate(zip(summary["places"], summary["rhythms"], strict=True)):
        runs = f"{summary['runs_that_stay'][at]:.0%}{'' if summary['stays'][at] else ': left out'}"
        far = "leaves it" if place is None else style.number(place)
        rows.append([f"network {at + 1}", far, style.number(rhythm), runs])
    return table(["", "places", "rhythms", "runs that stay"], rows)


def _facts(summary: dict[str, Any]) -> str:
    recording, state, plan = summary["recording"], summary["state"], summary["plan"]
    counts = summary.get("counts")
    bits = [] if counts is None else [style.number(gain) for gain in counts["bits_per_spike"]]
    rows = [
        *([["counts", f"{counts['spikes']} of {counts['units']} units"]] if counts else []),
        *([["bits a spike, held out", ", ".join(bits)]] if counts else []),
        ["samples", f"{recording['samples']}, {style.number(recording['step'])} s apart"],
        ["noise", f"at most {recording['noise']:.2%} of the standard deviation"],
        ["pace", f"a standard deviation in {style.number(recording['turn'])} s"],
        ["state", f"{state['numbers']} numbers seen, {state['units']} units"],
        ["networks", f"{len(summary['members'])} {escape(plan['model'])}, hidden {plan['hidden']}"],
        ["pieces", f"{plan['piece']} samples" + (", with starts that were fitted too" if plan["free_starts"] else "")],
        ["error on held-out pieces", ", ".join(style.number(loss) for loss in summary["losses"])],
    ]
    return table(["", ""], rows, plain=True)


# -- words --


def _forecast_caption(summary: dict[str, Any]) -> str:
    of = summary["forecast"]
    return (
        f"A forecast holds until its error exceeds {of['tolerance']:g} standard deviations. Skill over a linear model "
        f"in the first turns: {of['skill']:.3f} (sign test over starts: p = {of['p']:.2g}; starts of one recording are "
        "not independent)."
    )


def _portrait_caption(summary: dict[str, Any]) -> str:
    seen = "the latest samples of each channel" if summary["state"]["delays"] > 1 else "what was recorded"
    return f"Coordinates are {seen}. Fixed points are the paler, the fewer networks have them."


def _distances_caption() -> str:
    return (
        "Places: sliced Wasserstein distance of where it goes, in standard deviations. Rhythms: Hellinger distance of "
        "power spectra, 0 to 1. The first row says what sampling alone does. A run stays where the recording is if its "
        "distance of places is at most twice the most by which pieces of the recording differ from all of it (at least "
        "0.1); where inputs are known, a run under those of the recording; of counts, with their noise added. A "
        "network of which less than three quarters of twelve long runs stay is left out of what holds."
    )


def _exponents_caption(summary: dict[str, Any]) -> str:
    return (
        "Means over the networks that stay; the interval holds how networks differ and how sure each is. The strongest "
        "contraction is known worst: data lie on the attractor, not beside it."
    )


def _attractors_caption(summary: dict[str, Any]) -> str:
    if summary.get("soon") is None:
        return "What each network's long free course was named."
    return (
        "What states of the recording are on a turn after the input is held, and where each network's course ends in "
        "the long run. What lasts between the two is a memory, if no perfect one."
    )


def _points_caption() -> str:
    return (
        "A point of two networks is one where they lie within 0.15 standard deviations in each coordinate; data came "
        "near within 0.25. What networks share where no data were is extrapolation."
    )


def _holds_lead(summary: dict[str, Any]) -> str:
    if bears_out(summary):
        return "Shares are of the networks that stay. What only one network has is its own, not the recording's."
    return (
        "<b>The networks are not borne out</b>, by their forecasts or since too few of them stay where the recording "
        "is: what follows is what those hold that stay, and nothing of it is claimed of the recording."
    )
