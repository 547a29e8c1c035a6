"""What a person sees while a sweep runs: a bar in a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Collection, Sequence
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

NOTHING_YET = (float("inf"), "none yet")


class SweepWatcher:
    """Is told of the runs of a sweep, and keeps count; shows nothing."""

    def __enter__(self) -> "SweepWatcher":
        return self

    def __exit__(self, *error: object) -> None: ...

    def start(self, waiting: Sequence[tuple[str, float]], total: int, best: tuple[float, str] = NOTHING_YET) -> None:
        """What is to be done.

        Args:
            waiting: the runs that are not done, each with what it costs on some scale.
            total: how many runs there are in all.
            best: of those that are done already the lowest validation loss, and which run has it.
        """
        self._left, self.total = dict(waiting), total
        self._to_do = sum(self._left.values())
        self._began = time.monotonic()
        self._best, self._best_run = best
        self.show()

    def skip(self, runs: Collection[str]) -> None:
        """These runs will not be done."""
        for run in runs:
            self._left.pop(run, None)

    def done(self, run: str, label: str, loss: float | None, state: str) -> None:
        """A run has ended; `loss` is its lowest validation loss."""
        self._left.pop(run, None)
        if loss is not None and loss < self._best:
            self._best, self._best_run = loss, label
        self.show()

    def line(self) -> str:
        """Runs done, the best so far, the time left."""
        left, spent = sum(self._left.values()), time.monotonic() - self._began
        done = self._to_do - left
        time_left = f"{spent / done * left:.0f} s left" if done else "time left unknown yet" if left else "0 s left"
        best = f"best validation {self._best:.3e} ({self._best_run})" if self._best < float("inf") else "no result yet"
        return f"{self.total - len(self._left)}/{self.total} runs  {best}  {time_left}"

    def show(self) -> None: ...


class SweepLines(SweepWatcher):
    """A plain line at most every so many seconds, and one at the end."""

    def __init__(self, stream: TextIO, seconds: float = 5.0) -> None:
        self._stream = stream
        self._seconds = seconds
        self._last = -float("inf")

    def show(self) -> None:
        now = time.monotonic()
        if now - self._last >= self._seconds or not self._left:
            self._last = now
            print(self.line(), file=self._stream, flush=True)


class SweepBar(SweepWatcher):
    """A live bar."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(BarColumn(bar_width=24), TextColumn("{task.description}"), console=console)

    def __enter__(self) -> "SweepBar":
        self._bar.start()
        self._task = self._bar.add_task("", total=1)
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def show(self) -> None:
        done = self.total - len(self._left)
        self._bar.update(self._task, total=self.total, completed=done, description=escape(self.line()))


def sweep_watcher() -> SweepWatcher:
    """A bar where standard error is a terminal, lines where it is not."""
    console = Console(stderr=True)
    return SweepBar(console) if console.is_terminal else SweepLines(sys.stderr)
