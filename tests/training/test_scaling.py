"""Standardisation: as if the data had been standardised by hand, in the user's units, part of the model."""

import equinox as eqx
import numpy as np
import pytest

import gnode
from gnode.examine.content import content_of
from gnode.models.config import ModelConfig
from gnode.models.scaling import Scaling
from gnode.series import Series
from gnode.training import Data, Interrupted, Trials
from gnode.training.progress import Silent

FEW = dict(epochs=4, batch_size=4)


def made(scale="standard", outputs=2, **options):
    sizes = dict(input_size=2, state_size=3, output_size=outputs, hidden=(6,), seed=1)
    return gnode.models.make("gnode", **{**sizes, "scale": scale, **options})


def drawn(seed: int, count: int = 12):
    """Inputs and targets of odd sizes, some missing, in ragged series of which some samples do not count."""
    random = np.random.default_rng(seed)
    inputs = [random.standard_normal((length, 2)) * [30, 0.01] + [-7, 5] for length in random.integers(4, 9, count)]
    targets = [np.cumsum(values, axis=0) * [2.0, 300.0] + [1.0, -40.0] for values in inputs]
    for values in inputs:
        values[1, 0] = np.nan
    counted = [random.random(len(values)) < 0.8 for values in inputs]
    for marks in counted:
        marks[0] = True
    return inputs, targets, counted


def by_hand(arrays, counted):
    """Mean and deviation of each channel over what counts."""
    rows = np.concatenate([values[marks] for values, marks in zip(arrays, counted, strict=True)])
    return np.nanmean(rows, axis=0), np.nanstd(rows, axis=0)


@pytest.mark.parametrize("initial_state", ["first-input", pytest.param("first-target", marks=pytest.mark.full)])
def test_it_is_training_on_data_standardised_by_hand(initial_state):
    sets = [drawn(seed) for seed in (1, 2, 3)]
    (inputs, targets, counted), everything = sets[0], [np.ones(len(one), bool) for one in sets[0][0]]
    (shift, scale), (to_shift, to_scale) = by_hand(inputs, everything), by_hand(targets, counted)
    plain = Data(*(Trials(one, other, mask=marks) for one, other, marks in sets))
    scaled = Data(
        *(
            Trials([(v - shift) / scale for v in one], [(v - to_shift) / to_scale for v in other], mask=marks)
            for one, other, marks in sets
        )
    )
    options = dict(missing="hold", initial_state=initial_state)
    ours = gnode.train(made(**options), plain, **FEW)
    theirs = gnode.train(made("none", **options), scaled, **FEW)
    for one, other in zip(ours.history, theirs.history, strict=True):
        assert one.val_loss == pytest.approx(other.val_loss, rel=1e-3)
        assert one.train_loss == pytest.approx(other.train_loss, rel=1e-3)
    first = plain.test.targets[:, 0] if initial_state == "first-target" else None
    first_scaled = scaled.test.targets[:, 0] if initial_state == "first-target" else None
    answers = np.asarray(ours.model(plain.test.series, first))
    expected = np.asarray(theirs.model(scaled.test.series, first_scaled)) * to_scale + to_shift
    np.testing.assert_allclose(answers, expected, rtol=1e-3, atol=1e-2)
    read = ours.model.readout(ours.model.states(plain.test.series, first))
    np.testing.assert_allclose(read, answers, rtol=1e-4, atol=1e-3)
    there = plain.test.mask
    error = ((answers - plain.test.targets)[there] ** 2).mean()
    assert ours.summary["test_loss_in_units"] == pytest.approx(error, rel=1e-4)
    error = (((answers - plain.test.targets) / to_scale)[there] ** 2).mean()
    assert ours.summary["test_loss"] == pytest.approx(error, rel=1e-3)
    assert "test_loss_in_units" not in theirs.summary


def test_a_gaussian_answers_with_densities_in_the_users_units():
    trials = [Trials(np.random.default_rng(seed).normal(size=(8, 5, 2)), _targets(seed)) for seed in (1, 2, 3)]
    run = gnode.train(made(outputs=2), Data(*trials), loss="gaussian", **FEW)
    means, log_variances = np.split(np.asarray(run.model(trials[2].series), float), 2, axis=-1)
    density = -0.5 * (log_variances + (trials[2].targets - means) ** 2 / np.exp(log_variances))
    assert run.summary["test_loss_in_units"] == pytest.approx(-density.mean(), rel=1e-4)
    shift = np.log(trials[0].targets.std(dtype=float))  # a density in other units differs by the logarithm of the unit
    assert run.summary["test_loss_in_units"] - run.summary["test_loss"] == pytest.approx(shift, rel=1e-3)


