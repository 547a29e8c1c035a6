"""Time scales of models whose gates and modes are set by hand."""

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnode import analysis, models
from gnode.errors import InvalidInput
from gnode.series import Series


class Gated:
    """tau dh/dt = gate * (-h), gate 0.1 where the state's first unit is within 1 of 0, and 0.8 elsewhere."""

    state_size, input_size = 2, 1

    def gate(self, state, inputs):
        return jnp.where(jnp.abs(state[..., :1]) < 1, 0.1, 0.8) * jnp.ones_like(state)

    def __call__(self, state, inputs):
        return -self.gate(state, inputs) * state


EULER = SimpleNamespace(kind="map", step=lambda field, state, inputs, elapsed: state + elapsed * field(state, inputs))
MODEL = SimpleNamespace(field=Gated(), integrator=EULER, config=SimpleNamespace(tau=0.02, dt=0.01))


def test_units_and_modes_of_a_known_gate():
    states = np.array([[0.5, 0.0], [2.0, 0.0]])
    found = analysis.timescales(MODEL, states)
    assert np.allclose(found.gates, [[0.1, 0.1], [0.8, 0.8]])
    assert np.allclose(found.units, [[0.2, 0.2], [0.025, 0.025]])
    assert np.allclose(found.rates, [[-5, -5], [-40, -40]])
    assert np.allclose(found.modes, found.units)
    assert np.allclose(found.steps[1], 0.01 / -np.log(1 - 0.4))
    assert found.histogram.sum() == 4
    assert found.histogram[:, 5].tolist() == [1, 1]  # 0.1 opens the sixth of fifty bins


def test_slow_overlap_tells_inside_from_outside():
    inside, outside = np.array([[[0, 0]], [[3, 0]]]) + np.random.default_rng(0).uniform(-0.9, 0.9, (2, 100, 2))
    assert analysis.timescales(MODEL, inside, reference=outside).slow_overlap == 1.0
    assert analysis.timescales(MODEL, outside, reference=inside).slow_overlap == 0.0
    assert analysis.timescales(MODEL, inside, reference=inside).slow_overlap == 0.5


INTEGRATORS = {"gnode": "euler", "node": "exponential-euler", "mgru": "rk4", "gru": "tsit5", "rnn": "euler"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in ("gnode", "gru") else pytest.mark.full) for name in INTEGRATORS],
)
def test_agrees_with_the_fixed_points_of_real_models(name):
    """At a fixed point the rates are the eigenvalues that fixed_points finds; steps are those of the map."""
    model = models.make(name, input_size=2, state_size=3, output_size=1, seed=1, integrator=INTEGRATORS[name])
    held = np.array([0.3, -0.2])
    points = analysis.fixed_points(
        model.field_at(held), bounds=([-2.0] * 3, [2.0] * 3), count=64, beside=model.map_at(held)
    )
    scales = analysis.timescales(model, points.points, held)
    assert np.allclose(np.sort_complex(scales.rates), np.sort_complex(points.eigenvalues), atol=1e-6)
    expected = np.sort(model.config.dt / np.abs(np.log(np.abs(points.map_eigenvalues))))
    assert np.allclose(np.sort(scales.steps), expected, rtol=1e-5)
    if name in ("node", "rnn"):
        assert np.array_equal(scales.gates, np.ones_like(scales.gates))
    from_map = analysis.fixed_points(model.map_at(held), starts=points.points)
    assert np.allclose(from_map.points, points.points, atol=1e-7)


def test_inputs_may_differ_between_states():
    model = models.make("gru", input_size=2, state_size=3, output_size=1, seed=1)
    states = np.random.default_rng(0).normal(size=(5, 3))
    inputs = np.random.default_rng(1).normal(size=(5, 2))
    together = analysis.timescales(model, states, inputs)
    apart = [analysis.timescales(model, states[row : row + 1], inputs[row]) for row in range(5)]
    assert np.allclose(together.rates, np.concatenate([one.rates for one in apart]))
    assert np.allclose(together.gates, np.concatenate([one.gates for one in apart]))


@pytest.mark.parametrize("missing", ["hold", "hold-with-observed"])
def test_inputs_are_those_of_the_model_and_observed(missing):
    """Zeros in all that the field sees would say that nothing was observed; and of scaled channels 0 is not 0."""
    series = Series.of(np.random.default_rng(0).normal(3.0, 2.0, (4, 9, 2)))
    model = models.make("gnode", input_size=2, state_size=3, output_size=1, hidden=(6,), missing=missing, seed=1)
    model = dataclasses.replace(model, encoding=model.encoding.fit_scaling(series))
    states = np.random.default_rng(1).normal(size=(5, 3))
    for held, given in ((np.zeros(2), None), (np.array([0.5, -2.0]), np.array([0.5, -2.0]))):
        with jax.enable_x64(True):
            slopes = jax.vmap(jax.jacfwd(model.field_at(held)))(jnp.asarray(states))
        found = analysis.timescales(model, states, given)
        assert np.allclose(np.sort_complex(found.rates), np.sort_complex(np.linalg.eigvals(slopes)), rtol=1e-5)
    apart = np.random.default_rng(2).normal(size=(5, 2))
    together = analysis.timescales(model, states, apart)
    alone = [analysis.timescales(model, states[row : row + 1], apart[row]) for row in range(5)]
    assert np.allclose(together.rates, np.concatenate([one.rates for one in alone]))


def test_wrong_shapes():
    with pytest.raises(InvalidInput, match=r"states of shape \(S, 2\)"):
        analysis.timescales(MODEL, np.zeros((4, 3)))
    with pytest.raises(InvalidInput, match=r"inputs of shape \(1,\) or \(4, 1\)"):
        analysis.timescales(MODEL, np.zeros((4, 2)), np.zeros(2))
