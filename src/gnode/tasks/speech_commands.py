"""Speech Commands: which of ten words was said."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from gnode import data
from gnode.arguments import integer
from gnode.data.speech_commands import FRAME, WORDS, split
from gnode.series import PARTS, Data, Trials
from gnode.tasks.recorded import RecordedTask


@final
@dataclass(frozen=True, kw_only=True)
class SpeechCommandsTask(RecordedTask):
    """One class a clip of 161 frames; 4074 of the 34975 clips in the literature, and speakers are not shared.

    Attributes:
        split: number of the random split of speakers, about 70/15/15 % of the clips.
    """

    name: ClassVar[str] = "speech-commands"
    summary: ClassVar[str] = "tell ten spoken words from 20 cepstral coefficients, 4074 of the 34975 clips"
    loss: ClassVar[str] = "cross-entropy"
    dt: ClassVar[float] = FRAME / 1e6
    scale: ClassVar[str] = "standard"
    chosen: ClassVar[Mapping[str, Any]] = {
        "state_size": 64, "hidden": (128,), "gate_bias": -2.0, "epochs": 20, "warmup_epochs": 2, "batch_size": 32,
        "lr": 1e-2, "weight_decay": 0.1,
    }  # fmt: skip

    split: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "split", integer("split", self.split, 0))

    @property
    def input_size(self) -> int:
        return 20

    @property
    def output_size(self) -> int:
        return len(WORDS)

    def data(self, seed: int = 0, trials: tuple[int, int, int] | None = None) -> Data:
        speech = data.load(self.name)
        parts = split(speech.speakers, self.split)
        chosen = (parts[part] for part in PARTS)
        train, validation, test = (Trials(speech.values[some], speech.labels[some]) for some in chosen)
        return Data(train, validation, test, WORDS)
