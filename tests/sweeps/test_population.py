"""Runs trained as one program by vmap against the same runs trained one by one."""

import dataclasses

import equinox as eqx
import numpy as np
import pytest

import gnode
from gnode.errors import InvalidInput
from gnode.files import alone
from gnode.models import ModelConfig, draw, trainable
from gnode.sweeps.population import train_group, train_together
from gnode.training import Settings, Trials, draw_data
from gnode.training.experiment import Experiment
from gnode.training.loop import begin, epochs
from gnode.training.score import Objective

MSE = Objective("mse", "samples", "skip")
TASK = gnode.tasks.make("ring", bins=20, frequency=4.0)
BASE = Settings(epochs=4, batch_size=5, train_trials=20, validation_trials=10, test_trials=1)
SETTINGS = [
    dataclasses.replace(BASE, seed=seed, lr=lr, weight_decay=decay, clip=clip)
    for seed, lr, decay, clip in ((0, 1e-2, 0.0, 1.0), (1, 1e-3, 0.3, 0.0), (2, 3e-2, 0.1, 0.1))
]


def model(seed, **changes):
    return draw(ModelConfig(model="gnode", input_size=2, state_size=3, output_size=2, hidden=(7,), **changes), seed)


@pytest.mark.parametrize("initial", ["first-input", pytest.param("fixed-random", marks=pytest.mark.full)])
def test_together_is_one_by_one_up_to_rounding(initial):
    models = [model(settings.seed, initial_state=initial) for settings in SETTINGS]
    data = [draw_data(TASK, settings) for settings in SETTINGS]
    train, validation = [one.train for one in data], [one.validation for one in data]
    together = list(train_together(models, MSE, SETTINGS, train, validation))
    for at, (one, settings) in enumerate(zip(models, SETTINGS, strict=True)):
        frozen = eqx.partition(one, trainable(one))[1]
        alone = list(epochs(frozen, MSE, settings, begin(one), train[at], validation[at]))
        for (_, train_loss, validation_loss, _), (_, record) in zip(together, alone, strict=True):
            assert train_loss[at] == pytest.approx(record.train_loss, rel=1e-4)
            assert validation_loss[at] == pytest.approx(record.val_loss, rel=1e-4)
        assert together[-1][0].best_epoch[at] == alone[-1][1].best_epoch


def test_a_run_that_diverges_leaves_the_others_alone():
    models, data = [model(0), model(1)], [draw_data(TASK, settings) for settings in SETTINGS[:2]]
    train, validation = [one.train for one in data], [one.validation for one in data]
    huge = Trials(train[1].inputs, train[1].targets * np.float32(1e25))
    *_, (_, calm, _, _) = train_together(models, MSE, SETTINGS[:2], train, validation)
    *_, (_, mixed, _, _) = train_together(models, MSE, SETTINGS[:2], [train[0], huge], validation)
    assert mixed[0] == calm[0] and not np.isfinite(mixed[1])


@pytest.mark.parametrize(
    ("models", "settings", "line"),
    [
        ([model(0), model(0, leak=False)], [BASE, BASE], "a difference in leak"),
        ([model(0), model(1)], [BASE, dataclasses.replace(BASE, batch_size=4)], "a difference in batch_size"),
        ([model(0)], [dataclasses.replace(BASE, patience=3)], "neither a curriculum nor patience"),
        ([], [], "at least one"),
    ],
)
def test_runs_of_unequal_shape_are_refused(models, settings, line):
    data = draw_data(TASK, BASE)
    with pytest.raises(InvalidInput, match=line):
        next(train_together(models, MSE, settings, [data.train] * len(models), [data.validation] * len(models)))


def test_runs_that_are_trained_together_hold_the_locks_of_their_directories(tmp_path):
    config = ModelConfig(model="rnn", input_size=2, state_size=2, output_size=2)
    settings = Settings(epochs=2, batch_size=2, train_trials=2, validation_trials=1, test_trials=1)
    experiments = [Experiment(gnode.tasks.make("ring", bins=4), config, seed, settings) for seed in (0, 1)]
    folders = [tmp_path / "one", tmp_path / "two"]
    assert [error for _, error in train_group(experiments, folders, until=1)] == [None, None]
    with alone(folders[1], "a training run"):
        outcomes = dict(train_group(experiments, folders, until=1))
    assert outcomes[0] is None and "Must have nobody else at work" in str(outcomes[1])
    ended = train_group(experiments, folders)
    assert next(ended) == (0, None)
    for folder in folders:
        with pytest.raises(InvalidInput, match="nobody else at work"), alone(folder, "a training run"):
            pass
    ended.close()
    for folder in folders:
        with alone(folder, "a training run"):
            pass
