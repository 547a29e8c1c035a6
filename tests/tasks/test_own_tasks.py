"""Tasks of the user's own: a class in a file goes all the way, wherever it is asked for, and whatever becomes of it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gnode
from gnode.errors import InvalidInput
from gnode.examine import evaluate
from gnode.examine.content import content_of
from gnode.sweeps.grid import plan, read_plan
from gnode.sweeps.sweep import run_sweep
from gnode.tasks import TASKS, Task, definition_of, register
from gnode.training.experiment import experiment_from

MATCH = '''"""Delayed match to sample."""

from dataclasses import dataclass

import numpy as np

from gnode.series import Trials
from gnode.tasks import Task


@dataclass(frozen=True, kw_only=True)
class Match(Task):
    """Were two stimuli the same?"""

    delay: int = 3

    @property
    def input_size(self):
        return 2

    @property
    def output_size(self):
        return 2

    def sample(self, count, seed):
        random = np.random.default_rng(seed)
        pair = random.integers(0, 2, (count, 2))
        inputs = np.zeros((count, self.delay + 4, 2), np.float32)
        for at, step in ((0, 1), (1, self.delay + 2)):
            inputs[np.arange(count), step, pair[:, at]] = 1
        return Trials(inputs, (pair[:, 0] == pair[:, 1]).astype(int))


class Echo(Task):
    input_size = output_size = 1

    def sample(self, count, seed):
        inputs = np.random.default_rng(seed).standard_normal((count, 5, 1))
        return Trials(inputs, inputs)
'''
SMALL = dict(epochs=2, batch_size=5, train_trials=10, validation_trials=5, test_trials=5)


@pytest.fixture
def file(tmp_path, monkeypatch) -> Path:
    """A file of tasks in the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = tmp_path / "my_tasks.py"
    path.write_text(MATCH)
    return path


def model(seed=0, size=2):
    return gnode.models.make("rnn", input_size=size, state_size=2, output_size=size, seed=seed)


