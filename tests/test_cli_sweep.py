"""gnode sweep and gnode list experiments, in-process."""

import json
from pathlib import Path

import pytest

from gnode import results
from gnode.cli import _reasons

EXPERIMENT = """
[task]
name = "ring"
bins = 20
[model]
model = "rnn"
state_size = 2
[training]
epochs = 2
batch_size = 5
train_trials = 10
validation_trials = 5
test_trials = 5
clip = 0
[grid]
lr = [1e-2, 1e30]
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    path = tmp_path / "experiment.toml"
    path.write_text(EXPERIMENT)
    return path


def test_a_sweep_ends_in_tables_and_a_page_and_names_what_failed(gnode, experiment, tmp_path):
    out = tmp_path / "out"
    code, text, err = gnode("sweep", experiment, "--out", out, "--workers", 1, "--json")
    answer = json.loads(text)
    assert code == 0 and answer["runs"] == 2 and answer["done"] == answer["failed"] == 1
    assert "diverged" in answer["why_failed"][0]
    assert "2/2 runs" in err and "\x1b" not in err
    names = {path.name for path in out.iterdir()} - {".lock"}
    assert names == {"sweep.toml", "runs", "results.parquet", "epochs.parquet", "report.html"}
    code, _, err = gnode("sweep", experiment, "--out", out)
    assert code == 1 and "--resume" in err and err.count("\n") == 1
    code, text, _ = gnode("sweep", experiment, "--out", out, "--resume")
    assert code == 0 and "1 done" in text and "1 failed" in text


@pytest.mark.full
def test_the_reports_of_selected_runs_are_made_and_linked(gnode, experiment, tmp_path):
    out = tmp_path / "out"
    experiment.write_text(EXPERIMENT.replace("[1e-2, 1e30]", "[1e-2]"))
    code, _, _ = gnode("sweep", experiment, "--out", out, "--reports")
    run = results.load(out)["run"].item()
    assert code == 0 and (out / "runs" / run / "report.html").is_file()
    assert f'href="runs/{run}/report.html"' in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["variable-amplitud-6"], "Did you mean 'variable-amplitude-6'"),
        (["nothing.toml"], "nothing at nothing.toml"),
        (["planar", "--preset", "papers"], "Did you mean 'paper'"),
        (["planar", "--on", "slurm"], "an engine out of device, local, ray"),
        (["planar", "--address", "127.0.0.1:1"], "on='ray' with an address"),
        (["planar", "--workers", "0"], "workers an integer of at least 1"),
    ],
)
def test_wrong_use_is_one_clear_line_and_no_directory(gnode, tmp_path, words, line):
    code, _, err = gnode("sweep", *words, "--out", tmp_path / "out")
    assert code == 1 and line in err and err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_reason_that_stopped_many_runs_is_said_once():
    assert _reasons({"a1": "no data", "b2": "diverged", "c3": "no data"}) == ["a1 and 1 more: no data", "b2: diverged"]


def test_experiments_are_listed(gnode):
    code, text, _ = gnode("list", "experiments", "--json")
    assert code == 0 and {"variable-amplitude-6", "planar", "characters", "walker2d"} <= set(json.loads(text))
