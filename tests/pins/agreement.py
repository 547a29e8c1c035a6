"""When what is found agrees with what was stored."""

from typing import Any

import numpy as np

ROUNDING = 1e-6  # of the size of what is compared; another processor rounds otherwise than the one that made the pins


def agree(found: Any, stored: Any, tolerance: float = ROUNDING) -> bool:
    """Arrays of one shape, all of whose entries differ by rounding only, as measured by the largest entry."""
    found, stored = np.asarray(found), np.asarray(stored)
    if found.shape != stored.shape:
        return False
    return float(np.abs(found - stored).max(initial=0.0)) <= tolerance * float(np.abs(stored).max(initial=0.0))


def missing(found: Any, stored: Any, tolerance: float, path: str = "") -> list[str]:
    """Where a JSON value does not hold what was stored: keys may have come, none may have gone; "..." is anything."""
    if stored == "...":
        return []
    if isinstance(stored, dict) and isinstance(found, dict):
        return [
            line
            for key, value in stored.items()
            for line in (
                missing(found[key], value, tolerance, f"{path}.{key}") if key in found else [f"{path}.{key}: gone"]
            )
        ]
    if isinstance(stored, list) and isinstance(found, list) and len(stored) == len(found):
        pairs = enumerate(zip(found, stored, strict=True))
        return [line for at, pair in pairs for line in missing(*pair, tolerance, f"{path}[{at}]")]
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (found, stored))
    if numbers and abs(found - stored) <= tolerance * abs(stored):
        return []
    return [] if found == stored else [f"{path}: {stored!r} stored, {found!r} found"]
