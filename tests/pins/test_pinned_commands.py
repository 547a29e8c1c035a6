"""What commands answered for machines in version 0.1.0 they still answer; begun sweeps and measurements go on."""

import json
from pathlib import Path

import internals
import pytest
from agreement import agree, missing

import gnode

COMMANDS = json.loads((Path(__file__).parent / "data" / "commands.json").read_text())
SEARCHED = 1e-4  # of what iterations found, which stop at a tolerance of their own
TOLERANCES = {"analyse": SEARCHED, "expressivity": SEARCHED}
GOING_ON = ("sweep", "expressivity")  # have tests of their own, which look at the directory too


def pinned_answer(command, folders: dict[str, Path], name: str) -> None:
    """Asserts that the command answers what it answered."""
    pinned = COMMANDS[name]
    found = command(pinned["line"].format(**folders))
    assert not missing(found, pinned["answer"], TOLERANCES.get(name, 1e-6))


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in GOING_ON])
def test_answers_what_it_answered(command, folders, name):
    pinned_answer(command, folders, name)


@pytest.mark.slow
def test_a_sweep_half_done_goes_on(command, folders):
    whole, half = (folders["sweep"] / name / "runs" for name in ("whole", "half"))
    done = [path.parent for path in half.rglob("summary.json")]
    [begun] = [run for run in half.iterdir() if run not in done]
    before = {run: content(run) for run in done}
    epochs = (begun / "metrics.jsonl").read_bytes()
    assert len(done) == 2 and epochs.count(b"\n") == 2
    pinned_answer(command, folders, "sweep")
    assert {run: content(run) for run in done} == before
    assert (begun / "metrics.jsonl").read_bytes().startswith(epochs)
    assert {path.name for path in half.iterdir()} == {path.name for path in whole.iterdir()}
    for run in whole.iterdir():
        ended, pinned = (internals.arrays(gnode.load(folder)) for folder in (half / run.name, run))
        assert all(agree(*pair) for pair in zip(ended, pinned, strict=True))
    columns = ["run", "state", "model", "seed", "best_epoch", "epochs_run", "val_loss", "test_loss"]
    found, table = (gnode.results.load(runs.parent)[columns].set_index("run") for runs in (half, whole))
    numbers = ["val_loss", "test_loss"]
    assert found.drop(columns=numbers).equals(table.drop(columns=numbers))
    assert agree(found[numbers], table[numbers])


@pytest.mark.slow
def test_a_measurement_goes_on(command, folders):
    cells = sorted((folders["expressivity"] / "measurement" / "cells").iterdir())
    cells[0].unlink()
    before = [(cell, cell.read_bytes()) for cell in cells[1:]]
    pinned_answer(command, folders, "expressivity")
    assert [(cell, cell.read_bytes()) for cell in cells[1:]] == before
    assert sorted(cells[0].parent.iterdir()) == cells
