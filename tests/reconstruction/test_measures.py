"""Distances of long runs, and what an ensemble has in common."""

from dataclasses import replace
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from gnode.models import make
from gnode.reconstruction import Plan
from gnode.reconstruction import fit as fitting
from gnode.reconstruction.delays import Pace
from gnode.reconstruction.features import (
    Portrait,
    Runs,
    _exponents,
    exponents_over,
    kinds_over,
    limit_of_places,
    long_runs,
    points_over,
    portrait,
)
from gnode.reconstruction.measures import distance_of_places, distance_of_rhythms
from gnode.reconstruction.pieces import parted
from gnode.reconstruction.recording import read_recording
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
    return Portrait(
        True, 1.0, None, exponents, intervals, None, np.array(points, float), tuple(stability), kind, 0.1, 0.1
    )


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
        "state": {"delays": 1, "lag": 1.0, "units": 3, "numbers": 3}, "stays": [True, True], "plan": {"members": 2},
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


def test_what_is_left_is_named_only_of_networks_that_stay():
    """The state turns by 0.1 a step without end: what is left of a circle is a circle."""
    turn = np.array([[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]], np.float32)
    angles = 2 * np.pi * np.arange(200) / 200
    circle = np.column_stack([np.cos(angles), np.sin(angles)])

    def f(states):
        return states @ turn.T

    runs = long_runs(f, [circle], circle, limit=0.1)
    assert runs.network_stays
    asked = portrait(f, runs, circle, [circle], step=0.5, turn=7.0)
    assert asked.soon is not None
    assert asked.drift == pytest.approx(0.1 / 0.5, rel=0.01)  # radians a second
    assert portrait(f, runs, circle, [circle], step=0.5, turn=None).soon is None
    left = replace(runs, stay=np.zeros(12, bool))
    assert portrait(f, left, circle, [circle], step=0.5, turn=7.0).soon is None


def test_runs_are_compared_as_they_would_have_been_recorded():
    """Of a circle that was recorded with noise of 0.5, a circle is what stays, and a point is not."""
    random = np.random.default_rng(0)
    angles = random.uniform(0, 2 * np.pi, size=5000)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    recorded = [circle + 0.5 * random.normal(size=circle.shape)]
    driven = np.stack([circle] * 12)
    starts = circle[:12]

    def f(states):
        return states

    assert not long_runs(f, recorded, starts, 0.05, driven).stay.any()
    assert long_runs(f, recorded, starts, 0.05, driven, noise=0.5).stay.all()
    assert not long_runs(f, recorded, starts, 0.05, 0 * driven, noise=0.5).stay.any()


@pytest.mark.parametrize(
    ("asked", "stays", "enough"),
    [
        (1, [True], True),
        (2, [True, False, True, False], True),
        (2, [True, False, False, False], False),
        (3, [True, False, False, True, False, False], True),
        (3, [True, False, False], False),
        (5, [True, True, False, False, False], False),
    ],
)
def test_too_few_that_stay_claim_nothing(asked, stays, enough):
    words = verdict_words(summary(stays=stays, plan={"members": asked}))
    assert words[0].startswith("Forecasts hold")
    assert any("Chaotic" in one for one in words) == enough
    left = f"{sum(stays)} of {len(stays)} networks stay"
    assert any(left in one for one in words) == (not all(stays))
    assert any("nothing of its long-term dynamics" in one for one in words) == (not enough)


def test_the_limit_is_what_pieces_differ_by():
    random = np.random.default_rng(0)
    still = random.normal(size=(20_000, 2))
    assert limit_of_places([still]) == pytest.approx(0.1)  # pieces of it are alike
    # Of two places, each for half of the time, a quarter of the recording is at one: a distance of 1 in each direction.
    there = np.where(np.arange(8000) < 4000, -1.0, 1.0)[:, None]
    assert limit_of_places([there]) == pytest.approx(2.0, rel=0.01)


def test_runs_that_end_elsewhere_do_not_stay():
    model = make("gnode", input_size=0, state_size=2, output_size=2, hidden=(8,), initial_state="observed", seed=1)
    starts, chosen = np.random.default_rng(0).normal(size=(20, 2)), np.unique(np.linspace(0, 19, 12).astype(int))
    f = model.map_at(np.zeros(0))
    own = long_runs(f, [np.zeros((10, 2))], starts, limit=0.1).courses
    assert own.shape[0] == 12
    cloud = np.concatenate(list(own))
    runs = long_runs(f, [cloud], starts, limit=0.1)
    assert runs.stay.all()
    assert runs.network_stays
    assert not long_runs(f, [cloud + 3.0], starts, limit=0.1).stay.any()
    # Where inputs act, the runs under them decide.
    driven = np.concatenate([own[:3], own[:1] + 3.0] * 5)
    assert long_runs(f, [cloud], starts, 0.1, driven).stay.sum() == sum(at % 4 != 3 for at in chosen)
    assert not replace(runs, stay=np.arange(12) < 8).network_stays
    assert replace(runs, stay=np.arange(12) < 9).network_stays


def test_trajectories_that_leave_do_not_move_the_exponents():
    """The Henon map: 0.4192 and log(0.3) - 0.4192; from far away it goes to infinity."""

    def henon(states):
        x, y = states[:, 0], states[:, 1]
        return jnp.stack([1 - 1.4 * x**2 + y, 0.3 * x], axis=1)

    inside = np.random.default_rng(0).uniform(-0.1, 0.1, size=(9, 2))
    values, intervals, (dimension, (low, high)), _ = _exponents(henon, np.vstack([inside, inside[:3] + 50]), step=0.5)
    np.testing.assert_allclose(values, np.array([0.4192, np.log(0.3) - 0.4192]) / 0.5, atol=0.03)
    assert (intervals[:, 0] < values).all()
    assert intervals[0, 0] > 0
    assert low < dimension < high
    assert dimension == pytest.approx(1.258, abs=0.02)


@pytest.mark.parametrize(
    ("stays", "fitted"),
    [
        ([True, True, True], 3),  # as many as were asked for
        ([False, False, False], 3),  # none: others would not either
        ([True, False, True, True], 4),
        ([True, False, False, False, True, False], 6),  # at most as many again
    ],
)
def test_networks_that_leave_are_replaced(monkeypatch, stays, fitted):
    trained = []

    def train(model, data, **_):
        trained.append(model)
        return SimpleNamespace(model=len(trained) - 1, summary={"test_loss": 0.1})

    monkeypatch.setattr(fitting, "train", train)
    values = np.sin(0.1 * np.arange(1000.0))[:, None]
    recording = read_recording(values)
    learned, tested = parted(recording)

    def run_on(number):
        return Runs(np.zeros((4, 10, 1)), np.full(4, stays[number]))

    plan = Plan(members=3, hidden=(4,))
    way = fitting.usual_way(Pace(0.0, 10.0), plan)
    pieces = fitting.data_for(recording, learned, tested, way, plan.members)
    found = fitting.fit(recording, pieces, plan, way, run_on, None, False, None)
    assert found.numbers == tuple(range(fitted))
    assert [one.network_stays for one in found.runs] == stays
