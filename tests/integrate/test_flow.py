"""Flows: exact where the answer is known, of their order, differentiable, and honest where they fail."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from gnode.errors import InvalidInput
from gnode.fields import FIELDS, Field, FieldOptions
from gnode.integrate.flow import ADJOINTS, FAILURES, GRIDS, SOLVERS, Flow, explain
from gnode.integrate.interpolations import INTERPOLATIONS
from gnode.integrate.path import Path

N, D, TRIALS, TIME = 3, 2, 3, 5
ADAPTIVE = [name for name, solver in SOLVERS.items() if solver.estimates]


class Written(Field):
    """A field that is written down: no network in it."""

    drive: None = None
    gain: None = None
    leak: bool = eqx.field(static=True, default=True)
    state_size: int = 2
    input_size: int = 1

    def gate(self, state, inputs, dense=None):
        return jnp.ones_like(state)

    def candidate(self, state, inputs, dense=None):
        return state + self(state, inputs)


class Harmonic(Written):
    """h'' = -h + x."""

    def __call__(self, state, inputs, dense=None):
        return jnp.stack([state[..., 1], inputs[..., 0] - state[..., 0]], axis=-1)


class VanDerPol(Written):
    """h'' = mu (1 - h^2) h' - h: stiff where mu is large."""

    mu: float = 1e3

    def __call__(self, state, inputs, dense=None):
        position, speed = state[..., 0], state[..., 1]
        return jnp.stack([speed, self.mu * (1 - position**2) * speed - position], axis=-1)


class Explosive(Written):
    """h' = rate h^2: from 1 it is infinite at 1 / rate."""

    rate: jax.Array = 1.0

    def __call__(self, state, inputs, dense=None):
        return self.rate * state**2 + 0 * inputs


def draw_field(dtype=jnp.float64) -> Field:
    options = FieldOptions(N, D, (6,), (), "tanh", "identity", "sigmoid", 0.0, False, True, False)
    field = FIELDS["gnode"].draw(np.random.default_rng(3), options)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), field)


def draw_series(dtype=jnp.float64, trials: int = TRIALS, time: int = TIME):
    generator = np.random.default_rng(5)
    start = generator.standard_normal((trials, N))
    inputs = generator.standard_normal((trials, time, D))
    elapsed = generator.uniform(0.2, 1.5, (trials, time))
    return jnp.asarray(start, dtype), jnp.asarray(inputs, dtype), jnp.asarray(elapsed, dtype)


def value(flow: Flow, arguments) -> jax.Array:
    states = flow(*arguments).states
    return jnp.sum(jnp.sin(states) * jnp.cos(jnp.arange(states.size)).reshape(states.shape))


def gradients(flow: Flow, *arguments):
    return jax.jit(jax.grad(lambda arguments: value(flow, arguments)))(arguments)


def largest_relative_difference(one, other) -> float:
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return max(float(jnp.abs(a - b).max() / jnp.abs(a).max()) for a, b in pairs)


def thin(names, first: str):
    """All of the names, of which only the first runs in `make test`."""
    return [name if name == first else pytest.param(name, marks=pytest.mark.full) for name in names]


