"""All that the pins reach for beside the names that stay. When the house changes, this file follows, and no other."""

from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np

import gnode
from gnode.series import Data, Trials
from gnode.sweeps.grid import read_plan
from gnode.training import make_settings
from gnode.training.loop import plan


def predict(model: Any, inputs: np.ndarray, first_targets: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """States (trials, time, N) and outputs (trials, time, D_out), where need be from the first targets."""
    return np.asarray(model.states(inputs, first_targets)), np.asarray(model(inputs, first_targets))


def arrays(model: Any) -> list[np.ndarray]:
    """Every array of a model, in an order that depends on its structure alone."""
    return [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))]


def fresh_model(config: dict[str, Any]) -> Any:
    """The model that training began with, from the table [model] of a config.toml."""
    return gnode.models.make(**config)


def data(stored: dict[str, np.ndarray]) -> Data:
    """A user's own three sets of trials, from the arrays "train.inputs", "train.targets", "train.mask" and so on."""
    parts = {}
    for part in ("train", "validation", "test"):
        parts[part] = Trials(
            **{name: stored[f"{part}.{name}"] for name in ("inputs", "targets", "mask") if f"{part}.{name}" in stored}
        )
    return Data(**parts)


def minibatches(trials: int, epoch: int, **settings: Any) -> np.ndarray:
    """The trials of an epoch's minibatches, (batches, batch)."""
    return plan(make_settings(**settings), trials, epoch).trials


def run_ids(experiment: str, preset: str) -> list[str]:
    """The ids of an experiment's runs, in their order."""
    return [run.id for run in read_plan(experiment, preset).runs]


def metrics(folder: Path) -> list[dict[str, float]]:
    """The lines of a run directory's metrics.jsonl."""
    return gnode.training.RunDirectory.open(folder).metrics()
