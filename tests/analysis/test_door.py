"""What is believed about a function is checked first: its rows, its answers, its numbers, its derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnode import analysis
from gnode.analysis.dynamics import dynamics_of, extent_of
from gnode.errors import InvalidInput

BOX = ([-4.0, -4.0], [4.0, 4.0])


@pytest.mark.parametrize(
    "f",
    [
        lambda h: h / jnp.max(jnp.abs(h)) - h,
        lambda h: -h + 0.5 * h.mean(0, keepdims=True) + 0.5,
        lambda h: h - np.sort(h, axis=0)[::-1],
        lambda h: -h + np.linalg.norm(h),
        lambda h: -h + 1e-3 * len(h),
        lambda h: -h + np.cumsum(h, axis=0) * 1e-2,
        lambda h: (h - h.mean(0)) / (h.std(0) + 1e-5),
        lambda h: -h + jax.nn.softmax(h, axis=0),
    ],
)
def test_rows_that_influence_each_other_are_refused(f):
    """Maximum, mean, norm and count of a batch do not depend on the order of its rows."""
    with pytest.raises(InvalidInput, match="rows do not influence each other"):
        analysis.fixed_points(f, bounds=BOX, count=64)


def test_a_callable_that_refuses_one_state_is_refused():
    def picky(h):
        if len(h) < 2:
            raise ValueError("expected more than 1 value per channel")
        return -h

    with pytest.raises(InvalidInput, match=r"any number of states.*expected more than 1 value"):
        analysis.fixed_points(picky, bounds=BOX, count=8)


def centred_half(h):
    h -= h.mean(axis=1, keepdims=True)
    return 0.5 * h + 1


def halved(h):
    h *= 0.5
    return h


def buffered():
    buffer = np.zeros((4096, 2))

    def f(h):
        np.multiply(h, 0.5, out=buffer[: len(h)])
        return buffer[: len(h)]

    return f


@pytest.mark.parametrize(("f", "point"), [(centred_half, [1, 1]), (halved, [0, 0]), (buffered(), [0, 0])])
def test_callables_may_write_into_their_argument_or_return_a_buffer(f, point):
    starts = np.random.default_rng(0).uniform(-2, 2, (16, 2))
    before = starts.copy()
    found = analysis.fixed_points(f, kind="map", starts=starts)
    assert np.allclose(found.points, [point], atol=1e-8)
    assert found.stability == ["stable node"]
    assert np.array_equal(starts, before)


@pytest.mark.parametrize(
    "f",
    [
        lambda x, h=None: 0 * x if h is None else h,
        lambda t, h: -h,
        lambda inputs, state: state,
        lambda u, hidden=None: u,
    ],
)
def test_a_callable_of_an_input_and_a_state_is_refused(f):
    with pytest.raises(InvalidInput, match=r"callable of the state alone.*lambda h: f\("):
        analysis.fixed_points(f, bounds=BOX, count=8)


def test_a_detached_derivative_is_found_out():
    """f(h) = A (h - c) with eigenvalues 0.1 +- i; the difference to B, of -0.1 +- i, is hidden from autodiff."""
    a, b = jnp.array([[0.1, 1], [-1, 0.1]]), jnp.array([[-0.1, 1], [-1, -0.1]])

    def f(h):
        off = jnp.asarray(h) - jnp.array([0.5, 0.2])
        return off @ b.T + jax.lax.stop_gradient(off @ (a - b).T)

    found = analysis.fixed_points(f, bounds=([-1.0, -1.0], [1.0, 1.0]), count=16)
    assert found.stability == ["unstable focus"]
    assert found.jacobian_method == "finite differences"
    assert any("is not that of the function" in line for line in found.checks)
    assert np.allclose(found.eigenvalues.real, 0.1, atol=1e-7)


@jax.custom_jvp
def wrong_rule(h):
    return jnp.sin(h)


wrong_rule.defjvp(lambda primals, tangents: (jnp.sin(primals[0]), jnp.sin(primals[0]) * tangents[0]))


@pytest.mark.parametrize(
    ("f", "box", "points"),
    [
        (wrong_rule, ([-4.0], [4.0]), [-np.pi, 0, np.pi]),
        (lambda h: jax.lax.stop_gradient(jnp.tanh(2 * h)) - h, ([-3.0], [3.0]), [-0.957504, 0, 0.957504]),
        (lambda h: -h + 0.75 * (np.abs(h + 1) - np.abs(h - 1)), ([-6.0], [6.0]), [-1.5, 0, 1.5]),
        (lambda h: np.sign(h.real) * np.tanh(2 * np.abs(h)) - h, ([-3.0], [3.0]), [-0.957504, 0, 0.957504]),
        (lambda h: np.clip(2 * h.real, -1, 1) - h, ([-3.0], [3.0]), [-1, 0, 1]),
    ],
)
def test_derivatives_of_something_else_do_not_lose_points(f, box, points):
    found = analysis.fixed_points(f, bounds=box, count=64)
    assert np.allclose(found.points.ravel(), points, atol=1e-6)
    assert found.unfinished == 0
    assert found.jacobian_method == "finite differences"


@pytest.mark.parametrize("module", [np, jnp])
def test_a_derivative_is_checked_where_points_are(module):
    """For h >= 1 the map is 5 - h / 2 - |h|: it repels from 2 with -1.5, of which a complex step sees -0.5."""
    found = analysis.fixed_points(
        lambda h: module.where(h < 1, 0.5 * h, 5 - 0.5 * h - module.abs(h)),
        kind="map",
        bounds=([-20.0], [3.0]),
        count=256,
    )
    assert np.allclose(found.points.ravel(), [0, 2], atol=1e-8)
    assert found.stability == ["stable node", "unstable node"]
    assert np.allclose(found.eigenvalues.ravel(), [0.5, -1.5], atol=1e-6)


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1.0, 1e6])
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_numpy_far_from_the_origin(unit, offset):
    """sin has three zeros between 10000.5 and 10010, whatever unit they are measured in."""
    found = analysis.fixed_points(
        lambda h: unit * np.sin(h / unit - offset), bounds=([unit * (10000.5 + offset)], [unit * (10010 + offset)])
    )
    assert np.allclose(found.points.ravel() / unit - offset, np.pi * np.arange(3184, 3187), rtol=1e-12, atol=1e-6)
    assert found.unfinished == 0


@pytest.mark.parametrize(
    ("f", "numbers"),
    [
        (lambda h: -np.sin(h), "float64"),
        (lambda h: -np.sin(np.float32(h)), "float32"),
        (lambda h: -jnp.sin(h.astype(jnp.float32)).astype(h.dtype), "float32"),
        (lambda h: h - np.cos(np.float32(h)), "float32"),
        (lambda h: -(np.float16(h).astype(float)), "less than float32"),
        (lambda h: np.zeros_like(h), "float64"),
    ],
)
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_the_numbers_that_a_callable_computes_in(f, numbers, offset):
    states = np.random.default_rng(0).uniform(-2, 2, (50, 3)) + offset
    assert f"Computes in {numbers};" in dynamics_of(f, states).checks[0]


def test_a_derivative_that_is_not_finite_is_replaced():
    """h (1 - |h|): 0 repels with 1, where JAX's derivative of the norm is NaN; the unit circle rests."""
    found = analysis.fixed_points(
        lambda h: h * (1 - jnp.linalg.norm(h, axis=-1, keepdims=True)), starts=[[0.0, 0.0], [0.3, 0.1], [1.5, 0.2]]
    )
    origin = np.flatnonzero(np.linalg.norm(found.points, axis=1) < 1e-6)
    assert len(origin) == 1
    assert found.stability[origin[0]] == "unstable node"
    assert np.allclose(found.eigenvalues[origin[0]], 1, atol=1e-3)
    assert found.stability.count("marginal") == len(found) - 1 >= 1


