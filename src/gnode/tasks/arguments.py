"""Checks that every task and every manifold make of what they are given, and the one way that a seed is read."""

import numbers
from collections.abc import Sequence

import numpy as np

from gnode.errors import must_have

Seed = int | Sequence[int]


def integer(name: str, value: object, least: int, most: int | None = None) -> int:
    """`value` as a plain int within its limits, both included; InvalidInput where it is not one."""
    limits = f"of at least {least}" if most is None else f"between {least} and {most}"
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        whole = int(value)
        if whole >= least and (most is None or whole <= most):
            return whole
    must_have(f"{name} an integer {limits}", repr(value))


def positive(name: str, value: object, most: float) -> float:
    """`value` as a plain float above 0 and at most `most`; InvalidInput where it is not one."""
    if isinstance(value, numbers.Real) and not isinstance(value, bool) and 0 < float(value) <= most:
        return float(value)
    must_have(f"{name} a number above 0 and at most {most:g}", repr(value))


def generator(seed: Seed) -> np.random.Generator:
    """A random generator that depends on the seed alone: an integer of at least 0, or a sequence of such.

    SeedSequence fills short entropy up with zeros, so that 5, (5, 0) and (5, 0, 0) would give the same numbers. The
    length goes in front of the entropy to keep them apart.
    """
    words = list(seed) if isinstance(seed, (Sequence, np.ndarray)) and not isinstance(seed, str) else [seed]
    whole = [integer("seed", word, 0) for word in words]
    return np.random.default_rng(np.random.SeedSequence([len(whole), *whole]))
