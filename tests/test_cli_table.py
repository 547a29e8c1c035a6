"""gnode train on a table of the user's own: what it says, what it leaves, and that evaluate and report work on it."""

import json
import tomllib

import numpy as np
import pytest
from own_tables import long

from gnode.data import from_frame
from gnode.errors import InvalidInput
from gnode.examine import evaluate
from gnode.training import RunDirectory, directory
from gnode.training.experiment import experiment_from, experiment_on

QUICK = "--epochs 2 --state-size 3 --hidden 4 --batch-size 4"
COLUMNS = "--target label --series id --time t --inputs x,y"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "my.csv"
    frame = long()
    frame.loc[3, "x"] = np.nan
    frame.to_csv(path, sep=";", decimal=",", index=False)
    return path


@pytest.fixture
def run(gnode, table, tmp_path):
    code, _, err = gnode(f"train {table} {COLUMNS} {QUICK} --out", tmp_path / "run")
    assert code == 0, err
    return tmp_path / "run"


def test_it_says_what_it_assumed_on_one_screen(gnode, table, tmp_path):
    code, out, err = gnode(f"train {table} {COLUMNS} {QUICK} --out", tmp_path / "run")
    assert code == 0 and "% right" in out
    said = err[: err.index("epoch 1/2")].splitlines()
    assert len(said) < 24 and max(map(len, said)) <= 80
    text = " ".join(" ".join(said).split())
    for fact in (
        "my.csv: 76 rows, 8 columns (semicolons, UTF-8, header, decimal comma)",
        "id: 12 series of 4 to 8 samples",
        "t, taken for s (change it: unit)",
        "inputs x, y",
        "label: 3 classes, one a series: down 4, left 4, up 4",
        "1.3 % of x",
        "number 0: 6 to train on, 3 to validate, 3 to test",
        "read at the last sample, exponential-euler",
        "missing values: hold-with-observed",
        "2 epochs, 4 series a minibatch",
    ):
        assert fact in text


def test_a_run_on_a_table_is_scored_shown_resumed_and_trained_again(gnode, run, table, tmp_path):
    config = tomllib.loads((run / "config.toml").read_text())
    assert config["task"]["source"]["file"] == str(table.resolve()) and config["model"]["reading"] == "last"
    table.unlink()  # the run keeps a copy
    summary = json.loads((run / "summary.json").read_text())
    code, out, _ = gnode(f"evaluate {run} --json")
    result = json.loads(out)
    assert code == 0 and result["test_loss"] == summary["test_loss"] and result["trials"] == 3
    assert result["classes"] == ["down", "left", "up"]
    assert gnode(f"report {run}")[0] == 0 and (run / "report.html").is_file()
    assert gnode(f"train {run}/config.toml --out {tmp_path}/again")[0] == 0
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (run / "model.safetensors").read_bytes()
    assert gnode(f"train --resume --out {run}")[0] == 0


def test_the_same_table_elsewhere_goes_on_and_another_does_not(gnode, run, table):
    table.rename(table.with_name("moved.csv"))
    assert gnode(f"train {table.with_name('moved.csv')} {COLUMNS} {QUICK} --resume --out {run}")[0] == 0
    code, _, err = gnode(f"train {table.with_name('moved.csv')} {COLUMNS} --split 1 {QUICK} --resume --out {run}")
    assert code == 1 and "the data that" in err


def test_beyond_the_limit_the_table_is_read_again_unless_it_has_changed(gnode, table, tmp_path, monkeypatch):
    monkeypatch.setattr(directory, "DATA_LIMIT", 100)
    _, _, err = gnode(f"train {table} {COLUMNS} {QUICK} --out", tmp_path / "run")
    assert "only their digest and where their table lies" in err and not (tmp_path / "run" / "data").exists()
    summary = RunDirectory(tmp_path / "run").summary()
    assert evaluate(tmp_path / "run")["test_loss"] == summary["test_loss"]
    assert experiment_from(str(tmp_path / "run" / "config.toml"), {}).task.source["file"] == str(table.resolve())
    table.write_text(table.read_text() + "s0;99,5;1,0;1,0;by hand;up;20,5;2,0\n")
    with pytest.raises(InvalidInput, match="one whose content has changed"):
        evaluate(tmp_path / "run")
    table.unlink()
    with pytest.raises(InvalidInput, match=r"instead got nothing at .*my\.csv"):
        evaluate(tmp_path / "run")


def test_options_override_what_suits_the_data():
    data = from_frame(long(), "label", series="id", time="t")
    plain = experiment_on(data, {})
    assert (plain.model.scale, plain.model.integrator, plain.model.reading) == ("standard", "exponential-euler", "last")
    assert plain.model.dt == plain.model.tau == pytest.approx(float(np.median(gaps_of(long()))), rel=1e-5)
    options = {"model": "gru", "scale": "none", "integrator": "euler", "reading": "mean", "tau": 3.0, "batch_size": 2}
    other = experiment_on(data, options)
    got = {"model": other.model.model, "scale": other.model.scale, "integrator": other.model.integrator,
           "reading": other.model.reading, "tau": other.model.tau, "batch_size": other.settings.batch_size}  # fmt: skip
    assert got == options and other.model.hidden == ()


def gaps_of(frame):
    return frame.groupby("id")["t"].diff().dropna()


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("my.csv --series id", 2, "Must have --target beside --series"),
        ("my.csv", 1, "a table with --target"),
        ("my.csv --target lable --series id --time t", 1, "Did you mean 'label'?"),
        ("mine.csv --target label", 1, "Did you mean 'my.csv'?"),
        (". --target label", 1, "the directory"),
        ("my.csv --target label --series id --time t --inputs note", 1, "numbers in the input 'note'"),
        ("my.csv --target label --series id --time t --set batch_size=99", 1, "batch_size at most the 6"),
    ],
)
def test_wrong_use_is_one_clear_line_and_no_directory(gnode, table, tmp_path, monkeypatch, line, code, words):
    monkeypatch.chdir(table.parent)
    got, _, err = gnode(f"train {line} --out {tmp_path}/run")
    assert got == code and words in " ".join(err.replace("│", " ").split())
    assert not (tmp_path / "run").exists() and "Traceback" not in err


def test_a_table_trains_a_regression_one_sample_ahead_as_json(gnode, tmp_path):
    table = tmp_path / "my.csv"
    long(most=5).to_csv(table)  # all of one length: less to compile
    code, out, _ = gnode(
        f"train {table} --target x,y --inputs x,y --series id --time t {QUICK} --json --out {tmp_path}/run"
    )
    result = json.loads(out)
    assert code == 0 and result["loss"] == "mse" and "test_loss_in_units" in result
