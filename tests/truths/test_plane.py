"""Nullclines, separatrices and basins that are known in closed form."""

import jax.numpy as jnp
import numpy as np
import pytest

from gnode import analysis
from gnode.analysis.descent import Ending, descend
from gnode.errors import InvalidInput

BOX = ([-3.0, -3.0], [3.0, 3.0])


def duffing(h):
    return np.stack([h[..., 1], h[..., 0] - h[..., 0] ** 3 - 0.3 * h[..., 1]], -1)


def fitzhugh_nagumo(h):
    v, w = h[..., 0], h[..., 1]
    return jnp.stack([v - v**3 / 3 - w + 0.5, 0.08 * (v + 0.7 - 0.8 * w)], -1)


def henon(h):
    return np.stack([1 - 1.4 * h[..., 0] ** 2 + h[..., 1], 0.3 * h[..., 0]], -1)


def test_fitzhugh_nagumo_nullclines_are_a_cubic_and_a_line():
    lines = analysis.nullclines(fitzhugh_nagumo, BOX, resolution=51)
    (cubic,), (line,) = lines.curves
    assert np.allclose(cubic[:, 1], cubic[:, 0] - cubic[:, 0] ** 3 / 3 + 0.5, atol=1e-9)
    assert np.allclose(line[:, 1], (line[:, 0] + 0.7) / 0.8, atol=1e-9)
    assert np.ptp(cubic[:, 1]) == pytest.approx(6.0)  # from edge to edge of the box, in one piece


def test_closed_and_crossing_nullclines():
    circle_and_cross = analysis.nullclines(
        lambda h: np.stack([(h**2).sum(axis=-1) - 1, (h[..., 0] - 0.1) * (h[..., 1] - 0.2)], -1), BOX, resolution=60
    )
    (circle,), cross = circle_and_cross.curves
    assert np.array_equal(circle[0], circle[-1])
    assert np.allclose(np.linalg.norm(circle, axis=1), 1.0, atol=1e-9)
    length = np.linalg.norm(np.diff(circle, axis=0), axis=1).sum()
    assert length == pytest.approx(2 * np.pi, rel=1e-2)
    assert sum(np.linalg.norm(np.diff(part, axis=0), axis=1).sum() for part in cross) == pytest.approx(12.0, rel=0.02)


def test_a_level_of_a_gate_and_a_jump():
    gate = analysis.nullclines(lambda h: 1 / (1 + np.exp(-h)), BOX, level=0.75)
    for component, curves in enumerate(gate.curves):
        assert np.allclose(np.concatenate(curves)[:, component], np.log(3), atol=1e-9)
    jump = analysis.nullclines(lambda h: np.sign(h - 0.123), BOX)
    assert jump.curves == ([], [])


def test_nullclines_of_a_map_are_those_of_its_displacement():
    (parabola,), (line,) = analysis.nullclines(henon, BOX, kind="map").curves
    assert np.allclose(1 - 1.4 * parabola[:, 0] ** 2 + parabola[:, 1], parabola[:, 0], atol=1e-9)
    assert np.allclose(line[:, 1], 0.3 * line[:, 0], atol=1e-9)


def test_separatrices_without_friction_conserve_energy():
    """y^2 / 2 - x^2 / 2 + x^4 / 4 = 0 through the saddle: the homoclinic figure eight, which returns to it."""
    found = analysis.separatrices(
        lambda h: duffing(h) + np.stack([0 * h[..., 1], 0.3 * h[..., 1]], -1), [0, 0], length=3
    )
    for branch in found.stable + found.unstable:
        x, y = branch.points.T
        assert np.abs(y**2 / 2 - x**2 / 2 + x**4 / 4).max() < 1e-7
    assert (found.stable_dimension, found.unstable_dimension) == (1, 1)
    reached = max(np.abs(branch.points[:, 0]).max() for branch in found.unstable)
    assert reached == pytest.approx(np.sqrt(2), abs=1e-3)


def test_unstable_branches_of_duffing_fall_into_the_wells():
    found = analysis.separatrices(duffing, [0.0, 0.0], bounds=BOX)
    for branch in found.unstable:
        assert branch.ending == "fixed point"
        assert np.allclose(np.abs(branch.points[-1]), [1, 0], atol=0.02)
    assert {branch.ending for branch in found.stable} <= {"bounds", "length"}


