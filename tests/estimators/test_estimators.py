"""Estimators: what they are given, what they refuse, what they do in scikit-learn's tools, and that they are kept."""

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import gnode
from gnode import Series
from gnode.errors import InvalidInput
from gnode.estimators import GatedODEClassifier, GatedODEForecaster, GatedODERegressor
from gnode.estimators.parts import held_out
from gnode.report import report

SMALL = dict(state_size=4, hidden=(8,), epochs=4, batch_size=8)
NAMES = np.array(["down", "up"])


def drawn(count=24, seed=0):
    """Ragged series of two channels that rise or fall, with times, labels and a few values missing."""
    random = np.random.default_rng(seed)
    up = np.arange(count) % 2
    times = [np.cumsum(random.exponential(size=length)) for length in random.integers(4, 8, count)]
    X = [
        np.stack([sign * time, np.ones_like(time)], axis=1) + 0.1 * random.standard_normal((len(time), 2))
        for sign, time in zip(2 * up - 1, times, strict=True)
    ]
    X[0][1, 0] = np.nan
    return X, times, NAMES[up]


@pytest.fixture(scope="module")
def fitted():
    X, times, y = drawn()
    return GatedODEClassifier(**{**SMALL, "epochs": 20}).fit(X, y, times=times)


def test_what_a_classifier_answers_is_what_its_model_answers(fitted):
    X, times, y = drawn(seed=1)
    logits = np.asarray(fitted.model_(Series.of(X, times)), float)
    by_hand = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = fitted.predict_proba(X, times=times)
    np.testing.assert_allclose(found, by_hand, atol=1e-6)
    assert (fitted.predict(X, times=times) == fitted.classes_[by_hand.argmax(axis=1)]).all()
    assert fitted.score(X, y, times=times) == np.mean(fitted.predict(X, times=times) == y)
    assert fitted.n_features_in_ == 2 and fitted.model_.config.missing == "hold-with-observed"
    np.testing.assert_array_equal(fitted.predict_proba(X[:3], times=times[:3]), found[:3])


def test_every_form_of_the_same_series_trains_the_same_model():
    random = np.random.default_rng(0)
    array, y = random.standard_normal((12, 5, 2)), np.arange(12) % 2
    rows = [(name, *sample) for name, case in zip("lkjihgfedcba", array, strict=True) for sample in case]
    frame = pd.DataFrame(rows, columns=["id", "a", "b"])
    labels = pd.Series(y, index=list("lkjihgfedcba")).sort_index()
    one = GatedODEClassifier(**SMALL).fit(array, y)
    wanted = one.predict_proba(array)
    long = GatedODEClassifier(**SMALL, series="id").fit(frame, labels)
    aeon = Series.of_aeon(np.swapaxes(array, 1, 2))
    for found in (
        long.predict_proba(frame),
        GatedODEClassifier(**SMALL).fit(list(array), y).predict_proba(list(array)),
        GatedODEClassifier(**SMALL).fit(aeon, y).predict_proba(aeon),
    ):
        np.testing.assert_array_equal(found, wanted)
    flat = GatedODEClassifier(**SMALL).fit(array[..., 0], y)
    np.testing.assert_array_equal(flat.predict_proba(array[..., 0]), flat.predict_proba(array[..., :1]))


def test_tools_of_scikit_learn_carry_the_times_of_a_series():
    X, times, y = drawn()
    series = Series.of(X, times)
    estimator = GatedODEClassifier(**SMALL)
    search = GridSearchCV(estimator, {"state_size": [4]}, cv=KFold(2), refit=False).fit(series, y)
    rows, other = next(KFold(2).split(series))
    by_hand = clone(estimator).fit(series[rows], y[rows]).score(series[other], y[other])
    assert search.cv_results_["split0_test_score"] == by_hand


@pytest.mark.full
def test_a_pipeline_carries_the_times_of_a_series():
    X, times, y = drawn()
    series, estimator = Series.of(X, times), GatedODEClassifier(**SMALL)
    piped = make_pipeline(FunctionTransformer(), clone(estimator)).fit(series, y)
    np.testing.assert_array_equal(piped.predict(series), estimator.fit(series, y).predict(series))


@pytest.mark.full
def test_times_are_metadata_that_are_routed_or_missed_aloud():
    X, times, y = drawn(12)
    estimator = GatedODEClassifier(**SMALL)
    with pytest.warns(UserWarning, match="Must have times as in fit"):
        search = GridSearchCV(estimator, {"state_size": [3]}, cv=2, refit=False).fit(X, y, times=times)
    assert np.isnan(search.cv_results_["mean_test_score"]).all()
    with sklearn.config_context(enable_metadata_routing=True):
        routed = clone(estimator).set_fit_request(times=True).set_score_request(times=True)
        scores = GridSearchCV(routed, {"state_size": [3]}, cv=2, refit=False).fit(X, y, times=times).cv_results_
    assert np.isfinite(scores["mean_test_score"]).all()


