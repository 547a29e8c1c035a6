"""Memory against silence: how well and how many remembered values survive without input."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial import cKDTree

from gnode.analysis.dynamics import floats
from gnode.analysis.integration import Advance, advancing, escaped
from gnode.analysis.intervals import UNKNOWN, Interval, between
from gnode.arguments import integer, positive
from gnode.errors import Diverged, must_have
from gnode.modes import usual_modes

SILENCES = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
CELL = 0.02  # two readouts in one cell of this side are the same value
_SURE = 20  # values from which a half-life has an interval
_NEIGHBOURS, _DRAWS = 4, 200  # a new value lies between one and a neighbour; so many draws of all the values
_NORMAL = 1.96  # standard deviations to the ends of a 95 % interval


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
        half_life: silent bins after which half of the values told apart at the shortest silence are left, to the bin;
            infinite where more than half are left after the longest.
        half_life_interval: (low, high), a 95 % interval: what another draw of as many values would change. Of values
            that are spread evenly it is wider than it need be; an end is infinite where it lies beyond the longest
            silence; NaN for fewer than 20 values.
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
    half_life_interval: Interval
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
    free = _Free(model, advance, written, cell)
    looks = [free.after(int(silence)) for silence in spans]
    lost, readouts = np.stack([look.gone for look in looks]), np.stack([look.readouts for look in looks])
    distinct = np.array([look.distinct for look in looks])
    half, interval = _half_life(free, values, spans)
    ran_away = int(lost[-1].sum())
    squares = np.where(lost, np.inf, np.sum((readouts - values) ** 2, axis=-1))
    return Memory(
        values=values,
        silences=spans,
        states=np.stack([look.states for look in looks]),
        escaped=lost,
        readouts=readouts,
        rms_error=np.sqrt(squares.mean(axis=-1)),
        distinct=distinct,
        bits=np.log2(distinct),
        information=np.array([_entropy(look.occupied) for look in looks]),
        half_life=half,
        half_life_interval=interval,
        cell=cell,
        checks=(f"{ran_away} of {len(values)} states ran away during the silence.",) if ran_away else (),
        evidence=f"Of {len(values)} values the readout tells {distinct[0]} apart after {spans[0]} silent bins and "
        f"{distinct[-1]} after {spans[-1]}, in cells of side {cell:g}; half of the first after "
        f"{half:.4g}{between(interval, '.4g')}.",
    )


def refuse_no_model(model: Any) -> None:
    """Raises InvalidInput where something has not what is asked of a model here."""
    if not all(callable(getattr(model, name, None)) for name in ("states", "map_at", "readout")):
        must_have("a model with states, map_at and readout (gnode.models)", type(model).__name__)


def read(model: Any, states: np.ndarray) -> np.ndarray:
    """The model's outputs at states (..., N), (..., D_out), in float64."""
    with jax.enable_x64(True):
        return np.asarray(model.readout(jnp.asarray(states)), dtype=float)


def occupied_cells(readouts: np.ndarray, cell: float | int) -> np.ndarray:
    """How many of the readouts (V, D_out) lie in each cell of a side that has any: as many as are told apart."""
    return np.unique(np.round(readouts / cell), axis=0, return_counts=True)[1]


def fallen(silences: np.ndarray, counts: np.ndarray, level: float) -> float:
    """Where counts first fall to a level, between silences on the axis log(1 + silence); infinite where they do not."""
    below = np.flatnonzero(counts <= level)
    if not len(below):
        return np.inf
    after = below[0]
    if after == 0:
        return float(silences[0])
    share = (counts[after - 1] - level) / (counts[after - 1] - counts[after])
    ends = np.log1p(silences[[after - 1, after]])
    return float(np.expm1(ends[0] + share * (ends[1] - ends[0])))


@dataclass(frozen=True)
class _Look:
    """The values' states (V, N) after a silence, which have escaped (V,), and the readouts (V, D_out)."""

    states: np.ndarray
    gone: np.ndarray
    readouts: np.ndarray
    cell: float | int

    @cached_property
    def occupied(self) -> np.ndarray:
        """How many readouts lie in each cell that has any."""
        return occupied_cells(self.readouts[~self.gone], self.cell)

    @property
    def distinct(self) -> int:
        return len(self.occupied)


