"""The map: truncated gradients, ragged batches by length classes, long trials in little memory."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnode.fields import FIELDS, FieldOptions
from gnode.integrate import RULES, Map
from gnode.integrate.adjoint import scan_ragged, scan_with_autodiff

N, D = 3, 2


def draw_field(hidden=(7,), precision=jnp.float64):
    options = FieldOptions(
        state_size=N, input_size=D, hidden=hidden, gate_hidden=(), activation="tanh", candidate_activation="identity",
        gate_activation="sigmoid", gate_bias=0.0, layer_norm=True, leak=True, gain=True,
    )  # fmt: skip
    field = FIELDS["gnode"].draw(np.random.default_rng(0), options)
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), precision), field)


def batch_of(trials, time, random, lengths=None):
    elapsed = random.uniform(0.1, 1.0, (trials, time))
    if lengths is not None:
        elapsed = np.where(np.arange(time) < lengths[:, None], elapsed, 0.0)
    start, inputs = random.standard_normal((trials, N)), random.standard_normal((trials, time, D))
    return jnp.asarray(start), jnp.asarray(inputs), jnp.asarray(elapsed)


def cut_by_hand(field, start, inputs, elapsed, length):
    """States of one piece after another, each from a start that no gradient passes."""
    pieces = []
    for first in range(0, inputs.shape[1], length):
        part = Map("rk4")(field, start, inputs[:, first : first + length], elapsed[:, first : first + length]).states
        pieces.append(part)
        start = jax.lax.stop_gradient(part[:, -1])
    return jnp.concatenate(pieces, axis=1)


@pytest.mark.parametrize("time", [7, pytest.param(6, marks=pytest.mark.full)])
def test_truncated_gradients_are_those_of_pieces(time):
    with jax.enable_x64(True):
        field, batch = draw_field(), batch_of(4, time, np.random.default_rng(1))
        cut = Map("rk4", truncate=3)
        both = [
            jax.jit(jax.value_and_grad(lambda a, states=states: jnp.sum(jnp.sin(3 * states(*a)))))((field, *batch))
            for states in (lambda *a: cut(*a).states, lambda *a: cut_by_hand(*a, 3))
        ]
        whole = jax.jit(jax.grad(lambda field: jnp.sum(jnp.sin(3 * Map("rk4")(field, *batch).states))))(field)
    np.testing.assert_allclose(both[0][0], both[1][0], rtol=1e-12)
    for one, other in zip(jax.tree.leaves(both[0][1]), jax.tree.leaves(both[1][1]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)
    assert not np.allclose(whole.drive.from_state.weight, both[0][1][0].drive.from_state.weight)


@pytest.mark.parametrize("sort", [True, False])
@pytest.mark.parametrize(("trials", "time", "classes"), [(10, 41, 4), (3, 5, 4), (1, 1, 2), (7, 16, 1)])
def test_length_classes_change_neither_states_nor_gradients(trials, time, classes, sort):
    random = np.random.default_rng(2)
    lengths = random.integers(1, time + 1, trials)
    lengths = np.sort(lengths)[::-1] if sort else lengths
    with jax.enable_x64(True):
        field, (start, inputs, elapsed) = draw_field(), batch_of(trials, time, random, lengths)
        samples = jnp.swapaxes(inputs, 0, 1), elapsed.T[..., None]
        weights = jnp.asarray(random.standard_normal((time, trials, N)))
        found = [
            jax.jit(jax.value_and_grad(lambda a, scan=scan: jnp.sum(weights * scan(RULES["euler"].advance, *a))))(
                (field, start, *samples)
            )
            for scan in (scan_ragged(classes), scan_with_autodiff)
        ]
    (value, (of_field, of_start, of_inputs, of_steps)), (truth, (*of_rest, of_true_steps)) = found
    np.testing.assert_allclose(value, truth, rtol=1e-12)
    for one, other in zip(
        jax.tree.leaves((of_field, of_start, of_inputs)), jax.tree.leaves(tuple(of_rest)), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-10)
    there = np.asarray(samples[1]) != 0  # how long padding lasts is no variable: Map hands it no gradient
    np.testing.assert_allclose(of_steps[there], of_true_steps[there], rtol=1e-9, atol=1e-10)


def test_ten_thousand_samples_train_in_little_memory():
    """The gradient holds states, not what layers returned: those alone would be 10,000 x 20 x (3 x 256) numbers."""
    field = draw_field((256, 256, 256), jnp.float32)
    start, inputs = jnp.zeros((20, N)), jnp.zeros((20, 10_000, D))
    elapsed = jnp.ones((1, 10_000))

    def loss(field):
        return jnp.sum(Map("euler")(field, start, inputs, elapsed).states ** 2)

    memory = eqx.filter_jit(jax.grad(loss)).lower(field).compile().compiled.memory_analysis()
    assert memory.temp_size_in_bytes < 100e6 < 10_000 * 20 * 3 * 256 * 4
