"""How well a model tells classes apart: accuracy, F1, the confusion matrix, and whether it knows how sure to be."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gnode.examine.answers import Answers

BINS = 15  # of confidence, in the calibration error
_NORMAL = 1.959964  # standard deviations to either side that hold 95 %
_WORST = 5  # pairs of classes that are named


def classification(answers: Answers, names: Sequence[str] = ()) -> dict[str, Any]:
    """Figures of a classifier; every target that counts weighs alike.

    Args:
        answers: whose truth are classes.
        names: of the classes; by default their numbers.

    Returns:
        Plain data: classes (their names); answers (how many); accuracy, and its 95 % interval (see `wilson`);
        most_common (the share of the most common class, which is right if it is always the answer); f1_by_class (None
        for a class that neither occurs nor is answered) and f1, their mean (macro F1); precision_by_class (None where
        it is never the answer) and recall_by_class (None where it never occurs); confusion, rows of counts:
        confusion[i][j] targets of class i were taken for class j; most_confused, up to five [class, taken for, how
        often]; calibration_error, the expected one of Guo et al. (ICML 2017): the mean distance of confidence and
        accuracy over 15 bins of confidence, weighed by what is in them; reliability, of each bin that is not empty
        [mean confidence, accuracy, how many].
    """
    logits, truth = answers.said, answers.truth
    taken, size = logits.argmax(axis=-1), logits.shape[-1]
    confusion = np.zeros((size, size), int)
    np.add.at(confusion, (truth, taken), 1)
    named = list(names) or [str(at) for at in range(size)]
    named += [str(at) for at in range(len(named), size)]
    hits, occurring, answered = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    scores = _shares(2 * hits, occurring + answered)
    bins = _reliability(logits, truth)
    return {
        "classes": named,
        "answers": len(truth),
        "accuracy": float((taken == truth).mean()),
        "accuracy_interval": wilson(taken == truth, answers.trial),
        "most_common": float(occurring.max() / len(truth)),
        "f1": float(np.mean([score for score in scores if score is not None])),
        "f1_by_class": scores,
        "precision_by_class": _shares(hits, answered),
        "recall_by_class": _shares(hits, occurring),
        "calibration_error": float(sum(abs(sure - right) * count for sure, right, count in bins) / len(truth)),
        "reliability": bins,
        "most_confused": _most_confused(confusion, named),
        "confusion": confusion.tolist(),
    }


def wilson(right: np.ndarray, trial: np.ndarray) -> list[float]:
    """The 95 % interval of a share, [low, high], after Wilson (J. Am. Stat. Assoc. 1927).

    Answers of one trial are alike, so they count for as many as would vary as much if they were independent, at most
    for as many as they are (Dean and Pagano, J. Surv. Stat. Methodol. 2015); with one answer a trial, for themselves.

    Args:
        right: (n,) booleans.
        trial: (n,), which trial each is of.
    """
    share, count = float(right.mean()), len(right)
    _, where = np.unique(trial, return_inverse=True)
    variance = np.square(np.bincount(where, right - share)).sum() / count**2
    if variance > 0:
        count = min(count, share * (1 - share) / variance)
    elif share in (0, 1):
        count = where.max() + 1
    z = _NORMAL**2 / count
    middle = (share + z / 2) / (1 + z)
    half = np.sqrt(z * share * (1 - share) + z**2 / 4) / (1 + z)
    return [float(max(middle - half, 0)), float(min(middle + half, 1))]


def _shares(parts: np.ndarray, wholes: np.ndarray) -> list[float | None]:
    """None where there is no whole."""
    return [float(part / whole) if whole else None for part, whole in zip(parts, wholes, strict=True)]


def _reliability(logits: np.ndarray, truth: np.ndarray) -> list[list[float]]:
    """Of each bin of confidence that is not empty, mean confidence, accuracy and how many."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    confidence = shifted.max(axis=-1) / shifted.sum(axis=-1)
    which = np.minimum((confidence * BINS).astype(int), BINS - 1)
    right = logits.argmax(axis=-1) == truth
    return [
        [float(confidence[which == at].mean()), float(right[which == at].mean()), int((which == at).sum())]
        for at in np.unique(which)
    ]


def _most_confused(confusion: np.ndarray, names: list[str]) -> list[list[Any]]:
    wrong = confusion - np.diag(np.diag(confusion))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_WORST]
    pairs = [(*np.unravel_index(at, wrong.shape), int(wrong.flat[at])) for at in order]
    return [[names[one], names[other], often] for one, other, often in pairs if often]
