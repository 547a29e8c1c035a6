"""What pages that hold a table of truths share: cases measured one by one, and the shares of their verdicts."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

Case = TypeVar("Case")
Row = dict[str, str]  # with "name" and "verdict"


def measured(cases: Sequence[Case], row_of: Callable[[Case], Row], kept: Path) -> list[Row]:
    """A row for each case, those of earlier calls as they were kept."""
    rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    there, began = len(rows), time.perf_counter()
    kept.parent.mkdir(exist_ok=True)
    with kept.open("a") as file:
        for number, case in enumerate(cases[there:], start=1):
            rows.append(row_of(case))
            file.write(json.dumps(rows[-1]) + "\n")
            file.flush()
            left = (time.perf_counter() - began) / number * (len(cases) - len(rows))
            print(f"\r{len(rows)}/{len(cases)}  {left:.0f} s left ", end="", file=sys.stderr, flush=True)
    return rows


def share(rows: Sequence[Row], word: str, name: str | None = None) -> float:
    """The share of a verdict among all rows, or those of one system."""
    return float(np.mean([row["verdict"] == word for row in rows if name in (None, row["name"])]))


def cells(rows: Sequence[Row], bars: dict[str, str], name: str) -> str:
    """The shares of one system's verdicts, as cells of a table."""
    return " | ".join(f"{share(rows, word, name):.2f}" for word in bars)


def others(rows: Sequence[Row], key: str, name: str) -> list[str]:
    """What was found of one system where it was not right."""
    return sorted({row[key] for row in rows if row["name"] == name and row["verdict"] != "right"})


def shares(rows: Sequence[Row], bars: dict[str, str], what: str) -> str:
    """The table of verdicts over all rows, with the bar of each."""
    table = [f"| | share of {what} | bar |", "|---|---|---|"]
    return "\n".join(table + [f"| {word} | {share(rows, word):.3f} of {len(rows)} | {bars[word]} |" for word in bars])
