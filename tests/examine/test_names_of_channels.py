"""Runs on a table call channels as its columns are called, in what `gnode evaluate` says and on the page."""

import numpy as np
import pandas as pd
import pytest

import gnode
from gnode.data import from_frame
from gnode.examine import evaluate
from gnode.examine.content import content_of
from gnode.report import figures, interactive, predictions, report
from gnode.training.experiment import experiment_on, train_experiment
from gnode.training.progress import Silent

INPUTS, TARGETS = ["pressure <bar>", "output"], ["price $ in $\\frac{", "class"]  # which mean something elsewhere


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.standard_normal((32, 4)), columns=[*INPUTS, *TARGETS]).assign(id=np.arange(32) // 4)
    experiment = experiment_on(
        from_frame(frame, TARGETS, series="id", inputs=INPUTS), {"epochs": 1, "state_size": 2, "hidden": [2]}
    )
    out = tmp_path_factory.mktemp("runs") / "run"
    train_experiment(experiment, out=out, resume=False, watcher=Silent())
    return out


def test_evaluate_names_the_channels_of_targets(run):
    assert evaluate(run)["channels"] == TARGETS


def test_names_are_kept_with_the_run_and_stand_beside_errors_and_trials(run):
    content = content_of(run)
    assert content.titles == {
        **{f"input {at}": name for at, name in enumerate(INPUTS, 1)},
        **{f"channel {at}": name for at, name in enumerate(TARGETS, 1)},
    }
    errors, trials = predictions.by_channel(content), interactive.trials(content)
    assert errors is not None and ">price $ in $\\frac{</td>" in str(errors.body) and "channel" not in str(errors.body)
    assert trials["layout"]["yaxis"]["title"]["text"] == TARGETS[0]
    assert {trace["name"] for trace in trials["data"]} == {"input", "target", "output"}  # inputs beside as many targets


@pytest.mark.full
def test_a_page_and_figures_with_names_that_mean_something_elsewhere(run, tmp_path):
    page = report([run], tmp_path / "page.html").read_text()
    assert ">price $ in $\\frac{</td>" in page and ">channel 1</td>" not in page
    assert "pressure <bar>" not in page
    assert figures(run, tmp_path / "figures")


def test_without_names_channels_have_numbers(own_run):
    assert content_of(own_run).titles == {} and evaluate(own_run)["channels"] == ["channel 1", "channel 2"]


def test_a_data_set_has_names_of_its_own():
    kind = gnode.tasks.TASKS["character-trajectories"]
    assert len(kind.input_names) == kind().input_size
