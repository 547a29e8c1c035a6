"""See what a trained network has learned: any callable (batch, N) -> (batch, N) to its attractors and their kind."""

from gnode.analysis.fixed_points import FixedPoints, SlowPoints, fixed_points, slow_points
from gnode.analysis.memory import Memory, memory

__all__ = ["FixedPoints", "Memory", "SlowPoints", "fixed_points", "memory", "slow_points"]
