"""Intervals beside truths that are known on paper. Bounds of shares: what intervals of 95 % miss once in 10,000."""

import numpy as np
import pytest
from scipy.stats import binom

from gnode import analysis
from gnode.analysis.dimension import (
    levina_bickel,
    levina_bickel_interval,
    local_pca,
    local_pca_interval,
    two_nn,
    two_nn_interval,
)
from gnode.analysis.intervals import half_width, of_median, patches
from gnode.analysis.lyapunov import in_groups

SETS = {
    "ring": (lambda n, random: circle(n, random), 1),
    "torus": (lambda n, random: np.concatenate([circle(n, random), circle(n, random)], axis=1), 2),
    "square": (lambda n, random: random.random((n, 2)), 2),
    "cube": (lambda n, random: random.random((n, 3)), 3),
    "noise below": (lambda n, random: circle(n, random) + 1e-5 * random.standard_normal((n, 2)), 1),
    "noise above": (lambda n, random: circle(n, random) + 0.4 * random.standard_normal((n, 2)), 2),
}
UNITS = (1.0, 1e-9, 1e9)


def circle(count, random):
    angles = random.uniform(0, 2 * np.pi, count)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def is_covered(intervals, truth):
    """Whether no fewer of the intervals (draws, 2) hold the truth than those of 95 % would in all but 1e-4 of tries."""
    hits = np.sum((intervals[:, 0] <= truth) & (truth <= intervals[:, 1]))
    return hits >= binom.ppf(1e-4, len(intervals), 0.95)


# -- medians --


def test_of_a_median_by_hand():
    """Of six values all lie above the median with a chance of 1/64, which is less than 2.5 %; of five with 1/32."""
    assert of_median(np.array([3.0, 1.0, 2.0, 6.0, 5.0, 4.0])) == (1.0, 6.0)
    assert np.isnan(of_median(np.arange(5.0))).all()
    assert np.isnan(of_median(np.zeros(0))).all()
    assert np.isnan(of_median(np.array([np.nan] * 9))).all()
    assert of_median(np.arange(1.0, 101.0)) == (40.0, 61.0)  # the table of the sign test


@pytest.mark.parametrize("count", [10, 100])
def test_medians_of_heavy_tails_are_covered(count):
    random = np.random.default_rng(0)
    assert is_covered(np.array([of_median(random.lognormal(size=count)) for _ in range(400)]), 1.0)


def turning(h):
    """Each state of a ring turns by 1e-6 (1 + 0.8 cos angle)."""
    by = 1e-6 * (1 + 0.8 * h[:, :1] / np.linalg.norm(h, axis=1, keepdims=True))
    return h * np.cos(by) + np.stack([-h[:, 1], h[:, 0]], axis=1) * np.sin(by)


def test_the_drift_of_a_ring_is_covered_in_any_unit():
    random = np.random.default_rng(1)
    found = []
    for draw in range(30):
        unit = UNITS[draw % 3]
        seen = analysis.attractor(turning, states=circle(40, random) * unit, kind="map")
        assert seen.intervals["drift"][0] <= seen.drift <= seen.intervals["drift"][1]
        found.append(np.array(seen.intervals["drift"]) / unit)
    assert is_covered(np.array(found), 2 * np.sin(0.5e-6))


# -- dimensions --


def test_patches_are_near_and_alike():
    random = np.random.default_rng(0)
    points = random.random((200, 2))
    labels = patches(points)
    sizes = np.bincount(labels)
    assert len(sizes) == 20
    assert 6 <= sizes.min() <= sizes.max() <= 13  # halves of halves of 200, the largest first
    widths = [np.ptp(points[labels == label], axis=0).max() for label in range(labels.max() + 1)]
    assert max(widths) < 0.7


def test_a_half_width_without_neighbours_is_that_of_a_mean():
    """Patches of one draw each: Student's interval."""
    values = np.random.default_rng(0).standard_normal(12)
    half = half_width(lambda some: float(some.mean()), values, np.arange(12))
    assert half == pytest.approx(2.20099 * values.std(ddof=1) / np.sqrt(12), rel=1e-5)  # t of 11 degrees of freedom


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("interval", [two_nn_interval, levina_bickel_interval])
def test_dimensions_are_covered_in_any_unit(interval, name):
    draw, truth = SETS[name]
    random = np.random.default_rng(2)
    assert is_covered(np.array([interval((draw(100, random) + 3) * UNITS[i % 3]) for i in range(60)]), truth)


@pytest.mark.parametrize("interval", [two_nn_interval, levina_bickel_interval])
def test_intervals_are_no_wider_than_the_draws_ask_for(interval):
    """Four standard deviations of TwoNN over draws, by and large; up to three times as many of Levina-Bickel."""
    random = np.random.default_rng(3)
    estimate = {two_nn_interval: two_nn, levina_bickel_interval: levina_bickel}[interval]
    clouds = [circle(300, random) for _ in range(60)]
    width = np.median([np.subtract(*interval(cloud)[::-1]) for cloud in clouds])
    assert 3 < width / np.std([estimate(cloud) for cloud in clouds]) < (6 if interval is two_nn_interval else 12)


