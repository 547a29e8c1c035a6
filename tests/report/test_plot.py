"""gnode.plot: what is drawn is what was computed, on axes that one can change."""

import shutil

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

import gnode
from gnode import analysis
from gnode.errors import InvalidInput


@pytest.fixture(autouse=True)
def _no_open_figures():
    yield
    pyplot.close("all")


def axes():
    return Figure().subplots()


def wells(h):
    return h - h**3


def marked(ax):
    """Where markers are, by what they are called in the legend."""
    legend, found = ax.get_legend(), {}
    for text, look in zip(legend.get_texts(), legend.legend_handles, strict=True):
        alike = [
            line for line in ax.lines if (line.get_marker(), line.get_mfc()) == (look.get_marker(), look.get_mfc())
        ]
        found[text.get_text()] = np.concatenate([line.get_xydata() for line in alike])
    return found


def test_points_stand_where_they_were_found():
    found = analysis.fixed_points(wells, bounds=([-2.0, -2.0], [2.0, 2.0]), count=100)
    ax = axes()
    assert gnode.plot.portrait(found, ax=ax) is ax
    shown = marked(ax)
    assert {name: len(points) for name, points in shown.items()} == {"stable": 4, "saddle": 4, "unstable": 1}
    assert np.allclose(np.abs(shown["stable"]), 1) and np.allclose(shown["unstable"], 0, atol=1e-9)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("unit 1", "unit 2")


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_the_flow_is_drawn_in_any_unit(unit):
    f = lambda h: unit * wells(h / unit)  # noqa: E731
    found = analysis.fixed_points(f, bounds=([-2.0 * unit] * 2, [2.0 * unit] * 2), count=60)
    ax = gnode.plot.portrait(found, flow=f)
    [mesh] = [part for part in ax.collections if type(part).__name__ == "QuadMesh"]
    speed = np.asarray(mesh.get_array())
    assert speed.max() > 1.0 * unit and np.isfinite(speed).all()
    low, high = ax.get_xlim()
    assert low < -unit and high > unit
    ax.figure.canvas.draw()


def test_more_than_two_units_are_projected_and_the_axes_say_so():
    random = np.random.default_rng(0)
    turn, _ = np.linalg.qr(random.standard_normal((5, 5)))
    paths = np.cumsum(random.standard_normal((4, 30, 2)), axis=1) @ turn[:2] + 3.0
    found = analysis.fixed_points(lambda h: 0.5 * h + 1.5, kind="map", starts=paths[:, 0])
    ax = gnode.plot.portrait(found, paths, axes(), flow=lambda h: 0.5 * h + 1.5)
    labels = [ax.get_xlabel(), ax.get_ylabel()]
    assert [label[:5] for label in labels] == ["PC 1 ", "PC 2 "]
    assert sum(int(label.split("(")[1][:-2]) for label in labels) in (99, 100, 101)  # the paths lie in a plane
    lines = [line.get_xydata() for line in ax.lines if len(line.get_xydata()) == 30]
    for path, line in zip(paths, lines, strict=True):
        assert np.allclose(np.linalg.norm(np.diff(path, axis=0), axis=1), np.linalg.norm(np.diff(line, axis=0), axis=1))


def test_one_unit_is_drawn_against_its_velocity():
    found = analysis.fixed_points(lambda h: -h + 2 * np.tanh(h), bounds=([-4.0], [4.0]))
    ax = gnode.plot.portrait(found, flow=lambda h: -h + 2 * np.tanh(h))
    x, y = ax.lines[0].get_xydata().T
    assert np.allclose(y, -x + 2 * np.tanh(x)) and ax.get_ylabel() == "dh/dt"
    assert np.allclose(marked(ax)["stable"][:, 1], 0)


