"""Runs on data sets: trained by name, scored on the test set, shown; on a small set that is made here."""

import json
import tomllib

import numpy as np
import pytest
from typer.testing import CliRunner

from gnode import data
from gnode.cli import app
from gnode.data.files import Form, digest
from gnode.errors import InvalidInput
from gnode.examine import analyse, evaluate
from gnode.examine.content import content_of
from gnode.report import report
from gnode.training.experiment import experiment_from

SMALL = ("--state-size", "3", "--hidden", "4", "--epochs", "2", "--batch-size", "20", "--out")


def write_rollouts(folder, seed):
    """20 short rollouts in place of the 400, which the set then consists of."""
    random = np.random.default_rng(seed)
    (folder / "walker2d" / "rollouts").mkdir(parents=True, exist_ok=True)
    original = data.SETS["walker2d"].original
    files = tuple(f"rollouts/rollout_{number:03d}.npy" for number in range(20))
    paths = [folder / "walker2d" / file for file in files]
    for path in paths:
        np.save(path, random.standard_normal((random.integers(90, 150), 17)))
    size = sum(path.stat().st_size for path in paths)
    return (Form(files, digest(paths), size, original.read, original.address),)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GNODE_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    register(monkeypatch, write_rollouts(tmp_path, 0))
    return tmp_path


def register(monkeypatch, forms):
    known = data.SETS["walker2d"]
    kept = {field: getattr(known, field) for field in ("summary", "folder", "licence", "citation")}
    monkeypatch.setitem(data.SETS, "walker2d", data.DataSet(**kept, forms=forms))


def command(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_run_on_a_data_set_from_the_command_to_the_page(folder, monkeypatch):
    run = folder / "run"
    trained = command("train", "walker2d", *SMALL, run, "--set", "keep=0.8", "--json")
    assert trained.exit_code == 0, trained.exception
    config = tomllib.loads((run / "config.toml").read_text())
    assert config["task"] == {"name": "walker2d", "keep": 0.8}
    assert config["model"]["dt"] == 0.008 and config["model"]["tau"] == 0.002
    assert config["model"]["integrator"] == "exponential-euler" and config["training"]["weight_decay"] == 0.1
    assert not (run / "data").exists()

    summary = json.loads((run / "summary.json").read_text())
    scored = evaluate(run)
    assert scored["loss"] == "mse" and scored["test_loss"] == summary["test_loss"]
    assert scored["rmse"] == pytest.approx(np.sqrt(scored["test_loss"]), rel=1e-5)
    assert scored["trials"] == len(experiment_from(str(run / "config.toml"), {}).task.data().test)
    for asked in ({"trials": 5}, {"silence": 10}):
        with pytest.raises(InvalidInput, match="neither trials nor silence for a run on walker2d, which is scored on"):
            evaluate(run, **asked)

    page = report([run]).read_text()
    assert "the data set <b>walker2d</b>" in page and "Trials of the test set" in page
    assert "predict the next frame" in page and "random states" not in page
    assert "Errors by channel" in page and "channel 17" in page and "What it remembers" not in page
    assert "attractors" not in json.loads(analyse(run).read_text())

    register(monkeypatch, write_rollouts(folder, 1))  # other files, which pass for the set
    with pytest.raises(
        InvalidInput, match=r"the data that .* was started with, instead got others in the data set wal"
    ):
        evaluate(run)
    monkeypatch.setenv("GNODE_DATA", str(folder / "run"))
    assert content_of(run).trials is None
    assert "Its trials are not at hand" in report([run]).read_text()
    with pytest.raises(InvalidInput, match=r"the data set walker2d in .* nothing there"):
        evaluate(run)


def test_commands_list_and_find(folder):
    listed = json.loads(command("data", "list", "--json").stdout)
    assert set(listed) == set(data.SETS)
    assert listed["walker2d"]["folder"] == str(folder / "walker2d" / "rollouts")
    assert listed["speech-commands"]["folder"] is None
    assert "gnode data fetch speech-commands" in command("data", "list").stdout
    for name in ("where", "fetch"):  # what is there is not fetched
        told = json.loads(command("data", name, "walker2d", "--json").stdout)
        assert told["name"] == "walker2d" and len(told["files"]) == 20
    for name in ("list", "where", "fetch"):
        assert "Example: gnode data" in command("data", name, "--help").stdout


def test_another_integrator_than_the_tasks_own_stays_with_the_run(folder):
    """Files leave out gnode's own default, which is not that of models for data sets."""
    run = folder / "run"
    euler = ("--integrator", "euler", "--set", "tau=0.008")
    assert command("train", "walker2d", *SMALL, run, *euler).exit_code == 0
    assert experiment_from(str(run / "config.toml"), {}).model.integrator == "euler"
    again = command("train", "--resume", "--out", run)
    assert again.exit_code == 0, again.exception
