"""What kind of attractor states settle on, whether they move on it, and how much of a task it covers."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from gnode.analysis.dimension import (
    levina_bickel,
    levina_bickel_interval,
    local_pca,
    local_pca_interval,
    two_nn,
    two_nn_interval,
)
from gnode.analysis.dynamics import Dynamics, checked_states, dynamics_of, kind_of
from gnode.analysis.frameworks import Function
from gnode.analysis.integration import advancing, escaped
from gnode.analysis.intervals import UNKNOWN, Interval, between, of_median
from gnode.analysis.memory import SILENCES, Memory, refuse_no_model
from gnode.analysis.memory import memory as remembered
from gnode.analysis.portraits import Portrait, portrait
from gnode.analysis.topology import Topology
from gnode.arguments import integer
from gnode.cards import Card, carded, dots, number
from gnode.errors import Diverged, must_have
from gnode.modes import usual_modes
from gnode.threads import one_thread

_REACH = 0.05  # coverage looks this share of the ideal manifold's diameter far
_SPECTRA = 100  # states at which the spectrum is taken


@carded(lambda found: _card(found))
@dataclass(frozen=True, repr=False)
class Attractor:
    """What the states are after the silence, at that time scale: nothing is claimed about longer ones.

    Attributes:
        kind: of what rests "discrete, 14 points", "interval", "ring", "sheet", "disk", "annulus", "torus", "sphere",
            "solid", ...; of what moves "limit cycle", "invariant circle" or "cycle of period 4" of a map, "torus,
            moving", "strange set, of dimension about 2.1"; several pieces as "2 rings" or "2 pieces: 1 ring, 1 point".
            "undecided, ..." or "moving, undecided ..." where states, dimension or time do not do to tell.
        evidence: why, with the numbers.
        checks: what was found out about f.
        dimension: of the attractor at the scale of a tenth of its points; 0 for separate points.
        dimensions: estimates by name: "local PCA", "TwoNN" and "Levina-Bickel" (gnode.analysis.dimension); NaN where
            there are too few distinct points, and of separate points.
        intervals: 95 % intervals (low, high) by name: "drift", those in `dimensions` and, with a task, "half_life":
            what another draw of as many states would change, for "local PCA" what another scale would. Those of
            states that are spread evenly are wider than they need be. NaN for too few states.
        betti: (b0, b1) or, with N of at least 3, (b0, b1, b2): pieces, loops, voids (gnode.analysis.topology).
        states: (n, N), after the silence, without those that escaped.
        labels: (n,), the piece of each state; -1 for outliers.
        topology: the diagrams behind `betti`.
        silence: steps or bins of free running before the look.
        escaped: how many states ran away on the way (gnode.analysis.integration.escaped).
        drifts: (n,), how fast each state moves: displacement per step of a map, speed of a flow, in units of the state.
        drift: their median.
        along, across: median rate of change (1 / step of a map, 1 / time of a flow) of the slowest modes, as many as
            the dimension, and of the next one, which pulls back to the attractor. NaN where there are no such modes.
        spectral_gap: across / along; infinite where nothing changes along.
        half_life: silent bins until half the values are lost (gnode.analysis.memory); None without a task.
        hausdorff: of readouts and ideal manifold, the largest distance of one to the other; None without a task.
        coverage: share of the ideal manifold that has a readout within 5 % of its diameter; None without a task.
        rms_error: root mean square distance of readout and written value; None without a task.
        distinct, bits: how many values the readout tells apart, and log2 of it; None without a task.
        memory: the whole curve against silence; None without a task.
    """

    kind: str
    evidence: str
    checks: tuple[str, ...]
    dimension: int
    dimensions: dict[str, float]
    intervals: dict[str, Interval]
    betti: tuple[int, ...]
    states: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)
    topology: Topology = field(repr=False)
    silence: int
    escaped: int
    drifts: np.ndarray = field(repr=False)
    drift: float
    along: float
    across: float
    spectral_gap: float
    half_life: float | None = None
    hausdorff: float | None = None
    coverage: float | None = None
    rms_error: float | None = None
    distinct: int | None = None
    bits: float | None = None
    memory: Memory | None = field(default=None, repr=False)


def _card(found: Attractor) -> Card:
    def with_interval(value: float | None, name: str) -> str:
        low, high = found.intervals.get(name, (np.nan, np.nan))
        return number(value) + ("" if np.isnan(low) else f" ({number(low)} to {number(high)})")

    rows = [
        ("dimension", f"{found.dimension}"),
        ("pieces, loops, voids", ", ".join(map(str, found.betti))),
        ("drift", with_interval(found.drift, "drift")),
        ("half-life (silent bins)", with_interval(found.half_life, "half_life")),
        ("values told apart", number(found.distinct)),
        ("RMS error", number(found.rms_error)),
        ("coverage", number(found.coverage)),
        ("Hausdorff distance", number(found.hausdorff)),
    ]
    title = f"Attractor after {found.silence} steps of silence: {found.kind}"
    known = [row for row in rows if row[1] != number(None)]  # without a task there are no values to be told apart
    return Card(title, known, note=found.evidence, picture=dots(found.states, True, "states by their first two units"))


@usual_modes()
@one_thread
def attractor(
    source: Any,
    task: Any = None,
    *,
    states: Any = None,
    kind: str | None = None,
    silence: int | None = None,
    step: float | int | None = None,
    count: int = 360,
    seed: int = 0,
    memory: Memory | None = None,
) -> Attractor:
    """The attractor of a model on its task, or of any callable from given states.

    `attractor(model, task)` writes `count` values of the task's manifold, is silent for `silence` bins (by default
    100), and looks at the states of the frozen Euler map with zero input. `attractor(f, states=...)` looks at the
    states after `silence` steps (by default 0) of f.

    Args:
        source: a model (see gnode.analysis.memory), or a callable (batch, N) -> (batch, N).
        task: with `recall` and `manifold`; only with a model.
        states: (n, N); only with a callable.
        kind: "map" (the default) or "flow"; a callable with such an attribute `kind` needs none.
        step: of the Runge-Kutta integration of a flow; by default a tenth of its shortest time constant.
        count, seed: how many values of the manifold, and what shifts them.
        memory: of an earlier call with the same model, task, count and seed, which ran 10,000 bins: with it another of
            its silences costs no more running.

    Raises:
        InvalidInput: neither or both of task and states, or what they need is wrong.
        Diverged: every state escapes during the silence, or the callable is not finite where they end.

    Example:
        >>> soon = attractor(model, task)  # doctest: +SKIP
        >>> late = attractor(model, task, silence=10_000, memory=soon.memory)  # doctest: +SKIP
    """
    if (task is None) == (states is None):
        must_have("attractor(model, task) or attractor(f, states=...)", "both" if states is not None else "neither")
    if task is None:
        length = 0 if silence is None else _checked_silence(silence)
        return _of_callable(source, checked_states(states), kind_of(source, kind, "map"), length, step)
    refuse_no_model(source)
    if getattr(task, "manifold", None) is None:
        must_have("a task that remembers values", getattr(task, "name", type(task).__name__))
    count, seed = integer("count", count, 1), integer("seed", seed, 0)
    silence = 100 if silence is None else _checked_silence(silence)
    if memory is None:
        memory = remembered(source, task, task.manifold.sample(count, seed), sorted({*SILENCES, silence}))
    elif silence not in memory.silences:
        must_have(f"one of the silences of this memory, {memory.silences.tolist()}", silence)
    return _of_model(source, task, silence, count, seed, memory)


def _of_callable(f: Function, before: np.ndarray, kind: str, silence: int, step: float | int | None) -> Attractor:
    dynamics = dynamics_of(f, before)
    after, size = before, 1.0
    if silence:
        advance, size = advancing(f, kind, before, step)
        after = advance(before, silence)
    gone = escaped(after, before)
    if gone.all():
        raise Diverged(f"Every state has escaped after {silence} steps.")
    after = after[~gone]
    described = _described(f, dynamics, kind, after, after, silence * size)
    described["evidence"] += f"; f was taken for a {kind}"
    return Attractor(**described, silence=silence, escaped=int(gone.sum()))


def _of_model(model: Any, task: Any, silence: int, count: int, seed: int, kept: Memory) -> Attractor:
    at = int(np.flatnonzero(kept.silences == silence)[0])
    stayed = ~kept.escaped[at]
    ideal, before, after, readouts = kept.values, kept.states[0], kept.states[at][stayed], kept.readouts[at][stayed]
    drawn = task.manifold.draw(count, np.random.default_rng(seed))
    alone = remembered(model, task, drawn, [silence])
    step = model.map_at(np.zeros(task.input_size, np.float32))
    dynamics = dynamics_of(step, before)
    to_ideal = task.manifold.distance(readouts)
    to_readout = cKDTree(readouts).query(ideal)[0]
    described = _described(step, dynamics, "map", after, alone.states[0][~alone.escaped[0]], float(silence))
    described["intervals"]["half_life"] = kept.half_life_interval
    described["evidence"] += f"; {_half_lost(kept)}"
    return Attractor(
        **described,
        silence=silence,
        escaped=int((~stayed).sum()),
        half_life=kept.half_life,
        hausdorff=float(max(to_ideal.max(), to_readout.max())),
        coverage=float(np.mean(to_readout <= _REACH * _diameter(ideal))),
        rms_error=float(kept.rms_error[at]),
        distinct=int(kept.distinct[at]),
        bits=float(kept.bits[at]),
        memory=kept,
    )


def _described(
    f: Function,
    dynamics: Dynamics,
    kind: str,
    after: np.ndarray,
    independent: np.ndarray,
    silence: float,
) -> dict[str, Any]:
    """All that needs no task: shape, motion, drift and spectrum.

    `independent` are states to estimate dimensions from: the estimators of the fine scales assume independent draws,
    and would take the even spacing of `after` for many dimensions. `silence` is a time.
    """
    values, slopes = dynamics.values(after), dynamics.checked_jacobians(_some(after))
    if not (np.isfinite(values).all() and np.isfinite(slopes).all()):
        raise Diverged("The callable or its Jacobian is not finite at some of the states.")
    velocities = values if kind == "flow" else values - after
    eigenvalues = np.linalg.eigvals(slopes)
    fastest = float(np.median(np.abs(eigenvalues).max(axis=1))) if kind == "flow" else 1.0
    seen = portrait(f, dynamics, kind, after, velocities, fastest, silence)
    shape = seen.topology
    inside = after[shape.labels >= 0]
    dimensions = {
        "local PCA": local_pca(inside),
        "TwoNN": two_nn(independent),
        "Levina-Bickel": levina_bickel(independent),
    }
    intervals = {
        "local PCA": local_pca_interval(inside),
        "TwoNN": two_nn_interval(independent),
        "Levina-Bickel": levina_bickel_interval(independent),
    }
    if (
        not seen.dimension and "undecided" not in seen.name
    ):  # the estimators would describe how states are scattered about points
        dimensions, intervals = dict.fromkeys(dimensions, np.nan), dict.fromkeys(intervals, UNKNOWN)
    drifts = np.linalg.norm(velocities, axis=1)
    intervals["drift"] = of_median(drifts)
    along, across = _rates(eigenvalues, kind, seen.dimension)
    return dict(
        kind=seen.name,
        evidence=_evidence(seen, dimensions, intervals, drifts, along, across),
        checks=dynamics.checks,
        dimension=seen.dimension,
        dimensions=dimensions,
        intervals=intervals,
        betti=shape.betti,
        states=after,
        labels=shape.labels,
        topology=shape,
        drifts=drifts,
        drift=float(np.median(drifts)),
        along=along,
        across=across,
        spectral_gap=_ratio(across, along),
    )


def _half_lost(kept: Memory) -> str:
    half, within = kept.half_life, between(kept.half_life_interval, ".4g")
    if np.isinf(half):
        return f"more than half of the values are left after {kept.silences[-1]} silent bins"
    return f"half of the values are lost after {half:.4g}{within} silent bins"


def _some(states: np.ndarray) -> np.ndarray:
    """Evenly chosen states at which the spectrum is taken."""
    return states[np.linspace(0, len(states) - 1, min(len(states), _SPECTRA)).astype(int)]


def _rates(eigenvalues: np.ndarray, kind: str, dimension: int) -> tuple[float, float]:
    """Median rates of the modes along the attractor and of the first one across it, of eigenvalues (some, N)."""
    with np.errstate(divide="ignore"):
        rates = np.abs(eigenvalues.real) if kind == "flow" else np.abs(np.log(np.abs(eigenvalues)))
    rates = np.sort(rates, axis=1)
    along = float(np.median(rates[:, :dimension])) if dimension else np.nan
    across = float(np.median(rates[:, dimension])) if dimension < rates.shape[1] else np.nan
    return along, across


def _ratio(across: float, along: float) -> float:
    """across / along; infinite where nothing changes along."""
    return across / along if along else (np.inf if across > 0 else np.nan)


def _evidence(
    seen: Portrait,
    dimensions: dict[str, float],
    intervals: dict[str, Interval],
    drifts: np.ndarray,
    along: float,
    across: float,
) -> str:
    shape = seen.topology
    outliers = int(np.sum(shape.labels < 0))
    holes = ", ".join(f"b{order} = {number}" for order, number in enumerate(shape.betti))
    estimates = ", ".join(
        f"{method} {value:.2f}{between(intervals[method], '.2f')}"
        for method, value in dimensions.items()
        if not np.isnan(value)
    )
    parts = [f"{seen.name}: {holes} over {len(drifts)} states ({outliers} outliers)", *seen.reasons]
    parts += [f"dimension by {estimates}"] if estimates else []
    parts.append(f"median drift {np.median(drifts):.3g}{between(intervals['drift'], '.3g')}")
    if not np.isnan(_ratio(across, along)):
        parts.append(f"pull across {_ratio(across, along):.3g} times as fast as change along")
    return "; ".join(parts)


def _diameter(points: np.ndarray) -> float:
    """Largest distance between two points, found among the corners of their hull by sweeping from far to far."""
    far = points[np.argmax(np.linalg.norm(points - points.mean(axis=0), axis=1))]
    for _ in range(4):
        far = points[np.argmax(np.linalg.norm(points - far, axis=1))]
    return float(np.linalg.norm(points - far, axis=1).max())


def _checked_silence(silence: int) -> int:
    return integer("silence", silence, 0)