@pytest.mark.full
@pytest.mark.parametrize("solver", SOLVERS)
def test_error_falls_with_the_order_of_the_solver(solver):
    """Each trial crosses the same time in twice as many steps as the one before it; what it has too many is padding."""
    halvings, duration = 8, 8.0
    level = np.array([[0.3, -1.0], [0.5, 0.4], [-0.2, 0.1], [0.02, -0.01]])  # x(t), a cubic of the whole time

    def coefficients(count: int, longest: int) -> np.ndarray:
        times, width = np.arange(count) * duration / count, duration / count
        whole = [np.polynomial.Polynomial(level[:, channel] / np.array([1, 2, 8, 64])[:]) for channel in range(D)]
        parts = np.zeros((longest, 4, D))
        for channel, polynomial in enumerate(whole):
            for power in range(4):
                factor = width**power / np.prod(np.arange(1, power + 1))
                parts[:count, power, channel] = (polynomial.deriv(power) if power else polynomial)(times) * factor
        return parts

    with jax.enable_x64(True):
        counts = 2 ** np.arange(halvings)
        longest = counts[-1]
        elapsed = np.where(np.arange(longest) < counts[:, None], duration / counts[:, None], 0)
        start = jnp.broadcast_to(draw_series()[0][:1], (halvings, N))
        cubics = jnp.asarray(np.stack([coefficients(count, longest) for count in counts]))
        arguments = draw_field(), start, cubics, jnp.asarray(elapsed)
        truth = Flow("dopri8", substeps=4).along(*(a[-1:] if isinstance(a, jax.Array) else a for a in arguments))
        path = Flow(solver, substeps=1).along(*arguments)
        errors = np.abs(path.states[:, -1] - truth.states[:, -1]).max(axis=1)
        above = np.flatnonzero(errors > 1e4 * np.finfo(float).eps)[-2:]
        assert np.log2(errors[above[0]] / errors[above[1]]) > SOLVERS[solver].method.order - 0.3


@pytest.mark.parametrize("grid", thin(GRIDS, "batch"))
@pytest.mark.parametrize("solver", thin(ADAPTIVE, "tsit5"))
def test_harmonic_oscillator_is_a_cosine(solver, grid):
    with jax.enable_x64(True):
        elapsed = jnp.asarray(np.random.default_rng(1).uniform(0.1, 2.0, (2, 6)))
        start = jnp.asarray([[1.0, 0.0], [0.0, 2.0]])
        tolerance = 1e-5 if solver == "heun" else 1e-7
        flow = Flow(solver, rtol=tolerance, atol=tolerance / 100, grid=grid)
        path = flow(Harmonic(), start, jnp.full((2, 6, 1), 0.5), elapsed)
        times = np.cumsum(elapsed, axis=1)
        shifted = np.asarray(start[:, None, 0] - 0.5)
        expected = 0.5 + shifted * np.cos(times) + np.asarray(start[:, None, 1]) * np.sin(times)
        np.testing.assert_allclose(path.states[..., 0], expected, atol=20 * tolerance)
        assert (path.failed == 0).all() and (path.until == 6).all()


@pytest.mark.full
def test_stiff_van_der_pol_is_that_of_scipy():
    with jax.enable_x64(True):
        elapsed = jnp.full((1, 20), 100.0)
        start = jnp.asarray([[2.0, 0.0]])
        path = Flow("kvaerno5", rtol=1e-8, atol=1e-8)(VanDerPol(), start, jnp.zeros((1, 20, 1)), elapsed)
        times = np.cumsum(elapsed[0])
        field = VanDerPol()
        truth = solve_ivp(
            lambda _, h: [h[1], field.mu * (1 - h[0] ** 2) * h[1] - h[0]],
            (0, times[-1]), [2.0, 0.0], "Radau", times, rtol=1e-10, atol=1e-12,
        )  # fmt: skip
        assert (path.failed == 0).all()
        np.testing.assert_allclose(path.states[0, :, 0], truth.y[0], rtol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.float32, pytest.param(jnp.float64, marks=pytest.mark.full)])
def test_one_step_of_euler_is_the_map(dtype):
    """Under constant inputs a flow sees the same input at every instant as a step rule."""
    with jax.enable_x64(dtype == jnp.float64):
        field, (start, inputs, elapsed) = draw_field(dtype), draw_series(dtype)
        state, expected = start, []
        for k in range(TIME):
            state = state + elapsed[:, k, None] * field(state, inputs[:, k])
            expected.append(state)
        path = Flow("euler-flow", substeps=1)(field, start, inputs, elapsed)
        np.testing.assert_allclose(path.states, jnp.stack(expected, axis=1), rtol=20 * jnp.finfo(dtype).eps)
        assert path.states.dtype == dtype


