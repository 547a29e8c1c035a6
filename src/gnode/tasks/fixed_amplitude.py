"""The n-bit flip-flop: each channel remembers the sign of its last pulse."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from gnode.arguments import integer
from gnode.tasks.manifold import Corners
from gnode.tasks.pulses import MOST_BITS, PulseTask, one_at_a_time


@final
@dataclass(frozen=True, kw_only=True)
class FixedAmplitudeTask(PulseTask):
    """Pulses of +1 or -1 in one random channel out of `bits`; +1 is held in every channel before the first.

    Attributes:
        bits: channels, each with a value of its own.
    """

    name: ClassVar[str] = "fixed-amplitude"
    summary: ClassVar[str] = "n-bit flip-flop: remember the sign, +1 or -1, of each channel's last pulse"

    bits: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "bits", integer("bits", self.bits, 1, MOST_BITS))
        super().__post_init__()

    @property
    def manifold(self) -> Corners:
        return Corners(self.bits)

    @property
    def channel_groups(self) -> np.ndarray:
        return one_at_a_time(self.bits)

    @property
    def before(self) -> np.ndarray:
        return np.ones(self.bits)
