"""Reconstructions beside what is known: the page reconstructions.md.

    python docs/results/reconstructions.py [CASE ...]

Each case is measured once, with the default settings of gnode.reconstruct, and kept in runs/reconstructions.jsonl;
the page is made of what is there.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["NPROC"] = "1"  # one thread, as the command has it

import numpy as np
from machine import measured_on
from scipy.integrate import solve_ivp

import gnode

PAGE, KEPT = Path(__file__).with_suffix(".md"), Path("runs/reconstructions.jsonl")
STEP, SAMPLES = 0.02, 30_000
TRUE_RATES = {"Lorenz": 0.906, "Roessler": 0.0714}  # largest exponents: the units of Lyapunov times here
TRUE_POINTS = np.array([[0.0, 0.0, 0.0], [72**0.5, 72**0.5, 27.0], [-(72**0.5), -(72**0.5), 27.0]])
KEPT_KEYS = ("exponents", "forecast", "state", "attractors", "fixed_points", "stays", "runs_that_stay", "dimension")
PAGE_TEXT = """# Reconstructions beside what is known

    python docs/results/reconstructions.py

`gnode.reconstruct` with its default settings, on recordings whose dynamics are known, and on such as hold none. Lorenz:
30,000 samples 0.02 apart, unit scale of its equations; noise is 5 % of each channel's standard deviation, also on what
is held out, against which forecasts are judged. True exponents are 0.906, 0 and -14.57. Roessler: 20,000 samples 0.1
apart, a = b = 0.2, c = 5.7; true exponents are 0.0714, 0 and -5.39. The two recordings of Lorenz' x differ in their
start and in the seeds of the networks.

| recording | forecast, Lyapunov times (linear, s) | largest exponent | the next | that stay | farthest point | CPU s |
|---|---|---|---|---|---|---|
{rows}

Where the right answer is "nothing there":

| recording | first sentence of the verdict | called chaotic | CPU seconds |
|---|---|---|---|
{nulls}

