"""Training: (model, task or data, settings) to a run, and to a run directory."""

from gnode.series import Data, Series, Trials
from gnode.training.directory import RunDirectory
from gnode.training.progress import Silent, Watcher
from gnode.training.settings import Settings
from gnode.training.train import Interrupted, Run, draw_data, make_settings, train

__all__ = [
    "Data", "Interrupted", "Run", "RunDirectory", "Series", "Settings", "Silent", "Trials", "Watcher", "draw_data",
    "make_settings", "train",
]  # fmt: skip
