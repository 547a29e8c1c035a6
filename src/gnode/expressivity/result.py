"""A measurement that is done: everything that is said about it is computed from its errors alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gnode.cards import Card, carded, number
from gnode.errors import must_have
from gnode.expressivity import measure
from gnode.expressivity.directory import Directory
from gnode.expressivity.measure import Capacity
from gnode.expressivity.plan import Architecture, Cell, Plan, as_architecture


@carded(lambda result: _card(result))
@dataclass(frozen=True, repr=False)
class Result:
    """A measurement, with everything that is said about it computed from its errors alone.

    Attributes:
        plan: what determined it.
        targets: (complexities, count, bins + 1, d), standardised.
        arrays: of each cell by name, as its file holds them: errors (complexities, count, restarts), parameters, and
            polished (complexities, count) where the best restarts were.
    """

    plan: Plan
    targets: np.ndarray
    arrays: dict[Cell, dict[str, np.ndarray]]

    @cached_property
    def errors(self) -> pd.DataFrame:
        """A row a network: what it is, what it was to generate, and its error; diverged ones have none."""
        tables = [self._rows(cell, self.arrays[cell]) for cell in self.plan.cells()]
        return pd.concat(tables, ignore_index=True)

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row a cell and tolerance: capacity and interval, parameters, diverged restarts."""
        rows = [
            {
                "architecture": cell.architecture.label,
                "state_size": cell.state_size,
                "duration": cell.duration,
                "steps": cell.steps,
                "parameters": self.parameters(cell),
                "tolerance": tolerance,
                "capacity": found.value,
                "low": found.low,
                "high": found.high,
                "networks": self.arrays[cell]["errors"].size,
                "diverged": int(np.sum(~np.isfinite(self.arrays[cell]["errors"]))),
            }
            for cell in self.plan.cells()
            for tolerance in self.plan.tolerances
            for found in [self.capacity(cell, tolerance)]
        ]
        return pd.DataFrame(rows)

    def cell(self, architecture: Architecture | str | Mapping[str, Any], state_size: int) -> Cell:
        """The cell at the first duration and budget.

        Args:
            architecture: itself, its label, a model's name, or a table of its keys.
            state_size: N.

        Raises:
            InvalidInput: it was not measured.
        """
        kind = next((a for a in self.plan.architectures if a.label == architecture), None)
        cell = Cell(kind or as_architecture(architecture), state_size, self.plan.durations[0], self.plan.steps[0])
        if cell not in self.arrays:
            must_have("a cell of the measurement", cell.label)
        return cell

    def best(self, cell: Cell) -> np.ndarray:
        """Errors of the best restarts, (complexities, targets)."""
        return best_errors(self.arrays[cell])

    def unpolished(self, cell: Cell) -> np.ndarray:
        """Errors of the best restarts before the polish, (complexities, targets)."""
        return measure.best_of_restarts(self.arrays[cell]["errors"])

    def capacity(self, cell: Cell, tolerance: float | None = None) -> Capacity:
        """The capacity of a cell with its interval, at a tolerance e; by default the plan's first."""
        return measure.with_interval(*self._capacities(cell, tolerance))

    def _capacities(self, cell: Cell, tolerance: float | None) -> tuple[float, np.ndarray]:
        key = (cell, self.plan.tolerances[0] if tolerance is None else tolerance)
        if key not in self._known:
            self._known[key] = measure.capacities_at(self.dial, self.best(cell), key[1], self.draws)
        return self._known[key]

    @cached_property
    def _known(self) -> dict[tuple[Cell, float], tuple[float, np.ndarray]]:
        return {}

    def interval(self, cell: Cell, tolerance: float | None = None) -> tuple[float, float]:
        """The 95 % interval of that capacity."""
        found = self.capacity(cell, tolerance)
        return found.low, found.high

    def smallest_state(self, architecture: Architecture, wanted: float, tolerance: float | None = None) -> Capacity:
        """The smallest N of the plan at which an architecture's capacity reaches the wanted complexity."""
        duration, steps = self.plan.durations[0], self.plan.steps[0]
        cells = {size: Cell(architecture, size, duration, steps) for size in self.plan.state_sizes}
        return measure.smallest_state({size: self._capacities(cell, tolerance) for size, cell in cells.items()}, wanted)

    @property
    def dial(self) -> tuple[float, ...]:
        """The complexities of the targets, from the least to the greatest."""
        assert self.plan.complexities is not None
        return self.plan.complexities

    @cached_property
    def draws(self) -> np.ndarray:
        """Which targets each resample of the bootstrap has, (resamples, count)."""
        return measure.resamples(self.plan.count, self.plan.resamples, self.plan.seed)

    def parameters(self, cell: Cell) -> int:
        """How many numbers a network of the cell has to learn."""
        return int(self.arrays[cell]["parameters"].item())

    def floor(self, state_size: int) -> np.ndarray:
        """The least error an affine readout of N numbers allows, (complexities, targets)."""
        return measure.principal_floor(self.targets, state_size)

    @cached_property
    def crossings(self) -> np.ndarray | None:
        """How often each target crosses itself, (complexities, targets); None where they are not in a plane."""
        if self.targets.shape[-1] != 2:
            return None
        return np.array([[measure.self_crossings(path) for path in row] for row in self.targets])

    def _rows(self, cell: Cell, arrays: dict[str, np.ndarray]) -> pd.DataFrame:
        found = arrays["errors"]
        c, k, r = (axis.ravel() for axis in np.indices(found.shape))
        rates = cell.architecture.rates
        flat = found.ravel()
        polished = arrays.get("polished")
        return pd.DataFrame(
            {
                "architecture": cell.architecture.label,
                "model": cell.architecture.model,
                "hidden": ",".join(map(str, cell.architecture.hidden or ())),
                "state_size": cell.state_size,
                "parameters": self.parameters(cell),
                "duration": cell.duration,
                "steps": cell.steps,
                "complexity": np.asarray(self.dial)[c],
                "target": k,
                "restart": r,
                "rate": np.asarray(rates)[r % len(rates)],
                "error": np.where(np.isfinite(flat), flat, np.nan),
                "diverged": ~np.isfinite(flat),
                "polished": np.nan if polished is None else polished[c, k],
            }
        )


def _card(result: Result) -> Card:
    head = "architecture", "N", "parameters", "tolerance", "capacity", "95 % interval"
    rows = [
        (
            row.architecture,
            f"{row.state_size}",
            f"{row.parameters}",
            number(row.tolerance),
            number(row.capacity),
            f"{number(row.low)} to {number(row.high)}",
        )
        for row in result.table.itertuples()
    ]
    dial = f"{number(min(result.dial))} to {number(max(result.dial))}"
    return Card(f"Capacity, complexities {dial}, {result.plan.count} targets each", rows, head)


def load_result(path: str | Path) -> Result:
    """The measurement in an expressivity directory.

    Raises:
        InvalidInput: there is none, or it has not finished.
    """
    directory = Directory.open(path)
    plan = directory.plan()
    return Result(plan, directory.targets(), {cell: directory.read_cell(cell) for cell in plan.cells()})


def best_errors(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Errors of a cell's best restarts, (complexities, targets); polished where it was."""
    best = measure.best_of_restarts(arrays["errors"])
    if "polished" in arrays:
        best = np.fmin(best, arrays["polished"])
    return best
