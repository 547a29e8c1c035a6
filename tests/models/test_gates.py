"""Gates that read only a part, or that are not trained, and the gain that F starts with."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gnode
from gnode.errors import InvalidInput

SIZES = dict(input_size=2, state_size=3, output_size=2, seed=4)
OPTIONS = [dict(hidden=[5]), dict(hidden=[5], gate_hidden=[4], layer_norm=True)]


def random(*shape):
    return jnp.asarray(np.random.default_rng(shape[-1]).normal(size=shape), jnp.float32)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(("reads", "moved"), [("input", 0), ("state", 1)])
def test_a_gate_answers_to_what_it_reads_alone(options, reads, moved):
    field = gnode.models.make("gnode", **SIZES, **options, gate_reads=reads).field
    given = [random(7, 3), random(7, 2)]
    other = [array + 1.0 if place == moved else array for place, array in enumerate(given)]
    there = [given[0], given[1] + 1.0] if moved == 0 else [given[0] + 1.0, given[1]]
    assert np.array_equal(field.gate(*given), field.gate(*other))
    assert not np.allclose(field.gate(*given), field.gate(*there))
    assert not np.allclose(field.candidate(*given), field.candidate(*other))


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("reads", ["input", "state"])
def test_elsewhere_and_in_its_gradient_it_is_the_same(options, reads):
    inputs = random(3, 6, 2)
    ours, ours_plain = (
        gnode.models.make("gnode", **SIZES, **options, gate_reads=reads, gradient=gradient)
        for gradient in ("adjoint", "autodiff")
    )
    assert np.allclose(ours(inputs), ours.to_numpy()(inputs), atol=1e-5)
    slopes = [jax.tree.leaves(_slopes(one, inputs)) for one in (ours, ours_plain)]
    for one, other in zip(*slopes, strict=True):
        assert np.allclose(one, other, atol=1e-5)


def _slopes(model, inputs):

    return eqx.filter_grad(lambda model: (model(inputs) ** 2).sum())(model)


def test_gates_that_are_not_trained_stay_bit_by_bit():
    task = gnode.tasks.make("ring", bins=20)
    model = gnode.models.make("gnode", input_size=2, state_size=2, output_size=2, hidden=[6], learn_gates=False)
    sizes = dict(epochs=2, batch_size=5, train_trials=10, validation_trials=5, test_trials=5)
    trained = gnode.train(model, task, **sizes).model
    for one, other in zip(*(jax.tree.leaves(each.field.gating) for each in (model, trained)), strict=True):
        assert np.array_equal(one, other)
    assert not np.array_equal(model.field.drive.from_state.weight, trained.field.drive.from_state.weight)


@pytest.mark.parametrize("gain", [0.25, 3.0])
def test_a_gain_multiplies_the_slope_of_f(gain):
    """With relu and no biases to speak of, F's Jacobian at a state is the product of its layers."""
    plain, scaled = (
        gnode.models.make("node", **SIZES, hidden=[40], critical=True, initial_gain=one).field for one in (1.0, gain)
    )
    ratio = scaled.drive.from_state.weight / plain.drive.from_state.weight
    assert np.allclose(ratio, np.sqrt(gain), rtol=1e-5)
    assert np.allclose(scaled.drive.later[0].weight, plain.drive.later[0].weight * np.sqrt(gain), rtol=1e-5)


def test_at_their_defaults_files_do_not_hold_them():
    config = gnode.models.make("gnode", **SIZES).config
    assert not {"gate_reads", "learn_gates", "initial_gain"} & config.as_dict().keys()
    assert gnode.models.make("gnode", **SIZES, gate_reads="state").config.as_dict()["gate_reads"] == "state"


@pytest.mark.parametrize(
    ("options", "needed"),
    [
        (dict(model="node", gate_reads="state"), "gate_reads"),
        (dict(model="gru", learn_gates=False), "learn_gates"),
        (dict(model="gnode", gate_reads="stat"), "state"),
        (dict(model="gnode", initial_gain=0.0), "initial_gain a positive number"),
    ],
)
def test_what_cannot_be_is_refused(options, needed):
    with pytest.raises(InvalidInput, match=needed):
        gnode.models.make(**SIZES, **options)
