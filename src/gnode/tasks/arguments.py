"""The one way that the seed of a task is read."""

from collections.abc import Sequence

import numpy as np

from gnode.arguments import integer

Seed = int | Sequence[int]


def generator(seed: Seed) -> np.random.Generator:
    """A random generator that depends on the seed alone: an integer of at least 0, or a sequence of such.

    SeedSequence fills short entropy up with zeros, so that 5, (5, 0) and (5, 0, 0) would give the same numbers. The
    length goes in front of the entropy to keep them apart.
    """
    words = list(seed) if isinstance(seed, (Sequence, np.ndarray)) and not isinstance(seed, str) else [seed]
    whole = [integer("seed", word, 0) for word in words]
    return np.random.default_rng(np.random.SeedSequence([len(whole), *whole]))
