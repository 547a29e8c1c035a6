"""Lyapunov exponents where steps, kinks, stiffness, rest, several attractors or wrong derivatives mislead."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gnode.analysis import lyapunov_exponents
from gnode.analysis.courses import Rules, Units, beginning, follower
from gnode.analysis.dynamics import dynamics_of
from gnode.analysis.embedded_pair import cash_karp, stacked_cash_karp
from gnode.analysis.lyapunov import half_widths
from gnode.errors import Diverged, InvalidInput


def stacked(module, *columns):
    return module.stack(columns, axis=-1)


def van_der_pol(mu, module=jnp):
    return lambda h: stacked(module, h[:, 1], mu * (1 - h[:, 0] ** 2) * h[:, 1] - h[:, 0])


def pulled_circle(pull, unevenness, module=jnp, scale=(1.0, 1.0), offset=(0.0, 0.0)):
    """r' = pull r (1 - r), angle' = 1 + unevenness cos(angle): exponents 0 and -pull, in any unit, at any offset."""
    scale, offset = np.asarray(scale), np.asarray(offset)

    def f(h):
        x, y = (h[:, 0] - offset[0]) / scale[0], (h[:, 1] - offset[1]) / scale[1]
        r = module.sqrt(x**2 + y**2)
        outwards, around = pull * (1 - r), 1 + unevenness * x / r
        return stacked(module, scale[0] * (outwards * x - around * y), scale[1] * (outwards * y + around * x))

    return f


def lorenz(h):
    x, y, z = h[:, 0], h[:, 1], h[:, 2]
    return stacked(jnp, 10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z)


def is_zero(found, number):
    return found.intervals[number, 0] <= 0 <= found.intervals[number, 1]


# -- the pair and the courses --


@pytest.mark.parametrize("pair", [cash_karp, stacked_cash_karp])
@pytest.mark.parametrize("order", range(6))
def test_the_pair_has_order_five_and_its_difference_order_four(pair, order):
    """t^order is integrated exactly to the fifth power, its difference vanishes to the fourth."""
    after, error = pair(lambda y: np.stack([np.ones_like(y[..., 0]), y[..., 0] ** order], -1), np.zeros(2), np.ones(1))
    if order < 5:
        assert after[1] == pytest.approx(1 / (order + 1), abs=1e-14)
    assert (abs(error[1]) < 1e-14) == (order < 4)


def wanting(found):
    """What is said beside what was found out about f."""
    return [line for line in found.checks if not line.startswith(("Computes in", "Derivative by"))]


@pytest.mark.parametrize("module", [np, jnp])
def test_each_start_arrives_with_the_error_it_was_allowed(module):
    """h' = h^2: h(t) = h / (1 - h t); the fast one needs more steps."""
    starts = np.array([[0.1], [0.9]])
    f = lambda h: module.asarray(h) ** 2  # noqa: E731
    units = Units(np.zeros((2, 1)), np.ones((2, 1)), np.zeros((2, 1)), np.ones(2))
    follow = follower(f, dynamics_of(f, starts), "flow", Rules(1e-9, None))
    course, _ = follow(beginning(starts, np.zeros((2, 0, 1)), 0.1, units), np.array([1.0]), units)
    assert np.allclose(course.states, starts / (1 - starts), rtol=1e-7)
    assert course.taken[1] > course.taken[0]
    assert (course.time == 1.0).all()
    blown_up, _ = follow(course, np.array([20.0]), units)
    assert np.isnan(blown_up.states).all()  # at 10 and at 10 / 9


# -- F23, F24, D1: one step for the whole run --


@pytest.mark.parametrize("mu, second", [(5.0, -7.375), (8.0, -12.715), (20.0, -34.0)])
def test_relaxation_oscillations_have_a_zero_exponent_by_default(mu, second):
    """Van der Pol from (1, 0), where nothing is fast: by Poincare and Bendixson 0; the other is the mean divergence."""
    found = lyapunov_exponents(van_der_pol(mu), [1.0, 0.0], duration=200.0)
    assert is_zero(found, 0)
    assert found.exponents[1] == pytest.approx(second, rel=0.03)
    assert found.kaplan_yorke == 1.0
    assert wanting(found) == []


@pytest.mark.parametrize("pull", [0.5, 30.0, 300.0])
@pytest.mark.parametrize("unevenness", [0.0, 0.95])
def test_cycles_of_any_stiffness(pull, unevenness):
    found = lyapunov_exponents(pulled_circle(pull, unevenness), [1.5, 0.1], duration=60.0)
    assert is_zero(found, 0)
    assert found.exponents[1] == pytest.approx(-pull, rel=0.02)
    assert found.intervals[1, 0] <= -pull <= found.intervals[1, 1]
    assert found.kaplan_yorke == 1.0


