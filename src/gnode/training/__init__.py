"""Training: (model, task or data, settings) to a run, and to a run directory."""

from gnode.training.directory import RunDirectory
from gnode.training.settings import Settings
from gnode.training.train import Data, Interrupted, Run, draw_data, make_settings, train

__all__ = ["Data", "Interrupted", "Run", "RunDirectory", "Settings", "draw_data", "make_settings", "train"]