@pytest.mark.full
def test_weights_of_series_and_of_classes():
    X, times, y = drawn()
    weights = np.r_[np.zeros(6), np.full(18, 2.0)]
    one = GatedODEClassifier(**SMALL).fit(X, y, times=times, sample_weight=weights)
    alike = GatedODEClassifier(**SMALL).fit(X[6:], y[6:], times=times[6:], sample_weight=np.ones(18))
    np.testing.assert_allclose(
        one.predict_proba(X, times=times), alike.predict_proba(X, times=times), rtol=1e-4
    )  # none is left out, and twice the weight for all changes nothing
    heavy = GatedODEClassifier(**SMALL, class_weight={"up": 3.0}).fit(X, y, times=times)
    assert heavy.summary_["class_weights"] == [1.0, 3.0] and heavy.summary_["classes"] == ["down", "up"]


def test_a_regressor_reads_the_last_sample_and_learns_a_mean():
    X, times, _ = drawn(40)
    y = np.array([np.nanmean(case) for case in X])
    regressor = GatedODERegressor(**{**SMALL, "epochs": 60}).fit(X, y, times=times)
    outputs = np.asarray(regressor.model_(Series.of(X, times)))
    ends = [len(case) - 1 for case in X]
    np.testing.assert_allclose(regressor.predict(X, times=times), outputs[np.arange(40), ends, 0], atol=1e-5)
    assert regressor.score(X, y, times=times) > 0.8


def test_a_target_at_each_sample_is_told_to_be_taken_for_outputs_of_the_whole_series():
    X = np.random.default_rng(0).standard_normal((8, 5, 1))
    with pytest.warns(UserWarning, match=r"Each of the 5 columns of y.*gnode.train, with gnode.series.Data"):
        GatedODERegressor(**SMALL).fit(X, X[..., 0])
    with pytest.raises(InvalidInput, match=r"\(n, outputs\).*A target at each sample is for gnode.train"):
        GatedODERegressor(**SMALL).fit(X, X)


@pytest.mark.full
def test_a_regressor_of_several_numbers():
    X, times, _ = drawn(40)
    y = np.array([np.nanmean(case) for case in X])
    several = GatedODERegressor(**SMALL).fit(X, np.stack([y, -y], axis=1), times=times)
    assert several.predict(X, times=times).shape == (40, 2)


