"""Real data sets: where they are found, how they are fetched and checked, and their official splits.

A new set is a file here and a line in SETS. The tasks of the same names (gnode.tasks) make trials of them.
"""

from pathlib import Path
from typing import Any

from gnode.data import character_trajectories, files, speech_commands, walker2d
from gnode.data.files import DataSet, Form, Told
from gnode.errors import look_up

__all__ = ["SETS", "DataSet", "Form", "fetch", "load", "where"]

SETS: dict[str, DataSet] = {
    "walker2d": walker2d.WALKER2D,
    "character-trajectories": character_trajectories.ALL,
    "character-trajectories-half": character_trajectories.HALF,
    "speech-commands": speech_commands.SPEECH_COMMANDS,
}


def load(name: str) -> Any:
    """The content of a data set, as the module of that set documents it.

    Raises:
        InvalidInput: there is no such set, it is not on this machine, or a file of it is damaged.
    """
    form, paths = files.find(name, look_up("data set", name, SETS))
    return form.read(paths)


def where(name: str) -> list[Path]:
    """The files that `load` reads, checked; it raises what `load` raises."""
    return files.find(name, look_up("data set", name, SETS))[1]


def fetch(name: str, told: Told = lambda line: None) -> list[Path]:
    """Bring a data set onto this machine, unless it is there: whole and checked, or not at all.

    Args:
        told: is called with a line before anything is fetched.

    Raises:
        InvalidInput: there is no such set, or a file of it is there and damaged.
        GnodeError: no connection, an answer that is not the file, a full disk.
    """
    return files.fetch(name, look_up("data set", name, SETS), told)
