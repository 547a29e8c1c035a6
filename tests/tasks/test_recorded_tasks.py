"""What tasks make of data sets: times, standardisation, missing samples; and fields that cannot be."""

import numpy as np
import pytest

import gnode
from gnode.data import character_trajectories, walker2d
from gnode.errors import InvalidInput
from gnode.fields import FIELDS
from gnode.models import draw, model_table
from gnode.training.experiment import assemble, experiment_from
from gnode.training.settings import Settings
from gnode.training.train import configuration


@pytest.fixture
def folder(data_folder, monkeypatch):
    monkeypatch.setenv("GNODE_DATA", str(data_folder))


def test_the_windows_of_walker2d_as_trials(folder):
    data = gnode.tasks.make("walker2d").data()
    parts = (data.train, data.validation, data.test)
    assert [len(part) for part in parts] == [9684, 1272, 1937]
    test = data.test
    assert np.mean((test.inputs.astype(float) - test.targets) ** 2) == pytest.approx(4.538, abs=5e-4)
    frames = test.series.elapsed(0.008)[:, 1:] / 0.008
    official = walker2d.windows(gnode.data.load("walker2d"))["test"].elapsed[:, 1:]
    np.testing.assert_allclose(frames, official, rtol=1e-12)
    assert test.targets.dtype == np.float32 and test.mask is None


@pytest.mark.parametrize("dropped", [0.0, 0.7])
def test_characters_as_trials(folder, dropped):
    data = gnode.tasks.make("character-trajectories-half", dropped=dropped, split=1).data()
    half = gnode.data.load("character-trajectories-half")
    parts = character_trajectories.split(half.labels, 1)
    for trials, numbers in zip((data.train, data.validation, data.test), parts.values(), strict=True):
        np.testing.assert_array_equal(trials.targets, half.labels[numbers])
        lengths = np.array([len(half.series[at]) for at in numbers])
        np.testing.assert_array_equal(trials.series.valid.sum(axis=1), lengths - (dropped * lengths).astype(int))
        for at in (0, len(numbers) - 1):  # a sample that stayed is at its own time still
            there = trials.series.valid[at]
            samples = np.round(trials.series.times[at][there] / 0.005).astype(int)
            np.testing.assert_array_equal(trials.inputs[at][there], half.series[numbers[at]][samples])
    assert "".join(data.classes) == "abcdeghlmnopqrsuvwyz"


def test_words_as_trials(folder):
    data = gnode.tasks.make("speech-commands").data()
    assert data.test.series.clock is None and data.test.series.shape[1:] == (161, 20)
    assert data.classes[:3] == ("yes", "no", "up")


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("walker2d", {"keep": 0.0}, "keep a number above 0 and at most 1, instead got 0.0"),
        ("walker2d", {"keep": 1.1}, "keep a number above 0 and at most 1, instead got 1.1"),
        ("character-trajectories", {"dropped": 1.0}, "dropped a number from 0 to 0.95, instead got 1.0"),
        ("character-trajectories-half", {"dropped": "30 %"}, "dropped a number from 0 to 0.95, instead got '30 %'"),
        ("character-trajectories", {"split": -1}, "split an integer of at least 0, instead got -1"),
        ("speech-commands", {"split": 0.5}, "split an integer of at least 0, instead got 0.5"),
        ("speech-commands", {"dropped": 0.3}, "a speech-commands option out of split"),
    ],
)
def test_impossible_fields_are_refused(name, options, words):
    with pytest.raises(InvalidInput, match=words):
        gnode.tasks.make(name, **options)


def test_numbers_of_trials_are_refused_where_sets_are_fixed():
    model = gnode.models.make("rnn", input_size=20, state_size=2, output_size=10)
    with pytest.raises(InvalidInput, match=r"no train_trials, .* for speech-commands, whose sets are fixed"):
        gnode.train(model, gnode.tasks.make("speech-commands"), train_trials=100)


RECORDED = [name for name, kind in gnode.tasks.TASKS.items() if issubclass(kind, gnode.tasks.RecordedTask)]


@pytest.mark.parametrize("task", RECORDED)
@pytest.mark.parametrize("model", FIELDS)
def test_a_data_set_has_defaults_of_its_own_for_every_model(task, model):
    """What the user does not name is the data set's; keys that a model does not read are left out."""
    experiment = experiment_from(task, {"model": model})
    wanted = experiment.task.training_defaults
    assert wanted["batch_size"] == 32 and experiment.model.state_size == wanted["state_size"] == 64
    assert experiment.model.hidden == (wanted["hidden"] if FIELDS[model].hidden is not None else ())
    assert experiment.settings == Settings(**{key: wanted[key] for key in wanted if hasattr(Settings, key)})
    reads = "gate_bias" in FIELDS[model].reads
    assert experiment.model.gate_bias == (wanted.get("gate_bias", 0.0) if reads else 0.0)
    draw(experiment.model, 0)


def test_what_the_user_names_wins_over_the_defaults_of_a_data_set():
    options = {"epochs": 3, "hidden": [4], "input_noise": 0.0, "gate_bias": 1.0, "tau": 1.0, "integrator": "tsit5"}
    experiment = experiment_from("character-trajectories", options)
    assert experiment.model.hidden == (4,) and experiment.model.gate_bias == experiment.model.tau == 1.0
    assert experiment.settings.epochs == 3 and experiment.settings.input_noise == 0.0
    assert experiment.settings.batch_size == 32 and experiment.model.integrator == "tsit5"
    tables = {"task": {"name": "walker2d"}, "model": {"model": "gru"}, "training": {"lr": 1e-3}}
    file = assemble(tables, {})
    assert file.settings.lr == 1e-3 and file.settings.epochs == 20 and file.model.readout_hidden == (128,)


def test_a_file_of_a_run_on_a_data_set_says_all():
    """Defaults that gnode leaves out of files are not taken for keys that the user left to the data set."""
    plain = experiment_from("character-trajectories", {"input_noise": 0.0, "gate_bias": 0.0, "integrator": "euler"})
    written = configuration(plain.task, model_table(draw(plain.model, 0)), plain.settings)
    assert "input_noise" not in written["training"] and "integrator" not in written["model"]
    again = assemble(written, {})
    assert again.settings == plain.settings and again.model == plain.model
