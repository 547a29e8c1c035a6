"""A directory of a stranger's is not executed, whatever lies in it; one's own are, without a word."""

import hashlib
import json
import os
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

import gnode
from gnode.errors import InvalidInput
from gnode.examine import evaluate
from gnode.sweeps.grid import read_plan
from gnode.tasks import consent
from gnode.training.experiment import experiment_from
from gnode.workers import run_jobs

ECHO = """import numpy as np
from gnode.series import Trials
from gnode.tasks import Task

class Echo(Task):
    input_size = output_size = 1

    def sample(self, count, seed):
        inputs = np.random.default_rng(seed).standard_normal((count, 5, 1))
        return Trials(inputs, inputs)
"""
SMALL = dict(epochs=2, batch_size=5, train_trials=10, validation_trials=5, test_trials=5)


def train(out: Path) -> None:
    model = gnode.models.make("rnn", input_size=1, state_size=2, output_size=1)
    gnode.train(model, gnode.tasks.make("my_tasks.py:Echo"), out=out, **SMALL)


@pytest.fixture
def lab(tmp_path, monkeypatch) -> Path:
    """The working folder, with a file of tasks, of somebody who has trusted nothing yet."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(consent.VARIABLE, "")
    monkeypatch.setattr(sys, "path", list(sys.path))
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "my_tasks.py").write_text(ECHO)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def theirs(lab, monkeypatch) -> Path:
    """A finished run of a stranger's, whose task.py writes the file `executed` in the working folder when it runs."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("XDG_DATA_HOME", str(lab / "their-home"))
        train(lab / "theirs")
    code = f"{ECHO}\nopen({str(lab / 'executed')!r}, 'w').close()\n"
    (lab / "theirs/task.py").write_text(code)
    change(lab / "theirs", hashlib.sha256(ECHO.encode()).hexdigest(), hashlib.sha256(code.encode()).hexdigest())
    change(lab / "theirs", f'task_folder = "{lab}"', 'task_folder = "/home/of-theirs"')
    return lab / "theirs"


def change(run: Path, old: str, new: str) -> None:
    config = (run / "config.toml").read_text()
    assert old in config
    (run / "config.toml").write_text(config.replace(old, new))


COMMANDS = (
    "evaluate theirs", "report theirs", "analyse theirs", "train --resume --out theirs",
    "train theirs/config.toml --out mine",
)  # fmt: skip


def as_sent(run: Path) -> None:
    """The directory as gnode wrote it."""


def unsigned(run: Path) -> None:
    version = re.search(r"^gnode = .*$", (run / "config.toml").read_text(), re.M)[0]
    change(run, version, "")
    shutil.copy(run / "task.py", run / "my_tasks.py")  # where an experiment file looks for it


def module(run: Path) -> None:
    """No copy, but a module that lies in the directory."""
    shutil.move(run / "task.py", run / "helper_of_theirs.py")
    change(run, 'name = "my_tasks.py:Echo"', 'name = "helper_of_theirs:Echo"')
    change(run, f'sha256 = "{hashlib.sha256((run / "helper_of_theirs.py").read_bytes()).hexdigest()}"', "")
    change(run, 'task_folder = "/home/of-theirs"', f'task_folder = "{run}"')


def stopped(run: Path) -> None:
    (run / "summary.json").unlink()
    (run / "model.safetensors").unlink()


@pytest.mark.parametrize("disguise", [as_sent, unsigned, module, stopped])
def test_a_strangers_run_is_refused_and_not_executed(gnode, theirs, lab, disguise):
    disguise(theirs)
    for line in COMMANDS:
        code, out, err = gnode(line)
        assert code == 1 and out == "" and err.count("\n") == 1, err
        assert not (lab / "executed").exists() and not (lab / "mine").exists() and str(theirs) not in sys.path
        if disguise is as_sent:
            assert "you trust in 'theirs/task.py'" in err and "would be executed" in err and "add --trust" in err
            assert "gnode.tasks.trust('theirs/task.py')" in err
    assert not (lab.parent / "home").exists()


def test_trust_runs_it_and_is_remembered(gnode, theirs, lab):
    code, _, err = gnode("evaluate theirs --trials 5 --trust --json")
    assert code == 0 and (lab / "executed").exists(), err
    assert (lab.parent / "home/gnode/trusted-tasks").read_text().split() == [
        hashlib.sha256((theirs / "task.py").read_bytes()).hexdigest()
    ]
    code, out, err = gnode("evaluate theirs --trials 5 --json")
    assert code == 0 and json.loads(out)["trials"] == 5, err
    (theirs / "summary.json").unlink()
    (theirs / "checkpoint/state.safetensors").unlink()  # which knows the task.py that was there before
    code, _, err = gnode("train --resume --out theirs --json")
    assert code == 0, err
    assert experiment_from("theirs/config.toml", {}).task.name == "Echo"


@pytest.mark.parametrize(
    ("line", "works"),
    [
        ("report theirs", "report.report"),
        ("analyse theirs", "examine.analyse"),
        ("train theirs/config.toml --out mine", "training.experiment.train_experiment"),
    ],
)
def test_each_command_takes_trust_before_it_works(gnode, theirs, monkeypatch, line, works):
    known = []

    def stop(*arguments, **options):
        known.extend(consent.trusted())
        raise KeyboardInterrupt

    monkeypatch.setattr(f"gnode.{works}", stop)
    code, _, err = gnode(f"{line} --trust")
    assert code == 130 and known == [hashlib.sha256((theirs / "task.py").read_bytes()).hexdigest()], err


