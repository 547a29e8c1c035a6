"""Isotonic fit, crossing, bootstrap and paired differences, against scikit-learn and brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import ttest_rel
from sklearn.isotonic import IsotonicRegression

from gnode.errors import InvalidInput
from gnode.expressivity import measure

DIAL = (2.0, 4.0, 8.0, 16.0, 32.0)


@given(arrays(float, st.tuples(st.integers(1, 9), st.integers(1, 4)), elements=st.floats(-8, 2, width=32)))
def test_the_isotonic_fit_is_scikit_learns(values):
    ours = measure.isotonic(values)
    for column in range(values.shape[1]):
        theirs = IsotonicRegression().fit_transform(np.arange(len(values)), values[:, column])
        np.testing.assert_allclose(ours[:, column], theirs, atol=1e-9)


def test_the_crossing_of_a_power_law_is_where_it_is_on_paper():
    """e = 1e-4 c^2 is 0.01 at c = 10 and 0.05 at the root of 500; straight on log-log axes, so exact off the grid."""
    curve = np.log10(1e-4 * np.array(DIAL) ** 2)
    assert measure.crossing(DIAL, curve, 0.01) == pytest.approx(10)
    assert measure.crossing(DIAL, curve, 0.05) == pytest.approx(np.sqrt(500))


def test_open_ends():
    curve = np.log10(1e-4 * np.array(DIAL) ** 2)
    assert measure.crossing(DIAL, curve, 1e-4) == 0  # not even the least complexity
    assert measure.crossing(DIAL, curve, 0.5) == np.inf
    assert measure.crossing(DIAL, np.full(5, -2.0), 0.01) == np.inf  # at the tolerance is within it
    assert measure.crossing((4.0,), np.array([-3.0]), 0.01) == np.inf
    assert measure.crossing((4.0,), np.array([-1.0]), 0.01) == 0


def test_capacity_and_interval_are_those_of_brute_force():
    generator = np.random.default_rng(3)
    errors = 10 ** (np.linspace(-4, -0.5, 5)[:, None] + 0.6 * generator.standard_normal((5, 8)))
    draws = measure.resamples(8, 400, seed=5)
    found = measure.with_interval(*measure.capacities_at(DIAL, errors, 0.01, draws))

    def slow(columns):
        medians = [np.log10(np.median([row[k] for k in columns])) for row in errors]
        curve = IsotonicRegression().fit(np.log(DIAL), medians)
        fine = np.exp(np.linspace(np.log(2), np.log(32), 200_001))
        inside = fine[curve.predict(np.log(fine)) <= -2]
        return 0.0 if not inside.size else np.inf if inside[-1] == fine[-1] else inside[-1]

    assert found.value == pytest.approx(slow(range(8)), rel=1e-4)
    many = sorted(slow(draw) for draw in draws)
    assert found.low == pytest.approx(many[int(np.ceil(0.025 * 400)) - 1], rel=1e-4)
    assert found.high == pytest.approx(many[int(np.ceil(0.975 * 400)) - 1], rel=1e-4)
    assert found.low < found.value < found.high


def test_resamples_are_with_replacement_and_reproducible():
    draws = measure.resamples(6, 5000, seed=0)
    np.testing.assert_array_equal(draws, measure.resamples(6, 5000, seed=0))
    assert {*draws.ravel()} == set(range(6))
    distinct = np.mean([len(set(draw)) for draw in draws])
    assert distinct == pytest.approx(6 * (1 - (5 / 6) ** 6), abs=0.05)


def test_paired_differences_are_the_paired_t_test():
    generator = np.random.default_rng(1)
    hard = generator.standard_normal(9)  # shared by both: pairing takes it out
    one = 10 ** (hard - 3 + 0.1 * generator.standard_normal((4, 9)))
    other = 10 ** (hard - 2 + 0.1 * generator.standard_normal((4, 9)))
    mean, error = measure.overall_difference(one, other)
    by_target = np.log10(one).mean(0), np.log10(other).mean(0)
    assert mean / error == pytest.approx(ttest_rel(*by_target).statistic)
    assert mean == pytest.approx(-1, abs=0.15)
    assert error < 0.1 < np.std(by_target[0]) / 3
    means, errors = measure.paired_difference(one, other)
    assert means[2] / errors[2] == pytest.approx(ttest_rel(np.log10(one[2]), np.log10(other[2])).statistic)


def test_the_smallest_state_and_its_interval():
    low, high = np.array([0.0, 9.0, 9.0, 20.0] * 25), np.array([18.0, 20.0, 20.0, 30.0] * 25)
    found = measure.smallest_state({3: (17.0, high), 2: (9.0, low)}, wanted=16)
    assert (found.value, found.low, found.high) == (3, 2, 3)
    assert measure.smallest_state({2: (9.0, low)}, wanted=40).value == np.inf


def test_the_best_restart_and_diverged_ones():
    errors = np.array([[[0.3, np.nan], [np.nan, np.inf], [5.0, 7.0]]])
    np.testing.assert_array_equal(measure.best_of_restarts(errors), [[0.3, 1.0, 1.0]])


@pytest.mark.parametrize("tolerance", [0, 1, -0.1, 2, "much", True])
def test_a_tolerance_lies_between_0_and_1(tolerance):
    with pytest.raises(InvalidInput, match="between 0 and 1"):
        measure.crossing(DIAL, np.zeros(5), tolerance)
