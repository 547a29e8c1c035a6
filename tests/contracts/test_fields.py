"""Every registered field, under every switch, obeys the protocol; and the adjoint's gradient is autodiff's."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnode.fields import FIELDS, Field, FieldOptions
from gnode.integrate import scan_with_adjoint, scan_with_autodiff
from gnode.nn.activations import ACTIVATIONS

N, D, TRIALS, TIME = 4, 3, 3, 9


def options_of(name: str, **changes) -> FieldOptions:
    kind = FIELDS[name]
    plain = dict(
        state_size=N,
        input_size=D,
        hidden=(7, 5) if kind.hidden is not None else (),
        gate_hidden=(6,) if name == "gnode" else (),
        activation="tanh",
        candidate_activation=kind.candidate_activation,
        gate_activation="sigmoid",
        gate_bias=0.0,
        layer_norm=False,
        leak=True,
        gain=False,
    )
    return FieldOptions(**{**plain, **changes})


def draw_field(name: str, **changes) -> Field:
    return FIELDS[name].draw(np.random.default_rng(3), options_of(name, **changes))


def in_float64(tree):
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), dtype=jnp.float64), tree)


def gradients(scan, field, start, inputs):
    def scalar(arguments):
        states = scan(*arguments, 0.6)
        return jnp.sum(jnp.sin(states) * jnp.arange(1, states.size + 1).reshape(states.shape) / states.size)

    return jax.grad(scalar)((field, start, inputs))


def largest_relative_difference(one, other) -> float:
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    scale = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(one))
    return max(float(jnp.abs(a - b).max()) for a, b in pairs) / scale


SWITCHES = [
    dict(zip(("layer_norm", "leak", "gain"), chosen, strict=True))
    for chosen in itertools.product((False, True), repeat=3)
]


@pytest.mark.parametrize("switches", SWITCHES, ids=lambda s: "-".join(k for k, v in s.items() if v) or "plain")
@pytest.mark.parametrize("name", FIELDS)
def test_adjoint_is_autodiff_to_1e_10(name, switches):
    generator = np.random.default_rng(5)
    with jax.enable_x64(True):
        field = in_float64(draw_field(name, **switches))
        start = jnp.asarray(generator.standard_normal((TRIALS, N)))
        inputs = jnp.asarray(generator.standard_normal((TIME, TRIALS, D)))
        truth = gradients(scan_with_autodiff, field, start, inputs)
        ours = gradients(scan_with_adjoint, field, start, inputs)
        assert largest_relative_difference(truth, ours) < 1e-10


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_adjoint_is_autodiff_for_every_activation(activation):
    generator = np.random.default_rng(6)
    with jax.enable_x64(True):
        field = in_float64(draw_field("gnode", activation=activation, gate_activation="steep-sigmoid"))
        start = jnp.asarray(generator.standard_normal((TRIALS, N)))
        inputs = jnp.asarray(generator.standard_normal((TIME, TRIALS, D)))
        truth = gradients(scan_with_autodiff, field, start, inputs)
        assert largest_relative_difference(truth, gradients(scan_with_adjoint, field, start, inputs)) < 1e-10


@pytest.mark.parametrize("name", FIELDS)
def test_adjoint_under_vmap_is_each_network_by_itself(name):
    generator = np.random.default_rng(7)
    with jax.enable_x64(True):
        fields = [
            in_float64(FIELDS[name].draw(np.random.default_rng(seed), options_of(name, layer_norm=True, gain=True)))
            for seed in range(3)
        ]
        start = jnp.asarray(generator.standard_normal((TRIALS, N)))
        inputs = jnp.asarray(generator.standard_normal((TIME, TRIALS, D)))
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *fields)
        together = jax.vmap(lambda field: gradients(scan_with_adjoint, field, start, inputs))(stacked)
        for position, field in enumerate(fields):
            alone = gradients(scan_with_autodiff, field, start, inputs)
            mine = jax.tree.map(lambda leaf, at=position: leaf[at], together)
            assert largest_relative_difference(alone, mine) < 1e-10


@pytest.mark.parametrize("name", FIELDS)
def test_gradient_is_the_finite_difference(name):
    generator = np.random.default_rng(8)
    with jax.enable_x64(True):
        field = in_float64(draw_field(name, gain=True))
        start = jnp.asarray(generator.standard_normal((TRIALS, N)))
        inputs = jnp.asarray(generator.standard_normal((TIME, TRIALS, D)))
        leaves, structure = jax.tree.flatten(field)
        directions = [jnp.asarray(generator.standard_normal(leaf.shape)) for leaf in leaves]

        def scalar(step: float) -> float:
            moved = [leaf + step * direction for leaf, direction in zip(leaves, directions, strict=True)]
            return float(jnp.sum(scan_with_autodiff(jax.tree.unflatten(structure, moved), start, inputs, 0.6) ** 2))

        gradient = jax.grad(lambda field: jnp.sum(scan_with_adjoint(field, start, inputs, 0.6) ** 2))(field)
        slope = sum(float(jnp.sum(g * d)) for g, d in zip(jax.tree.leaves(gradient), directions, strict=True))
        assert slope == pytest.approx((scalar(1e-5) - scalar(-1e-5)) / 2e-5, rel=1e-6)


@pytest.mark.parametrize("name", FIELDS)
def test_field_is_gate_times_leak_and_candidate(name):
    generator = np.random.default_rng(9)
    state, held = jnp.float32(generator.standard_normal((5, 2, N))), jnp.float32(generator.standard_normal((5, 2, D)))
    for leak in (True, False):
        field = draw_field(name, leak=leak)
        gate, candidate = field.gate(state, held), field.candidate(state, held)
        assert field(state, held).shape == state.shape
        np.testing.assert_allclose(field(state, held), gate * (candidate - leak * state), rtol=1e-5, atol=1e-6)
        assert (gate > 0).all() and (gate <= 1).all()
        if not FIELDS[name].gated:
            assert (gate == 1).all()


@pytest.mark.parametrize("name", FIELDS)
def test_autonomous_field_has_no_input(name):
    field = draw_field(name, input_size=0)
    start = jnp.ones((2, N))
    gradient = jax.grad(lambda field: jnp.sum(scan_with_adjoint(field, start, jnp.zeros((5, 2, 0)), 0.2)))(field)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_mgru_is_the_gnode_of_one_tanh_layer():
    mgru = FIELDS["mgru"].draw(np.random.default_rng(1), options_of("mgru"))
    one_layer = options_of("gnode", hidden=(), gate_hidden=(), candidate_activation="tanh")
    gnode = FIELDS["gnode"].draw(np.random.default_rng(1), one_layer)
    state, held = jnp.ones((2, N)), jnp.ones((2, D))
    assert (mgru(state, held) == gnode(state, held)).all()


def test_gru_is_the_equations_written_out():
    field = draw_field("gru")
    generator = np.random.default_rng(2)
    h, x = generator.standard_normal((5, N)), generator.standard_normal((5, D))

    def layer(net, state):
        weights = [np.asarray(a, dtype=float) for a in (net.from_state.weight, net.from_input.weight)]
        return state @ weights[0].T + x @ weights[1].T + np.asarray(net.from_input.bias, dtype=float)

    z = 1 / (1 + np.exp(-layer(field.update, h)))
    r = 1 / (1 + np.exp(-layer(field.reset, h)))
    c = np.tanh(layer(field.drive, r * h))
    np.testing.assert_allclose(field(jnp.float32(h), jnp.float32(x)), z * (-h + c), rtol=1e-4, atol=1e-6)
