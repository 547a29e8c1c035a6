"""Every registered field, under every switch and rule, obeys the protocol; and the adjoint's gradient is autodiff's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scans import (
    CASES,
    QUICKEST,
    SLICE,
    TRIALS,
    D,
    N,
    compiled,
    draw_field,
    in_float64,
    largest_relative_difference,
    options_of,
    samples,
    scalar_of,
)  # fmt: skip

from gnode.fields import FIELDS
from gnode.integrate import RULES, adjoint
from gnode.integrate.adjoint import scan_with_adjoint, scan_with_autodiff
from gnode.nn.activations import ACTIVATIONS

# -- the adjoint against autodiff --


def gradients(scan, rule, *arguments):
    """With respect to the field's parameters, start, inputs and elapsed times."""
    return compiled(jax.grad(lambda arguments: scalar_of(scan, rule, arguments)))(arguments)


def gradients_twice(scan, rule, *arguments):
    """The gradients of a curved function of these gradients, all of them together; and these."""

    def curved(arguments):
        once = jax.grad(lambda arguments: scalar_of(scan, rule, arguments))(arguments)
        return sum(jnp.sum(jnp.sin(leaf + place)) for place, leaf in enumerate(jax.tree.leaves(once))), once

    return compiled(jax.grad(curved, has_aux=True))(arguments)


@pytest.mark.parametrize("case", sorted(SLICE, key=str), ids=str)
def test_adjoint_is_autodiff_to_1e_10(case, monkeypatch):
    monkeypatch.setattr(adjoint, "ROWS", 3 * TRIALS)  # chunks of a few steps, which do not divide the time
    with jax.enable_x64(True):
        arguments = in_float64(case.field()), *samples()
        truth, ours = (gradients(scan, case.rule, *arguments) for scan in (scan_with_autodiff, scan_with_adjoint))
        assert largest_relative_difference(truth, ours) < 1e-10


# A second derivative takes several times as long to compile as a first.
@pytest.mark.parametrize(
    "case", [pytest.param(case, id=str(case), marks=[] if case == QUICKEST else pytest.mark.full) for case in CASES]
)
def test_adjoint_is_autodiff_to_1e_10_differentiated_once_and_twice(case, monkeypatch):
    monkeypatch.setattr(adjoint, "ROWS", 3 * TRIALS)  # chunks of a few steps, which do not divide the time
    with jax.enable_x64(True):
        arguments = in_float64(case.field()), *samples()
        twice, once = gradients_twice(scan_with_autodiff, case.rule, *arguments)
        ours_twice, ours = gradients_twice(scan_with_adjoint, case.rule, *arguments)
        assert largest_relative_difference(once, ours) < 1e-10
        assert largest_relative_difference(twice, ours_twice) < 1e-10


@pytest.mark.parametrize(
    "activation", [pytest.param(name, marks=[] if name == "gelu" else pytest.mark.full) for name in ACTIVATIONS]
)
def test_adjoint_is_autodiff_for_every_activation(activation):
    with jax.enable_x64(True):
        field = in_float64(draw_field("gnode", activation=activation, gate_activation="steep-sigmoid"))
        arguments = field, *samples(6)
        truth = gradients(scan_with_autodiff, "euler", *arguments)
        assert largest_relative_difference(truth, gradients(scan_with_adjoint, "euler", *arguments)) < 1e-10


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "gru" else pytest.mark.full) for name in FIELDS]
)
def test_adjoint_under_vmap_is_each_network_by_itself(name):
    with jax.enable_x64(True):
        fields = [
            in_float64(FIELDS[name].draw(np.random.default_rng(seed), options_of(name, layer_norm=True, gain=True)))
            for seed in range(3)
        ]
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *fields)
        ours, truth = (
            jax.grad(lambda field, scan=scan: scalar_of(scan, "euler", (field, *samples(7))))
            for scan in (scan_with_adjoint, scan_with_autodiff)
        )
        together, alone = compiled(jax.vmap(ours))(stacked), compiled(truth)
        for position, field in enumerate(fields):
            mine = jax.tree.map(lambda leaf, at=position: leaf[at], together)
            assert largest_relative_difference(alone(field), mine) < 1e-10


@pytest.mark.parametrize(
    "rule", [pytest.param(rule, marks=[] if rule != "rk4" else pytest.mark.full) for rule in RULES]
)
def test_gradient_is_the_finite_difference(rule):
    generator = np.random.default_rng(8)
    with jax.enable_x64(True):
        leaves, structure = jax.tree.flatten((in_float64(draw_field("gnode", gain=True)), *samples(8)))
        directions = [jnp.asarray(generator.standard_normal(leaf.shape)) for leaf in leaves]

        def scalar(step):
            moved = [leaf + step * direction for leaf, direction in zip(leaves, directions, strict=True)]
            return scalar_of(scan_with_autodiff, rule, jax.tree.unflatten(structure, moved))

        gradient = gradients(scan_with_adjoint, rule, *jax.tree.unflatten(structure, leaves))
        slope = sum(float(jnp.sum(g * d)) for g, d in zip(jax.tree.leaves(gradient), directions, strict=True))
        along = compiled(scalar)
        assert slope == pytest.approx(float(along(1e-5) - along(-1e-5)) / 2e-5, rel=1e-6)


# -- the protocol --


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
        if not field.gates():
            assert (gate == 1).all()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "gnode" else pytest.mark.full) for name in FIELDS]
)
def test_autonomous_field_has_no_input(name):
    field = draw_field(name, input_size=0)
    start, nothing, steps = jnp.ones((2, N)), jnp.zeros((5, 2, 0)), jnp.full((5, 2, 1), 0.2)

    def scalar(field):
        return jnp.sum(scan_with_adjoint(RULES["euler"].advance, field, start, nothing, steps))

    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(jax.grad(scalar)(field)))


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
