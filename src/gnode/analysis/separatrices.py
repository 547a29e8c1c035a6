"""Stable and unstable manifolds of saddles, where they are curves: the borders of basins, and the ways out."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gnode.analysis.dynamics import Dynamics, Function, checked_bounds, checked_states, dynamics_of, kind_of
from gnode.analysis.threads import one_thread
from gnode.errors import Diverged, must_have

_OFFSET = 1e-4  # where on the eigenvector a branch begins, in units of the state
_NEWTON_STEPS, _HALVINGS = 40, 12
_LARGEST_SPEED = 1e-4  # of what is taken for a saddle, as a share of the fastest rate times one unit of the state


@dataclass(frozen=True)
class Branch:
    """Half of a manifold, from the saddle outwards.

    Attributes:
        points: (m, N), the saddle first.
        ending: "length" (as long as asked for), "bounds" (left the box), "fixed point" (arrived at one), "not finite",
            or "not invertible" (the map has no preimage there that could be found).
    """

    points: np.ndarray
    ending: str


@dataclass(frozen=True)
class Separatrices:
    """The two branches of each manifold that is a curve.

    Attributes:
        saddle: (N,).
        eigenvalues: (N,), of df/dh at the saddle.
        stable_dimension, unstable_dimension: how many directions shrink and grow.
        stable, unstable: two branches each where that dimension is 1; none where the manifold is no curve.
    """

    saddle: np.ndarray
    eigenvalues: np.ndarray
    stable_dimension: int
    unstable_dimension: int
    stable: list[Branch]
    unstable: list[Branch]


@one_thread
def separatrices(
    f: Function,
    saddle: Any,
    *,
    kind: str | None = None,
    bounds: Any = None,
    length: float | int = 10.0,
    points: int = 1000,
) -> Separatrices:
    """The curves that flow into a saddle and out of it.

    Flows: integrated from the eigenvectors, forwards and backwards, in steps of equal arc length (Runge-Kutta of order
    four on f / |f|). Maps: images of a fundamental segment of the unstable eigenvector, and preimages of one of the
    stable eigenvector, found by Newton's method (Krauskopf, Osinga et al., Int. J. Bifurcation Chaos 15, 2005, review
    such methods). The work is bounded by `points`.

    Args:
        f: any callable (batch, N) -> (batch, N).
        saddle: (N,), a fixed point with growing and shrinking directions, as `fixed_points` finds them.
        kind: as for `fixed_points`.
        bounds: (low, high), a box that branches end at; none by default.
        length: of a branch, in units of the state.
        points: of a branch.

    Raises:
        InvalidInput: an argument is wrong, or the point is no saddle.
        Diverged: the callable is not finite there.
    """
    kind, point = kind_of(f, kind), checked_states(saddle, "saddle")
    if len(point) != 1:
        must_have("one saddle of shape (N,)", f"shape {np.shape(saddle)}")
    if not (np.isfinite(length) and length > 0 and isinstance(points, (int, np.integer)) and points >= 2):
        must_have("a length above 0 and at least 2 points", f"{length} and {points}")
    size = point.shape[1]
    everywhere = np.full(size, np.inf)
    box = (-everywhere, everywhere) if bounds is None else checked_bounds(bounds, size)
    dynamics = dynamics_of(f, point)
    slopes = dynamics.jacobians(point)[0]
    rest = dynamics.values(point) - (point if kind == "map" else 0)
    if not (np.isfinite(slopes).all() and np.isfinite(rest).all()):
        raise Diverged("The callable or its Jacobian is not finite at the saddle.")
    eigenvalues, vectors = np.linalg.eig(slopes)
    if not np.linalg.norm(rest) <= _LARGEST_SPEED * np.linalg.norm(slopes):
        must_have(
            "a fixed point", f"a state that moves with speed {np.linalg.norm(rest):.3g}", "Use fixed_points first."
        )
    growth = np.abs(eigenvalues) - 1 if kind == "map" else eigenvalues.real
    shrinking, growing = np.flatnonzero(growth < 0), np.flatnonzero(growth > 0)
    if not (len(shrinking) and len(growing)):
        must_have("a saddle", f"eigenvalues {np.round(eigenvalues, 6).tolist()}")
    trace = _Tracer(dynamics, kind, point[0], box, float(length), int(points))
    return Separatrices(
        saddle=point[0],
        eigenvalues=eigenvalues,
        stable_dimension=len(shrinking),
        unstable_dimension=len(growing),
        stable=trace.manifold(vectors[:, shrinking].real.T, eigenvalues[shrinking], forwards=-1),
        unstable=trace.manifold(vectors[:, growing].real.T, eigenvalues[growing], forwards=1),
    )


@dataclass(frozen=True)
class _Tracer:
    dynamics: Dynamics
    kind: str
    saddle: np.ndarray
    box: tuple[np.ndarray, np.ndarray]
    length: float
    points: int

    def manifold(self, directions: np.ndarray, eigenvalues: np.ndarray, forwards: int) -> list[Branch]:
        """Both branches along the only direction; none where there are several. forwards: 1 in time, -1 against it."""
        if len(directions) != 1:
            return []
        follow = self._along_flow if self.kind == "flow" else self._by_map
        return [follow(side * directions[0], eigenvalues[0].real, forwards) for side in (1, -1)]

    def _along_flow(self, direction: np.ndarray, eigenvalue: float, forwards: int) -> Branch:
        stride = self.length / self.points

        def heading(state: np.ndarray) -> np.ndarray:
            velocity = forwards * self.dynamics.values(state[None])[0]
            return velocity / np.linalg.norm(velocity)

        path = [self.saddle, self.saddle + _OFFSET * direction]
        for _ in range(self.points):
            here = path[-1]
            with np.errstate(all="ignore"):
                first = heading(here)
                second = heading(here + stride / 2 * first)
                third = heading(here + stride / 2 * second)
                fourth = heading(here + stride * third)
                there = here + stride / 6 * (first + 2 * second + 2 * third + fourth)
            if not np.isfinite(there).all():
                return Branch(np.array(path), "not finite")
            if not self._inside(there[None])[0]:
                return Branch(np.array(path), "bounds")
            # On the way, headings agree within a step; a step across a fixed point turns them around.
            if min(first @ second, first @ third, first @ fourth) < 0:
                return Branch(np.array(path), "fixed point")
            path.append(there)
        return Branch(np.array(path), "length")

    def _by_map(self, direction: np.ndarray, eigenvalue: float, forwards: int) -> Branch:
        """Images (or preimages) of the segment between a point near the saddle and its own image (or preimage).

        An eigenvalue below zero swaps the two branches at every step, so there two steps are taken at a time.
        """
        steps = 1 if eigenvalue > 0 else 2
        stretch = abs(eigenvalue) ** (forwards * steps)
        rounds = max(1, int(np.ceil(np.log(self.length / _OFFSET) / np.log(stretch))))
        segment = max(8, self.points // rounds)
        amounts = _OFFSET * stretch ** (np.arange(segment) / segment)
        states = self.saddle + amounts[:, None] * direction
        path, travelled = [self.saddle[None]], 0.0
        for _ in range(2 * rounds):
            whole = np.concatenate([path[-1][-1:], states])
            arc = travelled + np.cumsum(np.linalg.norm(np.diff(whole, axis=0), axis=1))
            reasons = {
                "not finite": ~np.isfinite(states).all(axis=1),
                "bounds": ~self._inside(states),
                "length": arc > self.length,
            }
            firsts = {reason: int(np.argmax(where)) for reason, where in reasons.items() if where.any()}
            if firsts:
                reason = min(firsts, key=lambda name: firsts[name])
                return Branch(np.concatenate([*path, states[: firsts[reason]]]), reason)
            path.append(states)
            if np.linalg.norm(whole[-1] - whole[0]) < 1e-9:
                return Branch(np.concatenate(path), "fixed point")
            travelled = float(arc[-1])
            for _ in range(steps):
                states, found = (self.dynamics.values(states), True) if forwards > 0 else self._preimages(states)
                if not found:
                    return Branch(np.concatenate(path), "not invertible")
        return Branch(np.concatenate(path), "length")

    def _preimages(self, states: np.ndarray) -> tuple[np.ndarray, bool]:
        """States that the map sends to these, one after the other along the curve, each sought from the one before."""
        guess, found = states[-1:], np.empty_like(states)
        for number, image in enumerate(states):
            guess, solved = self._preimage(image[None], guess)
            if not solved:
                return found, False
            found[number] = guess[0]
        return found, True

    @np.errstate(all="ignore")
    def _preimage(self, image: np.ndarray, guess: np.ndarray) -> tuple[np.ndarray, bool]:
        """Newton's method with steps halved until they help, on one state (1, N)."""
        enough = 1e-12 * (1 + np.linalg.norm(image))
        missing = self.dynamics.values(guess) - image
        for _ in range(_NEWTON_STEPS):
            if np.linalg.norm(missing) <= enough:
                break
            move = -(np.linalg.pinv(self.dynamics.jacobians(guess)[0]) @ missing[0])[None]
            for _ in range(_HALVINGS):
                off = self.dynamics.values(guess + move) - image
                if np.linalg.norm(off) < np.linalg.norm(missing):
                    break
                move = move / 2
            else:
                break
            guess, missing = guess + move, off
        return guess, bool(np.linalg.norm(missing) <= 1e3 * enough)

    def _inside(self, states: np.ndarray) -> np.ndarray:
        return np.all((states >= self.box[0]) & (states <= self.box[1]), axis=1)