def same(one: Path, other: Path) -> bool:
    return (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()


def test_only_sizes_and_sample_are_asked_of_a_task(file):
    task = gnode.tasks.make("my_tasks.py:Echo")
    assert (task.name, task.summary, task.manifold, task.remembers) == ("Echo", "Echo", None, False)
    run = gnode.train(model(size=1), task, **SMALL)
    assert run.summary["loss"] == "mse"
    with pytest.raises(InvalidInput, match="a task that remembers a value for recall, instead got Echo"):
        task.recall(np.zeros((1, 1)), 3)
    match = gnode.tasks.make("my_tasks.py:Match", delay=5)
    assert match.summary == "Were two stimuli the same?" and match.sample(2, 0).inputs.shape == (2, 9, 2)
    assert gnode.train(model(), match, **SMALL).summary["loss"] == "cross-entropy"  # by its targets
    assert match == gnode.tasks.make(str(file) + ":Match", delay=5) != gnode.tasks.make("my_tasks.py:Match")


def test_a_run_goes_on_and_is_scored_and_shown_from_another_folder_when_the_file_is_gone(
    gnode, file, tmp_path, monkeypatch
):
    line = "train my_tasks.py:Match --model rnn --set delay=4 --batch-size 5 --epochs 2 --json"
    line += "".join(f" --set {key}={SMALL[key]}" for key in ("train_trials", "validation_trials", "test_trials"))
    code, out, err = gnode(f"{line} --out runs/one")
    assert code == 0, err
    first = json.loads(out)
    config = (tmp_path / "runs/one/config.toml").read_text()
    assert 'name = "my_tasks.py:Match"' in config and "delay = 4" in config and "bins" not in config
    assert (tmp_path / "runs/one/task.py").read_text() == MATCH
    file.unlink()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    code, out, err = gnode("evaluate ../runs/one --trials 20 --json")
    assert code == 0 and json.loads(out)["trials"] == 20, err
    shown = content_of("../runs/one")
    assert shown.task.delay == 4 and shown.memory is None and shown.unseen.inputs.shape[1:] == (8, 2)
    (tmp_path / "runs/one/summary.json").unlink()
    code, out, err = gnode("train --resume --json --out ../runs/one")
    assert code == 0 and json.loads(out)["test_loss"] == first["test_loss"], err
    code, _, err = gnode("train ../runs/one/config.toml --out ../runs/again")
    assert code == 0 and same(tmp_path / "runs/one", tmp_path / "runs/again"), err


def test_a_file_that_changed_is_named_where_a_run_goes_on_with_it(file, tmp_path):
    gnode.train(model(), gnode.tasks.make("my_tasks.py:Match"), out=tmp_path / "run", **SMALL)
    file.write_text(MATCH + "\nOTHER = 3\n")
    changed = gnode.tasks.make("my_tasks.py:Match")
    with pytest.raises(InvalidInput, match=r"another task\.sha256 .*With its task as it was: gnode train --resume"):
        gnode.train(model(), changed, out=tmp_path / "run", resume=True, **SMALL)
    assert evaluate(tmp_path / "run", trials=5)["trials"] == 5
    (tmp_path / "run" / "task.py").write_text(MATCH + "\nOTHER = 3\n")
    with pytest.raises(
        InvalidInput, match=r"the file that the run was started with in .*task\.py.*instead got another"
    ):
        evaluate(tmp_path / "run")
    (tmp_path / "run" / "task.py").unlink()
    with pytest.raises(InvalidInput, match="nothing there"):
        experiment_from(str(tmp_path / "run" / "config.toml"), {})


def test_a_module_that_a_task_imports_and_that_changed_is_noticed(file, tmp_path):
    (tmp_path / "helper_of_match.py").write_text("SAME = 1\n")
    file.write_text(MATCH.replace("import numpy as np", "import numpy as np\nfrom helper_of_match import SAME").replace(
        "== pair[:, 1])", "== SAME * pair[:, 1])"))  # fmt: skip
    gnode.train(model(), gnode.tasks.make("my_tasks.py:Match"), out=tmp_path / "run", **SMALL)
    (tmp_path / "helper_of_match.py").write_text("SAME = 5000\n")  # another length: its byte code is made anew
    script = f"import gnode.examine; gnode.examine.evaluate({str(tmp_path / 'run')!r})"
    found = subprocess.run([sys.executable, "-c", script], cwd="/", capture_output=True, text=True, timeout=120)
    assert "others in what my_tasks.py:Match draws now" in found.stderr and "it imports" in found.stderr


def test_a_task_whose_class_was_imported_is_found_again_and_one_of_a_script_is_not(file, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import gnode\nfrom my_tasks import Match\n"
        f"{MATCH[MATCH.index('from dataclasses') :].replace('class Match', 'class Here')}\n"
        "def main():\n"
        "    for kind in (Match, Here):\n"
        "        model = gnode.models.make('rnn', input_size=2, state_size=2, output_size=2)\n"
        f"        gnode.train(model, kind(), out=kind.__name__, **{SMALL})\n"
        "if __name__ == '__main__':\n    main()\n"
    )
    subprocess.run([sys.executable, script], check=True, timeout=120, env={**os.environ, "PYTHONPATH": _source()})
    assert evaluate("Match", trials=5)["trials"] == 5
    with pytest.raises(InvalidInput, match=r"a registered task in Here, instead got one trained on Here\. .*in a file"):
        evaluate("Here")


def _source() -> str:
    return str(Path(gnode.__file__).parents[1])


def test_a_module_is_looked_for_beside_what_names_it(file, tmp_path):
    package = tmp_path / "lab" / "my_lab_of_tasks"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "match.py").write_text(MATCH)
    (tmp_path / "lab" / "experiment.toml").write_text('task = { name = "my_lab_of_tasks.match:Match", delay = 1 }\n')
    experiment = experiment_from("lab/experiment.toml", {})
    assert experiment.task.delay == 1
    definition = definition_of(experiment.task)
    assert definition.name == "my_lab_of_tasks.match:Match" and definition.code is None
    gnode.train(model(), experiment.task, out=tmp_path / "run", **SMALL)
    assert not (tmp_path / "run/task.py").exists() and evaluate(tmp_path / "run", trials=5)["trials"] == 5


