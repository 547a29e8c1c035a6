"""Writing files so that a reader never sees half of one."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from gnode.errors import GnodeError, must_have


def begin_folder(path: Path, inner: str, purpose: str, marker: str, held: str) -> None:
    """Make a directory and a folder in it, unless anything lies there already.

    Args:
        purpose: what it is for, as "for the run".
        marker, held: a file by which it is known what lies there already, and its name, as "a run already".

    Raises:
        InvalidInput: the directory is not empty.
        GnodeError: it cannot be made.
    """
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        known = (path / marker).is_file()
        advice = "Resume it with --resume, or choose another." if known else "Choose another."
        must_have(
            f"an empty or new directory {purpose}", f"{path}, which holds {held if known else 'other files'}", advice
        )
    try:
        (path / inner).mkdir(parents=True)
    except OSError as error:
        raise GnodeError(f"Could not make the directory {path}: {error.strerror}.") from error


def write_atomically(path: Path, content: bytes) -> None:
    """Put `content` at `path`, whole or not at all; what was there stays until the new content is safe on disk.

    Raises:
        GnodeError: the disk is full, or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise GnodeError(f"Could not write {path}: {error.strerror}. What was there before is untouched.") from error


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to write into, which becomes `path` when all went well, and else is gone.

    Raises:
        GnodeError: the disk is full, the folder cannot be written, or `path` is there already.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        os.rename(temporary, path)
    except OSError as error:
        raise GnodeError(f"Could not write {path}: {error.strerror}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
