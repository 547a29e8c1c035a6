"""What an integrator answers with."""

import equinox as eqx
from jax import Array
from jaxtyping import Float, Int


class Path(eqx.Module):
    """The way of the state.

    Attributes:
        states: (trials, time, N), the state at each sample. Where a solve failed, the samples that it did not reach
            hold the last state that it did reach, or the start.
        failed: (trials,), 0 where all went well, else a key of gnode.integrate.flow.FAILURES.
        until: (trials,), how many samples were reached.
    """

    states: Float[Array, "trials time N"]
    failed: Int[Array, " trials"]
    until: Int[Array, " trials"]
