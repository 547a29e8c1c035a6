"""h + (1 - exp(-gate * step)) * (F - h): exact where gate and F do not change over the step.

The exponential Euler method (Hochbruck and Ostermann, Acta Numerica 2010) with the leak as its linear part. However
long the step, the state ends between h and F: the rule for samples that come at any distance.
"""

import jax.numpy as jnp
from jax import Array

from gnode.fields import Field
from gnode.integrate.rules.rule import Rule
from gnode.nn.dense import Apply


def _advance(field: Field, state: Array, inputs: Array, step: Array | float, dense: Apply) -> Array:
    candidate = field.candidate(state, inputs, dense)
    gate = field.gate(state, inputs, dense)
    return state - jnp.expm1(-gate * step) * (candidate - state)


EXPONENTIAL_EULER = Rule(
    _advance, order=1, needs_leak=True, summary="exact for a gate and an F held over the step, however long it is"
)
