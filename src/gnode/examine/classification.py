"""How well a model tells classes apart: accuracy, F1, the confusion matrix, and whether it knows how sure to be."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from gnode.models import Model
from gnode.series import Trials
from gnode.training.losses import paired
from gnode.training.score import told

BINS = 15  # of confidence, in the calibration error
_WORST = 5  # pairs of classes that are named


def classification(model: Model, trials: Trials, names: Sequence[str] = ()) -> dict[str, Any]:
    """Figures of a classifier on trials; every target that counts weighs alike.

    Args:
        model: whose outputs are logits.
        trials: whose targets are classes.
        names: of the classes; by default their numbers.

    Returns:
        Plain data: classes (their names); accuracy; f1_by_class (None for a class that neither occurs nor is answered)
        and f1, their mean (macro F1); confusion, rows of counts: confusion[i][j] targets of class i were taken for
        class j; most_confused, up to five [class, taken for, how often]; calibration_error, the expected one of Guo et
        al. (ICML 2017): the mean distance of confidence and accuracy over 15 bins of confidence, weighed by what is in
        them.

    Raises:
        Diverged: a flow could not be solved.
    """
    answers = model(trials.series, told(model, trials))
    weights = np.ones(trials.series.shape[:2]) if trials.weights is None else trials.weights
    logits, counted = (np.asarray(part) for part in paired(answers, jnp.asarray(trials.targets), jnp.asarray(weights)))
    truth, logits = trials.targets[counted > 0], logits[counted > 0].astype(float)
    taken, size = logits.argmax(axis=-1), logits.shape[-1]
    confusion = np.zeros((size, size), int)
    np.add.at(confusion, (truth, taken), 1)
    named = list(names) or [str(at) for at in range(size)]
    named += [str(at) for at in range(len(named), size)]
    scores = _f1(confusion)
    return {
        "classes": named,
        "accuracy": float((taken == truth).mean()),
        "f1": float(np.nanmean(scores)),
        "f1_by_class": [None if np.isnan(score) else float(score) for score in scores],
        "calibration_error": _calibration_error(logits, truth),
        "most_confused": _most_confused(confusion, named),
        "confusion": confusion.tolist(),
    }


def _f1(confusion: np.ndarray) -> np.ndarray:
    """Of each class, 2 right / (occurring + answered); NaN for a class that is neither."""
    asked = confusion.sum(axis=0) + confusion.sum(axis=1)
    return np.where(asked > 0, 2 * np.diag(confusion) / np.maximum(asked, 1), np.nan)


def _calibration_error(logits: np.ndarray, truth: np.ndarray) -> float:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    confidence = shifted.max(axis=-1) / shifted.sum(axis=-1)
    which = np.minimum((confidence * BINS).astype(int), BINS - 1)
    excess = np.bincount(which, confidence - (logits.argmax(axis=-1) == truth), BINS)  # of each bin, times its size
    return float(np.abs(excess).sum() / len(truth))


def _most_confused(confusion: np.ndarray, names: list[str]) -> list[list[Any]]:
    wrong = confusion - np.diag(np.diag(confusion))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_WORST]
    pairs = [(*np.unravel_index(at, wrong.shape), int(wrong.flat[at])) for at in order]
    return [[names[one], names[other], often] for one, other, often in pairs if often]
