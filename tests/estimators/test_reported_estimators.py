"""Faults that users of other packages reported of their estimators, tried here: the kind, not the example."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from gnode.errors import InvalidInput
from gnode.estimators import GatedODEClassifier, GatedODEForecaster, GatedODERegressor
from gnode.estimators.classifier import read_labels
from gnode.estimators.intervals import skill
from gnode.series import Series

SMALL = dict(state_size=2, hidden=(2,), epochs=1)
X = np.random.default_rng(0).standard_normal((12, 4, 1))
TWO = np.arange(12) % 2
NAMES = np.array(["a", "b"])[TWO]
SERIES = Series.of(X)


def frame(order):
    """The same series in a long frame, by name, in an order."""
    return pd.DataFrame(
        {"id": np.repeat([f"s{at}" for at in order], 4), "x": np.concatenate([X[at, :, 0] for at in order])}
    )


@pytest.fixture(scope="module")
def classifier():
    return GatedODEClassifier(**SMALL, series="id").fit(frame(range(12)), NAMES)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (pd.Series(["a", pd.NA] * 6, dtype="string"), "all there"),  # scikit-learn#32312: NA is ambiguous
        (pd.Series([0, pd.NA] * 6, dtype="Int64"), "all there"),
        ([0, None] * 6, "all there"),
        ([1, "a"] * 6, "labels of one kind, texts or numbers, instead got 'a' and 1"),
        (np.array([1, "a"] * 6, dtype=object), "labels of one kind"),
        (np.array(["2026-01-01", "2026-01-02"] * 6, dtype="M8[D]"), "texts, numbers or truths"),
        (np.array([b"a", b"b"] * 6), "texts, numbers or truths"),
    ],
)
def test_labels_that_cannot_be_kept_are_refused_before_training(classifier, labels, message):
    """sktime#6427: labels came back as others; and saving would fail after training."""
    with pytest.raises(InvalidInput, match=message):
        GatedODEClassifier(**SMALL).fit(X, labels)
    with pytest.raises(InvalidInput, match=message):
        classifier.score(frame(range(12)), labels)


@pytest.mark.parametrize(
    "labels",
    [
        NAMES,
        NAMES.tolist(),
        pd.Series(NAMES, dtype="string"),
        pd.Series(NAMES).astype("category"),
        TWO,
        np.array(TWO.tolist(), dtype=object),  # scikit-learn: "Unknown label type: unknown"
        pd.Series(TWO, dtype="Int64"),
        pd.Series(TWO == 1, dtype="boolean"),
        TWO * 1.0,
    ],
)
def test_labels_of_every_kind_keep_what_they_are(labels):
    """scikit-learn#17675, #25073: pandas' own types."""
    read = read_labels(SERIES, labels)
    assert read.shape == (12,) and [str(one) for one in read] == [str(one) for one in list(labels)]


def test_what_pandas_labels_by_name_is_put_in_order_in_fit_and_in_score(classifier):
    order = [*range(5, 12), *range(5)]
    labelled = pd.Series(NAMES, index=[f"s{at}" for at in range(12)])
    answers = classifier.predict(frame(order))
    expected = np.mean(answers == NAMES[order])
    assert classifier.score(frame(order), labelled) == expected
    weights = pd.Series(np.arange(12.0), index=labelled.index)
    expected = np.average(answers == NAMES[order], weights=np.arange(12)[order])
    assert classifier.score(frame(order), labelled, sample_weight=weights) == pytest.approx(expected)
    numbers = pd.Series(X[:, 0, 0], index=labelled.index)
    regressor = GatedODERegressor(**SMALL, series="id").fit(frame(order), numbers)
    assert regressor.score(frame(order), numbers) == regressor.score(frame(range(12)), numbers.to_numpy())


def test_a_second_fit_that_fails_leaves_nothing_half_fitted():
    """scikit-learn#7976, muffnn#4: classes of one fit beside a model of another."""
    estimator = GatedODEClassifier(**SMALL).fit(X, NAMES)
    with pytest.raises(InvalidInput, match="epochs an integer of at least 1"):
        estimator.set_params(epochs=0).fit(X, np.array(["c", "d"])[TWO])
    with pytest.raises(NotFittedError):
        estimator.predict(X)
    assert estimator.set_params(epochs=1).fit(X, TWO).predict(X).dtype == TWO.dtype


@pytest.mark.parametrize("seed", [None, -1, 0.5, "1"])
def test_a_seed_is_a_number(seed):
    """Not None, as random_state may be elsewhere: a run is what its seed says."""
    with pytest.raises(InvalidInput, match=r"Must have seed an integer"):
        GatedODEClassifier(**SMALL, seed=seed).fit(X, NAMES)


@pytest.mark.parametrize(("unit", "offset"), [(1e-3, 1e6), (1.0, 1.7e9), (1e-9, 1.0)])
def test_what_float32_cannot_tell_apart_is_no_target(unit, offset):
    """torchmd-net#275: R2 of -143,390 at an offset of 1e6 of numbers that differ by 1e-3."""
    with pytest.raises(InvalidInput, match=r"targets that float32 can tell apart.*Subtract"):
        GatedODERegressor(**SMALL).fit(X, X[:, 0, 0] * unit + offset)
    with pytest.raises(InvalidInput, match="values to forecast that float32 can tell apart"):
        GatedODEForecaster(**SMALL, window=4).fit(np.tile(X, (1, 3, 1)) * unit + offset)


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_any_unit_is_a_target_and_a_constant_is_one_too(unit):
    for targets in (X[:, 0, 0] * unit, X[:, 0, 0] * unit + 100 * unit, np.full(12, unit / 3)):
        estimator = GatedODERegressor(**SMALL, validation_fraction=2.0)  # which is refused after the targets
        with pytest.raises(InvalidInput, match="below 1"):
            estimator.fit(X, targets)


def test_the_score_of_a_forecaster_where_nothing_changes_is_a_number():
    """darts#3054, sktime#10403: a division by zero."""
    still = np.array([0.0, 0.0, np.nan])
    assert skill(still, still) == 1.0 and skill(still + 1, still) == 0.0
    assert skill(np.array([1.0, 1.0, 5.0]), np.array([2.0, 2.0, np.nan])) == 0.75
