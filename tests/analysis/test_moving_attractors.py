"""States that move: cycles, tori and strange sets are told from resting manifolds, at whatever times they are taken."""

import jax.numpy as jnp
import numpy as np
import pytest
from known_portraits import (
    CYCLES,
    HETEROCLINIC,
    MAPS,
    MORE_CYCLES,
    MORE_STRANGE_SETS,
    STRANGE_SETS,
    TORI,
    circle,
    states_of,
    vdp,
)

from gnode.analysis import attractor
from gnode.analysis.motion import _among_wandering, _Path


def named(systems, *names):
    return [system for system in systems if system.name in names]


def ids(system):
    return system.name


@pytest.mark.parametrize("system", named(CYCLES, "van der Pol 20", "Brusselator", "Roessler 3.5"), ids=ids)
@pytest.mark.parametrize("how", ["random", "arc"])
def test_limit_cycles(system, how):
    found = attractor(system.f(), states=states_of(system, 500, how), kind="flow")
    assert (found.kind, found.dimension, found.betti[:2]) == ("limit cycle", 1, (1, 1))
    assert (found.labels == 0).mean() > 0.99
    assert "come back" in found.evidence and "closed curve" in found.evidence


@pytest.mark.full
@pytest.mark.parametrize("how", ["random", "even", "arc"])
@pytest.mark.parametrize("system", [*CYCLES, *MORE_CYCLES], ids=ids)
def test_every_limit_cycle(system, how):
    assert attractor(system.f(), states=states_of(system, 1000, how), kind="flow").kind == "limit cycle"


@pytest.mark.parametrize("mu", [5, 20])
def test_relaxation_oscillations_after_a_silence(mu):
    starts = np.random.default_rng(0).uniform(-2, 2, (100, 2))
    f = lambda h: jnp.stack(vdp(mu)(jnp, h[:, 0], h[:, 1]), 1)  # noqa: E731
    found = attractor(f, states=starts, kind="flow", step=0.05 / mu, silence=1200 * mu)
    assert (found.kind, found.betti) == ("limit cycle", (1, 1))


@pytest.mark.parametrize("system", named(MAPS, "logistic 3.2", "turning circle", "Henon of period 7"), ids=ids)
def test_maps(system):
    found = attractor(system.f(np), states=states_of(system, 300, "random"), kind="map")
    assert found.kind.startswith(system.right)


@pytest.mark.parametrize("system", named(STRANGE_SETS, "Lorenz", "Henon"), ids=ids)
def test_strange_sets(system):
    found = attractor(system.f(), states=states_of(system, 500, "random"), kind=system.kind)
    assert found.kind.startswith("strange set, of dimension about")
    dimension = float(found.kind.split()[-1])
    assert dimension == pytest.approx({"Lorenz": 2.06, "Henon": 1.26}[system.name], abs=0.15)
    assert "neighbours part at a rate of" in found.evidence


@pytest.mark.full
@pytest.mark.parametrize("system", [*STRANGE_SETS, *MORE_STRANGE_SETS, *TORI, *MAPS], ids=ids)
def test_every_moving_set_is_right_or_undecided(system):
    kind = attractor(system.f(), states=states_of(system, 1000, "random"), kind=system.kind).kind
    assert kind.startswith(system.right) or "undecided" in kind


def test_a_torus():
    system = named(TORI, "ring torus 2:0.3")[0]
    found = attractor(system.f(), states=states_of(system, 500, "random"), kind="flow")
    assert (found.kind, found.dimension, found.betti) == ("torus, moving", 2, (1, 2, 1))


def test_a_ring_at_rest_and_a_limit_cycle_have_different_names():
    ring = circle(2 * np.pi * np.arange(200) / 200)

    def resting(h):
        return h * (1 - (h**2).sum(axis=1, keepdims=True))

    def turning(h):
        return resting(h) + np.stack([-h[:, 1], h[:, 0]], 1)

    assert attractor(resting, states=ring, kind="flow").kind == "ring"
    assert attractor(turning, states=ring, kind="flow").kind == "limit cycle"


