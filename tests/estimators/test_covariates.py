"""Static covariates, and covariates that are known ahead: what the model is told of them, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.model_selection import cross_validate

from gnode import Series
from gnode.errors import InvalidInput
from gnode.estimators import GatedODEClassifier, GatedODEForecaster, GatedODERegressor
from gnode.estimators.door import read_static, with_channels
from gnode.estimators.pieces import next_samples
from gnode.report import report

SMALL = dict(state_size=4, hidden=(8,), epochs=4, batch_size=8)


def drawn(lengths=(8,) * 24):
    """Series of one channel, two static covariates of each, one of them missing, and classes."""
    random = np.random.default_rng(0)
    static = random.standard_normal((len(lengths), 2))
    static[5, 1] = np.nan
    return [random.standard_normal((length, 1)) for length in lengths], static, np.arange(len(lengths)) % 2


def with_constants(X, static):
    """The same series with their static covariates as channels, by hand."""
    return [np.hstack([case, np.tile(row, (len(case), 1))]) for case, row in zip(X, static, strict=True)]


def test_static_covariates_are_constant_channels_of_ragged_series_in_the_order_of_their_names():
    X, static, _ = drawn(lengths=[8, 9, 7] * 3)
    X[0][2] = np.nan
    wanted = Series.of(with_constants(X, static)).digest()
    series = Series.of(X)
    assert with_channels(series, read_static(series, static)).digest() == wanted
    names = [f"s{at}" for at in range(9)][::-1]
    rows = [(name, value) for name, case in zip(names, X, strict=True) for value in case[:, 0]]
    named = Series.of(pd.DataFrame(rows, columns=["id", "x"]), series="id")
    table = pd.DataFrame(static, index=names).sort_index()
    assert with_channels(named, read_static(named, table)).digest() == wanted
    with pytest.raises(InvalidInput, match="static covariates labelled by the names of the series"):
        read_static(named, table.rename(index={"s3": "t3"}))


@pytest.mark.parametrize("kind", [GatedODEClassifier, pytest.param(GatedODERegressor, marks=pytest.mark.full)])
def test_an_estimator_sees_static_covariates_as_constant_channels(kind, tmp_path):
    X, static, y = drawn()
    told = kind(**SMALL).fit(X, y, static=static, out=tmp_path / "run")
    channels = with_constants(X, static)
    by_hand = kind(**SMALL).fit(channels, y)
    wanted = by_hand.predict(channels)
    np.testing.assert_array_equal(told.predict(X, static=static), wanted)
    np.testing.assert_array_equal(kind.load(tmp_path / "run").predict(X, static=static), wanted)
    assert told.score(X, y, static=static) == by_hand.score(channels, y)
    assert told.n_features_in_ == 1 and told.n_static_ == 2 and by_hand.n_static_ == 0


@pytest.mark.full
def test_static_covariates_are_metadata_that_can_be_routed():
    X, static, y = drawn()
    with sklearn.config_context(enable_metadata_routing=True):
        routed = GatedODEClassifier(**SMALL).set_fit_request(static=True).set_score_request(static=True)
        scores = cross_validate(routed, Series.of(X), y, cv=2, params={"static": static})["test_score"]
    assert np.isfinite(scores).all()


@pytest.fixture(scope="module")
def promoted():
    """A forecaster of noise that is known ahead but for a constant of each series; the series and what is known."""
    random = np.random.default_rng(0)
    static = random.choice([-1.0, 1.0], (40, 1))
    known = [random.standard_normal(24) for _ in range(40)]
    X = [two[:20] + 2 * one for one, two in zip(static, known, strict=True)]
    forecaster = GatedODEForecaster(state_size=8, hidden=(16,), epochs=40, window=12, steps=3)
    return forecaster.fit(X, covariates=known, static=static), X, known, static


def test_what_is_known_ahead_is_made_use_of_at_each_step(promoted, tmp_path):
    forecaster, X, known, static = promoted
    assert (forecaster.n_features_in_, forecaster.n_covariates_, forecaster.n_static_) == (1, 1, 1)
    found = forecaster.predict(X, covariates=known, static=static, steps=4, interval=0.5)
    coming = np.stack([two[20:] + 2 * one for one, two in zip(static, known, strict=True)])
    assert np.sqrt(np.mean((found.values[..., 0] - coming) ** 2)) < 0.5  # of noise whose deviation is 1
    assert forecaster.score(X, covariates=known, static=static) > 0.9
    forecaster.save(tmp_path / "run")
    loaded = GatedODEForecaster.load(tmp_path / "run")
    again = loaded.predict(X, covariates=known, static=static, steps=4, interval=0.5)
    assert all(one.tobytes() == other.tobytes() for one, other in zip(found, again, strict=True))
    assert report([tmp_path / "run"]).exists()


def test_a_forecast_knows_of_covariates_up_to_its_own_sample(promoted):
    forecaster, X, known, static = promoted
    found = forecaster.predict(X, covariates=known, static=static, steps=3)
    for step in range(3):
        changed = [one.copy() for one in known]
        for one in changed:
            one[20 + step] += 1.0
        differs = np.abs(forecaster.predict(X, covariates=changed, static=static, steps=3) - found) > 1e-4
        assert not differs[:, :step].any() and differs[:, step].all()


def test_further_forecasts_are_the_models_outputs_fed_back_beside_what_is_known(promoted):
    forecaster, X, known, static = promoted
    found = forecaster.predict(X, covariates=known, static=static, steps=3)
    past = X[7][-12:]
    for step in range(3):
        beside = known[7][9 : 9 + len(past)]  # of the sample after each
        inputs = np.column_stack([past, np.full(len(past), static[7, 0]), beside])
        outputs = np.asarray(forecaster.model_(inputs[None]))[0]
        np.testing.assert_allclose(found[7, step], outputs[-1], atol=2e-5)
        past = np.append(past, found[7, step])


def test_pieces_show_the_covariates_of_the_sample_that_is_predicted():
    series = Series.of([np.column_stack([np.arange(6.0), 10 + np.arange(6.0)])])
    trials = next_samples(series, [(0, 1, 5)], 1)
    np.testing.assert_array_equal(trials.inputs[0], [[1, 12], [2, 13], [3, 14]])
    np.testing.assert_array_equal(trials.targets[0, :, 0], [2, 3, 4])


@pytest.mark.full
def test_covariates_with_times_say_when_the_forecasts_are():
    days = pd.date_range("2026-01-01", periods=14, freq="MS")
    rows = pd.DataFrame(
        [(name, day, at % 5, at % 3) for name in range(12) for at, day in enumerate(days)],
        columns=["id", "day", "sales", "price"],
    ).astype({"sales": float, "price": float})
    past = rows[rows["day"] < days[12]]
    forecaster = GatedODEForecaster(**SMALL, series="id", time="day", channels=["sales"])
    forecaster.fit(past, covariates=past[["id", "day", "price"]])
    coming = rows[["id", "day", "price"]].sort_values("id", ascending=False, kind="stable")
    found = forecaster.predict(past, covariates=coming, steps=2)
    model, first = forecaster.model_, past[past["id"] == 0]
    times = [*days[1:12], days[12]]
    inputs = np.column_stack([first["sales"], rows["price"][1:13]])
    outputs = np.asarray(model(Series.of([inputs], [np.array(times, "datetime64[ns]")])))[0]
    np.testing.assert_allclose(found[0, 0], outputs[-1], atol=2e-5)
    shifted = coming.assign(day=coming["day"] + pd.Timedelta(days=1))
    with pytest.raises(
        InvalidInput, match="covariates at the times of the series, instead got other times in series 0"
    ):
        forecaster.predict(past, covariates=shifted, steps=2)


@pytest.mark.parametrize(
    ("beside", "message"),
    [
        ({}, "1 static covariates, as in fit, instead got none. Give them by static="),
        ({"static": np.ones((40, 1))}, "1 covariates, as in fit, instead got none. Give them by covariates="),
        ({"static": np.ones((40, 2))}, "1 static covariates, as in fit, instead got 2"),
        ({"static": np.ones((39, 1))}, "static covariates for each of 40 series, instead got 39"),
        ({"static": np.full((40, 1), np.inf)}, "covariates that are finite, .* instead got infinity for series 0"),
        ({"static": np.ones((40, 1)), "covariates": np.ones((40, 22, 1))},
         "covariates for the 20 samples of series 0 and 3 steps ahead, instead got 22 samples"),
        ({"static": np.ones((40, 1)), "covariates": np.ones((39, 24, 1))}, "covariates for each of 40 series"),
        ({"static": np.ones((40, 1)), "covariates": np.ones((40, 24, 2))}, "1 covariates, as in fit, instead got 2"),
    ],
)  # fmt: skip
def test_covariates_that_do_not_fit_are_refused_in_one_line(promoted, beside, message):
    with pytest.raises(InvalidInput, match=message) as caught:
        promoted[0].predict(promoted[1], **beside)
    assert "\n" not in str(caught.value)


def test_covariates_that_fit_never_saw_are_refused():
    X, static, y = drawn()
    plain = GatedODERegressor(**SMALL).fit(X, y)
    with pytest.raises(InvalidInput, match="no static covariates, as in fit, instead got 2"):
        plain.predict(X, static=static)
    with pytest.raises(InvalidInput, match="covariates for the 8 samples of series 0, instead got 7"):
        GatedODEForecaster(**SMALL).fit(X, covariates=[case[:7] for case in X])