@pytest.mark.full
@pytest.mark.parametrize("solver", ADAPTIVE)
def test_gradients_are_those_of_the_finest_solve(solver):
    with jax.enable_x64(True):
        field, series = draw_field(), draw_series()
        for interpolation in INTERPOLATIONS:
            truth = gradients(Flow("dopri8", substeps=32, interpolation=interpolation), field, *series)
            steps = {"substeps": 2048} if solver == "heun" else {"rtol": 1e-9, "atol": 1e-10}
            ours = gradients(Flow(solver, **steps, interpolation=interpolation), field, *series)
            assert largest_relative_difference(truth, ours) < 1e-6, interpolation


@pytest.mark.full
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    "other",
    [
        {"adjoint": "direct", "grid": "series"},
        {"adjoint": "direct", "grid": "batch"},
        {"adjoint": "recursive-checkpoint", "grid": "series"},
    ],
    ids=str,
)
@pytest.mark.parametrize("interpolations", [["natural-cubic"], list(INTERPOLATIONS)], ids=len)
def test_adjoints_through_steps_are_equal(solver, other, interpolations):
    """Equal steps: the derivative of what was computed, whatever computes it and on whichever grid."""
    with jax.enable_x64(True):
        field, series = draw_field(), draw_series()
        for interpolation in interpolations:
            options = {"solver": solver, "substeps": 2, "interpolation": interpolation}
            truth, ours = (gradients(Flow(**options, **more), field, *series) for more in ({}, other))
            assert largest_relative_difference(truth, ours) < 1e-10, interpolation


@pytest.mark.full
@pytest.mark.parametrize("grid", GRIDS)
def test_backsolve_is_right_as_far_as_its_tolerance(grid):
    with jax.enable_x64(True):
        field, series = draw_field(), draw_series()
        for interpolation in INTERPOLATIONS:
            options = {"rtol": 1e-9, "atol": 1e-10, "interpolation": interpolation, "grid": grid}
            truth, ours = (
                gradients(Flow(**options, **more), field, *series) for more in ({}, {"adjoint": "backsolve"})
            )
            assert largest_relative_difference(truth, ours) < 1e-5, interpolation


def test_gradient_is_the_finite_difference():
    with jax.enable_x64(True):
        arguments = draw_field(), *draw_series()
        generator = np.random.default_rng(8)
        leaves, structure = jax.tree.flatten(arguments)
        directions = [jnp.asarray(generator.standard_normal(leaf.shape)) for leaf in leaves]
        flow = Flow(rtol=1e-10, atol=1e-12, interpolation="linear")

        def moved(step: float) -> float:
            shifted = [leaf + step * direction for leaf, direction in zip(leaves, directions, strict=True)]
            return float(value(flow, jax.tree.unflatten(structure, shifted)))

        slope = sum(
            float(jnp.sum(g * d)) for g, d in zip(jax.tree.leaves(gradients(flow, *arguments)), directions, strict=True)
        )
        assert slope == pytest.approx((moved(1e-5) - moved(-1e-5)) / 2e-5, rel=1e-6)


@pytest.mark.full
def test_direct_is_differentiated_twice_and_forward():
    with jax.enable_x64(True):
        field, (start, inputs, elapsed) = draw_field(), draw_series()
        flow = Flow("dopri5", substeps=2, adjoint="direct")

        def of_start(start):
            return value(flow, (field, start, inputs, elapsed))

        direction = jnp.ones_like(start)
        _, forward = jax.jvp(jax.grad(of_start), (start,), (direction,))
        both_ways = jax.grad(lambda start: jnp.sum(jax.grad(of_start)(start) * direction))(start)
        np.testing.assert_allclose(forward, both_ways, rtol=1e-8)
        step = 1e-5
        differences = jax.grad(of_start)(start + step * direction) - jax.grad(of_start)(start - step * direction)
        np.testing.assert_allclose(forward, differences / (2 * step), rtol=1e-5, atol=1e-8)


