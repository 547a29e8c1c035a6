"""What a model answers, beside what is right: what every figure of how well it does is computed from."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from gnode.models import Model
from gnode.series import Trials
from gnode.training.losses import LOSSES, paired
from gnode.training.score import told


class Answers(NamedTuple):
    """The n answers that are asked for.

    Attributes:
        said: (n, classes), logits; or (n, channels), in the units of the targets.
        truth: (n,), classes; or (n, channels).
        trial: (n,), which trial each is of.
    """

    said: np.ndarray
    truth: np.ndarray
    trial: np.ndarray


def answers_of(model: Model, loss: str, trials: Trials) -> Answers:
    """What a model answers wherever trials have a target that counts.

    Args:
        loss: that the model was trained with; it says what outputs stand for. Of means and variances the means are the
            answer.

    Raises:
        Diverged: a flow could not be solved.
    """
    outputs, counts = at_targets(np.asarray(model(trials.series, told(model, trials)), float), trials)
    truth = trials.targets[counts]
    said = outputs[counts] if LOSSES[loss].classes else LOSSES[loss].link(outputs[counts])[:, : truth.shape[1]]
    return Answers(said, truth, np.nonzero(counts)[0])


def at_targets(values: ArrayLike, trials: Trials) -> tuple[np.ndarray, np.ndarray]:
    """Values (trials, time, d), or (trials, d), there where targets are, and which of these count."""
    weights = np.ones(trials.series.shape[:2]) if trials.weights is None else trials.weights
    there, counted = paired(jnp.asarray(values), jnp.asarray(trials.targets), jnp.asarray(weights))
    return np.asarray(there), np.asarray(counted) > 0
