"""Memory tasks: short pulses at random times, each to be held until the next one in its channel."""

import abc
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from gnode.arguments import integer, positive
from gnode.errors import must_have
from gnode.series import Trials
from gnode.series.arrays import as_floats
from gnode.tasks.arguments import Seed, generator
from gnode.tasks.manifold import Manifold
from gnode.tasks.task import Task

MOST_BITS = 62  # numbers of corners stay within 64-bit integers
MOST_PULSES = 10_000  # a trial; far more than bins, and drawing still fits in memory


@dataclass(frozen=True)
class Pulses:
    """Pulses in the order in which they are written.

    Attributes:
        trial: (pulses,), the trial of each.
        start: (pulses,), its first bin, counted from 0.
        value: (pulses, channels), its amplitude in every channel.
        written: (pulses, channels), True where the pulse enters that channel.
    """

    trial: np.ndarray
    start: np.ndarray
    value: np.ndarray
    written: np.ndarray


@dataclass(frozen=True, kw_only=True)
class PulseTask(Task):
    """A memory task: the target is, per channel, the value of the most recent pulse, held.

    A trial has Poisson(frequency) pulses. Each draws its first bin uniformly over the trial and is kept only if it
    fits in (counted from 1: start <= bins - width); it fills width + 1 bins. The protocol is that of the public code of
    Kim, Can and Krishnamurthy (ICML 2023), there with 100 bins of 10 ms.

    Pulses are written in the order in which they are drawn, which is not that of their starts. Where two share a bin of
    the same channel, the one drawn later has it, also when it starts earlier; what is left of the other stands.
    The target follows the input that results. Pulses in different channels leave each other alone.

    A task says which values there are (`manifold`, drawn uniformly), which channels a pulse may enter together
    (`channel_groups`) and what is held at first (`before`).

    Attributes:
        bins: the length of a trial.
        frequency: expected number of pulses in a trial, whatever its length, those that do not fit included.
        width: a pulse fills width + 1 bins.
    """

    loss: ClassVar[str] = "mse"

    bins: int = 100
    frequency: float = 12.0
    width: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "bins", integer("bins", self.bins, 1))
        object.__setattr__(self, "frequency", positive("frequency", self.frequency, MOST_PULSES))
        object.__setattr__(self, "width", integer("width", self.width, 0))
        self._check_pulse_fits(self.bins)

    @property
    @abc.abstractmethod
    def manifold(self) -> Manifold:
        """The values to be remembered; a pulse's value is drawn uniformly from it."""

    @property
    @abc.abstractmethod
    def channel_groups(self) -> np.ndarray:
        """(groups, channels), True for the channels that one pulse writes; each pulse draws its group uniformly."""

    @property
    @abc.abstractmethod
    def before(self) -> np.ndarray:
        """(channels,), the value held before the first pulse."""

    @property
    @final
    def input_size(self) -> int:
        return self.manifold.size

    @property
    @final
    def output_size(self) -> int:
        return self.manifold.size

    @final
    def sample(self, count: int, seed: Seed, bins: int | None = None) -> Trials:
        count = integer("count", count, 1)
        bins = self.bins if bins is None else integer("bins", bins, 1)
        self._check_pulse_fits(bins)
        return write(self._draw(count, bins, generator(seed)), count, bins, self.width, self.before)

    @final
    def recall(self, values: np.ndarray, silence: int) -> Trials:
        """Arguments and errors as for `Task.recall`.

        Groups of channels are written one after the other, with as many silent bins between them as a pulse fills.
        """
        values = as_floats(values, "values").astype(np.float64)
        if values.ndim != 2 or not len(values) or values.shape[1] != self.output_size:
            must_have(f"values of shape (count, {self.output_size})", f"shape {values.shape}")
        if not np.isfinite(values).all():
            must_have("finite values", "NaN or infinity")
        silence = integer("silence", silence, 0)
        filled = self.width + 1
        starts = 1 + 2 * filled * np.arange(len(self.channel_groups))
        written_by = starts[-1] + self.width
        pulses = Pulses(
            trial=np.tile(np.arange(len(values)), len(starts)),
            start=np.repeat(starts, len(values)),
            value=np.tile(values, (len(starts), 1)),
            written=np.repeat(self.channel_groups, len(values), axis=0),
        )
        trials = write(pulses, len(values), int(written_by) + 1 + silence, self.width, self.before)
        mask = np.zeros(trials.inputs.shape[:2], dtype=bool)
        mask[:, written_by:] = True
        return Trials(trials.inputs, trials.targets, mask)

    def _draw(self, count: int, bins: int, random: np.random.Generator) -> Pulses:
        trial = np.repeat(np.arange(count), random.poisson(self.frequency, count))
        start = random.integers(0, bins, len(trial))
        fits = start < bins - self.width
        trial, start = trial[fits], start[fits]
        group = random.integers(0, len(self.channel_groups), len(trial))
        return Pulses(trial, start, self.manifold.draw(len(trial), random), self.channel_groups[group])

    def _check_pulse_fits(self, bins: int) -> None:
        if self.width >= bins:
            must_have(f"a width below the {bins} bins of a trial", self.width, "A pulse fills width + 1 bins.")


def write(pulses: Pulses, count: int, bins: int, width: int, before: np.ndarray) -> Trials:
    """Trials with these pulses as inputs, and as targets the value of the most recent pulse of each channel, held.

    Args:
        pulses: each fits into its trial; those that come later in the arrays win where they overlap.
        count: number of trials.
        bins: length of a trial.
        width: a pulse fills width + 1 bins.
        before: (channels,), the value held before the first pulse.
    """
    channels = len(before)
    # The writer of a bin is the number, from 1, of the last pulse that covers it; 0 where it is silent. Assigning at
    # repeated indices has no guaranteed order in NumPy, a maximum needs none.
    writer = np.zeros((count, bins, channels), dtype=np.int64)
    pulse, channel = np.nonzero(pulses.written)
    covered = pulses.start[pulse, None] + np.arange(width + 1)
    index = (pulses.trial[pulse, None] * bins + covered) * channels + channel[:, None]
    np.maximum.at(writer.reshape(-1), index.reshape(-1), np.repeat(pulse + 1, width + 1))

    last_active_bin = np.maximum.accumulate(np.where(writer > 0, np.arange(bins)[:, None], 0), axis=1)
    most_recent = np.take_along_axis(writer, last_active_bin, axis=1)
    inputs = np.concatenate([np.zeros((1, channels)), pulses.value]).astype(np.float32)
    held = np.concatenate([before[None], pulses.value]).astype(np.float32)
    every_channel = np.arange(channels)
    return Trials(inputs[writer, every_channel], held[most_recent, every_channel])


def all_together(channels: int) -> np.ndarray:
    """Channel groups of a task whose pulses enter every channel at once."""
    return np.ones((1, channels), dtype=bool)


def one_at_a_time(channels: int) -> np.ndarray:
    """Channel groups of a task whose pulses enter one channel each."""
    return np.eye(channels, dtype=bool)
