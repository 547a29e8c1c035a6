"""What every benchmark shares: one thread for everybody, and rounds in turn so that a drift of the machine cancels."""

import os
import statistics
import time
from collections.abc import Callable


def use_one_thread() -> None:
    """One thread for XLA, BLAS and PyTorch."""
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def use_all_cores() -> None:
    """Undo the pinning of `use_one_thread`, in a process of its own that inherited it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))


def seconds_of(run: Callable[[], object]) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def in_turn(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each contender in each round, A B C A B C ..., after one round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for round_ in range(rounds + 1):
        for name, run in contenders.items():
            taken = seconds_of(run)
            if round_:
                seconds[name].append(taken)
    return seconds


def ratio(slow: list[float], fast: list[float]) -> dict[str, float]:
    """The ratio of paired rounds: median, least and greatest."""
    ratios = [a / b for a, b in zip(slow, fast, strict=True)]
    return {"median": statistics.median(ratios), "least": min(ratios), "greatest": max(ratios)}