@pytest.mark.full
@pytest.mark.parametrize("adjoint", ADJOINTS)
@pytest.mark.parametrize("interpolations", [["natural-cubic"], list(INTERPOLATIONS)], ids=len)
def test_padding_changes_nothing_and_has_no_gradient(adjoint, interpolations):
    """A series in a ragged batch is what it is alone, and what stands in its padding is never read."""
    with jax.enable_x64(True):
        field, (start, inputs, elapsed) = draw_field(), draw_series()
        lengths = np.array([5, 2, 3])
        there = np.arange(TIME) < lengths[:, None]
        inputs, elapsed = jnp.where(there[..., None], inputs, 7.0), jnp.where(there, elapsed, 0)
        for interpolation in interpolations:
            flow = Flow(grid="series", interpolation=interpolation, adjoint=adjoint, most_steps=64)
            path = flow(field, start, inputs, elapsed)
            _, of_start, of_inputs, of_elapsed = gradients(flow, field, start, inputs, elapsed)
            assert (of_inputs[~there] == 0).all() and (of_elapsed[~there] == 0).all()
            assert all(jnp.isfinite(of).all() for of in (of_start, of_inputs, of_elapsed))
            alone = flow(field, start[1:2], inputs[1:2, :2], elapsed[1:2, :2])
            np.testing.assert_allclose(path.states[1, :2], alone.states[0], rtol=1e-10)
            assert (path.states[~there] == np.repeat(path.states[[0, 1, 2], lengths - 1], TIME - lengths, axis=0)).all()


def test_order_of_the_batch_and_easy_neighbours_change_nothing():
    """The steps of a common grid are those of its most difficult trial, however many padded ones stand beside it."""
    field, (start, inputs, elapsed) = draw_field(jnp.float32), draw_series(jnp.float32, trials=4)
    elapsed = elapsed.at[1:].set(0.0)
    flow = Flow(grid="batch")
    states = flow(field, start, inputs, elapsed).states
    turned = flow(field, start[::-1], inputs[::-1], elapsed[::-1]).states[::-1]
    alone = flow(field, start[:1], inputs[:1], elapsed[:1]).states
    np.testing.assert_allclose(states, turned, atol=1e-6)
    np.testing.assert_allclose(states[:1], alone, atol=1e-6)


@pytest.mark.full
def test_steps_and_parts_of_intervals_are_the_path():
    with jax.enable_x64(True):
        field, (start, inputs, elapsed) = draw_field(), draw_series()
        flow = Flow(rtol=1e-10, atol=1e-12, interpolation="cubic-hermite")
        states = flow(field, start, inputs, elapsed).states
        sample, fraction = jnp.asarray([[0, 4], [2, 3], [1, 1]]), jnp.asarray([[1.0, 0.5], [1.0, 0.3], [1e-9, 1.0]])
        parts = flow.between(field, start, inputs, elapsed, states, sample, fraction)
        np.testing.assert_allclose(parts[[0, 1, 2], [0, 0, 1]], states[[0, 1, 2], [0, 2, 1]], rtol=1e-9)
        np.testing.assert_allclose(parts[2, 0], states[2, 0], rtol=1e-6)
        cubic = INTERPOLATIONS["cubic-hermite"].coefficients(inputs, elapsed)[1, 3]
        truth = solve_ivp(
            lambda s, h: elapsed[1, 3] * field(jnp.asarray(h), s ** jnp.arange(4) @ cubic),
            (0, 0.3), states[1, 2], rtol=1e-10, atol=1e-12,
        )  # fmt: skip
        np.testing.assert_allclose(parts[1, 1], truth.y[:, -1], rtol=1e-8)

        held = Flow(rtol=1e-10, atol=1e-12, grid="series")  # a step solves each state as if alone
        state = start
        for k in range(TIME):
            state = held.step(field, state, inputs[:, k], elapsed[:, k])
        np.testing.assert_allclose(state, held(field, start, inputs, elapsed).states[:, -1], rtol=1e-12)
        alone = held.step(field, start[0], inputs[0, 0], 0.7)
        np.testing.assert_allclose(alone, held.step(field, start, inputs[:, 0], 0.7)[0], rtol=1e-8)