def test_a_sweep_trains_in_workers_what_one_run_trains_and_knows_its_file(file, tmp_path, monkeypatch):
    (tmp_path / "lab").mkdir()
    file.rename(tmp_path / "lab" / "my_tasks.py")
    toml = tmp_path / "lab" / "sweep.toml"
    keys = "\n".join(f"{key} = {value}" for key, value in SMALL.items())
    toml.write_text(
        f'[task]\nname = "my_tasks.py:Match"\n[model]\nmodel = "rnn"\n[training]\n{keys}\n[grid]\ndelay = [2, 3]\n'
    )
    table = run_sweep(read_plan(toml), tmp_path / "out", workers=1)
    assert table["state"].tolist() == ["done", "done"] and table["task"].tolist() == ["my_tasks.py:Match"] * 2
    monkeypatch.chdir(tmp_path / "lab")
    for run, delay in zip(table["run"], (2, 3), strict=True):
        task = gnode.tasks.make("my_tasks.py:Match", delay=delay)
        gnode.train(model(), task, out=tmp_path / f"alone-{delay}", **SMALL)
        assert same(tmp_path / "out" / "runs" / run, tmp_path / f"alone-{delay}")
    again = read_plan(tmp_path / "out" / "sweep.toml")  # from the copy beside it
    assert [run.id for run in again.runs] == table["run"].tolist()
    (tmp_path / "lab" / "my_tasks.py").write_text(MATCH + "\n# changed\n")
    changed = read_plan(toml)
    assert {run.id for run in changed.runs}.isdisjoint(table["run"])
    with pytest.raises(InvalidInput, match=r"the sweep that .* was started with, instead got another \[own_tasks\]"):
        run_sweep(changed, tmp_path / "out", resume=True)


def test_two_files_of_one_name_are_no_sweep(file, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "my_tasks.py").write_text(MATCH + "\n# other\n")
    names = ["my_tasks.py:Match", "other/my_tasks.py:Match"]
    with pytest.raises(InvalidInput, match=r"files of tasks with different names, instead got two called my_tasks\.py"):
        plan({"grid": {"task": names}, "task": {}, "training": SMALL, "model": {"model": "rnn"}})


