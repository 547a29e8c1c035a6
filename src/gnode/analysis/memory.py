"""Memory against silence: how well and how many remembered values survive without input."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gnode.analysis.dynamics import floats
from gnode.analysis.integration import advancing, escaped
from gnode.arguments import integer, positive
from gnode.errors import Diverged, must_have
from gnode.modes import usual_modes

SILENCES = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
CELL = 0.02  # two readouts in one cell of this side are the same value


@dataclass(frozen=True)
class Memory:
    """What is left of V written values after K spans of silence.

    Attributes:
        values: (V, D_out), what was written.
        silences: (K,), silent bins.
        states: (K, V, N), the state after each silence; one that has escaped stands where it was last seen before.
        escaped: (K, V), True where the state has run away (gnode.analysis.integration.escaped): its value is lost.
        readouts: (K, V, D_out), what the model says then.
        rms_error: (K,), root mean square over values of the Euclidean distance of readout to value, in the task's unit;
            infinite once a state has escaped.
        distinct: (K,), how many of the values the readout still tells apart: occupied cells of side `cell`.
        bits: (K,), log2 of distinct.
        information: (K,), bits that the cell of the readout carries about which value was written: the entropy of the
            cells. At most `bits`, and smaller where the values crowd in few cells.
        half_life: silent bins after which half of the values told apart at the shortest silence are left, interpolated
            on a logarithmic axis; infinite where more than half are left after the longest.
        cell: the side of a cell, in the task's units.
        checks: what was found wanting, in sentences.
        evidence: the numbers behind the half-life.
    """

    values: np.ndarray
    silences: np.ndarray
    states: np.ndarray
    escaped: np.ndarray
    readouts: np.ndarray
    rms_error: np.ndarray
    distinct: np.ndarray
    bits: np.ndarray
    information: np.ndarray
    half_life: float
    cell: float
    checks: tuple[str, ...]
    evidence: str


@usual_modes()
def memory(
    model: Any, task: Any, values: Any = None, silences: Any = SILENCES, *, cell: float | int = CELL, seed: int = 0
) -> Memory:
    """Write each value once, then let the model run freely with zero input, in float64.

    Args:
        model: with `states(inputs, first_targets)`, `map_at(inputs)` and `readout(states)`, as gnode's models have. The
            first targets are what the task holds before any pulse; a model whose `is_told` is false is given None.
        task: with `recall(values, silence)` and `manifold`, as gnode's memory tasks have.
        values: (V, D_out) to be written; 360 spread over the task's manifold where None is given.
        silences: (K,) whole numbers of silent bins, increasing.
        cell: side of the cells in which distinct readouts are counted.
        seed: shifts the default values.

    Raises:
        InvalidInput: the task has no values to remember, or the silences are no increasing whole numbers.
        Diverged: every state has escaped.
    """
    refuse_no_model(model)
    spans, cell, seed = _checked_silences(silences), positive("cell", cell), integer("seed", seed, 0)
    if values is None:
        if getattr(task, "manifold", None) is None:
            must_have("a task that remembers values", getattr(task, "name", type(task).__name__))
        values = task.manifold.sample(360, seed)
    values = floats("values", values)
    if not callable(getattr(task, "recall", None)):
        must_have("a task that remembers values", getattr(task, "name", type(task).__name__))
    trials = task.recall(values, silence=0)
    inputs = trials.inputs
    told = trials.targets[:, 0] if getattr(model, "is_told", True) else None
    written = np.asarray(model.states(inputs, told))[:, -1].astype(float)
    if not np.isfinite(written).all():
        raise Diverged("The state is not finite after the values were written.")
    advance, _ = advancing(model.map_at(np.zeros(inputs.shape[-1], inputs.dtype)), "map", written)
    state, gone = written, np.zeros(len(written), bool)
    after_each: list[np.ndarray] = []
    gone_after: list[np.ndarray] = []
    for steps in np.diff(spans, prepend=0):
        there = advance(state, int(steps))
        gone = gone | escaped(there, written)
        if gone.all():
            raise Diverged(f"Every state has escaped after {spans[len(after_each)]} silent bins.")
        state = np.where(gone[:, None], state, there)
        after_each.append(state)
        gone_after.append(gone)
    kept, lost = np.stack(after_each), np.stack(gone_after)
    readouts = read(model, kept)
    occupied = [_occupied(outputs[~gone], cell) for outputs, gone in zip(readouts, lost, strict=True)]
    distinct = np.array([len(cells) for cells in occupied])
    half, ran_away = half_life(spans, distinct), int(lost[-1].sum())
    squares = np.where(lost, np.inf, np.sum((readouts - values) ** 2, axis=-1))
    return Memory(
        values=values,
        silences=spans,
        states=kept,
        escaped=lost,
        readouts=readouts,
        rms_error=np.sqrt(squares.mean(axis=-1)),
        distinct=distinct,
        bits=np.log2(distinct),
        information=np.array([_entropy(cells) for cells in occupied]),
        half_life=half,
        cell=cell,
        checks=(f"{ran_away} of {len(values)} states ran away during the silence.",) if ran_away else (),
        evidence=f"Of {len(values)} values the readout tells {distinct[0]} apart after {spans[0]} silent bins and "
        f"{distinct[-1]} after {spans[-1]}, in cells of side {cell:g}; half of the first after {half:.4g}.",
    )


def refuse_no_model(model: Any) -> None:
    """Raises InvalidInput where something has not what is asked of a model here."""
    if not all(callable(getattr(model, name, None)) for name in ("states", "map_at", "readout")):
        must_have("a model with states, map_at and readout (gnode.models)", type(model).__name__)


def read(model: Any, states: np.ndarray) -> np.ndarray:
    """The model's outputs at states (..., N), (..., D_out), in float64."""
    with jax.enable_x64(True):
        return np.asarray(model.readout(jnp.asarray(states)), dtype=float)


def half_life(silences: np.ndarray, distinct: np.ndarray) -> float:
    """Where `distinct` first falls to half of its first value, between silences on the axis log(1 + silence)."""
    half = distinct[0] / 2
    below = np.flatnonzero(distinct <= half)
    if not len(below) or below[0] == 0:
        return np.inf
    after = below[0]
    before = after - 1
    share = (distinct[before] - half) / (distinct[before] - distinct[after])
    ends = np.log1p(silences[[before, after]])
    return float(np.expm1(ends[0] + share * (ends[1] - ends[0])))


def _checked_silences(silences: Any) -> np.ndarray:
    spans = np.asarray(silences)
    if spans.ndim != 1 or not len(spans) or not np.issubdtype(spans.dtype, np.integer):
        must_have("silences that are whole numbers of bins", repr(silences))
    if spans[0] < 0 or (np.diff(spans) <= 0).any():
        must_have("silences that are at least 0 and increase", spans.tolist())
    return spans


def _occupied(outputs: np.ndarray, cell: float | int) -> np.ndarray:
    """How many of the outputs (V, D_out) lie in each cell that has any."""
    return np.unique(np.round(outputs / cell), axis=0, return_counts=True)[1]


def _entropy(counts: np.ndarray) -> float:
    share = counts / counts.sum()
    return float(-np.sum(share * np.log2(share)))
