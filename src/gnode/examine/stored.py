"""What `gnode analyse` leaves in a run directory: analysis.json (names and numbers) and analysis.npz (arrays)."""

import dataclasses
import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from gnode.analysis import FixedPoints, Memory, Nullclines, SlowPoints
from gnode.errors import GnodeError, InvalidInput
from gnode.files import refuse_later_format, write_atomically
from gnode.files.archive import read_npz
from gnode.files.plain import as_json, spelled_out

NUMBERS, ARRAYS, MODEL = "analysis.json", "analysis.npz", "model.safetensors"
FORMAT = 1  # of both files
Result = TypeVar("Result")


@dataclass(frozen=True)
class Stored:
    """What was read back.

    Attributes:
        numbers: analysis.json. What is not finite stands there as "inf" or "nan".
        arrays: analysis.npz, by names such as "fixed_points/points".
    """

    numbers: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @property
    def fixed_points(self) -> FixedPoints:
        return self._rebuilt(FixedPoints, "fixed_points")

    @property
    def slow_points(self) -> SlowPoints:
        return self._rebuilt(SlowPoints, "slow_points")

    @property
    def memory(self) -> Memory | None:
        """None where the task remembers no values, or an earlier version analysed."""
        if "memory" not in self.numbers:
            return None
        low, high = map(float, self.numbers["memory"]["half_life_interval"])
        return self._rebuilt(Memory, "memory", half_life_interval=(low, high))

    def nullclines(self, of: str) -> Nullclines | None:
        """Of the flow, the candidate or the gate; None where N is not 2."""
        if f"{of}/nullclines" not in self.numbers:
            return None
        counts = self.numbers[f"{of}/nullclines"]
        first, second = (
            [self.arrays[f"{of}/nullclines/{unit}/{number}"] for number in range(count)]
            for unit, count in enumerate(counts)
        )
        return Nullclines((first, second))

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def _rebuilt(self, kind: type[Result], name: str, **known: Any) -> Result:
        unknown = ("inf", "-inf", "nan")
        numbers = {key: float(value) if value in unknown else value for key, value in self.numbers[name].items()}
        numbers["checks"] = tuple(self.numbers[name].get("checks", ()))
        prefix = f"{name}/"
        arrays = {key.removeprefix(prefix): array for key, array in self.arrays.items() if key.startswith(prefix)}
        return kind(**{**numbers, **arrays, **known})


def write_stored(folder: Path, numbers: dict[str, Any], arrays: dict[str, np.ndarray]) -> Path:
    """Write both files; the numbers last, so that they never speak of arrays that are not there.

    Returns:
        the path of analysis.json.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_atomically(folder / ARRAYS, buffer.getvalue())
    marked = {**numbers, "model_sha256": _digest(folder / MODEL), "arrays_sha256": _digest(folder / ARRAYS)}
    write_atomically(folder / NUMBERS, (as_json(spelled_out(marked), indent=2) + "\n").encode())
    return folder / NUMBERS


def read_stored(folder: Path) -> Stored | None:
    """The stored analysis; None where there is none, or where the model or the arrays have changed since.

    Raises:
        InvalidInput: a file is damaged.
    """
    if not ((folder / NUMBERS).is_file() and (folder / ARRAYS).is_file()):
        return None
    try:
        numbers = json.loads((folder / NUMBERS).read_text())
        refuse_later_format(numbers, FORMAT, folder / NUMBERS)
        if numbers["model_sha256"] != _digest(folder / MODEL) or numbers["arrays_sha256"] != _digest(folder / ARRAYS):
            return None
        return Stored(numbers, read_npz(folder / ARRAYS))
    except GnodeError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        raise InvalidInput(
            f"Must have a readable analysis in {folder}, instead got a damaged one ({error}). Run gnode analyse again."
        ) from error


def split(name: str, result: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A result of gnode.analysis as numbers and names, and as arrays called name/attribute."""
    fields = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    arrays = {f"{name}/{key}": value for key, value in fields.items() if isinstance(value, np.ndarray)}
    numbers = {key: value for key, value in fields.items() if _is_plain(value)}
    return numbers, arrays


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    return value is None or isinstance(value, (str, bool, int, float, np.integer, np.floating))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def evidence_of(numbers: dict[str, Any]) -> dict[str, str]:
    """What each analysis in analysis.json rests on, in words, by the name of the analysis."""
    found = {}
    for name, results in numbers.items():
        for where, result in _results(results):
            if result.get("evidence"):
                found[f"{name.replace('_', ' ')}{where}"] = str(result["evidence"])
    return found


def checks_of(numbers: dict[str, Any]) -> list[str]:
    """What the analyses found out about the functions that they were given, each sentence once."""
    every = [
        line for results in numbers.values() for _, result in _results(results) for line in result.get("checks", ())
    ]
    return list(dict.fromkeys(every))


def _results(part: Any) -> list[tuple[str, dict[str, Any]]]:
    """The results in a part of analysis.json, and which of several each is."""
    if isinstance(part, list):
        return [
            (f", {one['silence']} silent bins" if "silence" in one else "", one)
            for one in part
            if isinstance(one, dict)
        ]
    if not isinstance(part, dict):
        return []
    if "evidence" in part or "checks" in part:
        return [("", part)]
    return [(f" of the {kind}", one) for kind, one in part.items() if isinstance(one, dict)]
