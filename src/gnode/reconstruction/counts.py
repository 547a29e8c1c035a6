"""Spike counts: what units have in common, the rates that a state gives, and what counts say of a state.

Counts are noisy and many; a state is smooth in time and of few numbers. First come factors: directions in the space of
square roots of counts (whose noise is alike at all rates) along which one bin says something of the next, as noise does
not. A network that is fitted to them knows the state well enough for one step of Fisher scoring in each bin, after
which counts say as much of it as they can.
"""

from dataclasses import dataclass, replace

import numpy as np

from gnode.errors import must_have
from gnode.reconstruction.recording import Recording, Stretch

MOST_FACTORS = 6
_FEWEST_UNITS = 3
_ENOUGH = 0.9  # of the best held-out gain: the fewest factors that reach it are taken
_HELD_OUT = 0.2  # of what is learned from, on which numbers of factors are compared
_STEPS, _FARTHEST, _RIDGE = 30, 2.0, 1e-5  # of Newton's method for Poisson regression
_HIGHEST = 20.0  # logarithm of a rate per bin, beyond which none is
_PRIOR = 1e-3  # of the mean information: where a bin says nothing, the state stays where the network has it


@dataclass(frozen=True)
class Factors:
    """Directions in the space of units.

    Attributes:
        directions: (units, k), orthonormal, the one along which one bin says most of the next first.
        mean: (units,), of square roots of counts.
        gains: held-out bits a spike for each number of factors: how much better they foretell counts from the bins
            beside them than the mean rate does.
    """

    directions: np.ndarray
    mean: np.ndarray
    gains: dict[int, float]

    def of(self, counts: np.ndarray) -> np.ndarray:
        """(n, k)."""
        return (np.sqrt(counts) - self.mean) @ self.directions


@dataclass(frozen=True)
class Rates:
    """Logarithms of the counts that are expected in a bin, linear in the state.

    Attributes:
        weight: (N, units).
        bias: (units,).
    """

    weight: np.ndarray
    bias: np.ndarray

    def at(self, states: np.ndarray) -> np.ndarray:
        """Expected counts in a bin, (n, units)."""
        return np.exp(np.clip(states @ self.weight + self.bias, -_HIGHEST, _HIGHEST))


def refuse_no_counts(recording: Recording) -> None:
    """Raises InvalidInput where these are no counts of units in even bins."""
    values = recording.values
    if np.isnan(values).any():
        must_have("counts that are all there", "missing ones", "Cut the recording into several.")
    if (values < 0).any() or (values != np.round(values)).any():
        off = values[(values < 0) | (values != np.round(values))][0]
        must_have("counts, whole numbers of at least 0", f"{off:g}", "Values of other kinds have the loss mse.")
    if recording.channels < _FEWEST_UNITS:
        must_have(f"counts of at least {_FEWEST_UNITS} units", recording.channels)
    if not recording.even:
        must_have("counts in even bins", "gaps that differ", "Count spikes in bins of one width.")


def find_factors(learned: list[Stretch], number: int | str) -> Factors:
    """The directions in which units vary together and slowly, and how many of them ("auto") there are to see.

    They are eigenvectors of the covariance of square roots of counts with those of the next bin, to which the noise of
    counts adds nothing. A number is judged by how well Poisson regression on the factors of the bins before and after,
    and not of the bin itself, foretells each unit's counts on the last fifth; the fewest with nine tenths of the best
    gain are taken.
    """
    roots = [np.sqrt(stretch.values) for stretch in learned]
    mean = np.concatenate(roots).mean(axis=0)
    lagged = sum((root[1:] - mean).T @ (root[:-1] - mean) for root in roots)
    values, vectors = np.linalg.eigh((lagged + lagged.T) / 2)
    vectors = vectors[:, np.argsort(-values)]
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])
    most = min(MOST_FACTORS, len(mean))
    if number != "auto":
        if not 1 <= int(number) <= len(mean):
            must_have(f"from 1 to {len(mean)} factors, as there are units", number)
        return Factors(vectors[:, : int(number)], mean, {})
    beside = np.concatenate([(root[:-2] + root[2:]) / 2 - mean for root in roots]) @ vectors[:, :most]
    counts = np.concatenate([stretch.values[1:-1] for stretch in learned])
    cut = round((1 - _HELD_OUT) * len(counts))
    gains = {
        size: bits_per_spike(fit_rates(beside[:cut, :size], counts[:cut]).at(beside[cut:, :size]), counts[cut:])
        for size in range(1, most + 1)
    }
    best = max(gains.values())
    chosen = next(size for size, gain in gains.items() if gain >= best - (1 - _ENOUGH) * abs(best))
    return Factors(vectors[:, :chosen], mean, gains)


def as_factors(recording: Recording, factors: Factors) -> Recording:
    """The recording whose channels are factors of its counts."""
    made = tuple(replace(stretch, values=factors.of(stretch.values)) for stretch in recording.stretches)
    return replace(recording, stretches=made, channels=factors.directions.shape[1])


def fit_rates(states: np.ndarray, counts: np.ndarray) -> Rates:
    """Poisson regression of the counts (n, units) on states (n, N), by Newton's method for all units at once."""
    design = np.column_stack([states, np.ones(len(states))])
    size = design.shape[1]
    known = np.zeros((counts.shape[1], size))
    known[:, -1] = np.log(np.maximum(counts.mean(axis=0), 1.0 / len(counts)))
    spread = np.append(states.var(axis=0), 0.0)
    ridge = _RIDGE * len(states) * spread
    for _ in range(_STEPS):
        expected = np.exp(np.clip(design @ known.T, -_HIGHEST, _HIGHEST))
        slope = (expected - counts).T @ design + ridge * known
        curve = np.einsum("tu,ti,tj->uij", expected, design, design, optimize=True)
        curve += np.eye(size) * (ridge + 1e-9 * len(states))
        step = np.linalg.solve(curve, slope[..., None])[..., 0]
        step *= np.minimum(1.0, _FARTHEST / np.maximum(np.abs(step).max(axis=1, keepdims=True), 1e-300))
        known = known - step
        if np.abs(step).max() < 1e-6:
            break
    return Rates(known[:, :-1].T, known[:, -1])


def bits_per_spike(expected: np.ndarray, counts: np.ndarray) -> float:
    """How many bits a spike the expected counts explain beyond each unit's mean (Pillow et al., Nature 454, 2008)."""
    mean = np.maximum(counts.mean(axis=0), 1e-12)
    ours = np.sum(counts * np.log(expected) - expected)
    theirs = np.sum(counts * np.log(mean) - mean)
    return float((ours - theirs) / np.log(2) / max(counts.sum(), 1.0))


def sharpened(states: np.ndarray, counts: np.ndarray, rates: Rates) -> np.ndarray:
    """What the counts of each bin alone say of its state, (n, N): one step of Fisher scoring from about where it is.

    Its expectation hardly depends on where that was, and its variance is the least that counts allow.
    """
    expected = rates.at(states)
    information = np.einsum("iu,tu,ju->tij", rates.weight, expected, rates.weight, optimize=True)
    usual = np.trace(information.mean(axis=0)) / len(rates.weight)
    information = information + _PRIOR * usual * np.eye(len(rates.weight))
    return states + np.linalg.solve(information, ((counts - expected) @ rates.weight.T)[..., None])[..., 0]
