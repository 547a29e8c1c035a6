"""Whether training learned anything: its loss beside that of an answer that is always the same."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from gnode.models import Model
from gnode.series import Data
from gnode.training.losses import LOSSES, total
from gnode.training.score import Objective, targets_and_weights
from gnode.training.settings import Settings

_FLAT = 0.95  # of the loss of a constant: above it nothing was learned
_NEAR = 10  # by what factor a rate is not far from the usual one
_ENOUGH = 10  # epochs, before which nothing is said
_compiled_total = eqx.filter_jit(total)


def no_better_than_a_constant(model: Model, objective: Objective, data: Data, settings: Settings, best: float) -> str:
    """What the user should know of a network that answers no better than a constant does; "" of a better one.

    Args:
        best: the lowest validation loss.
    """
    if settings.epochs < _ENOUGH or LOSSES[objective.loss].constant is None:
        return ""
    constant = constant_loss(model, objective, data)
    if not constant > 0 or best <= _FLAT * constant:
        return ""
    tries = [another_rate(settings.lr)] * (settings.optimiser == "adamw")
    tries += ["scale = 'standard', where inputs are not of size 1"] * (model.config.scale == "none")
    tries += ["gate_bias = -2, where what decides lies far back"] * (model.config.model == "gnode")
    return (
        f"The validation loss came to {best:.3g}, and the best answer that is always the same has {constant:.3g}: "
        f"nothing was learned of the inputs. Try {'; '.join(tries) or 'another network'}; more in "
        "docs/how-to/make-it-train.md."
    )


def another_rate(lr: float) -> str:
    """In which direction to look for a learning rate that learns."""
    usual = Settings.lr
    if usual / _NEAR < lr < usual * _NEAR:
        return f"a larger or a smaller lr (now {lr:g})"
    return f"a {'larger' if lr < usual else 'smaller'} lr, such as {usual:g} (now {lr:g})"


def constant_loss(model: Model, objective: Objective, data: Data) -> float:
    """The loss on validation trials of the answer that is always the same and costs least on training trials."""
    train, validation = (targets_and_weights(model, part, objective.in_units) for part in (data.train, data.validation))
    best = LOSSES[objective.loss].constant
    assert best is not None
    answer = best(*_counted(*train, objective.class_weights), model.config.output_size)
    targets, weights = map(jnp.asarray, validation)
    answers = jnp.broadcast_to(jnp.asarray(answer, jnp.float32), (*targets.shape[:2], model.config.output_size))
    sums = _compiled_total(objective.loss, answers, targets, weights, objective.weigh, objective.class_weights)
    return float(sums.cost / sums.weight)


def _counted(
    targets: np.ndarray, weights: np.ndarray, class_weights: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """The targets that count, one behind the other, and how much they do."""
    weights = weights.astype(float)
    if targets.ndim == 1:
        weights = weights.max(axis=1)
    there = weights > 0
    targets, weights = targets[there], weights[there]
    return targets, weights * np.asarray(class_weights)[targets] if class_weights else weights
