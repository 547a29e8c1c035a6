"""Tasks: trials that are drawn, with the values to be remembered, or recorded ones. A new one is a file here and a line
in TASKS."""

import dataclasses
from typing import Any

from gnode.errors import look_up
from gnode.tasks.character_trajectories import AllCharactersTask, HalfOfCharactersTask
from gnode.tasks.copy import CopyTask
from gnode.tasks.disk import DiskTask
from gnode.tasks.fixed_amplitude import FixedAmplitudeTask
from gnode.tasks.manifold import Manifold
from gnode.tasks.pulses import PulseTask
from gnode.tasks.recorded import RecordedTask
from gnode.tasks.rectangle import RectangleTask
from gnode.tasks.ring import RingTask
from gnode.tasks.speech_commands import SpeechCommandsTask
from gnode.tasks.square import SquareTask
from gnode.tasks.task import Sampled, Task, draw
from gnode.tasks.variable_amplitude import VariableAmplitudeTask
from gnode.tasks.walker2d import Walker2dTask

__all__ = ["TASKS", "Manifold", "PulseTask", "RecordedTask", "Sampled", "Task", "draw", "make"]

TASKS: dict[str, type[Task] | type[RecordedTask]] = {
    "ring": RingTask,
    "disk": DiskTask,
    "square": SquareTask,
    "rectangle": RectangleTask,
    "fixed-amplitude": FixedAmplitudeTask,
    "variable-amplitude": VariableAmplitudeTask,
    "copy": CopyTask,
    "walker2d": Walker2dTask,
    "character-trajectories": AllCharactersTask,
    "character-trajectories-half": HalfOfCharactersTask,
    "speech-commands": SpeechCommandsTask,
}


def make(name: str, /, **options: Any) -> Task | RecordedTask:
    """The task of this name, for example `make("fixed-amplitude", bits=2)`; its class documents the options.

    Raises:
        InvalidInput: there is no such task or no such option, or an option's value is not what it must be.
    """
    kind = look_up("task", name, TASKS)
    known = {field.name: field for field in dataclasses.fields(kind)}
    for option in options:
        look_up(f"{name} option", option, known)
    return kind(**options)
