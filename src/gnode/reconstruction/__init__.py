"""From recordings to dynamics: fit an ensemble of small networks, look inside, and say what can be trusted."""

from gnode.reconstruction.fit import Plan
from gnode.reconstruction.result import SUMMARY, Reconstruction, load_reconstruction, reconstruct

__all__ = ["SUMMARY", "Plan", "Reconstruction", "load_reconstruction", "reconstruct"]
