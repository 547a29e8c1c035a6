"""One training epoch of this checkout against that of an earlier version, each in a process of its own, in turn.

N = 6, F [100, 100, 100], 500 trials of 100 bins, one thread. The ratio is this version's speed as a multiple of the
earlier one's: the median of paired rounds, and their quartiles.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.machine import seconds_of

BEFORE = "c54d473"  # the last commit of version 0.1.0
ROUNDS = 31
BATCHES = (10, 50, 100)
HERE = Path(__file__).resolve().parents[1]

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
        return seconds_of(self._ask)

    def _ask(self) -> None:
        self._process.stdin.write("\n")
        if not self._process.stdout.readline():
            raise RuntimeError("the process has ended")

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def measure() -> list[dict] | dict:
    """Milliseconds an epoch of both, and the ratio, at each batch size; or why there is nothing to compare with."""
    if _git("cat-file", "-e", f"{BEFORE}^{{commit}}").returncode:
        reason = f"git has no commit {BEFORE} here"
        print(f"skipped: {reason}")
        return {"skipped": reason}
    with _worktree(BEFORE) as there:
        return [_compare(there, batch) for batch in BATCHES]


def _compare(other: Path, batch: int) -> dict:
    here, there = Trainer(HERE / "src", batch), Trainer(other / "src", batch)
    try:
        for trainer in (here, there):
            trainer.epoch(), trainer.epoch()  # compiled, and warm
        pairs = [(here.epoch(), there.epoch()) for _ in range(ROUNDS)]
    finally:
        here.end()
        there.end()
    low, middle, high = statistics.quantiles([before / now for now, before in pairs], n=4)
    now, before = (1e3 * statistics.median(side) for side in zip(*pairs, strict=True))
    print(
        f"batch {batch:3d}: now {now:.0f} ms  {BEFORE} {before:.0f} ms; {middle:.2f} times as fast "
        f"(quartiles {low:.2f} to {high:.2f})", flush=True,
    )  # fmt: skip
    return {"batch": batch, "now_ms": now, "before_ms": before, "ratio": middle, "quartiles": [low, high]}


@contextmanager
def _worktree(commit: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "before"
        _git("worktree", "add", "--detach", str(path), commit).check_returncode()
        try:
            yield path
        finally:
            _git("worktree", "remove", "--force", str(path))


def _git(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(["git", "-C", str(HERE), *arguments], capture_output=True, text=True)
