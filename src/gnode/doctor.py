"""What gnode runs on here, and what of it is slow or wrong: versions, devices, folders, threads.

A check is a function from Facts to the problems that it sees, and a line in CHECKS.
"""

import importlib.util
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import jax

from gnode.data.files import places
from gnode.errors import GnodeError
from gnode.training.platform import check_device
from gnode.workers import cores

COMPILED = "JAX_COMPILATION_CACHE_DIR"
EXTRAS = {"ray": "sweeps on a cluster", "torch": "analyses of PyTorch's modules"}  # what each is for
LARGE = 10e9  # bytes of a folder of compiled programs that deserve a word
_SHOWN = ("JAX_", "XLA_", "OMP_", "OPENBLAS_", "MKL_", "CUDA_VISIBLE", "GNODE_", "RAY_ADDRESS", "XDG_CACHE_HOME")
_OURS = ("JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_")  # which the command itself sets


@dataclass(frozen=True)
class Problem:
    """Something that is slow or wrong.

    Attributes:
        what: in a sentence.
        remedy: what to do, in a sentence.
    """

    what: str
    remedy: str


@dataclass(frozen=True)
class Folder:
    """A folder that gnode writes to or reads from."""

    path: str
    there: bool
    writable: bool
    files: int
    bytes: int


@dataclass(frozen=True)
class Facts:
    """What there is.

    Attributes:
        python, system: versions.
        packages: of gnode and of what it requires; None where it is not installed.
        extras: of what is optional; None where it is not installed.
        devices: that JAX computes on; empty where it finds none.
        no_device: why it finds none.
        cores: that this process may use.
        of_cores: that the machine has.
        compiled: where compiled programs are kept; None where they are not.
        data: where data sets are looked for.
        no_data: why they are not.
        environment: variables that change how gnode runs.
        byte_code: whether Python has compiled code of JAX, which makes imports quick.
        gpu: whether the machine seems to have an NVIDIA GPU.
    """

    python: str
    system: str
    packages: dict[str, str | None]
    extras: dict[str, str | None]
    devices: list[str]
    no_device: str
    cores: int
    of_cores: int
    compiled: Folder | None
    data: list[Folder]
    no_data: str
    environment: dict[str, str]
    byte_code: bool
    gpu: bool


