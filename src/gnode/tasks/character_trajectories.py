"""Character trajectories: which letter a pen wrote, from samples some of which are missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from gnode import data
from gnode.arguments import integer, number
from gnode.data.character_trajectories import SAMPLE, kept_samples, split
from gnode.errors import must_have
from gnode.series import PARTS, Data, Series, Trials
from gnode.tasks.recorded import RecordedTask


@dataclass(frozen=True, kw_only=True)
class CharacterTask(RecordedTask):
    """One class a series. The protocol is that of Kidger et al. (2020), with random numbers of our own.

    Attributes:
        dropped: the share of samples that are missing, in each series; 0, 0.3, 0.5 and 0.7 are usual.
        split: number of the random split, 70/15/15 within each class, and of the samples that are missing.
    """

    loss: ClassVar[str] = "cross-entropy"
    dt: ClassVar[float] = SAMPLE / 1000
    scale: ClassVar[str] = "standard"
    input_names: ClassVar[tuple[str, ...]] = ("velocity in x", "velocity in y", "change of force")
    chosen: ClassVar[Mapping[str, Any]] = {
        "state_size": 64, "hidden": (128,), "gate_bias": -2.0,
        "epochs": 40, "warmup_epochs": 2, "batch_size": 32, "lr": 1e-2, "weight_decay": 0.1, "input_noise": 0.1,
    }  # fmt: skip

    dropped: float = 0.0
    split: int = 0

    def __post_init__(self) -> None:
        dropped = number("dropped", self.dropped, "a number from 0 to 0.95")
        if not 0 <= dropped <= 0.95:
            must_have("dropped a number from 0 to 0.95", repr(self.dropped))
        object.__setattr__(self, "dropped", dropped)
        object.__setattr__(self, "split", integer("split", self.split, 0))

    @property
    def input_size(self) -> int:
        return 3

    @property
    def output_size(self) -> int:
        return 20

    def data(self, seed: int = 0, trials: tuple[int, int, int] | None = None) -> Data:
        characters = data.load(self.name)
        parts = split(characters.labels, self.split)
        kept = kept_samples([len(series) for series in characters.series], self.dropped, self.split)

        def trials_of(numbers: np.ndarray) -> Trials:
            values = [characters.series[at][kept[at]] for at in numbers]
            times = [kept[at] * SAMPLE for at in numbers]
            return Trials(Series.of(values, times, unit="ms"), characters.labels[numbers])

        train, validation, test = (trials_of(parts[part]) for part in PARTS)
        return Data(train, validation, test, tuple(characters.classes))


@final
@dataclass(frozen=True, kw_only=True)
class AllCharactersTask(CharacterTask):
    name: ClassVar[str] = "character-trajectories"
    summary: ClassVar[str] = "tell 20 letters from the movement of a pen, all 2858 series, samples missing at random"


@final
@dataclass(frozen=True, kw_only=True)
class HalfOfCharactersTask(CharacterTask):
    name: ClassVar[str] = "character-trajectories-half"
    summary: ClassVar[str] = "tell the 20 letters, of the 1429 series that a course published with their labels"
