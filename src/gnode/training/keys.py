"""Every key of an experiment file, with what it means: read from the docstrings of what the keys configure."""

import dataclasses
import inspect
import json
import re
from typing import Any

from gnode.integrate.flow import Flow
from gnode.models import ModelConfig
from gnode.tasks import TASKS
from gnode.training.settings import Settings

FROM_THE_TASK = ("input_size", "output_size")  # sizes that no file needs to name
_ENTRY = re.compile(r"^ {4}(\w+(?:, \w+)*): (.*)$")
_FURTHER = re.compile(r"^ {8}(\S.*)$")


@dataclasses.dataclass(frozen=True)
class Key:
    """A key.

    Attributes:
        section: the table that holds it: "task", "model" or "training".
        default: its value where none is given; dataclasses.MISSING where the task or the model decides.
        meaning: in words.
    """

    section: str
    default: Any
    meaning: str

    @property
    def in_short(self) -> str:
        """Its table and its default."""
        return f"[{self.section}]" + ("" if self.default is dataclasses.MISSING else f" default {self.default!r}")

    @property
    def explained(self) -> str:
        """Its meaning and, as a file would have it, its default."""
        if self.default is None or self.default is dataclasses.MISSING:
            return self.meaning
        return f"{self.meaning} Default: {json.dumps(self.default)}."


def keys() -> dict[str, Key]:
    """The keys of models and of training."""
    entries = {}
    for section, kind in (("model", ModelConfig), ("training", Settings)):
        explained = meanings(kind) | meanings(Flow)  # whose options a model's configuration repeats
        for item in dataclasses.fields(kind):
            if item.name not in FROM_THE_TASK:
                entries[item.name] = Key(section, item.default, explained.get(item.name, ""))
    return entries


def keys_of_tasks() -> dict[str, Key]:
    """The keys of the tasks that gnode brings; of those that few have, which these are."""
    entries: dict[str, Key] = {}
    owners: dict[str, list[str]] = {}
    for name, kind in TASKS.items():
        explained: dict[str, str] = {}
        for parent in reversed(kind.__mro__):
            explained |= meanings(parent)
        for item in dataclasses.fields(kind):
            if item.init:
                owners.setdefault(item.name, []).append(name)
                entries.setdefault(item.name, Key("task", item.default, explained.get(item.name, "")))
    return {
        name: dataclasses.replace(key, meaning=f"of {', '.join(owners[name])}: {key.meaning}")
        for name, key in entries.items()
    }


def meanings(kind: type) -> dict[str, str]:
    """What a class says of each attribute in the section "Attributes" of its own docstring, its lines joined."""
    lines = inspect.cleandoc(kind.__dict__.get("__doc__") or "").splitlines()
    found: dict[str, str] = {}
    names: list[str] = []
    for line in lines[lines.index("Attributes:") + 1 :] if "Attributes:" in lines else []:
        if entry := _ENTRY.match(line):
            names = entry[1].split(", ")
            found |= dict.fromkeys(names, entry[2])
        elif further := _FURTHER.match(line):
            found |= {name: f"{found[name]} {further[1]}" for name in names}
        elif line:
            break
    return found
