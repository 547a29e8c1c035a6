"""Nullclines in the plane: where one component of the dynamics stands still."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gnode.analysis.dynamics import Dynamics, checked_bounds, dynamics_of, kind_of
from gnode.analysis.frameworks import Function
from gnode.arguments import integer, number
from gnode.errors import Diverged, must_have
from gnode.modes import usual_modes

_BISECTIONS = 48
_ON_BORDER = 1e-10  # a border node stands still where it is this share of the node inside, or less


@dataclass(frozen=True)
class Nullclines:
    """Where each component stands still.

    Attributes:
        curves: for each of the two components a list of polylines (m, 2); closed ones end where they begin.
        checks: what was found out about f, a sentence each (gnode.analysis.dynamics).
        evidence: in words, what was looked at.
    """

    curves: tuple[list[np.ndarray], list[np.ndarray]]
    checks: tuple[str, ...] = ()
    evidence: str = ""


@usual_modes()
def nullclines(
    f: Function, bounds: Any, *, kind: str | None = None, level: float | int = 0.0, resolution: int = 201
) -> Nullclines:
    """Curves on which a component of f (flow) or of f - identity (map) equals `level`, in two dimensions.

    Marching squares on a grid; each vertex is then bisected along its edge of the grid to rounding, so that vertices
    lie on the curve however coarse the grid is. Curves that fit between grid lines are missed, and those
    on which a component touches zero without changing its sign, but for the border of the box. The same call gives the
    curves of F (pass `lambda h: candidate(h) - h`) or contours of a gate (pass the gate and a level such as 0.5).

    Args:
        f: any callable (batch, 2) -> (batch, 2).
        bounds: (low, high), two vectors of length 2.
        kind: as for `fixed_points`.
        level: the value to look for.
        resolution: grid points a side.

    Raises:
        InvalidInput: an argument is wrong, or the dynamics is not two-dimensional.
        Diverged: f is finite nowhere on the grid; where it is finite in places, curves end at the border of them.
    """
    kind = kind_of(f, kind)
    low, high = checked_bounds(bounds)
    if low.size != 2:
        must_have(
            "bounds in two dimensions", f"{low.size}", "In more, look at two at a time with the others held still."
        )
    resolution, level = integer("resolution", resolution, 2), number("level", level)
    axes = [np.linspace(low[axis], high[axis], resolution) for axis in (0, 1)]
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)  # (x, y, 2)
    dynamics = dynamics_of(f, nodes.reshape(-1, 2), (high - low) / 2)
    excess = _Excess(dynamics, kind, level)
    values = excess(nodes.reshape(-1, 2)).reshape(nodes.shape)
    if not np.isfinite(values).any():
        raise Diverged("The callable is finite nowhere on the grid.")
    first, second = (_contour(excess, nodes, values[..., component], component) for component in (0, 1))
    jumps = int(np.sum(~np.isfinite(values).all(axis=-1)))
    return Nullclines(
        (first, second),
        checks=dynamics.checks,
        evidence=f"{len(first)} and {len(second)} curves on a grid of {resolution} by {resolution}"
        + (f"; f is not finite at {jumps} of its nodes." if jumps else "."),
    )


@dataclass(frozen=True)
class _Excess:
    """How far each component is above the level, (batch, 2)."""

    dynamics: Dynamics
    kind: str
    level: float

    def __call__(self, states: np.ndarray) -> np.ndarray:
        values = self.dynamics.values(states)
        return (values if self.kind == "flow" else values - states) - self.level


def _contour(excess: _Excess, nodes: np.ndarray, values: np.ndarray, component: int) -> list[np.ndarray]:
    """Polylines of the zeros of one component of `excess`, whose values (R, R) at the nodes (R, R, 2) are known."""
    above, known = _above(values), np.isfinite(values)
    # An edge is named by its lower node and its axis: [axis, x, y].
    crossing = np.zeros((2, *values.shape), bool)
    crossing[0, :-1] = (above[:-1] != above[1:]) & known[:-1] & known[1:]
    crossing[1, :, :-1] = (above[:, :-1] != above[:, 1:]) & known[:, :-1] & known[:, 1:]
    edges = np.argwhere(crossing)
    if not len(edges):
        return []
    ends = edges[:, 1:] + np.eye(2, dtype=int)[edges[:, 0]]
    vertices, real = _bisected(
        excess,
        nodes[edges[:, 1], edges[:, 2]],
        nodes[ends[:, 0], ends[:, 1]],
        above[edges[:, 1], edges[:, 2]],
        component,
        _smallest_scale(values),
    )
    number = np.full(crossing.shape, -1)
    number[tuple(edges[real].T)] = np.flatnonzero(real)
    return [vertices[chain] for chain in _chains(_segments(excess, nodes, above, number, component))]


def _above(values: np.ndarray) -> np.ndarray:
    """Whether each node (R, R) is above zero. One on the border that stands still is on the other side than the node
    inside, so that a curve along the border is crossed from within, whatever the sign there."""
    above = values > 0
    last = len(values) - 1
    x, y = np.meshgrid(np.arange(last + 1), np.arange(last + 1), indexing="ij")
    inside = np.clip(x, 1, last - 1), np.clip(y, 1, last - 1)
    border = (x != inside[0]) | (y != inside[1])
    with np.errstate(invalid="ignore"):
        still = border & (np.abs(values) <= _ON_BORDER * np.abs(values[inside])) & (values[inside] != 0)
    return np.where(still, ~above[inside], above)


def _smallest_scale(values: np.ndarray) -> float:
    """Below this a value is nothing beside those around it."""
    sizes = np.abs(values[np.isfinite(values)])
    return _ON_BORDER * float(np.median(sizes))


def _bisected(
    excess: _Excess, one: np.ndarray, other: np.ndarray, sign: np.ndarray, component: int, nothing: float
) -> tuple[np.ndarray, np.ndarray]:
    """The zeros between pairs of points (E, 2), the first of which are above zero where `sign` says so, and which of
    them are zeros rather than jumps."""
    largest = np.abs(excess(np.concatenate([one, other]))[:, component].reshape(2, -1)).max(axis=0)
    for _ in range(_BISECTIONS):
        middle = (one + other) / 2
        same = (excess(middle)[:, component] > 0) == sign
        one, other = np.where(same[:, None], middle, one), np.where(same[:, None], other, middle)
    middle = (one + other) / 2
    return middle, np.abs(excess(middle)[:, component]) <= np.maximum(1e-6 * largest, nothing)


def _segments(excess: _Excess, nodes: np.ndarray, above: np.ndarray, number: np.ndarray, component: int) -> list:
    """Pairs of vertices that a cell connects; where all four edges cross, the centre decides which."""
    bottom, top = number[0, :-1, :-1], number[0, :-1, 1:]
    left, right = number[1, :-1, :-1], number[1, 1:, :-1]
    around = np.stack([bottom, right, top, left], axis=-1).reshape(-1, 4)
    crossed = (around >= 0).sum(axis=1)
    pairs = [tuple(row[row >= 0]) for row in around[crossed == 2]]
    saddles = np.flatnonzero(crossed == 4)
    if len(saddles):
        x, y = np.unravel_index(saddles, bottom.shape)
        centre = (nodes[x, y] + nodes[x + 1, y + 1]) / 2
        joined = (excess(centre)[:, component] > 0) == above[x, y]  # the centre is on the lower left corner's side
        for (south, east, north, west), through in zip(around[saddles], joined, strict=True):
            pairs += [(south, east), (north, west)] if through else [(south, west), (north, east)]
    return pairs


def _chains(pairs: list) -> list[list[int]]:
    """Vertices in the order in which pairs connect them: open chains first, then closed ones."""
    neighbours: dict[int, list[int]] = {}
    for one, other in pairs:
        neighbours.setdefault(int(one), []).append(int(other))
        neighbours.setdefault(int(other), []).append(int(one))
    chains, seen = [], set()
    for start in sorted(neighbours, key=lambda vertex: len(neighbours[vertex])):
        if start in seen:
            continue
        chain, here = [start], start
        seen.add(start)
        while onward := [vertex for vertex in neighbours[here] if vertex not in seen]:
            here = onward[0]
            seen.add(here)
            chain.append(here)
        if len(chain) > 2 and start in neighbours[here]:
            chain.append(start)
        chains.append(chain)
    return chains
