"""How far the long run of a network is from the recording: in where it goes, and in which rhythms."""

import numpy as np
from scipy.signal import welch

_DIRECTIONS, _QUANTILES, _BAND = 50, 200, 5


def distance_of_places(one: np.ndarray, other: np.ndarray, seed: int = 0) -> float:
    """The sliced Wasserstein-1 distance of two clouds (n, C) and (m, C), in their units (Bonneel et al. 2015)."""
    directions = np.random.default_rng(seed).normal(size=(one.shape[1], _DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    at = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    return float(
        np.mean(np.abs(np.quantile(one @ directions, at, axis=0) - np.quantile(other @ directions, at, axis=0)))
    )


def distance_of_rhythms(ones: list[np.ndarray], others: list[np.ndarray]) -> float:
    """The Hellinger distance of the power spectra of evenly sampled courses (n, C), the mean over channels: 0 for the
    same, 1 for no frequency in common. Smoothed over five neighbouring frequencies."""
    length = min(min(map(len, ones)), min(map(len, others)), 1024)
    first, second = (_spectrum(courses, length) for courses in (ones, others))
    return float(np.mean(np.sqrt(np.maximum(0.0, 1.0 - np.sum(np.sqrt(first * second), axis=0)))))


def _spectrum(courses: list[np.ndarray], length: int) -> np.ndarray:
    powers = [welch(course, nperseg=length, axis=0, detrend="constant")[1] for course in courses]
    power = np.mean(powers, axis=0)[1:]
    kernel = np.ones(_BAND) / _BAND
    smooth = np.apply_along_axis(lambda column: np.convolve(column, kernel, mode="same"), 0, power)
    return smooth / np.maximum(smooth.sum(axis=0), 1e-300)


def spectrum_of(courses: list[np.ndarray], step: float) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in 1 / s and power of the first channel, for pictures."""
    length = min(min(map(len, courses)), 1024)
    found = [welch(course[:, 0], fs=1.0 / step, nperseg=length, detrend="constant") for course in courses]
    return found[0][0][1:], np.mean([power for _, power in found], axis=0)[1:]
