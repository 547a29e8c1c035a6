"""Files of series and trials: arrays by name in an .npz, written whole or not at all, and read without pickle."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gnode.errors import InvalidInput, must_have
from gnode.files import path_of, write_atomically
from gnode.files.archive import npz_bytes, read_npz

FORMAT = 1
_UNREADABLE = (OSError, ValueError, TypeError, KeyError, OverflowError)  # of files that are truncated or foreign


def write_arrays(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write arrays by name to an .npz file."""
    write_atomically(path_of(path), npz_bytes({"format": FORMAT, **content}))


def read_arrays(path: str | Path, what: str) -> dict[str, np.ndarray]:
    """The arrays in a file that `write_arrays` wrote.

    Raises:
        InvalidInput: there is no such file, or it is truncated, foreign, or of a newer format.
    """
    path = path_of(path)
    try:
        content = read_npz(path)
        version = int(content.pop("format"))
        content["values"]
    except FileNotFoundError:
        must_have(f"a file of {what}", f"nothing at {path}")
    except _UNREADABLE:
        must_have(f"a whole .npz file of {what} that gnode wrote", f"one that cannot be read as such: {path}")
    if version > FORMAT:
        must_have(f"{what} of format {FORMAT} or older", f"format {version}: {path}", "Update gnode.")
    return content


@contextlib.contextmanager
def named(path: str | Path, what: str) -> Iterator[None]:
    """What the door refuses is said to be in this file."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(f"{path} holds no {what}: {error}") from error
