"""From simulated spikes of head direction cells to their attractor: the page head-direction.md.

    python docs/results/head-direction.py [CASE ...]

Each case is measured once and kept in runs/head-direction.jsonl; the page is made of what is there.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["NPROC"] = "1"  # one thread, as the command has it

import numpy as np
from machine import measured_on

import gnode

PAGE, KEPT = Path(__file__).with_suffix(".md"), Path("runs/head-direction.jsonl")
STEP, BIN, MINUTES = 0.005, 0.1, 10
TAU, UNITS, GAIN, JITTER, NOISE = 0.1, 60, 2.0, 0.08, 0.05
NEURONS = 60
HIDDEN, MEMBERS = (32,), 3
ENSEMBLES, CONTROLS = 10, 2
ANGLES = 36  # parts of the circle in which drift is averaged
PAGE_TEXT = """# From spikes to the attractor: head direction

    python docs/results/head-direction.py

A ring network of 60 tanh units, tau = 0.1 s, whose weights have rank two:
tau z' = -z + (2 g / 60) sum_i (cos p_i, sin p_i) tanh(z . (cos p_i, sin p_i)) + tau w(t) J z + noise, with g = 2 and
preferred directions p_i evenly spaced, each moved by a normal 0.08 rad, so that without input its bump drifts; how much
is computed from the equations. w(t) is the head's angular velocity, an Ornstein-Uhlenbeck process of 1 rad/s and 1 s,
which is told to `gnode.reconstruct` as a known input. 60 other neurons spike by a Poisson process at von Mises rates of
the bump's angle (peaks of 10 to 30 spikes a second, concentrations of 1.5 to 4, 0.5 a second beside). Ten minutes, bins
of 0.1 s:

```python
gnode.reconstruct(counts, times, inputs=velocity, loss="poisson", held=[0.0], hidden=(32,))
```

The bar, written before the first run: named a ring in at least 9 of 10 ensembles, drift within a factor 1.5 of the true
one; independent units are not named one. An ensemble's name is that which three quarters of its networks that stay
give what is left of the states a turn (here about a second) after the input is held at 0; else they disagree, and it
has none.

| recording | factors | named | drift, rad/s (true) | ratio | correlation | state R2 | rate R2 | bits a spike | CPU s |
|---|---|---|---|---|---|---|---|---|---|
{rows}

{count}

Independent units: 60 of 0.5 spikes a bin, whose logarithms of rates are Ornstein-Uhlenbeck processes of deviation 0.8
and 1 s, each its own; the input is as above and acts on none.

| recording | factors | first sentence of the verdict | what is left a turn later | CPU seconds |
|---|---|---|---|---|
{controls}

Drift: root mean square over the circle, of 36 parts in which it is averaged, at states a turn after the input is
held; the median over the networks that stay. Correlation: of that drift with the true one at the same angle. To read it
in radians of the head, and for the state R2, states are mapped linearly to the true z, with a map that is fitted on
the first nine tenths; R2 are of the last tenth, of the first network. Rates are its own readout, against the true
ones. The error of what is fitted adds to drift as squares do, so that a small drift comes out too large. How networks
are fitted to counts, and from which states a name is taken, was chosen while looking at recordings ring 0 and ring 2,
and at prototypes with half the jitter of seeds 0 to 2; recordings ring 3 to 9 were seen by none of it. The jitter was
set then too: at half of it, where the true drift is 0.05 to 0.15 rad/s, a prototype without sharpened observations had
up to twice the drift. The ring recordings were fitted when up to eight factors were compared, now six. {when}
"""


def field(states: np.ndarray, velocity: np.ndarray, phases: np.ndarray) -> np.ndarray:
    """dz/dt of the ring network, (n, 2)."""
    to = np.stack([np.cos(phases), np.sin(phases)])
    drive = 2 * GAIN / len(phases) * np.tanh(states @ to) @ to.T
    return (drive - states) / TAU + velocity[:, None] * np.column_stack([-states[:, 1], states[:, 0]])


def preferred(seed: int) -> np.ndarray:
    return 2 * np.pi * np.arange(UNITS) / UNITS + JITTER * np.random.default_rng([seed, 1]).normal(size=UNITS)


def ring(phases: np.ndarray) -> np.ndarray:
    """States on the attractor, (360, 2)."""
    angles = 2 * np.pi * np.arange(360) / 360
    states = 1.5 * np.column_stack([np.cos(angles), np.sin(angles)])
    for _ in range(200):
        states = states + STEP * field(states, np.zeros(360), phases)
    return states


def true_drift(phases: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Angles of the ring in order, and its drift there in rad/s."""
    states = ring(phases)
    moved = field(states, np.zeros(len(states)), phases)
    speed = (states[:, 0] * moved[:, 1] - states[:, 1] * moved[:, 0]) / np.sum(states**2, axis=1)
    angles = np.arctan2(states[:, 1], states[:, 0])
    order = np.argsort(angles)
    return angles[order], speed[order]


