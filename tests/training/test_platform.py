"""Programs are let go before a process has no room for more."""

from pathlib import Path

import jax
import pytest

import gnode
from gnode.training import platform


@pytest.mark.parametrize("many", [True, False])
def test_training_lets_programs_go_where_they_are_many(monkeypatch, many):
    if not Path("/proc/self/maps").exists():
        pytest.skip("no /proc/self/maps here, and no such limit")
    cleared = []
    monkeypatch.setattr(jax, "clear_caches", lambda: cleared.append(True))
    monkeypatch.setattr(platform, "MOST_MAPS", 0 if many else 10**9)
    model = gnode.models.make("rnn", input_size=2, state_size=2, output_size=2)
    gnode.train(model, gnode.tasks.make("ring", bins=4), epochs=1, batch_size=2, train_trials=2, validation_trials=1)
    assert bool(cleared) == many
