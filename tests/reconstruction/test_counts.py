"""Counts: factors that units share, Poisson regression, and what a bin says of its state."""

from types import SimpleNamespace

import numpy as np
import pytest

import gnode
from gnode.errors import InvalidInput
from gnode.reconstruction import fit as fitting
from gnode.reconstruction.counts import bits_per_spike, find_factors, fit_rates, sharpened
from gnode.reconstruction.pieces import parted
from gnode.reconstruction.recording import read_recording


def rotating(bins=2000, units=20, seed=0, peak=1.0, speed=0.1):
    """Counts of units that are tuned to an angle, which turns as an input says; and its cosine and sine."""
    rng = np.random.default_rng(seed)
    velocity = np.zeros(bins)
    for at in range(1, bins):
        velocity[at] = 0.9 * velocity[at - 1] + speed * rng.normal()
    angle = np.cumsum(velocity)
    tuned = 2 * np.pi * np.arange(units) / units
    expected = peak * np.exp(2.0 * (np.cos(angle[:, None] - tuned) - 1) + 1)
    states = np.column_stack([np.cos(angle), np.sin(angle)])
    return rng.poisson(expected).astype(float), velocity[:, None], states, tuned


def test_rates_are_found_again():
    counts, _, states, tuned = rotating(bins=20_000)
    rates = fit_rates(states, counts)
    np.testing.assert_allclose(rates.weight, 2 * np.array([np.cos(tuned), np.sin(tuned)]), atol=0.08)
    np.testing.assert_allclose(rates.bias, -1.0, atol=0.08)


