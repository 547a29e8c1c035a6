"""Noise and dropout have the size that was asked for, in training alone, and are the same after an interruption."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import gnode
from gnode.errors import InvalidInput
from gnode.series import Data, Series, Trials
from gnode.training import Interrupted
from gnode.training.progress import Silent
from gnode.training.settings import Settings

STILL = dict(epochs=1, batch_size=50, lr=1e-30, weight_decay=0.0)  # so that nothing is learned


def made(**options):
    sizes = dict(input_size=2, state_size=3, output_size=2, hidden=(6,), seed=1, residual=True)
    return gnode.models.make("gnode", **{**sizes, **options})


def silent(model):
    """The model whose readout says nothing."""
    return eqx.tree_at(lambda m: m.readout.layers[0], model, replace_fn=lambda layer: eqx.tree_at(
        lambda one: (one.weight, one.bias), layer, replace_fn=jnp.zeros_like))  # fmt: skip


def same(inputs):
    trials = Trials(inputs, inputs)
    return Data(trials, trials, trials)


@pytest.mark.parametrize("scale", [pytest.param("none", marks=pytest.mark.full), "standard"])
def test_a_residual_without_a_readout_is_persistence(scale):
    random = np.random.default_rng(0)
    inputs = random.normal(size=(6, 9, 2)) * [5, 0.1] + [100, -3]
    run = gnode.train(silent(made(scale=scale)), same(inputs), **{**STILL, "batch_size": 6})
    assert run.summary["test_loss"] == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(run.model(inputs), inputs, rtol=1e-5)


@pytest.mark.parametrize("scale", ["none", pytest.param("standard", marks=pytest.mark.full)])
def test_a_residual_of_fewer_outputs_stands_on_the_first_inputs(scale, tmp_path):
    random = np.random.default_rng(0)
    inputs = random.normal(size=(6, 9, 2)) * [5, 0.1] + [100, -3]
    trials = Trials(inputs, inputs[..., :1])
    run = gnode.train(
        silent(made(scale=scale, output_size=1)), Data(trials, trials, trials), out=tmp_path / "run",
        **{**STILL, "batch_size": 6},
    )  # fmt: skip
    assert run.summary["test_loss"] == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(run.model(inputs), inputs[..., :1], rtol=1e-5)
    np.testing.assert_array_equal(gnode.load(tmp_path / "run")(inputs), run.model(inputs))


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, marks=pytest.mark.full),
        {"scale": "standard"},
        pytest.param({"integrator": "tsit5"}, marks=pytest.mark.full),
    ],
)
def test_outputs_are_inputs_and_what_the_readout_adds(options):
    random = np.random.default_rng(1)
    values = random.normal(size=(4, 6, 2)) * 3 + 10
    values[:, 2, 0] = np.nan
    times = np.cumsum(random.uniform(0.005, 0.02, (4, 6)), axis=1)
    series = Series.of(values, times)
    held = np.where(np.isnan(values), values[:, [1]], values)
    data = Data(*[Trials(series, held)] * 3)
    model = gnode.train(made(missing="hold", **options), data, epochs=2, batch_size=2).model
    outputs = np.asarray(model(series))
    np.testing.assert_allclose(outputs, held + model.readout(model.states(series)), rtol=1e-5)
    np.testing.assert_allclose(model(series, at=times), outputs, rtol=1e-3)
    here = model.begin(values[:, 0])
    for at, gaps in enumerate(series.elapsed(model.config.dt).T):
        here, now = model.advance(here, values[:, at], gaps)
        np.testing.assert_allclose(now, outputs[:, at], rtol=1e-5)


def test_noise_on_inputs_has_its_size_in_training_alone():
    inputs = np.random.default_rng(2).normal(size=(200, 20, 2)).astype("f4")
    run = gnode.train(silent(made()), same(inputs), input_noise=0.3, **STILL)
    (record,) = run.history
    assert record.train_loss == pytest.approx(0.3**2, rel=0.06)  # of 8000 squares, whose mean varies by 1.6 %
    assert record.val_loss == run.summary["test_loss"] == 0


@pytest.mark.full
def test_noise_on_inputs_leaves_flags_and_ages_alone():
    inputs = np.random.default_rng(2).normal(size=(200, 20, 2)).astype("f4")
    plain, told = (silent(made(missing=missing)) for missing in ("refuse", "hold-with-observed"))
    losses = [
        gnode.train(model, same(inputs), input_noise=0.3, **STILL).history[0].train_loss for model in (plain, told)
    ]
    assert losses[0] == losses[1]


def test_dropout_adds_the_variance_of_its_mask():
    inputs, model = np.random.default_rng(3).normal(size=(200, 20, 2)).astype("f4"), made(residual=False)
    states, answers = (np.asarray(part) for part in (model.states(inputs), model(inputs)))
    trials = Trials(inputs, answers)
    run = gnode.train(model, Data(trials, trials, trials), readout_dropout=0.25, **STILL)
    (record,) = run.history
    weights = np.asarray(model.readout.layers[0].weight)
    variance = np.einsum("btn,on->bto", states**2, weights**2) * 0.25 / 0.75
    assert record.train_loss == pytest.approx(variance.mean(), rel=0.05)
    assert record.val_loss < 1e-12


def test_interrupted_and_resumed_is_uninterrupted(tmp_path):
    class StopAtTwo(Silent):
        def epoch(self, record):
            if record.epoch == 2:
                raise KeyboardInterrupt

    def train(out, **options):
        inputs = np.random.default_rng(4).normal(size=(10, 6, 2)).astype("f4")
        disturbed = dict(epochs=5, batch_size=4, input_noise=0.2, readout_dropout=0.3)
        return gnode.train(made(), same(inputs), out=tmp_path / out, **{**disturbed, **options})

    train("whole")
    with pytest.raises(Interrupted):
        train("parts", watcher=StopAtTwo())
    train("parts", resume=True)
    whole, parts = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "parts"))
    assert whole == parts
    train("other", seed=1)
    assert (tmp_path / "other" / "model.safetensors").read_bytes() != whole


def test_what_cannot_be():
    with pytest.raises(InvalidInput, match="as many outputs as inputs"):
        made(output_size=3)
    with pytest.raises(InvalidInput, match="without residual for poisson"):
        gnode.train(made(), same(np.ones((4, 3, 2))), loss="poisson", epochs=1, batch_size=2)
    for wrong in (dict(input_noise=-1), dict(readout_dropout=1), dict(readout_dropout=True)):
        with pytest.raises(InvalidInput, match=next(iter(wrong))):
            Settings(**wrong)
    assert not {"input_noise", "readout_dropout"} & Settings().as_dict().keys()
