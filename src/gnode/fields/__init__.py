"""Fields: how the state would move. A new one is a file here and a line in FIELDS."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gnode.fields.field import Field, FieldOptions
from gnode.fields.gnode import GatedField, draw_gnode
from gnode.fields.gru import GRUField, draw_gru
from gnode.fields.node import UngatedField, draw_node

__all__ = ["FIELDS", "Field", "FieldKind", "FieldOptions", "GRUField", "GatedField", "UngatedField"]


@dataclass(frozen=True)
class FieldKind:
    """A registered kind of field.

    Attributes:
        draw: a random field from a generator and options.
        hidden: the hidden widths of F where the user names none; None where F is a single layer by definition.
        reads: the options of FieldOptions, beside sizes and widths of F, that mean anything to it.
        candidate_activation: nonlinearity of F's last layer where the user names none.
        summary: one line for `gnode list models`.
    """

    draw: Callable[[np.random.Generator, FieldOptions], Field]
    hidden: tuple[int, ...] | None
    reads: frozenset[str]
    candidate_activation: str
    summary: str


_EVERY = frozenset({"candidate_activation", "layer_norm", "leak", "gain"})
_GATE = frozenset({"gate_activation", "gate_bias"})

FIELDS: dict[str, FieldKind] = {
    "gnode": FieldKind(
        draw_gnode,
        hidden=(128, 128),
        reads=_EVERY | _GATE | {"activation", "gate_hidden"},
        candidate_activation="identity",
        summary="gated neural ODE: G(h,x) * (-h + F(h,x))",
    ),
    "node": FieldKind(
        draw_node,
        hidden=(128, 128),
        reads=_EVERY | {"activation"},
        candidate_activation="identity",
        summary="neural ODE: -h + F(h,x)",
    ),
    "mgru": FieldKind(
        draw_gnode,
        hidden=None,
        reads=_EVERY | _GATE,
        candidate_activation="tanh",
        summary="minimal GRU: the gnODE whose F is one tanh layer",
    ),
    "gru": FieldKind(
        draw_gru,
        hidden=None,
        reads=_EVERY | _GATE,
        candidate_activation="tanh",
        summary="GRU in continuous time, with update and reset gates",
    ),
    "rnn": FieldKind(
        draw_node,
        hidden=None,
        reads=_EVERY,
        candidate_activation="tanh",
        summary="RNN: the nODE whose F is one tanh layer",
    ),
}