@pytest.mark.parametrize(
    ("relu", "module"), [(jax.nn.relu, jnp), (lambda x: np.maximum(x, 0), np), (lambda x: np.where(x > 0, x, 0), np)]
)
@pytest.mark.parametrize(
    ("f", "name"),
    [
        (lambda h, relu: -h + 2 * relu(h), "undecided, on a kink: stable node or unstable node"),
        (lambda h, relu: -h - relu(h), "stable node"),
        (lambda h, relu: 3 * relu(h) - 2 * relu(-h), "unstable node"),
        (lambda h, relu: 3 * relu(h) + 2 * relu(-h), "undecided, on a kink: stable node or unstable node"),
        (lambda h, relu: -2 * h + relu(h), "stable node"),
        (lambda h, relu: h + relu(h), "unstable node"),
    ],
)
def test_a_point_on_a_kink_is_seen_from_both_sides(relu, module, f, name):
    found = analysis.fixed_points(lambda h: f(h, relu), bounds=([-1.0], [1.0]))
    assert np.allclose(found.points, 0, atol=1e-8)
    assert found.stability == [name]
    assert found.kinked.tolist() == [True]


def test_a_kink_of_one_unit_among_several():
    """(x, y)' = (-x, -y + 3 relu(y)): stable below the x axis, a saddle above it."""
    found = analysis.fixed_points(
        lambda h: jnp.stack([-h[:, 0], -h[:, 1] + 3 * jax.nn.relu(h[:, 1])], 1), bounds=BOX, count=50
    )
    assert found.stability == ["undecided, on a kink: saddle or stable node"]


