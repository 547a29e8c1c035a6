"""Sweeps: what a file expands to, that runs do not depend on their neighbours, that nothing is lost or done twice."""

import copy
import importlib.resources
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

import gnode
from gnode.errors import GnodeError, InvalidInput
from gnode.sweeps import results
from gnode.sweeps.grid import experiments, plan, read_plan
from gnode.sweeps.progress import SweepWatcher
from gnode.sweeps.sweep import run_sweep
from gnode.training import RunDirectory
from gnode.training.train import Interrupted

SMALL = dict(epochs=9, batch_size=5, train_trials=20, validation_trials=10, test_trials=10)
TABLES = {
    "task": {"name": "ring", "bins": 20, "frequency": 4.0},
    "model": {"state_size": 2},
    "training": SMALL,
    "grid": {"model": [{"model": "gnode", "hidden": [6]}, "rnn"], "lr": [1e-2, 1e-3, 1e-4]},
    "sweep": {"select": ["lr"]},
}


def tables(**changes):
    """The tables above with others in their place; keys as grid__lr."""
    changed = copy.deepcopy(TABLES)
    for key, value in changes.items():
        table, _, name = key.partition("__")
        changed.setdefault(table, {})[name] = value
    return changed


def files(folder: Path) -> dict[str, bytes]:
    """Everything in a run's folder that holds no seconds."""
    names = ("config.toml", "model.safetensors", "checkpoint/state.safetensors")
    return {name: (folder / name).read_bytes() for name in names}


# -- experiment files --


def test_every_combination_is_a_run_with_its_own_configuration():
    found = plan(tables(sweep__seeds=2))
    assert len(found.runs) == 2 * 3 * 2 == len({run.id for run in found.runs})
    assert found.axes == ["model", "lr"] and found.compare == "model"
    for run in found.runs:
        assert run.config["model"]["model"] == run.labels["model"]
        assert run.config["training"]["lr"] == run.labels["lr"]
        assert run.config["model"]["seed"] == run.config["training"]["seed"] == run.labels["seed"]
        assert run.config["model"]["hidden"] == ([6] if run.labels["model"] == "gnode" else [])


def test_a_runs_id_depends_on_its_configuration_alone():
    def id_of(made, lr):
        return next(run.id for run in made.runs if run.labels["model"] == "rnn" and run.labels["lr"] == lr)

    whole = plan(TABLES)
    part = plan(tables(grid__model=["rnn"], grid__lr=[1e-3]))
    dotted = tables(sweep__select=[])
    dotted["grid"] = {"training.lr": [1e-3], "model.model": ["rnn"]}
    assert id_of(whole, 1e-3) == id_of(part, 1e-3) == plan(dotted).runs[0].id != id_of(whole, 1e-2)


def test_a_preset_is_put_on_top(tmp_path):
    path = tmp_path / "one.toml"
    path.write_text(
        '[task]\nname = "ring"\n[training]\nepochs = 3\nlr = 0.5\n[grid]\nbatch_size = [1, 2]\n'
        "[presets.quick.training]\nepochs = 1\n[presets.quick.grid]\nbatch_size = [7]\n"
        "[presets.long.training]\nepochs = 9\n"
    )

    def read(preset):
        return [
            (run.config["training"]["epochs"], run.config["training"]["lr"], run.labels["batch_size"])
            for run in read_plan(str(path), preset).runs
        ]

    assert read("quick") == read(None) == [(1, 0.5, 7)]
    assert read("long") == [(9, 0.5, 1), (9, 0.5, 2)]
    with pytest.raises(InvalidInput, match="a preset out of long, quick"):
        read_plan(str(path), "lang")


