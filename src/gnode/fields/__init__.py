"""Fields: how the state would move. A new one is a file here and a line in FIELDS."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gnode.fields.field import Field, FieldOptions
from gnode.fields.gnode import GatedField, draw_gnode
from gnode.fields.gru import GRUField, draw_gru
from gnode.fields.leaky_node import LeakyField, draw_leaky_node
from gnode.fields.node import UngatedField, draw_node

__all__ = ["FIELDS", "Field", "FieldKind", "FieldOptions", "GRUField", "GatedField", "LeakyField", "UngatedField"]


@dataclass(frozen=True)
class FieldKind:
    """A registered kind of field.

    Attributes:
        draw: a random field from a generator and options.
        hidden: the hidden widths of F where the user names none; None where F is a single layer by definition.
        reads: the options of FieldOptions, beside sizes and widths of F, that mean anything to it; "learn_gates" where
            its gates may be kept from training.
        candidate_activation: nonlinearity of F's last layer where the user names none.
        summary: one line for `gnode list models`.
    """

    draw: Callable[[np.random.Generator, FieldOptions], Field]
    hidden: tuple[int, ...] | None
    reads: frozenset[str]
    candidate_activation: str
    summary: str


_PLAIN = frozenset({"candidate_activation", "layer_norm", "leak", "gain"})
_GATED = _PLAIN | {"gate_activation", "gate_bias"}
_GATES = {"gate_reads", "learn_gates"}
_DEEP, _DEEP_GATED = _PLAIN | {"activation"}, _GATED | {"activation", "gate_hidden"}

FIELDS: dict[str, FieldKind] = {
    "gnode": FieldKind(
        draw_gnode, (128, 128), _DEEP_GATED | _GATES, "identity", "gated neural ODE: G(h,x) * (-h + F(h,x))"
    ),
    "node": FieldKind(draw_node, (128, 128), _DEEP, "identity", "neural ODE: -h + F(h,x)"),
    "leaky-node": FieldKind(
        draw_leaky_node,
        (128, 128),
        _DEEP | {"gate_bias", "learn_rates"},
        "identity",
        "leaky neural ODE: rate * (-h + F(h,x)), a constant rate for each unit",
    ),
    "mgru": FieldKind(draw_gnode, None, _GATED | _GATES, "tanh", "minimal GRU: the gnODE whose F is one tanh layer"),
    "gru": FieldKind(draw_gru, None, _GATED, "tanh", "GRU in continuous time, with update and reset gates"),
    "rnn": FieldKind(draw_node, None, _PLAIN, "tanh", "RNN: the nODE whose F is one tanh layer"),
}