def test_extents():
    states = np.random.default_rng(0).uniform(-1, 1, (1000, 2)) * [1e-9, 1e6] + [0, 1e9]
    assert np.allclose(extent_of(states) / [0.95e-9, 0.95e6], 1, atol=0.05)
    assert extent_of(np.array([[3.0, 0.0]])).tolist() == [3.0, 3.0]
    assert extent_of(np.zeros((1, 2))).tolist() == [1.0, 1.0]
    assert (extent_of(np.array([[1.0, 5.0], [2.0, 5.0]])) > 0).all()


SYSTEMS = {
    "Duffing": (
        lambda h, m: m.stack([h[:, 1], h[:, 0] - h[:, 0] ** 3 - 0.3 * h[:, 1]], 1),
        "flow",
        [[-1, 0], [0, 0], [1, 0]],
        ["stable focus", "saddle", "stable focus"],
    ),
    "Lotka-Volterra": (
        lambda h, m: m.stack([h[:, 0] * (1 - h[:, 1]), h[:, 1] * (h[:, 0] - 1)], 1),
        "flow",
        [[0, 0], [1, 1]],
        ["saddle", "center"],
    ),
    "two wells": (
        lambda h, m: m.stack([h[:, 0] - h[:, 0] ** 3, -h[:, 1]], 1),
        "flow",
        [[-1, 0], [0, 0], [1, 0]],
        ["stable node", "saddle", "stable node"],
    ),
    "map of two wells": (
        lambda h, m: m.stack([1.2 * m.tanh(2 * h[:, 0]) / 1.2 + 0 * h[:, 1], 0.5 * h[:, 1]], 1),
        "map",
        [[-0.957504024, 0], [0, 0], [0.957504024, 0]],
        ["stable node", "saddle", "stable node"],
    ),
    "Henon": (
        lambda h, m: m.stack([1 - 1.4 * h[:, 0] ** 2 + h[:, 1], 0.3 * h[:, 0]], 1),
        "map",
        [[-1.131354477, -0.339406343], [0.631354477, 0.189406343]],
        ["saddle", "saddle"],
    ),
}


@pytest.mark.parametrize(
    ("module", "name"),
    [
        *((np, name) for name in SYSTEMS),
        # Each unit is another program to compile.
        *(pytest.param(jnp, name, marks=pytest.mark.full if at % 4 else ()) for at, name in enumerate(SYSTEMS)),
    ],
)
@settings(max_examples=6, deadline=None)
@given(
    powers=st.tuples(st.integers(-9, 9), st.integers(-9, 9)),
    offsets=st.tuples(st.integers(-1000, 1000), st.integers(-1000, 1000)),
)
def test_the_same_system_in_other_units(module, name, powers, offsets):
    f, kind, points, stability = SYSTEMS[name]
    units = 10.0 ** np.array(powers)
    origin = units * np.array(offsets)

    def moved(h):
        answer = f((h - origin) / units, module)
        return units * answer + (origin if kind == "map" else 0)

    low, high = np.array([-2.0, -2.0]), np.array([2.0, 2.0])
    found = analysis.fixed_points(moved, kind=kind, bounds=(origin + units * low, origin + units * high), count=100)
    assert np.allclose((found.points - origin) / units, points, atol=1e-6)
    assert found.stability == stability


@pytest.mark.parametrize("module", [np, jnp])
@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_lorenz_in_other_units(module, unit):
    low, high = np.array([-30.0, -30, -1]), np.array([30.0, 30, 50])

    def lorenz(h):
        x, y, z = h[:, 0], h[:, 1], h[:, 2]
        return module.stack([10 * (y - x), x * (28 - z / unit) - y, x * y / unit - 8 / 3 * z], 1)

    found = analysis.fixed_points(lorenz, bounds=(unit * low, unit * high))
    side = np.sqrt(72)
    assert np.allclose(found.points / unit, [[-side, -side, 27], [0, 0, 0], [side, side, 27]], atol=1e-6)
    assert found.unfinished == 0
    assert found.unseen < 0.01