def recorded(seed: int) -> dict[str, np.ndarray]:
    """counts (bins, neurons), velocity (bins, 1), z (bins, 2) and true rates (bins, neurons) in 1 / s."""
    rng, phases = np.random.default_rng([seed, 2]), preferred(seed)
    within, bins = round(BIN / STEP), round(60 * MINUTES / BIN)
    state, velocity = np.array([[1.5, 0.0]]), 0.0
    tuned, peaks, sharp = rng.uniform(0, 2 * np.pi, NEURONS), rng.uniform(10, 30, NEURONS), rng.uniform(1.5, 4, NEURONS)
    kept: dict[str, list] = {"counts": [], "velocity": [], "z": [], "rates": []}
    for _ in range(bins):
        velocity += -velocity * BIN + np.sqrt(2 * BIN) * rng.normal()
        for _ in range(within):
            state = state + STEP * field(state, np.array([velocity]), phases)
            state = state + NOISE * np.sqrt(STEP) * rng.normal(size=(1, 2))
        angle = np.arctan2(state[0, 1], state[0, 0])
        rates = peaks * np.exp(sharp * (np.cos(angle - tuned) - 1)) + 0.5
        for name, value in zip(kept, (rng.poisson(BIN * rates), [velocity], state[0], rates), strict=True):
            kept[name].append(value)
    return {name: np.array(values, float) for name, values in kept.items()}


def independent(seed: int) -> dict[str, np.ndarray]:
    rng, bins = np.random.default_rng([seed, 3]), round(60 * MINUTES / BIN)
    logs, velocity = np.zeros((bins, NEURONS)), np.zeros((bins, 1))
    for at in range(1, bins):
        logs[at] = (1 - BIN) * logs[at - 1] + np.sqrt(2 * BIN) * rng.normal(size=NEURONS)
        velocity[at] = (1 - BIN) * velocity[at - 1] + np.sqrt(2 * BIN) * rng.normal()
    return {"counts": rng.poisson(0.5 * np.exp(0.8 * logs - 0.32)).astype(float), "velocity": velocity}


def r2(said: np.ndarray, true: np.ndarray) -> float:
    return float(1 - np.sum((said - true) ** 2) / np.sum((true - true.mean(axis=0)) ** 2))


