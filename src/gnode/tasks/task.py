"""The protocol of a task: it draws trials, and it knows the set of things to be remembered."""

import abc
from dataclasses import dataclass
from typing import ClassVar, Protocol, final

import numpy as np

from gnode.errors import must_have
from gnode.series import Data, Trials
from gnode.series.arrays import described
from gnode.tasks.arguments import Seed
from gnode.tasks.manifold import Manifold


class Sampled(Protocol):
    """What draws trials."""

    def sample(self, count: int, seed: Seed) -> Trials:
        """So many trials, a `count` of them; equal seeds give equal trials (seed: an integer, or several)."""
        ...


def draw(task: Sampled, seed: int, trials: tuple[int, int, int]) -> Data:
    """Training, validation and test trials of a task, each set from a stream of random numbers of its own.

    Args:
        task: draws trials.
        seed: the three sets are drawn with (seed, 1), (seed, 2) and (seed, 3).
        trials: how many of each.

    Raises:
        InvalidInput: these are not three numbers, or the task draws something else than it says.
    """
    if not isinstance(trials, tuple | list) or len(trials) != 3:
        must_have("numbers of training, validation and test trials, three of them", repr(trials))
    train, validation, test = (_sampled(task, count, (seed, stream)) for stream, count in enumerate(trials, 1))
    return Data(train, validation, test)


def _sampled(task: Sampled, count: int, seed: Seed) -> Trials:
    """The trials that a task draws, which are what it says."""
    trials, name = task.sample(count, seed=seed), getattr(task, "name", type(task).__name__)
    if not isinstance(trials, Trials):
        must_have(f"Trials (gnode.series.Trials) from the sample of {name}", described(trials))
    if len(trials) != count:
        must_have(f"{count} trials from the sample of {name}, as it was asked for", len(trials))
    if trials.series.channels != getattr(task, "input_size", trials.series.channels):
        must_have(f"inputs of {task.input_size} channels, the input_size of {name}", trials.series.channels)  # type: ignore[attr-defined]
    return trials


@dataclass(frozen=True, kw_only=True)
class Task(abc.ABC):
    """What every task obeys: `input_size`, `output_size` and `sample` are asked for, the rest has a default.

    Its fields are plain data: `gnode.tasks.make(task.name, **asdict(task))` equals the task.

    Attributes:
        name: in the registry; by default that of the class.
        summary: one line for `gnode list tasks`; by default the first of the class's docstring.
        loss: the loss that it is trained with where the user names none; None for mse, or for cross-entropy where
            targets are classes.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    loss: ClassVar[str | None] = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not hasattr(cls, "name"):
            cls.name = cls.__name__
        if not hasattr(cls, "summary"):
            cls.summary = (cls.__doc__ or cls.__name__).strip().splitlines()[0]

    @property
    @abc.abstractmethod
    def input_size(self) -> int:
        """D_in, the number of input channels."""

    @property
    @abc.abstractmethod
    def output_size(self) -> int:
        """D_out, the number of output channels, or of classes."""

    @property
    def manifold(self) -> Manifold | None:
        """The values to be remembered; None where the task is no memory of a value."""
        return None

    @property
    @final
    def remembers(self) -> bool:
        """Whether it can be asked to remember a value: it has a manifold and writes `recall`."""
        return self.manifold is not None and type(self).recall is not Task.recall

    @abc.abstractmethod
    def sample(self, count: int, seed: Seed) -> Trials:
        """Random trials: inputs (count, time, D_in) and targets (count, time, D_out), float32, or classes.

        Args:
            count: number of trials.
            seed: an integer of at least 0 or a sequence of such; equal seeds give equal trials.
        """

    def data(self, seed: int, trials: tuple[int, int, int] = (500, 100, 500)) -> Data:
        """Training, validation and test trials, so many of each."""
        return draw(self, seed, trials)

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
        must_have("a task that remembers a value for recall", self.name, "Use one of the memory tasks, such as ring.")
