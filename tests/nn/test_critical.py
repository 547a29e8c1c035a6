"""Critical initialisation and the mean-field gain against answers known on paper."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnode import models
from gnode.errors import CannotScale, InvalidInput
from gnode.fields import FIELDS
from gnode.nn.critical import critical_scale, mean_field_gain, spectral_abscissa


@given(st.floats(0.05, 20.0), st.integers(0, 1000))
def test_scale_of_a_linear_field_is_the_inverse_of_its_abscissa(size, seed):
    matrix = size * np.random.default_rng(seed).standard_normal((5, 5))
    abscissa = spectral_abscissa(matrix)
    if abscissa <= 0.01:
        return
    assert critical_scale(lambda scale: scale * matrix) == pytest.approx(1 / abscissa, rel=1e-5)


def test_scale_of_a_saturating_field_is_found_where_one_step_would_miss_it():
    # F(h) = tanh(s h) + h / 4 at h = 1: J(s) = s sech^2(s) + 1/4, which is 1 nowhere (its maximum is 0.698).
    with pytest.raises(CannotScale, match="Try another seed"):
        critical_scale(lambda s: np.array([[s / np.cosh(min(s, 99)) ** 2 + 0.25]]))
    # At h = 1/2 the state is in the middle of the slope: s sech^2(s / 2) + 1/4 = 1 at s = 0.9197...
    scale = critical_scale(lambda s: np.array([[s / np.cosh(min(s, 99) / 2) ** 2 + 0.25]]))
    assert scale / np.cosh(scale / 2) ** 2 == pytest.approx(0.75, abs=1e-6)


def test_a_field_that_only_contracts_cannot_be_scaled():
    with pytest.raises(CannotScale, match="Must have a field that some scale brings to the edge"):
        critical_scale(lambda scale: -scale * np.eye(3))


@pytest.mark.parametrize("name", FIELDS)
def test_every_model_starts_at_the_edge_of_stability(name):
    model = models.make(
        name, input_size=2, state_size=12, output_size=2, critical=True, initial_state="fixed-random", seed=1
    )
    state, held = model.initial(jnp.zeros((1, 2)), None)[0], jnp.zeros(2)
    jacobian = jax.jacfwd(lambda h: model.field.candidate(h, held) - h)(state)
    assert abs(spectral_abscissa(np.asarray(jacobian))) < 1e-3


def test_gates_and_input_weights_stay_as_drawn():
    plain, critical = (
        models.make("gnode", input_size=2, state_size=8, output_size=2, hidden=(16, 16), critical=on, seed=4)
        for on in (False, True)
    )
    assert (plain.field.gating.from_state.weight == critical.field.gating.from_state.weight).all()
    assert (plain.field.drive.from_input.weight == critical.field.drive.from_input.weight).all()
    assert not (plain.field.drive.later[0].weight == critical.field.drive.later[0].weight).all()


def test_mean_field_gain_of_linear_and_relu_nets():
    assert mean_field_gain([0.5, 2.0, 3.0], np.ones_like, lambda z: z) == pytest.approx(3.0)
    # E relu'(z)^2 = 1/2 whatever the variance.
    expected = 1.5 * 1.2 * np.sqrt(0.5)
    assert mean_field_gain([1.5, 1.2], lambda z: z > 0, lambda z: np.maximum(z, 0)) == pytest.approx(expected)


def test_mean_field_gain_is_the_spectral_radius_of_a_wide_random_net():
    width, scales = 1500, (1.3, 1.1)
    generator = np.random.default_rng(0)
    first, second = (s * generator.standard_normal((width, width)) / np.sqrt(width) for s in scales)
    state = generator.standard_normal(width)
    slope = 1 / np.cosh(first @ state) ** 2
    radius = np.abs(np.linalg.eigvals(second @ (slope[:, None] * first))).max()
    predicted = mean_field_gain(scales, lambda z: 1 / np.cosh(z) ** 2, np.tanh)
    assert radius == pytest.approx(predicted, rel=0.05)


def test_mean_field_gain_wants_scales():
    with pytest.raises(InvalidInput, match="one weight scale a layer"):
        mean_field_gain([], np.ones_like, np.tanh)


def test_gain_of_a_wide_model_is_the_spectral_radius_of_its_jacobian():
    model = models.make("node", input_size=1, state_size=600, output_size=1, hidden=(600,), activation="tanh", seed=2)
    state = jnp.asarray(np.random.default_rng(3).standard_normal(600), jnp.float32)
    jacobian = jax.jacfwd(lambda h: model.field.candidate(h, jnp.zeros(1)))(state)
    radius = np.abs(np.linalg.eigvals(np.asarray(jacobian, float))).max()
    assert models.wide_network_gain(model) == pytest.approx(radius, rel=0.08)


def test_gain_of_a_normalised_model_is_refused():
    model = models.make("node", input_size=1, state_size=3, output_size=1, hidden=(4,), layer_norm=True)
    with pytest.raises(InvalidInput, match="without layer normalisation"):
        models.wide_network_gain(model)