def facts() -> Facts:
    """Look at this machine and this process."""
    devices, no_device = _devices()
    try:
        data, no_data = [_folder(path) for path in places()], ""
    except GnodeError as error:
        data, no_data = [], str(error)
    required = [re.match(r"[\w.-]+", line) for line in requires("gnode") or [] if "extra ==" not in line]
    names = ["gnode", "jax", "jaxlib", *(match.group() for match in required if match)]
    compiled = os.environ.get(COMPILED)
    return Facts(
        python=platform.python_version(),
        system=platform.platform(),
        packages={name: _version(name) for name in dict.fromkeys(names)},
        extras={name: _version(name) for name in EXTRAS},
        devices=devices,
        no_device=no_device,
        cores=cores(),
        of_cores=os.cpu_count() or 1,
        compiled=_folder(Path(compiled)) if compiled else None,
        data=data,
        no_data=no_data,
        environment={key: value for key, value in sorted(os.environ.items()) if key.startswith(_SHOWN)},
        byte_code=_has_byte_code(),
        gpu=Path("/dev/nvidiactl").exists(),
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _devices() -> tuple[list[str], str]:
    """The devices of JAX, and why there are none."""
    try:
        check_device()
    except GnodeError as error:
        return [], str(error)
    return [f"{device.platform} {device.id}: {device.device_kind}" for device in jax.devices()], ""


def _folder(path: Path) -> Folder:
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else []
    nearest = next((place for place in (path, *path.parents) if place.exists()), path)
    writable = nearest.is_dir() and os.access(nearest, os.W_OK)
    return Folder(str(path), path.is_dir(), writable, len(files), sum(file.stat().st_size for file in files))


def _has_byte_code() -> bool:
    file = importlib.util.cache_from_source(jax.__file__)
    return Path(file).exists()


# -- what is slow or wrong --


def _about_packages(seen: Facts) -> Iterator[Problem]:
    for name, there in seen.packages.items():
        if there is None:
            yield Problem(f"{name} is required and not installed.", f"pip install {name}")


def _about_devices(seen: Facts) -> Iterator[Problem]:
    if seen.no_device:
        yield Problem("JAX finds nothing to compute on.", seen.no_device)
    elif seen.gpu and all(device.startswith("cpu") for device in seen.devices):
        yield Problem(
            "There is a GPU, but JAX computes on the CPU.",
            "For sweeps with --on device: unset JAX_PLATFORMS, and pip install -U 'jax[cuda12]'. A single small run is "
            "as quick on the CPU.",
        )


def _about_cores(seen: Facts) -> Iterator[Problem]:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        wanted = seen.environment.get(name, "")
        if wanted.isdecimal() and int(wanted) > seen.cores:
            yield Problem(
                f"{name} asks for {wanted} threads on {seen.cores} cores.", f"Unset it, or set it to {seen.cores}."
            )


def _about_folders(seen: Facts) -> Iterator[Problem]:
    remedy = f"Name a folder that you can write to: export {COMPILED}=DIR."
    if seen.compiled is None:
        yield Problem("Compiled programs are not kept: every start compiles anew, for seconds.", remedy)
    elif not seen.compiled.writable:
        yield Problem(f"Compiled programs cannot be kept in {seen.compiled.path}: every start compiles anew.", remedy)
    elif seen.compiled.bytes > LARGE:
        yield Problem(
            f"The compiled programs in {seen.compiled.path} are {_size(seen.compiled.bytes)}.",
            "They may be removed at any time; what is needed is compiled again.",
        )
    if seen.no_data:
        yield Problem("Data sets cannot be looked for.", seen.no_data)
    if not seen.byte_code:
        yield Problem(
            "Python has no compiled code of JAX, so every start imports it for seconds.",
            f"{sys.executable} -m compileall -q {Path(jax.__file__).parents[1]}",
        )


_SLOW = {  # variables that make everything slow
    "JAX_DISABLE_JIT": "nothing is compiled, and all takes many times as long",
    "JAX_DEBUG_NANS": "every result is looked at, which takes time",
    "JAX_DEBUG_INFS": "every result is looked at, which takes time",
}


def _about_variables(seen: Facts) -> Iterator[Problem]:
    for name, effect in _SLOW.items():
        if seen.environment.get(name, "").lower() not in ("", "0", "false", "off"):
            yield Problem(f"With {name} {effect}.", f"unset {name}")


CHECKS: tuple[Callable[[Facts], Iterator[Problem]], ...] = (
    _about_packages, _about_devices, _about_cores, _about_folders, _about_variables,
)  # fmt: skip


def problems(seen: Facts) -> list[Problem]:
    """What of it is slow or wrong, with what to do."""
    return [problem for check in CHECKS for problem in check(seen)]


# -- for people and for machines --


def as_dict(seen: Facts) -> dict[str, Any]:
    """The facts and the problems as plain data."""
    return {**asdict(seen), "problems": [asdict(problem) for problem in problems(seen)]}


def as_lines(seen: Facts) -> list[str]:
    """The facts, a line each, and the problems below them."""
    asked = {key: value for key, value in seen.environment.items() if not key.startswith(_OURS)}
    rows = [
        ("python", f"{seen.python} on {seen.system}"),
        *((name, there or "not installed") for name, there in seen.packages.items()),
        *((name, there or f"not installed; for {EXTRAS[name]}") for name, there in seen.extras.items()),
        *(("device", device) for device in seen.devices),
        ("cores", f"{seen.cores} of {seen.of_cores}; a command computes on one thread, or as --threads says"),
        ("compiled", "not kept" if seen.compiled is None else _told(seen.compiled)),
        *(("data", _told(folder)) for folder in seen.data),
        *(("variable", f"{name}={value}") for name, value in asked.items()),
    ]
    width = max(len(name) for name, _ in rows)
    found = problems(seen)
    lines = [f"{name:<{width}}  {text}" for name, text in rows]
    told = [line for problem in found for line in (f"! {problem.what}", f"  {problem.remedy}")]
    return [*lines, "", *(told or ["Nothing slow or wrong was found."])]


def _told(folder: Folder) -> str:
    if not folder.there:
        return f"{folder.path} (not there yet)"
    return f"{folder.path} ({folder.files} files, {_size(folder.bytes)}{'' if folder.writable else ', read only'})"


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
