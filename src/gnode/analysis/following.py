"""States followed along f, each beside a twin that starts close by: where they go, and whether nearby ones part."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gnode.analysis.dynamics import Dynamics
from gnode.analysis.frameworks import Function

_TOLERANCE = 1e-6  # error of a step, in units of the set's extent
_CLOSEST, _FARTHEST = 1e-7, 1e-2  # where a twin may start, in the same units
_CHUNK = 256  # steps that are taken at a time
_TINY = 1e-300

# Dormand and Prince, J. Comput. Appl. Math. 6 (1980): the last row is the step itself, of order five; _ERROR is its
# difference to the embedded step of order four.
_STAGES = np.array(
    [
        [1 / 5, 0, 0, 0, 0, 0, 0],
        [3 / 40, 9 / 40, 0, 0, 0, 0, 0],
        [44 / 45, -56 / 15, 32 / 9, 0, 0, 0, 0],
        [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729, 0, 0, 0],
        [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656, 0, 0],
        [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0],
    ]
)
_ERROR = np.array([71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40])

Carry = tuple[Any, Any, Any, Any, Any]  # times (m,), pairs (2, m, N), slopes (2, m, N), step sizes (m,), growth (m,)


class Following:
    """m states on their way, with all that was recorded of it.

    A map is iterated. A flow is integrated by Dormand and Prince's pair, each state with steps of its own, so the
    record is dense where a state is quick. The twin is put back to its distance after every step, as in Benettin,
    Galgani, Giorgilli and Strelcyn, Meccanica 15 (1980), which needs no derivative of f.

    Attributes:
        times: (steps + 1, m), in steps of a map, in the flow's unit of time.
        states, velocities: (steps + 1, m, N); the velocities of a map are 0.
        growth: (steps + 1, m), log of what the distance to the twin has been multiplied by since the start.
    """

    def __init__(
        self, f: Function, dynamics: Dynamics, kind: str, states: np.ndarray, unit: np.ndarray, longest: float
    ) -> None:
        """unit: (N,), the set's extent in each coordinate. longest: no step of a flow takes more time than this."""
        centre = np.median(states, axis=0)
        rounding = dynamics.precision * np.max(np.abs(states) / unit)
        apart = float(np.clip(np.sqrt(rounding), _CLOSEST, _FARTHEST))
        away = np.random.default_rng(0).normal(size=states.shape)
        twins = states + apart * unit * away / np.linalg.norm(away, axis=1, keepdims=True)
        pairs = np.stack([states, twins])
        self._dynamics = dynamics
        self._compiled = dynamics.framework == "jax"
        of_pairs = _in_pairs(f if self._compiled else dynamics.values)
        if kind == "map":
            slopes, sizes = np.zeros_like(pairs), np.ones(len(states))
        else:
            slopes = dynamics.values(pairs.reshape(-1, pairs.shape[2])).reshape(pairs.shape)
            fastest = np.max(np.abs(slopes[0]) / unit, axis=1)
            sizes = np.minimum(0.01 / np.maximum(fastest, _TINY), longest)
        module: Any = jnp if self._compiled else np
        twin = _Twin(module, unit, apart)
        step: Callable[[Carry], Carry] = (
            _map_step(of_pairs, twin)
            if kind == "map"
            else _flow_step(module, of_pairs, twin, lambda now: _TOLERANCE * (unit + module.abs(now - centre)), longest)
        )
        self._carry: Carry = (np.zeros(len(states)), pairs, slopes, sizes, np.zeros(len(states)))
        self._records = [tuple(part[None] for part in _record(self._carry))]
        self._chunk = _compiled_chunk(step) if self._compiled else _chunk(step)

    def go_on(self, chunks: int = 1) -> None:
        """Some hundred steps more for each state."""
        for _ in range(chunks):
            self._carry, record = self._chunk(self._carry)
            self._records.append(tuple(np.asarray(part) for part in record))

    @property
    def steps(self) -> int:
        return 1 + _CHUNK * (len(self._records) - 1)

    @property
    def times(self) -> np.ndarray:
        return self._recorded(0)

    @property
    def states(self) -> np.ndarray:
        return self._recorded(1)

    @property
    def velocities(self) -> np.ndarray:
        return self._recorded(2)

    @property
    def growth(self) -> np.ndarray:
        return self._recorded(3)

    def at(self, time: float) -> np.ndarray:
        """(m, N), where each state was at the last recorded moment up to a time."""
        reached = np.sum(self.times <= time, axis=0) - 1
        return self.states[reached, np.arange(len(reached))]

    def _recorded(self, part: int) -> np.ndarray:
        return np.concatenate([record[part] for record in self._records])


