"""Reconstructions of chaotic flows beside peers: gnode.reconstruct, reservoirpy, pysindy and a GRU of PyTorch.

    python -m benchmarks reconstruction

Each system is measured once and its row appended to benchmarks/reconstruction-peers.jsonl; a later call goes on from
there, for as many minutes as RECONSTRUCTION_MINUTES says (by default until all are measured: two to three hours). The
page is made by docs/results/reconstruction-peers.py.

Written down before the first run:

- Systems: of dysts' flows of three dimensions for which benchmarks/dysts-references.json has a positive largest
  exponent, in alphabetical order, every n-th, n the greatest with which there are 30; the first 30 of these. They are
  measured in a fixed random order, so that any first part is a fair sample.
- Recordings: 10,000 samples, 30 in a period (as dysts has it), free of noise, from a state on the attractor, integrated
  by LSODA with a relative tolerance of 1e-9; a second one, from another state, is the test. Models see the first in
  standard deviations.
- Each peer has four settings, one seed, and is fitted with each; the longest mean valid time in the last tenth of the
  recording, which none learns from, chooses. gnode is first; the others have as many seconds of the processor for a
  setting as gnode took for one in the mean. Only the GRU uses them all.
- Measured on the test: valid prediction time, until the error is 0.4 of a deviation, in Lyapunov times of the reference
  (20 starts, at most 12 Lyapunov times or 5000 samples); of four free courses of 5000 samples, without their first
  fifth, the distances of places and of rhythms from the test (gnode.reconstruction.measures); the largest exponent
  along these four (gnode.analysis.lyapunov_exponents, 5000 steps). A course that leaves ten standard deviations has
  left: its distance of places is infinite, that of rhythms 1, and it has no exponent.
- Settings of peers were looked at on Lorenz and Roessler, which are not among the thirty.
- Ranks of the four in each system, 1 the best, equal ones share the mean of their ranks; then medians over systems.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp

from benchmarks.dysts_exponents import chaotic
from benchmarks.dysts_references import references
from benchmarks.dysts_systems import flow_of, metadata
from benchmarks.reconstruction_peers import A_PERIOD, HELD, PEERS, WINDOW, Peer
from gnode.analysis import lyapunov_exponents
from gnode.errors import Diverged, InvalidInput
from gnode.reconstruction.measures import distance_of_places, distance_of_rhythms

FILE = Path(__file__).with_name("reconstruction-peers.jsonl")
COUNT, DIMENSIONS = 30, 3
SAMPLES, STARTS, LYAPUNOV_TIMES, MOST = 10_000, 20, 12.0, 5000
TOLERANCE, BEYOND = 0.4, 10.0  # standard deviations
RUNS, STEPS, SETTLE = 4, 5000, 0.2


def chosen() -> list[str]:
    """The systems, in the order in which they are measured."""
    known = references()
    names = [
        name for name in sorted(metadata()) if chaotic(known.get(name)) and len(known[name]["exponents"]) == DIMENSIONS
    ]
    names = names[:: len(names) // COUNT][:COUNT]
    return [names[place] for place in np.random.default_rng(0).permutation(len(names))]


def recording(name: str, start: int) -> np.ndarray:
    """(SAMPLES, 3), from one of the states on the attractor that the references keep."""
    f = flow_of(name, np)
    times = np.arange(SAMPLES) * metadata()[name]["period"] / A_PERIOD
    way = solve_ivp(
        lambda _, state: f(state[None])[0],
        (0.0, times[-1]),
        references()[name]["starts"][start],
        t_eval=times,
        method="LSODA",
        rtol=1e-9,
        atol=1e-9,
    )
    if way.y.shape[1] != SAMPLES or not np.isfinite(way.y).all():
        raise ArithmeticError(f"{name}: {way.message}")
    return way.y.T


def free_course(peer: Peer, windows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples (B, count, 3) that follow windows (B, WINDOW, 3), and the states (B, N) in which courses end."""

    def on(state: Any, _: None) -> tuple[Any, Any]:
        after = peer.step(state)
        return after, peer.read(after)

    with jax.enable_x64(True), np.errstate(all="ignore"):
        begun = jnp.asarray(peer.begun(jnp.asarray(windows, float)), float)
        last, course = jax.jit(lambda state: jax.lax.scan(on, state, None, length=count))(begun)
        return np.asarray(course, float).swapaxes(0, 1), np.asarray(last, float)


