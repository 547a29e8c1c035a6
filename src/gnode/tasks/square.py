"""Two continuous values to be remembered, each written on its own: variable amplitude with two bits."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from gnode.tasks.manifold import Box
from gnode.tasks.pulses import PulseTask, one_at_a_time


@final
@dataclass(frozen=True, kw_only=True)
class SquareTask(PulseTask):
    name: ClassVar[str] = "square"
    summary: ClassVar[str] = "remember two values in [-1, 1]: pulses in one random channel"

    @property
    def manifold(self) -> Box:
        return Box((1.0, 1.0))

    @property
    def channel_groups(self) -> np.ndarray:
        return one_at_a_time(2)

    @property
    def before(self) -> np.ndarray:
        return np.zeros(2)
