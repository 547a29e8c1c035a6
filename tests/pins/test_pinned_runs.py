"""Run directories of version 0.1.0 load, predict what they predicted, and go on to where they would have come."""

import shutil
import tomllib
import zipfile
from pathlib import Path

import formula
import internals
import jax
import numpy as np
import pytest
from agreement import agree

import gnode

with zipfile.ZipFile(Path(__file__).parent / "data" / "runs.zip") as archive:
    PATHS = [name.split("/") for name in archive.namelist()]
RUNS = sorted({run for run, *_ in PATHS})
INTERRUPTED = sorted({run for run, folder, *_ in PATHS if folder == "interrupted"})
GOING_ON = ("gnode-first-input", "gru-first-input-classes")  # a task, and own data


def stored(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as arrays:
        return dict(arrays)


@pytest.mark.parametrize("name", RUNS)
def test_predicts_what_it_predicted(pinned_runs, name):
    folder = pinned_runs / name
    model, pinned = gnode.load(folder / "finished"), stored(folder / "prediction.npz")
    first_targets = pinned.get("first_targets")
    states, outputs = internals.predict(model, pinned["inputs"], first_targets)
    assert agree(states, pinned["states"]) and agree(outputs, pinned["outputs"])
    frozen = model.field_at(pinned["held"]), model.map_at(pinned["held"])
    flow, following = jax.jit(lambda states: [move(states) for move in frozen])(pinned["probes"])
    assert agree(flow, pinned["flow"]) and agree(following, pinned["map"])

    config, arrays = formula.read(folder / "finished" / "model.safetensors")
    expected_states, expected_outputs = formula.predict(config, arrays, pinned["inputs"], first_targets)
    np.testing.assert_array_equal(states, expected_states)
    np.testing.assert_array_equal(outputs, expected_outputs)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in GOING_ON else pytest.mark.full) for name in INTERRUPTED]
)
def test_interrupted_goes_on_to_the_same_end(pinned_runs, name, tmp_path, command):
    folder, out = pinned_runs / name, tmp_path / "run"
    shutil.copytree(folder / "interrupted", out)
    config = tomllib.loads((out / "config.toml").read_text())
    assert len(internals.metrics(out)) == 2
    if (folder / "data.npz").exists():
        own = internals.data(stored(folder / "data.npz"))
        gnode.train(internals.fresh_model(config["model"]), own, out=out, resume=True, **config["training"])
    else:
        command(f"train {out}/config.toml --out {out} --resume")
    # Version 0.1.0 took the mean over minibatches; where a mask counts, each now weighs by what counts in it.
    compared = ["val_loss", "lr"] if (folder / "data.npz").exists() else ["train_loss", "val_loss", "lr"]
    pairs = zip(internals.metrics(out), internals.metrics(folder / "finished"), strict=True)
    for line, pinned in pairs:
        assert line["best_epoch"] == pinned["best_epoch"]
        assert all(agree(line[key], pinned[key]) for key in compared), (line, pinned)
    ended, pinned_end = (internals.arrays(gnode.load(path)) for path in (out, folder / "finished"))
    assert all(agree(*pair) for pair in zip(ended, pinned_end, strict=True))
