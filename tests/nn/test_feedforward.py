"""Feed-forward nets against the equations written out in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnode.nn.activations import ACTIVATIONS
from gnode.nn.feedforward import LayerNorm, draw_feedforward, draw_perceptron


def test_first_layer_is_normalised_before_the_input_is_added():
    net = draw_feedforward(
        np.random.default_rng(0), 6, 3, (8,), activation="tanh", last_activation="identity", layer_norm=True
    )
    h, x = np.random.default_rng(1).standard_normal((2, 4, 6)), np.random.default_rng(2).standard_normal((2, 4, 3))

    def normalised(values):
        centred = values - values.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)

    first = normalised(h @ np.asarray(net.from_state.weight).T)
    first = first + x @ np.asarray(net.from_input.weight).T + np.asarray(net.from_input.bias)
    later = net.later[0]
    expected = normalised(np.tanh(first) @ np.asarray(later.weight).T + np.asarray(later.bias))
    np.testing.assert_allclose(net(jnp.float32(h), jnp.float32(x)), expected, rtol=1e-4, atol=1e-5)


def test_layer_norm_has_zero_mean_and_unit_variance():
    values = LayerNorm(jnp.ones(50), jnp.zeros(50))(
        7.0 + 3.0 * jnp.float32(np.random.default_rng(0).standard_normal((4, 50)))
    )
    np.testing.assert_allclose(values.mean(-1), 0, atol=1e-5)
    np.testing.assert_allclose(values.var(-1), 1, rtol=1e-4)


def test_weights_have_the_variance_of_their_fan_in():
    net = draw_feedforward(
        np.random.default_rng(0), 400, 100, (300,), activation="relu", last_activation="identity", layer_norm=False
    )
    for layer, fan_in in ((net.from_state, 400), (net.from_input, 100), (net.later[0], 300)):
        assert np.var(np.asarray(layer.weight)) == pytest.approx(1 / fan_in, rel=0.03)


def test_gate_bias_moves_the_last_layer_only():
    shapes = dict(activation="relu", last_activation="sigmoid", layer_norm=False, last_bias=-2.0)
    deep = draw_feedforward(np.random.default_rng(0), 4, 2, (8,), **shapes)
    flat = draw_feedforward(np.random.default_rng(0), 4, 2, (), **shapes)
    np.testing.assert_allclose(deep.later[0].bias, -2.0, atol=0.01)
    np.testing.assert_allclose(deep.from_input.bias, 0.0, atol=0.01)
    np.testing.assert_allclose(flat.from_input.bias, -2.0, atol=0.01)


def test_perceptron_without_hidden_layer_is_affine():
    net = draw_perceptron(np.random.default_rng(0), 3, 2, (), activation="relu")
    one, other = jnp.float32(np.random.default_rng(1).standard_normal((2, 3)))
    np.testing.assert_allclose(net(one) + net(other), net(one + other) + net(jnp.zeros(3)), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "at_half"),
    [
        ("identity", 0.5),
        ("sigmoid", 0.6224593),
        ("steep-sigmoid", 0.9933071),
        ("swish", 0.3112297),
        ("relu", 0.5),
        ("tanh", 0.4621172),
    ],
)
def test_activations_at_one_half(name, at_half):
    assert float(ACTIVATIONS[name](jnp.float32(0.5))) == pytest.approx(at_half, rel=1e-5)


def test_gelu_is_the_gaussian_error_linear_unit():
    assert float(ACTIVATIONS["gelu"](jnp.float32(0.5))) == pytest.approx(0.3457312, rel=1e-3)


@pytest.mark.parametrize("differentiate", [jax.grad, jax.jacfwd, jax.jacrev])
def test_slope_of_relu_is_a_step_that_is_shut_at_zero(differentiate):
    slope = jax.vmap(differentiate(ACTIVATIONS["relu"]))(jnp.array([-jnp.inf, -2.0, 0.0, 1e-30, 3.0, jnp.inf]))
    np.testing.assert_array_equal(slope, [0, 0, 0, 1, 1, 1])
