"""Values of a function and how they move along tangent vectors: by automatic differentiation, or by differences."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gnode.analysis.differences import spacing

_LARGEST_REACH = 0.03  # of a difference, as a share of the trajectory's extent

Pushed = Callable[[Any], Any]  # (B, 1 + k, N): states and tangent vectors -> values and their derivatives along them


def by_autodiff(values: Callable[[Any], Any]) -> Pushed:
    """By JAX's forward mode, all tangent vectors in one call. values: (B, N) -> (B, N)."""

    def push(together: Any) -> Any:
        following, forwards = jax.linearize(values, together[:, 0])
        moved = jax.vmap(forwards, in_axes=1, out_axes=1)(together[:, 1:])
        return jnp.concatenate([following[:, None], moved], axis=1)

    return push


def by_differences(numbers: Any, values: Callable[[Any], Any], reach: Any) -> Pushed:
    """By central differences along the tangent vectors, states and all of them in one call of `values`.

    A difference is the derivative of the function as it is called, whatever its framework thinks of it.

    Args:
        numbers: numpy or jax.numpy.
        reach: (B,), the tangent vectors' multiple by which to move; see `reach_of`.
    """

    width = reach[:, None, None]
    per_width = 0.5 / width

    def push(together: Any) -> Any:
        states = together[:, :1]
        moves = width * together[:, 1:]
        rows = numbers.concatenate([states, states + moves, states - moves], axis=1)
        answers = values(rows.reshape(-1, rows.shape[2])).reshape(rows.shape)
        count = moves.shape[1]
        slopes = (answers[:, 1 : 1 + count] - answers[:, 1 + count :]) * per_width
        return numbers.concatenate([answers[:, :1], slopes], axis=1)

    return push


def reach_of(precision: float, states: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """How far differences reach (B,), in units of `lengths` (B, N): balances rounding and curvature.

    The error of the derivative that is left is about its square.
    """
    return np.minimum(np.cbrt(spacing(states, lengths, precision)), _LARGEST_REACH)
