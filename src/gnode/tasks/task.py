"""The protocol of a task: it draws trials, and it knows the set of things to be remembered."""

import abc
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from gnode.errors import must_have
from gnode.series import Data, Trials
from gnode.tasks.arguments import Seed
from gnode.tasks.manifold import Manifold


class Sampled(Protocol):
    """What draws trials."""

    def sample(self, count: int, seed: Seed) -> Trials: ...


def draw(task: Sampled, seed: int, trials: tuple[int, int, int]) -> Data:
    """Training, validation and test trials, each set from a stream of random numbers of its own (1, 2 and 3)."""
    if not isinstance(trials, tuple | list) or len(trials) != 3:
        must_have("numbers of training, validation and test trials, three of them", repr(trials))
    train, validation, test = (task.sample(count, seed=(seed, stream)) for stream, count in enumerate(trials, 1))
    return Data(train, validation, test)


@dataclass(frozen=True, kw_only=True)
class Task(abc.ABC):
    """What every task obeys. Its fields are plain data: `gnode.tasks.make(task.name, **asdict(task))` equals the task.

    Attributes:
        name: in the registry.
        summary: one line for `gnode list tasks`.
        loss: the loss that it is trained with where the user names none.
        bins: the length of a trial.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    loss: ClassVar[str] = "mse"

    bins: int = 100

    @property
    @abc.abstractmethod
    def input_size(self) -> int:
        """D_in, the number of input channels."""

    @property
    @abc.abstractmethod
    def output_size(self) -> int:
        """D_out, the number of output channels."""

    @property
    @abc.abstractmethod
    def manifold(self) -> Manifold | None:
        """The values to be remembered; None where the task is no memory of a value."""

    @abc.abstractmethod
    def sample(self, count: int, seed: Seed, bins: int | None = None) -> Trials:
        """Random trials: inputs (count, bins, D_in) and targets (count, bins, D_out), float32.

        Args:
            count: number of trials.
            seed: an integer of at least 0 or a sequence of such; equal seeds give equal trials.
            bins: another length than the task's own.
        """

    def data(self, seed: int, trials: tuple[int, int, int] = (500, 100, 500)) -> Data:
        """Training, validation and test trials, so many of each."""
        return draw(self, seed, trials)

    @abc.abstractmethod
    def recall(self, values: np.ndarray, silence: int) -> Trials:
        """Trials that each write one given value with the task's own pulses and are then silent.

        Args:
            values: (count, D_out), what is to be remembered.
            silence: number of silent bins after the last bin of the last pulse.

        Returns:
            Trials whose last `silence` bins have no input and whose first bin has none either, since models may map the
            first input to their initial state. The mask is True from the last bin of the last pulse on, so bin s of the
            part that counts comes after s silent bins; there the targets hold the value.

        Raises:
            InvalidInput: the task cannot do it, or the values do not fit it.
        """
