"""Whether two sweeps ended in the same bytes, seconds aside: python -m tests.cluster.agree ONE OTHER."""

import sys
from pathlib import Path

import pandas as pd

from gnode import results


def facts(folder: Path) -> dict[str, bytes]:
    """The files of all runs that hold no seconds."""
    names = ("config.toml", "model.safetensors", "checkpoint/state.safetensors")
    return {f"{run.name}/{name}": (run / name).read_bytes() for run in (folder / "runs").iterdir() for name in names}


def tables(folder: Path) -> list[pd.DataFrame]:
    """results, epochs and, where there are any, examinations."""
    loads = [results.load, results.load_epochs]
    loads += [results.load_examinations] if (folder / "examinations.parquet").exists() else []
    return [load(folder).drop(columns="seconds") for load in loads]


def check_agreement(one: Path, other: Path) -> None:
    """Raises AssertionError where the two differ, or where a run is not done."""
    assert facts(one) == facts(other)
    for ours, theirs in zip(tables(one), tables(other), strict=True):
        pd.testing.assert_frame_equal(ours, theirs)
    assert (results.load(one)["state"] == "done").all()


if __name__ == "__main__":
    one, other = map(Path, sys.argv[1:])
    check_agreement(one, other)
    files, runs = len(facts(one)), len(results.load(one))
    print(f"{one} and {other}: {files} files of {runs} runs are the same bytes, and so are the tables")
