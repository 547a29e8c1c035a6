"""The protocol of a step rule."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from jax import Array

from gnode.fields import Field
from gnode.nn.dense import Apply

# (field, state (*batch, N), inputs (*batch, D), step, dense) -> state (*batch, N). The step is elapsed time in units of
# tau; it broadcasts against the state. At step 0 the state stays as it is, to the bit.
Advance = Callable[[Field, Array, Array, Array | float, Apply], Array]


@dataclass(frozen=True)
class Rule:
    """A registered step rule: how a field moves the state while the input is held still.

    Attributes:
        advance: one step. It reaches weight matrices through `dense` alone, so that the adjoint can replay it.
        order: of the error over a fixed time, for a smooth field.
        needs_leak: whether the field must have the term -h.
        summary: one line for `gnode list integrators`.
        longest: the longest step, in units of tau, over which the leak alone, h' = -h, does not grow.
    """

    advance: Advance
    order: int
    needs_leak: bool
    summary: str
    longest: float = math.inf
