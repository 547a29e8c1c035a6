"""Derivatives by differences: where there is nothing better, and to check what claims to be better.

Everything is in units of `extent`, the length (N,) of each coordinate over which the function is of interest, so that
no length is absolute. Far from the origin numbers are spaced as |h| says, not as the extent does: `spacing`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Call = Callable[[np.ndarray], np.ndarray]

_SMALLER = np.array([8.0, 1.0, 1 / 8, 1 / 64])  # steps of the check, times the one that is best for smooth functions
_KINK = 0.02  # slopes on the two sides differ by this share of the size of the derivative
_SEED = 0  # of the directions along which is looked


def spacing(states: np.ndarray, extent: np.ndarray, precision: float) -> np.ndarray:
    """Distance between neighbouring numbers at states (batch, N), in units of the extent: the largest, (batch,)."""
    return precision * np.maximum(1.0, np.abs(states) / extent).max(axis=1)


@dataclass(frozen=True)
class Check:
    """Derivatives J v at B states, compared with differences along one direction.

    Attributes:
        right: (B,), where some difference agrees with J v to within what differences can tell; where the function is
            not finite around the state, nothing can be said, and it counts as right.
        kinked: (B,), where the slopes on the two sides of the state differ however near one looks.
        off: (B,), how far J v is from the nearest difference, as a share of the size of the derivative.
    """

    right: np.ndarray
    kinked: np.ndarray
    off: np.ndarray


@np.errstate(all="ignore")
def compared(call: Call, states: np.ndarray, jacobians: np.ndarray, extent: np.ndarray, precision: float) -> Check:
    """Compare Jacobians (B, N, N) with one-sided and central differences along a random direction at each state.

    Several steps are tried, because no one knows beforehand over which length the function bends.
    """
    count, size = states.shape
    directions = np.random.default_rng(_SEED).uniform(0.5, 1.5, (count, size))
    directions *= np.random.default_rng(_SEED + 1).choice([-1.0, 1.0], (count, size))
    fineness = spacing(states, extent, precision)
    steps = _SMALLER[:, None] * np.cbrt(fineness)  # (K, B)
    moves = steps[:, :, None] * directions * extent  # (K, B, N)
    around = np.concatenate([states + moves, states - moves]).reshape(-1, size)
    values = call(np.concatenate([states, around])) / extent
    here = values[:count]
    up, down = values[count:].reshape(2, len(_SMALLER), count, size)
    ahead, behind = (up - here) / steps[:, :, None], (here - down) / steps[:, :, None]

    scaled = jacobians * extent / extent[:, None]
    claimed = np.einsum("bij,bj->bi", scaled, directions)
    sizes = np.abs(scaled).sum(axis=2)  # (B, N), of each row
    measured = np.median(np.abs(np.concatenate([ahead, behind])), axis=0)
    sizes = np.maximum(sizes, measured)
    noise = (3 * precision * np.abs(here) + 3 * fineness[:, None] * sizes) / steps[:, :, None]
    allowed = noise + max(1e-5, 30 * precision ** (2 / 3)) * sizes
    distances = np.min([np.abs(side - claimed) for side in ((ahead + behind) / 2, ahead, behind)], axis=0)  # (K, B, N)
    approaches = (distances[1:] < 0.3 * distances[:-1])[-2:].all(axis=0)  # still on its way, where the slope vanishes
    agrees = ((distances <= allowed) | approaches).all(axis=2)
    unknown = ~np.isfinite(np.concatenate([ahead, behind])).all(axis=(0, 2)) | ~np.isfinite(claimed).all(axis=1)
    right = agrees.any(axis=0) | unknown
    off = np.nan_to_num((distances / np.maximum(sizes, 1e-300)).max(axis=2).min(axis=0), nan=0.0, posinf=np.inf)

    jumps = np.abs(ahead - behind)  # of a smooth function these shrink with the step
    visible = jumps > 3 * noise + _KINK * sizes
    stays = visible[:-1] & visible[1:] & (jumps[1:] > 0.5 * jumps[:-1])
    kinked = stays[-2:].any(axis=(0, 2)) & ~unknown
    return Check(right, kinked, np.where(right, 0.0, off))


@np.errstate(all="ignore")
def by_differences(
    call: Call, states: np.ndarray, extent: np.ndarray, precision: float
) -> tuple[np.ndarray, np.ndarray]:
    """Jacobians (B, N, N) by central differences at two steps, extrapolated (Richardson), and the error of each entry.

    Where they disagree, the function bends within the step: a sixteenth of it is tried there.
    """
    first = np.minimum(spacing(states, extent, precision) ** 0.2, 0.1)
    jacobians, errors = _extrapolated(call, states, extent, precision, first)
    rough = np.flatnonzero((errors > 1e-6 * np.abs(jacobians).max(axis=(1, 2), keepdims=True)).any(axis=(1, 2)))
    if len(rough):
        again, smaller = _extrapolated(call, states[rough], extent, precision, first[rough] / 16)
        better = smaller.max(axis=(1, 2)) < errors[rough].max(axis=(1, 2))
        jacobians[rough[better]], errors[rough[better]] = again[better], smaller[better]
    return jacobians, errors


def _extrapolated(call, states, extent, precision, steps) -> tuple[np.ndarray, np.ndarray]:
    coarse, fine = _central(call, states, extent, steps), _central(call, states, extent, steps / 2)
    extrapolated = fine + (fine - coarse) / 3
    fineness = spacing(states, extent, precision)[:, None] * (np.abs(extrapolated) * extent).sum(
        axis=2
    )  # of the values
    rounding = 2 * fineness[:, :, None] / (steps[:, None, None] * extent)
    return extrapolated, np.abs(fine - coarse) / 3 + rounding


def _central(call: Call, states: np.ndarray, extent: np.ndarray, steps: np.ndarray) -> np.ndarray:
    size = states.shape[1]
    moves = (steps[:, None] * extent)[:, :, None] * np.eye(size)  # (B, N moved, N)
    up, down = states[:, None, :] + moves, states[:, None, :] - moves
    values = call(np.concatenate([up, down]).reshape(-1, size)).reshape(2, *moves.shape)
    widths = np.diagonal(up - down, axis1=1, axis2=2)  # as they came out after rounding
    return np.moveaxis((values[0] - values[1]) / widths[:, :, None], 1, 2)
