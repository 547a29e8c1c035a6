"""What was found, in sentences; nothing is claimed that the forecasts do not bear out."""

from typing import Any

_MOST = 0.75  # share of networks from which on they are said to agree


def verdict_words(summary: dict[str, Any]) -> list[str]:
    """The verdict, from the other numbers of a summary."""
    return [_forecast_words(summary), *_staying_words(summary), *_dynamics_words(summary), *_caveats(summary)]


def bears_out(summary: dict[str, Any]) -> bool:
    """Whether forecasts say that the networks hold more of the recording than a linear model does, and enough of them
    stay where the recording is: at least half as many as were asked for, and two unless one was."""
    asked = summary["plan"]["members"]
    return _foretell(summary) and sum(summary["stays"]) >= max(asked / 2, min(asked, 2))


def _foretell(summary: dict[str, Any]) -> bool:
    return bool(summary["beats_mean"] and summary["beats_linear"])


def _staying_words(summary: dict[str, Any]) -> list[str]:
    """Said where it decides, or where a network does not stay."""
    stay, count = sum(summary["stays"]), len(summary["stays"])
    if not _foretell(summary) or stay == count:
        return []
    words = f"{stay} of {count} networks stay{'s' * (stay == 1)} where the recording is when they run on"
    if not bears_out(summary):
        return [f"{words}, which is too few: nothing of its long-term dynamics is claimed."]
    return [f"{words}; the others are left out of what follows."]


def _forecast_words(summary: dict[str, Any]) -> str:
    of = summary["forecast"]
    if not summary["beats_mean"]:
        return "What was held out cannot be foretold better than by its mean: nothing of its dynamics is claimed."
    if not summary["beats_linear"]:
        return (
            "What was held out is foretold no better than by a linear model "
            f"(skill {of['skill']:.2f}, p = {of['p']:.2g}): nothing beyond linear dynamics is claimed."
        )
    times = f", {of['lyapunov_times']:.1f} Lyapunov times" if of["lyapunov_times"] and _is_chaotic(summary) else ""
    least = "at least " if of["censored"] > of["starts"] / 2 else ""
    return (
        f"Forecasts hold for {least}{of['valid_median']:.3g} s{times} (median of {of['starts']} starts; a linear "
        f"model: {of['valid_linear']:.3g} s)."
    )


def _is_chaotic(summary: dict[str, Any]) -> bool:
    first = summary["exponents"][0] if summary["exponents"] else None
    return bool(first and bears_out(summary) and first["low"] > 0 and first["above"] >= _MOST)


def _dynamics_words(summary: dict[str, Any]) -> list[str]:
    if not bears_out(summary):
        return []
    words = []
    count = sum(summary["stays"])
    if summary["exponents"]:
        first = summary["exponents"][0]
        sure = f"{first['value']:.3g} 1/s [{first['low']:.3g}, {first['high']:.3g}]"
        if _is_chaotic(summary):
            words.append(
                f"Chaotic: the largest exponent is {sure}, above 0 in {first['above']:.0%} of {count} networks."
            )
        else:
            words.append(f"No chaos with confidence: the largest exponent is {sure}.")
    if soon := summary.get("soon"):
        left = f"what is left {soon['seconds']:.3g} s later"
        words.append(f"When its input is held: {_named(soon['attractors'], left)}")
        known = [drift for drift in soon["drifts"] if drift is not None]
        if known:
            words.append(
                f"There states move by {_range(known)} of its radius in a second, of a ring in "
                "radians (root mean square, over the networks)."
            )
        words.append(f"In the long run: {_named(summary['attractors'], 'the attractor')}")
    else:
        words.append(_capital(_named(summary["attractors"], "the attractor")))
    shared = [point for point in summary["fixed_points"] if point["share"] >= _MOST]
    near = [point for point in shared if point["near"]]
    words.append(
        f"Fixed points that the networks share: {len(shared)}, of which data came near {len(near)}"
        + (
            f"; {len(summary['fixed_points']) - len(shared)} more that only some have."
            if len(shared) < len(summary["fixed_points"])
            else "."
        )
    )
    return words


def _named(names: dict[str, float], what: str) -> str:
    name, share = next(iter(names.items()))
    if share >= _MOST:
        return f"{what}: {name} ({share:.0%} of the networks)."
    return f"the networks disagree on {what}: " + ", ".join(f"{k} ({v:.0%})" for k, v in names.items()) + "."


def _range(values: list[float]) -> str:
    low, high = f"{min(values):.2g}", f"{max(values):.2g}"
    return low if low == high else f"{low} to {high}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _caveats(summary: dict[str, Any]) -> list[str]:
    words = []
    state = summary["state"]
    if counts := summary.get("counts"):
        gains = counts["bits_per_spike"]
        words.append(
            f"The state is {state['numbers']} factors of {counts['units']} units, in whose rates the networks explain "
            f"{_range(gains)} bits a spike of what was held out. Coordinates are those of factors."
        )
    if state["delays"] > 1:
        words.append(
            f"The state is a reconstruction: {state['delays']} samples, {state['lag']:.3g} s apart. Exponents and "
            "dimensions are those of the system (if the delays suffice); coordinates are not."
        )
    if state["units"] > state["numbers"]:
        words.append(f"{state['units'] - state['numbers']} of its units were never seen.")
    return [*words, *summary["recording"]["said"], *summary["failed"]]