def test_local_pca_says_what_other_scales_would():
    random = np.random.default_rng(4)
    assert local_pca_interval(circle(200, random)) == (1.0, 1.0)
    noisy = circle(200, random) + 0.08 * random.standard_normal((200, 2))  # neither thin nor thick
    low, high = local_pca_interval(noisy)
    assert low < 1.3 < local_pca(noisy, 10) < high


@pytest.mark.parametrize("interval", [two_nn_interval, levina_bickel_interval, local_pca_interval])
def test_too_few_states_have_no_interval(interval):
    random = np.random.default_rng(5)
    assert np.isnan(interval(random.random((19, 2)))).all()
    assert np.isfinite(interval(random.random((60, 2)))).all()


@pytest.mark.parametrize("interval", [two_nn_interval, levina_bickel_interval])
def test_states_that_are_no_draws_have_no_interval(interval):
    grid = np.stack(np.meshgrid(np.arange(8.0), np.arange(8.0)), axis=-1).reshape(-1, 2)
    assert np.isnan(interval(grid)).all()
    assert np.isnan(interval(np.ones((50, 2)))).all()


def test_an_attractor_has_them_by_name_and_says_them():
    found = analysis.attractor(lambda h: h * 1.0, states=circle(100, np.random.default_rng(6)), kind="map")
    assert set(found.intervals) == {"drift", *found.dimensions}
    for name, value in found.dimensions.items():
        low, high = found.intervals[name]
        assert low <= value <= high
    assert found.intervals["drift"] == (0.0, 0.0)
    assert (
        "TwoNN {:.2f} [{:.2f}, {:.2f}]".format(found.dimensions["TwoNN"], *found.intervals["TwoNN"]) in found.evidence
    )


# -- exponents --


def test_kaplan_yorke_dimensions_of_henon_are_covered():
    random = np.random.default_rng(7)

    def henon(h):
        return np.stack([1 - 1.4 * h[:, 0] ** 2 + h[:, 1], 0.3 * h[:, 0]], axis=1)

    found = in_groups(henon, random.uniform(-0.1, 0.1, (60, 2, 2)), kind="map", duration=600)
    intervals = np.array([one.kaplan_yorke_interval for one in found])
    truth = 1 + 0.41922 / (0.41922 - np.log(0.3))
    assert is_covered(intervals, truth)
    assert np.median(np.diff(intervals)) < 0.05


def test_kaplan_yorke_dimensions_that_are_known():
    """A point, a cycle, a map that expands; and a map that turns, which may be a point or more than a cycle."""
    random = np.random.default_rng(8)

    def turn(h):
        return h @ np.array([[np.cos(1), np.sin(1)], [-np.sin(1), np.cos(1)]])

    def hopf(h):
        return h * (1 - np.sum(h**2, axis=1, keepdims=True)) + np.stack([-h[:, 1], h[:, 0]], axis=1)

    start = random.uniform(0.5, 0.8, (1, 2))
    cases = [
        (lambda h: 0.5 * h, "map", 400, (0.0, 0.0)),
        (hopf, "flow", 40, (1.0, 1.0)),
        (lambda h: 4 * h * (1 - h), "map", 400, (1.0, 1.0)),
        (turn, "map", 400, (0.0, 2.0)),
    ]
    for f, kind, duration, interval in cases:
        states = start[:, :1] if interval == (1.0, 1.0) and kind == "map" else start
        found = analysis.lyapunov_exponents(f, states, kind=kind, duration=duration)
        assert found.kaplan_yorke_interval == pytest.approx(interval, abs=1e-3)


def test_too_few_exponents_give_no_dimension_and_no_interval():
    found = analysis.lyapunov_exponents(lambda h: 2 * h % 1, np.array([[0.3, 0.2]]), kind="map", duration=200, count=1)
    assert np.isnan(found.kaplan_yorke)
    assert np.isnan(found.kaplan_yorke_interval).all()


def test_groups_of_starts_are_as_if_alone():
    def henon(h):
        return np.stack([1 - 1.4 * h[:, 0] ** 2 + h[:, 1], 0.3 * h[:, 0]], axis=1)

    starts = np.random.default_rng(9).uniform(-0.1, 0.1, (2, 2, 2))
    alone = analysis.lyapunov_exponents(henon, starts[0], kind="map", duration=400)
    together = in_groups(henon, starts, kind="map", duration=400)[0]
    assert (together.starts, together.steps, together.step) == (alone.starts, alone.steps, alone.step)
    assert together.exponents == pytest.approx(alone.exponents, abs=0.05)
