"""What a report reads and writes beside the page: stored analyses, figures, and clear refusals."""

import json
import shutil

import matplotlib.image
import numpy as np
import pytest

from gnode import analysis
from gnode.errors import InvalidInput
from gnode.report import analyse, figures, report
from gnode.report.content import content_of
from gnode.report.stored import read_stored, split, write_stored


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
        report([folder])


def test_a_stopped_run_is_not_analysed_and_stays_as_it_is(stopped_run):
    with pytest.raises(InvalidInput, match="--resume"):
        analyse(stopped_run)
    assert not (stopped_run / "analysis.npz").exists()


def test_figures_are_readable(plane_run, tmp_path):
    paths = figures(plane_run, tmp_path / "new" / "figures")
    names = {"losses", "trials", "flow", "trajectories", "survivors", "memory"}
    assert {path.name for path in paths} == {f"{name}.{kind}" for name in names for kind in ("png", "pdf")}
    for path in paths:
        if path.suffix == ".png":
            picture = matplotlib.image.imread(path)
            assert min(picture.shape[:2]) > 500
            assert picture[..., :3].std() > 0.01  # something is drawn
        else:
            content = path.read_bytes()
            assert content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF")
            assert b"/Subtype /Type3" not in content  # text is text


def test_figures_of_own_data_are_those_that_need_no_task(own_run, tmp_path):
    assert {path.stem for path in figures(own_run, tmp_path)} == {"losses", "flow"}


def test_figures_go_into_a_folder(plane_run, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InvalidInput, match="folder"):
        figures(plane_run, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("damage", ["no run", "no model", "broken model", "no folder"])
def test_a_report_that_cannot_be_made_says_why_and_writes_nothing(plane_run, tmp_path, damage):
    folder = tmp_path / "run"
    shutil.copytree(plane_run, folder)
    out = tmp_path / "page.html"
    if damage == "no run":
        (folder / "config.toml").unlink()
    elif damage == "no model":
        (folder / "model.safetensors").unlink()
        (folder / "checkpoint" / "state.safetensors").unlink()
    elif damage == "broken model":
        whole = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    else:
        out = tmp_path / "missing" / "page.html"
    with pytest.raises(InvalidInput, match="Must have"):
        report([folder], out)
    assert not out.exists()


def test_a_name_from_a_folder_cannot_break_the_page(plane_run, tmp_path):
    folder = tmp_path / "<script>alert(1)<"  # a folder's name cannot hold a slash
    shutil.copytree(plane_run, folder)
    page = report([folder]).read_text()
    assert "<script>alert(1)" not in page


def test_the_numbers_of_an_analysis_are_plain_json(stored):
    folder, _ = stored
    json.loads((folder / "analysis.json").read_text(), parse_constant=pytest.fail)