def scored(found: gnode.reconstruction.Reconstruction, truth: dict[str, np.ndarray], seed: int) -> dict:
    angles, speeds = true_drift(preferred(seed))
    cut = round(0.9 * len(truth["z"]))
    turn = round(found.summary["soon"]["seconds"] / BIN)
    drifts, alike = [], []
    for number, (model, stays) in enumerate(zip(found.models, found.summary["stays"], strict=True)):
        states = found.arrays[f"states.{number + 1}"].astype(float)
        design = np.column_stack([states, np.ones(len(states))])
        to_true = np.linalg.lstsq(design[:cut], truth["z"][:cut], rcond=None)[0]
        if number == 0:
            state_r2 = r2((design @ to_true)[cut:], truth["z"][cut:])
            rate_r2 = r2(found.rates(states[cut:]), truth["rates"][cut:])
        if not stays:
            continue
        step, there = model.map_at([0.0]), states[19::20].astype(np.float32)
        for _ in range(turn):
            there = np.asarray(step(there))
        place, following = (
            np.arctan2(z[:, 1], z[:, 0])
            for z in (np.column_stack([h, np.ones(len(h))]) @ to_true for h in (there, np.asarray(step(there))))
        )
        moved = np.angle(np.exp(1j * (following - place))) / BIN
        part = ((place + np.pi) / (2 * np.pi) * ANGLES).astype(int) % ANGLES
        mean = np.array([moved[part == at].mean() for at in np.unique(part)])
        expected = np.interp(place, angles, speeds, period=2 * np.pi)
        drifts.append(float(np.sqrt(np.mean(mean**2))))
        alike.append(float(np.corrcoef(moved, expected)[0, 1]))
    return {
        "state_r2": state_r2, "rate_r2": rate_r2, "drifts": drifts, "alike": alike,
        "true_drift": float(np.sqrt(np.mean(speeds**2))),
    }  # fmt: skip


def measured(name: str) -> dict:
    kind, seed = name.split()
    truth = recorded(int(seed)) if kind == "ring" else independent(int(seed))
    began = time.process_time()
    found = gnode.reconstruct(
        truth["counts"], BIN * np.arange(len(truth["counts"])), inputs=truth["velocity"],
        loss="poisson", held=[0.0], hidden=HIDDEN, members=MEMBERS,
    )  # fmt: skip
    record = {"case": name, "seconds": time.process_time() - began, "verdict": found.summary["verdict"]}
    record |= {key: found.summary[key] for key in ("soon", "attractors", "counts", "state", "forecast", "stays")}
    return record | (scored(found, truth, int(seed)) if kind == "ring" else {})


def named(record: dict) -> str:
    if not record["soon"]["attractors"]:
        return "none (no network stays)"
    name, share = next(iter(record["soon"]["attractors"].items()))
    return name if share >= 0.75 else f"none ({name} {share:.0%})"


def main() -> None:
    cases = [f"ring {seed}" for seed in range(ENSEMBLES)] + [f"independent {seed}" for seed in range(CONTROLS)]
    records = {}
    if KEPT.exists():
        records = {one["case"]: one for one in map(json.loads, KEPT.read_text().splitlines())}
    for name in sys.argv[1:] or cases:
        if name not in records:
            records[name] = measured(name)
            KEPT.parent.mkdir(parents=True, exist_ok=True)
            with KEPT.open("a") as file:
                file.write(json.dumps(records[name]) + "\n")
            print(name, named(records[name]), records[name].get("drifts"), records[name].get("true_drift"), flush=True)
    rows, controls, rings, within = [], [], 0, 0
    known = [records[name] for name in cases if name in records]
    for one in known:
        number = one["state"]["numbers"]
        if one["case"].startswith("ring"):
            drift = float(np.median(one["drifts"]))
            ratio = drift / one["true_drift"]
            rings, within = rings + (named(one) == "ring"), within + (1 / 1.5 <= ratio <= 1.5)
            bits = np.median(one["counts"]["bits_per_spike"])
            rows.append(
                f"| {one['case']} | {number} | {named(one)} | {drift:.3f} ({one['true_drift']:.3f}) | {ratio:.2f} "
                f"| {np.median(one['alike']):.2f} | {one['state_r2']:.3f} | {one['rate_r2']:.3f} | {bits:.2f} "
                f"| {one['seconds']:.0f} |"
            )
        else:
            controls.append(f"| {one['case']} | {number} | {one['verdict'][0]} | {named(one)} | {one['seconds']:.0f} |")
    count = f"Named a ring: {rings} of {len(rows)}. Drift within a factor 1.5: {within} of {len(rows)}."
    text = PAGE_TEXT.format(rows="\n".join(rows), controls="\n".join(controls), count=count, when=measured_on())
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
