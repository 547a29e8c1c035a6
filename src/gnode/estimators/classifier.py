"""A classifier of series."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from gnode.errors import must_have
from gnode.estimators.base import GatedODE
from gnode.estimators.door import counted, one_each, weights_of
from gnode.estimators.parts import held_out
from gnode.series import Data, Series, Trials


@dataclass(kw_only=True, eq=False, repr=False)
class GatedODEClassifier(ClassifierMixin, GatedODE):
    """Which class each series is of.

    After fit: `classes_`; `model_` (a gnode.Model, for gnode.analysis too; of several members the first, and `models_`
    all), `history_` (one record an epoch), `n_features_in_` (the number of channels), `has_times_`, `n_static_`.

    Attributes:
        reading: where the logits are read: their "mean" over the samples, or the "last".
        class_weight: None, "balanced", or a weight for each class by its label (others: 1).
        model, ...: as for every estimator (gnode.estimators.base.GatedODE).

    Example:
        >>> up, down = [[0.0, 0.5, 1.0]] * 8, [[1.0, 0.5, 0.0]] * 8
        >>> classifier = GatedODEClassifier(state_size=8, epochs=30).fit(up + down, ["up"] * 8 + ["down"] * 8)
        >>> classifier.predict([[0.1, 0.4, 0.9]]).tolist()
        ['up']
    """

    input_noise: float = 0.3
    reading: str = "mean"
    class_weight: dict[Any, float] | str | None = None

    learned: ClassVar[tuple[str, ...]] = (*GatedODE.learned, "classes_")

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
        """Train on series and their labels.

        Args:
            X: series, as `gnode.estimators.door.read_series` takes them.
            y: (n,), labels; a pandas Series labelled by the names of the series is put in their order.
            times: of the samples, as `gnode.Series.of` takes them; seconds.
            static: (n, k), static covariates of each series, NaN where missing; a pandas frame labelled by the names of
                the series is put in their order. The model sees them at each sample.
            sample_weight: (n,), how much each series counts; those of weight 0 are left out.
            groups: (n,), names; series of one group are held out together.
            out: a directory for the run.

        Raises:
            InvalidInput: something does not fit; nothing has been computed or written.
        """
        series, labels, weights = self._read_labelled(X, y, times, static, sample_weight)
        series, labels, weights, groups = counted(series, labels, weights, groups)
        self.classes_, classes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            must_have("labels of at least 2 classes", f"one class, {self.classes_[0].item()!r}")
        kept, out_of = held_out(len(series), self.validation_fraction, self.seed, classes, groups)
        absent = np.setdiff1d(classes, classes[kept])
        if len(absent):
            names = ", ".join(repr(label) for label in self.classes_[absent].tolist())
            must_have(
                "each class among the series that are trained on", f"none of {names} there", "Choose other groups."
            )
        parts = [_trials(series, classes, weights, chosen) for chosen in (kept, out_of)]
        data = Data(parts[0], parts[1], parts[1], tuple(map(str, self.classes_)))
        of_model, of_training = {"reading": self.reading}, {"class_weights": self._class_weights()}
        self._train(data, len(self.classes_), out, of_model=of_model, of_training=of_training)
        return self

    def predict(self, X: Any, *, times: Any = None, static: Any = None) -> np.ndarray:
        """The most probable label of each series, (n,)."""
        probable = self.predict_proba(X, times=times, static=static).argmax(axis=1)
        return self.classes_[probable]

    def predict_proba(self, X: Any, *, times: Any = None, static: Any = None) -> np.ndarray:
        """The probability of each class, (n, classes), in the order of `classes_`; the mean over members."""
        return self._probabilities(self._series_to_answer(X, times, static))

    def score(self, X: Any, y: Any, *, times: Any = None, static: Any = None, sample_weight: Any = None) -> float:
        """The share of series whose label is right. A label that fit has not seen is wrong, and warned of.

        What pandas labels by the names of the series is put in their order.
        """
        series = self._series_to_answer(X, times, static)
        answers = self.classes_[self._probabilities(series).argmax(axis=1)]
        labels, weights = read_labels(series, y), weights_of(series, sample_weight)
        unseen = np.setdiff1d(labels, self.classes_)
        if len(unseen):
            warnings.warn(f"Labels that were absent from fit count as wrong: {unseen.tolist()!r}.", stacklevel=2)
        return float(accuracy_score(labels, answers, sample_weight=weights))

    def _probabilities(self, series: Series) -> np.ndarray:
        return np.mean([softmax(one.astype(float), axis=1) for one in self._answers(series)], axis=0)

    def _read_labelled(
        self, X: Any, y: Any, times: Any, static: Any, sample_weight: Any
    ) -> tuple[Series, np.ndarray, np.ndarray | None]:
        """Series, their labels and how much each counts, checked."""
        series = self._series_to_learn(X, times, static)
        if y is None:
            must_have("labels (a classifier requires y to be passed, but the target y is None)", "none")
        return series, read_labels(series, y), weights_of(series, sample_weight)

    def _class_weights(self) -> list[float] | str | None:
        """As training takes them: in the order of the classes."""
        if not isinstance(self.class_weight, dict):
            return self.class_weight
        known = self.classes_.tolist()
        unknown = [label for label in self.class_weight if label not in known]
        if unknown:
            must_have(f"class_weight of labels in y ({', '.join(map(repr, known))})", f"one of {unknown[0]!r}")
        return [float(self.class_weight.get(label, 1.0)) for label in known]


def read_labels(series: Series, y: Any) -> np.ndarray:
    """Labels (n,), all of them there and of one kind, as a saved estimator keeps them: texts, numbers or truths."""
    listed = np.array(y, dtype=object) if isinstance(y, (list, tuple)) else y  # or NumPy would make texts of [1, "a"]
    labels = column_or_1d(one_each(series, listed, "a label"), warn=True)
    if pd.isna(labels).any():
        must_have("labels that are all there", "None or NaN (Input y contains NaN)")
    if labels.dtype.kind == "O":
        texts = [isinstance(label, str) for label in labels]
        if any(texts) and not all(texts):
            got = f"{labels[texts.index(True)]!r} and {labels[texts.index(False)]!r}"
            must_have("labels of one kind, texts or numbers", got)
        labels = labels if any(texts) and listed is y else np.array(labels.tolist())
    if labels.dtype.kind not in "biufUO":
        must_have(
            "labels that are texts, numbers or truths", f"an array of type {labels.dtype}", "Texts: y.astype(str)."
        )
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        must_have("labels that are all there", "Input y contains NaN or infinity")
    check_classification_targets(labels)
    return labels


def _trials(series: Series, classes: np.ndarray, weights: np.ndarray | None, chosen: np.ndarray) -> Trials:
    part = series[chosen]
    factors = None if weights is None else np.broadcast_to(weights[chosen, None], part.shape[:2])
    return Trials(part, classes[chosen], weights=factors)