@pytest.mark.parametrize("unit", [1e-9, 1e-5, 1e-3, 1.0, 1e6, 1e9])
def test_a_map_in_any_unit(unit):
    found = analysis.fixed_points(
        lambda h: 1.5 * unit * jnp.tanh(h / unit), kind="map", bounds=([-2 * unit], [2 * unit]), count=256
    )
    assert len(found) == 3
    assert found.converged == 256
    assert found.tolerance <= 1e-9 * unit


@pytest.mark.parametrize("apart", [1e-3, 1e-5, 1e-7])
def test_near_points_are_told_apart(apart):
    """h^2 = apart^2 has a node of either kind on either side of 0."""
    found = analysis.fixed_points(lambda h: h**2 - apart**2, bounds=([-1.0], [1.0]), count=64)
    assert np.allclose(found.points.ravel(), [-apart, apart], rtol=1e-6)
    assert found.stability == ["stable node", "unstable node"]


@pytest.mark.parametrize(
    "f",
    [
        lambda h: np.stack([h[:, 0] ** 3, -h[:, 1]], -1),
        lambda h: jnp.stack([-(h[:, 0] ** 3), -h[:, 1]], -1),
        lambda h: jnp.stack([h[:, 0] ** 2, -h[:, 1]], -1),
        lambda h: jnp.stack([h[:, 0] ** 5, -(h[:, 1] ** 3)], -1),
        lambda h: jnp.stack([h[:, 0] ** 2 * h[:, 1], h[:, 1] - h[:, 0]], -1),
    ],
)
def test_a_zero_of_higher_order_is_one_point(f):
    found = analysis.fixed_points(f, bounds=([-1.0, -1.0], [1.0, 1.0]))
    assert len(found) == 1
    assert np.allclose(found.points, 0, atol=1e-4)


@pytest.mark.parametrize("rates", [[1.0, -1e6], [1.0, -1e5], [-1.0, -1e7], [1e-3, -1e6], [-1e-6, -1e3], [1e-9, 1.0]])
@pytest.mark.parametrize("module", [np, jnp])
@pytest.mark.parametrize("turn", [0.0, 0.7])
def test_stiff_is_not_marginal(rates, module, turn):
    turning = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = turning @ np.diag(rates) @ turning.T
    found = analysis.fixed_points(lambda h: h @ module.asarray(matrix).T, bounds=([-1.0, -1.0], [1.0, 1.0]), count=32)
    growing = int(np.sum(np.array(rates) > 0))
    assert found.stability == [{0: "stable node", 1: "saddle", 2: "unstable node"}[growing]]
    assert found.unstable.tolist() == [growing]


def test_noise_is_no_sign():
    """A circle of rest in float32, whose Jacobian by differences is off by more than the rate along it."""

    def f(h):
        h = np.float32(h)
        r = np.sqrt((h**2).sum(1, keepdims=True))
        return h / r * (1 + np.float32(0.5) * (r - 1)) - h

    found = analysis.fixed_points(f, bounds=([-1.0, -1.0], [1.0, 1.0]), count=32)
    assert len(found) > 10
    assert set(found.stability) == {"marginal"}
    assert (found.unstable == 0).all()


@pytest.mark.parametrize("turn", [1e-3, 1e-6])
def test_a_shear_is_named_by_what_it_does(turn):
    """Rates -1, -1 behind a shear of a million: non-normal, and stable; -1e-9 behind it cannot be told from 0."""
    for rate, name in ((-1.0, "stable node"), (-1e-12, "marginal")):
        matrix = np.array([[rate, 1e6], [0.0, rate - turn * 1e-6]])
        found = analysis.fixed_points(lambda h, matrix=matrix: h @ jnp.asarray(matrix).T, starts=[[1e-3, 1e-9]])
        assert found.stability in ([name], ["stable focus"])


@pytest.mark.parametrize("module", [np, jnp])
@pytest.mark.parametrize("number", [np.float32, np.float64])
def test_what_rounds_to_rest_is_no_point(module, number):
    """h' = h - z h with z > 0 everywhere: only 0 is fixed; from 4 on z is below the rounding of h."""

    def gate(h):
        h = module.asarray(h, number)
        return h - h / (1 + module.exp(20 * (module.abs(h) - 2)))

    found = analysis.fixed_points(gate, kind="map", starts=[[0.5], [3.0], [4.0], [5.0]])
    assert np.allclose(found.points, 0, atol=1e-6)
    assert len(found) == 1
    assert found.stability == ["stable node"]
    assert len(found.unresolved) >= 2
    assert "cannot be told apart from rest" in found.evidence


