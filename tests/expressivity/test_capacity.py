"""Whole measurements at a tiny size: files, resuming, advice, bad plans, the command and its page."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gnode import expressivity
from gnode.cli import main
from gnode.errors import InvalidInput
from gnode.expressivity import PRESETS, Architecture, Plan, read_plan
from gnode.expressivity.directory import Directory
from gnode.report.expressivity import expressivity_report

TINY = dict(
    state_sizes=(2, 3),
    complexities=(2, 4, 8),
    count=3,
    bins=24,
    durations=(4.8,),
    steps=(60,),
    restarts=2,
    resamples=50,
)
ARCHITECTURES = ("rnn", {"model": "node", "hidden": (6,)})
TOML = """
architectures = [{model = "rnn"}, {model = "node", hidden = [6]}]
state_sizes = [2, 3]
complexities = [2, 4, 8]
count = 3
bins = 24
durations = [4.8]
steps = [STEPS]
resamples = 50
"""


def command(*words: str, **options) -> subprocess.Popen:
    code = "from gnode.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "expressivity", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def tables(path: Path) -> list[bytes]:
    return [(path / name).read_bytes() for name in ("errors.parquet", "capacity.json")]


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> tuple[Path, expressivity.Result]:
    out = tmp_path_factory.mktemp("expressivity") / "tiny"
    return out, expressivity.capacity(ARCHITECTURES, out=out, workers=1, **TINY)


def test_the_result_and_its_files_tell_the_same(measured):
    out, result = measured
    table = pd.read_parquet(out / "errors.parquet")
    assert len(table) == 2 * 2 * 3 * 3 * 2  # architectures, N, complexities, targets, restarts
    pd.testing.assert_frame_equal(table, result.errors)
    cell = result.cell("[6]", 3)
    rows = table[(table.architecture == "[6]") & (table.state_size == 3)]
    best = rows.groupby(["complexity", "target"])["error"].min().unstack().to_numpy()
    np.testing.assert_allclose(np.minimum(best, 1), result.best(cell))
    capacity = json.loads((out / "capacity.json").read_text())
    assert [row["architecture"] for row in capacity["capacities"]] == ["RNN"] * 4 + ["[6]"] * 4
    assert result.parameters(cell) == 3 + (3 * 6 + 6 + 6 * 3 + 3) + (3 * 2 + 2)
    assert list(result.table.columns[:3]) == ["architecture", "state_size", "duration"]


def test_cells_in_processes_are_what_errors_computes_in_this_one(measured):
    _, result = measured
    direct = expressivity.errors("node", state_size=3, hidden=(6,), targets=result.targets, duration=4.8, steps=60)
    np.testing.assert_allclose(direct, result.best(result.cell("[6]", 3)), rtol=2e-2)


@pytest.mark.full
def test_killed_and_resumed_it_leaves_the_same_bytes(measured, tmp_path: Path):
    (tmp_path / "plan.toml").write_text(TOML.replace("STEPS", "60"))
    words = ("--config", str(tmp_path / "plan.toml"), "--out", str(tmp_path / "out"), "--json")
    process = command(*words, "--workers", "1")
    cells = tmp_path / "out" / "cells"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (cells.is_dir() and len(list(cells.glob("[!.]*")))):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    done = len(list(cells.glob("[!.]*")))
    assert 1 <= done < 4
    assert not (tmp_path / "out" / "errors.parquet").exists()
    process = command(*words, "--resume", "--workers", "1")
    answer, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    assert json.loads(answer)["report"].endswith("report.html")
    assert errors.count(" done ") == 4 - done
    assert tables(tmp_path / "out") == tables(measured[0])


def test_foreign_directories_are_left_alone(measured, tmp_path: Path):
    out, _ = measured
    before = tables(out)
    with pytest.raises(InvalidInput, match="a measurement already"):
        expressivity.capacity(ARCHITECTURES, out=out, **TINY)
    with pytest.raises(InvalidInput, match="was started with"):
        expressivity.capacity(ARCHITECTURES, out=out, resume=True, **{**TINY, "seed": 1})
    (tmp_path / "letter.txt").write_text("dear")
    for resume in (False, True):
        with pytest.raises(InvalidInput, match="other files"):
            expressivity.capacity(ARCHITECTURES, out=tmp_path, resume=resume, **TINY)
    assert tables(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_an_unfinished_or_damaged_measurement_is_not_shown(measured, tmp_path: Path):
    _, result = measured
    directory = Directory.begin(tmp_path / "new", result.plan, result.targets, resume=False)
    with pytest.raises(InvalidInput, match="--resume"):
        expressivity_report(tmp_path / "new")
    for cell in result.plan.cells():
        directory.write_cell(cell, result.arrays[cell])
    expressivity_report(tmp_path / "new")
    next((tmp_path / "new" / "cells").iterdir()).write_bytes(b"half")
    with pytest.raises(InvalidInput, match="damaged"):
        expressivity_report(tmp_path / "new")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"state_sizes": ()}, "empty grid"),
        ({"steps": ()}, "empty grid"),
        ({"tolerance": 1.0}, "between 0 and 1"),
        ({"complexities": (4, 4)}, "positive and grow"),
        ({"complexities": (4, 64)}, "two samples a correlation length"),
        ({"count": 0}, "count an integer of at least 1"),
        ({"state_sizes": (2, 2)}, "without repetitions"),
        ({"durations": (-1.0,)}, "positive numbers"),
        ({"step": "jump"}, "a step out of flow, map"),
        ({"targets": "lorentz"}, "Did you mean 'lorenz'"),
        ({"targets": np.ones((1, 2, 25, 2)), "count": 2, "complexities": (1,)}, "move in every dimension"),
        ({"targets": np.ones((2, 25, 2))}, "complexities, targets, time, d"),
    ],
)
def test_plans_that_cannot_be(change, message, tmp_path: Path):
    with pytest.raises(InvalidInput, match=message):
        expressivity.capacity(ARCHITECTURES, out=tmp_path / "out", **{**TINY, **change})
    assert not (tmp_path / "out").exists()


def test_architectures_that_cannot_be():
    with pytest.raises(InvalidInput, match="at least one architecture"):
        expressivity.capacity((), **TINY)
    with pytest.raises(InvalidInput, match="Did you mean 'node'"):
        expressivity.capacity(("nods",), **TINY)
    with pytest.raises(InvalidInput, match="Did you mean 'hidden'"):
        expressivity.capacity(({"model": "node", "hiden": (3,)},), **TINY)


def test_labels_and_plans_survive_their_file(tmp_path: Path):
    labels = [kind.label for kind in PRESETS["full"].architectures]
    assert labels == ["linear", "RNN", "[10]", "[30]", "[100]", "[30,30]", "gated RNN", "gated [30]"]
    assert Architecture(model="node", hidden=(5,), activation="tanh", leak=False).label == "[5] (tanh, no leak)"
    (tmp_path / "plan.toml").write_text('preset = "quick"\nsteps = 10\ntargets = "lorenz"\n')
    plan = read_plan(tmp_path / "plan.toml")
    assert (plan.steps, plan.bins, plan.complexities[0]) == ((10,), 64, 1.0)
    (tmp_path / "plan.toml").write_text("stepps = 10\n")
    with pytest.raises(InvalidInput, match="Did you mean 'steps'"):
        read_plan(tmp_path / "plan.toml")


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "docs" / "results").glob("expressivity-*.toml")))
def test_the_published_plans_can_be_read(path: Path):
    assert isinstance(read_plan(path), Plan)


def test_the_advice_on_an_ellipse_is_the_smallest_network_that_was_enough(tmp_path: Path):
    turn = 2 * np.pi * np.linspace(0, 1, 41)
    ellipses = np.stack([np.stack([np.cos(turn + k), 2 * np.sin(turn + k)], -1) for k in range(2)])
    linear = Architecture(model="node", hidden=())
    found = expressivity.advise(
        ellipses,
        architectures=(linear,),
        state_sizes=(1, 2),
        steps=(600,),
        polish=30,
        out=tmp_path / "out",
        workers=1,
    )
    assert (found.cell.state_size, found.cell.architecture) == (2, linear)
    assert "N = 2" in found.sentence
    one = found.table[found.table.state_size == 1].iloc[0]
    assert one.median_error >= 0.5 * (1 - 1e-4)  # a line through an ellipse leaves half of the standardised variance
    expressivity_report(tmp_path / "out")


def test_advice_needs_trajectories_that_move():
    with pytest.raises(InvalidInput, match="at least 8 samples"):
        expressivity.advise(np.zeros((1, 5, 2)))
    with pytest.raises(InvalidInput, match="move in every dimension"):
        expressivity.advise(np.zeros((1, 50, 2)))
    with pytest.raises(InvalidInput, match="between 0 and 1"):
        expressivity.advise(np.zeros((1, 50, 2)), tolerance=3)


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("--preset", "quik"), 1, "Did you mean 'quick'"),
        (("--data", "still.csv"), 1, "move in every dimension"),
        (("--preset", "quick", "--data", "still.csv"), 2, "one of --preset, --config and --data"),
    ],
)
def test_wrong_use_of_the_command_is_one_line(words, code, line, tmp_path: Path, monkeypatch, capsys):
    (tmp_path / "still.csv").write_text("x,y\n" + "1,1\n" * 20)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["gnode", "expressivity", "--out", "out", *words])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == code
    assert line in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert not (tmp_path / "out").exists()


def test_the_page_draws_everything(measured, browser):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: problems.append(request.url) if request.url.startswith("http") else None)
    page.goto(f"file://{expressivity_report(measured[0])}")
    for figure in page.locator(".figure").all():
        figure.scroll_into_view_if_needed()
    page.wait_for_function("[...document.querySelectorAll('.figure')].every(box => box.dataset.drawn)", timeout=60_000)
    assert problems == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator(".figure").count() == 6
    assert page.locator("svg[role=img]").count() == 2 * 2 * 3  # architectures, N, complexities
    text = page.inner_text("main")
    assert "T = 24 steps of the Euler map over 4.8 τ; Adam, 60 steps, 2 restarts" in text
    page.close()
