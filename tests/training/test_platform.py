"""Programs are let go before a process has no room for more; a device that is not there is one line."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

import gnode
from gnode.cli import run_command
from gnode.errors import GnodeError
from gnode.sweeps.grid import read_plan
from gnode.sweeps.sweep import run_sweep
from gnode.training import platform


@pytest.mark.parametrize("many", [True, False])
def test_training_lets_programs_go_where_they_are_many(monkeypatch, many):
    if not Path("/proc/self/maps").exists():
        pytest.skip("no /proc/self/maps here, and no such limit")
    cleared = []
    monkeypatch.setattr(jax, "clear_caches", lambda: cleared.append(True))
    monkeypatch.setattr(platform, "MOST_MAPS", 0 if many else 10**9)
    model = gnode.models.make("rnn", input_size=2, state_size=2, output_size=2)
    gnode.train(model, gnode.tasks.make("ring", bins=4), epochs=1, batch_size=2, train_trials=2, validation_trials=1)
    assert bool(cleared) == many


def refuse(error):
    def devices():
        raise error

    return devices


@pytest.mark.parametrize("error", [AssertionError(), RuntimeError("Unable to initialize backend 'cuda': none.")])
def test_a_device_that_is_not_there_is_named(monkeypatch, capsys, tmp_path, error):
    """JAX raises an AssertionError without a word where JAX_PLATFORMS=cuda and its plugin is not installed."""
    monkeypatch.setattr(jax, "devices", refuse(error))
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    with pytest.raises(GnodeError, match="instead got none with JAX_PLATFORMS=cuda"):
        platform.check_device()
    with pytest.raises(SystemExit) as end:
        run_command(refuse(error))
    said = capsys.readouterr().err
    assert end.value.code == 1 and said.startswith("gnode: Must have a device") and said.count("\n") == 1
    with pytest.raises(GnodeError, match="Must have a device"):
        run_sweep(read_plan("variable-amplitude-6"), tmp_path / "sweep", on="device")
    assert not any(tmp_path.iterdir())


def test_faults_that_have_nothing_to_do_with_devices_stay_as_they_are():
    with pytest.raises(AssertionError, match="a fault of ours"):
        run_command(refuse(AssertionError("a fault of ours")))


def test_a_device_without_memory_is_one_line(capsys):
    with pytest.raises(SystemExit):
        run_command(refuse(jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory\nallocating 8 bytes")))
    said = capsys.readouterr().err
    assert said.startswith("gnode: Must have less to hold in memory") and said.count("\n") == 1


@pytest.mark.full
def test_the_command_without_a_device_is_one_line_and_leaves_nothing(tmp_path):
    line = [sys.executable, "-m", "gnode", "train", "ring", "--out", str(tmp_path / "run")]
    env = {**os.environ, "JAX_PLATFORMS": "nonsense"}
    call = subprocess.run(line, capture_output=True, text=True, timeout=120, env=env)
    assert call.returncode == 1 and call.stdout == "" and not any(tmp_path.iterdir())
    assert call.stderr.startswith("gnode: Must have a device that JAX can compute on") and call.stderr.count("\n") == 1