def test_trust_from_python_is_of_what_was_looked_at(theirs, lab):
    with pytest.raises(InvalidInput, match="a file of tasks, or of a folder"):
        gnode.tasks.trust("theirs/tasks.py")
    gnode.tasks.trust("theirs/task.py")
    assert evaluate(theirs, trials=5)["trials"] == 5 and (lab / "executed").exists()
    code = (theirs / "task.py").read_text() + "# changed\n"
    change(theirs, hashlib.sha256((theirs / "task.py").read_bytes()).hexdigest(),
           hashlib.sha256(code.encode()).hexdigest())  # fmt: skip
    (theirs / "task.py").write_text(code)
    with pytest.raises(InvalidInput, match="only programs that you trust"):
        evaluate(theirs)


def test_a_file_that_is_trusted_imports_nothing_from_a_strangers_folder(lab, monkeypatch):
    train(lab / "mine")
    evil = lab / "evil"
    evil.mkdir()
    change(lab / "mine", f'task_folder = "{lab}"', f'task_folder = "{evil}"')
    with pytest.raises(
        InvalidInput, match=r"instead got what it imports from '.*evil', which would be executed"
    ) as line:
        evaluate(lab / "mine")
    assert str(evil) not in sys.path
    (lab / "archive").write_bytes(b"PK")  # of a zip: no folder, but Python would import from it
    change(lab / "mine", f'task_folder = "{evil}"', f'task_folder = "{lab / "archive"}"')
    assert evaluate(lab / "mine", trials=5)["trials"] == 5 and str(lab / "archive") not in sys.path
    assert re.search(r"gnode\.tasks\.trust\('.*evil'\)", str(line.value))
    change(lab / "mine", f'task_folder = "{lab / "archive"}"', f'task_folder = "{evil}"')
    gnode.tasks.trust(evil)
    assert evaluate(lab / "mine", trials=5)["trials"] == 5


def test_a_strangers_sweep_is_refused_and_not_executed(gnode, lab):
    sweep = lab / "theirs"
    (sweep / "runs").mkdir(parents=True)
    (sweep / "my_tasks.py").write_text(f"{ECHO}\nopen({str(lab / 'executed')!r}, 'w').close()\n")
    tables = '[task]\nname = "my_tasks.py:Echo"\n[model]\nmodel = "rnn"\n[training]\nepochs = 1\n'
    on_an_axis = tables.replace('name = "my_tasks.py:Echo"', "") + '[grid]\nlr = [{ task = "my_tasks.py:Echo" }]\n'
    for text in (tables, 'gnode = "0.1.0"\n' + tables, on_an_axis):
        (sweep / "sweep.toml").write_text(text)
        code, _, err = gnode("sweep theirs/sweep.toml --resume --out theirs")
        assert code == 1 and err.count("\n") == 1 and "'theirs/my_tasks.py'" not in err, err
        assert f"you trust in '{sweep / 'my_tasks.py'}'" in err and "--trust" in err
        assert not (lab / "executed").exists()
    (sweep / "train.toml").write_text('gnode = "0.1.0"\n' + tables)
    with pytest.raises(InvalidInput, match="only programs that you trust"):
        experiment_from("theirs/train.toml", {})
    code, _, err = gnode("sweep theirs/sweep.toml --resume --out theirs --trust --workers 0")
    assert "workers an integer" in err and (lab / "executed").exists()
    assert len(read_plan("theirs/sweep.toml").runs) == 1


def test_what_was_trained_on_here_is_run_without_a_word_wherever_it_is_put(gnode, lab, tmp_path, monkeypatch):
    train(lab / "mine")
    shutil.move(lab / "mine", tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    (lab / "my_tasks.py").write_text(ECHO + "# edited\n")
    code, out, err = gnode("evaluate moved --trials 5 --json")
    assert (code, err) == (0, "") and json.loads(out)["trials"] == 5
    assert os.environ[consent.VARIABLE] == ""  # a file remembers it


@pytest.mark.parametrize("closed", [False, True])
def test_without_a_home_nothing_is_remembered_but_by_the_process_and_its_workers(lab, monkeypatch, closed):
    if closed:
        (lab / "home").write_text("a file, in which no folder can be made")
        monkeypatch.setenv("XDG_DATA_HOME", str(lab / "home"))
    else:
        monkeypatch.delenv("XDG_DATA_HOME")
        monkeypatch.setattr(Path, "home", _nobody)
        assert consent.store() is None
    train(lab / "mine")
    assert len(os.environ[consent.VARIABLE].split(",")) == 2  # the file, and the folder that it may import from
    [(_, outcome)] = run_jobs(partial(evaluate, trials=5), [lab / "mine"], workers=1)
    assert outcome["trials"] == 5, outcome
    monkeypatch.setenv(consent.VARIABLE, "")
    with pytest.raises(InvalidInput, match="add --trust to the command") as line:
        evaluate(lab / "mine")
    digests = re.search(rf"{consent.VARIABLE}=([0-9a-f,]+)\.$", str(line.value))[1]
    assert hashlib.sha256(ECHO.encode()).hexdigest() in digests
    monkeypatch.setenv(consent.VARIABLE, digests)
    assert evaluate(lab / "mine", trials=5)["trials"] == 5


def _nobody() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_many_may_append_and_damaged_lines_are_none(lab):
    digests = [hashlib.sha256(bytes([number])).hexdigest() for number in range(64)]
    store = consent.store()
    store.parent.mkdir(parents=True)
    store.write_bytes(b"\xff\0nonsense\n" + digests[0].upper().encode() + b"\n" + digests[1][:40].encode())
    assert consent.trusted() == set()
    consent.remember(digests[:1])
    assert consent.trusted() == {digests[0]}  # not glued to the line that was cut off
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda digest: consent.remember([digest]), digests))
    assert consent.trusted() == set(digests)
    size = store.stat().st_size
    consent.remember(digests)
    assert store.stat().st_size == size
