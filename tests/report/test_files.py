"""What a report writes beside the page, figures, and clear refusals."""

import shutil

import matplotlib.image
import pytest

from gnode.errors import InvalidInput
from gnode.report import figures, report


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


@pytest.mark.full
def test_figures_of_own_data_are_those_that_need_no_task(own_run, tmp_path):
    assert {path.stem for path in figures(own_run, tmp_path)} == {"losses", "trials", "flow"}


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
