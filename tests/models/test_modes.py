"""JAX's strict modes change nothing; forward mode through the hand-written adjoint is refused by name."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gnode
from gnode import models
from gnode.errors import InvalidInput
from gnode.training import Data, Trials

X = np.random.default_rng(0).standard_normal((4, 5, 2)).astype("f4")
STATES, HELD = X[:, 0], np.zeros(2)
STRICT = [lambda: jax.numpy_rank_promotion("raise"), lambda: jax.numpy_dtype_promotion("strict")]


def make(kind="gnode", **options):
    sizes = dict(input_size=2, state_size=2, output_size=2, seed=1)
    return models.make(kind, **sizes, **({"hidden": (3,)} if kind == "gnode" else {}), **options)


MAP = make()
MODELS = [
    MAP,
    pytest.param(make("gru", missing="hold-with-observed", elapsed="both", residual=True), marks=pytest.mark.full),
    pytest.param(make(integrator="tsit5", interpolation="linear"), marks=pytest.mark.full),
    pytest.param(make(integrator="tsit5", adjoint="backsolve"), marks=pytest.mark.full),
]


def online(model):
    here = model.begin(STATES)
    for sample in (0, 1):
        here, output = model.advance(here, X[:, sample], 0.01)
    return output


def gradient(model):
    return jax.tree.leaves(eqx.filter_grad(lambda model: jnp.mean(model(X) ** 2))(model))


def trained(model):
    data = Data(*(Trials(X, X),) * 3)
    return gnode.train(model, data, epochs=1, batch_size=2, input_noise=0.1, readout_dropout=0.1).summary["test_loss"]


DONE = {
    "call": lambda model: model(X),
    "at times": lambda model: [] if model.config.elapsed != "step" else model(X, at=[0.015]),
    "states": lambda model: model.states(X),
    "path": lambda model: model.path(X).states,
    "online": online,
    "field": lambda model: model.field_at(HELD)(STATES),
    "map": lambda model: model.map_at(HELD)(STATES),
    "gradient": gradient,
    "of the inputs": lambda model: jax.grad(lambda inputs: jnp.mean(model(inputs) ** 2))(jnp.asarray(X)),
    "training": trained,
}


@pytest.mark.parametrize("strict", STRICT, ids=["ranks", "dtypes"])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.config.integrator)
def test_strict_modes_change_nothing(model, strict):
    for name, do in DONE.items():
        usual = do(model)
        with strict():
            np.testing.assert_equal(jax.tree.map(np.asarray, do(model)), jax.tree.map(np.asarray, usual), name)


@pytest.mark.parametrize("strict", STRICT, ids=["ranks", "dtypes"])
def test_models_are_made_in_strict_modes(strict):
    usual = make("rnn", critical=True)
    with strict():
        assert models.model_bytes(make("rnn", critical=True)) == models.model_bytes(usual)
        assert models.wide_network_gain(make()) == models.wide_network_gain(MAP)


def test_strict_modes_are_strict_again_afterwards():
    with jax.numpy_rank_promotion("raise"):
        MAP(X)
        with pytest.raises(ValueError, match="rank_promotion"):
            jnp.zeros((2, 3)) + jnp.zeros(3)


FORWARDS = {
    "jvp": lambda model: jax.jvp(model, (jnp.asarray(X),), (jnp.asarray(X),))[1],
    "of the states": lambda model: jax.jvp(model.states, (jnp.asarray(X),), (jnp.asarray(X),))[1],
    "in the weights": lambda model: eqx.filter_jvp(
        lambda model: model(X), (model,), (eqx.filter(model, eqx.is_inexact_array),)
    )[1],
    "Jacobian": lambda model: jax.jacfwd(lambda x: model(x)[0, -1])(jnp.asarray(X[:1])),
}


@pytest.mark.parametrize("do", FORWARDS.values(), ids=FORWARDS)
def test_forward_mode_through_the_adjoint_names_what_to_do_and_then_it_works(do):
    with pytest.raises(InvalidInput, match='Must have gradient="autodiff" for forward mode, instead got "adjoint"'):
        do(MAP)
    free = models.under(MAP, "euler", gradient="autodiff")
    np.testing.assert_array_equal(free(X), MAP(X))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(do(free)))


def test_forward_mode_along_the_inputs_is_what_reverse_mode_says():
    inputs, along = jnp.asarray(X), jnp.asarray(np.roll(X, 1))
    moved = jax.jvp(lambda x: jnp.mean(models.under(MAP, "euler", gradient="autodiff")(x) ** 2), (inputs,), (along,))[1]
    np.testing.assert_allclose(moved, jnp.vdot(jax.grad(lambda x: jnp.mean(MAP(x) ** 2))(inputs), along), rtol=1e-4)


@pytest.mark.full
def test_forward_mode_through_a_flow_names_what_to_do_and_then_it_works():
    flow = make(integrator="tsit5")
    with pytest.raises(InvalidInput, match='Must have adjoint="direct" for forward mode'):
        FORWARDS["jvp"](flow)
    assert np.isfinite(FORWARDS["jvp"](models.under(flow, "tsit5", adjoint="direct", most_steps=16))).all()


@pytest.mark.full
def test_a_hessian_is_forward_over_reverse_mode_and_works_through_the_adjoint():
    inputs = jnp.asarray(X[:1, :3])
    both = (MAP, models.under(MAP, "euler", gradient="autodiff"))
    by_hand, by_jax = (jax.hessian(lambda x, model=model: jnp.mean(model(x) ** 2))(inputs) for model in both)
    np.testing.assert_allclose(by_hand, by_jax, atol=1e-6)
