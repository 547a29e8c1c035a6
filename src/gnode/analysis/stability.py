"""Names for what eigenvalues say, for flows and for maps."""

import numpy as np

_NEUTRAL = 1e-6  # a rate below this fraction of the fastest one counts as none


def flow_stability(eigenvalues: np.ndarray) -> list[str]:
    """A name for each fixed point of a flow from its eigenvalues (K, N): growth is a positive real part."""
    rates = eigenvalues.real
    scale = np.max(np.abs(eigenvalues), axis=1, initial=0.0)[:, None]
    neutral = np.abs(rates) <= _NEUTRAL * scale
    turning = np.abs(eigenvalues.imag) > _NEUTRAL * scale
    return [_name(*point) for point in zip(rates > 0, neutral, turning, strict=True)]


def map_stability(eigenvalues: np.ndarray) -> list[str]:
    """A name for each fixed point of a map from its eigenvalues (K, N): growth is a modulus above 1."""
    modulus = np.abs(eigenvalues)
    neutral = np.abs(modulus - 1) <= _NEUTRAL
    turning = np.abs(eigenvalues.imag) > _NEUTRAL
    return [_name(*point) for point in zip(modulus > 1, neutral, turning, strict=True)]


def growing_directions(eigenvalues: np.ndarray, kind: str) -> np.ndarray:
    """How many directions grow at each fixed point, (K,)."""
    if kind == "map":
        return np.sum(np.abs(eigenvalues) > 1 + _NEUTRAL, axis=1)
    scale = np.max(np.abs(eigenvalues), axis=1, initial=0.0)[:, None]
    return np.sum(eigenvalues.real > _NEUTRAL * scale, axis=1)


def _name(grows: np.ndarray, neutral: np.ndarray, turning: np.ndarray) -> str:
    growing, decaying = grows & ~neutral, ~grows & ~neutral
    shape = "focus" if (turning & ~neutral).any() else "node"
    if neutral.all() and turning.all():
        return "center"
    if neutral.any():
        return "unstable, marginal" if growing.any() else "marginal"
    if growing.all():
        return f"unstable {shape}"
    if decaying.all():
        return f"stable {shape}"
    return "saddle" if shape == "node" else "saddle-focus"