def test_a_slow_creep_along_a_ring_is_a_ring():
    """Angles creep to five resting ones, a hundred times more slowly than radii settle."""

    def creeping(h):
        angles = np.arctan2(h[:, 1], h[:, 0])
        radius = np.linalg.norm(h, axis=1)
        around = -0.01 * np.sin(5 * angles)
        pull = 1 - radius
        out = h / radius[:, None]
        return pull[:, None] * out + (around * radius)[:, None] * np.stack([-out[:, 1], out[:, 0]], 1)

    ring = circle(2 * np.pi * np.arange(200) / 200)
    assert attractor(creeping, states=ring, kind="flow").kind == "ring"


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_units_of_what_moves(unit):
    system = named(MORE_CYCLES, "Hopf")[0]
    states = states_of(system, 200, "random")
    assert attractor(system.f(np, unit, 5 * unit), states=unit * (states + 5), kind="flow").kind == "limit cycle"


def test_orbits_around_a_centre_are_no_limit_cycle():
    states = np.random.default_rng(0).uniform(-1, 1, (300, 2))
    kind = attractor(lambda h: jnp.stack([h[:, 1], -h[:, 0]], 1), states=states, kind="flow").kind
    assert kind.endswith("moving") and "limit" not in kind


@pytest.mark.parametrize(
    "system",
    [pytest.param(system, marks=pytest.mark.full if at % 2 else ()) for at, system in enumerate(HETEROCLINIC)],
    ids=ids,
)
def test_near_a_heteroclinic_cycle_nothing_is_decided(system):
    """Each round takes longer than the one before, until rounding alone says how long."""
    found = attractor(system.f(), states=states_of(system, 300, "even"), kind="flow")
    assert found.kind.startswith(system.right)


def test_what_rests_at_a_saddle_is_no_attractor():
    """x' = x - x^3, y' = -y from x = 1e-9: at rest for now, where neighbours leave."""
    states = np.random.default_rng(0).normal(size=(50, 2)) * 1e-16
    found = attractor(lambda h: h * np.array([1.0, -1.0]) - h**3 * np.array([1.0, 0.0]), states=states, kind="flow")
    assert "undecided" in found.kind


@pytest.mark.parametrize(("rate", "since", "offset"), [(0.02, 10.0, 0.0), (0.1, 100.0, 1.0), (0.3, 110.0, 1.0)])
def test_states_on_their_way_into_a_focus_are_one_point(rate, since, offset):
    """They turn on a spiral, down to where rounding or the smallest of them is their extent."""
    times = np.linspace(since, since + 100, 500)[:, None]
    states = offset + np.exp(-rate * times) * circle(-times[:, 0])
    found = attractor(lambda h: (h - offset) @ np.array([[-rate, -1.0], [1.0, -rate]]), states=states, kind="flow")
    assert found.kind == "discrete, 1 point"


def test_a_stiff_flow_does_not_leave():
    """x settles at 1 or -1 at rate 4, y follows at rate 300."""

    def f(h):
        x, y = h[:, 0], h[:, 1]
        return jnp.stack([2 * x * (1 - x**2), 300 * x**2 * (x - y)], 1)

    starts = 0.01 * np.array([[-1, 0], [-2, 1], [1, 1], [2, -1], [3, 0]] * 4)
    found = attractor(f, states=starts, kind="flow", silence=1000)
    assert (found.kind, found.escaped) == ("discrete, 2 points", 0)


def test_a_path_that_left_the_numbers_is_compared_with_none():
    rng = np.random.default_rng(0)

    def path(points):
        return _Path(np.arange(float(len(points))), points, np.zeros_like(points), np.zeros(len(points)))

    wandering = [path(rng.uniform(size=(200, 2))) for _ in range(3)]
    gone, slow = rng.uniform(size=(200, 2)), rng.uniform(size=(200, 2))
    gone[150:] = np.inf
    fates = np.array(["wander", "wander", "wander", "linger", "linger"])
    found = _among_wandering(fates, [*wandering, path(gone), path(slow)])
    assert found.tolist() == ["wander", "wander", "wander", "linger", "wander"]
