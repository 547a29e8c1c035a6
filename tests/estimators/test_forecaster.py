"""Forecasts: what is fed back, what counts, and that intervals hold what they promise on a process that is known."""

import numpy as np
import pytest

from gnode import Series
from gnode.errors import InvalidInput
from gnode.estimators import GatedODEForecaster
from gnode.estimators.intervals import least_errors, rank_of
from gnode.estimators.pieces import next_samples, pieces

SMALL = dict(state_size=4, hidden=(8,), epochs=4, batch_size=8)
RHO, DEVIATION = 0.8, 1.0


def autoregressive(count, length, seed):
    """Series of an AR(1) process in its stationary state."""
    random = np.random.default_rng(seed)
    values = [random.standard_normal(count) * DEVIATION / np.sqrt(1 - RHO**2)]
    for _ in range(length - 1):
        values.append(RHO * values[-1] + DEVIATION * random.standard_normal(count))
    return np.stack(values, axis=1)


@pytest.fixture(scope="module")
def fitted():
    return GatedODEForecaster(state_size=8, hidden=(16,), epochs=30, window=20).fit(autoregressive(80, 40, 0))


def test_intervals_hold_the_truth_as_often_as_they_say(fitted):
    fresh = autoregressive(600, 25, 1)
    for interval in (0.5, 0.9):
        found = fitted.predict(fresh[:, :20], steps=5, interval=interval)
        held = (found.lower[..., 0] <= fresh[:, 20:]) & (fresh[:, 20:] <= found.upper[..., 0])
        np.testing.assert_allclose(held.mean(axis=0), interval, atol=0.07)


def test_a_forecaster_finds_the_best_forecast_of_a_known_process(fitted):
    fresh = autoregressive(300, 20, 2)
    found = fitted.predict(fresh, steps=3)[..., 0]
    best = fresh[:, -1:] * RHO ** np.arange(1, 4)
    assert np.sqrt(np.mean((found - best) ** 2)) < 0.35 * DEVIATION
    possible = 1 - DEVIATION**2 / (2 * DEVIATION**2 / (1 + RHO))  # skill of the best forecast over no change
    assert 0 <= fitted.score(fresh) < possible + 0.05


def test_one_step_is_the_models_output_and_further_ones_feed_it_back():
    random = np.random.default_rng(0)
    times = [np.cumsum(random.uniform(0.5, 2, length)) for length in (8, 11, 9, 9, 10, 8, 11, 10, 9, 8, 11, 10)]
    X = [np.sin(time)[:, None] + [0.0, 1.0] for time in times]
    X[3][4, 0] = np.nan
    forecaster = GatedODEForecaster(**SMALL).fit(X, times=times)
    found = forecaster.predict(X, times=times, steps=3)
    model, step = forecaster.model_, forecaster.step_
    assert step == pytest.approx(np.median(np.concatenate([np.diff(time) for time in times])))
    for values, clock, forecast in zip(X[2:4], times[2:4], found[2:4], strict=True):
        acting = [*clock[1:], clock[-1] + step]  # each sample acts until the next one
        outputs = np.asarray(model(Series.of([values], [acting])))[0]
        np.testing.assert_allclose(forecast[0], outputs[-1], atol=2e-5)
        for at in (1, 2):
            values, acting = np.vstack([values, forecast[at - 1]]), [*acting, acting[-1] + step]
            outputs = np.asarray(model(Series.of([values], [acting])))[0]
            np.testing.assert_allclose(forecast[at], outputs[-1], atol=2e-5)


def test_the_first_forecast_comes_a_step_of_the_model_later():
    series = autoregressive(12, 20, 3)
    forecaster = GatedODEForecaster(tau=3.0, **SMALL).fit(series)
    outputs = np.asarray(forecaster.model_(Series.of(series[..., None])))
    np.testing.assert_allclose(forecaster.predict(series)[:, 0], outputs[:, -1], atol=2e-5)


@pytest.fixture(scope="module")
def irregular():
    """A forecaster of an Ornstein-Uhlenbeck process seen at times that an exponential law spaces."""
    X, times = ornstein_uhlenbeck(80, 40, 0)
    return GatedODEForecaster(state_size=8, hidden=(16,), epochs=30, window=20).fit(X, times=times)


def ornstein_uhlenbeck(count, length, seed, unit=1.0):
    """Series of the process with time constant 4 and variance 1, and their times."""
    random = np.random.default_rng(seed)
    gaps = random.exponential(1.0, (count, length)) + 0.05
    values = [random.standard_normal(count)]
    for gap in gaps.T[1:]:
        kept = np.exp(-gap / 4)
        values.append(kept * values[-1] + np.sqrt(1 - kept**2) * random.standard_normal(count))
    return np.stack(values, axis=1), np.cumsum(gaps, axis=1) * unit


