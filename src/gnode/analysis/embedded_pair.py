"""A step of an embedded Runge-Kutta pair of orders five and four, whose difference says how far off it is."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

# Cash and Karp, ACM Transactions on Mathematical Software 16 (1990), table 1. Of the pairs of these orders it is one
# that needs no slope of the step before or after: tangent vectors are made orthogonal between steps, and would lose it.
_STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (3 / 10, -9 / 10, 6 / 5),
    (-11 / 54, 5 / 2, -70 / 27, 35 / 27),
    (1631 / 55296, 175 / 512, 575 / 13824, 44275 / 110592, 253 / 4096),
)
_FIFTH = (37 / 378, 0.0, 250 / 621, 125 / 594, 0.0, 512 / 1771)
_FOURTH = (2825 / 27648, 0.0, 18575 / 48384, 13525 / 55296, 277 / 14336, 1 / 4)
_DIFFERENCE = tuple(fifth - fourth for fifth, fourth in zip(_FIFTH, _FOURTH, strict=True))

_STACKED = tuple(np.array(weights) for weights in _STAGES)
_BOTH = np.array([_FIFTH, _DIFFERENCE])

_SAFETY, _LEAST, _MOST = 0.9, 0.2, 5.0  # of the change of a step, as is usual (Hairer, Norsett and Wanner, II.4)


def cash_karp(slopes: Callable[[Any], Any], states: Any, sizes: Any) -> tuple[Any, Any]:
    """States after a step of these sizes, to order five, and by how much order four differs from it.

    Args:
        slopes: d states / dt, in any array framework.
        states: of any shape.
        sizes: of the step, of a shape that multiplies the states.
    """
    stages = [slopes(states)]
    for weights in _STAGES:
        stages.append(slopes(states + sizes * _weighted(weights, stages)))
    return states + sizes * _weighted(_FIFTH, stages), sizes * _weighted(_DIFFERENCE, stages)


def stacked_cash_karp(
    slopes: Callable[[np.ndarray], np.ndarray], states: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The same in NumPy, by few calls: stages lie in one array, and each of their sums is one product."""
    stages = np.empty((6, *states.shape))
    flat = stages.reshape(6, -1)
    stages[0] = slopes(states)
    for stage, weights in enumerate(_STACKED, start=1):
        stages[stage] = slopes(states + sizes * weights.dot(flat[:stage]).reshape(states.shape))
    step, difference = _BOTH.dot(flat).reshape(2, *states.shape)
    return states + sizes * step, sizes * difference


def change_of_size(numbers: Any, ratio: Any) -> Any:
    """The factor for the next step, from the error of this one as a multiple of what is allowed; NaN counts as much.

    Args:
        numbers: the module of the array framework, numpy or jax.numpy.
    """
    factor = _SAFETY * numbers.maximum(ratio, 1e-12) ** -0.2
    return numbers.where(numbers.isnan(ratio), _LEAST, numbers.clip(factor, _LEAST, _MOST))


def _weighted(weights: Sequence[float], stages: Sequence[Any]) -> Any:
    terms = [weight * stage for weight, stage in zip(weights, stages, strict=True) if weight]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