def test_a_circuit_with_an_exponential_from_where_it_is_slow():
    """JerkCircuit of dysts: 0.075, 0, -1.076 with a step of 0.01; the default of one step was 0.227, 0.093."""
    f = lambda h: stacked(jnp, h[:, 1], h[:, 2], -h[:, 2] - h[:, 0] - 1e-9 * (jnp.exp(h[:, 1] / 0.026) - 1))  # noqa: E731
    found = lyapunov_exponents(f, [1.0, 0.0, 0.0], duration=1000.0)
    assert found.exponents[0] == pytest.approx(0.075, abs=0.02)
    assert found.intervals[0, 0] <= 0.075 <= found.intervals[0, 1]
    assert is_zero(found, 1)


def test_a_step_that_is_too_large_is_said_to_be():
    coarse = lyapunov_exponents(van_der_pol(5.0), [1.0, 0.0], duration=200.0, step=0.1)
    assert any("too large" in check for check in coarse.checks)
    fine = lyapunov_exponents(van_der_pol(5.0), [1.0, 0.0], duration=200.0, step=0.005)
    assert wanting(fine) == []
    assert is_zero(fine, 0)
    assert fine.step == 0.005


# -- F19, D10: stretches in step with the period --


@pytest.mark.parametrize("duration", [20.0, 100.0, 200.0, 66.633])
def test_a_limit_cycle_has_dimension_one_at_any_duration(duration):
    for start in ([2.0, 0.0], [0.0, 2.0], [1.0, 0.0]):
        found = lyapunov_exponents(van_der_pol(1.0), start, duration=duration)
        assert is_zero(found, 0)
        assert found.kaplan_yorke == 1.0
        assert abs(found.exponents[0]) < 4 / duration


def test_intervals_of_a_chaotic_map_cover():
    """The logistic map at 4 and a skewed tent map, whose exponents are log 2 and an entropy; 150 starts each."""
    random = np.random.default_rng(0)
    for f, truth in (
        (lambda h: 4 * h * (1 - h), np.log(2)),
        (lambda h: jnp.where(h < 0.3, h / 0.3, (1 - h) / 0.7), -0.3 * np.log(0.3) - 0.7 * np.log(0.7)),
    ):
        found = lyapunov_exponents(f, random.random((150, 1)), kind="map", duration=4000)
        assert is_covered(found, truth)


def is_covered(found, truth):
    return found.intervals[0, 0] <= truth <= found.intervals[0, 1]


@pytest.mark.parametrize("correlation", [-0.5, 0.0, 0.8])
def test_half_widths_cover_the_mean_of_rates_that_remember(correlation):
    """Moving averages of white noise, 400 draws of 200 blocks: the mean is 0, in 95 % of intervals."""
    noise = np.random.default_rng(1).standard_normal((201, 400, 1))
    rates = noise[1:] + correlation * noise[:-1]
    widths = np.array([half_widths(rates[:, [draw]])[0][0] for draw in range(400)])
    assert 0.9 <= np.mean(np.abs(rates.mean(axis=(0, 2))) <= widths) <= 0.99


def test_half_widths_cover_what_repeats_itself():
    """Growth that returns after any period, at any phase, has a mean of 0."""
    random = np.random.default_rng(2)
    periods, phases = random.uniform(0.7, 80, 400), random.uniform(0, 2 * np.pi, 400)
    growth = np.sin(2 * np.pi * np.arange(201)[:, None] / periods + phases)
    rates = np.diff(growth, axis=0)[:, :, None]
    widths = np.array([half_widths(rates[:, [draw]])[0][0] for draw in range(400)])
    assert np.mean(np.abs(rates.mean(axis=(0, 2))) <= widths) >= 0.93


# -- D2, F4: the free check, and derivatives that are not those of the values --


def test_the_flow_itself_has_one_of_the_exponents():
    for f, start in ((van_der_pol(2.0), [1.0, 0.0]), (lorenz, [1.0, 1.0, 20.0])):
        found = lyapunov_exponents(f, start, duration=100.0)
        assert np.abs(found.exponents - found.neutral).min() < 0.05
        assert not any("own direction" in check for check in found.checks)


