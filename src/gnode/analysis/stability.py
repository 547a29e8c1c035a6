"""Names for what eigenvalues say, for flows and for maps, with a margin: no sign is read out of an error."""

import numpy as np


def eigenvalues_with_errors(jacobians: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (K, N) of Jacobians (K, N, N), and how far each may be off where the entries are off by `errors`.

    To first order an eigenvalue moves by y* E x / y* x (x, y its right and left eigenvectors; Wilkinson, The Algebraic
    Eigenvalue Problem, 1965), which keeps the slow one of a stiff pair as sharp as its own row. Where eigenvectors
    nearly coincide that is no bound any more; Elsner's (Linear Algebra Appl. 71, 1985) then is. NaN for what is not
    finite.
    """
    count, size = jacobians.shape[:2]
    eigenvalues = np.full((count, size), np.nan, complex)
    margins = np.full((count, size), np.nan)
    finite = np.isfinite(jacobians).all(axis=(1, 2)) & np.isfinite(errors).all(axis=(1, 2))
    for at in np.flatnonzero(finite):
        eigenvalues[at], right = np.linalg.eig(jacobians[at])
        margins[at] = _margins(jacobians[at], errors[at], right)
    return eigenvalues, margins


@np.errstate(over="ignore")
def _margins(jacobian: np.ndarray, errors: np.ndarray, right: np.ndarray) -> np.ndarray:
    size = len(jacobian)
    largest = np.linalg.norm(jacobian)
    off = np.linalg.norm(errors) + size * np.finfo(float).eps * largest  # the last: of LAPACK
    elsner = (2 * largest + off) ** (1 - 1 / size) * off ** (1 / size)
    try:
        left = np.abs(np.linalg.inv(right))
    except np.linalg.LinAlgError:
        return np.full(size, elsner)
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=0)
    first_order = np.einsum("ki,ij,jk->k", left, errors, np.abs(right)) + lengths * np.finfo(float).eps * largest
    return np.minimum(first_order, elsner)


def growth_of(eigenvalues: np.ndarray, kind: str) -> np.ndarray:
    """How fast each mode grows: the real part (flow), or the modulus above 1 (map)."""
    return eigenvalues.real if kind == "flow" else np.abs(eigenvalues) - 1


def stability(eigenvalues: np.ndarray, margins: np.ndarray, kind: str) -> list[str]:
    """A name for each fixed point from its eigenvalues (K, N) and their errors (K, N).

    A mode whose growth is within its error of none is neutral: it may grow or shrink, too little to be told. "not
    known" where the Jacobian is not finite.
    """
    growth = growth_of(eigenvalues, kind)
    known = np.isfinite(growth).all(axis=1)
    with np.errstate(invalid="ignore"):
        neutral = np.abs(growth) <= margins
        turning = np.abs(eigenvalues.imag) > margins
    return [
        _name(*point) if sure else "not known"
        for sure, point in zip(known, zip(growth > 0, neutral, turning, strict=True), strict=True)
    ]


def growing_directions(eigenvalues: np.ndarray, margins: np.ndarray, kind: str) -> np.ndarray:
    """How many directions surely grow at each fixed point, (K,)."""
    with np.errstate(invalid="ignore"):
        return np.sum(growth_of(eigenvalues, kind) > margins, axis=1)


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
