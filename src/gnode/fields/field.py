"""The protocol of a field, and the options that fields are made from.

A field says how the state would move: `field(state, inputs) -> tau * dh/dt`. Every field here has the form

    tau dh/dt = gate(h, x) * (-h + candidate(h, x)),        * elementwise

(Kim, Can and Krishnamurthy, ICML 2023), so that what analysis asks of any of them, its gate and its candidate, has one
name. A field without a gate answers with ones.
"""

import abc
from dataclasses import dataclass

import equinox as eqx
from jax import Array
from jaxtyping import Float

from gnode.nn.dense import Apply, affine
from gnode.nn.feedforward import FeedForward


class Field(eqx.Module):
    """What every field obeys. Arrays end in the state dimension N or the input dimension D; any axes may lead: a state
    (..., N), inputs (..., D).

    Attributes:
        drive: the net in F; update, reset and gating are the nets of gates, where a field has them.
        gain: a learned scalar in front of F, or None.
        leak: whether the term -h is there.
        state_size, input_size: N and D.

    Fields apply their weight matrices only through `dense(layer, values)` (see gnode.nn.dense).
    """

    drive: eqx.AbstractVar[FeedForward]  # the net in F, whose weights critical initialisation scales
    gain: eqx.AbstractVar[Array | None]  # a learned scalar in front of F
    leak: eqx.AbstractVar[bool]  # whether the term -h is there
    state_size: eqx.AbstractVar[int]
    input_size: eqx.AbstractVar[int]

    @abc.abstractmethod
    def __call__(
        self, state: Float[Array, "*batch N"], inputs: Float[Array, "*batch D"], dense: Apply = affine
    ) -> Float[Array, "*batch N"]:
        """tau * dh/dt."""

    @abc.abstractmethod
    def gate(
        self, state: Float[Array, "*batch N"], inputs: Float[Array, "*batch D"], dense: Apply = affine
    ) -> Float[Array, "*batch N"]:
        """The rate of each unit in units of 1 / tau, in (0, 1]; ones where there is no gate."""

    @abc.abstractmethod
    def candidate(
        self, state: Float[Array, "*batch N"], inputs: Float[Array, "*batch D"], dense: Apply = affine
    ) -> Float[Array, "*batch N"]:
        """F(h, x): where the leak pulls the state to."""

    def gates(self) -> dict[str, FeedForward]:
        """The nets beside `drive` by what they do, "gate" and "reset", for who computes the field elsewhere.

        A field that is not of this form has no such nets to give; the report then draws no portrait to play with.
        """
        return {}


GATE_READS = ("both", "state", "input")


@dataclass(frozen=True)
class FieldOptions:
    """What a field is made from. All of it is plain data.

    Attributes:
        state_size: dimension N of the state, the phase-space dimension.
        input_size: dimension D of the input; 0 for an autonomous field.
        hidden: hidden widths of F; empty means one layer.
        gate_hidden: hidden widths of G.
        activation: nonlinearity of the hidden layers.
        candidate_activation: nonlinearity of F's last layer, "identity" or "tanh".
        gate_activation: nonlinearity of the gate's last layer, "sigmoid" or "steep-sigmoid".
        gate_bias: where the biases of the gate's last layer start; of a leaky nODE, the logit of its rates.
        layer_norm: normalise inside F and G.
        leak: keep the term -h.
        gain: a learned scalar in front of F, starting at 1.
        learn_rates: the constant rates of a leaky nODE are trained, one a unit; else all stay as they start.
        gate_reads: what the gate of a gnODE depends on: "both", "state" or "input".
    """

    state_size: int
    input_size: int
    hidden: tuple[int, ...]
    gate_hidden: tuple[int, ...]
    activation: str
    candidate_activation: str
    gate_activation: str
    gate_bias: float
    layer_norm: bool
    leak: bool
    gain: bool
    learn_rates: bool = True
    gate_reads: str = "both"