WRONG = {
    "cut": lambda h, A: (h @ A.T) * 0.5 + jax.lax.stop_gradient(h @ A.T) * 0.5,
    "all cut": lambda h, A: jax.lax.stop_gradient(h @ A.T),
    "rounded": lambda h, A: jnp.round((h @ A.T) * 2**40) / 2**40,
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_derivative_that_is_not_that_of_the_values_is_replaced(wrong):
    matrix = np.array([[-0.1, 1.0], [-1.0, -0.1]])
    found = lyapunov_exponents(lambda h: WRONG[wrong](h, matrix), [1.0, 0.5], duration=50.0)
    assert np.allclose(found.exponents, -0.1, atol=2e-3)
    assert any("differences" in check for check in found.checks)


def test_a_jacobian_that_is_not_finite_on_a_finite_trajectory():
    """F3: h (1 - |h|) rests at 0, where JAX's derivative of |h| is NaN; the true one is 1."""
    f = lambda h: h * (1 - jnp.linalg.norm(h, axis=-1, keepdims=True))  # noqa: E731
    for step in (None, 0.1):
        found = lyapunov_exponents(f, [0.0, 0.0], duration=200.0, step=step)
        assert np.allclose(found.exponents, 1.0, atol=1e-3)
        assert any("never moved" in check for check in found.checks)
        assert any("differences" in check for check in found.checks)
    with pytest.raises(Diverged, match="derivative"):
        lyapunov_exponents(lambda h: jnp.where(h == 0, 0.0, jnp.nan), [0.0], kind="map", duration=200)


# -- functions in NumPy: the trajectory first, then all its steps at once --


def counted(f):
    """f, and how often it was called."""
    calls = []

    def g(h):
        calls.append(len(h))
        return f(h)

    return g, calls


def test_a_function_in_numpy_is_called_less_often_than_steps_have_stages():
    """Six stages a step; a call costs what it costs for all steps at once."""
    f, calls = counted(pulled_circle(30.0, 0.95, np))
    found = lyapunov_exponents(f, [1.5, 0.1], duration=60.0)
    assert len(calls) < 2.5 * found.steps
    assert is_zero(found, 0)
    assert found.exponents[1] == pytest.approx(-30, rel=1e-3)


@pytest.mark.parametrize("size, count, shear", [(2, 2, 30.0), (2, 1, 30.0), (40, 2, 0.0)])
def test_rates_of_a_linear_flow_in_numpy(size, count, shear):
    """h' = A h with A triangular, normal or far from it: rates are on its diagonal, whatever share of them is asked."""
    rates = -np.linspace(0.5, 20, size)
    matrix = np.diag(rates) + np.diag(np.full(size - 1, shear), 1)
    found = lyapunov_exponents(lambda h: h @ matrix.T, np.ones((2, size)), duration=80.0, count=count)
    assert np.allclose(found.exponents, rates[:count], rtol=2e-3)
    assert np.allclose(found.per_start[0], found.per_start[1], rtol=2e-3)


def test_exponents_in_numpy_sum_up_to_the_divergence():
    """Liouville: -10 - 1 - 8/3 everywhere on the Lorenz system, for starts that take steps of their own."""

    def f(h):
        x, y, z = h.T
        return stacked(np, 10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z)

    found = lyapunov_exponents(f, [[1.0, 1.0, 20.0], [-5.0, 0.0, 30.0]], duration=20.0)
    assert np.allclose(found.per_start.sum(axis=1), -41 / 3, atol=2e-3)


def test_a_rest_in_numpy_over_times_in_which_vectors_grow_and_shrink_beyond_all_numbers():
    """Where nothing moves a step of the state has no end; a block multiplies by exp(10) and exp(-100)."""
    matrix = np.array([[5.0, 30.0], [20.0, -50.0]])
    found = lyapunov_exponents(lambda h: h @ matrix.T + h**2, [0.0, 0.0], duration=400.0)
    assert np.allclose(found.exponents, np.linalg.eigvals(matrix), rtol=1e-3)


def test_in_numpy_too_it_is_said_what_is_not_finite():
    with pytest.raises(Diverged, match="derivative"):
        lyapunov_exponents(lambda h: np.where(h == 0, 0.0, np.nan), [0.0], duration=50.0)
    with pytest.raises(Diverged, match="not finite after"):
        lyapunov_exponents(lambda h: h**2, [0.04], duration=50.0)


# -- D3: kinks --


def test_kinks_of_a_cellular_network():
    """dysts' CellularNeuralNetwork: 0.10, 0 and less; one step for all gave 0.264, -0.154."""

    def f(h):
        x, y, z = h.T
        u, v, w = ((jnp.abs(s + 1) - jnp.abs(s - 1)) / 2 for s in (x, y, z))
        return stacked(
            jnp, -x + 1.24 * u - 3.21 * v - 3.21 * w, -y - 3.21 * u + 1.1 * v - 4.4 * w, -z - 3.21 * u + 4.4 * v + w
        )

    found = lyapunov_exponents(f, [0.1, 0.1, 0.1], duration=500.0)
    assert found.exponents[0] == pytest.approx(0.10, abs=0.03)
    assert is_zero(found, 1)
    assert wanting(found) == []


@pytest.mark.parametrize("module", [np, jnp])
def test_a_spring_with_two_stiffnesses_neither_gains_nor_loses(module):
    """x'' = -x on one side and -9 x on the other: every orbit is closed, both exponents are 0 (Liouville)."""

    def f(h):
        x = h[:, 0]
        return stacked(module, h[:, 1], -module.maximum(x, 0) + 9 * module.maximum(-x, 0))

    found = lyapunov_exponents(f, [1.0, 0.3], duration=60.0)
    assert is_zero(found, 0) and is_zero(found, 1)
    assert abs(found.exponents.sum()) < 1e-4


# -- several starts, and starts at rest --


def test_starts_on_different_attractors_are_said_to_differ():
    """x (1 - x) (x + 2) attracts to 1 at rate -3 and to -2 at rate -6."""
    found = lyapunov_exponents(lambda h: h * (1 - h) * (h + 2), [[0.5], [-1.0], [2.0]], duration=50.0)
    assert np.allclose(found.per_start[:, 0], [-3, -6, -3], atol=0.05)
    assert any("is -6 for start 1 and -3 for 2 of 3 starts (0, 2)" in check for check in wanting(found))
    assert found.differ and np.isnan(found.kaplan_yorke) and np.isnan(found.kaplan_yorke_interval).all()
    assert (
        "1 exponents of each start, not averaged" in found.evidence and "from -6 to -3, above 0 at 0" in found.evidence
    )
    alike = lyapunov_exponents(lambda h: h * (1 - h) * (h + 2), [[0.5], [0.7], [2.0]], duration=50.0)
    assert not any("differ" in check for check in wanting(alike))
    assert not alike.differ and alike.kaplan_yorke == 0


def test_starts_along_a_line_of_fixed_points_differ_and_are_given_as_a_range():
    """At (a, 0) the second coordinate decays at the rate 1 + a, and nothing moves along the first."""

    def f(h):
        return jnp.stack([0 * h[:, 0], -(1 + h[:, 0]) * h[:, 1]], axis=1)

    starts = np.stack([np.linspace(0, 9, 10), np.zeros(10)], axis=1)
    found = lyapunov_exponents(f, starts, duration=50.0)
    assert any("exponent 2 is from -10 to -1; see per_start" in check for check in wanting(found))
    assert "above 0 at 0, not told from 0 at 10," in found.evidence


def test_a_start_at_rest_is_said_not_to_move():
    found = lyapunov_exponents(lorenz, [0.0, 0.0, 0.0], duration=30.0)
    rates = np.sort(np.r_[-8 / 3, np.linalg.eigvals([[-10.0, 10.0], [28.0, -1.0]])])[::-1]
    assert np.allclose(found.exponents, rates, rtol=1e-3)
    assert any("never moved" in check for check in found.checks)
    assert np.isnan(found.neutral)
    moving = lyapunov_exponents(lorenz, [1.0, 0.0, 0.0], duration=30.0)
    assert not any("moved" in check for check in moving.checks)


def test_a_start_that_comes_to_rest_is_said_to():
    found = lyapunov_exponents(lambda h: -h + jnp.tanh(0.5 * h) + 1, [0.0, 3.0], duration=400.0)
    assert any("came to rest" in check for check in found.checks)


# -- units, offsets, frameworks --


@given(
    st.tuples(st.floats(-9, 9), st.floats(-9, 9)).map(lambda powers: tuple(10.0**power for power in powers)),
    st.sampled_from([0.0, 1.0, 1e3]),
)
@hypothesis_settings(max_examples=6)
def test_exponents_are_the_same_in_any_unit_at_any_offset(scale, offset):
    moved = np.multiply(offset, scale)
    f = pulled_circle(2.0, 0.5, np, scale, moved)
    found = lyapunov_exponents(f, moved + np.multiply([1.2, 0.3], scale), duration=20.0)
    assert is_zero(found, 0)
    assert found.exponents[1] == pytest.approx(-2.0, abs=0.05)
    assert found.kaplan_yorke == 1.0


def test_frameworks_and_precisions_agree():
    reference = lyapunov_exponents(pulled_circle(1.0, 0.3), [1.2, 0.3], duration=30.0).exponents
    single = np.float32
    for f, error in (
        (pulled_circle(1.0, 0.3, np), 1e-4),
        (lambda h: pulled_circle(1.0, 0.3, np)(h.astype(single)).astype(single), 1e-2),
        (lambda h: pulled_circle(1.0, 0.3)(h.astype(single)).astype(single), 1e-2),
    ):
        assert np.allclose(lyapunov_exponents(f, [1.2, 0.3], duration=30.0).exponents, reference, atol=error)


@pytest.mark.skipif("torch" not in sys.modules and not pytest.importorskip.__doc__, reason="needs PyTorch")
def test_torch_without_a_gradient():
    torch = pytest.importorskip("torch")

    @torch.no_grad()
    def f(h):
        return -h + 2 * torch.tanh(h)

    found = lyapunov_exponents(f, [0.5], duration=60.0)
    rest = 1.91500805
    assert found.exponents[0] == pytest.approx(-1 + 2 / np.cosh(rest) ** 2, abs=1e-2)


def test_numpy_does_not_have_to_be_analytic():
    """D4: Chua's circuit with np.abs, whose complex step is wrong, gives what JAX gives."""

    def chua(module):
        def f(h):
            x, y, z = h.T
            g = -0.71429 * x - 0.2142785 * (module.abs(x + 1) - module.abs(x - 1))
            return stacked(module, 15.6 * (y - x - g), x - y + z, -28 * y)

        return f

    by_numpy = lyapunov_exponents(chua(np), [1.8, 0.1, -1.5], duration=40.0)
    by_jax = lyapunov_exponents(chua(jnp), [1.8, 0.1, -1.5], duration=40.0)
    assert by_numpy.exponents[2] == pytest.approx(by_jax.exponents[2], abs=0.4)
    assert is_zero(by_numpy, 1) and is_zero(by_jax, 1)


# -- what cannot be had --


def test_what_blows_up():
    with pytest.raises(Diverged, match="not finite"):
        lyapunov_exponents(lambda h: h**2, [1.0], duration=10.0)
    with pytest.raises(InvalidInput, match="duration a number above 0"):
        lyapunov_exponents(lorenz, [1.0, 1.0, 1.0], duration=-1)


SLIDING = {
    "to a point": (lambda h: -jnp.sign(h), [1.0]),
    "in NumPy": (lambda h: -np.sign(h), [0.9]),
    "along a line": (lambda h: stacked(jnp, -jnp.sign(h[:, 0]), 1 - h[:, 1]), [1.0, 0.0]),
    "in other units": (lambda h: stacked(jnp, -1e-6 * jnp.sign(h[:, 0] - 5), 1e3 - h[:, 1]), [5 + 1e-6, 0.0]),
    "dry friction": (lambda h: stacked(jnp, h[:, 1], -0.01 * h[:, 0] - jnp.sign(h[:, 1] - 0.5)), [2.0, 0.0]),
    "off the axes": (lambda h: -jnp.sign(h.sum(axis=1, keepdims=True)) * jnp.ones(2) + 0.1 * h[:, ::-1], [1.0, 0.3]),
}


@pytest.mark.parametrize(
    "sliding", [pytest.param(name, marks=pytest.mark.full) if name == "in NumPy" else name for name in SLIDING]
)
def test_sliding_along_a_jump_is_refused(sliding):
    """f = -sign(h) and the like: what gets there turns back at every step, however small."""
    f, start = SLIDING[sliding]
    with pytest.raises(Diverged, match="slides along a jump"):
        lyapunov_exponents(f, start, duration=1.0)


@pytest.mark.parametrize("duration", [8.0, 200.0])
def test_jumps_that_are_crossed_and_steep_slopes_are_not_slides(duration):
    """x'' = -sign(x) is a closed orbit of parabolas; tanh(x / width) has the exponent -1 / width at rest."""
    crossed = lyapunov_exponents(lambda h: stacked(jnp, h[:, 1], -jnp.sign(h[:, 0])), [1.0, 0.0], duration=duration)
    assert np.isfinite(crossed.exponents).all()
    steep = lyapunov_exponents(lambda h: -jnp.tanh(100 * h), [1.0], duration=duration)
    assert steep.exponents[0] == pytest.approx(-100, rel=1e-2)


def test_evidence_has_the_numbers():
    found = lyapunov_exponents(van_der_pol(1.0), [1.0, 0.0], duration=50.0)
    for part in ("2 exponents", "not told from 0", "refused", "along the flow itself", "Kaplan-Yorke dimension 1"):
        assert part in found.evidence
