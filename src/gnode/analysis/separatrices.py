"""Stable and unstable manifolds of saddles, where they are curves: the borders of basins, and the ways out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnode.analysis.courses import Rules, beginning, called, follower
from gnode.analysis.dynamics import Dynamics, checked_bounds, checked_states, dynamics_of, kind_of
from gnode.analysis.frameworks import Function
from gnode.analysis.integration import resting_units
from gnode.analysis.stability import eigenvalues_with_errors, growth_of
from gnode.arguments import integer, positive
from gnode.errors import Diverged, must_have
from gnode.modes import usual_modes
from gnode.threads import one_thread

_NEWTON_STEPS, _HALVINGS = 40, 12
_SEARCHED = 10.0 ** np.linspace(-18, 18, 217)  # distances at which a function may stop to be linear, in any unit
_LINEAR, _BENT = 1e-6, 0.1  # departures from the linear part: where a branch begins, and where it is no longer near
_NEAR = 0.01  # of the distance at which the function bends: a fixed point given farther off is none
_ERROR = 1e-9  # allowed in a step, as a share of the extent
_ATTEMPTS = 1000  # steps between two points of a branch
_FILLED = 4  # points between two of which a smooth branch is integrated, the others by cubics


@dataclass(frozen=True)
class Branch:
    """Half of a manifold, from the saddle outwards.

    Attributes:
        points: (m, N), the saddle first.
        ending: "length" (as long as asked for), "bounds" (left the box), "fixed point" (arrived at one), "not finite",
            "jump" (no step is small enough there), or "not invertible" (the map has no preimage there that could be
            found).
    """

    points: np.ndarray
    ending: str


@dataclass(frozen=True)
class Separatrices:
    """The two branches of each manifold that is a curve.

    Attributes:
        saddle: (N,), as Newton's method improved it.
        eigenvalues: (N,), of df/dh at the saddle.
        stable_dimension, unstable_dimension: how many directions shrink and grow for sure.
        stable, unstable: two branches each where that dimension is 1; none where the manifold is no curve.
        margins: (N,), what each eigenvalue may be off by; one that is nearer to neutral neither grows nor shrinks.
        offset: the distance from the saddle at which branches leave their straight line.
        checks: what was found wanting, in sentences.
        evidence: the numbers behind the result.
    """

    saddle: np.ndarray
    eigenvalues: np.ndarray
    stable_dimension: int
    unstable_dimension: int
    stable: list[Branch]
    unstable: list[Branch]
    margins: np.ndarray
    offset: float
    checks: tuple[str, ...]
    evidence: str


@usual_modes()
@one_thread
def separatrices(
    f: Function,
    saddle: Any,
    *,
    kind: str | None = None,
    bounds: Any = None,
    length: float | int | None = None,
    points: int = 1000,
) -> Separatrices:
    """The curves that flow into a saddle and out of it.

    A branch begins on its eigenvector, at the largest distance at which f differs from its linear part by less than a
    millionth (or by as little as its rounding lets be seen). Flows: integrated along f / |f|, forwards and backwards,
    by an embedded pair whose error is held at 1e-9 of the extent, to points at equal arc length. Maps: images of a
    fundamental segment of the unstable eigenvector, and preimages of one of the stable eigenvector, found by Newton's
    method (Krauskopf, Osinga et al., Int. J. Bifurcation Chaos 15, 2005, review such methods). The work is bounded by
    `points`.

    Args:
        f: any callable (batch, N) -> (batch, N).
        saddle: (N,), a fixed point with growing and shrinking directions, as `fixed_points` finds them.
        kind: as for `fixed_points`.
        bounds: (low, high), a box that branches end at; none by default.
        length: of a branch, in units of the state. By default twice the diagonal of the bounds; without them ten times
            the distance at which f bends by a tenth, or where it never does ten times the size of the saddle or 10.
        points: of a branch.

    Raises:
        InvalidInput: an argument is wrong, or the point is no saddle.
        Diverged: the callable is not finite there.
    """
    kind, point = kind_of(f, kind), checked_states(saddle, "saddle")
    if len(point) != 1:
        must_have("one saddle of shape (N,)", f"shape {np.shape(saddle)}")
    length, points = None if length is None else positive("length", length), integer("points", points, 2)
    size = point.shape[1]
    everywhere = np.full(size, np.inf)
    box = (-everywhere, everywhere) if bounds is None else checked_bounds(bounds, size)
    dynamics = dynamics_of(f, point, _scale(dynamics_of(f, point), point[0], box, length))
    point = _rested(dynamics, kind, point)
    slopes = dynamics.checked_jacobians(point)
    off = dynamics.jacobian_errors(point, slopes)
    margins = eigenvalues_with_errors(slopes * dynamics.ratio, off * dynamics.ratio)[1][0]
    slopes = slopes[0]
    eigenvalues, vectors = np.linalg.eig(
        slopes * dynamics.ratio
    )  # the same eigenvalues in the same order as their margins
    vectors = dynamics.extent[:, None] * vectors
    vectors = vectors / np.linalg.norm(vectors, axis=0)
    growth = growth_of(eigenvalues, kind)
    shrinking, growing = np.flatnonzero(growth < -margins), np.flatnonzero(growth > margins)
    if not (len(shrinking) and len(growing)):
        unsure = size - len(shrinking) - len(growing)
        must_have(
            "a saddle",
            f"eigenvalues {[f'{value:.6g}' for value in eigenvalues]}, of which {len(growing)} grow, {len(shrinking)} "
            f"shrink and {unsure} cannot be told from neutral (they are known to within {margins.max():.1g})",
        )
    near = [_linear(dynamics, point[0], slopes, vectors[:, number].real) for number in (*shrinking, *growing)]
    offset, bend = min(first for first, _ in near), min(second for _, second in near)
    if length is None:
        length = _default_length(point[0], box, bend)
    trace = _Tracer(f, dynamics, kind, point[0], box, length, points, offset, float(np.linalg.norm(slopes)))
    stable = trace.manifold(vectors[:, shrinking].real.T, eigenvalues[shrinking], forwards=-1)
    unstable = trace.manifold(vectors[:, growing].real.T, eigenvalues[growing], forwards=1)
    evidence = (
        f"{len(growing)} directions grow and {len(shrinking)} shrink out of {size}, eigenvalues known to within "
        f"{margins.max():.1g}; branches begin {offset:.2g} from the saddle, where the flow is straight, and end by "
        f"{', '.join(branch.ending for branch in (*stable, *unstable)) or 'none: no manifold is a curve'}."
    )
    return Separatrices(
        saddle=point[0],
        eigenvalues=eigenvalues,
        stable_dimension=len(shrinking),
        unstable_dimension=len(growing),
        stable=stable,
        unstable=unstable,
        margins=margins,
        offset=offset,
        checks=dynamics.checks,
        evidence=evidence,
    )


@np.errstate(all="ignore")
def _rested(dynamics: Dynamics, kind: str, given: np.ndarray) -> np.ndarray:
    """The fixed point (1, N) that was meant, by Newton's method from close by."""

    def step(states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rest = dynamics.values(states) - (states if kind == "map" else 0)
        slopes = dynamics.jacobians(states)[0] - (np.eye(states.shape[1]) if kind == "map" else 0)
        if not (np.isfinite(slopes).all() and np.isfinite(rest).all()):
            raise Diverged("The callable or its Jacobian is not finite at the saddle.")
        return -(np.linalg.pinv(slopes, rcond=1e-9) @ rest[0])[None], rest

    point, speed = given, np.inf
    for _ in range(8):
        move, rest = step(point)
        if not np.linalg.norm(rest) < speed:
            break
        best, speed = point, float(np.linalg.norm(rest))
        point = point + move
    slopes = dynamics.jacobians(best)[0]
    moved = np.linalg.norm(best - given)
    direction = best[0] - given[0] if moved > 0 else np.ones(given.shape[1])
    _, bend = _linear(dynamics, best[0], slopes, direction / np.linalg.norm(direction))
    rounding = dynamics.precision * (np.linalg.norm(slopes) + (kind == "map")) * np.linalg.norm(best)
    resting = speed <= 1e-6 * np.linalg.norm(slopes) * min(bend, 1e300) + 1e3 * rounding
    if not (moved <= _NEAR * bend and resting):
        first = step(given)[1]
        must_have(
            "a fixed point", f"a state that moves with speed {np.linalg.norm(first):.3g}", "Use fixed_points first."
        )
    return best


@np.errstate(all="ignore")
def _linear(dynamics: Dynamics, point: np.ndarray, slopes: np.ndarray, direction: np.ndarray) -> tuple[float, float]:
    """Up to what distance from a point f is linear along a direction: to a millionth, and to a tenth.

    The first is where a difference shows f best, if its rounding hides a millionth; the second is infinite where f does
    not bend.
    """
    sides = np.array([1.0, -1.0])[:, None, None]
    moves = sides * _SEARCHED[:, None] * direction
    states = point + moves
    values = dynamics.values(np.concatenate([states.reshape(-1, len(point)), point[None]]))
    changes = values[:-1].reshape(states.shape) - values[-1]
    straight = (states - point) @ slopes.T
    # In each coordinate, so that one in another unit counts as much; beside all of them where it has no linear part.
    own = _SEARCHED[:, None] * (np.abs(slopes) @ np.abs(direction))
    sizes = np.where(own > 0, own, np.linalg.norm(straight, axis=2, keepdims=True))
    departures = np.max(np.abs(changes - straight) / sizes, axis=(0, 2))
    seen = 1e2 * dynamics.precision * np.abs(point).max() < _SEARCHED  # below that the state itself does not move
    departures = np.where(np.isfinite(departures) & seen, departures, np.inf)
    best = int(np.argmin(departures))
    bent = np.flatnonzero(departures[best:] > _BENT)
    bend = float(_SEARCHED[best + bent[0]]) if len(bent) else np.inf
    upto = best + (int(bent[0]) if len(bent) else len(_SEARCHED) - best)
    fine = best + np.flatnonzero(departures[best:upto] <= max(_LINEAR, departures[best]))
    small = fine[_SEARCHED[fine] <= 1e-3 * bend] if np.isfinite(bend) else fine[:1]
    return float(_SEARCHED[small[-1] if len(small) else best]), bend


@np.errstate(all="ignore")
def _scale(
    dynamics: Dynamics, point: np.ndarray, box: tuple[np.ndarray, np.ndarray], length: float | int | None
) -> np.ndarray:
    """The length (N,) of each coordinate over which f bends by a tenth beside a point, by no derivative of it.

    Where it does not bend, that of the box, of the branches, of the other coordinates, or of the point.
    """
    moves = _SEARCHED[::4, None, None] * np.eye(len(point))
    here = dynamics.values(point[None])
    once, twice = (
        (dynamics.values((point + width * moves).reshape(-1, len(point))) - here).reshape(moves.shape)
        for width in (1.0, 2.0)
    )
    departures = np.max(np.abs(twice - 2 * once), axis=2) / np.max(np.abs(twice), axis=2)
    seen = _SEARCHED[::4, None] > 1e2 * dynamics.precision * np.abs(point).max()
    departures = np.where(np.isfinite(departures) & seen, departures, np.inf)
    bends = np.full(len(point), np.nan)
    for unit, of_unit in enumerate(departures.T):
        best = int(np.argmin(of_unit))
        bent = np.flatnonzero(of_unit[best:] > _BENT)
        if of_unit[best] < _BENT and len(bent) and np.isfinite(of_unit[best + bent[0]]):
            bends[unit] = _SEARCHED[::4][best + bent[0]]
    otherwise = length or np.nanmax(bends, initial=0.0) or float(np.linalg.norm(point)) or 1.0
    half = (box[1] - box[0]) / 2
    return np.where(np.isnan(bends), np.where(np.isfinite(half), half, otherwise), bends)


def _default_length(saddle: np.ndarray, box: tuple[np.ndarray, np.ndarray], bend: float) -> float:
    diagonal = float(np.linalg.norm(box[1] - box[0]))
    if np.isfinite(diagonal):
        return 2 * diagonal
    return 10 * next(size for size in (bend, float(np.linalg.norm(saddle)), 1.0) if 0 < size < np.inf)


@dataclass
class _Growing:
    """A branch under way; `ending` is empty until it ends."""

    points: list[np.ndarray]
    ending: str = ""


def _hermite(
    begin: np.ndarray, end: np.ndarray, leaving: np.ndarray, arriving: np.ndarray, count: int, stride: float
) -> np.ndarray:
    """Points (count, B, N) at equal arc lengths on the cubics between states with these headings, all (B, N)."""
    share = (np.arange(1, count) / count)[:, None, None]
    arc = count * stride
    inside = (
        (1 + 2 * share) * (1 - share) ** 2 * begin
        + share**2 * (3 - 2 * share) * end
        + share * (1 - share) * arc * ((1 - share) * leaving - share * arriving)
    )
    return np.concatenate([inside, end[None]])


class _Heading(eqx.Module):
    """Along or against a flow in JAX, at speed 1; networks of one architecture share what is compiled of it."""

    f: Function
    forwards: Array

    def __call__(self, states: Array) -> Array:
        velocity = self.forwards * self.f(states)
        return velocity / jnp.linalg.norm(velocity, axis=1, keepdims=True)


@dataclass(frozen=True)
class _Tracer:
    f: Function
    dynamics: Dynamics
    kind: str
    saddle: np.ndarray
    box: tuple[np.ndarray, np.ndarray]
    length: float
    points: int
    offset: float
    rate: float

    def manifold(self, directions: np.ndarray, eigenvalues: np.ndarray, forwards: int) -> list[Branch]:
        """Both branches along the only direction; none where there are several. forwards: 1 in time, -1 against it."""
        if len(directions) != 1:
            return []
        if self.kind == "flow":
            return self._along_flow(directions[0], forwards)
        return [self._by_map(side * directions[0], eigenvalues[0].real, forwards) for side in (1, -1)]

    @np.errstate(all="ignore")
    def _along_flow(self, direction: np.ndarray, forwards: int) -> list[Branch]:
        """Both branches at a time, in steps of arc length."""

        def heading(states: np.ndarray) -> np.ndarray:
            velocity = forwards * self.dynamics.values(states)
            return velocity / np.linalg.norm(velocity, axis=1, keepdims=True)

        stride = self.length / self.points
        offset = min(self.offset, stride / 2)
        begin = self.saddle + offset * np.array([[1.0], [-1.0]]) * direction
        units = resting_units(self.dynamics, begin, np.zeros_like(self.saddle))
        rules = Rules(_ERROR, attempts=_ATTEMPTS)
        if self.dynamics.framework == "jax":
            follow = follower(_Heading(self.f, jnp.asarray(float(forwards))), self.dynamics, "flow", rules)
        else:
            follow = called(heading, "flow", rules)
        course = beginning(begin, np.zeros((2, 0, len(self.saddle))), offset, units)
        branches = [_Growing([self.saddle, state]) for state in begin]
        ahead, number, here = _FILLED, 0, heading(begin)
        while number < self.points and not all(branch.ending for branch in branches):
            ahead = min(ahead, self.points - number)
            until = (number + ahead) * stride
            further, _ = follow(course, np.array([until]), units)
            there, going = heading(further.states), [not branch.ending for branch in branches]
            smooth = np.isfinite(there).all(axis=1) & (further.taken - course.taken <= 2) & (further.time >= until)
            near = self._slow(further.states, ahead * stride)
            if ahead > 1 and (~smooth | near)[going].any():
                ahead = 1  # what bends within a stretch, or ends in it, is looked at point by point
                continue
            between = _hermite(course.states, further.states, here, there, ahead, stride)
            for side, branch in enumerate(branches):
                if branch.ending:
                    continue
                if not np.isfinite(further.states[side]).all() or further.time[side] < until:
                    arrived = self._arrives(branch.points[-1], heading, 2 * stride)
                    otherwise = "jump" if further.time[side] < until else "not finite"
                    branch.ending = "fixed point" if arrived else otherwise
                else:
                    self._add(branch, between[:, side])
                    if near[side] and not branch.ending and self._arrives(branch.points[-1], heading, stride):
                        branch.ending = "fixed point"
            number += ahead
            ahead = _FILLED if not (near & going).any() else 1
            ended = [bool(branch.ending) for branch in branches]
            course, here = further._replace(time=np.where(ended, np.inf, further.time)), there
        return [Branch(np.array(branch.points), branch.ending or "length") for branch in branches]

    def _add(self, branch: "_Growing", states: np.ndarray) -> None:
        for state in states:
            if not self._inside(state[None])[0]:
                branch.ending = "bounds"
                return
            branch.points.append(state)

    def _slow(self, states: np.ndarray, distance: float) -> np.ndarray:
        """Whether f is as small as within this distance of a fixed point."""
        return ~(np.linalg.norm(self.dynamics.values(states), axis=1) > 3 * self.rate * distance)

    def _arrives(self, state: np.ndarray, heading: Callable[[np.ndarray], np.ndarray], distance: float) -> bool:
        """Whether a fixed point lies ahead and nearer than this, by a step of Newton's method."""
        slopes = self.dynamics.jacobians(state[None])[0]
        if not np.isfinite(slopes).all():
            return False
        move = -np.linalg.pinv(slopes, rcond=1e-9) @ self.dynamics.values(state[None])[0]
        return bool(np.linalg.norm(move) <= distance and move @ heading(state[None])[0] > 0)

    def _by_map(self, direction: np.ndarray, eigenvalue: float, forwards: int) -> Branch:
        """Images (or preimages) of the segment between a point near the saddle and its own image (or preimage).

        An eigenvalue below zero swaps the two branches at every step, so there two steps are taken at a time.
        """
        steps = 1 if eigenvalue > 0 else 2
        stretch = abs(eigenvalue) ** (forwards * steps)
        offset = min(self.offset, self.length / self.points)
        rounds = max(1, int(np.ceil(np.log(self.length / offset) / np.log(stretch))))
        segment = max(8, self.points // rounds)
        amounts = offset * stretch ** (np.arange(segment) / segment)
        states = self.saddle + amounts[:, None] * direction
        path, travelled = [self.saddle[None]], 0.0
        for number in range(2 * rounds):
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
            if np.linalg.norm(whole[-1] - whole[0]) < 1e-9 * self.length and number > rounds:
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
        enough = 1e-12 * np.linalg.norm(image - self.saddle) + 4 * np.finfo(float).eps * np.linalg.norm(image)
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
