"""Trajectories of which it is known on paper what can generate them, and what cannot."""

import numpy as np
import pytest

from gnode import expressivity
from gnode.errors import InvalidInput
from gnode.expressivity import measure
from gnode.expressivity.targets import standardised

TURN = 2 * np.pi * np.linspace(0, 1, 65)


def least_error(paths: np.ndarray, **options) -> np.ndarray:
    """Errors (targets,) of paths (targets, time, d)."""
    options = {"steps": 1500, "restarts": 4, "polish": 60, **options}
    return expressivity.errors(options.pop("model", "node"), targets=paths[None], **options)[0]


def test_a_linear_plane_turns_in_a_circle():
    """A rotation is linear, so two linear units draw a circle to the last digit."""
    circle = np.stack([np.cos(TURN), np.sin(TURN)], axis=-1)
    assert least_error(circle[None], state_size=2, hidden=())[0] <= 1e-5


@pytest.mark.full
def test_a_figure_of_eight_needs_a_third_dimension():
    """It crosses itself: in the plane the same point would need two velocities."""
    # Finely sampled and drawn twice, so that the coarse steps of the map cannot jump over the crossing.
    angle = 4 * np.pi * np.linspace(0, 1, 129) + 0.4
    eight = np.stack([np.sin(angle), np.sin(2 * angle)], axis=-1)
    assert measure.self_crossings(eight) >= 1
    assert least_error(eight[None], state_size=2, hidden=(30,), polish=15)[0] > 0.05
    assert least_error(eight[None], state_size=3, hidden=(30,), polish=15)[0] < 2e-3


@pytest.mark.full
def test_two_incommensurate_tones_need_four_linear_units():
    """Each tone is a pair of complex eigenvalues: two of them are four dimensions, and three hold only one pair."""
    tones = expressivity.draw_targets("tones", (2,), count=4, samples=65, seed=0)[0]
    enough = least_error(tones, state_size=4, hidden=(), steps=2000, polish=100)
    too_few = least_error(tones, state_size=3, hidden=(), steps=2000, polish=100)
    assert np.median(enough) < 1e-3
    assert too_few.min() > 0.02


@pytest.mark.parametrize("size", [1, pytest.param(2, marks=pytest.mark.full)])
def test_no_network_goes_below_the_floor_of_the_principal_axes(size):
    """A readout of one number moves on a line, and the best line is the first principal axis (Eckart and Young)."""
    generator = np.random.default_rng(0)
    paths = standardised(np.cumsum(generator.standard_normal((5, 33, 3)), axis=1))
    floor = measure.principal_floor(paths, size)
    found = least_error(paths, state_size=size, hidden=(30,), steps=400, restarts=1, polish=20)
    assert np.all(floor > 1e-3)
    assert np.all(found >= floor * (1 - 1e-4))


def test_the_floor_is_zero_where_the_state_is_as_large_as_the_path_is_wide():
    path = np.random.default_rng(1).standard_normal((40, 2))
    assert measure.principal_floor(path, 2) == 0
    # By hand: three orthogonal dimensions of variances 4, 2 and 1 leave 3/7 and 1/7.
    waves = np.stack([np.cos(TURN[:-1]), np.sin(TURN[:-1]), np.cos(2 * TURN[:-1])], axis=-1)
    waves *= np.sqrt([4, 2, 1])
    assert measure.principal_floor(waves, 1) == pytest.approx(3 / 7)
    assert measure.principal_floor(waves, 2) == pytest.approx(1 / 7)


def test_crossings_are_counted():
    line = np.stack([np.linspace(0, 1, 20), np.linspace(0, 2, 20)], axis=-1)
    assert measure.self_crossings(line) == 0
    twice = 4 * np.pi * np.linspace(0, 1, 200)
    limacon = (1 + 2 * np.cos(twice / 2 + 0.3))[:, None] * np.stack(
        [np.cos(twice / 2 + 0.3), np.sin(twice / 2 + 0.3)], -1
    )
    assert measure.self_crossings(limacon[:-1]) == 1  # its inner loop


@pytest.mark.parametrize("number", [np.float32, np.float64])
def test_the_same_way_again_is_no_crossing(number):
    """A closed curve walked several times, in step with its samples or not; what crosses itself still does."""

    def walked(curve, turns, samples, unit=1.0, offset=0.0):
        angle = np.linspace(0, 2 * np.pi * turns, samples)
        return measure.self_crossings((unit * np.stack(curve(angle), 1) + offset).astype(number))

    def ellipse(angle):
        return np.cos(angle), 0.1 * np.sin(angle)

    def bean(angle):
        radius = 1 + 0.3 * np.cos(2 * angle)
        return radius * np.cos(angle), radius * np.sin(angle)

    def eight(angle):
        return np.sin(angle), np.sin(2 * angle)

    for curve in (lambda angle: (np.cos(angle), np.sin(angle)), ellipse, bean):
        for turns, samples in ((1, 65), (2, 65), (2, 100), (3, 129), (5, 333)):
            assert walked(curve, turns, samples) == 0
            assert walked(curve, turns, samples, unit=1e-9) == 0
    assert walked(eight, 1, 200) == 1
    assert walked(eight, 2, 401) >= 1
    star = np.exp(2j * np.pi * 2 * np.arange(6) / 5)
    assert measure.self_crossings(np.stack([star.real, star.imag], 1).astype(number)) == 5


def test_paths_about_a_large_offset_move():
    """Spread 0.7 about 1e6 in float64 is far above its resolution; a constant is none, whatever its size."""
    time = np.linspace(0, 6, 100)
    path = np.stack([np.sin(time), np.cos(time)], 1)
    for offset in (1e6, -1e9, 1e3):
        assert np.allclose(standardised(path + offset), standardised(path), atol=1e-5)
    for constant in (0.0, 1e6, 1e-9, np.pi):
        with pytest.raises(InvalidInput, match="move in every dimension"):
            standardised(np.stack([np.sin(time), np.full(100, constant)], 1))
