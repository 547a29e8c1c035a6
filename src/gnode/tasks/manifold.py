"""Ideal memory manifolds: the set of values that a task asks to be remembered.

A perfect memory of a task keeps one resting state for each point of its manifold, so a learned attractor can be scored
against it: draw values that are spread evenly over it, and measure how far outputs lie from it.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gnode.arguments import integer
from gnode.errors import must_have
from gnode.tasks.arguments import Seed, generator


class Manifold(Protocol):
    """What every ideal memory manifold obeys.

    Attributes:
        kind: in words, such as "ring" or "discrete, 8 points".
        size: D_out, the number of coordinates of a value.
        dimension: of the manifold itself; 0 for separate points.
        betti: how many pieces and how many loops it has, (b0, b1).
    """

    @property
    def kind(self) -> str:
        """In words."""
        ...

    @property
    def size(self) -> int:
        """D_out."""
        ...

    @property
    def dimension(self) -> int:
        """Of the manifold itself."""
        ...

    @property
    def betti(self) -> tuple[int, int]:
        """(b0, b1)."""
        ...

    def draw(self, count: int, random: np.random.Generator) -> np.ndarray:
        """Values drawn independently and uniformly from a random generator, (count, D_out), float64."""
        ...

    def sample(self, count: int, seed: Seed) -> np.ndarray:
        """Values spread evenly over the manifold, (count, D_out), float64; the seed shifts them."""
        ...

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Euclidean distance of points (..., D_out) to the manifold, (...), float64; 0 on it and inside it."""
        ...


@dataclass(frozen=True)
class Ring:
    """The circle around the origin of the plane."""

    radius: float
    kind = "ring"
    size = 2
    dimension = 1
    betti = (1, 1)

    def draw(self, count: int, random: np.random.Generator) -> np.ndarray:
        return self._at(random.random(count))

    def sample(self, count: int, seed: Seed) -> np.ndarray:
        count = integer("count", count, 1)
        return self._at((np.arange(count) + generator(seed).random()) / count)

    def distance(self, points: np.ndarray) -> np.ndarray:
        return np.abs(np.linalg.norm(_checked(points, self.size), axis=-1) - self.radius)

    def _at(self, turns: np.ndarray) -> np.ndarray:
        angles = 2 * np.pi * turns
        return self.radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)


@dataclass(frozen=True)
class Annulus:
    """The part of the plane between two circles around the origin."""

    inner: float
    outer: float
    kind = "annulus"
    size = 2
    dimension = 2
    betti = (1, 1)

    def draw(self, count: int, random: np.random.Generator) -> np.ndarray:
        return self._at(random.random((count, 2)))

    def sample(self, count: int, seed: Seed) -> np.ndarray:
        return self._at(even_points(count, 2, seed))

    def distance(self, points: np.ndarray) -> np.ndarray:
        radius = np.linalg.norm(_checked(points, self.size), axis=-1)
        return np.maximum(np.maximum(self.inner - radius, radius - self.outer), 0.0)

    def _at(self, unit: np.ndarray) -> np.ndarray:
        """The unit square onto the annulus, equal areas to equal areas."""
        radius = np.sqrt(self.inner**2 + unit[:, 0] * (self.outer**2 - self.inner**2))
        angles = 2 * np.pi * unit[:, 1]
        return radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=-1)


@dataclass(frozen=True)
class Box:
    """All values from -extent to extent in every coordinate."""

    extents: tuple[float, ...]
    betti = (1, 0)

    @property
    def kind(self) -> str:
        return {1: "interval", 2: "sheet", 3: "solid"}.get(self.dimension, f"box of dimension {self.dimension}")

    @property
    def size(self) -> int:
        return len(self.extents)

    @property
    def dimension(self) -> int:
        return len(self.extents)

    def draw(self, count: int, random: np.random.Generator) -> np.ndarray:
        return self._at(random.random((count, self.size)))

    def sample(self, count: int, seed: Seed) -> np.ndarray:
        return self._at(even_points(count, self.size, seed))

    def distance(self, points: np.ndarray) -> np.ndarray:
        beyond = np.maximum(np.abs(_checked(points, self.size)) - np.asarray(self.extents), 0.0)
        return np.linalg.norm(beyond, axis=-1)

    def _at(self, unit: np.ndarray) -> np.ndarray:
        return (2 * unit - 1) * np.asarray(self.extents)


@dataclass(frozen=True)
class Corners:
    """The 2^bits corners of the cube: every coordinate is -1 or +1."""

    bits: int
    dimension = 0

    @property
    def kind(self) -> str:
        return f"discrete, {2**self.bits} points"

    @property
    def size(self) -> int:
        return self.bits

    @property
    def betti(self) -> tuple[int, int]:
        return (2**self.bits, 0)

    def draw(self, count: int, random: np.random.Generator) -> np.ndarray:
        return self._at(random.integers(0, 2**self.bits, count))

    def sample(self, count: int, seed: Seed) -> np.ndarray:
        """Every corner equally often, and a remainder of distinct ones."""
        corners = 2**self.bits
        rounds, rest = divmod(integer("count", count, 1), corners)
        random = generator(seed)
        whole_rounds = np.arange(rounds * corners) % corners
        numbers = np.concatenate([whole_rounds, random.choice(corners, rest, replace=False)])
        return self._at(random.permutation(numbers))

    def distance(self, points: np.ndarray) -> np.ndarray:
        return np.linalg.norm(np.abs(_checked(points, self.size)) - 1.0, axis=-1)

    def _at(self, numbers: np.ndarray) -> np.ndarray:
        """A corner's number to its coordinates: bit b of the number is coordinate b."""
        return 2.0 * (numbers[:, None] >> np.arange(self.bits) & 1) - 1.0


def even_points(count: int, dimension: int, seed: Seed) -> np.ndarray:
    """Points that fill the unit cube evenly, (count, dimension), in [0, 1); the seed shifts them as a whole.

    The additive recurrence R_d of M. Roberts ("The unreasonable effectiveness of quasirandom sequences", 2018): steps
    are powers of 1/g, where g is the positive root of g^(d+1) = g + 1, the golden ratio for d = 1.
    """
    count = integer("count", count, 1)
    golden = 1.5
    for _ in range(64):  # a contraction with a factor of at most 1/3: exact to rounding long before
        golden = (1 + golden) ** (1 / (dimension + 1))
    steps = golden ** -np.arange(1.0, dimension + 1)
    return (generator(seed).random(dimension) + np.arange(count)[:, None] * steps) % 1.0


def _checked(points: np.ndarray, size: int) -> np.ndarray:
    points = np.asarray(points, dtype=np.float64)
    if points.ndim == 0 or points.shape[-1] != size:
        must_have(f"points of shape (..., {size})", f"shape {points.shape}")
    return points