class _Twin:
    """How far a twin is from its state, in units of the set, and how it is put back to where it started."""

    def __init__(self, module: Any, unit: np.ndarray, apart: float) -> None:
        self.module, self.unit, self.apart = module, unit, apart

    def put_back(self, old: Any, new: Any) -> tuple[Any, Any]:
        """The pair new (2, m, N) with the twin near again, and log of the growth of the distance (m,)."""
        way = (new[1] - new[0]) / self.unit
        length = self.module.sqrt((way**2).sum(axis=1, keepdims=True))
        lost = length < _TINY  # both have become one state: the direction of before is as good as any
        way = self.module.where(
            lost, (old[1] - old[0]) / self.unit, way * (self.apart / self.module.where(lost, 1.0, length))
        )
        growth = self.module.log(self.module.where(lost, _TINY, length) / self.apart)[:, 0]
        return self.module.stack([new[0], new[0] + self.unit * way]), growth


def _in_pairs(f: Function) -> Function:
    """f of (2, m, N)."""
    return lambda pairs: f(pairs.reshape(-1, pairs.shape[2])).reshape(pairs.shape)


def _map_step(f: Function, twin: _Twin) -> Callable[[Carry], Carry]:
    def step(carry: Carry) -> Carry:
        times, pairs, slopes, sizes, growth = carry
        new, more = twin.put_back(pairs, f(pairs))
        return times + 1, new, slopes, sizes, growth + more

    return step


def _stages(f: Function, pairs: np.ndarray, first: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The new pairs, and the slopes of all stages (7, 2, m, N), that of the new pairs last."""
    slopes, new = np.zeros((7, *pairs.shape)), pairs
    slopes[0] = first
    for stage, weights in enumerate(_STAGES, start=1):
        new = pairs + size * np.tensordot(weights[:stage], slopes[:stage], 1)
        slopes[stage] = f(new)
    return new, slopes


def _compiled_stages(f: Function, pairs: jax.Array, first: jax.Array, size: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The same, in a loop, so that f is compiled once and not six times."""

    def one(stage: jax.Array, so_far: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        new = pairs + size * jnp.tensordot(jnp.asarray(_STAGES)[stage - 1], so_far[1], 1)
        return new, so_far[1].at[stage].set(f(new))

    return jax.lax.fori_loop(1, 7, one, (pairs, jnp.zeros((7, *pairs.shape)).at[0].set(first)))


def _flow_step(
    module: Any, f: Function, twin: _Twin, tolerance: Callable[[Any], Any], longest: float
) -> Callable[[Carry], Carry]:
    stages: Any = _stages if module is np else _compiled_stages

    def step(carry: Carry) -> Carry:
        times, pairs, first, sizes, growth = carry
        new, slopes = stages(f, pairs, first, sizes[:, None])
        errors = module.abs(sizes[:, None] * module.tensordot(_ERROR, slopes, 1)) / tolerance(pairs)
        error = errors.max(axis=(0, 2))
        finite = module.isfinite(error)
        error = module.where(finite, error, 1e9)
        taken = finite & (error <= 1)
        back, more = twin.put_back(pairs, new)
        # The twin's slope where it is put back, to first order; the state's own is that of the last stage.
        share = module.exp(-module.clip(more, -600.0, 600.0))[:, None]
        after = module.stack([slopes[-1][0], slopes[-1][0] + share * (slopes[-1][1] - slopes[-1][0])])
        sizes_after = sizes * module.clip(0.9 * (error + 1e-12) ** -0.2, 0.2, 5.0)
        return (
            module.where(taken, times + sizes, times),
            module.where(taken[:, None], back, pairs),
            module.where(taken[:, None], after, first),
            module.minimum(sizes_after, longest),
            module.where(taken, growth + more, growth),
        )

    return step


def _record(carry: Carry) -> tuple[Any, Any, Any, Any]:
    times, pairs, slopes, _, growth = carry
    return times, pairs[0], slopes[0], growth


def _compiled_chunk(step: Callable[[Carry], Carry]) -> Callable[[Carry], tuple[Carry, Any]]:
    def one(carry: Carry, _: None) -> tuple[Carry, Any]:
        carry = tuple(jnp.asarray(part, jnp.float64) for part in step(carry))  # type: ignore[assignment]
        return carry, _record(carry)

    compiled = jax.jit(lambda carry: jax.lax.scan(one, carry, None, length=_CHUNK))

    def chunk(carry: Carry) -> tuple[Carry, Any]:
        with jax.enable_x64(True):
            return compiled(tuple(jnp.asarray(part) for part in carry))

    return chunk


def _chunk(step: Callable[[Carry], Carry]) -> Callable[[Carry], tuple[Carry, Any]]:
    def chunk(carry: Carry) -> tuple[Carry, Any]:
        records = []
        with np.errstate(all="ignore"):
            for _ in range(_CHUNK):
                carry = step(carry)
                records.append(_record(carry))
        return carry, tuple(np.stack(part) for part in zip(*records, strict=True))

    return chunk
