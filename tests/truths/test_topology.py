"""Shapes whose Betti numbers, dimensions and names are known, and noise, which has none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnode.analysis import attractor, topology
from gnode.analysis.dimension import levina_bickel, local_pca, two_nn
from gnode.analysis.topology import landmarks

RANDOM = np.random.default_rng(0)


def turns(count, random=RANDOM):
    return 2 * np.pi * random.random(count)


def circle(angles, radius=1.0, centre=(0.0, 0.0)):
    return np.asarray(radius)[..., None] * np.stack([np.cos(angles), np.sin(angles)], -1) + centre


def between(count, inner, outer):
    """Uniform between two circles."""
    return circle(turns(count), np.sqrt(RANDOM.uniform(inner**2, outer**2, count)))


def torus(count):
    """Uniform on the torus of radii 2 and 1 in space, by rejection."""
    around, along = turns(4 * count), turns(4 * count)
    kept = RANDOM.random(4 * count) < (2 + np.cos(around)) / 3
    ring = circle(along[kept], 2 + np.cos(around[kept]))[:count]
    return np.concatenate([ring, np.sin(around[kept])[:count, None]], axis=1)


def sphere(count):
    directions = RANDOM.normal(size=(count, 3))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def separate(count, pieces, spread):
    centres = circle(2 * np.pi * np.arange(pieces) / pieces, 5.0)
    return centres[np.arange(count) % pieces] + spread * RANDOM.normal(size=(count, 2))


SHAPES = {
    "ring": (circle(turns(360)), (1, 1), "ring", 1),
    "noisy ring": (circle(turns(360)) + 0.04 * RANDOM.normal(size=(360, 2)), (1, 1), "ring", 1),
    "sparse ring": (circle(turns(60)), (1, 1), "ring", 1),
    "ring in six dimensions": (
        np.concatenate([circle(turns(360)), np.zeros((360, 4))], axis=1) + 0.02 * RANDOM.normal(size=(360, 6)),
        (1, 1, 0),
        "ring",
        1,
    ),
    "annulus": (between(360, 1.0, 2.0), (1, 1), "annulus", 2),
    "disk": (between(360, 0.0, 1.0), (1, 0), "disk", 2),
    "square": (RANDOM.uniform(-1, 1, (360, 2)), (1, 0), "sheet", 2),
    "rectangle": (RANDOM.uniform(-1, 1, (360, 2)) * [2, 1], (1, 0), "sheet", 2),
    "interval": (RANDOM.uniform(-1, 1, (200, 1)) * [1.0, 0.5], (1, 0), "interval", 1),
    "two circles": (
        np.concatenate([circle(turns(180)), circle(turns(180), centre=(4.0, 0.0))]),
        (2, 2),
        "2 rings",
        1,
    ),
    "figure eight": (
        np.concatenate([circle(turns(200)), circle(turns(200), centre=(2.0, 0.0))]),
        (1, 2),
        "curve with 2 loops",
        1,
    ),
    "torus": (torus(1000), (1, 2, 1), "torus", 2),
    "sphere": (sphere(300), (1, 0, 1), "sphere", 2),
    "cube": (RANDOM.random((500, 3)), (1, 0, 0), "solid", 3),
    "4 points": (separate(200, 4, 0.05), (4, 0), "discrete, 4 points", 0),
    "14 points": (separate(360, 14, 0.02), (14, 0), "discrete, 14 points", 0),
    "2 points": (separate(50, 2, 1e-9), (2, 0), "discrete, 2 points", 0),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_are_recognised(shape):
    points, betti, kind, dimension = SHAPES[shape]
    found = attractor(lambda h: h, states=points)
    assert found.betti == betti
    assert found.kind == kind
    assert found.dimension == dimension
    assert found.drift == 0.0
    assert kind in found.evidence
    if dimension > 0:
        assert topology(points).betti == betti


def test_collapse_to_one_point_is_one_point():
    points = RANDOM.normal(size=(100, 3))
    found = attractor(lambda h: 0.5 * h, states=points, silence=60)
    assert found.kind == "discrete, 1 point"
    assert found.betti[0] == 1


@pytest.mark.parametrize("dimension", [2, 3, 5])
@pytest.mark.parametrize("draw", ["normal", "uniform", "standard_t"])
def test_noise_has_no_loops(dimension, draw):
    random = np.random.default_rng(dimension)
    for count in (60, 150, 360, 1000):
        for _ in range(5):
            arguments = (4,) if draw == "standard_t" else ()
            noise = getattr(random, draw)(*arguments, size=(count, dimension))
            assert topology(noise, voids=dimension == 3 and count == 60).betti[1:] in ((0,), (0, 0))


def test_thin_noise_on_a_line_is_no_ring():
    line = np.linspace(-1, 1, 360)[:, None] * [1.0, 1.0] + 0.03 * np.random.default_rng(0).normal(size=(360, 2))
    assert topology(line).betti == (1, 0)


def test_stragglers_are_outliers():
    points = separate(200, 4, 0.01)
    points[:6] = np.linspace(points[0], points[1], 8)[1:-1]
    shape = topology(points)
    assert shape.betti == (4, 0)
    assert set(np.flatnonzero(shape.labels < 0)) <= set(range(6))
    assert len(set(shape.labels[6:])) == 4


@pytest.mark.parametrize("estimate", [two_nn, levina_bickel])
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_dimension_of_uniform_draws(estimate, dimension):
    points = np.random.default_rng(1).random((2000, dimension)) @ np.random.default_rng(2).normal(size=(dimension, 6))
    assert estimate(points) == pytest.approx(dimension, rel=0.12)


def test_local_pca_counts_directions():
    flat = np.random.default_rng(1).random((500, 2)) @ np.random.default_rng(2).normal(size=(2, 6))
    assert local_pca(flat + 1e-3 * np.random.default_rng(3).normal(size=flat.shape)) == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("estimate", [two_nn, levina_bickel, local_pca])
def test_too_few_points_have_no_dimension(estimate):
    assert np.isnan(estimate(np.zeros((3, 2))))


@given(st.integers(0, 2**31 - 1))
def test_landmarks_cover_and_lie_apart(seed):
    """Farthest-point order: every point is as near to a landmark as landmarks are far apart."""
    points = np.random.default_rng(seed).normal(size=(80, 3))
    chosen = landmarks(points, 20)
    to_chosen = np.linalg.norm(points[:, None] - chosen[None], axis=-1).min(axis=1).max()
    apart = np.linalg.norm(chosen[:, None] - chosen[None], axis=-1)[np.triu_indices(20, 1)].min()
    assert len(chosen) == 20
    assert to_chosen <= apart


@given(st.integers(0, 2**31 - 1), st.floats(0.01, 100.0))
def test_shape_does_not_depend_on_place_and_size(seed, size):
    random = np.random.default_rng(seed)
    turn = np.linalg.qr(random.normal(size=(2, 2)))[0]
    points = SHAPES["annulus"][0]
    assert topology(size * points @ turn + random.normal(size=2)).betti == (1, 1)
