"""What is printed of results, and shown of them in a notebook: tables of a few lines, and never a traceback."""

from xml.etree import ElementTree

import numpy as np
import pytest

import gnode
from gnode import analysis
from gnode.cards import Card, as_html, as_text, curves, dots, number
from gnode.errors import many
from gnode.expressivity.plan import Architecture, Plan
from gnode.expressivity.result import Result
from gnode.sweeps.outlook import duration


def parsed(html):
    """The HTML, which must be well formed, as it is set into a cell."""
    return ElementTree.fromstring(html.replace("<br>", "<br/>").join(("<div>", "</div>")))


def wells(size):
    return analysis.fixed_points(lambda h: h - h**3, bounds=([-2.0] * size, [2.0] * size), count=200)


def test_few_fixed_points_are_printed_one_by_one():
    lines = str(wells(1)).splitlines()
    assert lines[0] == "3 fixed points of a flow, N = 1"
    assert lines[1].split() == ["point", "stability", "fastest", "growth", "(1/time)", "starts"]
    assert [line.split()[:4] for line in lines[2:5]] == [
        ["(-1)", "stable", "node", "-2"],
        ["(0)", "unstable", "node", "1"],
        ["(1)", "stable", "node", "-2"],
    ]
    assert lines[5] == wells(1).evidence


def test_of_a_map_the_modulus_is_printed():
    found = analysis.fixed_points(lambda h: -0.5 * h, kind="map", bounds=([-2.0], [2.0]), count=20)
    assert str(found).splitlines()[1:3] == ["  point  stability    largest modulus  starts",
                                            "  (0)    stable node  0.5              20"]  # fmt: skip


def test_many_fixed_points_are_counted_by_their_stability():
    found = wells(3)
    lines = str(found).splitlines()
    assert len(found) == 27 and len(lines) < 9
    counts = {line[:15].strip(): int(line[15:].split()[0]) for line in lines[2:-1]}
    assert counts == {name: found.stability.count(name) for name in set(found.stability)}
    assert len(parsed(found._repr_html_()).findall(".//circle")) == 27


def test_none_is_a_result_too():
    for found in (
        analysis.fixed_points(lambda h: h + 1 + h**2, bounds=([-2.0], [2.0]), count=20),
        analysis.slow_points(lambda h: h + 3, bounds=([-2.0], [2.0]), count=20),
    ):
        assert repr(found).startswith(f"0 {'fixed' if isinstance(found, analysis.FixedPoints) else 'slow'} points")
        parsed(found._repr_html_())


def test_an_attractor_shows_what_is_known_of_it(plane_run):
    angles = np.linspace(0, 2 * np.pi, 80, endpoint=False)
    ring = analysis.attractor(lambda h: h / np.linalg.norm(h, axis=-1, keepdims=True),
                              states=np.stack([np.cos(angles), np.sin(angles)], 1))  # fmt: skip
    assert str(ring).splitlines()[0] == "Attractor after 0 steps of silence: ring"
    assert "half-life" not in str(ring)
    ofs = analysis.attractor(gnode.load(plane_run), gnode.tasks.make("ring"), count=40, silence=5)
    assert f"half-life (silent bins)  {number(ofs.half_life)}" in str(ofs)
    parsed(ofs._repr_html_())


def test_models_runs_and_trials_are_lines_not_arrays():
    task = gnode.tasks.make("ring", bins=10)
    model = gnode.models.make("gru", input_size=2, state_size=3, output_size=2)
    assert repr(model) == "Model(gru, N = 3, 2 inputs, 2 outputs, euler, 71 parameters)"
    run = gnode.train(model, task, epochs=2, train_trials=10, validation_trials=5, test_trials=5)
    lines = str(run).splitlines()
    assert lines[0] == f"Run of {model!r}" and len(lines) < 12
    assert any(line.split() == ["validation", "loss", number(run.summary["val_loss"])] for line in lines)
    assert len(parsed(run._repr_html_()).findall(".//polyline")) == 2
    trials = task.sample(3, seed=0)
    assert "polyline" in trials._repr_html_() and parsed(trials._repr_html_()) is not None
    parsed(gnode.Series.of([[1.0, np.nan, 2.0], [0.0]])._repr_html_())


@pytest.mark.parametrize("broken", [{"summary": None}, {"history": None}, {"model": None}, {"summary": {}}])
def test_a_part_that_is_missing_is_said(broken):
    model = gnode.models.make("rnn", input_size=1, state_size=1, output_size=1)
    run = gnode.training.Run(**{"model": model, "history": [], "summary": {"epochs": 1}} | broken)
    assert "Run" in repr(run) and "Traceback" not in repr(run)
    parsed(run._repr_html_())
    half = object.__new__(analysis.FixedPoints)  # as in a debugger, while it is made
    assert "FixedPoints, of which a part is missing" in repr(half)
    parsed(half._repr_html_())


def test_what_names_hold_cannot_break_the_page():
    card = Card("<b>&", [("<script>", "1")], ("a", "b"), 'x"<', dots([[0, 0]], True, '"><script>'))
    assert "<script>" not in as_html(card)
    parsed(as_html(card))
    assert as_text(card).splitlines() == ["<b>&", "  a         b", "  <script>  1", 'x"<']


@pytest.mark.parametrize("line", [[], [1.0], [np.nan, np.nan], [np.inf, 1.0], [1e300, -1e300], [3.0, 3.0]])
def test_any_numbers_make_a_picture_or_none(line):
    for picture in (curves([line], "c"), dots(np.array(line, float).reshape(-1, 1), False, "c")):
        assert "nan" not in picture and "inf" not in picture
        parsed(picture)


def test_a_measurement_is_its_table():
    plan = Plan(architectures=(Architecture(model="rnn"),), state_sizes=(2,), complexities=(2.0, 4.0), count=2)
    errors = np.array([1e-4, 0.5])[:, None, None] * np.ones((1, 2, 1))
    cells = {cell: {"errors": errors, "parameters": np.array(15)} for cell in plan.cells()}
    found = Result(plan, np.zeros((2, 2, 8, 2)), cells)
    lines = str(found).splitlines()
    assert lines[1].split()[:2] == ["architecture", "N"] and lines[2].split()[:3] == ["RNN", "2", "15"]
    parsed(found._repr_html_())


def test_one_is_no_plural():
    assert [many(count, "epoch") for count in (0, 1, 2, 1200)] == ["0 epochs", "1 epoch", "2 epochs", "1,200 epochs"]
    assert [duration(hours) for hours in (0, 1 / 60, 0.5, 3)] == ["1 second", "60 seconds", "30 minutes", "3.0 hours"]
