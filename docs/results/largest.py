"""Our largest networks on real data, alone and averaged over seeds: the page largest.md.

    gnode sweep walker2d --preset large --out runs/real/walker2d-large
    gnode sweep speech-commands --preset large --out runs/real/speech-commands-large
    python docs/results/largest.py runs/real

Every number on the page is computed from these sweeps.
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
PAGE_TEXT = """# Our largest networks on real data

    gnode sweep walker2d --preset large --out runs/real/walker2d-large
    gnode sweep speech-commands --preset large --out runs/real/speech-commands-large
    python docs/results/largest.py runs/real

gnODEs larger than those that [the comparison of models](real-tasks.md) has at equal size. Parameters are those of the
epoch with the lowest validation loss. Data, splits and protocols are those of that page.

## Walker2D

N = 128, F [256], a readout with a hidden layer of 128, {walker_epochs} epochs, {walker_seconds:.0f} s a run. To average
is to take the mean of what networks that differ in the seed alone answer; no weights are fitted for it.

| | test mean squared error |
|---|---|
{walker}

## Speech commands

N = 128, F [256], {speech_epochs} epochs, {speech_seconds:.0f} s a run; seed 0 on each of {splits} splits, by settings
that were chosen on another split by the share of validation trials that was right (experiment `speech-commands`, preset
`tune-large`).

| split | test accuracy |
|---|---|
{speech}

Two runs at a time, so seconds are rough. {when}
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


def walker_rows(folder: Path, runs: pd.DataFrame) -> list[str]:
    """A row for each seed, and one for the mean of their answers."""
    config = dict(RunDirectory.open(folder / "runs" / runs["run"].iloc[0]).config()["task"])
    test = tasks.make(config.pop("name"), **config).data().test
    answers = [answers_of(gnode.load(folder / "runs" / run), "mse", test) for run in runs["run"]]

    def error(said: np.ndarray) -> float:
        return float(np.mean((said - answers[0].truth) ** 2))

    rows = [f"| seed {seed} | {error(each.said):.3f} |" for seed, each in zip(runs["seed"], answers, strict=True)]
    together = error(np.mean([each.said for each in answers], axis=0))
    return [*rows, f"| {len(answers)} seeds averaged | **{together:.3f}** |"]


def speech_rows(runs: pd.DataFrame) -> list[str]:
    """A row for each split, and their mean."""
    runs = runs.sort_values("split")
    rows = [f"| {split} | {score:.3f} |" for split, score in zip(runs["split"], runs["test_accuracy"], strict=True)]
    return [*rows, f"| mean | **{runs['test_accuracy'].mean():.3f}** |"]


def main() -> None:
    root = Path(sys.argv[1])
    walker, speech = sweep_of(root / "walker2d-large"), sweep_of(root / "speech-commands-large")
    PAGE.write_text(
        PAGE_TEXT.format(
            walker_epochs=int(walker["epochs"].max()),
            walker_seconds=walker["seconds"].mean(),
            walker="\n".join(walker_rows(root / "walker2d-large", walker)),
            speech_epochs=int(speech["epochs"].max()),
            speech_seconds=speech["seconds"].mean(),
            splits=len(speech),
            speech="\n".join(speech_rows(speech)),
            when=f"{measured_on()}",
        )
    )


if __name__ == "__main__":
    main()
