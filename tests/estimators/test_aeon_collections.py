"""aeon's collections go in as they are, in each of its forms. Optional: aeon is in the environment of the benchmarks.

.venv-bench/bin/python -m pytest tests/estimators/test_aeon_collections.py
"""

import numpy as np
import pytest

from gnode import Series
from gnode.estimators import GatedODEClassifier, GatedODERegressor

datasets = pytest.importorskip("aeon.datasets", reason="aeon is not installed: make bench installs it in .venv-bench")

SMALL = dict(state_size=4, hidden=(8,), epochs=2, batch_size=8)


def split(name):
    load = getattr(datasets, f"load_{name}")
    return *load(split="train"), *load(split="test")


def of_ours(collection):
    """The same series as a list of arrays (time, channels)."""
    return [np.asarray(case).T for case in collection]


@pytest.mark.parametrize("name", ["unit_test", "basic_motions", "japanese_vowels"])
def test_a_collection_is_the_same_series_as_ours(name):
    X, y, unseen, labels = split(name)
    assert isinstance(X, list) == (name == "japanese_vowels")  # of unequal lengths; else (cases, channels, time)
    wanted = GatedODEClassifier(**SMALL).fit(of_ours(X), y).predict_proba(of_ours(unseen))
    for form in (Series.of_aeon, lambda collection: Series.of_aeon([np.asarray(case) for case in collection])):
        fitted = GatedODEClassifier(**SMALL).fit(form(X), y)
        np.testing.assert_array_equal(fitted.predict_proba(form(unseen)), wanted)
        assert set(fitted.predict(form(unseen))) <= set(labels)


def test_a_collection_with_numbers_as_targets():
    X, y, unseen, _ = split("cardano_sentiment")
    fitted = GatedODERegressor(**SMALL).fit(Series.of_aeon(X), y)
    wanted = GatedODERegressor(**SMALL).fit(of_ours(X), y).predict(of_ours(unseen))
    np.testing.assert_array_equal(fitted.predict(Series.of_aeon(unseen)), wanted)
    assert wanted.shape == (33,)


def test_channels_before_time_are_told_of_at_predict():
    X, y, _, _ = split("basic_motions")
    fitted = GatedODEClassifier(**SMALL).fit(Series.of_aeon(X), y)
    with pytest.raises(ValueError, match="series of 6 channels, as in fit, instead got 100"):
        fitted.predict(X)
