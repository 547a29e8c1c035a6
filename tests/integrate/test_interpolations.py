"""Interpolations: through the samples, those of SciPy, causal where they say so, blind to padding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import BarycentricInterpolator, CubicHermiteSpline, CubicSpline, PchipInterpolator

from gnode.integrate.interpolations import INTERPOLATIONS

TRIALS, TIME, D = 3, 9, 2
WITHIN = np.linspace(0, 1, 7)


def draw(length: int, time: int = TIME) -> tuple[np.ndarray, np.ndarray]:
    """Samples and elapsed times of which the first `length` are no padding; in the padding stands NaN."""
    generator = np.random.default_rng(length)
    there = np.arange(time) < length
    inputs = np.where(there[:, None], generator.standard_normal((TRIALS, time, D)), np.nan)
    return inputs, np.where(there, generator.exponential(size=(TRIALS, time)) + 0.02, 0.0)


# Compiled whole: operation by operation takes several times as long.
COMPILED = {name: jax.jit(entry.coefficients) for name, entry in INTERPOLATIONS.items()}


def coefficients(name: str, inputs, elapsed) -> np.ndarray:
    with jax.enable_x64(True):
        return np.asarray(COMPILED[name](jnp.asarray(inputs), jnp.asarray(elapsed)))


def inside(cubic: np.ndarray) -> np.ndarray:
    return WITHIN[:, None] ** np.arange(4) @ cubic


def backward_differences(times, values):
    slopes = np.diff(values, axis=0) / np.diff(times)[:, None]
    return CubicHermiteSpline(times, values, np.concatenate([np.zeros((1, D)), slopes]))


TRUTHS = {
    "natural-cubic": lambda times, values: CubicSpline(times, values, bc_type="natural"),
    "monotone": PchipInterpolator,
    "cubic-hermite": backward_differences,
    "linear": lambda times, values: lambda at: np.stack([np.interp(at, times, channel) for channel in values.T], -1),
}


@pytest.mark.parametrize("length", [2, 3, 4, TIME])
@pytest.mark.parametrize("name", TRUTHS)
def test_those_that_scipy_has_are_those_of_scipy(name, length):
    inputs, elapsed = draw(length)
    cubics = coefficients(name, inputs, elapsed)
    for trial in range(TRIALS):
        times = np.cumsum(elapsed[trial])
        truth = TRUTHS[name](times[:length], inputs[trial, :length])
        for k in range(1, length):
            expected = truth(times[k - 1] + WITHIN * elapsed[trial, k])
            np.testing.assert_allclose(inside(cubics[trial, k]), expected, atol=1e-10)


def test_quadratic_is_the_parabola_through_three_samples():
    inputs, elapsed = draw(TIME)
    cubics = coefficients("quadratic", inputs, elapsed)
    times = np.cumsum(elapsed[0])
    for k in range(2, TIME):
        truth = BarycentricInterpolator(times[k - 2 : k + 1], inputs[0, k - 2 : k + 1])
        np.testing.assert_allclose(inside(cubics[0, k]), truth(times[k - 1] + WITHIN * elapsed[0, k]), atol=1e-10)


@pytest.mark.parametrize("name", INTERPOLATIONS)
def test_intervals_lead_from_sample_to_sample(name):
    inputs, elapsed = draw(TIME)
    cubics = coefficients(name, inputs, elapsed)
    begin, end = cubics[:, :, 0], cubics.sum(axis=2)
    before = np.concatenate([inputs[:, :1], inputs[:, :-1]], axis=1)
    np.testing.assert_allclose(begin, inputs if name == "constant" else before, atol=1e-12)
    np.testing.assert_allclose(end, before if name == "previous" else inputs, atol=1e-12)


@pytest.mark.parametrize("length", [1, 2, 3, TIME - 1])
@pytest.mark.parametrize("name", INTERPOLATIONS)
def test_padding_holds_the_last_sample_and_has_no_gradient(name, length):
    inputs, elapsed = draw(length)
    cubics = coefficients(name, inputs, elapsed)
    np.testing.assert_array_equal(cubics[:, length:, 0], np.repeat(inputs[:, [length - 1]], TIME - length, axis=1))
    assert (cubics[:, length:, 1:] == 0).all()
    np.testing.assert_allclose(
        cubics[:, :length], coefficients(name, inputs[:, :length], elapsed[:, :length]), atol=1e-12
    )
    with jax.enable_x64(True):
        slopes = jax.jit(
            jax.grad(lambda *samples: jnp.sum(jnp.sin(INTERPOLATIONS[name].coefficients(*samples))), argnums=(0, 1))
        )(jnp.asarray(inputs), jnp.asarray(elapsed))
        for slope in slopes:
            assert jnp.isfinite(slope).all() and (slope[:, length:] == 0).all()


@pytest.mark.parametrize("name", INTERPOLATIONS)
def test_those_that_do_not_look_ahead_need_the_history_that_they_name(name):
    entry = INTERPOLATIONS[name]
    inputs, elapsed = draw(TIME)
    cubics = coefficients(name, inputs, elapsed)
    later = inputs.copy()
    later[:, 6:] += 1
    unmoved = np.allclose(coefficients(name, later, elapsed)[:, :6], cubics[:, :6], rtol=0, atol=1e-12)
    assert unmoved == (not entry.looks_ahead)
    if not entry.looks_ahead:
        window = slice(5 - entry.history, 6)
        np.testing.assert_allclose(coefficients(name, inputs[:, window], elapsed[:, window])[:, -1], cubics[:, 5])
    if entry.history is not None:
        earlier = inputs.copy()
        earlier[:, : 5 - entry.history] += 1
        np.testing.assert_allclose(coefficients(name, earlier, elapsed)[:, 5], cubics[:, 5], atol=1e-12)


@pytest.mark.parametrize("name", INTERPOLATIONS)
def test_equal_samples_are_held_still_with_finite_gradients(name):
    inputs, elapsed = jnp.full((TRIALS, TIME, D), 0.5), jnp.ones((1, TIME))
    entry = INTERPOLATIONS[name]
    cubics = entry.coefficients(inputs, elapsed)
    np.testing.assert_allclose(cubics[:, :, 0], 0.5)
    np.testing.assert_allclose(cubics[:, :, 1:], 0.0, atol=1e-6)
    slopes = jax.jit(jax.grad(lambda *samples: jnp.sum(entry.coefficients(*samples)), argnums=(0, 1)))(inputs, elapsed)
    assert all(jnp.isfinite(slope).all() for slope in slopes)


@given(st.lists(st.floats(-5, 5), min_size=6, max_size=6), st.integers(0, 100))
def test_monotone_never_leaves_the_samples_beside_it(values, seed):
    inputs = np.array(values)[None, :, None]
    elapsed = np.random.default_rng(seed).exponential(size=(1, len(values))) + 0.05
    before = np.concatenate([inputs[:, :1], inputs[:, :-1]], axis=1)
    cubics = coefficients("monotone", inputs, elapsed)
    for k in range(len(values)):
        between = inside(cubics[0, k])
        assert (between >= min(before[0, k, 0], inputs[0, k, 0]) - 1e-9).all()
        assert (between <= max(before[0, k, 0], inputs[0, k, 0]) + 1e-9).all()
