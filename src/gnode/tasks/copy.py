"""A random pattern to be reproduced when the go channel says so."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from gnode.arguments import integer
from gnode.series import Trials
from gnode.tasks.arguments import Seed, generator
from gnode.tasks.pulses import MOST_BITS
from gnode.tasks.task import Task


@final
@dataclass(frozen=True, kw_only=True)
class CopyTask(Task):
    """Random bits, 0 or 1, for the first half of the trial; in the second half the go channel is 1 and they are wanted.

    The targets are 0 in the first half and the bits in their order in the second. Where the number of bins is odd, the
    one in the middle is silent and its target is 0. After the public code of Kim, Can and Krishnamurthy (ICML 2023).

    Attributes:
        bins: the length of a trial.
        bits: random channels; the go channel is the input after them.
    """

    name: ClassVar[str] = "copy"
    summary: ClassVar[str] = "reproduce a random pattern of n bits after half of the trial"
    loss: ClassVar[str] = "mse"

    bins: int = 100
    bits: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "bits", integer("bits", self.bits, 1, MOST_BITS))
        object.__setattr__(self, "bins", integer("bins", self.bins, 2))

    @property
    def input_size(self) -> int:
        return self.bits + 1

    @property
    def output_size(self) -> int:
        return self.bits

    def sample(self, count: int, seed: Seed, bins: int | None = None) -> Trials:
        count = integer("count", count, 1)
        bins = self.bins if bins is None else integer("bins", bins, 2)
        half = bins // 2
        pattern = generator(seed).integers(0, 2, (count, half, self.bits))
        inputs = np.zeros((count, bins, self.input_size), dtype=np.float32)
        targets = np.zeros((count, bins, self.output_size), dtype=np.float32)
        inputs[:, :half, :-1] = pattern
        inputs[:, -half:, -1] = 1.0
        targets[:, -half:] = pattern
        return Trials(inputs, targets)
