"""scikit-learn's own checks, and which of them series cannot pass, with why."""

import warnings

import pytest
from sklearn.utils.estimator_checks import check_estimator

from gnode.estimators import GatedODEClassifier, GatedODEForecaster, GatedODERegressor

SMALL = dict(state_size=8, hidden=(16,), epochs=30)
TINY = dict(state_size=4, hidden=(8,), epochs=2, window=8)
_ROWS = "a row of a table is a series of one channel: n_features_in_ counts channels, and rows may be longer or shorter"
EXPECTED = {
    "check_n_features_in": _ROWS,
    "check_n_features_in_after_fitting": _ROWS,
    "check_fit2d_1feature": "a series of one sample is refused, in words of its own",
    "check_sample_weight_equivalence_on_dense_data": "series are trained on in minibatches: one twice is another order",
}
OF_CLASSIFIERS = {"check_classifiers_train": _ROWS}
OF_REGRESSORS = {
    "check_regressors_train": "so few epochs do not fit it",
    "check_supervised_y_2d": "targets (n, 1) are several outputs, of which there is one",
}


@pytest.mark.full
@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("estimator", "more"),
    [
        (GatedODEClassifier(**SMALL), OF_CLASSIFIERS),
        (GatedODERegressor(**SMALL), OF_REGRESSORS),
        (GatedODEForecaster(**TINY), {}),
    ],
    ids=["classifier", "regressor", "forecaster"],
)
def test_checks_of_scikit_learn(estimator, more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of those that fail as expected
        check_estimator(estimator, expected_failed_checks=EXPECTED | more, on_skip=None)
