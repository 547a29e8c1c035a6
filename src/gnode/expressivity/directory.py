"""The expressivity directory: the plan, a file a cell while it runs, and the tables at the end.

plan.toml determines everything; cells/<id>.safetensors is written whole or not at all as each cell is done, so that a
killed measurement goes on with the next cell; errors.parquet has a row a network; capacity.json the outcome.
"""

import hashlib
import tomllib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from safetensors import SafetensorError
from safetensors.numpy import load as from_bytes
from safetensors.numpy import save as to_bytes

from gnode.errors import InvalidInput, must_have
from gnode.expressivity.plan import Cell, Plan, plan_from_tables
from gnode.files import begin_folder, clear_away, path_of, refuse_later_format, write_atomically
from gnode.files.plain import as_json

PLAN, TARGETS_FILE, ERRORS, CAPACITY, REPORT = (
    "plan.toml",
    "targets.safetensors",
    "errors.parquet",
    "capacity.json",
    "report.html",
)
FORMAT = 1  # of the directory


@dataclass(frozen=True)
class Directory:
    """Reads and writes one expressivity directory."""

    path: Path

    @classmethod
    def begin(cls, path: Path, plan: Plan, targets: np.ndarray, resume: bool) -> "Directory":
        """A new directory, or, to resume, the one of the same plan and targets.

        Raises:
            InvalidInput: it holds something else, or there is nothing to resume.
        """
        directory = cls(path)
        if resume and (path / PLAN).is_file():
            if directory.plan() != plan or not np.array_equal(directory.targets(), targets):
                must_have(f"the plan that {path} was started with", "another", "Choose another directory.")
            clear_away(path)
            return directory
        text = tomli_w.dumps({"gnode": version("gnode"), **plan.as_tables()})
        files = {TARGETS_FILE: to_bytes({"targets": targets}), PLAN: text.encode()}
        begin_folder(path, "cells", files, "for the measurement", "a measurement already")
        return directory

    @classmethod
    def open(cls, path: str | Path) -> "Directory":
        """A directory that holds a measurement.

        Raises:
            InvalidInput: it does not.
        """
        path = path_of(path)
        if not (path / PLAN).is_file():
            must_have(f"an expressivity directory with a {PLAN}", str(path))
        return cls(path)

    def plan(self) -> Plan:
        try:
            tables = tomllib.loads((self.path / PLAN).read_text())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InvalidInput(f"Must have a readable {self.path / PLAN}, instead got: {error}.") from error
        refuse_later_format(tables, FORMAT, self.path / PLAN)
        return plan_from_tables(tables)

    def targets(self) -> np.ndarray:
        return self._arrays(self.path / TARGETS_FILE)["targets"]

    def has(self, cell: Cell) -> bool:
        return self._file(cell).is_file()

    def write_cell(self, cell: Cell, arrays: dict[str, np.ndarray]) -> None:
        write_atomically(self._file(cell), to_bytes({name: np.ascontiguousarray(a) for name, a in arrays.items()}))

    def read_cell(self, cell: Cell) -> dict[str, np.ndarray]:
        if not self.has(cell):
            must_have(f"a finished measurement in {self.path}", f"none of {cell.label}", "Finish it with --resume.")
        return self._arrays(self._file(cell))

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        write_atomically(self.path / name, (as_json(content, indent=2) + "\n").encode())

    def _file(self, cell: Cell) -> Path:
        name = hashlib.sha256(repr(cell).encode()).hexdigest()[:16]
        return self.path / "cells" / f"{name}.safetensors"

    def _arrays(self, path: Path) -> dict[str, np.ndarray]:
        try:
            return from_bytes(path.read_bytes())
        except (SafetensorError, FileNotFoundError) as error:
            raise InvalidInput(f"Must have a whole file at {path}, instead got a damaged one or none.") from error
