"""Tiny runs that the tests of the report share."""

from pathlib import Path

import pytest

import gnode
from gnode.training import Interrupted
from gnode.training.progress import Silent

TINY = dict(batch_size=10, train_trials=40, validation_trials=10, test_trials=10)


class StopAfter(Silent):
    """Presses Ctrl-C after an epoch."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    def epoch(self, record) -> None:
        if record.epoch == self._epoch:
            raise KeyboardInterrupt


def tiny(out: Path, task="ring", *, model="gnode", size=2, epochs=6, watcher=None, **options) -> Path:
    """A run directory after a few epochs."""
    task = task if hasattr(task, "sample") else gnode.tasks.make(task, **options)
    trials = task.sample(1, seed=0)
    hidden = {"hidden": (8,)} if model in ("gnode", "node") else {}
    made = gnode.models.make(
        model,
        input_size=trials.inputs.shape[-1],
        state_size=size,
        output_size=trials.targets.shape[-1],
        seed=1,
        **hidden,
    )
    gnode.train(made, task, out=out, epochs=epochs, lr=1e-2, snapshot_every=2, watcher=watcher, **TINY)
    return out


@pytest.fixture(scope="session")
def make_run():
    return tiny


@pytest.fixture(scope="session")
def plane_run(tmp_path_factory) -> Path:
    """N = 2 on the ring, with snapshots."""
    return tiny(tmp_path_factory.mktemp("runs") / "plane")


@pytest.fixture(scope="session")
def space_run(tmp_path_factory) -> Path:
    """N = 3 on the ring, with snapshots."""
    return tiny(tmp_path_factory.mktemp("runs") / "space", size=3)


@pytest.fixture(scope="session")
def stopped_run(tmp_path_factory) -> Path:
    """A run that was interrupted after its third epoch."""
    out = tmp_path_factory.mktemp("runs") / "stopped"
    with pytest.raises(Interrupted):
        tiny(out, watcher=StopAfter(3))
    return out


@pytest.fixture(scope="session")
def own_run(tmp_path_factory) -> Path:
    """A run on trials of the user's own, of which the directory keeps nothing."""
    task = gnode.tasks.make("square")
    out = tmp_path_factory.mktemp("runs") / "own"
    data = gnode.training.Data(*(task.sample(20, seed=seed) for seed in (1, 2, 3)))
    model = gnode.models.make("gnode", input_size=2, state_size=2, output_size=2, hidden=(8,), seed=1)
    gnode.train(model, data, out=out, epochs=3, batch_size=10)
    return out
