"""What determines a training run beside the model and the task, as plain data."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnode.arguments import integer, number
from gnode.errors import look_up, must_have
from gnode.training.losses import LOSSES, WEIGHINGS
from gnode.training.schedules import SCHEDULES

# A trial whose solve failed: left out of this minibatch, counted as far as it came, or the end of training.
ON_FAILURE = ("skip", "shorten", "stop")

# Keys that came after version 0.1.0. At their default they are left out of files, so that what is hashed stays.
_LATER = {
    "weigh": "samples",
    "on_failure": "skip",
    "input_noise": 0.0,
    "readout_dropout": 0.0,
    "optimiser": "adamw",
    "free_starts": False,
}
METHODS = ("adamw", "levenberg-marquardt")  # keys of gnode.training.optimisers.OPTIMISERS


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of one training run.

    Attributes:
        epochs: passes over the training trials.
        batch_size: trials a minibatch; the last one of an epoch may be smaller.
        lr: learning rate, the peak of the schedule.
        weight_decay: of AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101), multiplied by the learning rate as in
            PyTorch and Optax; it acts on every trained parameter.
        schedule: "constant", "cosine" or "warmup-cosine".
        schedule_epochs: epochs that the schedule spans, where these are not all; beyond them the rate stays at its last
            value. Extending a run sets it.
        warmup_epochs: linear rise of the rate, for warmup-cosine.
        final_fraction: the rate at the end of a cosine, as a fraction of lr.
        clip: largest global norm of the gradient; 0 for no clipping.
        loss: a name in gnode.training.losses.LOSSES; None for the task's own.
        class_weights: how much each class weighs in a loss of classes, a list; "balanced" for weights under which those
            that occur in training trials weigh alike; None for all alike. Accuracy knows no such weights.
        weigh: "samples" (each that counts weighs alike) or "series" (each trial does). Where a trial has one target for
            all of it, trials weigh alike.
        input_noise: deviation of normal noise that training adds to what the field sees of each channel, in the units
            of the scaled values; 0 for none.
        readout_dropout: share of the state that the readout misses in training, another at each sample; 0 for none.
        on_failure: of a trial whose flow could not be solved: "skip" it in this minibatch, "shorten" it to what was
            solved, or "stop".
        train_trials, validation_trials, test_trials: how many trials are drawn of a task, each draw with its own seed.
        curriculum: (from_epoch, bins) pairs; from that epoch on, training trials are cut to their first bins.
            Validation always uses whole trials. Empty: whole trials throughout.
        patience: stop after so many epochs without a lower validation loss; 0 for never.
        optimiser: "adamw", or "levenberg-marquardt" (gnode.training.levenberg): for squared errors of networks of at
            most 4000 parameters under a step rule. An epoch is a step on all trials; batch_size, rate, schedule, decay
            and clip then mean nothing.
        free_starts: of levenberg-marquardt: each training trial has a start of its own, which is fitted too.
        seed: of the draws, the shuffling and the model's weights.
        checkpoint_seconds: at least so many seconds between checkpoints; it does not change the result.
        snapshot_every: keep the current parameters every so many epochs in snapshots/; 0 for never.
    """

    epochs: int = 150
    batch_size: int = 10
    lr: float = 1e-2
    weight_decay: float = 1e-2
    schedule: str = "warmup-cosine"
    schedule_epochs: int | None = None
    warmup_epochs: int = 10
    final_fraction: float = 0.01
    clip: float = 1.0
    loss: str | None = None
    class_weights: tuple[float, ...] | str | None = None
    weigh: str = "samples"
    on_failure: str = "skip"
    input_noise: float = 0.0
    readout_dropout: float = 0.0
    train_trials: int = 500
    validation_trials: int = 100
    test_trials: int = 500
    curriculum: tuple[tuple[int, int], ...] = ()
    patience: int = 0
    seed: int = 0
    checkpoint_seconds: float = 10.0
    snapshot_every: int = 0
    optimiser: str = "adamw"
    free_starts: bool = False

    def __post_init__(self) -> None:
        least = dict.fromkeys(("epochs", "batch_size", "train_trials", "validation_trials", "test_trials"), 1)
        least |= dict.fromkeys(("warmup_epochs", "patience", "seed", "snapshot_every"), 0)
        least |= {} if self.schedule_epochs is None else {"schedule_epochs": 1}
        for name, bound in least.items():
            object.__setattr__(self, name, integer(name, getattr(self, name), bound))
        for name in (
            "lr",
            "weight_decay",
            "final_fraction",
            "clip",
            "checkpoint_seconds",
            "input_noise",
            "readout_dropout",
        ):
            expected = f"a {'positive' if name == 'lr' else 'non-negative'} number"
            value = number(name, getattr(self, name), expected)
            if value < 0 or (name == "lr" and value == 0):
                must_have(f"{name} {expected}", repr(value))
            object.__setattr__(self, name, value)
        if self.readout_dropout >= 1:
            must_have("readout_dropout below 1", self.readout_dropout)
        look_up("schedule", self.schedule, SCHEDULES)
        look_up("optimiser", self.optimiser, dict.fromkeys(METHODS))
        if not isinstance(self.free_starts, bool):
            must_have("free_starts true or false", repr(self.free_starts))
        if self.free_starts and self.optimiser != "levenberg-marquardt":
            must_have("the optimiser levenberg-marquardt for free_starts", self.optimiser)
        look_up("weigh", self.weigh, dict.fromkeys(WEIGHINGS))
        look_up("on_failure", self.on_failure, dict.fromkeys(ON_FAILURE))
        if self.loss is not None:
            look_up("loss", self.loss, LOSSES)
        object.__setattr__(self, "class_weights", _of_classes(self.class_weights))
        object.__setattr__(self, "curriculum", _stages(self.curriculum))

    @property
    def trials(self) -> tuple[int, int, int]:
        """How many training, validation and test trials are drawn of a task."""
        return self.train_trials, self.validation_trials, self.test_trials

    def as_dict(self) -> dict[str, Any]:
        """Plain data from which `Settings(**data)` gives the same; without what is None."""
        data = dataclasses.asdict(self)
        data["curriculum"] = [list(stage) for stage in self.curriculum]
        if isinstance(self.class_weights, tuple):
            data["class_weights"] = list(self.class_weights)
        for name, default in _LATER.items():
            if data[name] == default:
                del data[name]
        return {key: value for key, value in data.items() if value is not None}


def _of_classes(weights: Any) -> tuple[float, ...] | str | None:
    if weights is None or (isinstance(weights, str) and weights == "balanced"):
        return weights
    if isinstance(weights, str) or not np.iterable(weights):
        must_have("class_weights a list of numbers or 'balanced'", repr(weights))
    numbers = tuple(number("class_weights", weight) for weight in weights)
    if not numbers or min(numbers) < 0 or max(numbers) == 0:
        must_have("class_weights of at least 0 and not all of them 0", repr(weights))
    return numbers


def _stages(curriculum: Any) -> tuple[tuple[int, int], ...]:
    try:
        pairs = [(epoch, bins) for epoch, bins in curriculum]
    except (TypeError, ValueError):
        must_have("curriculum a list of (from_epoch, bins) pairs", repr(curriculum))
    stages = tuple(
        (integer("from_epoch of curriculum", epoch, 1), integer("bins of curriculum", bins, 1)) for epoch, bins in pairs
    )
    if stages and (stages[0][0] != 1 or min(bins for _, bins in stages) < 1 or list(stages) != sorted(set(stages))):
        must_have("a curriculum that begins at epoch 1 and goes on in order, with at least 1 bin", repr(curriculum))
    return stages
