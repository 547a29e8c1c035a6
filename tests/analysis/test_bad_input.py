"""Callables and boxes that are wrong, huge or odd: a clear error, or a bounded and honest partial answer."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnode import analysis
from gnode.errors import Diverged, InvalidInput

STARTS = np.random.default_rng(0).normal(size=(20, 3))
EVERYTHING = {
    "fixed_points": lambda f: analysis.fixed_points(f, starts=STARTS),
    "slow_points": lambda f: analysis.slow_points(f, starts=STARTS),
    "lyapunov_exponents": lambda f: analysis.lyapunov_exponents(f, STARTS, duration=100.0, step=0.1),
    "basins": lambda f: analysis.basins(f, np.zeros((1, 3)), starts=STARTS),
    "attractor": lambda f: analysis.attractor(f, states=STARTS),
    "separatrices": lambda f: analysis.separatrices(f, np.zeros(3)),
    "nullclines": lambda f: analysis.nullclines(f, ([-1.0, -1.0], [1.0, 1.0]), resolution=11),
}


def noisy(h):
    return -h + 1e-3 * np.random.default_rng().normal(size=h.shape)


def mixing(h):
    return h - h.mean(axis=0) * np.arange(len(h))[:, None]


BROKEN = {
    "no callable": (3, "callable"),
    "wrong shape": (
        lambda h: h[:, :1],
        r"maps states of shape \(4, \d\) to the same shape, instead got shape \(4, 1\)",
    ),
    "transposed": (lambda h: h.T, "to the same shape"),
    "one number": (lambda h: 0.0 * h.sum(), "to the same shape"),
    "integers": (lambda h: np.ones(h.shape, int), "floating-point numbers, instead got int64"),
    "not deterministic": (noisy, "deterministic callable"),
    "rows mixed": (mixing, "rows do not influence each other"),
    "refuses": (lambda h: h @ np.ones((7, 7)), r"takes an array of shape \(batch, N\) = \(4, \d\)"),
}


@pytest.mark.parametrize("broken", [name for name in BROKEN if name != "no callable"])
@pytest.mark.parametrize("tool", EVERYTHING)
def test_broken_callables_are_named(tool, broken):
    f, message = BROKEN[broken]
    with pytest.raises(InvalidInput, match=message):
        EVERYTHING[tool](f)


@pytest.mark.parametrize("module", [np, jnp])
@pytest.mark.parametrize("tool", [name for name in EVERYTHING if name != "basins"])
def test_nowhere_finite(tool, module):
    with pytest.raises(Diverged, match="finite"):
        EVERYTHING[tool](lambda h: module.asarray(h) * module.nan)


def test_basins_of_what_is_nowhere_finite():
    found = EVERYTHING["basins"](lambda h: h * np.nan)
    assert (found.labels == -2).all()
    assert found.undecided == 0.0


@pytest.mark.parametrize("module", [np, jnp])
def test_states_where_the_callable_is_not_finite_have_no_drift(module):
    """-h, but NaN for coordinates below 0: a drift of NaN must not come out in silence."""
    with pytest.raises(Diverged, match="not finite at some of the states"):
        analysis.attractor(lambda h: module.where(h > 0, -h, module.nan), states=STARTS)


def test_a_map_that_annihilates_has_a_very_negative_exponent():
    for module in (np, jnp):
        found = analysis.lyapunov_exponents(
            lambda h, module=module: module.asarray(h) * module.asarray([0.5, 0.0]),
            [1.0, 1.0],
            kind="map",
            duration=300,
        )
        assert found.exponents[0] == pytest.approx(np.log(0.5))
        assert found.exponents[1] < -600


def test_few_states_have_no_shape():
    for states, kind in (
        (STARTS[:1], "discrete, 1 point"),
        (STARTS[:3], "undecided, 3 states"),
        (np.repeat(STARTS[:2], 2, axis=0), "discrete, 2 points"),
    ):
        assert analysis.attractor(lambda h: h, states=states).kind == kind


def test_one_unit():
    """States of a single unit are an interval, or points; nothing needs a plane."""
    spread, pair = np.linspace(-1, 1, 50)[:, None], np.repeat([[-1.0], [1.0]], 20, axis=0)
    assert analysis.attractor(lambda h: h, states=spread).kind == "interval"
    assert analysis.attractor(lambda h: h, states=pair).kind == "discrete, 2 points"
    wells = analysis.attractor(lambda h: h + 0.2 * (h - h**3), states=spread, silence=300)
    assert wells.kind in ("discrete, 2 points", "discrete, 3 points")  # the start at 0 may stay there


def test_time_is_bounded_on_request():
    """Eight hundred starts of three hundred units would take minutes; what is not done is counted, not given away."""
    weights = jnp.asarray(np.random.default_rng(0).normal(size=(300, 300)) * 1.5 / np.sqrt(300))
    starts = np.random.default_rng(1).normal(size=(800, 300))
    for search in (analysis.fixed_points, analysis.slow_points):
        began = time.perf_counter()
        found = search(lambda h: -h + jnp.tanh(h @ weights), starts=starts, seconds=0.5)
        assert time.perf_counter() - began < 60
        assert found.unfinished > 0
        assert found.counts.sum() + found.unfinished + found.failed <= 800
    with pytest.raises(InvalidInput, match="seconds a number above 0"):
        analysis.fixed_points(lambda h: -h, starts=[[1.0]], seconds=0)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("module", [np, jnp])
def test_finite_in_places_gives_what_is_there(module):
    """log h - 1 is NaN for h < 0; its zero e is found all the same, and the failures are counted."""
    points = analysis.fixed_points(lambda h: module.log(h) - 1, bounds=([-4.0], [4.0]), count=100)
    assert np.allclose(points.points, np.e, atol=1e-8)
    assert 30 < points.failed < 70
    assert points.converged + points.unfinished + points.outside + points.failed == 100


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bounds": ([0.0], [0.0])}, "low < high"),
        ({"bounds": ([1.0], [0.0])}, "low < high"),
        ({"bounds": ([0.0, 0.0], [1.0])}, "two vectors of length N"),
        ({"bounds": ([-1e308], [1e308])}, "finite width"),
        ({"bounds": ([np.nan], [1.0])}, "finite width"),
        ({"bounds": 3}, "two vectors"),
        ({}, "either starts or bounds, instead got neither"),
        ({"bounds": ([0.0], [1.0]), "starts": [[0.0]]}, "instead got both"),
        ({"starts": np.zeros((0, 1))}, "at least one of them"),
        ({"starts": [[np.nan]]}, "finite"),
        ({"starts": "here"}, "floating"),
        ({"bounds": ([0.0], [1.0]), "count": 0}, "at least 1"),
        ({"bounds": ([0.0], [1.0]), "kind": "spiral"}, 'kind = "flow" or kind = "map"'),
        ({"bounds": ([0.0], [1.0]), "merge": 0.0}, "merge a number above 0"),
        ({"bounds": ([0.0], [1.0]), "tolerance": -1.0}, "tolerance a number above 0"),
        ({"bounds": ([0.0], [1.0]), "beside": 0.0}, "a map beside a flow, or a time above 0, instead got 0.0"),
        ({"bounds": ([0.0], [1.0]), "beside": 1.0, "kind": "map"}, "a flow beside a map, instead got 1.0"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(InvalidInput, match=message):
        analysis.fixed_points(lambda h: h - h**3, **options)


def test_huge_box_is_bounded_and_honest():
    began = time.perf_counter()
    points = analysis.fixed_points(lambda h: h - h**3, bounds=([-1e100], [1e100]), count=200)
    assert time.perf_counter() - began < 60
    assert points.converged + points.unfinished + points.outside + points.failed == 200
    assert np.isin(np.round(points.points, 6), [-1.0, 0.0, 1.0]).all()


def test_start_on_one_unit_and_on_five_hundred():
    one = analysis.fixed_points(lambda h: 1.0 - h, starts=[0.0])
    assert np.allclose(one.points, [[1.0]])
    weights = jnp.asarray(np.random.default_rng(0).normal(size=(500, 500)) * 0.5 / np.sqrt(500))
    many = analysis.fixed_points(
        lambda h: -h + jnp.tanh(h @ weights + 0.1), starts=np.random.default_rng(1).normal(size=(8, 500))
    )
    assert many.points.shape == (1, 500)
    assert many.counts.tolist() == [8]
    assert many.stability == ["stable focus"]
    assert many.speeds[0] < 1e-12


def test_float32_inside_float64_outside_is_noticed():
    """A callable that rounds to float32 on the way can only be solved to float32, and still gives its zero."""
    points = analysis.fixed_points(
        lambda h: h - jnp.cos(h.astype(jnp.float32)).astype(h.dtype), bounds=([-2.0], [2.0]), count=20
    )
    assert points.tolerance > 1e-6
    assert np.allclose(points.points, 0.7390851332151607, atol=1e-6)


def test_a_jax_callable_that_cannot_be_traced_still_works():
    def stubborn(h):
        return jnp.asarray(np.tanh(2 * np.asarray(h)) - np.asarray(h))

    points = analysis.fixed_points(stubborn, bounds=([-2.0], [2.0]), count=30)
    assert points.framework == "numpy"
    assert np.allclose(points.points[:, 0], [-0.9575040240772687, 0.0, 0.9575040240772687], atol=1e-8)


def test_global_precision_is_left_alone():
    analysis.fixed_points(lambda h: -jnp.sin(h), starts=[[0.1]])
    assert not jax.config.jax_enable_x64
    assert jnp.zeros(1).dtype == jnp.float32
