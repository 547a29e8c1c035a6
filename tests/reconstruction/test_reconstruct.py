"""From a recording to dynamics, end to end: the Henon map, and noise in which there is nothing."""

import json

import numpy as np
import pytest
from test_recording import henon
from typer.testing import CliRunner

import gnode
from gnode.cli import app
from gnode.errors import InvalidInput
from gnode.reconstruction import load_reconstruction
from gnode.report.reconstruction import reconstruction_report

RECORDING = np.round(1e6 * henon() + 3e6)  # which text holds exactly
PLAN = {"members": 2, "epochs": 25, "hidden": (16,), "delays": 1}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    out = tmp_path_factory.mktemp("henon") / "run"
    return gnode.reconstruct(RECORDING, out=out, channels=["x", "y"], **PLAN)


def test_its_exponents_are_those_of_the_map(found):
    first, second = found.summary["exponents"]
    assert first["low"] < 0.4192 < first["high"]
    assert first["value"] == pytest.approx(0.4192, abs=0.03)
    assert first["value"] + second["value"] == pytest.approx(np.log(0.3), abs=0.1)  # the area shrinks by 0.3 a step
    assert first["above"] == 1.0
    assert found.evidence.count("Chaotic") == 1


def test_its_fixed_point_is_found_where_it_is(found):
    x = (-0.7 + np.sqrt(0.49 + 5.6)) / 2.8  # 1.4 x^2 + 0.7 x - 1 = 0
    point = found.summary["fixed_points"][0]
    np.testing.assert_allclose((np.array(point["place"]) - 3e6) / 1e6, [x, 0.3 * x], atol=5e-3)
    assert (point["stability"], point["share"], point["near"]) == ("saddle", 1.0, True)


def test_it_foretells_further_than_a_linear_model(found):
    of = found.summary["forecast"]
    assert of["valid_median"] >= 6
    assert of["valid_linear"] <= 2
    assert found.summary["beats_linear"]


def test_it_is_read_back(found):
    again = load_reconstruction(found.path)
    assert again.summary == json.loads(json.dumps(found.summary))
    assert set(again.arrays) == set(found.arrays)
    states = np.array([[0.3, -0.2]])
    for one, other in zip(found.models, again.models, strict=True):
        np.testing.assert_array_equal(one.map_at(np.zeros(0))(states), other.map_at(np.zeros(0))(states))
    assert gnode.load(found.path).config == found.models[0].config


def test_the_page_says_what_is_written(found):
    page = reconstruction_report(found.path).read_text()
    for sentence in found.summary["verdict"]:
        assert sentence.split(":")[0] in page
    assert "Fixed points" in page
    assert gnode.report.report([found.path]).read_text() == page
    assert "<h1>The map of Hénon</h1>" in gnode.report.report([found.path], title="The map of Hénon").read_text()
    reconstruction_report(found.path)


@pytest.mark.slow
@pytest.mark.full
def test_the_page_is_accessible(accessible, found):
    accessible(reconstruction_report(found.path))


def test_the_command_goes_on_with_what_is_there_and_ends_in_the_same_bytes(found, tmp_path):
    before = {
        path.relative_to(found.path): path.read_bytes()
        for path in found.path.rglob("*")
        if path.suffix in (".safetensors", ".npz") or path.name == "reconstruction.json"
    }
    table = tmp_path / "henon.csv"
    rows = ["x,y", *(f"{x!r},{y!r}" for x, y in RECORDING.tolist())]
    table.write_text("\n".join(rows))
    options = ["--members", "2", "--epochs", "25", "--hidden", "16", "--delays", "1", "--resume", "--json"]
    result = CliRunner().invoke(app, ["reconstruct", str(table), "--out", str(found.path), *options])
    assert result.exit_code == 0, result.output
    assert {path: (found.path / path).read_bytes() for path in before} == before


def test_in_white_noise_there_is_nothing():
    noise = np.random.default_rng(0).normal(size=(600, 1))
    found = gnode.reconstruct(noise, **(PLAN | {"members": 1, "epochs": 4}))
    assert not (found.summary["beats_mean"] and found.summary["beats_linear"])
    assert "claimed" in found.evidence
    assert "Chaotic" not in found.evidence


def test_a_folder_without_one_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="gnode reconstruct wrote"):
        load_reconstruction(tmp_path)
