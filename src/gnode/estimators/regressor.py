"""A regressor of series."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import check_array

from gnode.errors import must_have
from gnode.estimators.base import GatedODE
from gnode.estimators.door import counted, one_each, refuse_rounded, weights_of
from gnode.estimators.parts import held_out
from gnode.series import Data, Series, Trials


@dataclass(kw_only=True, eq=False, repr=False)
class GatedODERegressor(RegressorMixin, GatedODE):
    """One number, or several, for each series, read at its last sample.

    After fit: `model_` (a gnode.Model, for gnode.analysis too; its output at an earlier sample is what it would answer
    if the series ended there; of several members the first, and `models_` all), `history_`, `n_features_in_` (the
    number of channels), `n_outputs_`, `has_times_`, `n_static_`.

    Attributes:
        loss: "mse", or "poisson" for counts.
        model, ...: as for every estimator (gnode.estimators.base.GatedODE).

    Example:
        >>> X, y = [[0.0, 0.1], [0.0, 0.2], [0.0, 0.3], [0.0, 0.4]] * 5, [1.0, 2.0, 3.0, 4.0] * 5
        >>> regressor = GatedODERegressor(state_size=8, epochs=100).fit(X, y)
        >>> bool(abs(regressor.predict([[0.0, 0.25]])[0] - 2.5) < 0.5)
        True
    """

    input_noise: float = 0.3
    loss: str = "mse"

    learned: ClassVar[tuple[str, ...]] = (*GatedODE.learned, "n_outputs_", "_flat")

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        times: Any = None,
        static: Any = None,
        sample_weight: Any = None,
        groups: Any = None,
        out: str | Path | None = None,
    ) -> Self:
        """Train on series and a number for each, or several.

        Args:
            X, times, static, sample_weight, groups, out: as for GatedODEClassifier.
            y: (n,) or (n, outputs), finite; a pandas Series labelled by the names of the series is put in their order.

        Raises:
            InvalidInput: something does not fit; nothing has been computed or written.
        """
        if self.loss not in ("mse", "poisson"):
            must_have("the loss mse or poisson", repr(self.loss))
        series = self._series_to_learn(X, times, static)
        numbers = _numbers(series, y)
        weights = weights_of(series, sample_weight)
        series, numbers, weights, groups = counted(series, numbers, weights, groups)
        if numbers.ndim == 2 and numbers.shape[1] == series.longest > 2:
            warnings.warn(
                f"Each of the {numbers.shape[1]} columns of y is taken for an output of the whole series, although "
                "they are as many as its samples. A target at each sample is for gnode.train, with gnode.series.Data.",
                stacklevel=2,
            )
        self._flat = numbers.ndim == 1
        self.n_outputs_ = 1 if self._flat else numbers.shape[1]
        kept, out_of = held_out(len(series), self.validation_fraction, self.seed, groups=groups)
        numbers = numbers.reshape(len(series), self.n_outputs_)
        parts = [_trials(series, numbers, weights, chosen) for chosen in (kept, out_of)]
        data = Data(parts[0], parts[1], parts[1])
        self._train(data, self.n_outputs_, out, of_model={}, of_training={"loss": self.loss})
        return self

    def predict(self, X: Any, *, times: Any = None, static: Any = None) -> np.ndarray:
        """(n,), or (n, outputs) where y had two dimensions; the expected count with the loss poisson; the mean over
        members."""
        return self._said(self._series_to_answer(X, times, static))

    def _said(self, series: Series) -> np.ndarray:
        places = np.arange(len(series)), series.valid.sum(axis=1) - 1
        last = [outputs[places].astype(float) for outputs in self._answers(series)]
        said = np.mean([np.exp(one) if self.loss == "poisson" else one for one in last], axis=0)
        return said[:, 0] if self._flat else said

    def score(self, X: Any, y: Any, *, times: Any = None, static: Any = None, sample_weight: Any = None) -> float:
        """R squared, the mean over outputs. What pandas labels by the names of the series is put in their order."""
        series = self._series_to_answer(X, times, static)
        numbers, weights = one_each(series, y, "a target"), weights_of(series, sample_weight)
        return float(r2_score(numbers, self._said(series), sample_weight=weights))


def _numbers(series: Series, y: Any) -> np.ndarray:
    """Targets (n,) or (n, outputs), finite."""
    if y is None:
        must_have("targets (a regressor requires y to be passed, but the target y is None)", "none")
    numbers = one_each(series, y, "a target")
    if numbers.ndim > 2:
        advice = "A target at each sample is for gnode.train, with gnode.series.Data."
        must_have("targets of shape (n,) or (n, outputs)", f"shape {numbers.shape}", advice)
    if numbers.dtype.kind == "c":
        must_have("targets that are real numbers", f"{numbers.dtype} (Complex data not supported)")
    numbers = check_array(numbers, dtype="numeric", ensure_2d=False, ensure_all_finite=False, input_name="y").astype(
        float
    )
    wrong = ~np.isfinite(numbers.reshape(len(series), -1)).all(axis=1)
    if wrong.any():
        must_have("finite targets", f"NaN or infinity for series {int(wrong.argmax())} (Input y contains NaN)")
    refuse_rounded(numbers.reshape(len(series), -1), "targets")
    return numbers


def _trials(series: Series, numbers: np.ndarray, weights: np.ndarray | None, chosen: np.ndarray) -> Trials:
    """Trials whose target stands at each sample and counts at the last."""
    part = series[chosen]
    trials, time, _ = part.shape
    at_the_end = np.zeros((trials, time))
    at_the_end[np.arange(trials), part.valid.sum(axis=1) - 1] = 1.0 if weights is None else weights[chosen]
    return Trials(part, np.repeat(numbers[chosen, None], time, axis=1), weights=at_the_end)
