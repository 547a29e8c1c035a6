"""Every block of Python in README and docs runs: those of a page in order, in one namespace, in an empty folder."""

from pathlib import Path

import numpy as np
import pytest
from blocks import PAGES, blocks

import gnode
from gnode.sweeps.grid import plan
from gnode.sweeps.sweep import run_sweep

# The only changes that are made to what is shown: settings become small. Each is found on some page, as a test says.
SMALL = {
    "epochs=150": "epochs=1",
    "hidden=(128, 128)": "hidden=(8,)",
    "hidden=(64, 64)": "hidden=(8,)",
    "epochs=40)": "epochs=1)",
    "GatedODEClassifier(seed=0)": "GatedODEClassifier(seed=0, state_size=4, hidden=(8,), epochs=1)",
    "GatedODEForecaster(steps=12)": "GatedODEForecaster(steps=12, state_size=4, hidden=(8,), epochs=1)",
    "steps=(1500,)": "steps=(20,), complexities=(4,), count=1, restarts=1, resamples=10",
    "advise(trajectories)": "advise(trajectories, architectures=['rnn'], state_sizes=(2,), steps=(20,), restarts=1)",
    'times, out="runs/mine")': 'times, out="runs/mine", members=2, epochs=25, hidden=(16,), delays=1)',
    "hidden=(32,))": "hidden=(24,), members=1, epochs=12, factors=2)",
    "loss=0.02": "loss=3.0",
    'model="rnn", epochs=20': 'model="rnn", bins=20, epochs=1, train_trials=20, workers=1',
}
# Pages that hold results: they say what was run, and the scripts beside them run it.
RESULTS = {"docs/results/head-direction.md"}
# What their packages are needed for; tests/training/test_watchers.py runs these blocks beside others of these names.
ELSEWHERE = ("torch.utils.tensorboard", "wandb")
# What costs more than ten seconds, most of it for programs that are compiled.
DEAR = {
    f"docs/{page}.md"
    for page in (
        "how-to/choose",
        "estimators",
        "expressivity",
        "integrators",
        "own-data",
        "reconstruction",
        "sweeps",
        "training",
    )
}
# A page's own check, on the names that its blocks leave.
FACTS = {
    "README.md": lambda names: names["states"].shape == (100, 100, 2) and names["outputs"].shape == (2, 3, 1),
    "docs/how-to/choose.md": lambda names: all(len(each) for each in names["found"].values()),
    "docs/analysis.md": lambda names: (
        names["ring"].kind == "ring" and sorted(names["found"].stability) == ["saddle", "stable focus", "stable focus"]
    ),
}

given = {}


def what_is_there_before(page: str):
    """Registers what a page takes for granted: the files and names that its reader has."""
    return lambda function: given.setdefault(page, function)


def waves(series: int, samples: int, channels: int = 1) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    clock = 0.3 * np.arange(samples)[:, None]
    return [np.sin(clock + random.uniform(0, 6, channels)) for _ in range(series)]


@what_is_there_before("docs/elsewhere.md")
def _(names, make_run):
    model = gnode.load(make_run(Path("runs/ring"), epochs=1))
    gnode.models.export(model, "ring.py")
    gnode.models.export(model, "ring.jaxexport", to="jax")
    gnode.models.export(model, "ring.onnx", to="onnx")
    trials = gnode.tasks.make("ring").sample(2, seed=0)
    names |= {"model": model, "inputs": np.asarray(trials.inputs), "targets": np.asarray(trials.targets)}
    names |= {"seconds": 0.01 * np.arange(1, 101), "samples": trials.inputs[0], "first": trials.inputs[0, 0]}


@what_is_there_before("docs/how-to/choose.md")
def _(names, make_run):
    make_run(Path("runs/ring"), epochs=1)


@what_is_there_before("docs/estimators.md")
def _(names, make_run):
    X = waves(12, 60)
    names |= {"X": X, "y": ["up", "down"] * 6, "X_new": X[:2], "X_test": X[:4], "y_test": ["up", "down"] * 2}


@what_is_there_before("docs/expressivity.md")
def _(names, make_run):
    names["trajectories"] = np.stack(waves(2, 40, channels=2))


@what_is_there_before("docs/reconstruction.md")
def _(names, make_run):
    henon = [[0.1, 0.1]]
    for _ in range(1500):
        x, y = henon[-1]
        henon.append([1 - 1.4 * x * x + y, 0.3 * x])
    velocity = np.repeat(np.random.default_rng(0).normal(0, 0.04, 150), 20)
    tuning = np.cos(np.cumsum(velocity)[:, None] - np.linspace(0, 2 * np.pi, 30, endpoint=False))
    counts = np.random.default_rng(1).poisson(np.exp(2 * tuning - 2))
    names |= {"recording": np.array(henon), "times": np.arange(1501.0)}
    names |= {"counts": counts, "velocity": velocity[:, None]}


@what_is_there_before("docs/sweeps.md")
def _(names, make_run):
    tables = {
        "task": {"name": "square", "bins": 20, "frequency": 4.0},
        "model": {"state_size": 2},
        "training": dict(epochs=6, batch_size=5, train_trials=20, validation_trials=10, test_trials=10),
        "examine": {"every": 2, "silences": [1000], "trials": 20, "lags": [1]},
        "grid": {"task": ["square", "ring"], "model": [{"model": kind, "hidden": [6]} for kind in ("gnode", "node")]},
        "sweep": {"seeds": 2},
    }
    for out in ("runs/bias", "runs/mine"):
        run_sweep(plan(tables), Path(out), workers=1)


@what_is_there_before("docs/tasks.md")
def _(names, make_run):
    names["model"] = gnode.models.make("gnode", input_size=2, state_size=2, output_size=2, hidden=(8,))


def python(page: str) -> list[str]:
    return [block for block in blocks(page, "python") if not any(name in block for name in ELSEWHERE)]


PYTHON = [page for page in PAGES if blocks(page, "python") and page not in RESULTS]
OF_PYTORCH = [page for page in PYTHON if any("torch" in block for block in python(page))]


def run(page: str, make_run, *, pytorch: bool) -> dict:
    names: dict = {"__name__": "__main__"}
    if page in given:
        given[page](names, make_run)
    for number, block in enumerate(python(page), 1):
        if pytorch or "torch" not in block:
            for large, small in SMALL.items():
                block = block.replace(large, small)
            exec(compile(block, f"{page}, block {number} of Python", "exec"), names)
    return names


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=[pytest.mark.full] if page in DEAR else []) for page in PYTHON]
)
def test_the_blocks_of_a_page_run(page, tmp_path, monkeypatch, make_run, request):
    if page == "docs/data.md":
        monkeypatch.setenv("GNODE_DATA", str(request.getfixturevalue("data_folder")))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    names = run(page, make_run, pytorch=False)
    assert FACTS.get(page, bool)(names)


@pytest.mark.parametrize("page", OF_PYTORCH)
def test_the_blocks_of_a_page_run_with_pytorch(page, tmp_path, monkeypatch, make_run):
    torch = pytest.importorskip("torch", reason="PyTorch is no dependency; `make test-torch` runs this")
    torch.manual_seed(0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert run(page, make_run, pytorch=True)


def test_what_is_made_small_is_shown():
    shown = "".join(block for page in PYTHON for block in blocks(page, "python"))
    assert [large for large in SMALL if large not in shown] == []
