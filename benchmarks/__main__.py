"""Every benchmark, one after the other: `make bench`. Each is a function that prints a table and returns its rows."""

import json
import platform
import sys
from datetime import date
from pathlib import Path

from benchmarks.machine import use_one_thread

use_one_thread()  # before JAX, NumPy and PyTorch are imported

from benchmarks import (  # noqa: E402
    cold,
    collections,
    dysts_exponents,
    expressivity,
    fixed_points,
    irregular,
    pages,
    reconstruction,
    solvers,
    start_up,
    sweep,
    training_epoch,
    versions,
)

BENCHMARKS = {
    "training-epoch": training_epoch.measure,
    "versions": versions.measure,
    "solvers": solvers.measure,
    "irregular": irregular.measure,
    "start-up": start_up.measure,
    "cold": cold.measure,
    "fixed-points": fixed_points.measure,
    "pages": pages.measure,
    "sweep": sweep.measure,
    "expressivity": expressivity.measure,
    "collections": collections.measure,
    "dysts": dysts_exponents.measure,
    "reconstruction": reconstruction.measure,
}


def main() -> None:
    chosen = sys.argv[1:] or list(BENCHMARKS)
    unknown = sorted(set(chosen) - set(BENCHMARKS))
    if unknown:
        sys.exit(f"Must have benchmarks out of {', '.join(BENCHMARKS)}, instead got {', '.join(unknown)}.")
    results: dict = {
        "date": date.today().isoformat(),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }
    for name in chosen:
        print(f"\n== {name}")
        results[name] = BENCHMARKS[name]()
    out = Path("runs/bench.json")
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(results, indent=2) + "\n")
    print(f"\nWritten to {out}")


main()
