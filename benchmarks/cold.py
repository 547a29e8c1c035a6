"""What a newcomer waits for: set-up, documentation, import, help, the first epoch. It prints a table in Markdown."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.machine import seconds_of, use_all_cores
from benchmarks.start_up import first_epoch, own_start

ROUNDS = 5
BIN = Path(sys.executable).parent


def measure() -> list[dict]:
    """Seconds of each, the least and the median of a few rounds; of what is cold by nature, of one."""
    with tempfile.TemporaryDirectory() as folder:
        checkout, cache = f"{folder}/gnode", own_start() | {"XDG_CACHE_HOME": f"{folder}/cache"}
        run(["git", "clone", "--quiet", ".", checkout])
        figures: dict[str, tuple[int, Callable[[], object]]] = {
            "`make setup` in a fresh clone": (1, partial(run, ["make", "setup"], checkout)),
            "`make docs` there": (1, partial(run, ["make", "docs"], checkout)),
            "`import gnode`": (ROUNDS, partial(run, [sys.executable, "-c", "import gnode"])),
            "`gnode --help`": (ROUNDS, partial(run, [str(BIN / "gnode"), "--help"])),
            "`gnode train ring` until its first epoch, nothing compiled yet": (1, partial(first_epoch, "euler", cache)),
            "the same, compiled before": (ROUNDS, partial(first_epoch, "euler", cache)),
        }
        rows = []
        for what, (rounds, call) in figures.items():
            seconds = sorted(seconds_of(call) for _ in range(rounds))
            rows.append({"what": what, "rounds": rounds, "least_s": seconds[0], "median_s": seconds[rounds // 2]})
    print("| what | median | least | rounds |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row['what']} | {row['median_s']:.2f} s | {row['least_s']:.2f} s | {row['rounds']} |", flush=True)
    return rows


def run(command: list[str], folder: str | None = None) -> None:
    """A command on all cores, whose words are not shown."""
    environment = {key: value for key, value in os.environ.items() if not key.endswith("_THREADS")}
    subprocess.run(
        command, check=True, cwd=folder, env=environment, stdout=subprocess.DEVNULL, preexec_fn=use_all_cores
    )