A forecast holds until the error of the ensemble's median is 0.4 standard deviations; medians over 20 starts. Lyapunov
times are those of the true exponent. Brackets are 95 % intervals. The farthest point: how far the worst of the three
fixed points is from that of the networks, in the units of the equations; of delays there is no place to compare.
Networks that stay are those of which at least three quarters of twelve long runs end where the recording is; where some
do not, others are fitted beside them. One seed of data a case; CPU seconds of one core, beside other work. {when}
"""


def lorenz(seed: int = 0) -> np.ndarray:
    """(samples, 3) on the attractor."""
    start = np.random.default_rng(seed).normal(size=3) + np.array([0, 0, 20])
    times = 50.0 + STEP * np.arange(SAMPLES)

    def f(_: float, h: np.ndarray) -> list[float]:
        return [10 * (h[1] - h[0]), h[0] * (28 - h[2]) - h[1], h[0] * h[1] - 8 / 3 * h[2]]

    way = solve_ivp(f, (0, times[-1] + 1e-9), start, t_eval=times, rtol=1e-9, atol=1e-9, method="DOP853")
    return way.y.T


def roessler(seed: int = 0) -> np.ndarray:
    """(20,000, 3) on the attractor, 0.1 apart."""
    times = 100.0 + 0.1 * np.arange(20_000)

    def f(_: float, h: np.ndarray) -> list[float]:
        return [-h[1] - h[2], h[0] + 0.2 * h[1], 0.2 + h[2] * (h[0] - 5.7)]

    start = np.random.default_rng(seed).normal(size=3)
    return solve_ivp(f, (0, times[-1] + 1e-9), start, t_eval=times, rtol=1e-9, atol=1e-9, method="DOP853").y.T


def noisy(values: np.ndarray) -> np.ndarray:
    return values + 0.05 * values.std(axis=0) * np.random.default_rng(5).normal(size=values.shape)


def surrogate(values: np.ndarray) -> np.ndarray:
    """The same power spectrum with random phases (Theiler et al., Physica D 58, 1992), the channels alike."""
    spectrum = np.fft.rfft(values - values.mean(axis=0), axis=0)
    turned = np.exp(2j * np.pi * np.random.default_rng(3).uniform(size=(len(spectrum), 1)))
    turned[0] = 1
    return np.fft.irfft(spectrum * turned, n=len(values), axis=0)


def noise(count: int, channels: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, channels))


KNOWN = {
    "Lorenz": lorenz,
    "Lorenz, 5 % noise": lambda: noisy(lorenz()),
    "Lorenz, x alone": lambda: lorenz()[:, :1],
    "Lorenz, x alone, another": lambda: lorenz(1)[:, :1],
    "Roessler, x alone": lambda: roessler()[:, :1],
}
STEPS = {"Roessler, x alone": 0.1}  # where it is not STEP
SEEDS = {"Lorenz, x alone, another": 100}  # of the first network, where it is not 0
NULL = {
    "white noise, 2 channels": lambda: noise(5000, 2),
    "random walk": lambda: np.cumsum(noise(5000, 1), axis=0),
    "sine with 20 % noise": lambda: np.sin(0.1 * np.arange(5000))[:, None] + 0.14 * noise(5000, 1),
    "Lorenz with random phases": lambda: surrogate(lorenz()[:10_000]),
}


def measured(name: str) -> dict:
    values = (KNOWN | NULL)[name]()
    began = time.process_time()
    times = STEPS.get(name, STEP) * np.arange(len(values))
    found = gnode.reconstruct(values, times, seed=SEEDS.get(name, 0))
    record = {"case": name, "seconds": time.process_time() - began, "verdict": found.summary["verdict"]}
    record |= {key: found.summary[key] for key in KEPT_KEYS}
    return record


def interval(one: dict) -> str:
    return f"{one['value']:.3f} [{one['low']:.3f}, {one['high']:.3f}]"


def farthest(record: dict) -> str:
    if record["state"]["delays"] > 1:
        return f"{record['state']['delays']} delays"
    shared = [point for point in record["fixed_points"] if point["share"] == 1]
    places = np.array([point["place"] for point in shared])
    if len(places) < 3:
        return f"{len(places)} shared"
    return f"{max(np.linalg.norm(places - point, axis=1).min() for point in TRUE_POINTS):.3f}"


def main() -> None:
    records = {}
    if KEPT.exists():
        records = {one["case"]: one for one in map(json.loads, KEPT.read_text().splitlines())}
    for name in sys.argv[1:] or [*KNOWN, *NULL]:
        if name not in records:
            records[name] = measured(name)
            KEPT.parent.mkdir(parents=True, exist_ok=True)
            with KEPT.open("a") as file:
                file.write(json.dumps(records[name]) + "\n")
            print(name, records[name]["verdict"][0], flush=True)
    rows, nulls = [], []
    for name in KNOWN:
        if (one := records.get(name)) is not None:
            if not one["exponents"]:
                rows.append(f"| {name} | nothing is claimed: {one['verdict'][1]} | | | | | {one['seconds']:.0f} |")
                continue
            of, (first, second) = one["forecast"], one["exponents"][:2]
            times = of["valid_median"] * TRUE_RATES[name.split(",")[0]]
            stay = f"{sum(one['stays'])} of {len(one['stays'])}"
            rows.append(
                f"| {name} | {times:.1f} ({of['valid_linear']:.2g}) "
                f"| {interval(first)} | {interval(second)} | {stay} | {farthest(one)} | {one['seconds']:.0f} |"
            )
    for name in NULL:
        if (one := records.get(name)) is not None:
            chaotic = any("Chaotic" in words for words in one["verdict"])
            nulls.append(f"| {name} | {one['verdict'][0]} | {'yes' if chaotic else 'no'} | {one['seconds']:.0f} |")
    PAGE.write_text(PAGE_TEXT.format(rows="\n".join(rows), nulls="\n".join(nulls), when=measured_on()))


if __name__ == "__main__":
    main()
