"""The n-bit flip-flop of continuous values: each channel remembers the amplitude of its last pulse."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from gnode.arguments import integer
from gnode.tasks.manifold import Box
from gnode.tasks.pulses import MOST_BITS, PulseTask, one_at_a_time


@final
@dataclass(frozen=True, kw_only=True)
class VariableAmplitudeTask(PulseTask):
    """Pulses uniform on [-1, 1] in one random channel out of `bits`; 0 is held in every channel before the first.

    Attributes:
        bits: channels, each with a value of its own.
    """

    name: ClassVar[str] = "variable-amplitude"
    summary: ClassVar[str] = "n continuous values in [-1, 1]: remember the amplitude of each channel's last pulse"

    bits: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "bits", integer("bits", self.bits, 1, MOST_BITS))
        super().__post_init__()

    @property
    def manifold(self) -> Box:
        return Box((1.0,) * self.bits)

    @property
    def channel_groups(self) -> np.ndarray:
        return one_at_a_time(self.bits)

    @property
    def before(self) -> np.ndarray:
        return np.zeros(self.bits)
