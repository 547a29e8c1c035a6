"""The protocol of a task whose trials were recorded: they are what they are, and nothing fresh can be drawn."""

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from gnode.series import Data


@dataclass(frozen=True, kw_only=True)
class RecordedTask(abc.ABC):
    """What every task on a data set obeys. Its fields are plain data, as those of gnode.tasks.Task.

    Attributes:
        name: in the registry.
        summary: one line for `gnode list tasks`.
        loss: the loss that it is trained with where the user names none.
        dt: seconds between samples, where none is dropped.
        scale: how models for the task scale inputs and outputs (gnode.models.ModelConfig).
        input_names: what the channels are called; empty for by number.
        chosen: keys of a model and of training that did well on the task (gnode.training.experiment), beyond these.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    loss: ClassVar[str]
    dt: ClassVar[float]
    scale: ClassVar[str]
    input_names: ClassVar[tuple[str, ...]] = ()
    chosen: ClassVar[Mapping[str, Any]]

    @property
    @abc.abstractmethod
    def input_size(self) -> int:
        """D_in, the number of input channels."""

    @property
    @abc.abstractmethod
    def output_size(self) -> int:
        """D_out, the number of output channels, or of classes."""

    @property
    @final
    def model_defaults(self) -> dict[str, Any]:
        """Keys of a model for the task, where the user names none. A step of Euler's rule over a gap of many samples
        would overshoot, so the rule is one that is stable over any."""
        return {"dt": self.dt, "tau": self.dt, "integrator": "exponential-euler", "scale": self.scale}

    @property
    @final
    def training_defaults(self) -> dict[str, Any]:
        """Keys of a model and of training, with which the command and experiment files train a network on the task
        where the user names none. Widths are those of a gnODE; other models take what they read of them."""
        return {**self.model_defaults, **self.chosen}

    @abc.abstractmethod
    def data(self, seed: int = 0, trials: tuple[int, int, int] | None = None) -> Data:
        """The training, validation and test trials.

        Args:
            seed, trials: not read: which trials there are depends on the fields of the task alone, so that runs of
                other seeds are compared on the same ones.

        Raises:
            InvalidInput: the data set is not on this machine, or damaged.
        """
