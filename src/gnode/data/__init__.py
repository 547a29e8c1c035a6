"""Real data sets: where they are found, how they are fetched and checked, and their official splits; own tables.

A new set is a file here and a line in SETS. The tasks of the same names (gnode.tasks) make trials of them.
"""

from pathlib import Path
from typing import Any

from gnode.data import character_trajectories, files, speech_commands, walker2d
from gnode.data.files import DataSet, Form, Told
from gnode.data.own import from_file, from_frame, model_defaults
from gnode.errors import look_up

__all__ = [
    "SETS", "DataSet", "Form", "at_hand", "catalogue", "fetch", "from_file", "from_frame", "load", "model_defaults",
    "where",
]  # fmt: skip

SETS: dict[str, DataSet] = {
    "walker2d": walker2d.WALKER2D,
    "character-trajectories": character_trajectories.ALL,
    "character-trajectories-half": character_trajectories.HALF,
    "speech-commands": speech_commands.SPEECH_COMMANDS,
}


def catalogue() -> dict[str, dict[str, Any]]:
    """What there is to know of each set: summary, licence, citation; files, bytes, sha256 and address of the original,
    where sha256 is that of the file or, of several, of what `sha256sum` prints for them; and the folder on this machine
    that holds it, or None."""
    return {name: _described(chosen) for name, chosen in SETS.items()}


def _described(chosen: DataSet) -> dict[str, Any]:
    form, found = chosen.original, files.locate(chosen)
    return {
        "summary": chosen.summary,
        "licence": chosen.licence,
        "citation": chosen.citation,
        "address": form.served,
        "files": len(form.files),
        "bytes": form.size,
        "sha256": form.sha256,
        "folder": None if found is None else str(found[1][0].parent),
    }


def load(name: str) -> Any:
    """The content of a data set, as the module of that set documents it.

    Raises:
        InvalidInput: there is no such set, it is not on this machine, or a file of it is damaged.
    """
    form, paths = files.find(name, look_up("data set", name, SETS))
    return form.read(paths)


def at_hand(name: str) -> bool:
    """Whether files of a data set are on this machine; they are not looked into."""
    return files.locate(look_up("data set", name, SETS)) is not None


def where(name: str) -> list[Path]:
    """The files that `load` reads, checked; it raises what `load` raises."""
    return files.find(name, look_up("data set", name, SETS))[1]


def fetch(name: str, told: Told = lambda line: None) -> list[Path]:
    """Bring a data set onto this machine, unless it is there: whole and checked, or not at all.

    Args:
        name: of the set, in SETS.
        told: is called with a line before anything is fetched.

    Raises:
        InvalidInput: there is no such set, or a file of it is there and damaged.
        GnodeError: no connection, an answer that is not the file, a full disk.
    """
    return files.fetch(name, look_up("data set", name, SETS), told)