def _targets(seed):
    return np.random.default_rng(seed).normal(size=(8, 5, 1)) * 1e4 - 3e4


@pytest.mark.parametrize("loss", ["cross-entropy", pytest.param("poisson", marks=pytest.mark.full)])
def test_classes_and_counts_are_not_scaled(loss):
    random = np.random.default_rng(0)
    targets = random.integers(0, 2, 8) if loss == "cross-entropy" else random.poisson(3, (8, 5, 2)).astype(float)
    trials = Trials(random.normal(size=(8, 5, 2)) + 5, targets)
    run = gnode.train(made(), Data(trials, trials, trials), loss=loss, **FEW)
    assert run.model.encoding.scaling is not None and run.model.readout.scaling is None
    assert "test_loss_in_units" not in run.summary


def test_it_is_saved_and_resumed(tmp_path):
    class StopAtTwo(Silent):
        def epoch(self, record):
            if record.epoch == 2:
                raise KeyboardInterrupt

    data = Data(*(Trials(*drawn(seed)[:2]) for seed in (1, 2, 3)))
    model = made(missing="hold-with-observed")
    whole = gnode.train(model, data, out=tmp_path / "whole", **FEW)
    with pytest.raises(Interrupted):
        gnode.train(model, data, out=tmp_path / "parts", watcher=StopAtTwo(), **FEW)
    unfinished = content_of(tmp_path / "parts").model  # what the report draws
    assert eqx.tree_equal(unfinished.encoding, whole.model.encoding)
    assert eqx.tree_equal(unfinished.readout.scaling, whole.model.readout.scaling)
    gnode.train(model, data, out=tmp_path / "parts", resume=True, **FEW)
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "parts")]
    assert files[0] == files[1]
    loaded = gnode.load(tmp_path / "parts")
    assert eqx.tree_equal(loaded, whole.model)
    np.testing.assert_array_equal(loaded(data.test.series), whole.model(data.test.series))
    further = gnode.train(loaded, Data(data.test, data.test, data.test), **FEW)  # it keeps what it was trained with
    assert eqx.tree_equal(further.model.encoding, loaded.encoding)
    assert eqx.tree_equal(further.model.readout.scaling, loaded.readout.scaling)


@pytest.mark.parametrize("missing", ["refuse", "hold", "hold-with-observed"])
def test_a_huge_offset_is_removed_in_float64_at_every_door(missing):
    random = np.random.default_rng(5)
    small = random.standard_normal((4, 7, 2)) * [1, 3]
    offset = np.array([1e9, -2e9])
    scaling = Scaling.fit(small + offset, np.ones(small.shape, bool))
    expected = (small - small.mean(axis=(0, 1))) / small.std(axis=(0, 1))
    model = gnode.models.model.with_scalings(made(missing=missing), scaling, None)
    np.testing.assert_allclose(model.encoding.encode(Series.of(small + offset)).inputs[..., :2], expected, atol=1e-5)
    np.testing.assert_allclose(model.encoding.encode_array(small + offset).inputs[..., :2], expected, atol=1e-5)
    np.testing.assert_allclose(model.encoding.hold_still(offset + small[0, 0])[:2], expected[0, 0], atol=1e-5)
    plain = made("none", missing=missing)
    np.testing.assert_allclose(model(small + offset), plain(expected), atol=1e-5)
    here = model.begin(small[:, 0] + offset)
    for at in range(7):
        here, outputs = model.advance(here, small[:, at] + offset)
        np.testing.assert_allclose(outputs, plain(expected)[:, at], atol=1e-5)


def test_constant_targets_and_inputs_do_not_divide_by_zero():
    trials = Trials(np.ones((6, 4, 2)), np.full((6, 4, 2), 1e6))
    run = gnode.train(made(), Data(trials, trials, trials), **FEW)
    assert np.isfinite(run.summary["test_loss"])
    assert (run.model.readout.scaling.scale == 1).all() and (run.model.encoding.scaling.scale == 1).all()


def test_a_configuration_without_it_is_as_before():
    sizes = dict(model="gnode", input_size=1, state_size=1, output_size=1)
    assert "scale" not in ModelConfig(**sizes).as_dict()
    assert ModelConfig(**sizes, scale="standard").as_dict()["scale"] == "standard"
