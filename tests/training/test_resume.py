"""A run that was stopped, by whatever means, ends as if it had not been."""

import contextlib
import json
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest

import gnode
from gnode.errors import GnodeError, InvalidInput
from gnode.training import Interrupted
from gnode.training.progress import Silent

TASK = dict(frequency=5.0, bins=30)
SMALL = dict(epochs=8, batch_size=5, train_trials=20, validation_trials=10, test_trials=10)


def model(seed=0):
    return gnode.models.make("gnode", input_size=2, state_size=2, output_size=2, hidden=(6,), seed=seed)


def train(out, **changes):
    return gnode.train(model(), gnode.tasks.make("ring", **TASK), out=out, **{**SMALL, **changes})


class StopAt(Silent):
    """Presses Ctrl-C after an epoch."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    def epoch(self, record) -> None:
        if record.epoch == self._epoch:
            raise KeyboardInterrupt


def records(folder: Path) -> list[dict]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


@pytest.mark.parametrize("stop", [pytest.param(1, marks=pytest.mark.full), 4, pytest.param(8, marks=pytest.mark.full)])
def test_interrupted_and_resumed_is_uninterrupted(tmp_path, stop):
    train(tmp_path / "whole")
    with pytest.raises(Interrupted, match=rf"after epoch {stop} of 8.*--resume"):
        train(tmp_path / "parts", watcher=StopAt(stop))
    run = train(tmp_path / "parts", resume=True)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert (whole / "model.safetensors").read_bytes() == (parts / "model.safetensors").read_bytes()
    assert (whole / "checkpoint/state.safetensors").read_bytes() == (
        parts / "checkpoint/state.safetensors"
    ).read_bytes()
    assert records(whole) == records(parts)
    assert len(run.history) == 8 - stop


class Notes(StopAt):
    """Keeps what the user is told, and presses Ctrl-C after an epoch."""

    def __init__(self, epoch: int = 0) -> None:
        super().__init__(epoch)
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def same(one: Path, other: Path) -> bool:
    """Whether two runs ended alike, to the bit, checkpoints with their configuration included."""
    files = ("model.safetensors", "checkpoint/state.safetensors")
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in files)


def test_a_run_says_where_it_goes_on(tmp_path):
    run = tmp_path / "run"
    with pytest.raises(Interrupted):
        train(run, watcher=Notes(3))
    for stop, words in ((5, "Going on from epoch 3 of 8."), (0, "Going on from epoch 5 of 8.")):
        told = Notes(stop)
        with contextlib.suppress(Interrupted):
            train(run, resume=True, watcher=told)
        assert told.notes == [words]
    told = Notes()
    train(run, resume=True, watcher=told)
    assert told.notes == [f"All 8 epochs of {run} are done. For more: --extend EPOCHS."]
    (run / "checkpoint/state.safetensors").unlink()
    told = Notes()
    train(run, resume=True, watcher=told)
    assert told.notes == [f"No checkpoint yet in {run}: it starts over, with epoch 1 of 8."]


def test_there_is_a_checkpoint_after_the_first_epoch(tmp_path):
    class Look(Notes):
        def epoch(self, record) -> None:
            found.append((tmp_path / "run/checkpoint/state.safetensors").exists())

    found: list[bool] = []
    train(tmp_path / "run", checkpoint_seconds=1e9, watcher=Look(), epochs=2)
    assert found == [True, True]


# -- more epochs --


@pytest.mark.parametrize("schedule", ["warmup-cosine", pytest.param("constant", marks=pytest.mark.full)])
def test_extended_is_as_if_it_had_been_meant_to_be_that_long(tmp_path, schedule):
    options = dict(schedule=schedule, warmup_epochs=2)
    train(tmp_path / "whole", epochs=13, schedule_epochs=8, **options)
    train(tmp_path / "parts", **options)
    first = (tmp_path / "parts/summary.json").read_bytes()
    with pytest.raises(Interrupted, match=r"after epoch 10 of 11\. Go on with --resume alone, without --extend"):
        train(tmp_path / "parts", resume=True, extend=3, watcher=StopAt(10), **options)
    assert (tmp_path / "parts/summary.json").read_bytes() == first
    train(tmp_path / "parts", resume=True, epochs=11, schedule_epochs=8, **options)
    run = train(tmp_path / "parts", resume=True, epochs=11, schedule_epochs=8, extend=2, **options)
    assert same(tmp_path / "whole", tmp_path / "parts") and records(tmp_path / "whole") == records(tmp_path / "parts")
    assert run.summary["epochs"] == 13
    rates = [record["lr"] for record in records(tmp_path / "parts")]
    assert rates[8:] == [rates[7]] * 5 and rates[7] == pytest.approx(1e-4 if schedule != "constant" else 1e-2)
    written = tomllib.loads((tmp_path / "parts/config.toml").read_text())["training"]
    assert (written["epochs"], written["schedule_epochs"]) == (13, 8)


def test_an_extension_that_was_killed_before_its_first_epoch_goes_on(tmp_path):
    """config.toml is written, the checkpoint still that of the shorter run."""
    train(tmp_path / "run")
    config = tmp_path / "run/config.toml"
    schedule = 'schedule = "warmup-cosine"\n'
    longer = config.read_text().replace("epochs = 8\n", "epochs = 10\n", 1)
    config.write_text(longer.replace(schedule, f"{schedule}schedule_epochs = 8\n"))
    train(tmp_path / "run", resume=True, epochs=10, schedule_epochs=8)
    train(tmp_path / "whole", epochs=10, schedule_epochs=8)
    assert same(tmp_path / "run", tmp_path / "whole")


def test_more_epochs_without_extending_are_refused_with_the_way(tmp_path):
    train(tmp_path / "run")
    for changes, words in (
        (dict(epochs=11), r"epochs \(8 there, 11 here\)\. For 3 epochs more: --extend 3 \(in Python extend=3\)"),
        (dict(epochs=11, extend=3), "epochs 8, as .* has them, beside extend, instead got 11"),
        (dict(extend=-1), "extend an integer of at least 0"),
        (dict(extend=3, resume=False), "and resume, to extend it, instead got no resume"),
        (dict(extend=3, lr=0.1), r"training\.lr \(0\.01 there, 0\.1 here\)"),
    ):
        with pytest.raises(InvalidInput, match=words):
            train(tmp_path / "run", **{"resume": True, **changes})
    with pytest.raises(InvalidInput, match="to extend it, instead got no run there"):
        train(tmp_path / "new", resume=True, extend=3)
    assert tomllib.loads((tmp_path / "run/config.toml").read_text())["training"]["epochs"] == 8
    train(tmp_path / "run", resume=True, extend=2)
    with pytest.raises(InvalidInput, match=r"schedule_epochs \(8 there.*For 2 epochs more: --extend 2"):
        train(tmp_path / "run", resume=True, epochs=12)


def test_a_run_that_patience_ended_is_not_extended(tmp_path):
    ended = dict(lr=1e-30, patience=2)  # nothing is learned
    train(tmp_path / "run", **ended)
    before = (tmp_path / "run/config.toml").read_bytes()
    with pytest.raises(InvalidInput, match=r"ended by its patience.*ended after epoch 3.*--from"):
        train(tmp_path / "run", resume=True, extend=3, **ended)
    assert (tmp_path / "run/config.toml").read_bytes() == before


def test_the_command_goes_on_with_its_directory_alone(gnode, tmp_path):
    options = "--hidden 4 --epochs 3 --batch-size 5 --set bins=10 --set frequency=3"
    options += " --set train_trials=10 --set validation_trials=5 --set test_trials=5"
    assert gnode(f"train ring {options} --out", tmp_path / "run")[0] == 0
    code, out, err = gnode("train --resume --extend 2 --json --out", tmp_path / "run")
    assert code == 0 and json.loads(out)["epochs"] == 5 and "Going on from epoch 3 of 5." in err
    code, out, err = gnode("train --resume --json --out", tmp_path / "run")
    assert code == 0 and json.loads(out)["epochs"] == 5 and "All 5 epochs of" in err
    assert gnode(f"train ring {options} --set schedule_epochs=3 --epochs 5 --out", tmp_path / "whole")[0] == 0
    assert same(tmp_path / "run", tmp_path / "whole")


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    train(tmp_path / "run")
    before = (tmp_path / "run/model.safetensors").read_bytes()
    assert train(tmp_path / "run", resume=True).history == []
    assert (tmp_path / "run/model.safetensors").read_bytes() == before


def test_a_directory_with_a_run_is_not_overwritten(tmp_path):
    train(tmp_path / "run")
    files = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(InvalidInput, match=r"holds a run already.*--resume"):
        train(tmp_path / "run")
    with pytest.raises(InvalidInput, match=r"training\.lr \(0\.01 there, 0\.1 here\)"):
        train(tmp_path / "run", lr=0.1, resume=True)
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.tex").write_text("years")
    with pytest.raises(InvalidInput, match="holds other files"):
        train(tmp_path / "papers")
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == files


def test_a_damaged_checkpoint_is_named(tmp_path):
    with pytest.raises(Interrupted):
        train(tmp_path / "run", watcher=StopAt(3))
    checkpoint = tmp_path / "run/checkpoint/state.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    with pytest.raises(InvalidInput, match="damaged one"):
        train(tmp_path / "run", resume=True)


def test_a_full_disk_stops_the_run_and_keeps_the_checkpoint(tmp_path, monkeypatch):
    import os

    with pytest.raises(Interrupted):
        train(tmp_path / "run", watcher=StopAt(3))
    kept = (tmp_path / "run/checkpoint/state.safetensors").read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(GnodeError, match="No space left on device"):
            train(tmp_path / "run", resume=True)
    assert (tmp_path / "run/checkpoint/state.safetensors").read_bytes() == kept
    train(tmp_path / "run", resume=True)
    train(tmp_path / "whole")
    assert (tmp_path / "whole/model.safetensors").read_bytes() == (tmp_path / "run/model.safetensors").read_bytes()


def test_snapshots_are_models(tmp_path):
    from gnode.training import RunDirectory

    train(tmp_path / "run", snapshot_every=3)
    kept = RunDirectory.open(tmp_path / "run").snapshots()
    assert [epoch for epoch, _ in kept] == [3, 6]
    assert gnode.load(kept[0][1]).config == model().config


def command(out: Path) -> list[str]:
    gnode_command = str(Path(sys.executable).parent / "gnode")
    options = (
        "--hidden 16,16 --epochs 120 --batch-size 10 --set train_trials=200 --set checkpoint_seconds=0 --set bins=60"
    )
    return [gnode_command, "train", "ring", *options.split(), "--out", str(out), "--resume"]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.full)])
def test_killed_at_random_moments_and_resumed_is_uninterrupted(tmp_path, kills):
    subprocess.run(command(tmp_path / "whole"), check=True, capture_output=True)
    random = np.random.default_rng(20)
    metrics = tmp_path / "parts/metrics.jsonl"
    for _ in range(kills):
        process = subprocess.Popen(command(tmp_path / "parts"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before = metrics.stat().st_mtime_ns if metrics.exists() else 0
        while not metrics.exists() or metrics.stat().st_mtime_ns == before:
            assert process.poll() is None, "the run ended before it could be killed: give it more epochs"
            time.sleep(0.002)
        time.sleep(random.uniform(0.0, 0.08))  # somewhere in the two or three epochs that follow, writing included
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    subprocess.run(command(tmp_path / "parts"), check=True, capture_output=True)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert (whole / "model.safetensors").read_bytes() == (parts / "model.safetensors").read_bytes()
    assert records(whole) == records(parts)


# -- from the weights of another --


def test_a_run_from_the_weights_of_another_keeps_them_and_goes_on_alone(gnode, tmp_path):
    line = "train ring --epochs 2 --batch-size 5 --set bins=10 --set frequency=3"
    line += " --set train_trials=10 --set validation_trials=5 --set test_trials=5"
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    assert gnode(f"{line} --hidden 4 --seed 3 --out", first)[0] == 0
    assert not (first / "start.safetensors").exists()
    code, _, err = gnode(f"{line} --set lr=0.002 --from {first} --out", second)
    assert code == 0, err
    assert (second / "start.safetensors").read_bytes() == (first / "model.safetensors").read_bytes()
    (second / "checkpoint/state.safetensors").unlink()
    before = (second / "model.safetensors").read_bytes()
    assert gnode("train --resume --out", second)[0] == 0
    assert (second / "model.safetensors").read_bytes() == before
    assert gnode(f"train {second}/config.toml --out", third)[0] == 0
    assert same(second, third) and not same(first, second)
    for more, words in (
        ("--hidden 5", r"hidden \[4\], as the model has that training starts from, instead got \[5\]"),
        ("--from nowhere", "nothing at nowhere"),
    ):
        code, _, err = gnode(f"{line} --from {first} {more} --out", tmp_path / "fourth")
        assert code == 1 and re.search(words, err) and not (tmp_path / "fourth").exists(), err
