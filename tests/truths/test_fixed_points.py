"""Fixed points and their stability where both are known on paper."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_fixed_points import PORTRAITS

from gnode import analysis
from gnode.analysis.zeros import merged

BOX = ([-3.0, -3.0], [3.0, 3.0])


def columns(*components):
    """Components (batch,) side by side, in whatever framework they are."""
    module = jnp if isinstance(components[0], jax.Array) else np
    return module.stack(components, -1)


def found(f, bounds=BOX, **options):
    return analysis.fixed_points(f, bounds=bounds, count=options.pop("count", 200), **options)


@pytest.mark.parametrize(
    ("matrix", "flow", "growing"),
    [
        ([[-1.0, 0.0], [0.0, -2.0]], "stable node", 0),
        ([[1.0, 0.0], [0.5, 2.0]], "unstable node", 2),
        ([[1.0, 0.0], [0.0, -2.0]], "saddle", 1),
        ([[-0.1, 1.0], [-1.0, -0.1]], "stable focus", 0),
        ([[0.1, 1.0], [-1.0, 0.1]], "unstable focus", 2),
        ([[0.0, 1.0], [-1.0, 0.0]], "center", 0),
        ([[0.0, 0.0], [0.0, -1.0]], "marginal", 0),
    ],
)
def test_linear_flows_are_named(matrix, flow, growing):
    matrix = np.array(matrix)
    target = np.array([0.3, -0.7])
    points = analysis.fixed_points(lambda h: (h - target) @ matrix.T, starts=[target + 1.0, target - 0.5])
    assert points.stability[0] == flow
    assert points.unstable[0] == growing
    expected = np.sort_complex(np.linalg.eigvals(matrix))
    assert np.allclose(np.sort_complex(points.eigenvalues[0]), expected, atol=1e-6)
    if flow != "marginal":
        assert np.allclose(points.points, [target], atol=1e-8)


def test_flow_and_map_share_points_but_not_stability():
    """dh/dt = -1.5 h: the flow rests, its Euler map of step 1 has the multiplier -0.5, of step 2 it has -2."""
    for step, name in ((1.0, "stable node"), (2.0, "unstable node")):

        def velocity(h):
            return -1.5 * h

        def moved(h, step=step):
            return h - 1.5 * step * h

        flow = analysis.fixed_points(velocity, starts=[[1.0]], beside=moved)
        step_map = analysis.fixed_points(moved, kind="map", starts=[[1.0]], beside=velocity)
        for points in (flow, step_map):
            assert points.flow_stability == ["stable node"]
            assert points.map_stability == [name]
            assert np.allclose(points.flow_eigenvalues, -1.5, atol=1e-6)
            assert np.allclose(points.map_eigenvalues, 1 - 1.5 * step, atol=1e-6)
        assert flow.stability == flow.flow_stability
        assert step_map.stability == step_map.map_stability
        solved = analysis.fixed_points(velocity, starts=[[1.0]], beside=step)
        assert solved.map_stability == ["stable node"]
        assert np.allclose(solved.map_eigenvalues, np.exp(-1.5 * step), atol=1e-6)


@pytest.mark.parametrize("parameter", [0.5, 0.01, -0.01])
def test_saddle_node(parameter):
    """x' = r - x^2 has the zeros +sqrt(r) (stable) and -sqrt(r) (unstable), and none for r < 0."""
    points = found(lambda h: parameter - h**2, bounds=([-2.0], [2.0]))
    if parameter < 0:
        assert len(points) == 0
        assert points.unseen == 1.0
        slow = analysis.slow_points(lambda h: parameter - h**2, bounds=([-2.0], [2.0]), count=50)
        assert np.allclose(slow.points, 0.0, atol=1e-3)
        assert np.allclose(slow.speeds, -parameter, rtol=1e-6)
        assert not slow.fixed.any()
    else:
        root = np.sqrt(parameter)
        assert np.allclose(points.points[:, 0], [-root, root], atol=1e-8)
        assert points.stability == ["unstable node", "stable node"]
        assert np.allclose(points.eigenvalues[:, 0], [2 * root, -2 * root], atol=1e-6)


