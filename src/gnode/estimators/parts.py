"""Which series are trained on, and which choose the parameters: a split by series, by class and by group."""

from typing import Any

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold

from gnode.arguments import integer, number
from gnode.errors import must_have

_STREAM = 103  # of random numbers; training has others


def held_out(
    count: int, share: float, seed: int, classes: np.ndarray | None = None, groups: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """Indices to train on and indices that are held out, both sorted.

    Args:
        count: of series.
        share: of them that is held out; at least one is, and of each class at least one stays. 0 for none: then all
            are trained on, and all are what is chosen by.
        classes: (count,), of which each is held out in this share, as far as it has two; None for none.
        groups: (count,), names; a group is held out as a whole. None for none.

    Raises:
        InvalidInput: a share that is none, fewer than two series or groups.
    """
    if not 0 <= number("validation_fraction", share) < 1:
        must_have("a share of the series of at least 0 and below 1 to hold out", share)
    if share == 0:
        return np.arange(count), np.arange(count)
    if count < 2:
        must_have("at least 2 series, of which one is held out to choose by", f"n_samples = {count}")
    random = np.random.default_rng((integer("seed", seed, 0), _STREAM))
    if groups is not None:
        return _by_group(np.asarray(groups), share, int(random.integers(2**31)), classes)
    kinds = np.zeros(count, int) if classes is None else classes
    chosen = []
    for kind in np.unique(kinds):
        members = random.permutation(np.flatnonzero(kinds == kind))
        wanted = int(np.clip(round(share * len(members)), 1, len(members) - 1)) if len(members) > 1 else 0
        chosen.append(members[:wanted])
    out = np.sort(np.concatenate(chosen))
    if not len(out):
        must_have("a class of at least 2 series, of which one is held out to choose by", "one series of each class")
    return np.setdiff1d(np.arange(count), out), out


def _by_group(groups: np.ndarray, share: float, seed: int, classes: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    names = np.unique(groups)
    if len(names) < 2:
        must_have("at least 2 groups, of which one is held out to choose by", f"{len(names)}")
    if classes is None:
        splits = GroupShuffleSplit(1, test_size=share, random_state=seed).split(groups, groups=groups)
    else:
        folds = int(np.clip(round(1 / share), 2, min(len(names), np.bincount(classes).max())))
        splits = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(groups, classes, groups)
    kept, out = next(iter(splits))
    return np.sort(kept), np.sort(out)
