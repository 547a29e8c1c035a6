"""Ideal memory manifolds: distances known on paper, and samples that are spread evenly."""

import numpy as np
import pytest

from gnode.errors import InvalidInput
from gnode.tasks.manifold import Annulus, Box, Corners, Ring, even_points


@pytest.mark.parametrize(
    ("manifold", "point", "distance"),
    [
        (Ring(2.0), (0, 0), 2),
        (Ring(2.0), (3, 4), 3),
        (Ring(2.0), (0, -1.5), 0.5),
        (Annulus(1.0, 2.0), (0, 0), 1),
        (Annulus(1.0, 2.0), (0, 1.5), 0),
        (Annulus(1.0, 2.0), (-3, -4), 3),
        (Box((2.0, 1.0)), (2, -1), 0),
        (Box((2.0, 1.0)), (0.3, 0.4), 0),
        (Box((2.0, 1.0)), (5, 5), 5),
        (Box((2.0, 1.0)), (-2.5, 0), 0.5),
        (Corners(2), (0, 0), np.sqrt(2)),
        (Corners(2), (-1, 1), 0),
        (Corners(3), (1, -1, 3), 2),
    ],
)
def test_distances_on_paper(manifold, point, distance):
    assert manifold.distance(np.array(point)) == pytest.approx(distance, abs=1e-12)


def test_ring_samples_are_evenly_spaced_from_an_offset_of_the_seed():
    first, second = Ring(2.0).sample(8, 0), Ring(2.0).sample(8, 1)
    for values in (first, second):
        turns = np.sort(np.arctan2(values[:, 1], values[:, 0]))
        np.testing.assert_allclose(np.diff(turns), 2 * np.pi / 8, atol=1e-12)
    assert np.abs(first - second).max() > 1e-3


def test_corners_are_sampled_equally_often_and_a_remainder_is_distinct():
    for count in (3, 8, 21):
        _, numbers = np.unique(Corners(3).sample(count, 7), axis=0, return_counts=True)
        assert numbers.sum() == count
        assert set(numbers) <= {count // 8, count // 8 + 1} and len(numbers) == min(count, 8)


def test_corners_of_many_bits_are_not_listed():
    values = Corners(62).sample(5, 0)
    assert values.shape == (5, 62) and set(np.unique(values)) == {-1, 1}
    assert len(np.unique(values, axis=0)) == 5


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_even_points_fill_boxes_more_evenly_than_chance(dimension, seed):
    """Boxes that stand at the origin hold as many points as their volume says, much closer than random points do."""
    points = even_points(1000, dimension, seed)
    assert points.min() >= 0 and points.max() < 1
    corners = np.random.default_rng(3).random((200, dimension))
    share = np.array([(points < corner).all(axis=1).mean() for corner in corners])
    chance = np.sqrt(1 / 4 / 1000)
    assert np.abs(share - corners.prod(axis=1)).max() < 0.75 * chance


def test_the_steps_of_even_points_are_those_of_the_plastic_number():
    steps = np.diff(even_points(2, 2, 0), axis=0)[0] % 1
    np.testing.assert_allclose(steps, [0.7548776662466927, 0.5698402909980532], rtol=1e-14)


def test_annulus_samples_fill_its_area():
    radius = np.linalg.norm(Annulus(1.0, 2.0).sample(2000, 0), axis=1)
    inside = (radius < 1.5).mean()
    assert inside == pytest.approx((1.5**2 - 1) / 3, abs=0.01)


def test_box_samples_reach_all_of_it():
    values = Box((2.0, 1.0)).sample(500, 0)
    cells = set(map(tuple, np.floor(values / [0.5, 0.25]).astype(int)))
    assert len(cells) == 64


@pytest.mark.parametrize("manifold", [Ring(2.0), Annulus(1.0, 2.0), Box((1.0,)), Corners(2)])
@pytest.mark.parametrize("count", [0, -1, 2.0])
def test_impossible_counts_are_refused(manifold, count):
    with pytest.raises(InvalidInput, match="count an integer of at least 1"):
        manifold.sample(count, 0)
