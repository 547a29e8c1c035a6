"""Kinds of attractor of states like those of trained networks: bent, noisy, drifted, contracted; over many seeds."""

import numpy as np
import pytest

from gnode import tasks
from gnode.analysis import attractor

SEEDS = range(8)


def bent(points, random, amount=0.1):
    """A smooth random distortion of the plane: a network's state is never the value itself."""
    for _ in range(4):
        wave = np.sin(points @ random.normal(size=2) + random.uniform(0, 2 * np.pi))
        points = points + amount * random.normal(size=2) * wave[:, None]
    return points


def drifted_ring(random):
    """Values have crept most of the way to 5 to 40 resting angles, as after a hundred silent bins."""
    angles = 2 * np.pi * (np.arange(360) + random.random()) / 360
    count = random.integers(5, 40)
    angles = angles - 0.6 / count * np.sin(count * angles + random.uniform(0, 2 * np.pi))
    radii = 2 * (1 + 0.03 * np.sin(2 * angles) + 0.01 * random.normal(size=360))
    return bent(radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1), random)


def drawn_to(points, centres, share, width):
    """Points go this share of the way to the centres nearby."""
    apart = points[:, None] - centres
    return points - share * (np.exp(-np.sum(apart**2, axis=-1, keepdims=True) / width) * apart).sum(axis=1)


def contracted(name, share):
    """The task's values, drawn to random places by this share, up to 5 % smaller than they should be, and bent."""

    def states(random):
        values = tasks.make(name).manifold.sample(360, int(random.integers(2**31)))
        values = values * (1 - 0.05 * random.random())
        moved = drawn_to(values, random.uniform(-2, 2, (20, 2)), share, 0.08)
        return bent(moved + 0.01 * random.normal(size=moved.shape), random)

    return states


def four_clusters(spread):
    def states(random):
        corners = tasks.make("fixed-amplitude", bits=2).manifold.sample(360, int(random.integers(2**31)))
        return bent(corners + spread * random.standard_t(4, size=corners.shape), random)

    return states


@pytest.mark.parametrize(
    ("states", "kind"),
    [
        (drifted_ring, "ring"),
        (contracted("disk", 0.2), "annulus"),
        (contracted("disk", 0.5), "annulus"),
        (contracted("square", 0.2), "sheet"),
        (contracted("square", 0.5), "sheet"),
        (contracted("rectangle", 0.2), "sheet"),
        (contracted("rectangle", 0.5), "sheet"),
        (four_clusters(1e-9), "discrete, 4 points"),
        (four_clusters(0.03), "discrete, 4 points"),
    ],
)
def test_like_trained_networks(states, kind):
    kinds = [attractor(lambda h: h, states=states(np.random.default_rng(seed))).kind for seed in SEEDS]
    assert kinds == [kind] * len(SEEDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_sheet_that_has_decayed_to_points_is_discrete(seed):
    """Each value has arrived at the nearest of 5 to 30 places."""
    random = np.random.default_rng(seed)
    count = int(random.integers(5, 30))
    places = random.permutation(np.stack(np.meshgrid(np.arange(6.0), np.arange(6.0)), -1).reshape(-1, 2))[:count]
    values = random.uniform(0, 5, (360, 2))
    nearest = np.linalg.norm(values[:, None] - places, axis=-1).argmin(axis=1)
    # A place that got one value may be anything, and one with two or three may pass for values on their way.
    counts = np.bincount(nearest, minlength=count)
    found = attractor(lambda h: h, states=places[nearest] + 1e-4 * random.normal(size=(360, 2)))
    assert found.kind == f"discrete, {found.betti[0]} points"
    assert np.sum(counts >= 4) <= found.betti[0] <= np.sum(counts >= 2)
    assert found.dimension == 0
