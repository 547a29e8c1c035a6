"""Distances of long runs, and what an ensemble has in common."""

import numpy as np
import pytest

from gnode.reconstruction.features import Portrait, exponents_over, kinds_over, points_over
from gnode.reconstruction.measures import distance_of_places, distance_of_rhythms
from gnode.reconstruction.words import verdict_words


def test_places_moved_by_a_step_are_that_far():
    cloud = np.random.default_rng(0).normal(size=(2000, 1))
    assert distance_of_places(cloud, cloud + 0.7) == pytest.approx(0.7, rel=1e-6)
    assert distance_of_places(cloud, cloud[::-1]) == 0
    plane = np.random.default_rng(0).normal(size=(2000, 2))
    assert distance_of_places(plane, plane + np.array([3.0, 4.0])) == pytest.approx(
        5 * 2 / np.pi, rel=0.15
    )  # mean |cosine|


def test_rhythms_in_common():
    time = np.arange(4000)
    slow, fast = (np.sin(rate * time)[:, None] for rate in (0.1, 0.7))
    assert distance_of_rhythms([slow], [5 * slow + 2]) == pytest.approx(0, abs=1e-6)
    assert distance_of_rhythms([slow], [fast]) > 0.95


def made(points, stability, exponents=(0.5, 0.0), width=0.1, kind="ring"):
    exponents = np.array(exponents)
    intervals = np.column_stack([exponents - width, exponents + width])
    return Portrait(None, exponents, intervals, None, np.array(points, float), tuple(stability), kind, 0.1, 0.1)


def test_points_of_networks_that_lie_together_are_one():
    portraits = [
        made([[0.0, 0.0], [2.0, 0.0]], ["saddle", "stable node"]),
        made([[0.02, -0.02]], ["saddle"]),
        made([[-0.02, 0.02], [0.0, 5.0]], ["saddle-focus", "saddle"]),
    ]
    found = points_over(portraits, recorded=np.array([[0.1, 0.0], [2.0, 2.0]]))
    assert [point["share"] for point in found] == pytest.approx([1, 1 / 3, 1 / 3])
    first = found[0]
    assert first["stability"] == "saddle"
    assert first["agreed"] == pytest.approx(2 / 3)
    assert first["near"]
    assert not found[2]["near"]
    np.testing.assert_allclose(first["place"], [0, 0], atol=1e-9)


def test_exponents_over_networks_hold_how_these_differ():
    alike = exponents_over([made([], [], (0.5, 0.0)), made([], [], (0.5, 0.0))])
    assert (alike[0]["low"], alike[0]["high"]) == pytest.approx((0.4, 0.6))
    assert (alike[0]["above"], alike[1]["above"]) == (1.0, 0.0)
    apart = exponents_over([made([], [], (0.2, 0.0)), made([], [], (0.8, 0.0))])
    assert apart[0]["low"] < 0 < 1 < apart[0]["high"]  # of two that differ by 0.6 hardly anything is known
    assert exponents_over([]) == []


def test_names_are_counted_without_their_dimension():
    kinds = [made([], [], kind=f"strange set, of dimension about {d}") for d in (2.0, 2.1)] + [made([], [])]
    assert kinds_over([one.kind for one in kinds]) == pytest.approx({"strange set": 2 / 3, "ring": 1 / 3})


def summary(**changed):
    exponent = {"value": 0.9, "low": 0.8, "high": 1.0, "above": 1.0, "below": 0.0}
    forecast = {
        "valid_median": 5.0, "valid_linear": 0.2, "lyapunov_times": 4.5, "starts": 20, "censored": 0, "skill": 0.9,
        "p": 1e-6,
    }  # fmt: skip
    return {
        "beats_mean": True, "beats_linear": True, "forecast": forecast, "exponents": [exponent], "members": [0, 1],
        "attractors": {"strange set": 1.0}, "fixed_points": [], "failed": [], "recording": {"said": []},
        "state": {"delays": 1, "lag": 1.0, "units": 3, "numbers": 3},
    } | changed  # fmt: skip


def test_nothing_is_claimed_that_forecasts_do_not_bear_out():
    assert any("Chaotic" in line for line in verdict_words(summary()))
    for changed, line in (({"beats_mean": False}, "nothing of its dynamics"), ({"beats_linear": False}, "no better")):
        words = verdict_words(summary(**changed))
        assert line in words[0]
        assert not any("Chaotic" in one or "attractor" in one or "Fixed points" in one for one in words)
    unsure = {"value": 0.9, "low": -0.1, "high": 1.9, "above": 0.5, "below": 0.0}
    assert any("No chaos with confidence" in line for line in verdict_words(summary(exponents=[unsure])))
    delayed = {"delays": 3, "lag": 0.2, "units": 3, "numbers": 3}
    assert any("The state is a reconstruction" in line for line in verdict_words(summary(state=delayed)))


def test_a_memory_that_drifts_is_named_at_both_looks():
    soon = {"seconds": 0.9, "attractors": {"ring": 1.0}, "drifts": [0.11, 0.16, None]}
    counts = {"units": 60, "bits_per_spike": [0.8, 0.8]}
    words = " ".join(verdict_words(summary(soon=soon, counts=counts, attractors={"discrete, 3 points": 1.0})))
    assert "what is left 0.9 s later: ring (100% of the networks)" in words
    assert "In the long run: the attractor: discrete, 3 points (100% of the networks)" in words
    assert "0.11 to 0.16 of its radius" in words
    assert "0.8 bits a spike" in words
    torn = verdict_words(summary(soon=soon | {"attractors": {"ring": 0.67, "interval": 0.33}}))
    assert any("disagree on what is left" in line for line in torn)