@pytest.mark.parametrize("name", experiments())
def test_every_published_experiment_expands(name):
    text = importlib.resources.files("gnode").joinpath("experiments", f"{name}.toml").read_text()
    for preset in tomllib.loads(text)["presets"]:
        found = read_plan(name, preset)
        assert found.compare == "model" and set(found.select) <= set(found.axes)
        if preset in ("quick", "paper") and found.examination is None:  # those of the paper, which compare all five
            assert {run.labels["model"] for run in found.runs} >= {"gnode", "node", "mgru", "gru", "rnn"}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (dict(grid__lrr=[1]), "a known key, instead got 'lrr'. Did you mean 'lr'"),
        ({"grid__training.epoch": [1]}, "a known key, instead got 'epoch'. Did you mean 'epochs'"),
        (dict(model__hiden=[3]), "Did you mean 'hidden'"),
        (dict(grid__lr=[]), "at least one value on the axis 'lr'"),
        (dict(grid__lr=0.1), "a list of values for the axis 'lr'"),
        (dict(grid__lr=[0.1, 0.1]), "the same one twice"),
        (dict(grid__seed=[1]), "seeds in [sweep]"),
        (dict(grid__clip=[float(at) for at in range(1000)], sweep__seeds=10_000), "at most 100,000 runs"),
        (dict(sweep__seeds=0), "seeds from 1"),
        (dict(sweep__select=["rl"]), "select among the axes model, lr, instead got 'rl'"),
        (dict(sweep__compare="task"), "compare among the axes"),
        (dict(sweep__seed=1), "Did you mean 'seeds'"),
        (dict(training__batch_size=21), "batch_size at most the 20 training trials"),
        (dict(grid__model=["gnoed"]), "Did you mean 'gnode'"),
        (dict(grids__lr=[1]), "only the tables"),
    ],
)
def test_a_grid_that_cannot_be_is_one_clear_line(changes, line):
    began = time.monotonic()
    with pytest.raises(InvalidInput) as error:
        plan(tables(**changes))
    assert line in str(error.value) and "\n" not in str(error.value)
    assert time.monotonic() - began < 5


# -- running --


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("sweep") / "out"
    # A rate of 1e30 diverges.
    run_sweep(plan(tables(grid__lr=[1e-2, 1e-3, 1e30], sweep__seeds=2, training__clip=0.0)), out, workers=2)
    return out


def test_the_table_has_every_run_once_and_a_diverging_run_fails_alone(swept):
    runs = results.load(swept)
    assert len(runs) == 12 and runs["run"].is_unique
    assert (runs[runs["lr"] < 1]["state"] == "done").all()
    failed = runs[runs["lr"] > 1]
    assert (failed["state"] == "failed").all() and failed["why"].str.contains("diverged in epoch 1 of 9").all()
    epochs = results.load_epochs(swept).groupby("run")["val_loss"]
    done = runs[runs["state"] == "done"].set_index("run")
    assert (epochs.count() == 9).all() and len(epochs) == 8
    np.testing.assert_allclose(epochs.min()[done.index], done["val_loss"], rtol=1e-6)


@pytest.mark.full
def test_a_run_beside_others_is_the_run_alone(swept, tmp_path):
    alone = plan(tables(grid__model=["rnn"], grid__lr=[1e-2], training__clip=0.0, sweep__seeds=[1]))
    run_sweep(alone, tmp_path / "alone", workers=1)
    run = alone.runs[0].id
    assert files(tmp_path / "alone" / "runs" / run) == files(swept / "runs" / run)


def test_finished_and_failed_runs_are_not_done_again(swept):
    def times():
        return {path: path.stat().st_mtime_ns for path in (swept / "runs").rglob("*") if path.is_file()}

    before, table = times(), results.load(swept)
    again = run_sweep(plan(tables(grid__lr=[1e-2, 1e-3, 1e30], sweep__seeds=2, training__clip=0.0)), swept, resume=True)
    assert times() == before
    pd.testing.assert_frame_equal(again, table, check_dtype=False)


