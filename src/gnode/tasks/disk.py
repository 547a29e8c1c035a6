"""A point of an annulus to be remembered: the values are uniform on 1 < radius < 2."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from gnode.tasks.manifold import Annulus
from gnode.tasks.pulses import PulseTask, all_together


@final
@dataclass(frozen=True, kw_only=True)
class DiskTask(PulseTask):
    name: ClassVar[str] = "disk"
    summary: ClassVar[str] = "remember a point of the annulus 1 < radius < 2: pulses in both channels"

    frequency: float = 6.0

    @property
    def manifold(self) -> Annulus:
        return Annulus(1.0, 2.0)

    @property
    def channel_groups(self) -> np.ndarray:
        return all_together(2)

    @property
    def before(self) -> np.ndarray:
        return np.array([1.5, 0.0])
