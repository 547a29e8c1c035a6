"""What a report writes beside the page, figures, and clear refusals."""

import itertools
import shutil

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from gnode.errors import InvalidInput
from gnode.examine.content import content_of
from gnode.report import figures, report, wanted_figures
from gnode.report.paper import _FIGURES, write_figures
from gnode.report.plot import LOOK


@pytest.fixture(scope="module")
def drawn(plane_run, tmp_path_factory):
    """What is in a run, and the files of its figures."""
    content, folder = content_of(plane_run), tmp_path_factory.mktemp("drawn") / "new" / "figures"
    return content, write_figures(content, wanted_figures(folder))


def test_figures_are_readable(drawn):
    paths = drawn[1]
    names = {"losses", "trials", "flow", "trajectories", "survivors", "memory"}
    assert {path.name for path in paths} == {f"{name}.{kind}" for name in names for kind in ("png", "pdf", "csv")}
    for path in paths:
        if path.suffix == ".png":
            picture = matplotlib.image.imread(path)
            assert min(picture.shape[:2]) > 500
            assert picture[..., :3].std() > 0.01  # something is drawn
        elif path.suffix == ".pdf":
            content = path.read_bytes()
            assert content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF")
            assert b"/Subtype /Type3" not in content  # text is text


def test_the_tables_hold_what_the_figures_show(drawn):
    content, paths = drawn
    tables = {path.stem: pd.read_csv(path) for path in paths if path.suffix == ".csv"}
    losses = tables["losses"].pivot(index="epoch", columns="trials", values="loss")
    assert np.allclose(losses["validation"], [record["val_loss"] for record in content.metrics])
    assert np.allclose(tables["memory"]["rms_error"], content.memory.rms_error)
    flow = tables["flow"]
    field = flow[flow["what"] == "flow"]
    assert np.allclose(field[["unit 1", "unit 2"]].to_numpy()[:2, 0], content.flow.x[:2])
    velocity = content.velocity(field[["unit 1", "unit 2"]].to_numpy())
    assert np.allclose(field[["velocity of unit 1", "velocity of unit 2"]], velocity, rtol=1e-5, atol=1e-5)
    kept = flow[flow["what"] == "after 100 silent bins"][["unit 1", "unit 2"]]
    assert np.allclose(kept, content.after(100), rtol=1e-6)
    assert len(flow) - len(field) - len(kept) == len(content.fixed_points) + np.sum(~content.slow_points.fixed)
    paths = tables["trajectories"]
    assert np.allclose(paths[["unit 1", "unit 2"]], content.traces[1].reshape(-1, 2), rtol=1e-6)
    read = tables["survivors"].query("`silent bins` == 1000")
    assert np.allclose(read[["channel 1", "channel 2"]], content.memory.readouts[content.memory.silences == 1000][0])
    trial = tables["trials"].query("trial == 'trial 1' and row == 'channel 2' and line == 'output'")
    assert np.allclose(trial["value"], content.examples[0].rows[1][1]["output"])


@pytest.mark.parametrize("size", [8, 14, 16])
def test_words_do_not_collide_in_large_letters(drawn, size):
    content, _ = drawn
    for name, figure_of in _FIGURES.items():
        with mpl.rc_context({**LOOK, "font.size": size}):
            figure = figure_of.draw(content)
            if figure is None:
                continue
            figure.draw_without_rendering()
        words = [text for axes in figure.axes for text in (axes.title, axes.xaxis.label, axes.yaxis.label)]
        boxes = {text: text.get_window_extent() for text in words if text.get_text() and text.get_visible()}
        for one, other in itertools.combinations(boxes, 2):
            assert not boxes[one].overlaps(boxes[other]), (name, one.get_text(), other.get_text())


def test_figures_in_a_style_of_ones_own(plane_run, tmp_path):
    sheet = tmp_path / "mine.mplstyle"
    sheet.write_text("axes.prop_cycle: cycler('color', ['010203'])  # mine\nfont.family: monospace\n")
    paths = figures(plane_run, tmp_path / "mine", style=sheet, only=["losses"], formats=["svg"])
    assert [path.name for path in paths] == ["losses.svg", "losses.csv"]
    drawn = paths[0].read_text()
    assert "#010203" in drawn and "monospace" in drawn
    first = paths[0].read_bytes()
    figures(plane_run, tmp_path / "mine", style=sheet, only=["losses"], formats=["svg"])
    assert paths[0].read_bytes() == first
    assert "#010203" not in figures(plane_run, tmp_path, only=["losses"], formats=["svg"])[0].read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"only": ["flo"]}, "Did you mean 'flow'"),
        ({"only": []}, "at least one figure"),
        ({"formats": ["jpg"]}, "formats out of png, pdf, svg"),
        ({"style": "none.mplstyle"}, "style sheet"),
        ({"style": "lines.linewidht: 2"}, "Did you mean 'lines.linewidth'"),
        ({"style": "lines.linewidth: thick"}, "thick"),
    ],
)
def test_figures_that_cannot_be_drawn_are_refused_before_anything_is(plane_run, tmp_path, options, words):
    if ":" in options.get("style", ""):
        (tmp_path / "bad.mplstyle").write_text(options["style"])
        options = {"style": tmp_path / "bad.mplstyle"}
    with pytest.raises(InvalidInput, match=words):
        figures(plane_run, tmp_path / "figures", **options)
    assert not (tmp_path / "figures").exists()


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
