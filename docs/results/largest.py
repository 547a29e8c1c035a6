"""Our largest network on Walker2D, alone and averaged over seeds: the page largest.md.

    gnode sweep walker2d --preset large --out runs/real/walker2d-large
    python docs/results/largest.py runs/real/walker2d-large

Every number on the page is computed from this sweep.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from machine import measured_on

import gnode
from gnode import results, tasks
from gnode.examine.answers import answers_of
from gnode.training import RunDirectory

PAGE = Path(__file__).with_suffix(".md")
PAGE_TEXT = """# Our largest network on Walker2D

    gnode sweep walker2d --preset large --out runs/real/walker2d-large
    python docs/results/largest.py runs/real/walker2d-large

A gnODE larger than those that [the comparison of models](real-tasks.md) has at equal size, on the data, splits and
protocol of that page: N = 128, F [256], a readout with a hidden layer of 128, {parameters:,} parameters, {epochs}
epochs. Parameters are those of the epoch with the lowest validation loss. To average is to take the mean of what
networks that differ in the seed alone answer; no weights are fitted for it.

| | test mean squared error | seconds of training |
|---|---|---|
{rows}

Seconds are those of one core beside other work, and rough. {when}
"""


def sweep_of(folder: Path) -> pd.DataFrame:
    """The finished runs of a sweep.

    Raises:
        SystemExit: some have not finished.
    """
    found = results.load(folder)
    if found["test_loss"].isna().any():
        raise SystemExit(
            f"Must have all runs of {folder} finished, instead got {found['test_loss'].isna().sum()} open."
        )
    return found


def rows_of(folder: Path, runs: pd.DataFrame) -> list[str]:
    """A row for each seed, and one for the mean of their answers."""
    config = dict(RunDirectory.open(folder / "runs" / runs["run"].iloc[0]).config()["task"])
    test = tasks.make(config.pop("name"), **config).data().test
    answers = [answers_of(gnode.load(folder / "runs" / run), "mse", test) for run in runs["run"]]

    def error(said: np.ndarray) -> float:
        return float(np.mean((said - answers[0].truth) ** 2))

    rows = [
        f"| seed {seed} | {error(each.said):.3f} | {seconds:.0f} |"
        for seed, each, seconds in zip(runs["seed"], answers, runs["seconds"], strict=True)
    ]
    together = error(np.mean([each.said for each in answers], axis=0))
    return [*rows, f"| {len(answers)} seeds averaged | **{together:.3f}** | {runs['seconds'].sum():.0f} |"]


def main() -> None:
    folder = Path(sys.argv[1])
    runs = sweep_of(folder)
    PAGE.write_text(
        PAGE_TEXT.format(
            epochs=int(runs["epochs"].max()),
            parameters=int(runs["parameters"].iloc[0]),
            rows="\n".join(rows_of(folder, runs)),
            when=measured_on(),
        )
    )


if __name__ == "__main__":
    main()