def test_another_sweeps_directory_is_left_alone(swept, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in swept.rglob("*")}
    with pytest.raises(InvalidInput, match="which holds a sweep"):
        run_sweep(plan(TABLES), swept)
    with pytest.raises(InvalidInput, match=r"another \[grid\] and \[sweep\] and \[training\]"):
        run_sweep(plan(TABLES), swept, resume=True)
    assert {path: path.stat().st_mtime_ns for path in swept.rglob("*")} == before
    (tmp_path / "thesis.tex").write_text("years")
    for resume in (False, True):
        with pytest.raises(InvalidInput, match="holds other files"):
            run_sweep(plan(TABLES), tmp_path, resume=resume)


def test_halving_stops_the_hopeless_and_changes_nothing_of_the_best(swept, tmp_path):
    rates = [1e-2, 1e-3, 1e-4, 1e30]
    halving = plan(tables(grid__model=["rnn"], grid__lr=rates, training__clip=0.0, sweep__halving=True))
    halved = run_sweep(halving, tmp_path / "halved", workers=1).set_index("lr")
    assert dict(halved["state"]) == {1e-2: "done", 1e-3: "stopped", 1e-4: "stopped", 1e30: "failed"}
    assert (halved.loc[[1e-3, 1e-4], "epochs_run"] == 1).all()
    assert halved.loc[[1e-3, 1e-4], "why"].str.match(r"halving: [23] of 3 after 1 epoch").all()
    # The one that goes on had the lowest validation loss after that epoch, and ends as it would have without.
    first = results.load_epochs(tmp_path / "halved").query("epoch == 1").set_index("run")["val_loss"]
    kept = halved.loc[1e-2, "run"]
    assert kept == first.idxmin()
    assert files(tmp_path / "halved" / "runs" / kept) == files(swept / "runs" / kept)


def test_the_page_of_a_sweep_shows_every_run_and_its_link(swept):
    from gnode.report.sweep import sweep_report

    run = results.load(swept)["run"][0]
    (swept / "runs" / run / "report.html").write_text("its own page")
    text = sweep_report(swept).read_text()
    (swept / "runs" / run / "report.html").unlink()
    assert all(name in text for name in results.load(swept)["run"])
    assert f'href="runs/{run}/report.html"' in text and "diverged in epoch 1" in text
    assert text.count('class="figure"') == 1 + 1 + 1  # seeds, curves, sensitivity


EXPERIMENT = """
[task]
name = "ring"
bins = 40
[model]
model = "rnn"
state_size = 2
[training]
epochs = 60
batch_size = 5
train_trials = 100
validation_trials = 10
test_trials = 10
checkpoint_seconds = 0
[grid]
lr = [1e-2, 1e-3, 1e-4]
"""


