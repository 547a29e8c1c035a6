"""Writes every kind of file that is stored, and what it says, into one archive: kept for ever, one for each format.

python tests/formats/make.py        writes tests/formats/data/<format>.zip; never again for a format that is there
"""

import json
import sys
import tempfile
import zipfile
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
from contents import SERIES, numbers_of

import gnode
from gnode.estimators import GatedODEClassifier, GatedODEForecaster
from gnode.examine.analyse import analyse
from gnode.expressivity.measurement import run_plan
from gnode.expressivity.plan import RNN, Plan
from gnode.series import Data
from gnode.sweeps import sweep as sweeping
from gnode.sweeps.grid import read_plan
from gnode.workers import attempt

FORMAT = 1
DATA = Path(__file__).parent / "data"
EXPERIMENT = """
[task]
name = "ring"
bins = 10
[model]
model = "rnn"
state_size = 2
[training]
epochs = 1
batch_size = 4
train_trials = 8
validation_trials = 4
test_trials = 4
[grid]
lr = [1e-2, 1e-3]
"""


def make(folder: Path) -> None:
    task = gnode.tasks.make("ring", bins=10)
    model = gnode.models.make("gnode", input_size=2, state_size=2, output_size=2, hidden=(4,), seed=1)
    sizes = dict(train_trials=8, validation_trials=4, test_trials=4)
    gnode.train(model, task, out=folder / "run", epochs=2, batch_size=4, snapshot_every=1, **sizes)
    analyse(folder / "run")
    data = Data(*(task.sample(4, seed=seed) for seed in range(3)))
    gnode.train(model, data, out=folder / "own", epochs=1, batch_size=4)
    sweep(folder)
    plan = Plan(
        architectures=(RNN,), state_sizes=(2,), complexities=(2.0, 4.0), count=2, bins=8, durations=(1.6,), steps=(20,)
    )
    run_plan(plan, folder / "expressivity", workers=1)
    options = dict(model="rnn", state_size=2, epochs=2, batch_size=2, seed=0)
    labels = np.array(["low", "high"] * 4)
    GatedODEClassifier(**options).fit(SERIES, labels).save(folder / "classifier")
    GatedODEForecaster(**options).fit(SERIES).save(folder / "forecaster")


def sweep(folder: Path) -> None:
    """The runs in this process; only the tables and folders matter."""

    def in_turn(runs, jobs, address, workers):
        yield from ((job, attempt(partial(sweeping.train_in_place, runs), job)) for job in jobs)

    (folder / "experiment.toml").write_text(EXPERIMENT)
    with mock.patch.dict(sweeping.WAYS, local=in_turn):
        sweeping.run_sweep(read_plan(folder / "experiment.toml"), folder / "sweep")


def main() -> None:
    target = DATA / f"{FORMAT}.zip"
    if target.exists():
        sys.exit(f"{target} is there: what a format was is not written again.")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make(folder)
        (folder / "numbers.json").write_text(json.dumps(numbers_of(folder), indent=1))
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_file() and path.name != ".lock":
                    archive.write(path, path.relative_to(folder))


if __name__ == "__main__":
    main()
