"""Losses: what an answer costs against a target. A new one is a function here and a line in LOSSES."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from gnode.errors import must_have
from gnode.models.scaling import Scaling
from gnode.series import Trials
from gnode.series.arrays import place

_LEAST = 1e-12  # of what a logarithm is taken


@dataclass(frozen=True)
class Loss:
    """A registered loss.

    Attributes:
        cost: (answers (..., outputs), targets) -> (...), what each answer costs.
        classes: whether targets are classes; else they are numbers.
        targets: how many numbers a target has, from the number of the model's outputs.
        summary: one line for `gnode list losses`.
        least: the least that a target may be.
        link: outputs -> what they say in the units of the targets.
        scaling: from that of the targets to that of the outputs; None where targets are not scaled.
        constant: (targets (K, ...), their weights (K,), number of outputs) -> (outputs,), the answer that costs least
            where it is the same to all; None where nobody knows.
    """

    cost: Callable[[Float[Array, "*batch outputs"], Array], Float[Array, "*batch"]]
    classes: bool
    targets: Callable[[int], float]
    summary: str
    least: float = -np.inf
    link: Callable[[Any], Any] = lambda outputs: outputs
    scaling: Callable[[Scaling], Scaling] | None = None
    constant: Callable[[np.ndarray, np.ndarray, int], np.ndarray] | None = None

    def check(self, name: str, trials: Trials, outputs: int, reading: str) -> None:
        """Raises InvalidInput where a model of so many outputs, read so, cannot be scored on these trials."""
        targets, wanted = trials.targets, trials.series.shape[:2]
        if self.classes:
            shapes = [wanted[:1]] if reading != "each" else [wanted, wanted[:1]]
            if targets.dtype.kind != "i" or targets.shape not in shapes:
                expected = " or ".join(map(str, shapes))
                must_have(
                    f"integer classes of shape {expected} for {name}", f"{targets.dtype} of shape {targets.shape}"
                )
            if targets.min() < 0 or targets.max() >= outputs:
                must_have(f"classes from 0 to {outputs - 1}", f"classes from {targets.min()} to {targets.max()}")
            return
        shape = (*wanted, self.targets(outputs))
        if targets.shape != shape or reading != "each":
            advice = "Classes have the loss cross-entropy." if targets.dtype.kind == "i" else ""
            advice = "Classes are integers." if targets.dtype.kind == "f" and targets.ndim == 1 else advice
            got = f"shape {targets.shape}" if reading == "each" else f"a model that reads the {reading}"
            must_have(f"targets of shape (trials, time, outputs) = {shape} for {name}", got, advice)
        below = (targets < self.least) & trials.counts[..., None]
        if below.any():
            trial, sample, channel = np.argwhere(below)[0]
            got = f"{targets[trial, sample, channel]:g} in {place(trial, sample, channel)}"
            must_have(f"targets of at least {self.least:g} for {name}", got)


def _squared_error(answers: Array, targets: Array) -> Array:
    return jnp.mean((answers - targets) ** 2, axis=-1)


def _cross_entropy(answers: Array, classes: Array) -> Array:
    return -jnp.take_along_axis(jax.nn.log_softmax(answers), classes[..., None], axis=-1)[..., 0]


def _poisson(answers: Array, counts: Array) -> Array:
    return jnp.mean(jnp.exp(answers) - counts * answers, axis=-1)


def _gaussian(answers: Array, targets: Array) -> Array:
    means, log_variances = jnp.split(answers, 2, axis=-1)
    return 0.5 * jnp.mean(log_variances + (targets - means) ** 2 * jnp.exp(-log_variances), axis=-1)


def _of_means_and_log_variances(targets: Scaling) -> Scaling:
    by = np.asarray(targets.scale, float)
    of_variances = Scaling.of(2 * np.log(by), np.ones_like(by))
    return jax.tree.map(lambda *parts: jnp.concatenate(parts), targets, of_variances)


def _mean(targets: np.ndarray, weights: np.ndarray, outputs: int) -> np.ndarray:
    return np.average(targets, axis=0, weights=weights)


def _log_mean(targets: np.ndarray, weights: np.ndarray, outputs: int) -> np.ndarray:
    return np.log(np.maximum(_mean(targets, weights, outputs), _LEAST))


def _log_shares(classes: np.ndarray, weights: np.ndarray, outputs: int) -> np.ndarray:
    shares = np.bincount(classes, weights, minlength=outputs) / weights.sum()
    return np.log(np.maximum(shares, _LEAST))


def _mean_and_log_variance(targets: np.ndarray, weights: np.ndarray, outputs: int) -> np.ndarray:
    mean = _mean(targets, weights, outputs)
    variance = _mean((targets - mean) ** 2, weights, outputs)
    return np.concatenate([mean, np.log(np.maximum(variance, _LEAST))])


LOSSES: dict[str, Loss] = {
    "mse": Loss(
        _squared_error,
        False,
        lambda outputs: outputs,
        "mean squared error",
        scaling=lambda targets: targets,
        constant=_mean,
    ),
    "cross-entropy": Loss(
        _cross_entropy, True, lambda outputs: 1, "of classes, one a sample or one a trial", constant=_log_shares
    ),
    "poisson": Loss(
        _poisson,
        False,
        lambda outputs: outputs,
        "of counts; outputs are logarithms of rates",
        least=0,
        link=np.exp,
        constant=_log_mean,
    ),
    "gaussian": Loss(
        _gaussian,
        False,
        lambda outputs: outputs / 2,
        "outputs are means, then logarithms of variances",
        scaling=_of_means_and_log_variances,
        constant=_mean_and_log_variance,
    ),
    # The name that cross-entropy with one class a trial had in version 0.1.0, in whose files it stands.
    "last-step-cross-entropy": Loss(
        _cross_entropy, True, lambda outputs: 1, "cross-entropy with one class a trial", constant=_log_shares
    ),
}

# What weighs alike: every sample that counts, or every series with one.
WEIGHINGS = ("samples", "series")


class Totals(NamedTuple):
    """Sums over answers, so that means can be joined.

    Attributes:
        cost: what they cost, by weight.
        weight: that it stands for.
        right, counted: of classes, how many are right and out of how many, by weight but not by class; else None.
    """

    cost: Array
    weight: Array
    right: Array | None = None
    counted: Array | None = None


def paired(answers: Array, targets: Array, weights: Array) -> tuple[Array, Array]:
    """The answer that belongs to each target, and its weight.

    Args:
        answers: (trials, time, outputs), or (trials, outputs) of a model that answers once a trial.
        targets: beginning with (trials, time), or one a trial, (trials,): then it is the answer at the last sample that
            counts.
        weights: (trials, time), 0 where a sample does not count, whatever its answer and target are.
    """
    if targets.ndim > 1:
        return answers, weights
    if answers.ndim == 3:
        last = weights.shape[1] - 1 - jnp.argmax(weights[:, ::-1] > 0, axis=1)
        answers = answers[jnp.arange(len(answers)), last]
    return answers, jnp.max(weights, axis=1)


def total(
    loss: str,
    answers: Array,
    targets: Array,
    weights: Array,
    weigh: str,
    class_weights: tuple[float, ...] = (),
    gaps: bool = True,
) -> Totals:
    """What answers cost and, of classes, how many are right.

    Args:
        answers, targets, weights: as for `paired`. With one target a trial every trial weighs alike.
        weigh: out of WEIGHINGS.
        class_weights: how much each class weighs; none for all alike.
        gaps: whether some may not count. Then they are replaced before they cost anything, as 0 times a cost that
            overflows is not 0.
    """
    answers, weights = paired(answers, targets, weights)
    if targets.ndim > 1 and weigh == "series":
        weights = mean_of(weights, jnp.sum(weights, axis=1, keepdims=True))
    if gaps:
        counts = weights > 0
        answers = jnp.where(counts[..., None], answers, 0)
        targets = jnp.where(counts.reshape(counts.shape + (1,) * (targets.ndim - counts.ndim)), targets, 0)
    costs = LOSSES[loss].cost(answers, targets)
    if not LOSSES[loss].classes:
        return Totals(jnp.sum(costs * weights), jnp.sum(weights))
    right, counted = jnp.sum((jnp.argmax(answers, axis=-1) == targets) * weights), jnp.sum(weights)
    if class_weights:
        weights = weights * jnp.asarray(class_weights, weights.dtype)[targets]
    return Totals(jnp.sum(costs * weights), jnp.sum(weights), right, counted)


def mean_of(total: Array, weight: Array) -> Array:
    """A total over its weight; 0 where nothing weighs."""
    return total / jnp.where(weight > 0, weight, 1)


def balanced(trials: Trials, classes: int) -> tuple[float, ...]:
    """Weights of classes under which those that occur in trials weigh alike, 1 on average over what counts.

    A class that never counts has the weight 1.
    """
    counts = trials.counts
    if trials.targets.ndim == 1:
        counts = np.asarray(counts.any(axis=1))
    often = np.bincount(trials.targets[counts], minlength=classes)
    even = often.sum() / np.count_nonzero(often)
    return tuple(float(even / number) if number else 1.0 for number in often)
