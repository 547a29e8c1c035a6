"""Which programs that a directory names are run: those that were trained on here, or that the user has looked at.

Each goes by a SHA-256, remembered in a file of the user's; where that cannot be written, in the environment, which
workers inherit.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from gnode.errors import must_have
from gnode.files import path_of

VARIABLE = "GNODE_TRUST"  # digests, with commas between them


def of_file(code: bytes) -> str:
    """The digest of a file of tasks, which is that of its content."""
    return hashlib.sha256(code).hexdigest()


def of_module(name: str) -> str:
    """The digest of a module, by its name."""
    return hashlib.sha256(f"\0module {name}".encode()).hexdigest()  # no file of Python begins with NUL


def of_folder(path: Path) -> str:
    """The digest of a folder to import from, by where it is."""
    return hashlib.sha256(b"\0folder " + os.fsencode(path)).hexdigest()


def trust(path: str | Path) -> None:
    """Let a program be run that a directory of somebody else's names, for good. Look at it first.

    Args:
        path: of a file of tasks, such as the task.py in a run directory; or of a folder from which such a file, or a
            module, may import.

    Raises:
        InvalidInput: nothing is there.

    Example:
        >>> gnode.tasks.trust("runs/theirs/task.py")
    """
    place = path_of(path)
    if not place.exists():
        must_have("the path of a file of tasks, or of a folder to import from", repr(str(path)))
    remember([of_folder(Path(os.path.abspath(place))) if place.is_dir() else of_file(place.read_bytes())])


def remember(digests: Iterable[str]) -> None:
    """Trust what has these digests from now on."""
    known = trusted()
    fresh = [digest for digest in digests if digest not in known]
    if fresh and not _append(fresh):
        os.environ[VARIABLE] = ",".join([*filter(None, [os.environ.get(VARIABLE)]), *fresh])


def trusted() -> set[str]:
    """The digests that are trusted. Damaged lines of the file are no digests."""
    content, path = b"", store()
    if path is not None:
        with contextlib.suppress(OSError):
            content = path.read_bytes()
    given = [*content.decode("ascii", "replace").split("\n"), *os.environ.get(VARIABLE, "").split(",")]
    return {digest.strip() for digest in given if re.fullmatch(r"\s*[0-9a-f]{64}\s*", digest)}


def store() -> Path | None:
    """The file of trusted digests, one a line; None where there is no home folder."""
    try:
        data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    except RuntimeError:  # as in some containers
        return None
    return data / "gnode" / "trusted-tasks"


def _append(digests: list[str]) -> bool:
    """Add lines to the file in one step, whoever else does; whether they are there."""
    path = store()
    if path is None:
        return False
    lines = "".join(f"{digest}\n" for digest in digests).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.read_bytes().endswith(b"\n"):
            lines = b"\n" + lines  # after a line that was cut off
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            return os.write(file, lines) == len(lines)
        finally:
            os.close(file)
    except OSError:
        return False
