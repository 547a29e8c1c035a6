"""Scores of a run: under its own integrator and under another, by the command too."""

import json

import numpy as np
import pytest

import gnode
from gnode import analysis
from gnode.errors import InvalidInput
from gnode.examine import analyse, evaluate
from gnode.examine.content import content_of
from gnode.report import report


def made(**options):
    sizes = dict(input_size=2, state_size=2, output_size=2, hidden=(8,), activation="tanh", seed=2)
    return gnode.models.make("gnode", **{**sizes, **options})


def trained(out, **options):
    trials = dict(train_trials=20, validation_trials=10, test_trials=10)
    gnode.train(made(**options), gnode.tasks.make("ring"), out=out, epochs=2, snapshot_every=2, **trials)
    return out


def test_the_same_weights_under_another_integrator():
    model, inputs = made(gradient="autodiff"), np.random.default_rng(0).normal(size=(3, 10, 2)).astype("f4")
    other = gnode.models.under(model, "exponential-euler")
    assert other.config.integrator == "exponential-euler"
    np.testing.assert_array_equal(other(inputs), made(integrator="exponential-euler")(inputs))
    np.testing.assert_array_equal(gnode.models.under(other, "euler")(inputs), model(inputs))
    assert gnode.models.under(model, "tsit5", rtol=1e-8).config.rtol == 1e-8
    with pytest.raises(InvalidInput, match="options of rk4"):
        gnode.models.under(model, "rk4", rtol=1e-8)
    with pytest.raises(InvalidInput, match="an integrator out of"):
        gnode.models.under(model, "rk5")
    with pytest.raises(InvalidInput, match="leak on for exponential-euler"):
        gnode.models.under(made(leak=False), "exponential-euler")


def test_a_run_is_scored_under_another_integrator(plane_run):
    plain, both = evaluate(plane_run, trials=7), evaluate(plane_run, trials=7, integrator="rk4")
    assert {name: both[name] for name in plain} == plain
    model = gnode.load(plane_run)
    trials = gnode.tasks.make("ring").sample(7, seed=(2023, 4))
    one, other = (np.asarray(each(trials.inputs)) for each in (model, gnode.models.under(model, "rk4")))
    assert both["fresh_loss"] == pytest.approx(np.mean((one - trials.targets) ** 2), rel=1e-5)
    assert both["loss_under"] == pytest.approx(np.mean((other - trials.targets) ** 2), rel=1e-5)
    assert both["largest_difference"] == pytest.approx(np.abs(one - other).max(), rel=1e-5)
    assert evaluate(plane_run, trials=7, integrator="euler")["largest_difference"] == 0


@pytest.mark.parametrize("integrator", ["exponential-euler", pytest.param("rk4", marks=pytest.mark.full)])
def test_stability_is_that_of_the_models_own_map(tmp_path, integrator):
    content = content_of(trained(tmp_path / "run", integrator=integrator))
    found, step = content.fixed_points, content.model.map_at(np.zeros(2))
    again = analysis.fixed_points(step, starts=found.points)
    np.testing.assert_allclose(again.points, found.points, atol=1e-6)
    np.testing.assert_allclose(np.abs(again.eigenvalues), np.abs(found.map_eigenvalues), atol=1e-6)


@pytest.mark.full
def test_a_run_of_a_flow_is_scored_analysed_and_shown(tmp_path):
    out = trained(tmp_path / "run", integrator="tsit5")
    assert evaluate(out, trials=5, silence=3, integrator="euler")["largest_difference"] > 0
    numbers = json.loads(analyse(out).read_text())
    assert [facts["silence"] for facts in numbers["attractors"]] == [100, 1000, 10_000]
    content = content_of(out)
    found, dt = content.fixed_points, content.bin_seconds
    np.testing.assert_allclose(found.map_eigenvalues, np.exp(dt * found.flow_eigenvalues), rtol=1e-12)
    assert found.map_stability == found.flow_stability
    steps, modes = content.stored["timescales/steps"], content.stored["timescales/modes"]
    np.testing.assert_allclose(np.sort(steps), np.sort(modes), rtol=1e-6)
    of_map, of_flow = (content.stored[f"lyapunov/{kind}/exponents"] for kind in ("map", "flow"))
    np.testing.assert_allclose(of_map, dt * of_flow, atol=2e-3)
    page = report([out]).read_text()
    assert '<div class="portrait">' in page and "seen bin by bin" in page


def test_a_model_that_is_told_where_it_begins_has_a_memory():
    task, model = gnode.tasks.make("ring"), made(initial_state="first-target")
    found = analysis.memory(model, task, silences=[0, 3])
    trials = task.recall(found.values, silence=3)
    first = np.tile([2.0, 0.0], (len(trials), 1))  # what the ring task holds before any pulse
    states = np.asarray(model.states(trials.inputs, first))
    np.testing.assert_allclose(found.states[1], states[:, -1], atol=1e-5)
