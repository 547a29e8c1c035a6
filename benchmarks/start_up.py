"""From typing `gnode train` to the end of the first epoch, with a warm compile cache."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import use_all_cores


def measure() -> dict:
    """Seconds until the first line of progress, over seven starts after two that fill the cache."""
    command = [str(Path(sys.executable).parent / "gnode"), "train", "ring", "--epochs", "1000"]
    # As a user's own start: all cores, and the user's own cache.
    environment = {key: value for key, value in os.environ.items() if not key.endswith(("_THREADS", "XLA_FLAGS"))}
    environment.pop("XLA_FLAGS", None)
    seconds = []
    for _ in range(9):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            process = subprocess.Popen(
                [*command, "--out", f"{folder}/run"],
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
                preexec_fn=use_all_cores,
            )
            assert process.stderr is not None
            while not process.stderr.readline().startswith("epoch 1/"):
                assert process.poll() is None, "the run ended before its first epoch"
            seconds.append(time.perf_counter() - began)
            process.kill()
            process.wait()
    warm = seconds[2:]
    result = {"median_s": statistics.median(warm), "least_s": min(warm), "greatest_s": max(warm)}
    print(
        f"first epoch after {result['median_s']:.2f} s ({result['least_s']:.2f} to {result['greatest_s']:.2f}; "
        f"the very first start took {seconds[0]:.2f} s)"
    )
    return result