@pytest.mark.parametrize(
    "options",
    [
        {"substeps": 50},
        pytest.param({"grid": "series"}, marks=pytest.mark.full),
        pytest.param({"grid": "batch"}, marks=pytest.mark.full),
        pytest.param({"grid": "series", "solver": "kvaerno5"}, marks=pytest.mark.full),
        pytest.param({"solver": "kvaerno5", "substeps": 50}, marks=pytest.mark.full),
        pytest.param({"adjoint": "direct", "most_steps": 64}, marks=pytest.mark.full),
        pytest.param({"adjoint": "backsolve"}, marks=pytest.mark.full),
    ],
    ids=str,
)
def test_a_state_without_bound_is_a_failure_with_a_sentence_and_finite_gradients(options):
    start = jnp.asarray([[0.1, 0.1], [1.0, 0.5], [0.2, 0.0]])
    elapsed, inputs = jnp.full((1, 8), 0.25), jnp.zeros((3, 8, 1))
    flow = Flow(**options)

    def loss(rate, start):
        path = flow(Explosive(rate=rate), start, inputs, elapsed)
        return jnp.sum(path.states**2), path

    (_, path), slopes = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(jnp.float32(1.0), start)
    assert int(path.failed[1]) in FAILURES and int(path.until[1]) in (3, 4, 5)
    assert jnp.isfinite(path.states).all() and all(jnp.isfinite(slope).all() for slope in slopes)
    if options.get("grid") == "series" or "substeps" in options:
        assert path.failed[0] == path.failed[2] == 0
        times = np.cumsum(np.full(8, 0.25))
        np.testing.assert_allclose(path.states[0, :, 0], 0.1 / (1 - 0.1 * times), rtol=1e-2)
    reached = int(path.until[1])
    sentence = explain(path, jnp.arange(1, 9)[None] * 0.25)
    assert sentence.startswith("Trial 1 ") and f"beyond t = {0.25 * reached:g} s" in sentence
    assert sentence.endswith(FAILURES[int(path.failed[1])][1])


@pytest.mark.full
def test_a_trial_that_is_over_does_not_fail_with_its_neighbours():
    elapsed = jnp.full((3, 8), 0.25).at[0, 2:].set(0.0)
    start = jnp.asarray([[0.1, 0.1], [1.0, 0.5], [0.2, 0.0]])
    path = Flow(grid="batch")(Explosive(rate=jnp.float32(1.0)), start, jnp.zeros((3, 8, 1)), elapsed)
    assert (np.asarray(path.failed) != 0).tolist() == [False, True, True] and int(path.until[0]) == 8
    assert explain(path, jnp.cumsum(elapsed, axis=1)).startswith("Trial 1 (and 1 of the other 2) ")


def test_what_went_well_needs_no_explanation():
    path = Path(jnp.zeros((2, 3, 1)), jnp.zeros(2, int), jnp.full(2, 3))
    assert explain(path, np.arange(3.0)[None]) is None


def test_a_failure_before_the_first_sample_names_the_start():
    path = Path(jnp.zeros((2, 3, 1)), jnp.asarray([4, 1]), jnp.zeros(2, int))
    sentence = explain(path, np.arange(3.0)[None])
    assert sentence.startswith("Trial 1 (and 1 of the other 1) could not be solved beyond its start, sample 0 of 3: ")
    assert sentence.endswith(FAILURES[1][1])


@pytest.mark.parametrize("adjoint", ADJOINTS)
@pytest.mark.parametrize("solver", thin(ADAPTIVE, "tsit5"))
def test_programs_call_nobody_back(solver, adjoint):
    """JAX does not cache programs that call the host."""
    if SOLVERS[solver].method.implicit and adjoint == "backsolve":
        pytest.skip("refused")
    flow, arguments = Flow(solver, adjoint=adjoint, most_steps=64), (draw_field(jnp.float32), *draw_series(jnp.float32))
    program = jax.jit(jax.value_and_grad(lambda arguments: value(flow, arguments))).lower(arguments).as_text()
    assert "callback" not in program and "while" in program