def test_separatrix_divides_the_basins():
    """Starts a little to either side of the stable manifold end in different wells."""
    branch = analysis.separatrices(duffing, [0.0, 0.0], bounds=BOX, length=3.0).stable[0].points[200:-1:100]
    tangents = np.gradient(branch, axis=0)
    across = np.stack([-tangents[:, 1], tangents[:, 0]], axis=1) / np.linalg.norm(tangents, axis=1, keepdims=True)
    wells = np.array([[-1.0, 0.0], [1.0, 0.0]])
    one, other = (analysis.basins(duffing, wells, starts=branch + side * 0.02 * across) for side in (1, -1))
    assert one.undecided == other.undecided == 0.0
    assert (one.labels != other.labels).all()


def test_henon_manifolds_are_invariant():
    """Images of points on the unstable branch lie on it, and preimages of points on the stable branch lie on that."""
    saddle = analysis.fixed_points(henon, kind="map", bounds=BOX).points[1]
    found = analysis.separatrices(henon, saddle, kind="map", length=4.0, points=4000)

    def distance(points, branches):
        curve = np.concatenate([branch.points for branch in branches])
        return np.linalg.norm(points[:, None] - curve[None], axis=-1).min(axis=1)

    outwards = found.unstable[0].points
    outwards = outwards[
        np.linalg.norm(np.cumsum(np.abs(np.diff(outwards, axis=0, prepend=outwards[:1])), 0), axis=1) < 1
    ]
    assert distance(henon(outwards[::20]), found.unstable).max() < 0.01
    inwards = found.stable[0].points
    assert distance(henon(inwards[::20]), found.stable).max() < 0.01


def test_what_is_no_saddle_is_refused():
    with pytest.raises(InvalidInput, match="a saddle"):
        analysis.separatrices(duffing, [1.0, 0.0])
    with pytest.raises(InvalidInput, match="a fixed point"):
        analysis.separatrices(duffing, [0.5, 0.5])


def test_a_manifold_that_is_no_curve_has_no_branches():
    found = analysis.separatrices(lambda h: h * np.array([1.0, -1.0, -2.0]), np.zeros(3), length=1.0)
    assert (found.stable_dimension, found.unstable_dimension) == (2, 1)
    assert found.stable == []
    ends = sorted(branch.points[-1, 0] for branch in found.unstable)
    assert np.allclose(ends, [-1, 1], atol=2e-3)


def test_basins_of_two_wells():
    """x' = x - x^3 goes to the sign of its start; half of an even grid each."""
    starts = np.linspace(-2, 2, 100)[:, None]
    for module in (np, jnp):
        found = analysis.basins(lambda h, module=module: h - module.power(h, 3), starts=starts)
        assert np.allclose(found.attractors[:, 0], [-1, 1])
        assert np.array_equal(found.labels, (starts[:, 0] > 0).astype(int))
        assert found.shares.tolist() == [0.5, 0.5]
        assert found.undecided == 0.0


def test_slow_and_escaping_starts_are_not_given_away():
    """Towards 0 as 1 / sqrt(t) there is no time to arrive; above 1 the map h^2 leaves the numbers."""
    slow = analysis.basins(lambda h: -(h**3), [[0.0]], starts=[[1.0], [2.0]], steps=100)
    assert slow.labels.tolist() == [-1, -1]
    assert slow.undecided == 1.0
    escaping = analysis.basins(lambda h: h**2, [[0.0]], kind="map", starts=[[0.5], [2.0]], steps=100)
    assert escaping.labels.tolist() == [0, -2]
    around = analysis.basins(lambda h: h @ np.array([[0.0, 1.0], [-1.0, 0.0]]), [[0.0, 0.0]], starts=[[1.0, 0.0]])
    assert around.undecided == 1.0


def test_no_stable_point_leaves_all_undecided():
    found = analysis.basins(lambda h: h + 0.0, starts=[[1.0], [-1.0]], steps=10)
    assert found.attractors.shape == (0, 1)
    assert found.undecided == 1.0


def test_descent_never_climbs_and_says_how_it_ended():
    """r = (x^2 - 1, 0.1): the residual is 0.1 at best, at x = -1 and 1, and no lane claims to have converged."""
    starts = np.random.default_rng(0).uniform(-3, 3, (50, 2))

    def residual(h):
        return np.stack([h[:, 0] ** 2 - 1, np.full(len(h), 0.1)], axis=1)

    def jacobian(h):
        return np.stack([np.stack([2 * h[:, 0], 0 * h[:, 0]], -1), np.zeros_like(h)], axis=1)

    ends = descend(residual, jacobian, starts, threshold=1e-9, reach=1e-6, iterations=100, progress=1e-9)
    before, after = (np.linalg.norm(residual(states), axis=1) for states in (starts, ends.points))
    assert (after <= before).all()
    assert np.allclose(after, 0.1, atol=1e-6)
    assert not (ends.endings == Ending.CONVERGED).any()
    assert np.array_equal(ends.residuals, residual(ends.points))
