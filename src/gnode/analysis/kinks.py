"""Minima of the speed on kinks of the function, where no gradient is zero and descent by gradients gets stuck.

Gradient sampling (Burke, Lewis and Overton, SIAM Journal on Optimization 15, 2005): around a kink the gradients on all
sides are taken. The shortest vector of their convex hull points uphill along the kink, and vanishes at a minimum.
"""

import numpy as np

from gnode.analysis.zeros import Problem

MOST = 64  # places that are followed
LARGEST = 16  # units, beyond which gradients on all sides would be too many
_ROUNDS = 200
_FIRST, _LAST = 1e-2, 1e-7  # distance, in extents, at which gradients are taken
MERGE = 1e-2  # distance within which two of them are one: along a kink the speed is flat, and its minimum not sharp
_FLAT = 1e-2  # the shortest vector of the hull beside the longest gradient met, at a minimum


@np.errstate(all="ignore")
def minima_on_kinks(problem: Problem, places: np.ndarray) -> np.ndarray:
    """The minima (K, N) of the speed that lie downhill of places (B, N) on kinks, those that were reached."""
    random = np.random.default_rng(0)
    places = places[random.permutation(len(places))[:MOST]].copy()
    radii, slopes, steepest = np.full(len(places), _FIRST), np.full(len(places), np.inf), np.zeros(len(places))
    again = 2  # from wide to near: near by, a kink that is only almost hit hides the way along it
    for _ in range(_ROUNDS):
        active = np.flatnonzero(radii > _LAST)
        if not len(active):
            if not again:
                break
            again -= 1
            radii[:] = _FIRST
            continue
        here = places[active]
        downhill, slopes[active], largest = _downhill(problem, here, radii[active], random)
        steepest[active] = np.maximum(steepest[active], largest)
        lengths = radii[active, None] * 4.0 ** np.arange(-2, 4)  # (B, trials)
        trials = here[:, None] + lengths[:, :, None] * downhill[:, None]
        speeds = _speeds(problem, trials.reshape(-1, here.shape[1])).reshape(lengths.shape)
        best, rows = speeds.argmin(axis=1), np.arange(len(active))
        better = speeds[rows, best] < _speeds(problem, here) * (1 - 1e-12)
        places[active[better]] = trials[rows, best][better]
        radii[active[~better]] /= 4
    return _lowest(problem, places[(radii <= _LAST) & (slopes < _FLAT * steepest) & problem.contains(places)])


def _lowest(problem: Problem, places: np.ndarray) -> np.ndarray:
    """Places (B, N), each replaced by a slower one to which the way is downhill, where there is one."""
    places = places[np.argsort(_speeds(problem, places), kind="stable")].copy()
    shares = np.linspace(0, 1, 17)[:, None, None]
    for at in range(1, len(places)):
        paths = places[at] + shares * (places[:at] - places[at])
        speeds = _speeds(problem, paths.reshape(-1, places.shape[1])).reshape(paths.shape[:2])
        downhill = (np.diff(speeds, axis=0) <= 1e-9 * speeds[0]).all(axis=0)
        if downhill.any():
            places[at] = places[downhill.argmax()]
    return places


def _downhill(problem: Problem, places: np.ndarray, radii: np.ndarray, random: np.random.Generator):
    """A unit vector downhill (B, N), the length of the shortest vector of the hull and of the longest gradient (B,)."""
    count, size = places.shape
    around = random.uniform(-1, 1, (count, 2 * size + 2, size)) * radii[:, None, None]
    around[:, 0] = 0
    sides = (places[:, None] + around).reshape(-1, size)
    residuals = problem.residual(sides)
    lengths = np.linalg.norm(residuals, axis=1, keepdims=True)
    gradients = np.einsum("bij,bi->bj", problem.jacobian(sides), residuals / np.maximum(lengths, 1e-300))
    gradients = np.nan_to_num(gradients).reshape(count, -1, size)
    shortest = _shortest_of_hull(gradients)
    length = np.linalg.norm(shortest, axis=1)
    largest = np.linalg.norm(gradients, axis=2).max(axis=1)
    return -shortest / np.maximum(length, 1e-300)[:, None], length, largest


def _shortest_of_hull(vectors: np.ndarray) -> np.ndarray:
    """The shortest convex combination (B, N) of vectors (B, M, N): Gilbert's algorithm (SIAM J. Control 4, 1966)."""
    shortest = vectors.mean(axis=1)
    rows = np.arange(len(vectors))
    for _ in range(200):
        corner = vectors[rows, np.einsum("bmn,bn->bm", vectors, shortest).argmin(axis=1)]
        edge = corner - shortest
        share = -np.einsum("bn,bn->b", shortest, edge) / np.maximum(np.einsum("bn,bn->b", edge, edge), 1e-300)
        shortest = shortest + np.clip(share, 0, 1)[:, None] * edge
    return shortest


def _speeds(problem: Problem, places: np.ndarray) -> np.ndarray:
    speeds = np.linalg.norm(problem.residual(places), axis=1)
    return np.where(np.isfinite(speeds), speeds, np.inf)
