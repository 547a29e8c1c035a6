"""At the ends of what can be asked: an answer, or one line of where it stopped; the same on any number of cores."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import gnode as package
from gnode.data.files import places
from gnode.errors import Diverged, InvalidInput
from gnode.training import Data, RunDirectory, Trials

TINY = "--epochs 3 --batch-size 4 --set train_trials=8 --set validation_trials=4 --set test_trials=4 --set bins=10"


def one_line(said: str) -> bool:
    return said.startswith("gnode: ") and said.count("\n") == 1


@pytest.mark.parametrize("more", ["--lr 1e6 --model gru", "--lr 1e30 --clip 0 --model node --hidden 4"])
def test_a_learning_rate_beyond_measure_is_an_answer_or_one_line_and_keeps_what_was_good(gnode, tmp_path, more):
    code, _, said = gnode(f"train ring {more} {TINY} --set warmup_epochs=0 --out", tmp_path / "run")
    last = said.strip().splitlines()[-1]
    assert code in (0, 1), said
    if code:
        assert last.startswith("gnode: Training diverged in epoch") and "lower learning rate" in last
        assert ("clipping (clip = 1; now off)" if "--clip 0" in more else "a smaller clip (now 1)") in last
    if (tmp_path / "run" / "model.safetensors").exists():
        outputs = package.load(tmp_path / "run")(np.zeros((1, 3, 2), "f4"))
        assert np.isfinite(outputs).all()


def test_squares_beyond_float32_are_an_answer_or_name_epoch_and_quantity(tmp_path):
    targets = 1e30 * np.random.default_rng(0).standard_normal((4, 3, 1))
    trials = Trials(np.ones((4, 3, 1)), targets)
    model = package.models.make("rnn", input_size=1, state_size=2, output_size=1)
    try:
        run = package.train(model, Data(trials, trials, trials), out=tmp_path / "run", epochs=1, batch_size=2)
        assert np.isfinite(run.summary["val_loss"])
    except Diverged as error:
        assert re.match(r"Training diverged in epoch 1 of 1: training loss (inf|nan)", str(error))


@pytest.mark.parametrize("more", ["--state-size 1", "--set train_trials=1 --set validation_trials=1 --batch-size 1"])
def test_one_unit_and_one_trial_are_trained(gnode, tmp_path, more):
    code, _, said = gnode(f"train ring --model rnn {TINY} {more} --out", tmp_path / "run")
    assert code == 0, said
    assert np.isfinite(RunDirectory.open(tmp_path / "run").summary()["test_loss"])


def test_more_units_than_memory_holds_are_one_line_and_leave_nothing(gnode, tmp_path):
    code, _, said = gnode(f"train ring --model rnn --state-size 2000000 {TINY} --out", tmp_path / "run")
    assert code == 1 and one_line(said) and "Must have" in said, said
    assert not (tmp_path / "run").exists()


def test_without_a_home_folder_no_folder_of_that_name_is_made(monkeypatch, tmp_path):
    monkeypatch.setattr("pooch.os_cache", lambda name: f"~/.cache/{name}")  # as where nobody knows of a home
    monkeypatch.delenv("GNODE_DATA", raising=False)
    with pytest.raises(InvalidInput, match="GNODE_DATA the path of a folder"):
        places()
    monkeypatch.setenv("GNODE_DATA", str(tmp_path))
    assert places() == [tmp_path]


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2, reason="no two cores to choose from"
)
def test_the_same_seed_gives_the_same_bytes_on_one_core_and_on_two(tmp_path):
    """The command computes on one thread of XLA, whatever it may use."""
    every = sorted(os.sched_getaffinity(0))
    environment = {name: value for name, value in os.environ.items() if name not in ("XLA_FLAGS", "NPROC")}
    for count in (1, 2):
        line = f"train ring --model gnode --hidden 64 --state-size 8 {TINY} --set bins=50 --out {tmp_path / str(count)}"
        begun = f"import os; os.sched_setaffinity(0, {every[:count]}); from gnode.cli import main; main()"
        call = subprocess.run(
            [sys.executable, "-c", begun, *line.split()], env=environment, capture_output=True, timeout=240
        )
        assert call.returncode == 0, call.stderr.decode()
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("1", "2"))
    assert one == two