def test_intervals_hold_on_a_grid_at_own_times_and_at_one_time(irregular):
    X, times = ornstein_uhlenbeck(600, 25, 1)
    own = irregular.coverage(X, times=times, steps=5, interval=0.9)
    np.testing.assert_allclose(own, 0.9, atol=0.08)
    forecast = irregular.predict(X[:, :20], times=times[:, :20], at=times[:, 20:], interval=0.9)
    np.testing.assert_allclose(forecast.coverage(X[:, 20:]), own, atol=0.01)
    random = np.random.default_rng(2)
    for at in (np.array([0.5]), irregular.step_ * np.arange(1, 6), np.array([3.0])):
        asked = times[:, 19:20] + at
        kept = np.exp(-at / 4)
        came = kept * X[:, 19:20] + np.sqrt(1 - kept**2) * random.standard_normal((600, len(at)))
        forecast = irregular.predict(X[:, :20], times=times[:, :20], at=asked, interval=0.9)
        np.testing.assert_allclose(forecast.coverage(came), 0.9, atol=0.08)


def test_forecasts_for_times_are_those_that_covariates_with_times_ask_for(irregular):
    X, times = ornstein_uhlenbeck(6, 20, 3)
    asked = times[:, -1:] + [0.3, 1.0, 4.0]
    found = irregular.predict(X, times=times, at=asked)
    longer = Series.of(np.zeros((6, 23, 1)), np.hstack([times, asked]))
    known = GatedODEForecaster(**SMALL).fit(X.repeat(2, 0), times=times.repeat(2, 0), covariates=np.zeros((12, 20, 1)))
    by_covariates = known.predict(X, times=times, covariates=longer, steps=3)
    also = known.predict(X, times=times, covariates=np.zeros((6, 23, 1)), at=asked)
    np.testing.assert_allclose(also, by_covariates, atol=1e-6)
    regular = times[:, -1:] + irregular.step_ * np.arange(1, 4)
    np.testing.assert_allclose(
        irregular.predict(X, times=times, at=regular), irregular.predict(X, times=times, steps=3), atol=1e-5
    )
    one = irregular.predict(X[:1], times=times[:1], at=asked[0])
    np.testing.assert_allclose(one, found[:1], atol=1e-5)
    with pytest.raises(InvalidInput, match=r"covariates at the times that at= names"):
        known.predict(X, times=times, covariates=longer, at=asked + 0.1)


def test_forecasts_for_dates_are_those_for_the_seconds_between(irregular):
    X, times = ornstein_uhlenbeck(3, 20, 4)
    dates = np.datetime64("2026-01-01", "ns") + np.round(times * 1e9).astype("timedelta64[ns]")
    seconds = times[:, -1:] + [0.5, 1.5]
    asked = dates[:, -1:] + np.array([500, 1500], "timedelta64[ms]")
    np.testing.assert_allclose(
        irregular.predict(X, times=dates, at=asked), irregular.predict(X, times=times, at=seconds), atol=1e-5
    )


@pytest.mark.parametrize(
    "at, message",
    [
        ([1.0, 2.0], r"at= that increases, after the last sample of series 0"),
        ([1e3, 1e3], r"at= that increases, after 1000, instead got 1000"),
        ([1e3, np.nan], r"at= that increases"),
        ([[1e3], [2e3]], r"at= of shape \(steps,\) or \(3, steps\), instead got shape \(2, 1\)"),
        ([], r"at= of shape"),
        (["1000"], r"times to forecast for that are numbers"),
        (np.array(["2026-01-01"], "datetime64[s]"), r"times of the kind of the series, seconds"),
    ],
)
def test_times_to_forecast_for_are_checked(irregular, at, message):
    X, times = ornstein_uhlenbeck(3, 20, 5)
    with pytest.raises(InvalidInput, match=message):
        irregular.predict(X, times=times, at=at)
    with pytest.raises(InvalidInput, match="steps, or at="):
        irregular.predict(X, times=times, at=at, steps=2)


def test_times_to_forecast_for_want_times(fitted):
    with pytest.raises(InvalidInput, match="series with times for at="):
        fitted.predict(autoregressive(3, 20, 0), at=[21.0])


def test_a_forecast_is_printed_in_few_lines(fitted):
    forecast = fitted.predict(autoregressive(3, 20, 0), steps=10, interval=0.8)
    lines = str(forecast).splitlines()
    assert lines[0] == "Forecast of 3 series, 10 steps, 1 channel" and len(lines) == 8
    assert lines[2].split() == ["1", *(f"{part[0, 0, 0]:.4g}" for part in forecast)]
    assert "<table>" in forecast._repr_html_() and "missing" not in forecast._repr_html_()
    values, lower, upper = forecast
    assert str(type(forecast)(values[:0], lower[:0], upper[:0])) == "Forecast of 0 series, 10 steps, 1 channel"


