"""h + step * field(h, x): what recurrent networks do, one step a sample."""

from jax import Array

from gnode.fields import Field
from gnode.integrate.rules.rule import Rule
from gnode.nn.dense import Apply


def _advance(field: Field, state: Array, inputs: Array, step: Array | float, dense: Apply) -> Array:
    return state + step * field(state, inputs, dense)


EULER = Rule(
    _advance,
    order=1,
    needs_leak=False,
    summary="h + step * field(h, x): the map that recurrent networks are",
    longest=2.0,
)