BAD = '''
from dataclasses import dataclass
import numpy as np
from gnode.tasks import Task
from gnode.series import Trials

class Half(Task):
    input_size = 2

class Undecorated(Task):
    input_size = output_size = 2
    delay: int = 3
    def sample(self, count, seed): ...

class Begun(Task):
    input_size = output_size = 2
    def __init__(self, delay=3): self.delay = delay
    def sample(self, count, seed): ...

@dataclass(frozen=True, kw_only=True)
class Asks(Task):
    input_size = output_size = 2
    delay: int
    def __post_init__(self):
        if self.delay < 0:
            raise ValueError("a delay below 0")
    def sample(self, count, seed):
        return 1 / 0

class Pairs(Task):
    input_size = output_size = 2
    def sample(self, count, seed):
        return np.zeros((count, 5, 2)), np.zeros((count, 5, 2))

class Wide(Task):
    input_size = output_size = 3
    def sample(self, count, seed):
        return Trials(np.zeros((count, 5, 2)), np.zeros((count, 5, 3)))

class Few(Task):
    input_size = output_size = 2
    def sample(self, count, seed):
        return Trials(np.zeros((3, 5, 2)), np.zeros((3, 5, 2)))

@dataclass(frozen=True, kw_only=True)
class Takes(Task):
    input_size = output_size = 2
    lr: float = 0.1
    def sample(self, count, seed): ...

def function(): ...
class Other: ...
'''  # fmt: skip


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("my_task.py:Match", r"a file of tasks at .*, instead got 'my_task\.py'\. Did you mean 'my_tasks\.py'\?"),
        ("no/my_tasks.py:Match", r"instead got 'my_tasks\.py'\. No such file is there"),
        ("my_tasks.py:Mach", r"a task in my_tasks\.py \(Match, Echo\), instead got 'Mach'\. Did you mean 'Match'\?"),
        ("my_tasks.py", r"the class of the task beside its file, instead got my_tasks\.py\. As: my_tasks\.py:MyTask"),
        ("my_tasks.py:", "as my_tasks.py:MyTask or package.module:MyTask, instead got 'my_tasks.py:'"),
        (":Match", "instead got ':Match'"),
        ("no_such.module:Match", r"'no_such\.module', of which there is no no_such here"),
        ("raises.py:A", r"can be run, instead got raises\.py, line 2: ZeroDivisionError: division by zero"),
        ("syntax.py:A", r"syntax\.py, line 1: SyntaxError: "),
        ("exits.py:A", r"exits\.py, line 2: SystemExit: bye"),
        ("imports.py:A", r"imports\.py, line 1: ModuleNotFoundError: No module named 'nothing_of_the_kind'"),
        (
            "bad.py:Half",
            r"input_size, output_size and sample in bad\.py:Half, instead got no output_size and no sample",
        ),
        ("bad.py:Undecorated", r"instead got delay\. Write @dataclass\(frozen=True, kw_only=True\) above class Und"),
        ("bad.py:Begun", "as fields of a dataclass, instead got an __init__"),
        ("bad.py:Asks", "a value for delay, which Asks has no default for"),
        ("bad.py:Asks --set delay=-1", r"bad\.py:Asks, line 26: ValueError: a delay below 0"),
        ("bad.py:Asks --set dealy=1", "Did you mean 'delay'"),
        ("bad.py:Asks --set delay=1", r"a task that draws trials, instead got bad\.py:Asks, line 28: ZeroDivision"),
        ("bad.py:Pairs", r"Trials \(gnode\.series\.Trials\) from the sample of Pairs, instead got a tuple"),
        ("bad.py:Wide", "inputs of 3 channels, the input_size of Wide, instead got 2"),
        ("bad.py:Few", "trials from the sample of Few, as it was asked for, instead got 3"),
        ("bad.py:Takes", "instead got 'lr', which means something else"),
        ("bad.py:function", "function, which is of type function"),
        ("bad.py:Other", r"a subclass of gnode\.tasks\.Task in bad\.py:Other, instead got the class Other"),
    ],
)
def test_what_is_no_task_is_one_clear_line(gnode, file, tmp_path, what, words):
    files = {
        "bad": BAD, "raises": "import numpy\n1/0\n", "syntax": "def f(:\n", "exits": "import sys\nsys.exit('bye')\n",
        "imports": "import nothing_of_the_kind\n",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text)
    code, _, err = gnode(f"train {what} --model rnn --out run")
    assert code == 1 and err.count("\n") == 1 and not Path("run").exists()
    assert re.search(words, err), err


def test_a_registered_task_goes_by_its_name(file, monkeypatch):
    monkeypatch.setattr("gnode.tasks.TASKS", dict(TASKS))
    echo = type(gnode.tasks.make("my_tasks.py:Echo"))
    named = type("Named", (echo,), {"name": "named"})
    assert register(named) is named and register(named) is named
    run = gnode.train(model(size=1), gnode.tasks.make("named"), out="run", **SMALL)
    assert 'name = "named"' in Path("run/config.toml").read_text() and run.path is not None
    assert evaluate("run", trials=5)["trials"] == 5
    for kind, words in (
        (type("Ring", (echo,), {"name": "ring"}), "'ring', which is one of gnode's"),
        (Task, "Task, which lacks some"),
        ("ring", "a subclass of gnode.tasks.Task"),
    ):
        with pytest.raises(InvalidInput, match=words):
            register(kind)


def test_a_task_made_from_one_of_ours_does_not_go_by_its_name(tmp_path):
    class Narrow(type(gnode.tasks.make("ring"))):
        pass

    gnode.train(model(), Narrow(bins=8, frequency=3.0), out=tmp_path / "run", **SMALL)
    assert 'name = "Narrow"' in (tmp_path / "run/config.toml").read_text()
