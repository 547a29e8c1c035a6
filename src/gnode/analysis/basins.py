"""Basins of attraction by running from many starts for a bounded time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from gnode.analysis.dynamics import Function, checked_states, kind_of
from gnode.analysis.fixed_points import fixed_points, starts_from
from gnode.analysis.integration import advancing
from gnode.analysis.threads import one_thread
from gnode.errors import must_have

UNDECIDED = -1
DIVERGED = -2


@dataclass(frozen=True)
class Basins:
    """Where each start ends up.

    Attributes:
        attractors: (K, N), fixed points.
        starts: (B, N).
        labels: (B,), the number of the attractor; -1 where the steps did not suffice to tell (the start may be slow, or
            go to something that is no given point), -2 where the state left the finite numbers.
        shares: (K,), share of the starts in each basin.
        undecided: share of the starts that are.
        steps: (B,), after how many steps each was decided, rounded up to a power of two.
        radius: how near an attractor counts as there.
    """

    attractors: np.ndarray
    starts: np.ndarray
    labels: np.ndarray
    shares: np.ndarray
    undecided: float
    steps: np.ndarray
    radius: float


@one_thread
def basins(
    f: Function,
    attractors: Any = None,
    *,
    kind: str | None = None,
    starts: Any = None,
    bounds: Any = None,
    count: int = 1024,
    seed: int = 0,
    steps: int = 10_000,
    step: float | int | None = None,
    radius: float | int | None = None,
) -> Basins:
    """Run from each start for at most `steps` steps, until it is within `radius` of an attractor.

    Args:
        f: any callable (batch, N) -> (batch, N).
        attractors: (K, N); by default the stable points that `fixed_points` finds from the same starts.
        kind: as for `fixed_points`; a flow is integrated by Runge-Kutta steps of fixed size.
        starts, bounds, count, seed: as for `fixed_points`.
        steps: the most that a start is given.
        step: of a flow's integration; by default a tenth of the shortest time constant at the starts.
        radius: by default a tenth of the distance between the two nearest attractors, at most 0.01.

    Raises:
        InvalidInput: an argument is wrong.
    """
    kind = kind_of(f, kind)
    states = starts_from(starts, bounds, count, seed)
    if not isinstance(steps, (int, np.integer)) or steps < 1:
        must_have("at least 1 step", repr(steps))
    if attractors is None:
        found = fixed_points(f, kind=kind, starts=states)
        stable = [name.startswith("stable") for name in found.stability]
        targets = found.points[np.array(stable, bool)]
    else:
        targets = checked_states(attractors, "attractors")
    if targets.shape[1] != states.shape[1]:
        must_have(f"attractors of shape (K, {states.shape[1]})", f"shape {targets.shape}")
    radius = _default_radius(targets) if radius is None else radius
    if not radius > 0:
        must_have("a radius above 0", repr(radius))

    advance, _ = advancing(f, kind, states, step)
    labels, taken, now = np.full(len(states), UNDECIDED), np.full(len(states), steps), states
    done = 0
    while done < steps and (labels == UNDECIDED).any() and len(targets):
        stride = min(max(done, 1), steps - done)  # doubles, so that few looks suffice
        now = advance(now, stride)
        done += stride
        arrived = _arrived(now, targets, radius)
        fresh = (labels == UNDECIDED) & (arrived != UNDECIDED)
        labels[fresh], taken[fresh] = arrived[fresh], done
    return Basins(
        attractors=targets,
        starts=states,
        labels=labels,
        shares=np.array([np.mean(labels == number) for number in range(len(targets))]),
        undecided=float(np.mean(labels == UNDECIDED)),
        steps=taken,
        radius=radius,
    )


def _arrived(states: np.ndarray, targets: np.ndarray, radius: float | int) -> np.ndarray:
    """The attractor within `radius` of each state (B,), or UNDECIDED, or DIVERGED where it is not finite."""
    finite = np.isfinite(states).all(axis=1)
    labels = np.where(finite, UNDECIDED, DIVERGED)
    distance, nearest = cKDTree(targets).query(states[finite])
    labels[finite] = np.where(distance <= radius, nearest, UNDECIDED)
    return labels


def _default_radius(targets: np.ndarray) -> float:
    if len(targets) < 2:
        return 0.01
    return float(min(0.01, 0.1 * cKDTree(targets).query(targets, k=2)[0][:, 1].min()))
