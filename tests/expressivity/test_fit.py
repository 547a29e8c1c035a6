"""The batched program against one network at a time, differentiated plainly; every registered field."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.integrate import solve_ivp

from gnode.expressivity import fit as fitting
from gnode.expressivity.fit import STEPS, fit, simulate
from gnode.expressivity.polish import polish
from gnode.fields import FIELDS
from gnode.models import ModelConfig
from gnode.nn.activations import ACTIVATIONS

RNG = np.random.default_rng(0)
TARGETS = RNG.standard_normal((3, 12, 2)).astype(np.float32)


def config(model: str = "node", **options) -> ModelConfig:
    hidden = {"hidden": (7,)} if FIELDS[model].hidden is not None else {}
    return ModelConfig(**{"model": model, "input_size": 0, "state_size": 3, "output_size": 2, **hidden, **options})


def one(networks, number: int):
    return jax.tree.map(lambda part: part[number] if eqx.is_array(part) else part, networks)


@pytest.mark.parametrize(
    "model", [pytest.param(model, marks=[] if model == "mgru" else pytest.mark.full) for model in sorted(FIELDS)]
)
def test_a_step_of_the_optimiser_is_that_of_plain_autodiff(model):
    """After one Adam step every parameter has moved by the rate against the sign of its gradient."""
    options = {"activation": "tanh", **({"layer_norm": True, "gain": True} if model != "gru" else {})}
    made = config(model, **options)
    fitted = fit(made, TARGETS, seeds=[(0, k) for k in range(3)], rates=[0.1, 0.2, 0.3], alpha=0.2, steps=1)
    peak = 1 / 25  # where the one-cycle rate starts
    for number, rate in enumerate([0.1, 0.2, 0.3]):
        before = fitting.draw_network(made, (0, number))
        parameters, rest = eqx.partition(before, eqx.is_inexact_array)

        def loss(parameters, rest=rest, number=number):
            network = eqx.combine(parameters, rest)
            states, h = [network.start], network.start
            for _ in range(11):
                h = h + 0.2 * network.field(h, jnp.zeros(0))
                states.append(h)
            outputs = jnp.stack(states) @ network.readout.weight.T + network.readout.bias
            return jnp.mean((outputs - TARGETS[number]) ** 2)

        gradient = jax.grad(loss)(parameters)
        after, _ = eqx.partition(one(fitted.networks, number), eqx.is_inexact_array)
        for leaves in zip(*map(jax.tree.leaves, (parameters, after, gradient)), strict=True):
            old, new, slope = map(np.asarray, leaves)
            sure = np.abs(slope) > 1e-4
            np.testing.assert_allclose((old - new)[sure], (peak * rate * np.sign(slope))[sure], rtol=2e-2)


@pytest.mark.parametrize("model", sorted(FIELDS))
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_networks_stay_last(model, activation):
    """Whatever vmap would bring to the front comes back by a transposition, which costs more than the products."""
    networks = fitting._side_by_side(
        [fitting.draw_network(config(model, activation=activation), (k,)) for k in range(4)]
    )
    parameters, rest = eqx.partition(networks, eqx.is_inexact_array)
    state = (parameters, optax.scale_by_adam().init(parameters))
    goals = jnp.zeros((12, 2, 4))
    program = jax.make_jaxpr(
        lambda state, last: fitting._train(state, rest, goals, jnp.ones(4), 0, last, 9, 0.2, 1.0, fitting.STEPS["map"])
    )(state, 5)
    assert "cond[" in str(program)
    assert "transpose[" not in str(program)


@pytest.mark.parametrize("step", sorted(STEPS))
def test_what_is_returned_is_what_the_returned_networks_do(step):
    fitted = fit(
        config("gnode"), TARGETS, seeds=[(1, k) for k in range(3)], rates=[0.01] * 3, alpha=0.2, steps=20, step=step
    )
    for number in range(3):
        states, outputs = simulate(one(fitted.networks, number), 12, 0.2, STEPS[step])
        np.testing.assert_allclose(outputs, fitted.outputs[number], atol=1e-5)
        np.testing.assert_allclose(states, fitted.states[number], atol=1e-5)
    by_hand = ((fitted.outputs - TARGETS) ** 2).mean((1, 2)) / TARGETS.var(1).mean(1)
    np.testing.assert_allclose(fitted.errors, by_hand, rtol=1e-5)


def test_the_flow_is_the_solution_of_the_equation():
    network = fitting.draw_network(config("mgru"), (4,))
    states, _ = simulate(network, 20, 0.2, STEPS["flow"])

    def velocity(time, state):
        return np.asarray(network.field(jnp.asarray(state, jnp.float32), jnp.zeros(0)))

    times = np.linspace(0, 3.8, 20)
    exact = solve_ivp(velocity, (0, 3.8), np.asarray(network.start), t_eval=times, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(states, exact.y.T, atol=1e-4)


def test_a_networks_fit_does_not_depend_on_its_neighbours():
    both = fit(config(), TARGETS[:2], seeds=[(0, 0), (0, 1)], rates=[0.01, 0.03], alpha=0.2, steps=30)
    alone = fit(config(), TARGETS[1:2], seeds=[(0, 1)], rates=[0.03], alpha=0.2, steps=30)
    assert both.errors[1] == pytest.approx(alone.errors[0], rel=1e-3)


def test_steps_beyond_one_call_go_on_with_the_schedule(monkeypatch):
    whole = fit(config(), TARGETS, seeds=[(0, k) for k in range(3)], rates=[0.01] * 3, alpha=0.2, steps=40)
    monkeypatch.setattr(fitting, "STEPS_A_CALL", 7)
    pieces = fit(config(), TARGETS, seeds=[(0, k) for k in range(3)], rates=[0.01] * 3, alpha=0.2, steps=40)
    np.testing.assert_allclose(pieces.errors, whole.errors, rtol=1e-5)


def test_a_diverging_network_is_seen_and_leaves_the_others_alone():
    fitted = fit(config(hidden=(7, 7)), TARGETS[:2], seeds=[(0, 0), (0, 1)], rates=[1e30, 0.01], alpha=0.2, steps=30)
    assert not np.isfinite(fitted.errors[0])
    assert fitted.errors[1] < 2
    polished = polish(fitted, TARGETS[:2], alpha=0.2, evaluations=3)
    assert not np.isfinite(polished.errors[0])


def test_polish_makes_no_network_worse_and_solves_a_linear_problem():
    turn = 2 * np.pi * np.linspace(0, 1, 30)
    circle = np.stack([np.cos(turn), np.sin(turn)], -1)[None].astype(np.float32)
    rough = fit(config(hidden=(), state_size=2), circle, seeds=[(0,)], rates=[0.02], alpha=0.2, steps=300)
    fine = polish(rough, circle, alpha=0.2, evaluations=40)
    assert fine.errors[0] <= rough.errors[0]
    assert fine.errors[0] < 1e-6
