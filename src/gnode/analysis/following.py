"""States followed along f step by step: where they go, and whether neighbours part."""

import numpy as np

from gnode.analysis.courses import Course, Path, Rules, beginning, recorder
from gnode.analysis.dynamics import Dynamics
from gnode.analysis.frameworks import Function
from gnode.analysis.integration import units_of

_ERROR = 1e-6  # of a step, as a share of the set's extent
_CHUNK = 256  # attempts of a step that are made at a time
_FIRST = 0.01  # of the extent, how far the first step goes


class Following:
    """m states on their way, with all that was recorded of it.

    A map is iterated. A flow is integrated by steps that control their own error, each state with its own, so the
    record is dense where a state is quick. Beside each goes a tangent vector, moved by differences of f: whether f has
    a derivative does not matter.

    Attributes:
        times: (attempts + 1, m), in steps of a map, in the flow's unit of time; one that does not grow was refused.
        states, velocities: (attempts + 1, m, N); the velocities of a map are 0.
        growth: (attempts + 1, m), log of what the length of the tangent vector has been multiplied by since the start.
    """

    def __init__(
        self, f: Function, dynamics: Dynamics, kind: str, states: np.ndarray, unit: np.ndarray, longest: float
    ) -> None:
        """unit: (N,), the set's extent in each coordinate. longest: no step of a flow takes more time than this."""
        self._flow, self._values = kind == "flow", dynamics.values
        wide = np.broadcast_to(unit, states.shape)
        self._units = units_of(dynamics, states, wide, wide)
        velocities = self._velocities_at(states[None])
        quickest = np.max(np.abs(velocities) / unit)
        first = min(longest, _FIRST / quickest) if quickest > 0 else longest
        away = np.random.default_rng(0).normal(size=(len(states), 1, states.shape[1]))
        directions = away / np.linalg.norm(away, axis=2, keepdims=True)
        self._course: Course = beginning(states, directions, first, self._units)
        self._record = recorder(f, dynamics, kind, Rules(_ERROR), _CHUNK, longest)
        self._paths = [Path(self._course.time[None], states[None], self._course.growth[None])]
        self._velocities = [velocities]

    def go_on(self, chunks: int = 1) -> None:
        """Some hundred attempts more for each state."""
        for _ in range(chunks):
            self._course, path = self._record(self._course, self._units)
            self._paths.append(path)
            self._velocities.append(self._velocities_at(path.states))

    @property
    def attempts(self) -> int:
        return _CHUNK * (len(self._paths) - 1)

    @property
    def times(self) -> np.ndarray:
        return np.concatenate([path.time for path in self._paths])

    @property
    def states(self) -> np.ndarray:
        return np.concatenate([path.states for path in self._paths])

    @property
    def velocities(self) -> np.ndarray:
        return np.concatenate(self._velocities)

    @property
    def growth(self) -> np.ndarray:
        return np.concatenate([path.growth[..., 0] for path in self._paths])

    def at(self, time: float) -> np.ndarray:
        """(m, N), where each state was at the last recorded moment up to a time."""
        reached = np.sum(self.times <= time, axis=0) - 1
        return self.states[reached, np.arange(len(reached))]

    def _velocities_at(self, states: np.ndarray) -> np.ndarray:
        if not self._flow:
            return np.zeros_like(states)
        return self._values(states.reshape(-1, states.shape[2])).reshape(states.shape)
