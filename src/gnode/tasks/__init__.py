"""Tasks: trials that are drawn, with the values to be remembered, or recorded ones. A new one is a file here and a line
in TASKS; one of the user's own is "my_tasks.py:Class", or registered."""

import dataclasses
import inspect
from pathlib import Path
from typing import Any, TypeVar

from gnode.errors import look_up, must_have
from gnode.tasks.character_trajectories import AllCharactersTask, HalfOfCharactersTask
from gnode.tasks.consent import trust
from gnode.tasks.copy import CopyTask
from gnode.tasks.disk import DiskTask
from gnode.tasks.fixed_amplitude import FixedAmplitudeTask
from gnode.tasks.manifold import Manifold
from gnode.tasks.own import (
    Definition,
    check_trusted,
    define,
    imported_from,
    in_own_code,
    is_own,
    loaded_from,
    make_own,
    remember,
)
from gnode.tasks.pulses import PulseTask
from gnode.tasks.recorded import RecordedTask
from gnode.tasks.rectangle import RectangleTask
from gnode.tasks.ring import RingTask
from gnode.tasks.speech_commands import SpeechCommandsTask
from gnode.tasks.square import SquareTask
from gnode.tasks.task import Sampled, Task, draw
from gnode.tasks.variable_amplitude import VariableAmplitudeTask
from gnode.tasks.walker2d import Walker2dTask

__all__ = [
    "TASKS", "Definition", "Manifold", "PulseTask", "RecordedTask", "Sampled", "Task", "check_trusted", "define",
    "definition_of", "draw", "in_own_code", "is_own", "kind_of", "made_of", "make", "register", "remember", "trust",
]  # fmt: skip

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


Kind = TypeVar("Kind", bound=type[Task] | type[RecordedTask])


def make(name: str, /, **options: Any) -> Task | RecordedTask:
    """The task of this name, for example `make("fixed-amplitude", bits=2)`; its class documents the options.

    Args:
        name: in the registry; or "my_tasks.py:DMS", the class DMS in a file of your own (from the working folder), or
            "package.module:DMS".

    Raises:
        InvalidInput: there is no such task or no such option, or an option's value is not what it must be.
    """
    return made_of(kind_of(name), name, options)


def kind_of(name: str, folder: Path = Path()) -> type[Task] | type[RecordedTask]:
    """The class of the task of this name.

    Args:
        folder: where the path of a file of the user's own starts.

    Raises:
        InvalidInput: there is no such task.
    """
    if is_own(name):
        return define(name, folder).load()
    if isinstance(name, str) and name.endswith(".py"):
        must_have("the class of the task beside its file", name, f"As: {name}:MyTask.")
    return look_up("task", name, TASKS)


def made_of(kind: type[Task] | type[RecordedTask], name: str, options: dict[str, Any]) -> Task | RecordedTask:
    """A task of this class (`kind`), which goes by this name, with these options."""
    known = {field.name: field for field in dataclasses.fields(kind) if field.init}
    for option in options:
        look_up(f"{name} option", option, known)
    return make_own(kind, options) if issubclass(kind, Task) else kind(**options)


def definition_of(task: object) -> Definition | None:
    """Where a task is defined, if it is the user's own and can be found again; None of a registered one."""
    kind = type(task)
    if loaded := loaded_from(kind):
        return loaded
    known = not isinstance(task, Task) or kind in TASKS.values()
    return None if known else imported_from(kind)


def register(kind: Kind) -> Kind:
    """Make a task of your own known by its `name` in this process, as a decorator of its class.

    Experiments, sweeps on one's own device and analyses in the same process then know it. A command, or a worker
    process, does not: what it is to find again goes by "my_tasks.py:Class", which needs no registering.

    Raises:
        InvalidInput: it is no such class, or its name is that of a task of gnode's.

    Example:
        >>> @gnode.tasks.register
        ... @dataclass(frozen=True, kw_only=True)
        ... class Match(gnode.tasks.Task):
        ...     name: ClassVar[str] = "match"
    """
    if not (isinstance(kind, type) and issubclass(kind, Task | RecordedTask)):
        must_have("a subclass of gnode.tasks.Task to register", repr(kind))
    if inspect.isabstract(kind):
        must_have("a task with input_size, output_size and sample to register", f"{kind.__name__}, which lacks some")
    theirs = TASKS.get(kind.name)
    if theirs is not None and theirs.__module__.partition(".")[0] == "gnode":
        must_have("a name of its own for the task", f"{kind.name!r}, which is one of gnode's", "Set name in its class.")
    TASKS[kind.name] = kind
    return kind
