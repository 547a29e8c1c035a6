"""A run that was stopped, by whatever means, ends as if it had not been."""

import json
import signal
import subprocess
import sys
import time
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
