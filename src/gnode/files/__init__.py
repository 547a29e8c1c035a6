"""Writing files so that a reader never sees half of one."""

import contextlib
import os
import shutil
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import filelock

from gnode.errors import GnodeError, must_have

LOCK = ".lock"  # in a directory that one process at a time works on


def path_of(given: object) -> Path:
    """A path as a user gives it, with the home folder in the place of ~, which no shell may have put there.

    Raises:
        InvalidInput: it is none.
    """
    if not isinstance(given, str | os.PathLike) or "\0" in str(given):
        must_have("a path", repr(given))
    try:
        return Path(given).expanduser()
    except RuntimeError:
        must_have("a path whose home folder is known", repr(str(given)), "Write it out, or put ./ before the ~.")


def begin_folder(path: Path, inner: str, purpose: str, marker: str, held: str) -> None:
    """Make a directory and a folder in it, unless anything lies there already.

    Args:
        purpose: what it is for, as "for the run".
        marker, held: a file by which it is known what lies there already, and its name, as "a run already".

    Raises:
        InvalidInput: the directory is not empty, or a file.
        GnodeError: it cannot be made.
    """
    if path.is_file():
        must_have(f"an empty or new directory {purpose}", f"the file {path}", "Choose another.")
    if path.is_dir() and any(path.iterdir()):
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
        InvalidInput: `path` is a folder.
        GnodeError: the disk is full, or the folder cannot be written.
    """
    if path.is_dir():
        must_have("the path of a file to write", f"the folder {path}")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise GnodeError(f"Could not write {path}: {error.strerror}. What was there before is untouched.") from error
    finally:  # nothing is there when it has become `path`; a second Ctrl-C leaves nothing either
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def alone(folder: Path, work: str) -> Iterator[None]:
    """Nobody else works on a directory meanwhile. The lock goes with the process that holds it, however it ends.

    Args:
        work: what is done there, as "a gnode sweep".

    Raises:
        InvalidInput: another process is at work there; who is said.
    """
    path = folder / LOCK
    lock = filelock.FileLock(path, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        must_have(f"nobody else at work on {folder}", f"{work} that runs there ({_holder(path)})")
    try:
        path.write_text(f"process {os.getpid()} on {socket.gethostname()}, since {datetime.now():%Y-%m-%d %H:%M}")
        yield
    finally:
        with contextlib.suppress(OSError):
            path.write_text("")
        lock.release()


def _holder(lock: Path) -> str:
    """What the process that holds a lock says of itself."""
    try:
        return lock.read_text() or "another process"
    except (OSError, UnicodeDecodeError):
        return "another process"


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
