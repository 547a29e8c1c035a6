"""A path may begin with ~, wherever a user may give one: in Python, and where the shell left it as it was."""

import json

import numpy as np
import pandas as pd
import pytest

import gnode
from gnode import data, estimators, examine, expressivity, models, results, tasks, train
from gnode.errors import InvalidInput
from gnode.files import path_of
from gnode.report import figures, report
from gnode.report.expressivity import expressivity_report
from gnode.sweeps.grid import read_plan
from gnode.sweeps.sweep import run_sweep
from gnode.training import Data, RunDirectory, Trials
from gnode.training.experiment import experiment_from

X = np.random.default_rng(0).standard_normal((8, 4, 2)).astype("f4")
QUICK = "--hidden none --epochs 1 --batch-size 5 --set bins=20 --set train_trials=5 --set validation_trials=5"
QUICK += " --set test_trials=5"
PLAN = (
    '[task]\nname = "ring"\nbins = 10\n[training]\nepochs = 1\nbatch_size = 2\ntrain_trials = 2\n[grid]\nlr = [0.1]\n'
)


@pytest.fixture(name="home")
def home_folder(tmp_path, monkeypatch):
    """A home folder, and another folder to work in, which must stay empty."""
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    yield home
    assert not any(here.iterdir())


def test_what_a_path_may_be(home):
    assert path_of("~/x") == path_of(home / "x") == home / "x"
    for wrong in (None, 3, b"x", ["x"], "a\0b", "~nobody-of-this-name/x"):
        with pytest.raises(InvalidInput, match=r"^Must have a path"):
            path_of(wrong)


def test_a_home_that_is_not_known_is_said(monkeypatch):
    def unknown(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("pathlib.Path.expanduser", unknown)
    with pytest.raises(InvalidInput, match=r"^Must have a path whose home folder is known"):
        path_of("~/x")


def test_what_is_saved_at_home_is_loaded_from_there(home):
    model = models.make("rnn", input_size=2, state_size=2, output_size=2)
    models.save(model, "~/m.safetensors")
    assert models.model_bytes(gnode.load("~/m.safetensors")) == (home / "m.safetensors").read_bytes()
    trials = Trials(X, X)
    trials.save("~/trials.npz")
    assert Trials.load("~/trials.npz").digest() == trials.digest()
    trials.series.save("~/series.npz")
    assert gnode.Series.load("~/series.npz").shape == trials.series.shape
    Data(trials, trials, trials).save("~/data")
    assert len(Data.load("~/data").test) == 8
    pd.DataFrame({"t": np.arange(9.0), "x": np.ones(9), "y": np.linspace(0.5, 2, 9)}).to_csv(
        home / "t.csv", index=False
    )
    assert data.from_file("~/t.csv", "y", time="t").source["file"] == str(home / "t.csv")
    np.save(home / "paths.npy", X)
    assert expressivity.targets.read_trajectories("~/paths.npy").shape == X.shape


def test_a_run_at_home(gnode, home):
    assert json.loads(gnode(f"train ring {QUICK} --json --out=~/run")[1])["directory"] == f"{home}/run"
    assert gnode("evaluate ~/run --trials 5")[0] == 0
    assert experiment_from("~/run/config.toml", {}).seed == 0
    (home / "plan.toml").write_text(PLAN)
    plan = read_plan("~/plan.toml")
    model, task = models.make("rnn", input_size=2, state_size=2, output_size=2), tasks.make("ring")
    regressor = estimators.GatedODERegressor(epochs=1)
    for call in (
        lambda: train(model, task, epochs=1, out="~/run"),
        lambda: regressor.fit(X, X[:, 0], out="~/run"),
        lambda: run_sweep(plan, "~/run"),
        lambda: expressivity.capacity(["rnn"], out="~/run"),
    ):
        with pytest.raises(InvalidInput, match=f"{home}/run, which holds"):
            call()
    for line in ("sweep ~/plan.toml --out=~/run", "expressivity --out=~/run"):
        assert f"{home}/run, which holds" in gnode(line)[2]


def test_nothing_at_home(gnode, home):
    for call in (
        lambda: RunDirectory.open("~/none"),
        lambda: examine.evaluate("~/none"),
        lambda: examine.analyse("~/none"),
        lambda: report(["~/none"], "~/page.html"),
        lambda: figures("~/none", "~/figures"),
        lambda: results.load("~/none"),
        lambda: results.load_epochs("~/none"),
        lambda: estimators.GatedODERegressor.load("~/none"),
        lambda: expressivity.plan.read_plan("~/none.toml"),
        lambda: expressivity.load_result("~/none"),
        lambda: expressivity_report("~/none"),
    ):
        with pytest.raises(InvalidInput, match=f"{home}/none"):
            call()
    for line in (
        "evaluate ~/none", "analyse ~/none", "report ~/none --out=~/page.html --figures=~/figures",
        "train ~/none/config.toml --out=~/run", "train ~/none.csv --target y --out=~/run",
        "expressivity --config ~/none.toml --out=~/run", "expressivity --data ~/none.npz --out=~/run",
    ):  # fmt: skip
        assert f"{home}/none" in gnode(line)[2]
    assert not any(home.iterdir())
