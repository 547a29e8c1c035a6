"""Walker2D: the next frame of a simulated walker, from frames some of which are missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from gnode import data
from gnode.arguments import positive
from gnode.data.walker2d import FRAME, windows
from gnode.series import PARTS, Data, Series, Trials
from gnode.tasks.recorded import RecordedTask


@final
@dataclass(frozen=True, kw_only=True)
class Walker2dTask(RecordedTask):
    """Windows of 64 frames, as they were kept, with their times; the target is the frame that follows each.

    The split, the frames and the windows are the official ones (gnode.data.walker2d). Values are as published, so that
    errors compare with published ones.

    Attributes:
        keep: chance of each frame to be kept; officially 0.9.
    """

    name: ClassVar[str] = "walker2d"
    summary: ClassVar[str] = "predict the next frame of a simulated walker, 17 features, frames missing at random"
    loss: ClassVar[str] = "mse"
    dt: ClassVar[float] = FRAME / 1000
    scale: ClassVar[str] = "none"
    chosen: ClassVar[Mapping[str, Any]] = {
        "state_size": 64, "hidden": (256,), "candidate_activation": "tanh", "readout_hidden": (128,), "tau": 0.002,
        "epochs": 20, "warmup_epochs": 2, "batch_size": 32, "lr": 1e-2, "weight_decay": 0.1,
    }  # fmt: skip

    keep: float = 0.9

    def __post_init__(self) -> None:
        object.__setattr__(self, "keep", positive("keep", self.keep, 1.0))

    @property
    def input_size(self) -> int:
        return 17

    @property
    def output_size(self) -> int:
        return 17

    def data(self, seed: int = 0, trials: tuple[int, int, int] | None = None) -> Data:
        parts = windows(data.load(self.name), self.keep)
        train, validation, test = (self._trials(*parts[part]) for part in PARTS)
        return Data(train, validation, test)

    def _trials(self, frames: np.ndarray, elapsed: np.ndarray, following: np.ndarray) -> Trials:
        return Trials(Series.of(frames, np.cumsum(elapsed, axis=1) * FRAME, unit="ms"), following)
