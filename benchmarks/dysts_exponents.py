"""Lyapunov exponents by gnode, default settings, on the systems of dysts, judged by references of their own.

    python -m benchmarks.dysts_exponents [SYSTEM ...]   # measures, system by system, what runs/dysts.jsonl lacks
    python -m benchmarks dysts                          # the same for all systems, then NumPy's against JAX's

Five starts on the attractor, and its slowest state, each followed for 400 Lyapunov times. A run's largest exponent is
covered where it is no farther from the reference than the interval and the reference's own error together (95 % each,
in quadrature), and off where that distance is more than a tenth of the reference.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.machine import use_one_thread

use_one_thread()  # before JAX is imported

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from benchmarks.dysts_references import extend, references  # noqa: E402
from benchmarks.dysts_systems import flow_of, systems  # noqa: E402
from gnode.analysis import LyapunovExponents, lyapunov_exponents  # noqa: E402
from gnode.errors import Diverged  # noqa: E402

FILE, NUMPY_FILE = Path("runs/dysts.jsonl"), Path("runs/dysts-numpy.jsonl")
LYAPUNOV_TIMES = 400
OFF = 0.1  # of the reference
NUMPY_SYSTEMS = 10
BARS = {
    "intervals of the largest exponent that cover": 0.93,
    "intervals of the zero exponent that cover": 0.93,
    "systems whose median start is within 10 %": 0.95,
    "systems whose median start is off, not covered and without a warning": 0,
    "runs that are off, not covered and without a warning": 0,
    "finite from the slowest state": 1.0,
    "right from the slowest state": 0.9,
    "time of NumPy functions over that of JAX ones": 5.0,
}
_ABOUT_F = ("Computes in", "Derivative by")  # what is said of the function, not of the run


def chaotic(reference: dict[str, Any] | None) -> bool:
    """Whether the largest exponent stands above 0 by more than its error and the smallest distance from 0 of any."""
    if reference is None or "failed" in reference:
        return False
    largest, error = reference["exponents"][0], reference["error"][0]
    return largest > 4 * error and largest > 4 * np.abs(reference["exponents"]).min()


def _run(f: Callable[[Any], Any], start: list[float], duration: float) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        found = lyapunov_exponents(f, start, duration=duration)
    except Diverged as error:
        return {"failed": str(error), "seconds": time.perf_counter() - began}
    return _kept(found, time.perf_counter() - began)


def _kept(found: LyapunovExponents, seconds: float) -> dict[str, Any]:
    return {
        "exponents": found.exponents.tolist(),
        "half_widths": (found.intervals[:, 1] - found.exponents).tolist(),
        "neutral": found.neutral,
        "checks": [line for line in found.checks if not line.startswith(_ABOUT_F)],
        "steps": found.steps,
        "seconds": round(seconds, 2),
    }


def _lines(path: Path) -> dict[str, dict[str, Any]]:
    """What was measured before, by system."""
    if not path.exists():
        return {}
    return {row["system"]: row for row in map(json.loads, path.read_text().splitlines())}


def _append(path: Path, row: dict[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")


def measured(name: str) -> dict[str, Any] | None:
    """All runs of one system, made and kept if they are not there; None where there is nothing to judge them by."""
    reference, before = extend(name), _lines(FILE)
    if not chaotic(reference):
        return None
    if name not in before:
        f, duration = flow_of(name), LYAPUNOV_TIMES / reference["exponents"][0]
        runs = [_run(f, start, duration) for start in reference["starts"]]
        before[name] = {"system": name, "runs": runs, "slowest": _run(f, reference["slowest"], duration)}
        _append(FILE, before[name])
    return before[name]


def judged(run: dict[str, Any], reference: dict[str, Any]) -> dict[str, bool]:
    """finite, covers (the largest), zero (covers it), off, said (a warning)."""
    if "failed" in run:
        return {"finite": False, "covers": False, "zero": False, "off": True, "said": True}
    zero = int(np.argmin(np.abs(reference["exponents"])))
    away = np.abs(np.subtract(run["exponents"], reference["exponents"]))
    allowed = np.hypot(run["half_widths"], 1.96 * np.array(reference["error"]))
    return {
        "finite": True,
        "covers": bool(away[0] <= allowed[0]),
        "zero": bool(abs(run["exponents"][zero]) <= run["half_widths"][zero]),
        "off": bool(away[0] > OFF * reference["exponents"][0]),
        "said": bool(run["checks"]),
    }


def by_numpy(name: str) -> dict[str, Any] | None:
    """One start of one system by its NumPy function and by its JAX function, each after one short call."""
    reference, before = extend(name), _lines(NUMPY_FILE)
    if not chaotic(reference):
        return None
    if name not in before:
        duration = LYAPUNOV_TIMES / reference["exponents"][0]
        row: dict[str, Any] = {"system": name}
        for label, numbers in (("numpy", np), ("jax", jnp)):
            f = flow_of(name, numbers)
            lyapunov_exponents(f, reference["starts"][0], duration=duration / LYAPUNOV_TIMES)
            row[label] = _run(f, reference["starts"][0], duration)
        before[name] = row
        _append(NUMPY_FILE, row)
    return before[name]


def agree(row: dict[str, Any]) -> bool:
    """Whether both answers to the same question are within their intervals, every exponent."""
    one, other = row["numpy"], row["jax"]
    if "failed" in one or "failed" in other:
        return False
    away = np.abs(np.subtract(one["exponents"], other["exponents"]))
    return bool((away <= np.add(one["half_widths"], other["half_widths"])).all())


def _row(name: str, measured_: dict[str, Any], reference: dict[str, Any]) -> dict[str, Any]:
    runs = [judged(run, reference) for run in measured_["runs"]]
    slowest = judged(measured_["slowest"], reference)
    silent = [run["off"] and not run["covers"] and not run["said"] for run in runs]
    largest = [run["exponents"][0] if "exponents" in run else np.nan for run in measured_["runs"]]
    middle = int(np.argsort(largest)[np.isfinite(largest).sum() // 2])
    median = float(largest[middle])
    return {
        "system": name,
        "reference": reference["exponents"],
        "error": reference["error"],
        "median": median,
        "within": bool(abs(median / reference["exponents"][0] - 1) <= OFF),
        "covers": sum(run["covers"] for run in runs),
        "zero": sum(run["zero"] for run in runs),
        "silent": sum(silent),
        "median_silent": silent[middle],
        "runs": len(runs),
        "slowest_finite": slowest["finite"],
        "slowest_right": slowest["finite"] and (slowest["covers"] or not slowest["off"]),
        "seconds": sum(run["seconds"] for run in measured_["runs"]),
    }


def rows() -> list[dict[str, Any]]:
    """One for each system measured so far, in the order of measuring."""
    there, known = _lines(FILE), references()
    return [_row(name, there[name], known[name]) for name in systems() if name in there and chaotic(known.get(name))]


def numpy_rows() -> list[dict[str, Any]]:
    """One for each system that NumPy and JAX were compared on."""
    return [{**row, "agree": agree(row)} for row in _lines(NUMPY_FILE).values()]


def figures(table: list[dict[str, Any]], compared: list[dict[str, Any]]) -> dict[str, float]:
    """What the bars are about."""
    runs = sum(row["runs"] for row in table) or 1
    systems_ = len(table) or 1
    seconds = {label: sum(row[label]["seconds"] for row in compared) for label in ("numpy", "jax")}
    values = (
        sum(row["covers"] for row in table) / runs,
        sum(row["zero"] for row in table) / runs,
        sum(row["within"] for row in table) / systems_,
        sum(row["median_silent"] for row in table),
        sum(row["silent"] for row in table),
        sum(row["slowest_finite"] for row in table) / systems_,
        sum(row["slowest_right"] for row in table) / systems_,
        seconds["numpy"] / seconds["jax"] if compared else float("nan"),
    )
    return dict(zip(BARS, values, strict=True))


def measure_systems(names: list[str]) -> None:
    """Each system once; programs that starts share are compiled once."""
    with tempfile.TemporaryDirectory() as cache:
        jax.config.update("jax_compilation_cache_dir", cache)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        for name in names:
            found = measured(name)
            if found is None:
                print(f"{name}: no reference", flush=True)
                continue
            row = _row(name, found, extend(name))
            print(
                f"{name}: {row['median']:.4g} for {row['reference'][0]:.4g} ± {row['error'][0]:.2g}; of {row['runs']} "
                f"{row['covers']} cover, zero {row['zero']}, {row['silent']} silently off; slowest "
                f"{'right' if row['slowest_right'] else 'WRONG'}; {row['seconds']:.0f} s",
                flush=True,
            )
    jax.config.update("jax_compilation_cache_dir", None)


def measure() -> list[dict]:
    """All systems, then the comparison of NumPy and JAX."""
    measure_systems(systems())
    for name in [name for name in systems() if chaotic(extend(name))][:NUMPY_SYSTEMS]:
        by_numpy(name)
    table = rows()
    for what, value in figures(table, numpy_rows()).items():
        print(f"{what}: {value:.3g} (bar {BARS[what]:g})")
    return table


if __name__ == "__main__":
    measure_systems(sys.argv[1:] or systems())
