"""The page on reconstructions beside peers, from what was measured so far.

python -m benchmarks reconstruction                     # benchmarks/reconstruction-peers.jsonl, goes on from there
PYTHONPATH=. .venv-bench/bin/python docs/results/reconstruction-peers.py   # this page
"""

from pathlib import Path
from typing import Any

import numpy as np
from machine import measured_on
from scipy.stats import rankdata

from benchmarks.reconstruction import COUNT, LYAPUNOV_TIMES, chosen, rows
from benchmarks.reconstruction_peers import PEERS

OUT = Path(__file__).with_suffix(".md")
OFF = 0.15  # of the largest exponent

PAGE = """# Reconstructions beside peers

**Question.** From a recording of a chaotic flow that nobody here wrote: how far do models foretell, and do their long
runs go where the flow goes, in its rhythms and with its largest exponent?

**Rule**, written down before the first run (`benchmarks/reconstruction.py`): {count} of dysts' flows of three
dimensions (W. Gilpin, NeurIPS 2021), every second by name, in a fixed random order; {measured} of them were measured,
the first of that order. 10,000 samples, 30 in a period, no noise; a second recording is the test. Four settings each,
among which the last tenth of the recording chooses; for a setting as many seconds of the processor as gnode took (the
GRU uses all of them, the others end sooner). One network a setting, not the ensemble that `gnode.reconstruct` has by
default. The settings of peers were looked at on Lorenz and Roessler, which are not among the {count}.

    python -m benchmarks reconstruction
    PYTHONPATH=. .venv-bench/bin/python docs/results/reconstruction-peers.py

| median over {measured} systems | {names} |
|---|{bars}
{summary}

Best median rank: in prediction time {best_valid}, in places {best_places}, in rhythms {best_rhythms}. {left}

Ranks go from 1, the best, to 4; equal ones share the mean of theirs. Prediction time: until the error is 0.4 standard
deviations, in Lyapunov times, the median of 20 starts, at most {most:g}. Places: sliced Wasserstein distance of four
free courses of 5000 samples from the test, in standard deviations; rhythms: Hellinger distance of power spectra. A
course that leaves ten standard deviations has an infinite distance of places, one of rhythms of 1, and no exponent.
Intervals of medians and ranks are quartiles over systems.

## Prediction time, Lyapunov times

| system | {names} |
|---|{bars}
{valid}

## Distance of places

The first column is what two recordings of the system differ by.

| system | two recordings | {names} |
|---|---|{bars}
{places}

## Distance of rhythms

| system | two recordings | {names} |
|---|---|{bars}
{rhythms}

## Largest exponent, as a multiple of the true one

| system | {names} |
|---|{bars}
{exponents}

{failed}{when}
"""


def main() -> None:
    found = rows()
    known = [found[name] for name in chosen() if name in found and "failed" not in found[name]]
    failed = [f"{row['system']}: {row['failed']}" for row in found.values() if "failed" in row]
    values = {
        "valid": np.array([[_median(peer.get("valid")) for peer in _peers(row)] for row in known]),
        "places": np.array([[_or(peer.get("places"), np.inf) for peer in _peers(row)] for row in known]),
        "rhythms": np.array([[peer.get("rhythms", 1.0) for peer in _peers(row)] for row in known]),
        "exponents": np.array(
            [[(peer.get("exponent") or [np.nan])[0] / row["exponent"] for peer in _peers(row)] for row in known]
        ),
    }
    seconds = np.array([[peer["seconds"] for peer in _peers(row)] for row in known])
    with np.errstate(invalid="ignore"):
        near = np.sum(np.abs(values["exponents"] - 1) <= OFF, axis=0)
    ranks = [_ranks(-values["valid"]), _ranks(values["places"]), _ranks(values["rhythms"])]
    best_valid, best_places, best_rhythms = map(_best, ranks)
    later = [name for name in chosen() if name not in found]
    summary = [
        _line("rank in prediction time", _quartiles(ranks[0], 1)),
        _line("rank in places", _quartiles(ranks[1], 1)),
        _line("rank in rhythms", _quartiles(ranks[2], 1)),
        _line("prediction time, Lyapunov times", _quartiles(values["valid"], 1)),
        _line("distance of places", _quartiles(values["places"], 3)),
        _line("distance of rhythms", _quartiles(values["rhythms"], 3)),
        _line("largest exponent within 15 %, systems", [f"{count} of {len(known)}" for count in near]),
        _line("seconds of the processor, all settings", _quartiles(seconds, 0)),
    ]
    names = [row["system"] for row in known]
    same = {key: [f"{row[key]:.3f}" for row in known] for key in ("places", "rhythms")}
    OUT.write_text(
        PAGE.format(
            count=COUNT,
            measured=len(known),
            names=" | ".join(PEERS),
            bars="---|" * len(PEERS),
            summary="\n".join(summary),
            best_valid=best_valid,
            best_places=best_places,
            best_rhythms=best_rhythms,
            left=f"Not measured yet: {', '.join(later)}." if later else "",
            most=LYAPUNOV_TIMES,
            valid=_table(names, values["valid"], 1),
            places=_table(
                [f"{name} | {own}" for name, own in zip(names, same["places"], strict=True)], values["places"], 3
            ),
            rhythms=_table(
                [f"{name} | {own}" for name, own in zip(names, same["rhythms"], strict=True)], values["rhythms"], 3
            ),
            exponents=_table(names, values["exponents"], 2),
            failed="".join(f"Not measured: {line}\n\n" for line in failed),
            when=measured_on(),
        )
    )


def _peers(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [row["peers"][name] for name in PEERS]


def _median(values: list[float] | None) -> float:
    """Where no setting could be fitted nothing is foretold."""
    return float(np.median(values)) if values else 0.0


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks in each row, the least first."""
    return np.array([rankdata(row) for row in values])


def _best(ranks: np.ndarray) -> str:
    """The peers whose median rank is the least."""
    medians = np.median(ranks, axis=0)
    return " and ".join(name for name, median in zip(PEERS, medians, strict=True) if median == medians.min())


def _quartiles(values: np.ndarray, digits: int) -> list[str]:
    # Of ranked values as they are: between two of which one is infinite there is nothing.
    low, high = (np.quantile(values, at, axis=0, method="inverted_cdf") for at in (0.25, 0.75))
    middle = np.median(values, axis=0)
    return [
        f"{_said(at, digits)} [{_said(least, digits)}, {_said(most, digits)}]"
        for least, at, most in zip(low, middle, high, strict=True)
    ]


def _said(value: float, digits: int) -> str:
    return "left" if np.isinf(value) else "none" if np.isnan(value) else f"{value:.{digits}f}"


def _line(name: str, cells: list[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"


def _table(names: list[str], values: np.ndarray, digits: int) -> str:
    return "\n".join(
        _line(name, [_said(value, digits) for value in row]) for name, row in zip(names, values, strict=True)
    )


if __name__ == "__main__":
    main()
