"""Writing files so that a reader never sees half of one."""

import contextlib
import glob
import os
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import filelock

from gnode.errors import GnodeError, must_have

LOCK = ".lock"  # in a directory that one process at a time works on
RESUME = "--resume (in Python resume=True)"  # how a run or sweep is gone on with, in messages


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


def refuse_later_format(stored: Mapping[str, Any], known: int, path: Path) -> None:
    """Raise InvalidInput where a file says under `format` that it is of a later one; what says nothing is of the first.

    A format's number is raised when an older gnode would misread what is written.
    """
    if isinstance(found := stored.get("format", 1), int) and found > known:
        must_have(f"a file of format {known} or older", f"format {found}: {path}", "Update gnode.")


def begin_folder(path: Path, inner: str, files: dict[str, bytes], purpose: str, held: str) -> None:
    """Make a directory with a folder in it and its first files, unless anything lies there already.

    What a process leaves that was killed before it had written the last of these files is nothing. Of two processes
    that begin at once, one is refused.

    Args:
        files: content by name; the last is the one by which it is known what lies there.
        purpose: what it is for, as "for the run".
        held: what lies there already where the last file does, as "a run already".

    Raises:
        InvalidInput: the directory is not empty, or a file.
        GnodeError: it cannot be made.
    """
    *first, marker = files
    if path.is_file():
        must_have(f"an empty or new directory {purpose}", f"the file {path}", "Choose another.")
    if path.is_dir() and not is_new(path, inner, first):
        _refuse(path, purpose, held, (path / marker).is_file())
    try:
        (path / inner).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GnodeError(f"Could not make the directory {path}: {error.strerror}.") from error
    for name in first:
        write_atomically(path / name, files[name])
    try:
        _put(path / marker, files[marker], _link)
    except FileExistsError:
        _refuse(path, purpose, held, True)


def is_new(path: Path, inner: str, first: Iterable[str] = ()) -> bool:
    """Whether a directory holds no more than an attempt to begin it that was killed (see begin_folder), if that."""
    names = {entry.name for entry in path.iterdir() if not entry.name.startswith(".")}
    return names <= {inner, *first} and not (inner in names and any((path / inner).iterdir()))


def _refuse(path: Path, purpose: str, held: str, known: bool) -> NoReturn:
    advice = f"Resume it with {RESUME}, or choose another." if known else "Choose another."
    must_have(f"an empty or new directory {purpose}", f"{path}, which holds {held if known else 'other files'}", advice)


def write_atomically(path: Path, content: bytes) -> None:
    """Put `content` at `path`, whole or not at all; what was there stays until the new content is safe on disk.

    Raises:
        InvalidInput: `path` is a folder.
        GnodeError: the disk is full, or the folder cannot be written.
    """
    if path.is_dir():
        must_have("the path of a file to write", f"the folder {path}")
    _put(path, content, os.replace)


def _put(path: Path, content: bytes, move: Callable[[Path, Path], None]) -> None:
    """Write a temporary file and move it to `path`.

    Raises:
        FileExistsError: as `move` does.
    """
    temporary = temporary_beside(path)
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        move(temporary, path)
    except FileExistsError:
        raise
    except OSError as error:
        raise GnodeError(f"Could not write {path}: {error.strerror}. What was there before is untouched.") from error
    finally:  # nothing is there when it has become `path`; a second Ctrl-C leaves nothing either
        temporary.unlink(missing_ok=True)


def _link(temporary: Path, path: Path) -> None:
    """Move to a place where nothing is; of two that do so at once, one fails."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: almost the same
        if path.exists():
            raise FileExistsError(path) from None
        os.replace(temporary, path)


def temporary_beside(path: Path) -> Path:
    """The name of this process for what is to become `path`. What processes left there that were killed is removed."""
    clear_away(path.parent, path.name)
    return path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.tmp")


def clear_away(folder: Path, name: str = "") -> None:
    """Remove what processes that were killed had begun to write into a folder, under one name or, without it, any."""
    host = f".{socket.gethostname()}."
    for other in folder.glob(f".{glob.escape(name) if name else '*'}{glob.escape(host)}*.tmp"):
        owner = other.name.removesuffix(".tmp").rpartition(".")[2]
        if owner.isdecimal() and int(owner) != os.getpid() and not _runs(int(owner)):
            with contextlib.suppress(OSError):
                shutil.rmtree(other) if other.is_dir() else other.unlink()


def _runs(process: int) -> bool:
    """Whether there is such a process on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True


@contextlib.contextmanager
def alone(folder: Path, work: str) -> Iterator[None]:
    """Nobody else works on a directory meanwhile; what the dead left there goes.

    The lock goes with the process that holds it, however it ends.

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
        clear_away(folder)
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
    temporary = temporary_beside(path)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        os.rename(temporary, path)
    except OSError as error:
        raise GnodeError(f"Could not write {path}: {error.strerror}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
