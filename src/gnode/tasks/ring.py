"""An angle to be remembered: the values lie on a circle of radius 2."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from gnode.tasks.manifold import Ring
from gnode.tasks.pulses import PulseTask, all_together


@final
@dataclass(frozen=True, kw_only=True)
class RingTask(PulseTask):
    name: ClassVar[str] = "ring"
    summary: ClassVar[str] = "remember an angle: pulses in both channels, on the circle of radius 2"

    @property
    def manifold(self) -> Ring:
        return Ring(2.0)

    @property
    def channel_groups(self) -> np.ndarray:
        return all_together(2)

    @property
    def before(self) -> np.ndarray:
        return np.array([2.0, 0.0])
