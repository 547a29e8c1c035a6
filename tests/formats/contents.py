"""What stored files say, in numbers: read by today's readers alone."""

from pathlib import Path
from typing import Any

import numpy as np

import gnode
from gnode.estimators import GatedODEClassifier, GatedODEForecaster
from gnode.examine.stored import read_stored
from gnode.expressivity import load_result
from gnode.files.plain import plain
from gnode.models import load_model, model_bytes
from gnode.sweeps import results
from gnode.training import RunDirectory
from gnode.training.loop import begin

SERIES = np.sin(np.arange(12)[None, :, None] * (0.3 + 0.1 * np.arange(8)[:, None, None])).astype("f4")
INPUTS = np.cos(np.arange(20, dtype="f4")).reshape(1, 10, 2)


def numbers_of(folder: Path) -> dict[str, Any]:
    """Of the archive that make.py writes, unpacked; names of files stand for what they hold."""
    run, own = RunDirectory.open(folder / "run"), RunDirectory.open(folder / "own")
    model, stored = load_model(folder / "run"), read_stored(folder / "run")
    state = run.read_checkpoint(begin(model))
    classifier, forecaster = (
        kind.load(folder / name)
        for kind, name in ((GatedODEClassifier, "classifier"), (GatedODEForecaster, "forecaster"))
    )
    runs, epochs = results.load(folder / "sweep"), results.load_epochs(folder / "sweep")
    measured = load_result(folder / "expressivity")
    return plain({
        "model.safetensors": model(INPUTS),
        "seed": gnode.models.seed_of(model),
        "bytes": len(model_bytes(model)),
        "config.toml": run.config()["training"]["lr"],
        "metrics.jsonl": [record["val_loss"] for record in run.metrics()],
        "summary.json": run.summary()["test_loss"],
        "checkpoint": [int(state.epoch), float(state.best_loss)],
        "snapshots": [float(np.sum(load_model(path)(INPUTS))) for _, path in run.snapshots()],
        "analysis.json": stored.numbers["timescales"] if stored else None,
        "analysis.npz": np.sort(stored.fixed_points.points, axis=None) if stored else None,
        "data": [own.data().digest(), own.config()["made_from"]["data"]],
        "results.parquet": [runs.columns.tolist(), runs["val_loss"], runs.attrs["axes"]],
        "epochs.parquet": epochs["train_loss"],
        "errors.parquet": measured.errors.select_dtypes("number").iloc[:, -1],
        "classifier": classifier.predict_proba(SERIES),
        "forecaster": forecaster.predict(SERIES, steps=3),
    })  # fmt: skip
