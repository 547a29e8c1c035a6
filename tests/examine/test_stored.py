"""Stored analyses: they come back as they were, and never for another model."""

import json
import shutil

import numpy as np
import pytest

from gnode import analysis
from gnode.errors import InvalidInput
from gnode.examine import analyse
from gnode.examine.content import content_of
from gnode.examine.stored import read_stored, split, write_stored


@pytest.fixture
def stored(plane_run, tmp_path):
    """A copy of a run with a stored result."""
    folder = tmp_path / "run"
    shutil.copytree(plane_run, folder)
    content = content_of(folder)
    fixed = content.fixed_points
    numbers, arrays = split("fixed_points", fixed)
    write_stored(folder, {"fixed_points": numbers, "half_life": np.inf}, arrays)
    return folder, fixed


def test_a_stored_analysis_comes_back_as_it_was(stored):
    folder, fixed = stored
    back = read_stored(folder)
    assert back is not None
    assert back.numbers["half_life"] == "inf"
    again = back.fixed_points
    assert isinstance(again, analysis.FixedPoints)
    np.testing.assert_array_equal(again.points, fixed.points)
    np.testing.assert_array_equal(again.eigenvalues, fixed.eigenvalues)
    assert again.flow_stability == fixed.flow_stability
    assert again.unseen == fixed.unseen


def test_a_stored_analysis_of_another_model_is_not_used(stored, space_run):
    folder, _ = stored
    shutil.copy(space_run / "model.safetensors", folder / "model.safetensors")
    assert read_stored(folder) is None


def test_arrays_of_another_analysis_are_not_used(stored):
    folder, _ = stored
    np.savez_compressed(folder / "analysis.npz", other=np.zeros(3))
    assert read_stored(folder) is None


def test_a_damaged_analysis_is_refused_with_advice(stored):
    folder, _ = stored
    text = (folder / "analysis.json").read_text()
    (folder / "analysis.json").write_text(text[: len(text) // 2])
    with pytest.raises(InvalidInput, match="gnode analyse again"):
        content_of(folder)


def test_a_stopped_run_is_not_analysed_and_stays_as_it_is(stopped_run):
    with pytest.raises(InvalidInput, match="--resume"):
        analyse(stopped_run)
    assert not (stopped_run / "analysis.npz").exists()


def test_the_numbers_of_an_analysis_are_plain_json(stored):
    folder, _ = stored
    json.loads((folder / "analysis.json").read_text(), parse_constant=pytest.fail)
