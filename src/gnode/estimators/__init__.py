"""Estimators: gated neural ODEs with `fit` and `predict`, as scikit-learn's users expect them.

They are made of what the other rooms have: series, models, training and run directories. docs/estimators.md.
"""

from gnode.estimators.classifier import GatedODEClassifier
from gnode.estimators.forecaster import Forecast, GatedODEForecaster
from gnode.estimators.regressor import GatedODERegressor

__all__ = ["Forecast", "GatedODEClassifier", "GatedODEForecaster", "GatedODERegressor"]
