"""Files of data sets: where they are looked for, how they come from the web, and the proof that they are whole."""

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gnode.errors import GnodeError, must_have
from gnode.files import path_of, temporary_beside

VARIABLE = "GNODE_DATA"
SECONDS = 60  # without an answer, after which fetching is given up

Told = Callable[[str], None]


@dataclass(frozen=True)
class Form:
    """One of the forms in which a data set is to be had: files in the set's folder.

    Attributes:
        files: their names.
        sha256: of the file; of several, of the lines that `sha256sum` prints for them in this order.
        size: bytes, all together.
        read: their paths -> the content of the set.
        address: of the folder on the web that holds them; None for a conversion that is served nowhere.
    """

    files: tuple[str, ...]
    sha256: str
    size: int
    read: Callable[[Sequence[Path]], Any]
    address: str | None = None

    @property
    def served(self) -> str:
        """What is fetched, for the reader."""
        return f"{self.address}{self.files[0] if len(self.files) == 1 else ''}"


@dataclass(frozen=True)
class DataSet:
    """A registered data set.

    Attributes:
        summary: one line for `gnode data list`.
        folder: that holds its files, in each place where data are looked for.
        licence: or "none stated".
        citation: what to cite.
        forms: in the order in which they are looked for; the first with an address is the one that is fetched.
    """

    summary: str
    folder: str
    licence: str
    citation: str
    forms: tuple[Form, ...]

    @property
    def original(self) -> Form:
        """The form that is fetched."""
        return next(form for form in self.forms if form.address)


def places() -> list[Path]:
    """The folders where data are looked for; what is fetched goes into the first."""
    import pooch  # late: most commands need no data

    cache = Path(pooch.os_cache("gnode"))
    homeless = str(cache).startswith("~")  # a folder of that name would be made here
    if not (given := os.environ.get(VARIABLE)):
        if homeless:
            must_have(f"{VARIABLE} the path of a folder, as there is no home folder", "none")
        return [cache]
    if not path_of(given).is_dir():
        must_have(f"{VARIABLE} the path of a folder", repr(given))
    return [path_of(given)] if homeless else [path_of(given), cache]


def find(name: str, chosen: DataSet) -> tuple[Form, list[Path]]:
    """The form of a set that is on this machine, and its files, which are whole.

    Raises:
        InvalidInput: there is none, or a file of it is missing or damaged.
    """
    if (found := locate(chosen)) is None:
        folders = " or ".join(str(place / chosen.folder) for place in places())
        must_have(f"the data set {name} in {folders}", "nothing there", _advice(name, chosen))
    form, paths = found
    missing = [path for path in paths if not path.is_file()]
    if missing:
        got = f"{len(paths) - len(missing)} of them in {paths[0].parent}"
        must_have(f"all {len(paths)} files of {name}", got, f"Remove them, then: gnode data fetch {name}.")
    if (size := sum(path.stat().st_size for path in paths)) != form.size:
        _refuse_damaged(name, form, paths, f"{size:,} bytes instead of {form.size:,}")
    if digest(paths) != form.sha256:
        _refuse_damaged(name, form, paths, "another content (the checksum differs)")
    return form, paths


def locate(chosen: DataSet) -> tuple[Form, list[Path]] | None:
    """The first form of which at least one file is there, unchecked; None where there is nothing."""
    for place in places():
        for form in chosen.forms:
            paths = [place / chosen.folder / file for file in form.files]
            if any(path.is_file() for path in paths):
                return form, paths
    return None


def digest(paths: Sequence[Path]) -> str:
    """SHA-256 of a file; of several, of what `sha256sum` prints for them in their folder."""
    sums = []
    for path in paths:
        with path.open("rb") as file:
            sums.append(hashlib.file_digest(file, "sha256").hexdigest())
    if len(paths) == 1:
        return sums[0]
    listing = "".join(f"{found}  {path.name}\n" for found, path in zip(sums, paths, strict=True))
    return hashlib.sha256(listing.encode()).hexdigest()


def fetch(name: str, chosen: DataSet, told: Told) -> list[Path]:
    """Bring the original files of a set into the first place, unless some form of it is there already."""
    form, home = chosen.original, places()[0] / chosen.folder
    folder = temporary_beside(home / "fetching")
    if locate(chosen) is not None:
        return find(name, chosen)[1]
    count = f"{len(form.files)} files, " if len(form.files) > 1 else ""
    told(f"Fetching {name} ({count}{form.size / 1e6:.0f} MB) from {form.served}")
    try:
        fetched = [folder / file for file in form.files]
        for file, path in zip(form.files, fetched, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            _download(f"{form.address}{path.name}", path, f"{chosen.folder}/{file}")
        if digest(fetched) != form.sha256:
            raise GnodeError(
                f"Must have {name} whole from {form.served}, instead got a partial or changed one (its checksum "
                f"differs). Nothing was kept; try again."
            )
        for entry in list(folder.iterdir()):  # a file, or a folder with all of them: whole or not at all
            os.replace(entry, home / entry.name)
    except OSError as error:
        raise GnodeError(f"Could not write {name} into {home}: {error.strerror or error}. Nothing was kept.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return [home / file for file in form.files]


def _download(address: str, path: Path, file: str) -> None:
    import pooch
    import requests

    try:
        pooch.HTTPDownloader(timeout=SECONDS)(address, str(path), None)
    except requests.RequestException as error:
        response = error.response
        why = (
            "no connection, or it broke off"
            if response is None
            else f"the answer was {response.status_code} {response.reason}"
        )
        raise GnodeError(
            f"Could not fetch {address}: {why}. Bring it here by other means as {file} into a folder that {VARIABLE} "
            "names."
        ) from error


def _refuse_damaged(name: str, form: Form, paths: list[Path], got: str) -> None:
    what = str(paths[0]) if len(paths) == 1 else f"the {len(paths)} files in {paths[0].parent}"
    must_have(f"{what} as published", got, f"Damaged or partial: remove it, then: gnode data fetch {name}.")


def _advice(name: str, chosen: DataSet) -> str:
    form = chosen.original
    return (
        f"Fetch it ({form.size / 1e6:.0f} MB from {form.served}): gnode data fetch {name}. Or set {VARIABLE} to the "
        f"folder that holds {chosen.folder}/."
    )
