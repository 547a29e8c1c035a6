"""The command: what it prints, where, and its exit code. In-process, but for what needs a real terminal or start."""

import dataclasses
import json
import os
import pty
import runpy
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gnode.examine.content import content_of
from gnode.models import load_model as load
from gnode.tasks import TASKS

GNODE = str(Path(sys.executable).parent / "gnode")
QUICK = "--hidden 6 --epochs 2 --batch-size 5 --set bins=20 --set train_trials=10 --set validation_trials=5"
QUICK += " --set test_trials=5"


def test_train_writes_a_run_directory(gnode, tmp_path):
    code, out, err = gnode(f"train ring {QUICK} --out", tmp_path / "run")
    assert code == 0 and "Test loss" in out
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert files == {".lock", "config.toml", "metrics.jsonl", "model.safetensors", "checkpoint", "summary.json"}
    assert "epoch 2/2" in err and "\x1b" not in err + out


def test_json_is_one_object_on_standard_output(gnode, tmp_path):
    code, out, _ = gnode(f"train ring {QUICK} --json --out", tmp_path / "run")
    assert code == 0 and json.loads(out)["epochs"] == 2
    code, out, _ = gnode("evaluate --trials 5 --silence 10 --json", tmp_path / "run")
    result = json.loads(out)
    assert code == 0 and result["silence"] == 10 and result["rms_error"] > 0
    for what in ("models", "tasks", "activations", "losses", "schedules", "initial-states", "keys"):
        code, out, _ = gnode(f"list {what} --json")
        assert code == 0 and len(json.loads(out)) >= 3


def test_evaluate_tells_of_the_memory_what_the_page_shows_unless_other_values_are_asked_for(gnode, tmp_path):
    gnode(f"train disk {QUICK} --out", tmp_path / "run")
    memory = content_of(tmp_path / "run").memory
    for silence in (100, 1000):
        result = json.loads(gnode(f"evaluate --trials 5 --silence {silence} --json", tmp_path / "run")[1])
        at = memory.silences.tolist().index(silence)
        assert result["values"] == len(memory.values)
        assert result["rms_error"] == memory.rms_error[at] and result["distinct"] == memory.distinct[at]
    other = json.loads(gnode("evaluate --trials 5 --silence 1000 --seed 1 --json", tmp_path / "run")[1])
    assert other["seed"] == 1 and other["rms_error"] != result["rms_error"]


def test_memory_of_a_model_that_is_told_where_it_begins(gnode, tmp_path):
    assert gnode(f"train ring {QUICK} --set initial_state=first-target --out", tmp_path / "run")[0] == 0
    code, out, _ = gnode("evaluate --trials 5 --silence 3 --json", tmp_path / "run")
    assert code == 0 and json.loads(out)["rms_error"] > 0


def test_a_runs_configuration_is_an_experiment_file(gnode, tmp_path):
    gnode(f"train ring {QUICK} --seed 3 --out", tmp_path / "one")
    code, _, _ = gnode(f"train {tmp_path}/one/config.toml --out", tmp_path / "two")
    assert code == 0
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two


def test_options_reach_the_configuration(gnode, tmp_path):
    line = "train variable-amplitude --bits 2 --model node --state-size 4 --hidden none --activation tanh --lr 0.003"
    line += (
        " --weight-decay 0.2 --schedule cosine --clip 0 --epochs 1 --batch-size 5 --set train_trials=10 --set tau=0.02"
    )
    code, _, _ = gnode(f"{line} --set initial_state=learned --out", tmp_path / "run")
    text = (tmp_path / "run" / "config.toml").read_text()
    assert code == 0
    for expected in (
        "bits = 2", 'model = "node"', "state_size = 4", "hidden = []", 'activation = "tanh"', "lr = 0.003",
        "weight_decay = 0.2", 'schedule = "cosine"', "clip = 0.0", "tau = 0.02", 'initial_state = "learned"',
    ):  # fmt: skip
        assert expected in text


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("train rign", 1, "Did you mean 'ring'"),
        ("train ring --model gnoed", 1, "Did you mean 'gnode'"),
        ("train ring --set hiden=3", 1, "Did you mean 'hidden'"),
        ("train ring --set learning_rate=3", 1, "Did you mean 'lr'"),
        ("train ring --set hidden_size=3", 1, "Did you mean 'state_size'"),
        ("train ring --set nonsense", 2, "KEY=VALUE"),
        ("train ring --state-size -2", 1, "state_size an integer of at least 1"),
        ("train ring --hidden 12,x", 2, "widths such as 128,128"),
        ("train ring --hidden 0", 1, "positive integers"),
        ("train ring --epochs -1", 1, "epochs an integer"),
        ("train ring --bits 3", 1, "known key"),
        ("train ring --set input_size=3", 1, "a known key, instead got 'input_size'"),
        ("train variable-amplitude --bits 0", 1, "bits"),
        ("train ring --lr nan", 1, "lr a positive number"),
        ("train missing.toml", 1, "nothing at missing.toml"),
        ("train ring --colour", 2, "No such option"),
        ("paint", 2, "No such command"),
    ],
)
def test_wrong_use_is_one_clear_line_and_no_directory(gnode, tmp_path, line, code, words):
    out = tmp_path / "run"
    got, _, err = gnode(line, *(["--out", out] if line.startswith("train") else []))
    assert got == code
    assert words in " ".join(err.replace("│", " ").split())
    assert "Traceback" not in err and not out.exists()
    if code == 1:
        assert err.count("\n") == 1 and err.startswith("gnode: ")


