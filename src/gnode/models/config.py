"""What determines a model, as plain data: it travels in the header of a saved model and in config.toml."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from gnode.errors import look_up, must_have
from gnode.fields import FIELDS, FieldOptions
from gnode.integrate import SCANS
from gnode.models.initial import INITIAL_STATES
from gnode.nn.activations import ACTIVATIONS


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Everything that determines a freshly made model.

    Attributes:
        model: "gnode", "node", "mgru", "gru" or "rnn".
        input_size, state_size, output_size: D, N and the number of outputs.
        hidden: hidden widths of F; gnode and node only, whose default is 128, 128; empty means one layer.
        gate_hidden: hidden widths of the gate G; gnode only; empty means one layer.
        activation: nonlinearity of hidden layers.
        candidate_activation: nonlinearity of F's last layer; by default identity for gnode and node, tanh for the rest.
        gate_activation: "sigmoid" or "steep-sigmoid".
        gate_bias: where the biases of the gate's last layer start; negative for slow units.
        layer_norm: layer normalisation inside F and G.
        leak: keep the term -h.
        gain: a learned scalar in front of F.
        critical: critical initialisation of F (gnode.nn.critical).
        readout_hidden: hidden widths of the readout; empty means a linear readout.
        initial_state: "learned", "fixed-random", "first-input" or "first-target".
        initial_hidden: hidden widths of the net that maps the first input or target to the initial state.
        dt: length of a bin, seconds.
        tau: time constant, seconds.
        gradient: "adjoint" (hand-written, faster) or "autodiff".
        seed: of the random weights.
    """

    model: str
    input_size: int
    state_size: int
    output_size: int
    hidden: tuple[int, ...] | None = None
    gate_hidden: tuple[int, ...] = ()
    activation: str = "relu"
    candidate_activation: str | None = None
    gate_activation: str = "sigmoid"
    gate_bias: float = 0.0
    layer_norm: bool = False
    leak: bool = True
    gain: bool = False
    critical: bool = False
    readout_hidden: tuple[int, ...] = ()
    initial_state: str = "first-input"
    initial_hidden: tuple[int, ...] = ()
    dt: float = 0.01
    tau: float = 0.01
    gradient: str = "adjoint"
    seed: int = 0

    def __post_init__(self) -> None:
        kind = look_up("model", self.model, FIELDS)
        for name in ("hidden", "gate_hidden", "readout_hidden", "initial_hidden"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _widths(name, value))
        for name, least in (("input_size", 0), ("state_size", 1), ("output_size", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                must_have(f"{name} an integer of at least {least}", repr(value))
        for name in ("dt", "tau"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not 0 < value < float("inf"):
                must_have(f"{name} a positive number of seconds", repr(value))
            object.__setattr__(self, name, float(value))
        for name in ("layer_norm", "leak", "gain", "critical"):
            if not isinstance(getattr(self, name), bool):
                must_have(f"{name} true or false", repr(getattr(self, name)))
        if isinstance(self.gate_bias, bool) or not isinstance(self.gate_bias, (int, float)):
            must_have("gate_bias a number", repr(self.gate_bias))
        object.__setattr__(self, "gate_bias", float(self.gate_bias))
        if kind.hidden is None and self.hidden:
            must_have(
                f"no hidden widths for {self.model}, whose F is a single layer",
                list(self.hidden),
                "Use gnode or node, or leave hidden out.",
            )
        if self.gate_hidden and self.model != "gnode":
            must_have(f"no gate_hidden for {self.model}", list(self.gate_hidden), "Only gnode's gate can be deeper.")
        if self.hidden is None:
            object.__setattr__(self, "hidden", kind.hidden or ())
        if self.candidate_activation is None:
            object.__setattr__(self, "candidate_activation", kind.candidate_activation)
        look_up("activation", self.activation, ACTIVATIONS)
        look_up("candidate_activation", str(self.candidate_activation), ACTIVATIONS)
        if self.gate_activation not in ("sigmoid", "steep-sigmoid"):
            must_have("gate_activation sigmoid or steep-sigmoid", repr(self.gate_activation))
        look_up("initial_state", self.initial_state, INITIAL_STATES)
        look_up("gradient", self.gradient, SCANS)
        if self.critical and not self.leak:
            must_have("leak on for critical initialisation", "leak off", "The edge of stability is set by the leak.")

    def field_options(self) -> FieldOptions:
        """What the field alone is made from."""
        names = [field.name for field in dataclasses.fields(FieldOptions)]
        return FieldOptions(**{name: getattr(self, name) for name in names})

    def as_dict(self) -> dict[str, Any]:
        """Plain data (lists, numbers, strings) from which `ModelConfig(**data)` gives the same."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in dataclasses.asdict(self).items()
        }


def _widths(name: str, value: Any) -> tuple[int, ...]:
    widths = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    if any(isinstance(width, bool) or not isinstance(width, int) or width < 1 for width in widths):
        must_have(f"{name} a list of positive integers", repr(value))
    return widths