def test_the_slope_of_the_likelihood_is_zero_where_rates_are_fitted():
    counts, _, states, _ = rotating()
    rates = fit_rates(states, counts)
    off = rates.at(states) - counts
    np.testing.assert_allclose(off.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(states.T @ off / len(states), 0, atol=1e-3)  # but for the ridge


def test_units_that_never_spike_and_outliers_leave_rates_finite():
    counts, _, states, _ = rotating()
    counts[:, 0] = 0
    counts[5, 1] = 1e4
    rates = fit_rates(states, counts)
    assert np.isfinite(rates.weight).all()
    assert np.isfinite(rates.bias).all()


def test_two_factors_hold_an_angle():
    counts, velocity, states, _ = rotating()
    recording = read_recording(counts, inputs=velocity)
    learned, _ = parted(recording)
    factors = find_factors(learned, "auto")
    assert factors.directions.shape == (20, 2)
    assert factors.gains[2] > 1.5 * factors.gains[1]
    np.testing.assert_allclose(factors.directions.T @ factors.directions, np.eye(2), atol=1e-9)
    values = np.column_stack([factors.of(counts), np.ones(len(counts))])
    said = values @ np.linalg.lstsq(values, states, rcond=None)[0]
    assert 1 - np.mean((said - states) ** 2) / np.var(states) > 0.8


def test_what_a_bin_says_has_no_bias_and_the_least_variance():
    counts, _, states, _ = rotating(bins=20_000, peak=3.0)
    rates = fit_rates(states, counts)
    near = states + 0.05 * np.random.default_rng(1).normal(size=states.shape)
    found = sharpened(near, counts, rates)
    information = np.einsum("iu,tu,ju->tij", rates.weight, rates.at(states), rates.weight)
    least = np.linalg.inv(information)
    off = found - states
    assert np.abs(off.mean(axis=0)).max() < 0.01
    assert np.mean(off**2) == pytest.approx(np.mean(np.trace(least, axis1=1, axis2=2)) / 2, rel=0.1)
    assert abs(np.mean(off * (near - states))) < 0.5 * 0.05**2  # where one began is nearly forgotten


def test_bits_of_a_unit_that_is_known():
    counts = np.tile([[0.0], [2.0]], (500, 1))
    assert bits_per_spike(np.full_like(counts, 1.0), counts) == pytest.approx(0)
    sure = np.where(counts > 0, 2.0, 1e-9)
    assert bits_per_spike(sure, counts) == pytest.approx(1.0, abs=1e-6)  # when, of two: one bit a spike


@pytest.mark.parametrize(
    ("change", "options", "line"),
    [
        (lambda counts: counts - 1, {}, "whole numbers of at least 0"),
        (lambda counts: counts + 0.5, {}, "whole numbers of at least 0"),
        (lambda counts: counts[:, :2], {}, "at least 3 units"),
        (lambda counts: np.where(np.arange(len(counts))[:, None] == 7, np.nan, counts), {}, "all there"),
        (lambda counts: counts, {"factors": 21}, "from 1 to 20 factors"),
        (lambda counts: counts, {"delays": 2}, "no delays of counts"),
        (lambda counts: counts, {"loss": "gaussian"}, "poisson"),
        (lambda counts: counts, {"loss": "mse", "factors": 2}, "the loss poisson"),
        (lambda counts: counts, {"held": "zero"}, "held 'mean'"),
        (lambda counts: counts, {"held": [0.0, 0.0]}, "1 finite numbers"),
        (lambda counts: counts, {"times": np.cumsum(1 + 0.5 * (np.arange(600) % 2))}, "even bins"),
    ],
)
def test_what_are_no_counts_is_refused(change, options, line):
    counts, velocity, _, _ = rotating(bins=600)
    with pytest.raises(InvalidInput, match=line):
        gnode.reconstruct(change(counts), **({"inputs": velocity, "loss": "poisson"} | options))


def test_too_few_counts_are_refused_before_anything_is_fitted(monkeypatch):
    monkeypatch.setattr(fitting, "train", lambda *_, **__: pytest.fail("a network was fitted"))
    counts, velocity, _, _ = rotating(bins=600)
    times = np.arange(600.0) + 1e4 * (np.arange(600) // 20)
    with pytest.raises(InvalidInput, match=r"stretches of at least 26 samples.* Record 780 samples"):
        gnode.reconstruct(counts, times, inputs=velocity, loss="poisson")


def test_phases_are_fitted_one_after_another(monkeypatch):
    """Each from where the last one ended, to pieces of its own length, of which only the last leave files."""
    seen = []

    def train(model, data, out=None, **settings):
        seen.append((model, data.train.targets.shape[1], settings["free_starts"], out))
        return SimpleNamespace(model=len(seen))

    monkeypatch.setattr(fitting, "train", train)
    recording = read_recording(rotating()[0][:, :2])
    plan = fitting.Plan(hidden=(4,))
    way = fitting.way_of_counts(plan)
    pieces = fitting.data_for(recording, *parted(recording), way, 2)
    assert fitting.fit_one(recording, pieces[1], plan, way, out="run").model == 3
    assert [one[1:] for one in seen] == [(6, False, None), (16, False, None), (26, True, "run")]
    assert [one[0] for one in seen[1:]] == [1, 2]
    shorter = fitting.way_of_counts(fitting.Plan(piece=10))
    assert [phase.piece for phase in shorter.phases] == [6, 10, 10]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    counts, velocity, states, _ = rotating(bins=3000, units=30, peak=1.0, speed=0.04)
    out = tmp_path_factory.mktemp("counts") / "run"
    options = {"hidden": (24,), "members": 1, "epochs": 12, "factors": 2, "held": [0.0]}
    made = gnode.reconstruct(counts, inputs=velocity, loss="poisson", out=out, **options)
    return made, counts, states


@pytest.mark.full
def test_a_ring_is_named_and_its_rates_are_those_of_the_units(found):
    made, counts, states = found
    assert made.summary["soon"]["attractors"] == {"ring": 1.0}
    assert "ring (100% of the networks)" in made.evidence
    assert max(made.summary["soon"]["drifts"]) < 0.02  # the angle itself does not drift
    assert made.summary["stays"] == [True]  # under the recorded input
    where = made.arrays["states.1"]
    design = np.column_stack([where, np.ones(len(where))])
    said = design @ np.linalg.lstsq(design[:2700], states[:2700], rcond=None)[0]
    assert 1 - np.mean((said - states)[2700:] ** 2) / np.var(states[2700:]) > 0.97
    assert bits_per_spike(made.rates(where)[2700:], counts[2700:]) == pytest.approx(
        made.summary["counts"]["bits_per_spike"][0], rel=1e-3
    )
    with pytest.raises(InvalidInput, match="one of its networks"):
        made.rates(where, 1)


@pytest.mark.full
def test_counts_are_stored_and_shown(found):
    from gnode.reconstruction import load_reconstruction
    from gnode.report.reconstruction import reconstruction_report

    made, _, _ = found
    again = load_reconstruction(made.path)
    states = made.arrays["states.1"][:5]
    np.testing.assert_array_equal(again.rates(states), made.rates(states))
    page = reconstruction_report(made.path).read_text()
    assert "bits a spike" in page
    assert "after" in page
