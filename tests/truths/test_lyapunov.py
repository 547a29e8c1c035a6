"""Lyapunov exponents of systems whose exponents are known."""

import jax.numpy as jnp
import numpy as np
import pytest

from gnode.analysis import lyapunov_exponents
from gnode.analysis.lyapunov import kaplan_yorke, kaplan_yorke_slopes
from gnode.errors import Diverged, InvalidInput


def lorenz(h):
    x, y, z = h[..., 0], h[..., 1], h[..., 2]
    return jnp.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z], -1)


def test_lorenz_within_one_percent():
    """Sprott, Chaos and Time-Series Analysis (2003): 0.9056, 0, -14.5723; Kaplan-Yorke 2.062. The sum is exact."""
    starts = np.array([0, 0, 20]) + np.random.default_rng(0).normal(size=(64, 3))
    result = lyapunov_exponents(lorenz, starts, duration=300, step=0.01)
    assert result.exponents[0] == pytest.approx(0.906, rel=0.01)
    assert abs(result.exponents[1]) < 0.005
    assert result.exponents[2] == pytest.approx(-14.57, rel=0.01)
    assert result.exponents.sum() == pytest.approx(-(10 + 1 + 8 / 3), rel=1e-4)
    assert result.kaplan_yorke == pytest.approx(2.062, abs=0.005)
    assert (result.intervals[:, 0] < result.exponents).all()
    assert (result.exponents < result.intervals[:, 1]).all()
    assert result.intervals[0, 0] < 0.9056 < result.intervals[0, 1]
    early, late = (np.abs(result.curve[at, 0] - 0.9056) for at in (4, -1))
    assert late < early
    assert result.times[-1] == pytest.approx(300)


def test_roessler():
    """Sprott (2003), a = b = 0.2, c = 5.7: 0.0714, 0, -5.3943."""

    def roessler(h):
        x, y, z = h[..., 0], h[..., 1], h[..., 2]
        return jnp.stack([-y - z, x + 0.2 * y, 0.2 + z * (x - 5.7)], -1)

    starts = np.random.default_rng(0).normal(size=(64, 3))
    result = lyapunov_exponents(roessler, starts, duration=600, step=0.03)
    assert result.exponents[0] == pytest.approx(0.0714, abs=0.003)
    assert abs(result.exponents[1]) < 0.002
    assert result.exponents[2] == pytest.approx(-5.3943, rel=0.01)
    assert result.kaplan_yorke == pytest.approx(2.0132, abs=0.002)


def test_logistic_map_at_four_has_log_two():
    starts = np.random.default_rng(0).random((16, 1))
    result = lyapunov_exponents(lambda h: 4 * h * (1 - h), starts, kind="map", duration=4000)
    assert result.exponents[0] == pytest.approx(np.log(2), rel=2e-3)
    assert result.kaplan_yorke == 1.0


def test_henon_map():
    """Sprott (2003): 0.41922 and -1.62319, whose sum is log 0.3 exactly; Kaplan-Yorke 1.25827."""
    starts = np.random.default_rng(0).random((64, 2)) * 0.1
    result = lyapunov_exponents(
        lambda h: jnp.stack([1 - 1.4 * h[..., 0] ** 2 + h[..., 1], 0.3 * h[..., 0]], -1),
        starts,
        kind="map",
        duration=4000,
    )
    assert result.exponents[0] == pytest.approx(0.41922, rel=0.01)
    assert result.exponents.sum() == pytest.approx(np.log(0.3), rel=1e-9)
    assert result.kaplan_yorke == pytest.approx(1.25827, abs=0.005)


def test_linear_systems_have_their_eigenvalues():
    matrix = np.array([[-0.5, 2.0], [0.0, -3.0]])
    flow = lyapunov_exponents(lambda h: h @ matrix.T, [1.0, 1.0], duration=40, step=0.02)
    assert np.allclose(flow.exponents, [-0.5, -3.0], atol=1e-3)
    assert flow.kaplan_yorke == 0.0
    step = lyapunov_exponents(lambda h: h @ np.diag([0.9, -0.2]), [1.0, 1.0], kind="map", duration=1000)
    assert np.allclose(step.exponents, np.log([0.9, 0.2]), atol=1e-9)


def test_jax_and_numpy_agree_and_fewer_exponents_are_the_largest():
    def oscillator(module):
        def flow(h):
            return module.stack([h[..., 1], (1 - h[..., 0] ** 2) * h[..., 1] - h[..., 0]], -1)

        return flow

    by_jax, by_numpy = (
        lyapunov_exponents(oscillator(module), [1.0, 0.0], duration=20, step=0.05) for module in (jnp, np)
    )
    assert np.allclose(by_jax.exponents, by_numpy.exponents, atol=1e-6)
    one = lyapunov_exponents(oscillator(jnp), [1.0, 0.0], duration=20, step=0.05, count=1)
    assert one.exponents.shape == (1,)
    assert one.exponents[0] == pytest.approx(by_jax.exponents[0], abs=0.05)


def test_kaplan_yorke_by_hand():
    assert kaplan_yorke(np.array([1.0, 0.0, -4.0]), 3) == 2.25
    assert np.isnan(kaplan_yorke(np.array([1.0, 0.0]), 3))


def test_slopes_of_the_kaplan_yorke_dimension_are_its_differences():
    for exponents in ([1.0, 0.0, -4.0], [0.4, -1.6], [0.3, 0.1, -0.2, -2.0], [-1.0, -2.0]):
        exponents = np.array(exponents)
        changed = exponents + 1e-6 * np.eye(len(exponents))
        differences = [kaplan_yorke(one, len(one)) - kaplan_yorke(exponents, len(one)) for one in changed]
        assert kaplan_yorke_slopes(exponents) == pytest.approx(np.array(differences) / 1e-6, abs=1e-4)


def test_bad_input():
    with pytest.raises(Diverged, match="not finite"):
        lyapunov_exponents(lambda h: h**2, [2.0], kind="map", duration=1000)
    with pytest.raises(InvalidInput, match="count an integer between 1 and 3, instead got 4"):
        lyapunov_exponents(lorenz, [1.0, 1.0, 1.0], duration=10, count=4)
    with pytest.raises(InvalidInput, match="duration of at least 200 steps"):
        lyapunov_exponents(lorenz, [1.0, 1.0, 1.0], duration=1, step=0.1)
