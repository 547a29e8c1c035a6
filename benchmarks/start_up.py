"""From typing `gnode train` to the end of the first epoch, with an empty compile cache and with a warm one."""

import os
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.machine import seconds_of, use_all_cores

INTEGRATORS = ("euler", "exponential-euler", "tsit5")  # two step rules and a flow
ROUNDS = 7


def measure() -> list[dict]:
    """Seconds until the first line of progress, integrator by integrator: of the first start, and of later ones."""
    rows = []
    for integrator in INTEGRATORS:
        with tempfile.TemporaryDirectory() as folder:
            start = partial(first_epoch, integrator, own_start() | {"XDG_CACHE_HOME": folder})
            first, *later = (seconds_of(start) for _ in range(ROUNDS + 1))
        row = {"median_s": statistics.median(later), "least_s": min(later), "greatest_s": max(later)}
        rows.append({"integrator": integrator, "first_s": first, **row})
        print(
            f"{integrator:17s}: first epoch after {row['median_s']:.2f} s ({min(later):.2f} to {max(later):.2f}); "
            f"the very first start took {first:.2f} s",
            flush=True,
        )
    return rows


def own_start() -> dict[str, str]:
    """The environment of a user's own start: all cores, and the folder of the cache that the command chooses."""
    unset = ("_THREADS", "XLA_FLAGS", "JAX_COMPILATION_CACHE_DIR")
    return {key: value for key, value in os.environ.items() if not key.endswith(unset)}


def first_epoch(integrator: str, environment: dict[str, str]) -> None:
    """From typing `gnode train` to the first line of progress."""
    command = [str(Path(sys.executable).parent / "gnode"), "train", "ring", "--epochs", "1000"]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [*command, "--integrator", integrator, "--out", f"{folder}/run"],
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            preexec_fn=use_all_cores,
        )
        assert process.stderr is not None
        while not process.stderr.readline().startswith("epoch 1/"):
            assert process.poll() is None, "the run ended before its first epoch"
        process.kill()
        process.wait()
