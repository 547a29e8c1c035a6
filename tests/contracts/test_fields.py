"""Every registered field, under every switch and rule, obeys the protocol; and the adjoint's gradient is autodiff's."""

import itertools
import random
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnode.fields import FIELDS, Field, FieldOptions
from gnode.integrate import RULES, adjoint
from gnode.integrate.adjoint import scan_with_adjoint, scan_with_autodiff
from gnode.nn.activations import ACTIVATIONS

N, D, TRIALS, TIME = 4, 3, 3, 7


def options_of(name: str, **changes) -> FieldOptions:
    kind = FIELDS[name]
    plain = dict(
        state_size=N,
        input_size=D,
        hidden=(5,) if kind.hidden is not None else (),
        gate_hidden=(6,) if "gate_hidden" in kind.reads else (),
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


# -- the adjoint against autodiff --


@dataclass(frozen=True)
class Case:
    """A field, its switches, and the rule that moves the state."""

    name: str
    layer_norm: bool
    leak: bool
    gain: bool
    rule: str

    def __str__(self) -> str:
        switches = [switch for switch in ("layer_norm", "leak", "gain") if getattr(self, switch)]
        return "-".join([self.name, self.rule, *switches])

    def field(self) -> Field:
        return draw_field(self.name, layer_norm=self.layer_norm, leak=self.leak, gain=self.gain)


ON_AND_OFF = (False, True)
CASES = [
    case
    for case in itertools.starmap(Case, itertools.product(FIELDS, ON_AND_OFF, ON_AND_OFF, ON_AND_OFF, RULES))
    if case.leak or not RULES[case.rule].needs_leak
]


def covering(cases: list[Case]) -> set[Case]:
    """A few of the cases in which every field, every rule and both states of every switch appear."""
    cases = random.Random(1).sample(cases, len(cases))
    chosen, missing = set(), {item for case in cases for item in vars(case).items()}
    while missing:
        case = max(cases, key=lambda case: len(missing & vars(case).items()))
        chosen.add(case)
        missing -= vars(case).items()
    return chosen


SLICE = covering(CASES)
TWICE = Case("rnn", layer_norm=False, leak=True, gain=False, rule="euler")  # the quickest to compile


def in_float64(tree):
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), dtype=jnp.float64), tree)


def samples(seed: int = 5, time: int = TIME, trials: int = TRIALS):
    """A start, inputs, and elapsed times that differ by step and by trial, one of them 0: all float64."""
    generator = np.random.default_rng(seed)
    steps = generator.uniform(0.1, 1.3, (time, trials, 1))
    steps[time // 2, 0] = 0.0
    shapes = (trials, N), (time, trials, D)
    return (*(jnp.asarray(generator.standard_normal(shape)) for shape in shapes), jnp.asarray(steps))


def scalar_of(scan, rule, arguments):
    states = scan(RULES[rule].advance, *arguments)
    return jnp.sum(jnp.sin(states) * jnp.arange(1, states.size + 1).reshape(states.shape) / states.size)


# Quick to compile; there is little to compute.
compiled = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def gradients(scan, rule, *arguments):
    """With respect to the field's parameters, start, inputs and elapsed times."""
    return compiled(jax.grad(lambda arguments: scalar_of(scan, rule, arguments)))(arguments)


def gradients_twice(scan, rule, *arguments):
    """The gradients of a curved function of these gradients, all of them together; and these."""

    def curved(arguments):
        once = jax.grad(lambda arguments: scalar_of(scan, rule, arguments))(arguments)
        return sum(jnp.sum(jnp.sin(leaf + place)) for place, leaf in enumerate(jax.tree.leaves(once))), once

    return compiled(jax.grad(curved, has_aux=True))(arguments)


def largest_relative_difference(one, other) -> float:
    """Over the arrays of two trees, each in units of its largest entry; or of 1e-3 of the largest of all."""
    pairs = list(zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))
    least = 1e-3 * max(float(jnp.abs(leaf).max()) for leaf, _ in pairs)
    return max(float(jnp.abs(a - b).max()) / max(float(jnp.abs(a).max()), least) for a, b in pairs)


@pytest.mark.parametrize("case", sorted(SLICE, key=str), ids=str)
def test_adjoint_is_autodiff_to_1e_10(case, monkeypatch):
    monkeypatch.setattr(adjoint, "ROWS", 3 * TRIALS)  # chunks of a few steps, which do not divide the time
    with jax.enable_x64(True):
        arguments = in_float64(case.field()), *samples()
        truth, ours = (gradients(scan, case.rule, *arguments) for scan in (scan_with_autodiff, scan_with_adjoint))
        assert largest_relative_difference(truth, ours) < 1e-10


# A second derivative takes several times as long to compile as a first.
@pytest.mark.parametrize(
    "case", [pytest.param(case, id=str(case), marks=[] if case == TWICE else pytest.mark.full) for case in CASES]
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