def valid(said: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Samples (B,) until the error, the root of the mean square over channels, exceeds the tolerance."""
    with np.errstate(all="ignore"):
        error = np.sqrt(np.mean((said - truth) ** 2, axis=2))
    beyond = ~(error <= TOLERANCE)
    return np.where(beyond.any(axis=1), beyond.argmax(axis=1), said.shape[1])


def foretold(peer: Peer, values: np.ndarray, first: int, ahead: int, starts: int) -> np.ndarray:
    """Valid samples (starts,) of forecasts from evenly spaced places of values (n, 3), the first of them given."""
    places = np.unique(np.linspace(first, len(values) - ahead, starts).astype(int))
    windows = np.stack([values[place - WINDOW : place] for place in places])
    truth = np.stack([values[place : place + ahead] for place in places])
    return valid(free_course(peer, windows, ahead)[0], truth)


def long_run(peer: Peer, test: np.ndarray) -> dict[str, Any]:
    """Distances of free courses from the test, and their largest exponent, in a sample."""
    places = np.linspace(WINDOW, len(test), RUNS).astype(int)
    windows = np.stack([test[place - WINDOW : place] for place in places])
    course, ends = free_course(peer, windows, STEPS)
    if not (np.isfinite(course).all() and np.abs(course).max() <= BEYOND):
        return {"places": None, "rhythms": 1.0, "exponent": None}
    kept = course[:, int(SETTLE * STEPS) :]
    try:
        found = lyapunov_exponents(peer.step, ends, kind="map", duration=STEPS, count=1)
        exponent = [float(found.exponents[0]), *map(float, found.intervals[0])]
    except (Diverged, InvalidInput):
        exponent = None
    return {
        "places": distance_of_places(np.concatenate(list(kept)), test),
        "rhythms": distance_of_rhythms(list(kept), [test]),
        "exponent": exponent,
    }


def measured(name: str) -> dict[str, Any]:
    """The row of one system."""
    learned, test = recording(name, 0), recording(name, 1)
    mean, deviation = learned.mean(axis=0), learned.std(axis=0)
    learned, test = (learned - mean) / deviation, (test - mean) / deviation
    largest = references()[name]["exponents"][0] * metadata()[name]["period"] / A_PERIOD  # in a sample
    held = learned[-round(HELD * SAMPLES) - WINDOW :]
    row: dict[str, Any] = {"system": name, "exponent": largest, "peers": {}}
    row["places"] = distance_of_places(learned, test)
    row["rhythms"] = distance_of_rhythms([learned], [test])
    seconds = np.inf
    for peer, (fit, settings) in PEERS.items():
        began, best, tried = time.process_time(), None, []
        for setting in settings:
            try:
                made = fit(learned, dict(setting), seconds)
            except (Diverged, InvalidInput) as error:
                tried.append({**setting, "failed": str(error)})
                continue
            score = float(foretold(made, held, WINDOW, len(held) // 2, STARTS).mean())
            tried.append({**setting, "valid": score})
            if best is None or score > best[0]:
                best = score, made
        taken = time.process_time() - began
        if peer == "gnode":
            seconds = taken / len(settings)
        row["peers"][peer] = {"tried": tried, "seconds": round(taken, 1)}
        if best is not None:
            ahead = int(min(MOST, np.ceil(LYAPUNOV_TIMES / largest)))
            times = largest * foretold(best[1], test, WINDOW, ahead, STARTS)
            row["peers"][peer] |= {"valid": times.tolist(), "longest": ahead * largest, **long_run(best[1], test)}
    return row


def rows() -> dict[str, dict[str, Any]]:
    """What was measured before, by system."""
    if not FILE.exists():
        return {}
    return {row["system"]: row for row in map(json.loads, FILE.read_text().splitlines())}


def measure() -> list[dict[str, Any]]:
    """All rows; those that are not there are made, until the time is over."""
    ends = time.monotonic() + 60 * float(os.environ.get("RECONSTRUCTION_MINUTES", "inf"))
    for name in chosen():
        if name not in rows() and time.monotonic() < ends:
            try:
                row = measured(name)
            except ArithmeticError as error:  # it could not be integrated
                row = {"system": name, "failed": str(error)}
            with FILE.open("a") as file:
                file.write(json.dumps(row) + "\n")
            show(row)
            jax.clear_caches()  # half a gigabyte a system
    return list(rows().values())


def show(row: dict[str, Any]) -> None:
    said = [row["failed"]] if "failed" in row else []
    for name, peer in row.get("peers", {}).items():
        holds = np.median(peer["valid"]) if "valid" in peer else np.nan
        exponent = peer["exponent"][0] / row["exponent"] if peer.get("exponent") else np.nan
        said.append(f"{name} {holds:.1f} Lyapunov times, exponent {exponent:.2f} of the true one, {peer['seconds']} s")
    print(f"{row['system']}: {'; '.join(said)}", flush=True)