@pytest.mark.parametrize("kind", [GatedODEClassifier, pytest.param(GatedODERegressor, marks=pytest.mark.full)])
def test_kept_without_pickle_and_read_in_another_process_the_same_bytes(tmp_path, kind):
    X, times, y = drawn()
    y = y if kind is GatedODEClassifier else np.arange(len(y)) * 0.1
    estimator = kind(**SMALL, options={"layer_norm": True}).fit(X, y, times=times, out=tmp_path / "fit")
    estimator.save(tmp_path / "saved")
    np.savez(tmp_path / "X.npz", *X)
    np.savez(tmp_path / "times.npz", *times)
    code = (
        "import sys, numpy as np; from gnode.estimators import *\n"
        "X, times = ([*np.load(f'{sys.argv[1]}/{name}.npz').values()] for name in ('X', 'times'))\n"
        f"for name in ('fit', 'saved'): np.save(f'{{sys.argv[1]}}/{{name}}.npy', "
        f"{kind.__name__}.load(f'{{sys.argv[1]}}/{{name}}').predict(X, times=times))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=120)
    wanted = estimator.predict(X, times=times)
    for name in ("fit", "saved"):
        found = np.load(tmp_path / f"{name}.npy")
        assert found.dtype == wanted.dtype and found.tobytes() == wanted.tobytes()
        assert (tmp_path / name / "model.safetensors").read_bytes() == (
            tmp_path / "fit" / "model.safetensors"
        ).read_bytes()
    loaded = kind.load(tmp_path / "saved")
    assert loaded.get_params() == estimator.get_params() and loaded.history_ == estimator.history_
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again" / "config.toml").read_text() == (tmp_path / "saved" / "config.toml").read_text()
    other = GatedODERegressor if kind is GatedODEClassifier else GatedODEClassifier
    with pytest.raises(InvalidInput, match=f"Must have a {other.__name__} in .*, instead got a {kind.__name__}"):
        other.load(tmp_path / "fit")
    with pytest.raises(InvalidInput, match="an empty or new directory"):
        estimator.save(tmp_path / "saved")
    assert gnode.load(tmp_path / "saved").config == estimator.model_.config


@pytest.mark.full
def test_a_saved_estimator_is_a_run_that_is_reported(tmp_path, fitted):
    fitted.save(tmp_path / "run")
    page = report([tmp_path / "run"])
    assert "accuracy" in page.read_text().lower()


def test_an_estimator_survives_a_copy_and_a_clone_has_learned_nothing(fitted):
    X, times, _ = drawn()
    unfitted = clone(fitted)
    assert unfitted.get_params() == fitted.get_params()
    with pytest.raises(sklearn.exceptions.NotFittedError):
        unfitted.predict(X, times=times)


def test_parts_keep_classes_in_proportion_and_groups_together():
    classes = np.repeat([0, 1, 2], [40, 20, 1])
    kept, out = held_out(61, 0.25, 3, classes)
    assert np.bincount(classes[out]).tolist() == [10, 5] and not set(kept) & set(out) and len(kept) + len(out) == 61
    groups = np.random.default_rng(0).integers(0, 9, 61)
    for labels in (None, classes):
        kept, out = held_out(61, 0.25, 3, labels, groups)
        assert len(out) and len(kept) and not set(groups[kept]) & set(groups[out])
    everything = held_out(5, 0, 0)
    assert all(part.tolist() == [0, 1, 2, 3, 4] for part in everything)


def test_labels_that_fit_has_not_seen_count_as_wrong_and_are_told_of(fitted):
    X, times, y = drawn()
    with pytest.warns(UserWarning, match="sideways"):
        score = fitted.score(X, np.where(np.arange(len(y)) < 12, "sideways", y), times=times)
    assert score <= 0.5


LINE = [[0.0, 1.0, 2.0]] * 8
TWO = [0, 1] * 4


@pytest.mark.parametrize(
    ("options", "X", "y", "beside", "message"),
    [
        ({}, LINE, [1] * 8, {}, "labels of at least 2 classes, instead got one class, 1"),
        ({"class_weight": {0: 1.0, 7: 2.0}}, LINE, TWO, {}, "labels in y .*, instead got one of 7"),
        ({}, LINE, TWO, {"groups": TWO}, "each class among the series that are trained on"),
        ({}, [*LINE[:7], [0.0]], TWO, {}, "at least 2 samples to learn from, instead got 1 in series 7"),
        ({}, [*LINE[:7], [0.0, np.inf]], TWO, {}, "finite values .* instead got inf in series 7, sample 1"),
        ({}, LINE, TWO, {"times": [[0.0, 2.0, 1.0]] * 8}, "times that increase"),
        ({}, [*LINE[:7], np.zeros((3, 2))], TWO, {}, "as many channels in each .*, 1, instead got 2"),
        ({}, LINE, [0, 1, np.nan, 0, 1, 0, 1, 0], {}, "labels that are all there"),
        ({}, LINE, ["a", None] * 4, {}, "labels that are all there"),
        ({}, LINE, TWO[:5], {}, "a label for each of 8 series, instead got 5"),
        ({}, pd.DataFrame({"id": [1, 1, 2, 2], "x": [0.0, 1, 2, 3]}), TWO[:2], {}, "each of 4 .* series='id'"),
        ({}, LINE, TWO, {"sample_weight": [-1] * 8}, "sample_weight of finite numbers"),
        ({"options": {"layernorm": True}}, LINE, TWO, {}, "Did you mean 'layer_norm'"),
        ({"options": {"lr": 1.0}}, LINE, TWO, {}, "other options of model or training, instead got 'lr'"),
        ({"model": "gnoed"}, LINE, TWO, {}, "Did you mean 'gnode'"),
        ({"validation_fraction": 1.0}, LINE, TWO, {}, "at least 0 and below 1"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_line(tmp_path, options, X, y, beside, message):
    with pytest.raises(InvalidInput, match=message) as caught:
        GatedODEClassifier(**{**SMALL, **options}).fit(X, y, **beside, out=tmp_path / "run")
    assert "\n" not in str(caught.value) and not (tmp_path / "run").exists()


def test_bad_targets_and_series_unlike_those_of_fit(fitted):
    with pytest.raises(InvalidInput, match="finite targets, instead got NaN or infinity for series 1"):
        GatedODERegressor(**SMALL).fit(LINE, [0.0, np.nan, *TWO[2:]])
    X, times, _ = drawn()
    with pytest.raises(InvalidInput, match="times as in fit, which had times, instead got none"):
        fitted.predict(X)
    with pytest.raises(InvalidInput, match="series of 2 channels, as in fit, instead got 1"):
        fitted.predict([case[:, 0] for case in X], times=times)
    with pytest.raises(InvalidInput, match="which had none, instead got times"):
        GatedODEClassifier(**SMALL).fit(LINE, TWO).predict(LINE, times=[[0.0, 1.0, 2.0]] * 8)


@pytest.mark.full
def test_a_series_with_nine_tenths_missing_trains():
    random = np.random.default_rng(0)
    X = np.where(random.random((20, 30, 2)) < 0.9, np.nan, random.standard_normal((20, 30, 2)))
    X[:, 0] = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator = GatedODEClassifier(**SMALL).fit(X, np.arange(20) % 2)
    assert np.isfinite(estimator.predict_proba(X)).all()


@pytest.mark.full
def test_the_forecaster_is_an_estimator_of_the_same_kind(tmp_path):
    X, times, _ = drawn()
    series = Series.of(X, times)
    forecaster = GatedODEForecaster(**SMALL, window=4).fit(series, out=tmp_path / "run")
    loaded = GatedODEForecaster.load(tmp_path / "run")
    for one, other in zip(
        forecaster.predict(series, steps=2, interval=0.5), loaded.predict(series, steps=2, interval=0.5), strict=True
    ):
        assert one.tobytes() == other.tobytes()
    assert np.isfinite(cross_val_score(clone(forecaster), series, cv=2)).all()
