"""Settings under which hardly any network learned are told of, and others are not."""

import numpy as np
import pytest

import gnode
from gnode.series import Data, Trials
from gnode.training.progress import Silent


class Notes(Silent):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def notes(model: str, settings: dict, **options) -> list[str]:
    made = gnode.models.make(model, input_size=1, state_size=4, output_size=1, **options)
    trials = Trials(np.zeros((2, 3, 1)), np.zeros((2, 3, 1)))
    watcher = Notes()
    gnode.train(made, Data(trials, trials, trials), epochs=1, batch_size=1, watcher=watcher, **settings)
    return watcher.notes


@pytest.mark.parametrize(
    ("model", "settings", "options", "said"),
    [
        ("gnode", {"lr": 0.1}, {"hidden": [8]}, ["rate of 0.1 or more"]),
        ("gnode", {"lr": 0.03}, {"hidden": [8]}, []),
        ("gru", {"lr": 0.1}, {}, []),
        ("node", {"lr": 1e-3}, {"hidden": [64], "initial_gain": 8.0}, ["spectral radius is above 1"]),
        ("node", {"lr": 1e-3}, {"hidden": [64], "initial_gain": 1.1}, []),
        ("node", {"lr": 1e-3}, {"hidden": [64], "initial_gain": 8.0, "layer_norm": True}, []),
        ("node", {"lr": 0.5}, {"hidden": [64], "initial_gain": 8.0}, ["rate of 0.1", "spectral radius"]),
    ],
)
def test_what_hardly_ever_learned_is_told_of(model, settings, options, said):
    found = notes(model, settings, **options)
    assert len(found) == len(said)
    assert all(part in note for part, note in zip(said, found, strict=True))
