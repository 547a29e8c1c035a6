"""What version 0.1.0 drew from a seed, later versions draw: trials, minibatches, ids of runs, the first epochs."""

import hashlib
import json
from pathlib import Path

import internals
import numpy as np
import pytest
from agreement import agree

import gnode

DATA = Path(__file__).parent / "data"
DRAWS, ORDERS, RUN_IDS, METRICS = (
    json.loads((DATA / f"{name}.json").read_text()) for name in ("draws", "orders", "run_ids", "metrics")
)


@pytest.mark.parametrize("name", DRAWS)
def test_trials_of_a_task(name):
    task, seed = name.split()
    trials = gnode.tasks.make(task).sample(20, seed=int(seed))
    for part, (dtype, shape, digest) in DRAWS[name].items():
        drawn = np.asarray(getattr(trials, part))
        assert (str(drawn.dtype), list(drawn.shape)) == (dtype, shape)
        assert hashlib.sha256(np.ascontiguousarray(drawn)).hexdigest() == digest


@pytest.mark.parametrize("pinned", ORDERS, ids=lambda pinned: f"seed {pinned['seed']} epoch {pinned['epoch']}")
def test_order_of_minibatches(pinned):
    order = internals.minibatches(10, pinned["epoch"], seed=pinned["seed"], batch_size=4)
    np.testing.assert_array_equal(order, pinned["order"])


@pytest.mark.parametrize("pinned", RUN_IDS, ids=lambda pinned: f"{pinned['experiment']} {pinned['preset']}")
def test_ids_of_an_experiments_runs(pinned):
    ids = internals.run_ids(pinned["experiment"], pinned["preset"])
    assert (ids[0], ids[-1], len(ids)) == (pinned["first"], pinned["last"], pinned["count"])
    assert hashlib.sha256("\n".join(ids).encode()).hexdigest() == pinned["sha256"]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in ("gnode", "rnn") else pytest.mark.full) for name in METRICS]
)
def test_first_epochs_on_the_ring(name, tmp_path):
    pinned = METRICS[name]
    task = gnode.tasks.make("ring", bins=12, frequency=3.0)
    gnode.train(internals.fresh_model(pinned["model"]), task, out=tmp_path / "run", **pinned["settings"])
    for line, pinned_line in zip(internals.metrics(tmp_path / "run"), pinned["lines"], strict=True):
        assert all(agree(line[key], value) for key, value in pinned_line.items()), (line, pinned_line)