class _Free:
    """Values that run freely, looked at after any silence: from the last look before it, each look once."""

    def __init__(self, model: Any, advance: Advance, written: np.ndarray, cell: float | int) -> None:
        self._model, self._advance, self._cell = model, advance, cell
        self._written = written
        self._looks = {0: self._look(written, np.zeros(len(written), bool))}

    def after(self, silence: int) -> _Look:
        if silence not in self._looks:
            last = max(known for known in self._looks if known < silence)
            state, gone = self._looks[last].states, self._looks[last].gone
            there = self._advance(state, silence - last)
            gone = gone | escaped(there, self._written)
            if gone.all():
                raise Diverged(f"Every state has escaped after {silence} silent bins.")
            self._looks[silence] = self._look(np.where(gone[:, None], state, there), gone)
        return self._looks[silence]

    def fallen(self, level: float, since: int) -> float:
        """As `fallen`, from a silence on, to the bin."""
        while True:
            silences = np.array(sorted(known for known in self._looks if known >= since))
            counts = np.array([self._looks[known].distinct for known in silences.tolist()])
            below = np.flatnonzero(counts <= level)
            if not len(below) or below[0] == 0 or silences[below[0]] - silences[below[0] - 1] == 1:
                return fallen(silences, counts, level)
            self.after(int(silences[below[0] - 1 : below[0] + 1].sum()) // 2)

    def _look(self, states: np.ndarray, gone: np.ndarray) -> _Look:
        return _Look(states, gone, read(self._model, states), self._cell)


def _half_life(free: _Free, values: np.ndarray, silences: np.ndarray) -> tuple[float, Interval]:
    """Bins until half of the values are lost, and its interval: where a little more and a little less of them are."""
    first, last = int(silences[0]), int(silences[-1])
    half = free.after(first).distinct / 2
    found = free.fallen(half, first)
    if len(values) < _SURE:
        return found, UNKNOWN
    there = free.after(last if np.isinf(found) else round(found))
    spread = _NORMAL * _scatter(values, free.after(first), there) + 0.5  # counts are whole numbers
    return found, (free.fallen(half + spread, first), free.fallen(half - spread, first))


def _scatter(values: np.ndarray, first: _Look, there: _Look) -> float:
    """Standard deviation over draws of the values (V, D_out) of how many are told apart `there`, beyond half at first.

    A drawn value lies between one of those given and a neighbour of it, and so do its readouts (as in Chawla et al.,
    Journal of Artificial Intelligence Research 16, 2002): to draw the given ones again, some of them twice, would look
    as if values had been lost.
    """
    random = np.random.default_rng(0)
    count = len(values)
    near = cKDTree(values).query(values, k=_NEIGHBOURS + 1)[1][:, 1:]
    one = random.integers(count, size=(_DRAWS, count))
    other = near[one, random.integers(_NEIGHBOURS, size=one.shape)]
    share = random.random((*one.shape, 1))

    def told_apart(look: _Look) -> np.ndarray:
        far = look.gone[one] | look.gone[other]
        outputs = look.readouts[one] + np.where(far[:, :, None], 0.0, share) * (
            look.readouts[other] - look.readouts[one]
        )
        return _distinct(np.round(outputs / look.cell), look.gone[one])

    return float(np.std(told_apart(there) - told_apart(first) / 2, ddof=1))


def _distinct(cells: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """How many different ones there are in each draw of cells (draws, V, D_out), without those that are gone."""
    numbers = np.zeros(gone.shape, int)
    for column in np.moveaxis(cells, 2, 0):
        of_column = np.unique(column, return_inverse=True)[1].reshape(gone.shape)
        numbers = np.unique(numbers * (of_column.max() + 1) + of_column, return_inverse=True)[1].reshape(gone.shape)
    ordered = np.sort(np.where(gone, -1, numbers), axis=1)
    return 1 + np.sum(np.diff(ordered, axis=1) != 0, axis=1) - gone.any(axis=1)


def _checked_silences(silences: Any) -> np.ndarray:
    spans = np.asarray(silences)
    if spans.ndim != 1 or not len(spans) or not np.issubdtype(spans.dtype, np.integer):
        must_have("silences that are whole numbers of bins", repr(silences))
    if spans[0] < 0 or (np.diff(spans) <= 0).any():
        must_have("silences that are at least 0 and increase", spans.tolist())
    return spans


def _entropy(counts: np.ndarray) -> float:
    share = counts / counts.sum()
    return float(-np.sum(share * np.log2(share)))
