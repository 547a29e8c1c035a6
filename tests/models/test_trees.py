"""A model is an ordinary tree: it is pickled, copied and stacked, and its arrays may have another precision."""

import copy
import dataclasses
import os
import pickle
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnode import models
from gnode.errors import InvalidInput
from gnode.fields import FIELDS
from gnode.models.initial import INITIAL_STATES
from gnode.nn.activations import ACTIVATIONS
from gnode.workers import run_jobs

INPUTS = np.random.default_rng(0).standard_normal((3, 5, 2)).astype("f4")
TOLD = INPUTS[:, 0]


def make(name="gnode", **options):
    if FIELDS[name].hidden is not None:
        options.setdefault("hidden", (4,))
    return models.make(name, **{**dict(input_size=2, state_size=3, output_size=2), **options})


MODELS = [make(name, layer_norm=True, gain=True) for name in FIELDS]
MODELS += [
    make(initial_state=name, initial_hidden=(3,) if kind.has_net else ()) for name, kind in INITIAL_STATES.items()
]
MODELS += [make(activation=name, readout_hidden=(3,)) for name in ACTIVATIONS]
MODELS += [make(integrator="tsit5", missing="hold-with-observed"), make(reading="last"), make(elapsed="both")]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_is_an_equal_tree(copied):
    for model in MODELS:
        other = copied(model)
        assert eqx.tree_equal(other, model), model.config
        assert jax.tree.structure(other) == jax.tree.structure(model)
        assert models.model_bytes(other) == models.model_bytes(model)


def test_a_moving_average_of_models_answers_as_one():
    model = make()
    average = jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, copy.deepcopy(model), model)
    np.testing.assert_allclose(average(INPUTS), model(INPUTS), atol=1e-6)


@pytest.mark.parametrize("seed", [0, 7, 2**64 - 1, 0xFEDCBA9876543210])
def test_a_moving_average_is_saved_with_its_seed_and_loaded(seed, tmp_path):
    model = average = make(seed=seed)
    for _ in range(30):
        average = jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, average, model)
    models.save(average, tmp_path / "average.safetensors")
    loaded = models.load_model(tmp_path / "average.safetensors")
    assert models.seed_of(loaded) == models.seed_of(average) == seed
    np.testing.assert_array_equal(loaded(INPUTS), average(INPUTS))
    assert not any(leaf.dtype == np.uint8 for leaf in jax.tree.leaves(eqx.filter(average, models.trainable(average))))
    assert models.trainable(average).seed is False


def test_what_cannot_be_loaded_again_is_not_saved(tmp_path):
    """equinox#1180. A file that nothing reads is found when it is too late."""
    one, other = make(seed=1), make(seed=2)
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.float16) if eqx.is_inexact_array(leaf) else leaf, one)
    for model, said in [
        (jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, one, other), "of one seed, instead got a mean over models"),
        (jax.tree.map(lambda *leaves: jnp.stack(leaves), one, other), "one model, instead got several stacked"),
        (half, "float32 to save"),
    ]:
        with pytest.raises(InvalidInput, match=said):
            models.save(model, tmp_path / "model.safetensors")
        assert not (tmp_path / "model.safetensors").exists()
    mean = jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, one, other)
    models.save(dataclasses.replace(mean, seed=one.seed), tmp_path / "model.safetensors")
    np.testing.assert_array_equal(models.load_model(tmp_path / "model.safetensors")(INPUTS), mean(INPUTS))


def answer(model):
    """What a worker does with a model: states, which every model has, whatever it reads them into."""
    told = TOLD if model.is_told else None
    return np.asarray(model.states(INPUTS, told))


def test_models_go_to_a_worker_process_and_answer_the_same():
    for at, states in run_jobs(answer, MODELS, workers=1):
        np.testing.assert_allclose(states, answer(MODELS[at]), atol=1e-6, err_msg=str(MODELS[at].config))


def test_every_model_is_stacked_over_seeds_and_called_as_one():
    for model in MODELS:
        other = models.draw(model.config, 2**40)
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), model, other)
        told = TOLD if model.is_told else None
        together = eqx.filter_vmap(lambda model, told=told: model.states(jnp.asarray(INPUTS), told))(stacked)
        for at, one in enumerate((model, other)):
            np.testing.assert_allclose(together[at], answer(one), atol=1e-5, err_msg=str(model.config))
            back = jax.tree.map(lambda leaf, at=at: leaf[at], stacked)
            assert eqx.tree_equal(back, one)


# -- precision --


@pytest.mark.parametrize("initial_state", ["learned", "first-input"])
def test_float64_inputs_are_taken_where_float64_is_on(initial_state):
    model = make(initial_state=initial_state, layer_norm=True)
    plain = model(INPUTS)
    with jax.enable_x64(True):
        outputs = model(INPUTS.astype(float))
    assert outputs.dtype == jnp.float32
    np.testing.assert_allclose(outputs, plain, atol=1e-6)


def test_a_float64_model_computes_in_float64():
    model = make(layer_norm=True)
    with jax.enable_x64(True):
        wide = jax.tree.map(
            lambda leaf: jnp.asarray(np.asarray(leaf), float) if eqx.is_inexact_array(leaf) else leaf, model
        )
        outputs = wide(INPUTS)
        assert outputs.dtype == jnp.float64
    np.testing.assert_allclose(outputs, model(INPUTS), atol=1e-5)


TRAINED_IN_X64 = """
import sys
import numpy as np
import gnode
from gnode.training import Data, Trials
random = np.random.default_rng(0)
trials = Trials(random.standard_normal((6, 5, 2)), random.standard_normal((6, 5, 2)))
model = gnode.models.make(
    "gnode", input_size=2, state_size=3, output_size=2, hidden=(4,), layer_norm=True, initial_state="learned"
)
data = Data(trials, trials, trials)
run = gnode.train(model, data, out=sys.argv[1], epochs=2, batch_size=3)
assert gnode.train(model, data, out=sys.argv[1], epochs=2, batch_size=3, resume=True).history == []
np.save(sys.argv[2], run.model(trials.inputs))
"""


def test_layer_norm_is_trained_and_saved_under_x64_and_loaded_without(tmp_path):
    call = subprocess.run(
        [sys.executable, "-c", TRAINED_IN_X64, tmp_path / "run", tmp_path / "outputs.npy"],
        env={**os.environ, "JAX_ENABLE_X64": "1"}, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert call.returncode == 0, call.stderr
    model = models.load_model(tmp_path / "run")
    inputs = np.random.default_rng(0).standard_normal((6, 5, 2)).astype("f4")
    np.testing.assert_allclose(model(inputs), np.load(tmp_path / "outputs.npy"), atol=1e-5)
