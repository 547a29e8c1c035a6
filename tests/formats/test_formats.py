"""What was stored in any format is read for ever, and says what it said; a later one is refused in a line."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from contents import numbers_of
from safetensors.numpy import load_file, save_file

import gnode
from gnode.errors import InvalidInput
from gnode.estimators import GatedODEClassifier
from gnode.examine.stored import read_stored
from gnode.expressivity import load_result
from gnode.models import load_model
from gnode.sweeps.directory import open_sweep
from gnode.sweeps.grid import read_plan
from gnode.training import RunDirectory

ARCHIVES = sorted((Path(__file__).parent / "data").glob("*.zip"))


@pytest.fixture(scope="module", params=ARCHIVES, ids=lambda path: path.stem)
def stored(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(f"format-{request.param.stem}")
    with zipfile.ZipFile(request.param) as archive:
        archive.extractall(folder)
    return folder


def agree(found, known, name: str) -> None:
    if isinstance(known, dict):
        assert found.keys() == known.keys(), name
        for key in known:
            agree(found[key], known[key], f"{name}.{key}")
    elif isinstance(known, list) and known and isinstance(known[0], str):
        assert found == known, name
    elif isinstance(known, list) and any(isinstance(item, list | dict) for item in known):
        for one, other in zip(found, known, strict=True):
            agree(one, other, name)
    elif isinstance(known, list | float):
        np.testing.assert_allclose(np.array(found, float), np.array(known, float), rtol=2e-4, atol=1e-5, err_msg=name)
    else:
        assert found == known, name


def test_every_format_says_what_it_said(stored):
    known = json.loads((stored / "numbers.json").read_text())
    found = numbers_of(stored)
    assert found.keys() == known.keys()
    for name in known:
        agree(found[name], known[name], name)


def test_a_run_of_every_format_is_gone_on_with(stored):
    run = RunDirectory.open(stored / "own")
    again = gnode.train(
        load_model(stored / "run"), run.data(), out=stored / "again", epochs=1, batch_size=4, snapshot_every=0
    )  # fmt: skip
    assert np.isfinite(again.summary["val_loss"])
    assert len(read_plan(stored / "experiment.toml").runs) == 2
    assert open_sweep(read_plan(stored / "experiment.toml"), stored / "sweep", True).path == stored / "sweep"


def in_toml(path: Path) -> None:
    path.write_text("format = 99\n" + path.read_text())


def in_json(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))


def in_header(path: Path) -> None:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(json.loads(file.read(length))["__metadata__"]["gnode"])
    save_file(load_file(path), path, {"gnode": json.dumps({**header, "format": 99})})


FUTURE = {
    "run/model.safetensors": (in_header, lambda folder: load_model(folder / "run")),
    "run/config.toml": (in_toml, lambda folder: RunDirectory.open(folder / "run").config()),
    "run/analysis.json": (in_json, lambda folder: read_stored(folder / "run")),
    "sweep/sweep.toml": (
        in_toml, lambda folder: open_sweep(read_plan(folder / "experiment.toml"), folder / "sweep", True)
    ),
    "expressivity/plan.toml": (in_toml, lambda folder: load_result(folder / "expressivity")),
    "classifier/estimator.json": (in_json, lambda folder: GatedODEClassifier.load(folder / "classifier")),
}  # fmt: skip


@pytest.mark.parametrize("name", FUTURE)
def test_a_later_format_is_refused_in_one_line(stored, name):
    change, read = FUTURE[name]
    before = (stored / name).read_bytes()
    read(stored)
    change(stored / name)
    with pytest.raises(InvalidInput, match=r"a file of format 1 or older, instead got format 99.* Update") as told:
        read(stored)
    assert "\n" not in str(told.value)
    (stored / name).write_bytes(before)
