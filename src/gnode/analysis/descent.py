"""Many Levenberg-Marquardt descents at once, each lane leaving as soon as it is done."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

_ENTRIES = 2**24  # of Jacobians held at a time
_PATIENCE = 20  # trial steps between looks at whether a lane gets anywhere
_SUFFICIENT = 1e-4  # share of the predicted decrease that a step must bring


class Ending(IntEnum):
    """How a descent ended."""

    CONVERGED = 0  # the residual and the last step are below their thresholds
    STALLED = 1  # no step decreases the residual any further: a local minimum of the speed, or a kink
    UNFINISHED = 2  # the iterations or the time were used up
    FAILED = 3  # the start has no finite residual or Jacobian


@dataclass(frozen=True)
class Descent:
    """Attributes: points (B, N), residuals (B, N) and endings (B,), in the order of the starts."""

    points: np.ndarray
    residuals: np.ndarray
    endings: np.ndarray


def descend(
    residual: Callable[[np.ndarray], np.ndarray],
    jacobian: Callable[[np.ndarray], np.ndarray],
    starts: np.ndarray,
    *,
    threshold: float,
    reach: float,
    iterations: int,
    progress: float,
    resolution: float = 1e-14,
    seconds: float = np.inf,
) -> Descent:
    """Minimise |r(h)|^2 from each start by Levenberg-Marquardt.

    The damping is lambda * |r|^2 (Yamashita and Fukushima 2001; Fan and Yuan, Computing 74, 2005), which converges
    quadratically even where the roots are not isolated, as on a continuous attractor. Lambda follows the ratio of the
    actual to the predicted decrease; at kinks of relu it grows until the step is one of gradient descent.

    Args:
        residual: r, (batch, N) -> (batch, N).
        jacobian: dr/dh, (batch, N) -> (batch, N, N).
        starts: (B, N).
        threshold: the |r| and `reach` the length of the last step below both of which a lane has converged.
        iterations: the largest number of trial steps of a lane.
        resolution: steps shorter than this, beside 1 or the state itself, change nothing.
        progress: a lane whose |r|^2 falls by less than this share of itself in 20 trial steps has stalled.
        seconds: what is not done by then stays where it is, unfinished.
    """
    deadline = time.monotonic() + seconds
    lanes = max(1, _ENTRIES // starts.shape[1] ** 2)
    parts = [
        _descend_together(
            residual,
            jacobian,
            starts[first : first + lanes],
            threshold,
            reach,
            iterations,
            progress,
            resolution,
            deadline,
        )
        for first in range(0, len(starts), lanes)
    ]
    return Descent(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("points", "residuals", "endings"))
    )


@np.errstate(all="ignore")
def _descend_together(
    residual, jacobian, starts, threshold, reach, iterations, progress, resolution, deadline
) -> Descent:
    points, residuals = starts.copy(), residual(starts)
    if time.monotonic() > deadline:
        finite = np.isfinite(residuals).all(axis=1)
        return Descent(points, residuals, np.where(finite, Ending.UNFINISHED, Ending.FAILED))
    endings = np.full(len(starts), Ending.FAILED)
    lanes = np.flatnonzero(np.isfinite(residuals).all(axis=1))
    slopes = jacobian(points[lanes])
    usable = np.isfinite(slopes).all(axis=(1, 2))
    lanes, slopes = lanes[usable], slopes[usable]
    endings[lanes] = Ending.UNFINISHED
    products = slopes.swapaxes(1, 2) @ slopes
    squares = np.sum(residuals[lanes] ** 2, axis=1)
    damping = 1e-3 * _mean_diagonal(products) / np.maximum(squares, 1e-300)
    earlier = squares
    for iteration in range(iterations):
        if not len(lanes) or time.monotonic() > deadline:
            break
        here, now = points[lanes], residuals[lanes]
        step, amount = _damped_step(slopes, products, now, damping * squares)
        there = residual(here + step)
        new_squares = np.sum(there**2, axis=1)
        new_squares[~np.isfinite(new_squares)] = np.inf
        predicted = squares - np.sum((now + np.einsum("bij,bj->bi", slopes, step)) ** 2, axis=1)
        ratio = (squares - new_squares) / predicted
        better = (ratio > _SUFFICIENT) & (new_squares < squares)
        length = np.linalg.norm(step, axis=1)

        points[lanes[better]] += step[better]
        residuals[lanes[better]] = there[better]
        damping = _next_damping(damping, amount / np.maximum(squares, 1e-300), ratio, better)
        squares = np.where(better, new_squares, squares)

        arrived = (np.sqrt(squares) <= threshold) & (length <= reach)
        stuck = ~better & (length <= resolution * (1 + np.linalg.norm(here, axis=1)))
        if iteration % _PATIENCE == _PATIENCE - 1:
            stuck |= squares > (1 - progress) * earlier
            earlier = squares
        endings[lanes[stuck]] = Ending.STALLED
        endings[lanes[arrived]] = Ending.CONVERGED
        on = ~(arrived | stuck)
        moved = better[on]
        if not on.all():
            lanes, squares, damping, earlier = lanes[on], squares[on], damping[on], earlier[on]
            slopes, products = slopes[on], products[on]
        if moved.any():
            fresh = jacobian(points[lanes[moved]])
            slopes[moved] = fresh
            products[moved] = fresh.swapaxes(1, 2) @ fresh
        finite = np.isfinite(products).all(axis=(1, 2))
        if not finite.all():
            lanes, squares, damping, earlier = lanes[finite], squares[finite], damping[finite], earlier[finite]
            slopes, products = slopes[finite], products[finite]
    return Descent(points, residuals, endings)


def _damped_step(slopes, products, now, wanted) -> tuple[np.ndarray, np.ndarray]:
    """-(J'J + mu)^-1 J'r and mu, never so small that the matrix is numerically singular."""
    amount = np.maximum(wanted, 1e-14 * _mean_diagonal(products) + 1e-200)
    systems = products.copy()
    np.einsum("bii->bi", systems)[...] += amount[:, None]
    gradient = np.einsum("bij,bi->bj", slopes, now)
    return -np.linalg.solve(systems, gradient[..., None])[..., 0], amount


def _next_damping(damping, used, ratio, better) -> np.ndarray:
    after_success = np.where(ratio > 0.75, damping / 10, np.where(ratio < 0.25, used * 4, damping))
    return np.clip(np.where(better, after_success, np.maximum(damping, used) * 8), 1e-200, 1e200)


def _mean_diagonal(matrices: np.ndarray) -> np.ndarray:
    return np.trace(matrices, axis1=1, axis2=2) / matrices.shape[1]