@pytest.mark.parametrize("parameter", [1.0, -1.0])
def test_pitchfork(parameter):
    points = found(lambda h: parameter * h - h**3, bounds=([-2.0], [2.0]))
    if parameter > 0:
        assert np.allclose(points.points[:, 0], [-1, 0, 1], atol=1e-8)
        assert points.stability == ["stable node", "unstable node", "stable node"]
        assert np.allclose(points.eigenvalues[:, 0], [-2, 1, -2], atol=1e-6)
    else:
        assert np.allclose(points.points, 0.0, atol=1e-8)
        assert points.stability == ["stable node"]


@pytest.mark.parametrize(("mu", "name"), [(0.3, "unstable focus"), (-0.3, "stable focus"), (0.0, "center")])
def test_hopf(mu, name):
    def hopf(h):
        x, y = h[..., 0], h[..., 1]
        radial = mu - x**2 - y**2
        return columns(radial * x - 2 * y, radial * y + 2 * x)

    points = found(hopf)
    assert np.allclose(points.points, 0.0, atol=1e-8)
    assert points.stability == [name]
    assert np.allclose(np.sort_complex(points.eigenvalues[0]), [mu - 2j, mu + 2j], atol=1e-6)


def test_duffing():
    """x'' + 0.3 x' - x + x^3 = 0: a saddle between two wells."""
    points = found(lambda h: columns(h[..., 1], h[..., 0] - h[..., 0] ** 3 - 0.3 * h[..., 1]))
    assert np.allclose(points.points, [[-1, 0], [0, 0], [1, 0]], atol=1e-8)
    assert points.stability == ["stable focus", "saddle", "stable focus"]
    saddle = [-0.15 + np.sqrt(0.15**2 + 1), -0.15 - np.sqrt(0.15**2 + 1)]
    assert np.allclose(points.eigenvalues[1], saddle, atol=1e-6)
    assert np.allclose(points.eigenvalues[0].real, -0.15, atol=1e-6)


@pytest.mark.parametrize(("current", "name"), [(0.0, "stable focus"), (0.5, "unstable focus")])
def test_fitzhugh_nagumo(current, name):
    """The rest state is the real root of a cubic, stable without current and unstable where it oscillates."""

    def neuron(h):
        v, w = h[..., 0], h[..., 1]
        return columns(v - v**3 / 3 - w + current, 0.08 * (v + 0.7 - 0.8 * w))

    roots = np.roots([-1 / 3, 0, 1 - 1 / 0.8, current - 0.7 / 0.8])
    v = roots[np.abs(roots.imag) < 1e-9].real.item()
    points = found(neuron)
    assert np.allclose(points.points, [[v, (v + 0.7) / 0.8]], atol=1e-8)
    assert points.stability == [name]
    exact = np.linalg.eigvals([[1 - v**2, -1], [0.08, -0.064]])
    assert np.allclose(np.sort_complex(points.eigenvalues[0]), np.sort_complex(exact), atol=1e-6)


def test_lorenz_and_henon_points():
    def lorenz(h):
        x, y, z = (h[..., axis] for axis in range(3))
        return columns(10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z)

    side = np.sqrt(72)
    points = found(lorenz, bounds=([-30.0, -30.0, -5.0], [30.0, 30.0, 60.0]))
    assert np.allclose(points.points, [[-side, -side, 27], [0, 0, 0], [side, side, 27]], atol=1e-8)
    assert points.stability == ["saddle-focus", "saddle", "saddle-focus"]
    assert points.unstable.tolist() == [2, 1, 2]

    henon = found(lambda h: columns(1 - 1.4 * h[..., 0] ** 2 + h[..., 1], 0.3 * h[..., 0]), kind="map")
    x = (-0.7 + np.array([-1, 1]) * np.sqrt(0.49 + 5.6)) / 2.8
    assert np.allclose(henon.points, np.stack([x, 0.3 * x], axis=1), atol=1e-8)
    assert henon.stability == ["saddle", "saddle"]
    assert np.allclose(np.prod(henon.eigenvalues, axis=1), -0.3, atol=1e-6)


