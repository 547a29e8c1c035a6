"""How many delays, and how far apart; how noisy a recording is, and how fast it moves."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from gnode.reconstruction.recording import TOGETHER, Recording, Stretch, delayed, suffices_for

_BINS, _MOST_LAG, _MOST_DELAYS = 16, 200, 8
_LIBRARY, _ASKED = 4000, 400  # states among which neighbours are sought, and of which the future is predicted
_CLEAN, _CLEAN_COARSE = 4e-3, 0.05  # shares of noise below which first samples are taken as they are
_COARSE = 3.0  # samples in a turn
_ENOUGH = 1.2  # times the least error: the fewest delays that come so near are taken


@dataclass(frozen=True)
class Pace:
    """How a recording moves, in its samples.

    Attributes:
        noise: share of the standard deviation that white noise could be, at most: from sixth differences, to which a
            smooth path adds little. The largest of all channels.
            Of coarse samples, whose paths are not smooth, at most the error of foretelling the next from neighbours.
        turn: samples in which the state moves by a standard deviation.
    """

    noise: float
    turn: float

    @property
    def coarse(self) -> bool:
        """Whether samples are so far apart that what is learned is a map rather than a flow."""
        return self.turn < _COARSE

    @property
    def noisy(self) -> bool:
        """Whether first samples of pieces cannot be taken as they are."""
        return self.noise > (_CLEAN_COARSE if self.coarse else _CLEAN)


def pace_of(recording: Recording) -> Pace:
    """The pace of a recording, before delays."""
    deviation = recording.scale()[1]
    noise = np.nanmean(np.concatenate([_roughness(stretch) for stretch in recording.stretches]) ** 2, axis=0)
    steps = np.concatenate([np.diff(stretch.values, axis=0) for stretch in recording.stretches])
    raw = np.nanmean(steps**2, axis=0)
    moved = np.maximum(raw - 2.0 * noise, 0.1 * raw)  # where noise is all there is, it moves
    share = float(np.sqrt(np.max(noise / deviation**2)))
    turn = float(1.0 / np.sqrt(np.max(moved / deviation**2)))
    if turn < _COARSE and recording.even:
        share = min(share, *choose_delays(recording, 1)[1].values())
    return Pace(share, turn)


def _roughness(stretch: Stretch) -> np.ndarray:
    """What no polynomial of degree 5 explains in seven samples that follow each other, at whatever times: their sixth
    divided difference, scaled so that it has the variance of white noise; (windows, C)."""
    if len(stretch) < TOGETHER:
        return np.empty((0, stretch.values.shape[1]))
    times = np.lib.stride_tricks.sliding_window_view(np.cumsum(stretch.gaps), TOGETHER)
    apart = times[:, :, None] - times[:, None, :] + np.eye(TOGETHER) * stretch.gaps.mean()
    weights = 1.0 / np.prod(apart / stretch.gaps.mean(), axis=2)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    values = np.lib.stride_tricks.sliding_window_view(stretch.values, TOGETHER, axis=0)
    return np.einsum("wi,wci->wc", weights, values)


def lag_of(recording: Recording) -> int:
    """The delay, in samples, at which a channel first says least of itself: the first minimum of the average mutual
    information (Fraser and Swinney, Physical Review A 33, 1986), or where there is none its fall to 1/e. The median
    over channels."""
    found = []
    longest = max(recording.stretches, key=len).values
    most = min(_MOST_LAG, len(longest) // 10)
    for channel in longest.T:
        seen = channel[~np.isnan(channel)]
        ranks = np.argsort(np.argsort(seen)) * _BINS // len(seen)
        information = np.array([_mutual(ranks[:-lag], ranks[lag:]) for lag in range(1, most + 1)])
        least = [at for at in range(1, most - 3) if information[at] <= information[at + 1 : at + 4].min()]
        low = np.flatnonzero(information < information[0] / np.e)
        found.append(next((int(part[0]) + 1 for part in (least, low) if len(part)), 1))
    return max(1, int(np.median(found)))


def _mutual(one: np.ndarray, other: np.ndarray) -> float:
    joint = np.bincount(one * _BINS + other, minlength=_BINS**2).reshape(_BINS, _BINS) / len(one)
    apart = joint.sum(axis=1)[:, None] * joint.sum(axis=0)
    there = joint > 0
    return float(np.sum(joint[there] * np.log(joint[there] / apart[there])))


def choose_delays(recording: Recording, lag: int) -> tuple[int, dict[int, float]]:
    """How many delays a state needs, by held-out prediction; and the error of each number of them.

    The future of a state, one lag ahead, is foretold as that of its nearest neighbours elsewhere in the recording
    (simplex projection: Sugihara and May, Nature 344, 1990). The fewest delays within a fifth of the least error are
    taken.

    Returns:
        the number, and for each the root mean squared error in standard deviations.
    """
    errors: dict[int, float] = {}
    for delays in range(1, _MOST_DELAYS + 1):
        longest = max(map(len, recording.stretches))
        if delays > 1 and (longest <= (delays + 1) * lag + 100 or not suffices_for(recording, delays, lag)):
            break
        errors[delays] = _simplex_error(delayed(recording, delays, lag), lag)
    least = min(errors.values())
    return next(delays for delays, error in errors.items() if error <= _ENOUGH * least), errors


def _simplex_error(recording: Recording, ahead: int) -> float:
    mean, deviation = recording.scale()
    states, futures, places = [], [], []
    for number, stretch in enumerate(recording.stretches):
        scaled = (stretch.values - mean) / deviation
        if len(scaled) > ahead:
            states.append(scaled[:-ahead])
            futures.append(scaled[ahead:, : recording.channels])
            places.append(np.arange(len(scaled) - ahead) + number * 10**9)
    now, then, at = np.concatenate(states), np.concatenate(futures), np.concatenate(places)
    whole = ~(np.isnan(now).any(axis=1) | np.isnan(then).any(axis=1))
    now, then, at = now[whole], then[whole], at[whole]
    library = np.linspace(0, len(now) - 1, min(_LIBRARY, len(now))).astype(int)
    asked = np.linspace(0, len(now) - 1, min(_ASKED, len(now))).astype(int)
    neighbours = now.shape[1] + 1
    distances, found = cKDTree(now[library]).query(now[asked], k=min(neighbours + 30, len(library)))
    errors = []
    for row, (distance, near) in enumerate(zip(distances, library[found], strict=True)):
        apart = np.abs(at[near] - at[asked[row]]) > (recording.delays + 1) * recording.lag  # no neighbour in time
        if apart.sum() >= neighbours:
            distance, near = distance[apart][:neighbours], near[apart][:neighbours]
            weights = np.exp(-distance / max(distance[0], 1e-12))
            errors.append(then[asked[row]] - weights @ then[near] / weights.sum())
    return float(np.sqrt(np.mean(np.square(errors)))) if errors else float("inf")