def test_coverage_counts_what_was_seen(fitted):
    forecast = fitted.predict(autoregressive(4, 20, 0), steps=2, interval=0.5)
    came = forecast.values.copy()
    came[:3, 0] = np.nan
    came[:2, 1] = forecast.upper[:2, 1] + 1
    assert forecast.coverage(came).ravel().tolist() == [1.0, 0.5]
    came[:] = np.nan
    assert np.isnan(forecast.coverage(came)).all()
    with pytest.raises(InvalidInput, match=r"in the shape of the forecast, \(4, 2, 1\), instead got \(4, 1, 1\)"):
        forecast.coverage(came[:, :1])


def test_pieces_ask_each_sample_for_the_next_and_cover_the_series():
    series = Series.of([np.arange(11.0), np.arange(4.0)], times=[np.arange(11.0) ** 2, np.arange(4.0)])
    parts = pieces([(0, 0, 11), (1, 0, 4)], window=4, stride=2)
    assert parts == [(0, 0, 5), (0, 2, 7), (0, 4, 9), (0, 6, 11), (1, 0, 4)]
    trials = next_samples(series, parts, 1)
    there = trials.series.valid
    np.testing.assert_array_equal(trials.targets[..., 0][there], trials.series.values[..., 0][there] + 1)
    np.testing.assert_array_equal(trials.series.times[1], np.arange(3, 7) ** 2)


def test_targets_count_where_all_channels_were_seen():
    values = np.ones((1, 5, 2))
    values[0, 2, 1] = np.nan
    trials = next_samples(Series.of(values), [(0, 0, 5)], 2)
    assert trials.counts.tolist() == [[True, False, True, True]]


def test_one_long_series_is_held_out_at_its_end():
    wave = np.sin(0.3 * np.arange(120))
    forecaster = GatedODEForecaster(**SMALL, window=16).fit([wave])
    assert forecaster.warm_up_.tolist() == [96]
    assert forecaster.data_.train.targets.max() <= wave[:73].max()
    np.testing.assert_allclose(forecaster.data_.test.series.values[0, 0, 0], wave[96])
    assert forecaster.predict([wave], steps=4, interval=0.5).lower.shape == (1, 4, 1)


@pytest.mark.parametrize(
    ("options", "asked", "message"),
    [
        ({}, {"steps": 0}, "steps an integer of at least 1"),
        ({}, {"interval": 1.0}, "an interval above 0 and below 1"),
        ({}, {"interval": 0.999}, "at least 999 calibration errors for intervals of 0.999"),
        ({}, {"steps": 30, "interval": 0.5}, "at least 1 calibration errors .*There are enough for 6 steps ahead"),
        ({}, {"steps": 5, "interval": 0.9}, "at least 9 calibration errors .*There are enough for 2 steps ahead"),
        ({"calibration_fraction": 0.0}, {}, "calibration_fraction above 0"),
        ({"validation_fraction": 0.6, "calibration_fraction": 0.5}, {}, "less than all of the series held out"),
        ({"window": 1}, {}, "window an integer of at least 2"),
    ],
)
def test_bad_input_is_one_clear_line(options, asked, message):
    X = autoregressive(12, 12, 0)
    with pytest.raises(InvalidInput, match=message):
        GatedODEForecaster(**SMALL, **options).fit(X).predict(X, **asked)


@pytest.mark.parametrize("interval", [0.1, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999])
def test_no_fewer_errors_do_for_an_interval(interval):
    """Of n errors and one more, exchangeable, the k-th smallest is above the new one with a chance of k / (n + 1)."""
    least = least_errors(interval)
    assert rank_of(interval, least) / (least + 1) >= interval > (least - 1) / least
    assert rank_of(interval, least) <= least and (least == 1 or rank_of(interval, least - 1) > least - 1)


def test_narrow_chances_are_calibrated_from_as_many_errors_as_they_need():
    walks = autoregressive(60, 60, 3)
    forecaster = GatedODEForecaster(**SMALL, window=10).fit(walks)
    found = forecaster.predict(walks[:2], steps=1, interval=0.997)  # 333 errors, of which there are 6 * 50
    assert (found.upper > found.lower).all()


def test_what_cannot_be_forecast_is_refused():
    with pytest.raises(InvalidInput, match="at least 10 series, or series of at least 6 samples"):
        GatedODEForecaster(**SMALL).fit([[0.0, 1.0, 2.0, 3.0]])
    events = Series.of([[0.0] * 9] * 12, times=[list(range(9))] * 12).with_events([[[1.5]]] * 12)
    with pytest.raises(InvalidInput, match="series without events to forecast"):
        GatedODEForecaster(**SMALL).fit(events)