def test_losses_are_those_of_the_run(plane_run):
    run = gnode.train(gnode.load(plane_run), gnode.tasks.make("ring"), epochs=2, train_trials=10, validation_trials=5)
    ax = gnode.plot.loss(run)
    drawn = {line.get_label(): line.get_ydata() for line in ax.lines}
    assert np.array_equal(drawn["validation"], [record.val_loss for record in run.history])
    assert np.array_equal(drawn["training"], [record.train_loss for record in run.history])
    assert (ax.get_yscale(), ax.get_ylabel()) == ("log", "mean squared error")
    both = gnode.plot.loss(plane_run, axes(), label="a")
    gnode.plot.loss([{"epoch": 1, "train_loss": -1.0, "val_loss": 2.0}], both, label="b")
    assert [text.get_text() for text in both.get_legend().get_texts()] == [
        "a validation", "a training", "b validation", "b training"
    ]  # fmt: skip
    assert len({line.get_color() for line in both.lines}) == 2
    assert gnode.plot.loss([{"epoch": 1, "train_loss": -1.0}]).get_yscale() == "linear"


def test_a_memory_is_drawn_against_its_silences(plane_run):
    found = analysis.memory(gnode.load(plane_run), gnode.tasks.make("ring"), silences=(0, 1, 10))
    for measure in ("distinct", "rms_error", "bits"):
        [line] = gnode.plot.memory(found, axes(), of=measure).lines
        assert np.array_equal(line.get_xydata().T, [[1, 10], getattr(found, measure)[1:]])
    with pytest.raises(InvalidInput, match="measure"):
        gnode.plot.memory(found, of="loss")


def test_the_memory_of_a_run_is_drawn_once_it_is_analysed(plane_run, tmp_path):
    run = shutil.copytree(plane_run, tmp_path / "run")
    for name in ("analysis.json", "analysis.npz"):
        (run / name).unlink(missing_ok=True)
    with pytest.raises(InvalidInput, match=r"was analysed in .*Run gnode analyse"):
        gnode.plot.memory(run)
    gnode.examine.analyse(run)
    [line] = gnode.plot.memory(run, axes()).lines
    with np.load(run / "analysis.npz") as arrays:
        expected = [arrays["memory/silences"][1:], arrays["memory/distinct"][1:]]
    assert np.array_equal(line.get_xydata().T, expected)


def test_a_trial_is_drawn_with_what_is_said_to_it(plane_run):
    model, some = gnode.load(plane_run), gnode.tasks.make("ring", bins=20).sample(4, seed=0)
    wanted = np.asarray(model(some.inputs))
    for answers in (model, wanted):
        ax = gnode.plot.trials(some, answers, axes(), index=-1)
        drawn = {line.get_label(): line for line in ax.lines}
        assert np.allclose(drawn["output 2"].get_ydata(), wanted[3, :, 1])
        assert np.allclose(drawn["target"].get_ydata(), some.targets[3, :, 0])
        assert ax.get_xlabel() == ("time (s)" if answers is model else "sample")
    assert np.allclose(drawn["output 1"].get_xdata(), np.arange(1, 21))


def test_the_style_of_the_user_is_kept_and_the_house_leaves_none_behind():
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"axes.prop_cycle": matplotlib.cycler(color=["#010203"])}):
        ax = axes()
        gnode.plot.loss([{"epoch": 1, "train_loss": 1.0, "val_loss": 2.0}], ax)
    assert ax.lines[0].get_color() == "#010203"
    gnode.plot.loss([{"epoch": 1, "train_loss": 1.0, "val_loss": 2.0}])
    assert dict(matplotlib.rcParams) == before


def test_what_cannot_be_drawn_is_refused_in_a_line():
    found = analysis.fixed_points(wells, bounds=([-2.0], [2.0]), count=20)
    for call, words in (
        (lambda: gnode.plot.portrait(), "none"),
        (lambda: gnode.plot.portrait(found, np.zeros((3, 2))), "1 and 2"),
        (lambda: gnode.plot.portrait(found, np.full((3, 1), np.nan)), "finite"),
        (lambda: gnode.plot.portrait(found, ax=3), "axes of matplotlib"),
        (lambda: gnode.plot.loss([]), "epoch"),
        (lambda: gnode.plot.loss(3), "its history"),
        (lambda: gnode.plot.memory(found), "memory"),
        (lambda: gnode.plot.trials(found), "trials"),
        (lambda: gnode.plot.trials(gnode.tasks.make("ring").sample(2, seed=0), index=2), "index"),
        (lambda: gnode.plot.trials(gnode.tasks.make("ring").sample(2, seed=0), np.zeros(3)), "outputs"),
    ):
        with pytest.raises(InvalidInput, match=words):
            call()
