"""Learning rates over a run. A schedule gives each minibatch's rate as a fraction of the peak."""

from collections.abc import Callable

import numpy as np

# (progress of each minibatch in epochs, epochs, warmup_epochs, final_fraction) -> fractions of the peak rate
Schedule = Callable[[np.ndarray, float, float, float], np.ndarray]


def constant(progress: np.ndarray, epochs: float, warmup_epochs: float, final_fraction: float) -> np.ndarray:
    return np.ones_like(progress)


def cosine(progress: np.ndarray, epochs: float, warmup_epochs: float, final_fraction: float) -> np.ndarray:
    """Half a cosine from 1 to final_fraction (Loshchilov and Hutter 2017, arXiv 1608.03983)."""
    fall = np.clip(progress / epochs, 0.0, 1.0)
    return final_fraction + (1.0 - final_fraction) * 0.5 * (1.0 + np.cos(np.pi * fall))


def warmup_cosine(progress: np.ndarray, epochs: float, warmup_epochs: float, final_fraction: float) -> np.ndarray:
    """A linear rise over the warm-up, at most half the run, then the cosine."""
    warmup = min(warmup_epochs, epochs / 2)
    rise = progress / max(warmup, 1e-9)
    fall = cosine(progress - warmup, max(epochs - warmup, 1), 0, final_fraction)
    return np.where(progress < warmup, rise, fall)


SCHEDULES: dict[str, Schedule] = {"constant": constant, "cosine": cosine, "warmup-cosine": warmup_cosine}
