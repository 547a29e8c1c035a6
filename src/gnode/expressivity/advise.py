"""The smallest network for recorded trajectories: which N and which F reproduce them at a tolerance."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gnode.errors import must_have
from gnode.expressivity.measure import check_tolerance
from gnode.expressivity.measurement import capacity
from gnode.expressivity.plan import RNN, Architecture, Cell, layers
from gnode.expressivity.result import Result
from gnode.series.arrays import as_floats

ARCHITECTURES = (RNN, layers(10), layers(30), layers(30, gated=True))
LONGEST = 512  # samples a trajectory: more are thinned out, since what is measured is the shape of the path


@dataclass(frozen=True)
class Advice:
    """The answer and the curve behind it.

    Attributes:
        cell: the smallest N and, at that N, the F with the fewest parameters; None where nothing tried is enough.
        tolerance: e that was asked for.
        table: a row a cell: N, F, parameters, median and worst error over the trajectories, share within the tolerance.
        result: the measurement.
    """

    cell: Cell | None
    tolerance: float
    table: pd.DataFrame
    result: Result

    @property
    def sentence(self) -> str:
        """The answer in words, with the numbers behind it."""
        if self.cell is None:
            best = self.table.loc[self.table["median_error"].idxmin()]
            return (
                f"Nothing tried reproduces the median trajectory at e = {self.tolerance:g}; the best, "
                f"{best['architecture']} with "
                f"N = {best['state_size']}, reaches {best['median_error']:.2g}. Try larger N, more steps or a polish."
            )
        row = self.table[
            (self.table["architecture"] == self.cell.architecture.label)
            & (self.table["state_size"] == self.cell.state_size)
        ].iloc[0]
        return (
            f"N = {self.cell.state_size} with F {self.cell.architecture.label} ({row['parameters']} parameters) "
            f"reproduces the median trajectory at e = {row['median_error']:.2g} (asked for: {self.tolerance:g}; worst "
            f"{row['worst_error']:.2g}); no smaller N that was tried does."
        )


def advise(
    trajectories: np.ndarray,
    *,
    tolerance: float = 0.01,
    architectures: Sequence[Architecture] = ARCHITECTURES,
    state_sizes: Sequence[int] = (2, 3, 4, 6, 8),
    duration: float | None = None,
    **plan: Any,
) -> Advice:
    """The smallest (N, F) that reproduces recorded trajectories, each network one trajectory, at a tolerance.

    Args:
        trajectories: (count, time, d) or (time, d).
        tolerance: e = MSE / variance that the median trajectory is to reach.
        architectures, state_sizes: what to try.
        duration: of a trajectory in tau; by default 0.2 tau a sample.
        plan: see `capacity`: out, resume, steps, restarts, polish, seed, ...

    Raises:
        InvalidInput: trajectories that stand still, are too short or not finite; a tolerance outside (0, 1).
    """
    check_tolerance(tolerance)
    paths = as_floats(trajectories, "trajectories").astype(float)
    paths = paths[None] if paths.ndim == 2 else paths
    if paths.ndim != 3:
        must_have("trajectories (count, time, d)", f"shape {paths.shape}")
    if paths.shape[1] < 8:
        must_have("at least 8 samples a trajectory", paths.shape[1])
    paths = paths[:, :: -(-paths.shape[1] // LONGEST)]
    bins = paths.shape[1] - 1
    result = capacity(
        architectures,
        state_sizes=sorted(state_sizes) if isinstance(state_sizes, Iterable) else (state_sizes,),
        targets=paths[None],
        tolerance=tolerance,
        durations=(0.2 * bins if duration is None else duration,),
        **plan,
    )
    rows = []
    for cell in result.plan.cells():
        found = result.best(cell)[0]
        rows.append(
            {
                "architecture": cell.architecture.label,
                "state_size": cell.state_size,
                "parameters": result.parameters(cell),
                "median_error": float(np.median(found)),
                "worst_error": float(found.max()),
                "within": float(np.mean(found <= tolerance)),
            }
        )
    table = pd.DataFrame(rows)
    enough = table.index[table["median_error"] <= tolerance]
    cells = result.plan.cells()
    chosen = min(enough, key=lambda at: (table["state_size"][at], table["parameters"][at]), default=None)
    return Advice(None if chosen is None else cells[chosen], tolerance, table, result)