def test_logistic_map():
    """x -> r x (1 - x): the point 1 - 1/r loses its stability at r = 3 with the multiplier 2 - r."""
    for r, name in ((2.8, "stable node"), (3.2, "unstable node")):
        points = found(lambda h, r=r: r * h * (1 - h), bounds=([-0.5], [1.0]), kind="map")
        assert np.allclose(points.points[:, 0], [0, 1 - 1 / r], atol=1e-8)
        assert points.stability == ["unstable node", name]
        assert np.allclose(points.eigenvalues[:, 0], [r, 2 - r], atol=1e-6)


def test_a_ring_of_fixed_points_is_a_continuum():
    """r' = r (1 - r^2): eigenvalues 0 along the circle and -2 across it; one more start would find one more point."""
    points = found(lambda h: h * (1 - (h**2).sum(axis=-1, keepdims=True)), count=300)
    on_ring = np.linalg.norm(points.points, axis=1) > 0.5
    assert np.allclose(np.linalg.norm(points.points[on_ring], axis=1), 1.0, atol=1e-8)
    assert np.allclose(points.eigenvalues[on_ring], [0, -2], atol=1e-6)
    assert {name for name, ring in zip(points.stability, on_ring, strict=True) if ring} == {"marginal"}
    assert points.unseen > 0.9
    assert points.converged == 300


def test_a_plane_of_fixed_points():
    points = found(lambda h: h * np.array([0.0, 0.0, -1.0]), bounds=([-1.0] * 3, [1.0] * 3))
    assert np.allclose(points.points[:, 2], 0.0, atol=1e-8)
    assert np.allclose(points.eigenvalues, [0, 0, -1], atol=1e-6)
    assert set(points.stability) == {"marginal"}
    assert points.unseen > 0.9


def test_where_f_only_fades_there_is_no_fixed_point():
    points = found(lambda h: np.exp(-h), bounds=([-1.0], [1.0]), count=50, iterations=100)
    assert len(points) == 0
    assert points.unfinished + points.outside == 50


def test_degenerate_zero_is_found():
    points = found(lambda h: -(h**3), bounds=([-2.0], [2.0]), count=50)
    assert np.allclose(points.points, 0.0, atol=1e-4)
    assert len(points) == 1


@pytest.mark.parametrize(("unit", "offset"), [(1.0, 0.0), (1e-6, 3e-6), (1e6, 0.0)])
@pytest.mark.parametrize(
    "f",
    [
        lambda h: h**2,  # a saddle-node at its bifurcation
        lambda h: h**2 - 2 * 0.3 * h + 0.09,  # the same at 0.3, as a small difference
        lambda h: np.cosh(h) - 1,
        lambda h: 0.0 * h - h**2,  # a transcritical one
        lambda h: np.tanh(h) - h,  # a pitchfork
        lambda h: columns(h[..., 1], h[..., 0] ** 2),  # Bogdanov and Takens
        lambda h: columns(h[..., 0] ** 2 - h[..., 1] ** 2, 2 * h[..., 0] * h[..., 1]),
    ],
    ids=["square", "expanded", "cosh", "transcritical", "pitchfork", "double", "monkey"],
)
def test_a_multiple_zero_is_one_and_marginal(f, unit, offset, request):
    """Its eigenvalue is 0; what Newton steps leave of it, or rounding, has a sign by accident."""
    size = 2 if "double" in request.node.name or "monkey" in request.node.name else 1
    low, high = np.full((2, size), [[-1.0], [1.1]]) * unit + offset
    points = found(lambda h: unit * f((h - offset) / unit), bounds=(low, high))
    where = 0.3 if "expanded" in request.node.name else 0.0
    assert points.stability == ["marginal"]
    assert np.allclose(points.points, where * unit + offset, rtol=0, atol=1e-6 * unit)


