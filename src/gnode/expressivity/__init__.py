"""Expressivity: how complex a trajectory can a network of this kind generate, of itself?

An autonomous network (no input, learned initial state, linear readout) is trained to reproduce a trajectory; the
error is MSE
over variance. The targets have a dial of complexity; the capacity is the complexity at which the median error crosses a
tolerance. What is measured is trainable capacity at a budget, so the budget belongs to every number.
"""

from gnode.expressivity.advise import Advice, advise
from gnode.expressivity.measure import Capacity
from gnode.expressivity.measurement import capacity, errors, run_plan
from gnode.expressivity.plan import PRESETS, Architecture, Plan, read_plan
from gnode.expressivity.result import Result, load_result
from gnode.expressivity.targets import TARGETS, Family, draw_targets, read_trajectories

__all__ = [
    "PRESETS",
    "TARGETS",
    "Advice",
    "Architecture",
    "Capacity",
    "Family",
    "Plan",
    "Result",
    "advise",
    "capacity",
    "draw_targets",
    "errors",
    "load_result",
    "read_plan",
    "read_trajectories",
    "run_plan",
]