def test_interpolations_share_one_compiled_solve():
    traced = []

    class Counting(Written):
        def __call__(self, state, inputs, dense=None):
            traced.append(None)
            return inputs - state

    start, elapsed, field = jnp.ones((2, 2)), jnp.ones((2, 4)), Counting()
    inputs = jnp.arange(8.0).reshape(2, 4, 1)
    counts = []
    for interpolation in INTERPOLATIONS:
        Flow(interpolation=interpolation)(field, start, inputs, elapsed)
        counts.append(len(traced))
    assert counts[0] > 0 and len(set(counts)) == 1


@pytest.mark.parametrize(
    "options, words",
    [
        ({"solver": "tsit"}, "Did you mean 'tsit5'"),
        ({"interpolation": "cubic"}, "Did you mean 'natural-cubic'|Did you mean 'cubic-hermite'"),
        ({"adjoint": "backsolv"}, "Did you mean 'backsolve'"),
        ({"grid": "serie"}, "Did you mean 'series'"),
        ({"rtol": -1e-3}, "rtol above 0, instead got -0.001"),
        ({"atol": float("nan")}, "atol above 0, instead got nan"),
        ({"most_steps": 0}, "most_steps of 1 or more, instead got 0"),
        ({"substeps": -1}, "substeps of 0 .* instead got -1"),
        ({"solver": "euler-flow"}, "substeps of 1 or more with euler-flow"),
        ({"substeps": 2, "adjoint": "backsolve"}, "substeps = 0 with backsolve"),
        ({"solver": "kvaerno5", "adjoint": "backsolve"}, "an explicit solver with backsolve"),
    ],
)
def test_bad_options_are_one_sentence(options, words):
    with pytest.raises(InvalidInput, match=words) as error:
        Flow(**options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("solver", "adjoint"),
    [
        ("heun", "recursive-checkpoint"),  # the quickest to compile
        pytest.param("tsit5", "recursive-checkpoint", marks=pytest.mark.full),
        pytest.param("tsit5", "direct", marks=pytest.mark.full),
        pytest.param("kvaerno5", "recursive-checkpoint", marks=pytest.mark.full),
        pytest.param("kvaerno5", "direct", marks=pytest.mark.full),
    ],
)
def test_a_hessian_times_a_direction_is_the_finite_difference_of_gradients(solver, adjoint):
    """In field, start, inputs and elapsed times together, forward over reverse."""
    generator = np.random.default_rng(0)
    with jax.enable_x64(True):
        steps = {"substeps": 2} if solver != "kvaerno5" else {"rtol": 1e-8, "atol": 1e-10}
        flow = Flow(solver, adjoint=adjoint, most_steps=64, **steps)
        shapes = (2, N), (2, 2, D)
        arguments = (
            draw_field(), *(jnp.asarray(generator.standard_normal(shape)) for shape in shapes),
            jnp.asarray(generator.uniform(0.2, 0.8, (2, 2))),
        )  # fmt: skip
        along = jax.tree.map(lambda leaf: jnp.asarray(generator.standard_normal(leaf.shape)), arguments)

        def scalar(arguments):
            return jnp.sum(jnp.sin(flow(*arguments).states * jnp.arange(1.0, N + 1)))

        quick = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})  # to compile
        product = quick(lambda at: jax.jvp(jax.grad(scalar), (at,), (along,))[1])(arguments)
        gradient = quick(jax.grad(scalar))
        here, there = (
            gradient(jax.tree.map(lambda leaf, by, step=step: leaf + step * by, arguments, along))
            for step in (1e-5, -1e-5)
        )
        scale = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(product))
        for mine, one, other in zip(*map(jax.tree.leaves, (product, here, there)), strict=True):
            np.testing.assert_allclose(mine, (one - other) / 2e-5, rtol=1e-4, atol=1e-5 * scale)
