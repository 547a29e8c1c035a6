"""The classical Runge-Kutta step of fourth order (Kutta 1901), the input held still."""

from jax import Array

from gnode.fields import Field
from gnode.integrate.rules.rule import Rule
from gnode.nn.dense import Apply


def _advance(field: Field, state: Array, inputs: Array, step: Array | float, dense: Apply) -> Array:
    k1 = field(state, inputs, dense)
    k2 = field(state + step / 2 * k1, inputs, dense)
    k3 = field(state + step / 2 * k2, inputs, dense)
    k4 = field(state + step * k3, inputs, dense)
    return state + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


RK4 = Rule(
    _advance,
    order=4,
    needs_leak=False,
    summary="the classical Runge-Kutta step, four evaluations a sample",
    longest=2.785293563405282,  # where 1 - z + z^2/2 - z^3/6 + z^4/24 is 1 again
)
