"""What a model promises: shapes, the frozen flow and map, initial states, and clear refusals."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnode import models
from gnode.errors import InvalidInput
from gnode.fields import FIELDS

SIZES = dict(input_size=2, state_size=3, output_size=4)


def make(name="gnode", **options):
    return models.make(name, **{**SIZES, **options})


@pytest.mark.parametrize("name", FIELDS)
def test_states_are_the_map_iterated_and_outputs_their_readout(name):
    model = make(name, dt=0.01, tau=0.04)
    inputs = np.random.default_rng(0).standard_normal((2, 6, 2)).astype("f4")
    state = model.initial(jnp.asarray(inputs[:, 0]), None)
    states = model.states(inputs)
    for time in range(6):
        state = jnp.stack([model.map_at(inputs[trial, time])(state[trial]) for trial in range(2)])
        np.testing.assert_allclose(states[:, time], state, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model(inputs), model.readout(states), rtol=1e-5, atol=1e-6)
    assert model(inputs).shape == (2, 6, 4)


@pytest.mark.parametrize("name", FIELDS)
def test_map_is_the_euler_step_of_the_flow(name):
    model = make(name, dt=0.01, tau=0.05)
    states, held = np.random.default_rng(0).standard_normal((5, 7, 3)).astype("f4"), np.array([0.3, -1.0], "f4")
    step = states + 0.01 * model.field_at(held)(states)
    np.testing.assert_allclose(model.map_at(held)(states), step, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("learn_rates", [True, False])
@pytest.mark.parametrize("integrator", ["euler", "exponential-euler", pytest.param("tsit5", marks=pytest.mark.full)])
def test_a_leaky_node_is_the_node_of_a_longer_time_constant(integrator, learn_rates):
    inputs = np.random.default_rng(0).standard_normal((2, 6, 2)).astype("f4")
    chosen = dict(hidden=(5,), integrator=integrator, gain=True, seed=4, dt=0.01)
    leaky = make("leaky-node", gate_bias=float(np.log(0.25 / 0.75)), learn_rates=learn_rates, tau=0.02, **chosen)
    np.testing.assert_allclose(leaky(inputs), make("node", tau=0.08, **chosen)(inputs), rtol=1e-4, atol=1e-5)
    free = models.trainable(leaky).field.logits
    assert free is (True if learn_rates else None)


def test_rates_that_are_learned_differ_between_units():
    inputs = np.random.default_rng(1).standard_normal((4, 9, 2)).astype("f4")
    model = make("leaky-node", hidden=(5,), gate_bias=-1.0)
    gradient = jax.grad(lambda logits: eqx.tree_at(lambda m: m.field.logits, model, logits)(inputs).std())
    slopes = gradient(model.field.logits)
    assert len(np.unique(np.sign(slopes) * np.abs(slopes).round(7))) == 3
    moved = eqx.tree_at(lambda m: m.field.logits, model, jnp.array([-20.0, 0.0, 20.0]))
    first, states = model.initial(jnp.asarray(inputs[:, 0]), None), moved.states(inputs)
    np.testing.assert_allclose(states[:, -1, 0], first[:, 0], atol=1e-5)  # so slow that it stays where it was
    before = moved.field.candidate(states[:, -2], jnp.asarray(inputs[:, -1]))
    np.testing.assert_allclose(states[:, -1, 2], before[:, 2], atol=1e-5)  # so quick that it is F


def test_flow_is_float64_where_the_states_are():
    flow = make().field_at(np.zeros(2))
    with jax.enable_x64(True):
        assert flow(np.zeros((4, 3), dtype=np.float64)).dtype == jnp.float64


@pytest.mark.parametrize("gradient", ["adjoint", "autodiff"])
def test_both_gradients_give_the_same_states(gradient):
    inputs = np.random.default_rng(1).standard_normal((2, 6, 2)).astype("f4")
    np.testing.assert_array_equal(make(gradient=gradient).states(inputs), make().states(inputs))


def test_initial_states():
    inputs, targets = jnp.float32(np.random.default_rng(2).standard_normal((2, 3, 6, 2)))
    for name in ("learned", "fixed-random"):
        start = make(initial_state=name).initial(inputs[:, 0], None)
        assert start.shape == (3, 3) and (start == start[0]).all()
    linear = make(initial_state="first-input").initial
    zero = jnp.zeros((3, 2))
    np.testing.assert_allclose(
        linear(2 * inputs[:, 0], None) - linear(zero, None),
        2 * (linear(inputs[:, 0], None) - linear(zero, None)),
        atol=1e-5,
    )
    with pytest.raises(InvalidInput, match="first_targets"):
        models.make("gnode", input_size=2, state_size=3, output_size=2, initial_state="first-target")(inputs)
    told = models.make("gnode", input_size=2, state_size=3, output_size=2, initial_state="first-target")
    assert not (told(inputs, targets[:, 0]) == told(inputs, targets[:, 1])).all()


def test_a_fixed_random_state_is_not_trainable():
    fixed, learned = make(initial_state="fixed-random"), make(initial_state="learned")
    assert models.trainable(fixed).initial.value is False
    assert models.trainable(learned).initial.value is True


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (dict(model="gnod"), "Did you mean 'gnode'"),
        (dict(state_size=0), "state_size an integer of at least 1"),
        (dict(state_size=-3), "state_size an integer of at least 1"),
        (dict(state_size=2.0), "state_size an integer"),
        (dict(hidden=(100, 0)), "hidden a list of positive integers"),
        (dict(hidden=(True,)), "hidden a list of positive integers"),
        (dict(model="rnn", hidden=(4,)), "no hidden widths for rnn"),
        (dict(model="node", gate_hidden=(4,)), "no gate_hidden for node"),
        (dict(activation="rele"), "Did you mean 'relu'"),
        (dict(tau=0.0), "tau a positive number"),
        (dict(dt=float("nan")), "dt a finite number"),
        (dict(leak=1), "leak true or false"),
        (dict(gate_activation="relu"), "sigmoid or steep-sigmoid"),
        (dict(initial_state="random"), "initial_state out of"),
        (dict(critical=True, leak=False), "leak on"),
        (dict(hiden=(3,)), "Did you mean 'hidden'"),
        (dict(seed=-1), "seed an integer of at least 0"),
    ],
)
def test_wrong_options_get_one_clear_line(options, line):
    with pytest.raises(InvalidInput) as error:
        models.make(**{**SIZES, "model": "gnode", **options})
    assert line in str(error.value) and "\n" not in str(error.value)


def test_wrong_shapes_get_one_clear_line():
    with pytest.raises(InvalidInput, match=r"inputs of shape \(trials, time, 2\)"):
        make()(np.zeros((3, 5)))
    with pytest.raises(InvalidInput, match=r"inputs of shape \(trials, time, 2\)"):
        make()(np.zeros((3, 5, 1)))
    with pytest.raises(InvalidInput, match=r"an input to hold of shape \(2,\)"):
        make().field_at(np.zeros(3))


def test_one_number_is_held_in_every_input():
    model, states = make(), np.array([[0.3, -0.2, 0.0], [0.0, 1.0, -1.0]])
    for held in (0, 0.5, np.float32(0.5), np.array(0.5)):
        for of in (model.field_at, model.map_at):
            np.testing.assert_array_equal(of(held)(states), of(np.full(2, held))(states))