@pytest.mark.parametrize("square", [1e-9, 1e-12, 1e-16])
@pytest.mark.parametrize(("unit", "offset"), [(1.0, 0.0), (1e-6, 3e-6), (1e6, 3e6)])
def test_near_zeros_are_told_apart(square, unit, offset):
    """x' = x^2 - d^2 has a stable node at -d and an unstable one at d, however near they are; x' = d^2 x - x^3 has two
    stable nodes and an unstable one between them."""
    distance = np.sqrt(square)
    box = [offset - unit], [offset + 1.1 * unit]
    pair = found(lambda h: unit * (((h - offset) / unit) ** 2 - square), bounds=box)
    assert pair.stability == ["stable node", "unstable node"]
    assert np.allclose((pair.points[:, 0] - offset) / unit, [-distance, distance], rtol=1e-6)
    three = found(lambda h: (h - offset) * (square - ((h - offset) / unit) ** 2), bounds=box)
    assert three.stability == ["stable node", "unstable node", "stable node"]
    assert np.allclose((three.points[:, 0] - offset) / unit, [-distance, 0, distance], atol=1e-6 * distance)


@pytest.mark.parametrize("above", [1e-12, 1e-16, 1e-20])
def test_a_minimum_of_the_speed_above_none_is_no_point(above):
    points = found(lambda h: h**2 + above, bounds=([-1.0], [1.1]))
    assert len(points) == 0
    assert points.unseen == 1.0


def _holds(portrait):
    points = found(portrait.f(), bounds=(portrait.low, portrait.high), kind=portrait.kind, count=400)
    places, names = portrait.truth
    order = np.lexsort(np.round(places, 4)[:, ::-1].T)
    assert len(points) == len(places)
    assert np.allclose(points.points, places[order], rtol=0, atol=1e-5 * (np.array(portrait.high) - portrait.low).max())
    assert all(name.startswith(names[at]) for name, at in zip(points.stability, order, strict=True))


@pytest.mark.parametrize(
    "portrait",
    [one for one in PORTRAITS if one.name in ("nearer pair", "Lorenz, at the pitchfork", "standard map")],
    ids=lambda portrait: portrait.name,
)
def test_known_portraits(portrait):
    _holds(portrait)


@pytest.mark.full
@pytest.mark.parametrize("portrait", PORTRAITS, ids=lambda portrait: portrait.name)
def test_every_known_portrait(portrait):
    _holds(portrait)


def test_kinks_of_relu_are_passed():
    """f = -h + relu(2 h) - relu(4 h - 4) has the zeros 0, and 4/3 on the far side of its kink at 1."""
    points = found(lambda h: -h + np.maximum(2 * h, 0) - np.maximum(4 * h - 4, 0), bounds=([-3.0], [3.0]))
    assert np.allclose(points.points[-1], 4 / 3, atol=1e-8)
    assert np.allclose(points.eigenvalues[-1], -3, atol=1e-6)
    assert np.abs(points.points[:-1]).max() <= 1e-8


def test_good_turing_counts_the_lonely():
    """Starts at three wells of which one got a single start: one of the five ends is alone."""
    points = analysis.fixed_points(lambda h: np.sin(np.pi * h), starts=[[1.1], [0.9], [2.9], [3.1], [5.1]])
    assert np.allclose(points.points[:, 0], [1, 3, 5], atol=1e-8)
    assert points.counts.tolist() == [2, 2, 1]
    assert points.unseen == pytest.approx(1 / 5)


WEIGHTS = np.random.default_rng(3).normal(size=(5, 5)) * 1.3 / np.sqrt(5)


def test_jax_and_numpy_agree():
    """A network with several fixed points, by autodiff, complex steps and finite differences (abs is not analytic)."""
    starts = np.random.default_rng(0).normal(size=(300, 5)) * 2
    by_jax = analysis.fixed_points(lambda h: -h + jnp.tanh(h @ (2 * WEIGHTS)), starts=starts)
    by_numpy = analysis.fixed_points(lambda h: -h + np.tanh(h @ (2 * WEIGHTS)), starts=starts)

    def squashed(h):
        return -h + np.sign(h @ WEIGHTS).real * np.tanh(2 * np.abs(h @ WEIGHTS))

    by_differences = analysis.fixed_points(squashed, starts=starts)
    assert (by_jax.framework, by_jax.jacobian_method) == ("jax", "autodiff")
    assert (by_numpy.framework, by_numpy.jacobian_method) == ("numpy", "complex step")
    assert by_differences.jacobian_method == "finite differences"
    assert len(by_jax) >= 3
    for other in (by_numpy, by_differences):
        assert other.points.shape == by_jax.points.shape
        assert np.allclose(other.points, by_jax.points, atol=1e-6)
        assert np.allclose(other.eigenvalues, by_jax.eigenvalues, atol=1e-5)
    error = np.abs(by_differences.jacobians - by_jax.jacobians).max()
    assert error < 1e-8
    assert error <= by_differences.jacobian_error < 1e-4


