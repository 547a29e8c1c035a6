"""The calls of the documented Python surface, literally: names, arguments and attributes that users script against."""

import jax.numpy as jnp
import numpy as np
import pytest

import gnode
from gnode import analysis
from gnode.errors import InvalidInput


@pytest.fixture(scope="module")
def task():
    return gnode.tasks.make("ring")


@pytest.fixture(scope="module")
def model():
    return gnode.models.make("gnode", input_size=2, state_size=2, output_size=2, hidden=(16, 16), seed=0)


def test_frozen_flow_and_map_share_their_points(model):
    f = model.field_at(inputs=np.zeros(2))
    m = model.map_at(inputs=np.zeros(2))
    flow = analysis.fixed_points(f, bounds=([-3.0, -3.0], [3.0, 3.0]), seed=0)
    step = analysis.fixed_points(m, starts=flow.points + 1e-3)
    count = len(flow.points)
    assert count >= 1
    assert flow.points.shape == flow.eigenvalues.shape == (count, 2)
    assert flow.speeds.shape == (count,)
    assert len(flow.stability) == count
    assert all(isinstance(name, str) for name in flow.stability)
    assert 0 <= flow.unseen <= 1
    assert np.allclose(step.points, flow.points, atol=1e-6)
    assert (flow.kind, step.kind) == ("flow", "map")


BOX = ([-2.0, -2.0], [2.0, 2.0])
STATES = np.random.default_rng(0).uniform(-1, 1, (8, 2))
ASK = {
    "fixed_points": lambda f, **kind: analysis.fixed_points(f, bounds=BOX, count=50, **kind).points,
    "slow_points": lambda f, **kind: analysis.slow_points(f, bounds=BOX, count=50, **kind).points,
    "nullclines": lambda f, **kind: np.concatenate(
        [curve for of_unit in analysis.nullclines(f, BOX, resolution=9, **kind).curves for curve in of_unit]
    ),
    "separatrices": lambda f, **kind: analysis.separatrices(f, np.zeros(2), points=50, **kind).unstable[0].points,
    "lyapunov_exponents": lambda f, **kind: (
        analysis.lyapunov_exponents(f, STATES, duration=400, step=None if f.kind == "map" else 0.1, **kind).exponents
    ),
    "basins": lambda f, **kind: analysis.basins(f, [[1.0, 0.0], [-1.0, 0.0]], starts=STATES, **kind).steps,
    "attractor": lambda f, **kind: analysis.attractor(f, states=STATES, silence=3, **kind).states,
}


def knowing(kind):
    """A system with a saddle at 0 and two stable points, as a flow or as the map of a long Euler step."""

    def f(states):
        velocity = jnp.stack([states[..., 0] - states[..., 0] ** 3, -0.5 * states[..., 1]], -1)
        return velocity if kind == "flow" else states + 0.4 * velocity

    f.kind = kind
    return f


@pytest.mark.parametrize("kind", ["flow", "map"])
@pytest.mark.parametrize("tool", ASK)
def test_a_callable_that_knows_its_kind_need_not_be_told(tool, kind):
    f, other = knowing(kind), {"flow": "map", "map": "flow"}[kind]
    np.testing.assert_array_equal(ASK[tool](f), ASK[tool](f, kind=kind))
    with pytest.raises(InvalidInput, match=f"kind = '{kind}', as the callable says of itself, instead got '{other}'"):
        ASK[tool](f, kind=other)


def test_slow_points_nullclines_and_separatrices():
    def f(h):
        return jnp.stack([h[..., 1], h[..., 0] - h[..., 0] ** 3 - 0.3 * h[..., 1]], -1)

    bounds = ([-2.0, -2.0], [2.0, 2.0])
    slow = analysis.slow_points(f, bounds=bounds)
    saddle = slow.points[np.abs(slow.points).max(axis=1) < 1e-3][0]
    assert len(analysis.nullclines(f, bounds).curves) == 2
    assert len(analysis.separatrices(f, saddle).unstable) == 2


def test_lyapunov_exponents():
    found = analysis.lyapunov_exponents(lambda h: 4 * h * (1 - h), [0.3], kind="map", duration=2000, count=1)
    assert found.exponents[0] == pytest.approx(np.log(2), abs=0.01)


def test_attractor_and_timescales_of_a_model(model, task):
    found = analysis.attractor(model, task)
    assert isinstance(found.kind, str)
    assert isinstance(found.dimension, int)
    assert len(found.betti) == 2
    for number in (found.drift, found.half_life, found.hausdorff, found.coverage):
        assert number >= 0
    assert 0 <= found.coverage <= 1
    scales = analysis.timescales(model, model.states(task.sample(5, seed=0).inputs).reshape(-1, 2))
    assert scales.units.shape == scales.modes.shape == (500, 2)
    assert (scales.units >= model.config.tau).all()


def test_attractor_of_any_callable():
    angles = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    states = np.stack([np.cos(angles), np.sin(angles)], 1)
    found = analysis.attractor(lambda h: h / np.linalg.norm(h, axis=-1, keepdims=True), states=states)
    assert (found.kind, found.dimension, found.betti) == ("ring", 1, (1, 1))
