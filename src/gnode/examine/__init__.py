"""Examine: what is asked of a finished run. Every figure that two places show is computed here, once."""

from gnode.examine.analyse import analyse
from gnode.examine.evaluate import evaluate
from gnode.examine.predict import Predictions, predict
from gnode.examine.stored import evidence_of

__all__ = ["Predictions", "analyse", "evaluate", "evidence_of", "predict"]