def test_pytorch_agrees():
    torch = pytest.importorskip("torch", reason="PyTorch is no dependency; install it to run this")
    starts = np.random.default_rng(0).normal(size=(300, 5)) * 2
    weights = torch.tensor(2 * WEIGHTS)
    reference = analysis.fixed_points(lambda h: -h + np.tanh(h @ (2 * WEIGHTS)), starts=starts)
    plain = analysis.fixed_points(lambda h: -h + torch.tanh(h @ weights), starts=starts)

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = torch.nn.Parameter(weights.clone())

        def forward(self, h):
            return -h + torch.tanh(h @ self.weights)

    module = analysis.fixed_points(Network(), starts=starts)
    for other in (plain, module):
        assert (other.framework, other.jacobian_method) == ("torch", "autodiff")
        assert np.allclose(other.points, reference.points, atol=1e-6)
        assert np.allclose(other.eigenvalues, reference.eigenvalues, atol=1e-6)
    assert analysis.fixed_points(Network().float(), starts=starts).points.shape == reference.points.shape
    single = weights.float()
    rough = analysis.fixed_points(lambda h: -h + torch.tanh(h.float() @ single), starts=starts)
    assert np.allclose(rough.points, reference.points, atol=1e-4)


@given(st.integers(0, 2**31 - 1))
def test_points_move_with_the_coordinates(seed):
    """In coordinates y = A h the points are A h* and the eigenvalues are the same."""
    change = np.eye(2) + 0.4 * np.random.default_rng(seed).uniform(-1, 1, (2, 2))
    back = np.linalg.inv(change)

    def duffing(h):
        return np.stack([h[..., 1], h[..., 0] - h[..., 0] ** 3 - 0.3 * h[..., 1]], -1)

    starts = np.random.default_rng(0).uniform(-2, 2, (60, 2))
    here = analysis.fixed_points(duffing, starts=starts)
    there = analysis.fixed_points(lambda y: duffing(y @ back.T) @ change.T, starts=starts @ change.T)
    order = np.lexsort(np.round(there.points @ back.T, 4)[:, ::-1].T)
    assert np.allclose((there.points @ back.T)[order], here.points, atol=1e-7)
    assert np.allclose(there.eigenvalues[order], here.eigenvalues, atol=1e-6)


@given(st.integers(0, 2**31 - 1), st.integers(1, 4))
def test_merging_leaves_nothing_to_merge(seed, dimension):
    random = np.random.default_rng(seed)
    points, residuals = random.random((60, dimension)), random.random(60)
    groups = merged(points, residuals, 0.1)
    apart = np.linalg.norm(groups.points[:, None] - groups.points[None], axis=-1) + np.eye(len(groups.points))
    assert (apart > 0.1).all()
    assert groups.counts.sum() == 60
    assert residuals.argmin() in [int(np.flatnonzero((points == kept).all(axis=1))[0]) for kept in groups.points]


def test_merging_of_clear_groups():
    random = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    number = random.integers(3, size=5000)
    points = centres[number] + 1e-6 * random.normal(size=(5000, 2))
    residuals = random.random(5000)
    groups = merged(points, residuals, 1e-4)
    order = np.lexsort(np.round(groups.points).T)
    assert groups.counts[order].tolist() == np.bincount(number)[[0, 1, 2]].tolist()
    best = [points[number == centre][residuals[number == centre].argmin()] for centre in range(3)]
    assert np.array_equal(groups.points[order], np.array(best))