def test_where_f_only_fades_there_is_no_point_in_any_unit():
    for unit in (1e-6, 1.0, 1e6):
        for f in (lambda u: np.exp(-u), lambda u: 1 / (1 + u**2), lambda u: 1 / np.cosh(u), lambda u: np.exp(-(u**2))):
            found = analysis.fixed_points(
                lambda h, f=f, unit=unit: unit * f(h / unit), bounds=([-50 * unit], [50 * unit]), count=50
            )
            assert len(found) == 0


@pytest.mark.parametrize("starts, chance", [(64, "below 0.05 (95 %)"), (3000, "below 0.001 (95 %)")])
def test_no_search_is_said_to_be_certain_of_having_found_all(starts, chance):
    found = analysis.fixed_points(lambda h: -h + np.tanh(2 * h), bounds=([-2.0], [2.0]), count=starts, kind="flow")
    assert found.unseen == 0 and f"one more start {chance}" in found.evidence


def test_unseen_counts_starts_that_came_to_no_end():
    found = analysis.fixed_points(lambda h: jnp.sin(h) * jnp.exp(h), bounds=([-30.0], [30.0]), count=100, iterations=2)
    assert found.unfinished > 10
    assert found.unseen >= found.unfinished / (found.unfinished + found.converged)


def test_nullclines_on_the_border_of_the_box():
    for f in (
        lambda h: jnp.stack([h[:, 1] - 1, h[:, 0]], 1),
        lambda h: jnp.stack([1 - h[:, 1], h[:, 0]], 1),
        lambda h: jnp.stack([h[:, 1] + 1, h[:, 0]], 1),
        lambda h: jnp.stack([h[:, 0] + 1, h[:, 0]], 1),
        lambda h: jnp.stack([1 - h[:, 0], h[:, 0]], 1),
    ):
        (curve,) = analysis.nullclines(f, ([-1.0, -1.0], [1.0, 1.0]), resolution=51).curves[0]
        assert np.abs(np.asarray(f(curve))[:, 0]).max() < 1e-12
        assert np.ptp(curve, axis=0).max() == 2.0


def test_nullclines_along_the_axes_of_lotka_volterra():
    found = analysis.nullclines(
        lambda h: jnp.stack([h[:, 0] * (1 - h[:, 1]), h[:, 1] * (h[:, 0] - 1)], 1), ([0.0, 0.0], [2.0, 2.0])
    )
    for component, curves in enumerate(found.curves):
        points = np.concatenate(curves)
        on_axis = points[np.abs(points[:, component]) < 1e-12, 1 - component]
        assert np.allclose([on_axis.min(), on_axis.max()], [0, 2], atol=0.011)
        on_line = points[np.abs(points[:, 1 - component] - 1) < 1e-9, component]
        assert np.allclose([on_line.min(), on_line.max()], [0, 2], atol=0.011)
        assert len(on_axis) > 190
        assert len(on_line) > 190


@pytest.mark.parametrize(
    ("f", "place"),
    [
        (lambda h, m: m.stack([1 + m.abs(h[:, 0] - h[:, 1]), 0.1 * h[:, 0]], -1), [0, 0]),
        (lambda h, m: m.stack([1 + m.abs(h[:, 0] - 0.3), 0.1 * h[:, 1] + 0.01], -1), [0.3, -0.1]),
        (lambda h, m: m.stack([m.maximum(h[:, 0], -h[:, 0]) + 0.5, h[:, 0] + h[:, 1]], -1), [0, 0]),
        (lambda h, m: m.stack([1 + m.abs(h[:, 0] + 2 * h[:, 1]), h[:, 1] - 0.2], -1), [-0.4, 0.2]),
    ],
)
@pytest.mark.parametrize("module", [np, jnp])
def test_slow_points_on_kinks_are_minima(f, place, module):
    """A descent stops anywhere on a kink; only where no neighbour is slower is a minimum of the speed."""
    found = analysis.slow_points(lambda h: f(h, module), bounds=([-1.0, -1.0], [1.0, 1.0]), count=300)
    assert len(found) == 1
    assert np.allclose(found.points, [place], atol=1e-3)
    assert not found.fixed.any()


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_slow_points_in_any_unit(unit):
    """h^2 + 0.01 is slowest at 0, with speed 0.01."""
    found = analysis.slow_points(lambda h: unit * ((h / unit) ** 2 + 0.01), bounds=([-2 * unit], [2 * unit]), count=50)
    assert np.allclose(found.points / unit, 0, atol=1e-3)
    assert np.allclose(found.speeds / unit, 0.01, rtol=1e-6)
