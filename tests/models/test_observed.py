"""Units that are observed: the state is what is seen, and begins at the first sample."""

import equinox as eqx
import jax
import numpy as np
import pytest

import gnode
from gnode.errors import InvalidInput
from gnode.models import trainable
from gnode.series import Series, Trials

TOLD = np.array([[0.5, -1.0], [2.0, 0.25], [0.0, 0.0]])


def made(**options):
    given = {"input_size": 0, "state_size": 2, "output_size": 2, "hidden": (16,), "tau": 0.1, "dt": 0.02}
    return gnode.models.make("gnode", **(given | {"initial_state": "observed", "begins": "at-first"} | options))


def test_the_first_output_is_what_was_told_and_the_second_a_step_later():
    model = made()
    outputs = np.asarray(model(np.zeros((3, 5, 0)), TOLD))
    np.testing.assert_array_equal(outputs[:, 0], TOLD.astype(np.float32))
    by_hand = TOLD + 0.02 * np.asarray(model.field_at(np.zeros(0))(TOLD))
    np.testing.assert_allclose(outputs[:, 1], by_hand, rtol=1e-5, atol=1e-6)


def test_gaps_count_from_the_first_sample_on():
    model, times = made(), [0.0, 0.05, 0.06, 0.2]
    outputs = np.asarray(model(Series.of(np.zeros((3, 4, 0)), times), TOLD))
    state = TOLD
    for step, gap in enumerate(np.diff(times), start=1):
        state = state + gap * np.asarray(model.field_at(np.zeros(0))(state))
        np.testing.assert_allclose(outputs[:, step], state, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("integrator", ["tsit5", "kvaerno5"])
def test_a_flow_begins_there_too(integrator):
    model = made(integrator=integrator, rtol=1e-7, atol=1e-8)
    outputs = np.asarray(model(np.zeros((3, 4, 0)), TOLD))
    np.testing.assert_allclose(outputs[:, 0], TOLD, atol=1e-6)
    fine = gnode.models.under(model, "rk4")
    many = np.asarray(fine(Series.of(np.zeros((3, 31, 0)), np.arange(31) * 0.002), TOLD))
    np.testing.assert_allclose(outputs[:, 1:], many[:, 10::10], atol=1e-5)


def test_known_inputs_act_from_the_second_sample_on():
    model, inputs = made(input_size=1), np.arange(12.0).reshape(3, 4, 1)
    outputs = np.asarray(model(inputs, TOLD))
    field = model.field_at(inputs[1, 1])
    np.testing.assert_allclose(outputs[1, 1], TOLD[1] + 0.02 * np.asarray(field(TOLD[1])), rtol=1e-5, atol=1e-6)
    inputs[:, 0] = 99.0
    np.testing.assert_array_equal(np.asarray(model(inputs, TOLD)), outputs)


def test_online_it_goes_on_from_the_first_sample():
    model = made(input_size=1)
    inputs = np.linspace(0, 1, 12).reshape(3, 4, 1)
    whole = np.asarray(model(inputs, TOLD))
    here = model.begin(inputs[:, 0], TOLD)
    for step in range(1, 4):
        here, said = model.advance(here, inputs[:, step])
        np.testing.assert_allclose(said, whole[:, step], atol=1e-6)


def test_units_beyond_those_observed_start_from_a_net_and_the_readout_is_never_trained():
    model = made(state_size=5, initial_hidden=(4,), scale="standard")
    free = trainable(model)
    assert not any(jax.tree.leaves(free.readout))
    assert all(jax.tree.leaves(free.initial))
    rng = np.random.default_rng(0)
    targets = 7.0 + 1e-3 * np.cumsum(rng.normal(size=(20, 6, 2)), axis=1)
    trials = Trials(np.zeros((20, 6, 0)), targets)
    data = gnode.training.Data(trials, trials, trials)
    run = gnode.train(model, data, epochs=3, batch_size=5, lr=1e-2)
    np.testing.assert_array_equal(run.model.readout.layers[0].weight, np.eye(2, 5))
    outputs = np.asarray(run.model(np.zeros((20, 6, 0)), targets[:, 0]))
    np.testing.assert_allclose(outputs[:, 0], targets[:, 0], rtol=1e-6)


def test_it_is_saved_and_loaded(tmp_path):
    model = made(state_size=3)
    gnode.models.save(model, tmp_path / "model.safetensors")
    again = gnode.load(tmp_path / "model.safetensors")
    assert eqx.tree_equal(model, again)
    assert again.config.begins == "at-first"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"state_size": 1}, "at least as many units as outputs"),
        ({"readout_hidden": (4,)}, "no readout_hidden"),
        ({"input_size": 2, "residual": True}, "no residual"),
        ({"input_size": 1, "elapsed": "both"}, "elapsed time as step alone"),
        ({"reading": "mean"}, "no reading of the mean"),
        ({"events": 1}, "no events"),
        ({"integrator": "tsit5", "interpolation": "linear"}, "interpolation constant"),
        ({"begins": "at-frist"}, "at-first"),
    ],
)
def test_what_cannot_be_is_refused(options, line):
    with pytest.raises(InvalidInput, match=line):
        made(**({"input_size": 1} | options))


def test_answers_at_other_times_are_refused():
    with pytest.raises(InvalidInput, match="before the first sample"):
        made()(np.zeros((3, 4, 0)), TOLD, at=[0.01])
