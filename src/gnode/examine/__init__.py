"""Examine: what is asked of a finished run. Every figure that two places show is computed here, once."""

from gnode.examine.analyse import analyse
from gnode.examine.evaluate import evaluate

__all__ = ["analyse", "evaluate"]
