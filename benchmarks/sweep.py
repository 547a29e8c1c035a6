"""A whole grid against one run of it, its memory, its share of the machine's peak, and how fast Ray's driver is.

27 configurations: batch 10, 50, 100 x three rates x three decays; N = 6, F [100, 100, 100], 500 trials of 100 bins.
Starting the workers is part of every figure but the shares of the peak. Unlike other benchmarks it uses all cores.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.machine import use_all_cores

EPOCHS = 40
EMPTY_TASKS = 3000
TABLES = {
    "task": {"name": "variable-amplitude"},
    "model": {"model": "gnode", "state_size": 6, "hidden": [100, 100, 100]},
    "training": {"epochs": EPOCHS, "schedule": "constant"},
    "grid": {"batch_size": [10, 50, 100], "lr": [1e-4, 1e-3, 1e-2], "weight_decay": [1e-3, 1e-2, 1e-1]},
}


def measure() -> dict:
    """In a process of its own, free of the one core and the flags that the other benchmarks run with."""
    environment = {
        key: value for key, value in os.environ.items() if not key.endswith("_THREADS") and key != "XLA_FLAGS"
    }
    environment |= {"RAY_USAGE_STATS_ENABLED": "0"}
    with tempfile.TemporaryDirectory() as cache:
        environment["JAX_COMPILATION_CACHE_DIR"] = cache
        environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        command = [sys.executable, "-m", "benchmarks.sweep"]
        run = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    result = json.loads(run.stdout.splitlines()[-1])
    print(
        f"27 runs cost {result['ratio']:.1f} times one on {result['cores']} cores; a run beside others takes "
        f"{result['beside_over_alone']:.2f} times as long as alone; memory at most {result['peak_memory_mb']:.0f} MB "
        f"(proportional set size of all processes); {result['share_of_peak']:.0%} of the matrix product peak of "
        f"{result['peak_gflops']:.0f} GFLOP/s at batch 100; Ray: {result['ray_runs_a_minute']:.0f} empty runs a minute"
    )
    return result


def _measure() -> dict:
    use_all_cores()
    from gnode.workers import cores

    peak = _peak_of_matrix_products()
    with tempfile.TemporaryDirectory() as folder:
        alone = {}
        for batch in (10, 50, 100, 10, 50, 100):  # the first of each fills the compile cache
            name = f"{folder}/{batch}-{time.monotonic_ns()}"
            grid = {"batch_size": [batch], "lr": [1e-3], "weight_decay": [1e-2]}
            alone[batch] = _seconds_of({**TABLES, "grid": grid}, name), name
        memory = _Memory()
        whole = _seconds_of(TABLES, f"{folder}/whole")
        peak_memory = memory.stop()
        from gnode.sweeps import results  # late, as in the command: it takes memory

        alone = {batch: (wall, results.load(name)["seconds"].item()) for batch, (wall, name) in alone.items()}
        runs, epochs = results.load(f"{folder}/whole"), results.load_epochs(f"{folder}/whole")
    one = statistics.mean(wall for wall, _ in alone.values())
    beside = runs.groupby("batch_size")["seconds"].mean()
    at_100 = epochs[epochs["run"].isin(runs[runs["batch_size"] == 100]["run"]) & (epochs["epoch"] > 1)]
    achieved = cores() * _flops_of_an_epoch() / at_100["seconds"].median() / 1e9
    return {
        "cores": cores(),
        "epochs": EPOCHS,
        "one_s": one,
        "whole_s": whole,
        "ratio": whole / one,
        "beside_over_alone": statistics.mean(beside[batch] / seconds for batch, (_, seconds) in alone.items()),
        "peak_memory_mb": peak_memory,
        "peak_gflops": peak,
        "share_of_peak": achieved / peak,
        "ray_runs_a_minute": _empty_tasks(),
    }


def _seconds_of(tables: dict, out: str) -> float:
    from gnode.sweeps.grid import plan
    from gnode.sweeps.sweep import run_sweep

    planned = plan(tables)
    began = time.perf_counter()
    assert (run_sweep(planned, out)["state"] == "done").all()
    return time.perf_counter() - began


def _peak_of_matrix_products() -> float:
    """GFLOP/s of large float32 products on all cores, best of ten; in a process of its own, for its memory."""
    code = (
        "import time, jax, jax.numpy as jnp\n"
        "n = 3000\na = jnp.ones((n, n))\ndot = jax.jit(jnp.dot)\ndot(a, a).block_until_ready()\nbest = 1e9\n"
        "for _ in range(10):\n"
        "    t = time.perf_counter(); dot(a, a).block_until_ready(); best = min(best, time.perf_counter() - t)\n"
        "print(2 * n**3 / best / 1e9)"
    )
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


def _flops_of_an_epoch() -> float:
    """Dense products of 500 training trials (forward, and twice as much backward) and 100 validation trials."""
    state, inputs, outputs, hidden = 6, 3, 3, 100
    candidate = (state + inputs) * hidden + 2 * hidden * hidden + hidden * state
    gate = (state + inputs) * state
    a_bin = 2 * (candidate + gate + state * outputs)
    return a_bin * 100 * (3 * 500 + 100)


def _empty_tasks() -> float:
    from gnode.workers import run_jobs

    jobs = run_jobs(abs, list(range(EMPTY_TASKS)), on="ray")
    next(jobs)  # Ray and its workers have started
    began = time.perf_counter()
    return 60 * sum(1 for _ in jobs) / (time.perf_counter() - began)


class _Memory:
    """The greatest proportional set size of this process and all below it, in MB, looked at five times a second."""

    def __init__(self) -> None:
        self._peak, self._stopped = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> float:
        self._stopped.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while not self._stopped.wait(0.2):
            self._peak = max(self._peak, sum(map(_proportional, _family())))


def _family() -> set[int]:
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    family = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return family


def _proportional(process: int) -> float:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith("Pss:")), 0.0)


if __name__ == "__main__":
    print(json.dumps(_measure()))
