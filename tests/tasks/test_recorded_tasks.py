"""What tasks make of data sets: times, standardisation, missing samples; and fields that cannot be."""

import numpy as np
import pytest

import gnode
from gnode.data import character_trajectories, walker2d
from gnode.errors import InvalidInput
from gnode.tasks.recorded import standardised


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
    seen = data.train.series.values[data.train.series.valid].astype(float)
    np.testing.assert_allclose(seen.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(seen.std(axis=0), 1, atol=1e-5)
    for trials, numbers in zip((data.train, data.validation, data.test), parts.values(), strict=True):
        np.testing.assert_array_equal(trials.targets, half.labels[numbers])
        lengths = np.array([len(half.series[at]) for at in numbers])
        np.testing.assert_array_equal(trials.series.valid.sum(axis=1), lengths - (dropped * lengths).astype(int))
    # A sample that stayed is at its own time still: values times spread plus mean are those of the set.
    everything = gnode.tasks.make("character-trajectories-half", split=1).data().test
    stamps = data.test.series.times[0][data.test.series.valid[0]]
    found = data.test.inputs[0][data.test.series.valid[0]]
    original = half.series[parts["test"][0]][np.round(stamps / 0.005).astype(int)]
    slope, shift = np.polyfit(original[:, 0], found[:, 0], 1)
    np.testing.assert_allclose(found[:, 0], slope * original[:, 0] + shift, atol=1e-4)
    assert everything.series.longest == max(len(half.series[at]) for at in parts["test"])


def test_words_are_standardised_on_training_clips(folder):
    data = gnode.tasks.make("speech-commands").data()
    np.testing.assert_allclose(data.train.inputs.mean(axis=(0, 1), dtype=float), 0, atol=1e-4)
    np.testing.assert_allclose(data.train.inputs.std(axis=(0, 1), dtype=float), 1, atol=1e-4)
    assert data.test.series.clock is None and data.test.series.shape[1:] == (161, 20)


def test_standardisation_looks_at_training_series_alone():
    series = [np.array([[0.0, 10.0], [2.0, 30.0]]), np.array([[4.0, 50.0]]), np.array([[1e6, -1e6]])]
    scaled = standardised(series, np.array([0, 1]))
    seen = np.concatenate(scaled[:2])
    np.testing.assert_allclose(seen.mean(axis=0), 0, atol=1e-7)
    np.testing.assert_allclose(seen.std(axis=0), 1, rtol=1e-6)
    assert scaled[2][0] == pytest.approx([(1e6 - 2) / np.sqrt(8 / 3), (-1e6 - 30) / np.sqrt(800 / 3)])


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