@pytest.mark.full
def test_killed_at_random_moments_and_resumed_is_uninterrupted(tmp_path):
    experiment, driver = tmp_path / "experiment.toml", Path(__file__).parents[1] / "cluster" / "driver.py"
    experiment.write_text(EXPERIMENT)

    def start(out):
        command = [sys.executable, str(driver), str(experiment), str(tmp_path / out)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def epochs_done():
        return sum(len(path.read_text().splitlines()) for path in (tmp_path / "parts").glob("runs/*/metrics.jsonl"))

    assert start("whole").wait() == 0
    for moment in (45, 100):  # amid and late
        process = start("parts")
        while epochs_done() < moment:
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    time.sleep(0.5)  # workers notice their caller's death
    kept = epochs_done()
    assert 100 <= kept < 180
    assert start("parts").wait() == 0
    for run in os.listdir(tmp_path / "whole" / "runs"):
        assert files(tmp_path / "parts" / "runs" / run) == files(tmp_path / "whole" / "runs" / run)
    for read in (results.load, results.load_epochs):
        ours, theirs = (read(tmp_path / name).drop(columns="seconds") for name in ("parts", "whole"))
        pd.testing.assert_frame_equal(ours, theirs)


# -- as one program --


def best_epochs(folder: Path) -> dict[str, int]:
    return {path.parent.name: json.loads(path.read_text())["best_epoch"] for path in folder.glob("runs/*/summary.json")}


def checkpoint_epochs(folder: Path) -> list[int]:
    paths = folder.glob("runs/*/checkpoint/state.safetensors")
    return sorted(int(load_file(path)["epoch"]) for path in paths)


def test_a_device_trains_what_the_cores_train(swept, tmp_path, monkeypatch):
    """Up to rounding: the failed ones, the same best epochs, directories that load as any other."""
    monkeypatch.setenv("NPROC", "1")  # as the command has it, and workers do
    planned = plan(tables(grid__lr=[1e-2, 1e-3, 1e30], sweep__seeds=2, training__clip=0.0))
    together = run_sweep(planned, tmp_path / "device", on="device").set_index("run")
    apart = results.load(swept).set_index("run").loc[together.index]
    columns = ["state", "why", "epochs_run"]
    pd.testing.assert_frame_equal(together[columns], apart[columns])
    done = apart.index[apart["state"] == "done"]
    for column in ("train_loss", "val_loss", "test_loss"):
        np.testing.assert_allclose(together.loc[done, column], apart.loc[done, column], rtol=1e-3)
    assert best_epochs(tmp_path / "device") == best_epochs(swept)
    assert (together.loc[done, "seconds"] > 0).all()
    for run in done:
        folders = [where / "runs" / run for where in (tmp_path / "device", swept)]
        assert files(folders[0])["config.toml"] == files(folders[1])["config.toml"]
        assert gnode.load(folders[0]).config == gnode.load(folders[1]).config


@pytest.fixture
def written(monkeypatch) -> list[int]:
    """The epochs that runs write down, in order; a test may make one of them go wrong by `written.fault`."""

    class Epochs(list):
        fault: dict[int, BaseException]

    epochs = Epochs()
    epochs.fault = {}

    def add(directory, record, seconds, original=RunDirectory.add):
        epochs.append(record.epoch)
        if len(epochs) in epochs.fault:
            raise epochs.fault[len(epochs)]
        original(directory, record, seconds)

    monkeypatch.setattr(RunDirectory, "add", add)
    return epochs


@pytest.mark.full
def test_a_device_interrupted_amid_an_epoch_goes_on_there(tmp_path, written):
    planned = plan(tables(grid__model=["rnn"]))
    run_sweep(planned, tmp_path / "whole", on="device")
    written.fault = {len(written) + 11: KeyboardInterrupt()}  # the second of three runs, in the fourth epoch
    with pytest.raises(Interrupted):
        run_sweep(planned, tmp_path / "parts", on="device")
    assert checkpoint_epochs(tmp_path / "parts") == [3, 3, 4]
    written.clear()
    table = run_sweep(planned, tmp_path / "parts", on="device", resume=True)
    assert sorted(written) == sorted([4, 4, *(3 * [5, 6, 7, 8, 9])])
    assert (table["state"] == "done").all() and (table["epochs_run"] == 9).all()
    np.testing.assert_allclose(table["test_loss"], results.load(tmp_path / "whole")["test_loss"], rtol=1e-4)


def test_a_device_whose_caller_is_interrupted_leaves_checkpoints(tmp_path):
    class Impatient(SweepWatcher):
        def done(self, *args):
            raise KeyboardInterrupt

    planned = plan(tables(grid__model=["rnn"], grid__lr=[1e30, 1e-2, 1e-3], training__clip=0.0))  # the first diverges
    with pytest.raises(Interrupted):
        run_sweep(planned, tmp_path / "out", on="device", watcher=Impatient())
    # The run that was to write down the first epoch after the diverged one had not.
    assert checkpoint_epochs(tmp_path / "out") == [0, 0]


def test_a_resumed_sweep_counts_what_is_done(tmp_path):
    planned, whole = plan(tables(grid__model=["rnn"], grid__lr=[1e-2, 1e-3])), SweepWatcher()
    table = run_sweep(planned, tmp_path / "out", workers=1, watcher=whole)
    again = SweepWatcher()
    run_sweep(planned, tmp_path / "out", workers=1, resume=True, watcher=again)
    best = f"{len(table)}/{len(table)} runs  best validation {table['val_loss'].min():.3e} ("
    assert whole.line().startswith(best) and again.line() == whole.line().rsplit("  ", 1)[0] + "  0 s left"


def test_what_goes_wrong_with_one_run_on_a_device_leaves_the_others_alone(tmp_path, written):
    written.fault = {5: GnodeError("the disk is full")}
    planned = plan(tables(grid__model=["rnn"]))
    table = run_sweep(planned, tmp_path / "out", on="device")
    assert sorted(table["state"]) == ["done", "done", "failed"]
    assert list(table["why"][table["state"] == "failed"]) == ["the disk is full"]
    again = run_sweep(planned, tmp_path / "out", on="device", resume=True)
    assert (again["state"] == "done").all() and (again["epochs_run"] == 9).all()


@pytest.mark.full
def test_a_device_pauses_for_halving(tmp_path):
    rates = [1e30, 1e-2, 1e-3, 1e-4]  # the first diverges at once, and pauses no more
    halving = plan(tables(grid__model=["rnn"], grid__lr=rates, training__clip=0.0, sweep__halving=True))
    halved = run_sweep(halving, tmp_path / "halved", on="device").set_index("lr")
    assert dict(halved["state"]) == {1e30: "failed", 1e-2: "done", 1e-3: "stopped", 1e-4: "stopped"}
    assert list(halved.loc[[1e-2, 1e-3, 1e-4], "epochs_run"]) == [9, 1, 1]
    assert checkpoint_epochs(tmp_path / "halved") == [1, 1, 9]


def test_patient_runs_go_one_by_one_on_a_device_and_can_be_interrupted(tmp_path, written):
    planned = plan(tables(grid__model=["rnn"], training__patience=8))
    written.fault = {4: KeyboardInterrupt()}
    with pytest.raises(Interrupted):
        run_sweep(planned, tmp_path / "out", on="device")
    assert len(written) == 4
    assert (run_sweep(planned, tmp_path / "out", on="device", resume=True)["state"] == "done").all()


def test_an_engine_that_is_none_is_named(tmp_path):
    with pytest.raises(InvalidInput, match="engine out of device, local, ray"):
        run_sweep(plan(TABLES), tmp_path / "out", on="gpu")
    with pytest.raises(InvalidInput, match="on='ray' with an address"):
        run_sweep(plan(TABLES), tmp_path / "out", on="device", address="auto")
    assert not (tmp_path / "out").exists()


# -- statistics --


def frame(losses: dict[str, list[float]]) -> pd.DataFrame:
    rows = [
        {"model": model, "seed": seed, "state": "done", "lr": 1.0, "val_loss": loss, "test_loss": loss}
        for model, values in losses.items()
        for seed, loss in enumerate(values)
    ]
    made = pd.DataFrame(rows)
    made.attrs = {"axes": ["model", "lr"], "select": ["lr"], "compare": "model"}
    return made


def test_selection_takes_the_lowest_validation_loss_of_each_seed_among_finished_runs():
    runs = pd.concat([frame({"a": [3.0, 1.0]}), frame({"a": [2.0, 2.0]}).assign(lr=2.0, test_loss=9.0)]).reset_index()
    runs = pd.concat([runs, frame({"a": [0.0]}).assign(lr=3.0, state="stopped")], ignore_index=True)
    runs.attrs = frame({"a": [1.0]}).attrs
    chosen = results.selected(runs)
    assert list(chosen["seed"]) == [0, 1] and list(chosen["test_loss"]) == [9.0, 1.0]


def test_intervals_and_rank_tests():
    runs = frame({"low": [1.0, 2.0, 3.0, 4.0, 5.0], "high": [11.0, 12.0, 13.0, 14.0, 15.0], "same": [2.0] * 5})
    summary = results.summary(runs, ["model"]).set_index("model")
    assert summary.loc["low", "median"] == summary.loc["low", "mean"] == 3.0
    assert 1.0 <= summary.loc["low", "low"] < 3.0 < summary.loc["low", "high"] <= 5.0
    assert summary.loc["same", "low"] == summary.loc["same", "high"] == 2.0
    tests = results.rank_tests(runs, "model").set_index(["first", "second"])
    assert tests.loc[("low", "high"), "p"] == pytest.approx(
        2 / 252
    )  # all below all: one of (10 choose 5) orders, twice
    assert tests.loc[("low", "high"), "ratio"] == pytest.approx(3 / 13)
    half_done = runs.assign(state=["done"] * 4 + ["waiting"] * 11)
    half_done.loc[4:, "test_loss"] = np.nan
    left = results.summary(half_done, ["model"])
    assert left[["model", "seeds", "median"]].values.tolist() == [["low", 4, 2.5]]
    few = results.summary(frame({"a": [1.0, 2.0]}), ["model"])
    assert few[["low", "high"]].isna().all(axis=None)


def test_a_directory_without_tables_is_named(tmp_path):
    with pytest.raises(InvalidInput, match="the tables of a sweep"):
        results.load(tmp_path)
    assert gnode.results.load is results.load


# -- from Python --


def test_a_sweep_from_python_is_that_of_the_file(tmp_path):
    keys = dict(grid={"lr": [1e-2, 1e-3]}, seeds=2, select=["lr"], model="rnn", **{**SMALL, "epochs": 1})
    found = gnode.sweep("ring", bins=20, frequency=4.0, workers=1, out=tmp_path / "out", **keys)
    file = tables(grid__model=["rnn"], grid__lr=[1e-2, 1e-3], sweep__seeds=2, training__epochs=1)
    assert found["run"].tolist() == [run.id for run in plan(file).runs] and found["state"].eq("done").all()
    written = tomllib.loads((tmp_path / "out" / "sweep.toml").read_text())
    assert written["grid"] == keys["grid"] and written["sweep"] == {"seeds": 2, "select": ["lr"], "halving": False}
    assert results.selected(results.load(tmp_path / "out"))["seed"].tolist() == [0, 1]
    task = gnode.tasks.make("ring", bins=20, frequency=4.0)
    again = gnode.sweep(task, out=tmp_path / "task", on="device", **keys)
    assert again["run"].tolist() == found["run"].tolist()


class Unfindable(gnode.tasks.Task):
    input_size = output_size = 2

    def sample(self, count, seed): ...


def test_a_sweep_from_python_refuses_what_workers_cannot_find_or_nobody_knows(tmp_path):
    out = {"out": tmp_path / "out"}
    Unfindable.__qualname__ = "test.<locals>.Unfindable"
    for call, words in (
        (lambda: gnode.sweep("rign", **out), "Did you mean 'ring'"),
        (lambda: gnode.sweep(3, **out), "a task .*instead got int"),
        (lambda: gnode.sweep("ring", sede=3, **out), "'sede'"),
        (lambda: gnode.sweep("ring", seed=3, **out), "seeds, a number of seeds or a list of them, instead got seed 3"),
        (lambda: gnode.sweep("ring", grid={"lr": 0.1}, **out), "a list of values for the axis 'lr'"),
        (lambda: gnode.sweep("ring", seeds=0, **out), "seeds from 1"),
        (lambda: gnode.sweep(Unfindable(), **out), r"Put it into a file: gnode\.sweep\(\"my_tasks\.py:Unfindable\""),
    ):
        with pytest.raises(InvalidInput, match=words):
            call()
    assert not (tmp_path / "out").exists()
