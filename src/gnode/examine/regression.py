"""How well a model says numbers: errors and R2 by channel, in the units of the targets."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gnode.examine.answers import Answers

_RESAMPLES = 1000  # of the trials, for the interval of the error
_SEED = 2023


def regression(answers: Answers, names: Sequence[str] = ()) -> dict[str, Any]:
    """Figures of a regression; every target that counts weighs alike, and so does every channel.

    Args:
        answers: whose truth are numbers.
        names: of the channels; by default their numbers.

    Returns:
        Plain data: channels (their names); answers (how many); rmse, the root of the mean squared error, and its 95 %
        interval over resampled trials (percentiles of Efron's bootstrap; None for one trial); mae, the mean absolute
        error; r2, the mean over channels; rmse_by_channel, mae_by_channel, r2_by_channel, and spread_by_channel, the
        standard deviation of the targets. R2 is 1 - (mean squared error) / (variance of the targets), 0 for whoever
        always says their mean, and None for a channel whose targets are all alike (and where all channels are such).
    """
    errors = answers.said - answers.truth
    squared = np.mean(errors**2, axis=0)
    spread = np.std(answers.truth.astype(float), axis=0)
    varies = np.ptp(answers.truth, axis=0) > 0
    explained = [
        1 - float(error / width**2) if there else None
        for error, width, there in zip(squared, spread, varies, strict=True)
    ]
    known = [share for share in explained if share is not None]
    return {
        "channels": list(names) or [f"channel {at}" for at in range(1, len(spread) + 1)],
        "answers": len(errors),
        "rmse": float(np.sqrt(squared.mean())),
        "rmse_interval": _interval(np.mean(errors**2, axis=1), answers.trial),
        "mae": float(np.abs(errors).mean()),
        "r2": float(np.mean(known)) if known else None,
        "rmse_by_channel": np.sqrt(squared).tolist(),
        "mae_by_channel": np.abs(errors).mean(axis=0).tolist(),
        "r2_by_channel": explained,
        "spread_by_channel": spread.tolist(),
    }


def _interval(squared: np.ndarray, trial: np.ndarray) -> list[float] | None:
    """Of the root of the mean of squared errors (n,), whose trials are drawn anew with replacement."""
    names, where = np.unique(trial, return_inverse=True)
    if len(names) < 2:
        return None
    sums, counts = np.bincount(where, squared), np.bincount(where)
    drawn = np.random.default_rng(_SEED).multinomial(len(names), np.full(len(names), 1 / len(names)), _RESAMPLES)
    return np.quantile(np.sqrt(drawn @ sums / (drawn @ counts)), (0.025, 0.975)).tolist()
