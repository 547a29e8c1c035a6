"""Files of arrays by name, .npz. They may come from a stranger: sizes are compared before anything is made, nothing is
executed."""

import io
import math
import warnings
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

OBJECTS = "Python objects"
_DENSEST = 1100  # times its own size, the most that a deflated file can hold
_SMALL = 4096  # bytes that need no such check
_LAST_CHARACTER = 0x10FFFF


def npz_bytes(arrays: Mapping[str, Any]) -> bytes:
    """The content of an .npz of these arrays, in which no Python objects may be."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def read_npz(source: Path | BinaryIO) -> dict[str, np.ndarray]:
    """The arrays in an .npz by name, of numbers, truth values, dates and texts.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be read as such, whatever the reason, or holds Python objects, which could be harmful.
    """
    try:
        with zipfile.ZipFile(source) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that Python 2 wrote
            entries = archive.infolist()
            if twice := [name for name, times in Counter(entry.filename for entry in entries).items() if times > 1]:
                raise ValueError(f"{twice[0]} is there twice")
            return {entry.filename.removesuffix(".npy"): _array(archive, entry) for entry in entries}
    except (FileNotFoundError, ValueError):
        raise
    except Exception as error:  # damaged archives and headers raise what their parsers happen to trip over
        raise ValueError(str(error) or type(error).__name__) from error


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    if entry.file_size > max(_SMALL, _DENSEST * entry.compress_size):
        raise ValueError(f"{entry.filename} cannot hold {entry.file_size} bytes")
    content = archive.read(entry)
    file = io.BytesIO(content)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(file)
    if version not in readers:
        raise ValueError(f"{entry.filename} has no plain array")
    shape, by_columns, kind = readers[version](file)
    if kind.hasobject:
        raise ValueError(f"{entry.filename} holds {OBJECTS}")
    count, there = math.prod(shape), len(content) - file.tell()
    if min(shape, default=0) < 0 or kind.itemsize * count != there:
        raise ValueError(f"{entry.filename} holds {there} bytes of {kind.itemsize * count}")
    array = np.frombuffer(content, kind, count, file.tell()) if there else np.empty(count, kind)
    if kind.kind == "U" and there and array.view(kind.str.replace("U", "u")[0] + "u4").max() > _LAST_CHARACTER:
        raise ValueError(f"{entry.filename} holds no text")
    return array.reshape(shape, order="F" if by_columns else "C").copy()
