"""One training epoch of this checkout against that of another version, each in a process of its own, in turn.

    git worktree add ../before c54d473
    python -m benchmarks.versions ../before

N = 6, F [100, 100, 100], 500 trials of 100 bins, one thread; the last column is this version's speed as a multiple of
the other's: the median of paired rounds, and their quartiles.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 31
BATCHES = (10, 50, 100)

# Trains with the public names alone, and waits for a line before every epoch.
EPOCHS = """
import sys, gnode
from gnode.training.progress import Silent
batch = int(sys.argv[1])

class InTurn(Silent):
    def start(self, first_epoch, epochs): sys.stdin.readline()
    def epoch(self, record): print(record.epoch, flush=True); sys.stdin.readline()

task = gnode.tasks.make("variable-amplitude")
model = gnode.models.make("gnode", input_size=3, state_size=6, output_size=3, hidden=(100, 100, 100))
settings = dict(epochs=100_000, batch_size=batch, lr=1e-3, schedule="constant", validation_trials=10)
gnode.train(model, task, watcher=InTurn(), **settings)
"""


class Trainer:
    """A process that does an epoch when it is asked to."""

    def __init__(self, source: Path, batch: int) -> None:
        environment = os.environ | {"PYTHONPATH": str(source), "JAX_PLATFORMS": "cpu", "NPROC": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", EPOCHS, str(batch)], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1,
        )  # fmt: skip

    def epoch(self) -> float:
        """Seconds of one epoch."""
        began = time.perf_counter()
        self._process.stdin.write("\n")
        if not self._process.stdout.readline():
            raise RuntimeError("the process has ended")
        return time.perf_counter() - began

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def measure(other: Path) -> list[dict]:
    """Seconds an epoch of both, and the ratio, at each batch size."""
    rows = []
    for batch in BATCHES:
        here, there = Trainer(Path(__file__).resolve().parents[1] / "src", batch), Trainer(other / "src", batch)
        try:
            for trainer in (here, there):
                trainer.epoch(), trainer.epoch()  # compiled, and warm
            pairs = [(here.epoch(), there.epoch()) for _ in range(ROUNDS)]
        finally:
            here.end()
            there.end()
        ratios = [before / now for now, before in pairs]
        low, middle, high = statistics.quantiles(ratios, n=4)
        now, before = (1e3 * statistics.median(side) for side in zip(*pairs, strict=True))
        rows.append({"batch": batch, "now_ms": now, "before_ms": before, "ratio": middle, "quartiles": [low, high]})
        print(
            f"batch {batch:3d}: now {now:.0f} ms  before {before:.0f} ms  {middle:.2f} times as fast "
            f"({low:.2f} to {high:.2f})", flush=True,
        )  # fmt: skip
    return rows


if __name__ == "__main__":
    measure(Path(sys.argv[1]))