def test_wrong_directories(gnode, tmp_path):
    (tmp_path / "empty").mkdir()
    for line in ("evaluate", "report", "analyse"):
        code, _, err = gnode(line, tmp_path / "empty")
        assert code == 1 and "run directory" in err and "Traceback" not in err
    code, _, err = gnode("list colours")
    assert code == 1 and "a list out of" in err


def test_export_writes_a_file_that_answers_as_the_run_does(gnode, plane_run, tmp_path):
    code, out, _ = gnode(f"export {plane_run} --to numpy --out", tmp_path / "net.py", "--json")
    assert code == 0 and json.loads(out) == {"file": str(tmp_path / "net.py"), "to": "numpy"}
    inputs = np.random.default_rng(0).standard_normal((2, 5, 2))
    network = runpy.run_path(str(tmp_path / "net.py"))["network"]
    assert np.allclose(network(inputs), load(plane_run)(inputs), atol=1e-6)
    code, _, err = gnode(f"export {plane_run} --to keras --out", tmp_path / "net.py")
    assert code == 1 and "a framework out of jax, numpy, onnx, torch, instead got 'keras'" in err
    code, _, err = gnode(f"export {plane_run} --out", tmp_path / "net.txt")
    assert code == 1 and "ends in .py" in err and err.count("\n") == 1


def test_a_damaged_model_is_one_clear_line(gnode, tmp_path):
    gnode(f"train ring {QUICK} --out", tmp_path / "run")
    model = tmp_path / "run" / "model.safetensors"
    model.write_bytes(model.read_bytes()[:50])
    code, _, err = gnode("evaluate", tmp_path / "run")
    assert code == 1 and "whole .safetensors file" in err and err.count("\n") == 1


def test_every_command_has_help_with_an_example(gnode):
    _, out, _ = gnode("--help")
    commands = (
        "train",
        "evaluate",
        "predict",
        "analyse",
        "report",
        "export",
        "demo",
        "list",
        "sweep",
        "cite",
        "doctor",
    )
    for command in commands:
        assert command in out
        code, text, _ = gnode(f"{command} --help")
        assert code == 0 and "Example:" in text and f"gnode {command}" in text


def test_every_key_is_explained(gnode):
    code, out, _ = gnode("list keys")
    lines = out.splitlines()
    assert code == 0 and [line for line in lines if line.startswith("[")] == ["[task]", "[model]", "[training]"]
    explained = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines if len(line) > 22 and line[20:22] == "  "}
    assert explained["lr"] == "learning rate, the peak of the schedule. Default: 0.01."
    assert explained["substeps"].startswith("0 for steps chosen by rtol and atol; n for n equal steps")
    assert explained["keep"].startswith("of walker2d: chance of each frame to be kept")
    listed = json.loads(gnode("list keys --json")[1])
    tasks_have = {item.name for kind in TASKS.values() for item in dataclasses.fields(kind) if item.init}
    assert set(explained) == set(listed) | tasks_have
    assert all(text and not text.startswith("Default") and ":  " not in text for text in explained.values())


def test_some_of_a_list(gnode):
    code, out, _ = gnode("list keys lr keep tau")
    assert code == 0 and [line.split()[0] for line in out.splitlines() if line and line[0] != " "] == [
        "[task]", "keep", "[model]", "tau", "[training]", "lr",
    ]  # fmt: skip
    assert set(json.loads(gnode("list keys lr keep --json")[1])) == {"lr", "keep"}
    assert json.loads(gnode("list tasks disk --json")[1]).keys() == {"disk"}
    code, _, err = gnode("list tasks ringe")
    assert code == 1 and "Did you mean 'ring'?" in err


def test_help_tells_the_defaults(gnode):
    _, text, _ = gnode("train --help")
    for default in ("[default: gnode]", "[default: 150]", "[default: 0.01]", "[default: 0]"):
        assert default in text


def test_version(gnode):
    code, out, _ = gnode("--version")
    assert code == 0 and out.startswith("gnode 0.")


def test_a_terminal_gets_a_bar(tmp_path):
    terminal, inside = pty.openpty()
    line = [GNODE, "train", "ring", *QUICK.split(), "--out", str(tmp_path / "run")]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=inside, env={**os.environ, "TERM": "xterm"})
    os.close(inside)
    shown = b""
    while process.poll() is None or select.select([terminal], [], [], 0.2)[0]:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                shown += os.read(terminal, 65536)
            except OSError:  # the other side is closed
                break
    assert process.wait() == 0
    assert b"epoch" in shown and b"validation" in shown and b"\x1b[" in shown


@pytest.fixture
def heeded():
    """Ctrl-C works in processes that the test starts, also where whoever runs the tests told them to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_leaves_a_resumable_run(tmp_path, heeded):
    line = [GNODE, "train", "ring", *QUICK.split(), "--epochs", "5000", "--out", str(tmp_path / "run")]
    for sent in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen([*line, "--resume"], stderr=subprocess.PIPE, text=True)
        metrics = tmp_path / "run" / "metrics.jsonl"
        before = metrics.stat().st_size if metrics.exists() else 0
        while not metrics.exists() or metrics.stat().st_size <= before:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(sent)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130 and "--resume" in err and "Traceback" not in err
        assert (tmp_path / "run/checkpoint/state.safetensors").exists()


def test_the_shell_completes_commands(tmp_path):
    asked = {"_GNODE_COMPLETE": "complete_bash", "COMP_WORDS": "gnode ex", "COMP_CWORD": "1"}
    done = subprocess.run([GNODE], env=os.environ | asked, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["export", "expressivity"]
