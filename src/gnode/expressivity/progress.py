"""What a person sees while cells are fitted: a bar in a terminal, plain lines elsewhere, both with the time left."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from gnode.expressivity.measurement import Done
from gnode.expressivity.plan import Cell


@contextmanager
def watching() -> Iterator[Done]:
    """Gives what `run_plan` tells of each finished cell."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("left"), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("fitting", total=1.0)
        yield lambda cell, share, finished: bar.update(task, completed=finished, description=cell.label)


def _lines() -> Done:
    began = time.monotonic()
    worked = 0.0

    def line(cell: Cell, share: float, finished: float) -> None:
        nonlocal worked
        worked += share
        left = (time.monotonic() - began) / worked * (1 - finished)
        print(f"{cell.label} done  {100 * finished:.0f} %  {left:.0f} s left", file=sys.stderr, flush=True)

    return line
