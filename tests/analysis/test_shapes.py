"""Resting states: one name in every unit, at every offset, in every order; pieces by their own density; few states."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_portraits import CLOUDS, circle, with_stragglers

from gnode.analysis import attractor, topology
from gnode.analysis.dimension import is_closed, is_curve, levina_bickel, two_nn


def still(h):
    return h * 1.0


def turn(count):
    return circle(2 * np.pi * np.arange(count) / count)


def onto_circle(h):
    return h / np.linalg.norm(h, axis=-1, keepdims=True)


QUICK = ["even ring", "interval", "parabola", "disk", "square", "annulus", "4 points", "ring and point", "2 rings"]


@pytest.mark.parametrize("name", QUICK)
def test_clouds_with_stragglers_keep_their_names(name):
    draw, right = CLOUDS[name]
    random = np.random.default_rng(400)
    states = draw(400, random)
    found = attractor(still, states=with_stragglers(states, random))
    assert found.kind.startswith(right)
    assert (found.labels[400:] < 0).sum() >= 3
    assert (found.labels[:400] >= 0).mean() > 0.97


@pytest.mark.full
@pytest.mark.parametrize("count", [200, 400, 1000])
@pytest.mark.parametrize("name", CLOUDS)
def test_every_cloud_is_right_or_undecided(name, count):
    draw, right = CLOUDS[name]
    for straggling in (False, True):
        random = np.random.default_rng(count)
        states = draw(count, random)
        states = with_stragglers(states, random) if straggling else states
        kind = attractor(still, states=states + (name != "1 point") * 3.0).kind
        assert "undecided" in kind or kind.startswith(right)


@settings(max_examples=8)
@given(
    st.sampled_from(["even ring", "interval", "square", "annulus", "4 points", "ring and point"]),
    st.sampled_from([1e-9, 1e-6, 1e-3, 1e3, 1e6, 1e9]),
    st.floats(-1e4, 1e4),
    st.integers(0, 2**31 - 1),
)
def test_units_offsets_and_order_change_no_name(name, unit, offset, seed):
    draw, right = CLOUDS[name]
    states = draw(200, np.random.default_rng(0))
    order = np.random.default_rng(seed).permutation(len(states))
    assert attractor(still, states=unit * (states + offset)[order]).kind.startswith(right)


def test_one_far_state_does_not_make_a_ring_a_point():
    found = attractor(still, states=np.r_[turn(100), [[1e4, 0]]])
    assert (found.kind, found.betti) == ("ring", (1, 1))
    assert found.labels.tolist() == [0] * 100 + [-1]
    assert "1 outlier" in found.evidence


@pytest.mark.parametrize("apart", [10, 100, 1e4])
def test_pieces_are_named_for_themselves(apart):
    assert attractor(still, states=np.r_[turn(100), turn(100) + np.array([apart, 0])]).kind == "2 rings"
    line = np.c_[np.linspace(-1, 1, 100), np.zeros(100)]
    assert attractor(still, states=np.r_[line, line + np.array([0, apart])]).kind == "2 intervals"
    tight = 1e-6 * np.random.default_rng(0).normal(size=(100, 2)) + [apart, 0]
    assert attractor(still, states=np.r_[turn(100), tight]).kind == "2 pieces: 1 ring, 1 point"


@pytest.mark.parametrize("count", [10, 12, 14, 16, 20, 24, 32, 48])
def test_few_states_on_a_ring(count):
    found = attractor(onto_circle, states=turn(count), silence=10)
    assert found.kind == "ring" or "undecided, too few states" in found.kind
    assert count < 12 or found.kind == "ring"
    assert np.isnan(found.dimensions["TwoNN"])


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_of_separate_points_no_dimension_is_estimated(unit):
    scattered = np.repeat([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], 40, axis=0)
    scattered += 1e-5 * np.random.default_rng(0).normal(size=scattered.shape)
    found = attractor(still, states=unit * scattered)
    assert found.kind == "discrete, 3 points" and found.dimension == 0
    assert np.isnan(list(found.dimensions.values())).all() and "dimension by" not in found.evidence
    assert all(np.isnan(found.intervals[name]).all() for name in found.dimensions)


def test_few_states_without_a_plain_shape_are_undecided():
    random = np.random.default_rng(0)
    for count in (10, 14, 20, 30):
        kind = attractor(still, states=random.normal(size=(count, 2))).kind
        assert "undecided, too few states" in kind
    for count in (12, 20, 30):
        assert attractor(still, states=np.c_[np.linspace(0, 1, count), np.zeros(count)]).kind == "interval"


@pytest.mark.parametrize("width", [50, 200, 1e4])
def test_wide_starts_do_not_make_a_point(width):
    states = width * np.random.default_rng(0).normal(size=(200, 2))
    found = attractor(onto_circle, states=states, silence=5)
    assert (found.kind, found.betti) == ("ring", (1, 1))


def test_what_shrinks_on_and_on_is_a_point():
    states = np.random.default_rng(0).normal(size=(100, 2))
    assert attractor(lambda h: 0.5 * h, states=states, silence=60).kind == "discrete, 1 point"
    assert attractor(lambda h: 3 + 0.5 * (h - 3), states=states, silence=60).kind == "discrete, 1 point"
    node = attractor(lambda h: np.stack([-h[:, 0], -2 * h[:, 1]], 1), states=1e-3 * states, kind="flow")
    assert node.kind == "discrete, 1 point"


@pytest.mark.parametrize("offset", [0, 1e6, 1e7, 1e8])
def test_far_from_the_origin_distances_do_not_cancel(offset):
    found = attractor(still, states=turn(100) + offset)
    assert (found.kind, found.betti) == ("ring", (1, 1))
    loop = found.topology.diagrams[0][0][0]
    chords = 2 * np.sin(np.pi * np.array([1, 34]) / 100)  # a neighbour; the side of the widest triangle of states
    assert loop == pytest.approx(chords, rel=1e-3)


@pytest.mark.parametrize("aspect", [3, 10, 30])
def test_an_ellipse_is_a_ring(aspect):
    assert attractor(still, states=turn(600) * [1, 1 / aspect]).kind == "ring"


@pytest.mark.parametrize("scale", [1e-9, 1e-4, 1e4, 1e9])
def test_one_coordinate_in_another_unit(scale):
    assert attractor(still, states=turn(200) * [1, scale]).kind == "ring"


@pytest.mark.parametrize(("tube", "count"), [(0.4, 1000), (0.1, 1000), (0.1, 4000)])
def test_thin_tori_get_no_other_name(tube, count):
    u, v = np.random.default_rng(0).uniform(0, 2 * np.pi, (2, count))
    states = np.c_[(1 + tube * np.cos(v))[:, None] * circle(u), tube * np.sin(v)]
    kind = attractor(still, states=states).kind
    assert kind == "torus" or "undecided" in kind


def test_even_spacing_has_no_fine_dimension():
    assert np.isnan(two_nn(turn(50)))
    assert levina_bickel(turn(50)) < 4


def test_curves_and_closed_surfaces():
    random = np.random.default_rng(0)
    assert is_curve(turn(100)) and is_curve(turn(12))
    assert not is_curve(random.normal(size=(100, 2)))
    ball = random.normal(size=(500, 3))
    assert is_closed(ball / np.linalg.norm(ball, axis=1, keepdims=True))
    assert not is_closed(np.c_[random.random((500, 2)), np.zeros(500)])


def test_densities_of_their_own():
    """A sparse ring beside a dense one: the gap is narrow beside the spacing of neither."""
    shape = topology(np.r_[turn(40), 0.02 * turn(300) + [3, 0]])
    assert shape.betti == (2, 2)
    assert (shape.labels >= 0).all()
