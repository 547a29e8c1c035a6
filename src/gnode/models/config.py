"""What determines a model, as plain data: it travels in the header of a saved model and in config.toml."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnode.arguments import integer, number
from gnode.errors import look_up, must_have
from gnode.fields import FIELDS, FieldOptions
from gnode.fields.field import GATE_READS
from gnode.integrate import INTERPOLATIONS, SCANS, Integrator, integrator_kind, make_integrator
from gnode.models.encoding import BEGINS, ELAPSED, MISSING
from gnode.models.initial import INITIAL_STATES
from gnode.models.reading import READINGS
from gnode.models.scaling import SCALES
from gnode.nn.activations import ACTIVATIONS

# Keys that came after version 0.1.0. At their default they are left out of files, so that what is hashed stays.
_LATER = (
    "integrator", "truncate", "rtol", "atol", "most_steps", "substeps", "interpolation", "adjoint", "grid", "missing",
    "events", "reading", "learn_rates", "scale", "residual", "elapsed", "begins", "gate_reads", "learn_gates",
    "initial_gain",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Everything that determines a freshly made model but the seed of its weights.

    Attributes:
        model: a name in gnode.fields.FIELDS: "gnode", "node", "leaky-node", "mgru", "gru", "rnn".
        input_size, output_size: D, and the number of outputs.
        state_size: N, the number of units.
        hidden: hidden widths of F; gnode, node and leaky-node only, whose default is 128, 128; empty means one layer.
        gate_hidden: hidden widths of the gate G; gnode only; empty means one layer.
        activation: nonlinearity of hidden layers.
        candidate_activation: nonlinearity of F's last layer; by default tanh for mgru, gru and rnn, else identity.
        gate_activation: "sigmoid" or "steep-sigmoid".
        gate_bias: where the biases of the gate's last layer start, and the logits of a leaky nODE's rates; negative
            for slow units.
        learn_rates: train the rates of a leaky nODE; else all are sigmoid(gate_bias).
        gate_reads: what the gate depends on: "both", "state" or "input"; gnode and mgru only.
        learn_gates: train the gate; else it stays as it was drawn; gnode and mgru only.
        layer_norm: layer normalisation inside F and G.
        leak: keep the term -h.
        gain: a learned scalar in front of F.
        critical: critical initialisation of F (gnode.nn.critical).
        initial_gain: by how much F, as it is drawn or made critical, is multiplied along its weights from the state.
        readout_hidden: hidden widths of the readout; empty means a linear readout.
        residual: outputs are the first inputs, where missing the last seen, and what the readout adds to them: for
            predicting the next sample.
        reading: where outputs are read: at "each" sample, at the "last", or their "mean".
        initial_state: "learned", "fixed-random", "first-input", "first-target" or "observed": the first units are the
            outputs, which start at the first target and are read as they are; further ones are a net of it.
        initial_hidden: hidden widths of the net that maps the first input or target to the initial state.
        begins: when the state starts: "before-first" (the first sample acts for dt) or "at-first" (the initial state
            is that at the first sample, which acts for no time).
        dt: time between samples on a uniform grid, and before the first sample, seconds.
        tau: time constant, seconds.
        integrator: a step rule ("euler", "exponential-euler", "rk4") or a solver of the flow ("tsit5", ...).
        gradient: of a step rule: "adjoint" (hand-written, faster) or "autodiff".
        truncate: of a step rule: cut the gradient after so many samples; 0 for never.
        rtol, atol, most_steps, substeps, interpolation, adjoint, grid: of a flow (gnode.integrate.Flow).
        scale: "standard": inputs, and the targets of a regression, are brought to mean 0 and variance 1 by statistics
            of the training trials, which are set when training starts and kept in the model; its outputs are in the
            units of the targets. "none": as they are.
        elapsed: the time since the sample before as "step" (how long a sample acts), as "input" (and every sample acts
            for dt) or as "both" (gnode.models.Encoding).
        events: how many kinds of events (gnode.Series.with_events) move the state, each by a vector that is learned.
        missing: what becomes of missing values: "refuse", "hold" or "hold-with-observed" (gnode.models.Encoding).
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
    reading: str = "each"
    initial_state: str = "first-input"
    initial_hidden: tuple[int, ...] = ()
    dt: float = 0.01
    tau: float = 0.01
    integrator: str = "euler"
    gradient: str = "adjoint"
    truncate: int = 0
    rtol: float = 1e-5
    atol: float = 1e-6
    most_steps: int = 4096
    substeps: int = 0
    interpolation: str = "constant"
    adjoint: str = "recursive-checkpoint"
    grid: str = "batch"
    missing: str = "refuse"
    events: int = 0
    learn_rates: bool = True
    residual: bool = False
    elapsed: str = "step"
    begins: str = "before-first"
    scale: str = "none"
    gate_reads: str = "both"
    learn_gates: bool = True
    initial_gain: float = 1.0

    def __post_init__(self) -> None:
        kind = look_up("model", self.model, FIELDS)
        for name in ("hidden", "gate_hidden", "readout_hidden", "initial_hidden"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _widths(name, value))
        least = {
            "input_size": 0,
            "state_size": 1,
            "output_size": 1,
            "truncate": 0,
            "events": 0,
            "most_steps": 1,
            "substeps": 0,
        }
        for name, bound in least.items():
            object.__setattr__(self, name, integer(name, getattr(self, name), bound))
        for name in ("dt", "tau", "rtol", "atol", "initial_gain"):
            value = number(name, getattr(self, name))
            if not value > 0:
                must_have(f"{name} a positive number{' of seconds' if name in ('dt', 'tau') else ''}", repr(value))
            object.__setattr__(self, name, value)
        for name in ("layer_norm", "leak", "gain", "critical", "learn_rates", "residual", "learn_gates"):
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                must_have(f"{name} true or false", repr(getattr(self, name)))
            object.__setattr__(self, name, bool(getattr(self, name)))
        object.__setattr__(self, "gate_bias", number("gate_bias", self.gate_bias))
        if kind.hidden is None and self.hidden:
            must_have(
                f"no hidden widths for {self.model}, whose F is a single layer",
                list(self.hidden),
                "Use gnode, node or leaky-node, or leave hidden out.",
            )
        if self.gate_hidden and "gate_hidden" not in kind.reads:
            deeper = [name for name, kind in FIELDS.items() if "gate_hidden" in kind.reads]
            must_have(f"no gate_hidden for {self.model}", list(self.gate_hidden), f"Read by: {', '.join(deeper)}.")
        if self.hidden is None:
            object.__setattr__(self, "hidden", kind.hidden or ())
        if self.candidate_activation is None:
            object.__setattr__(self, "candidate_activation", kind.candidate_activation)
        look_up("activation", self.activation, ACTIVATIONS)
        look_up("candidate_activation", str(self.candidate_activation), ACTIVATIONS)
        if self.gate_activation not in ("sigmoid", "steep-sigmoid"):
            must_have("gate_activation sigmoid or steep-sigmoid", repr(self.gate_activation))
        look_up("initial_state", self.initial_state, INITIAL_STATES)
        look_up("reading", self.reading, READINGS)
        look_up("elapsed", self.elapsed, dict.fromkeys(ELAPSED))
        if self.events and self.elapsed != "step":
            must_have("elapsed time as step alone with events, which cut intervals", f"elapsed = {self.elapsed!r}")
        look_up("begins", self.begins, dict.fromkeys(BEGINS))
        if self.begins == "at-first" and (self.events or self.elapsed != "step" or self.reading == "mean"):
            must_have(
                "no events, elapsed time as step alone and no reading of the mean for a state that begins at the "
                "first sample",
                f"events = {self.events}, elapsed = {self.elapsed!r}, reading = {self.reading!r}",
            )
        if self.initial_state == "observed" and (self.state_size < self.output_size or self.readout_hidden):
            must_have(
                "at least as many units as outputs, and no readout_hidden, for units that are observed",
                f"{self.state_size} units, {self.output_size} outputs and readout_hidden {list(self.readout_hidden)}",
            )
        if self.initial_state == "observed" and self.residual:
            must_have("no residual for units that are observed", "residual", "Their readout has nothing to add.")
        look_up("scale", self.scale, dict.fromkeys(SCALES))
        look_up("gate_reads", self.gate_reads, dict.fromkeys(GATE_READS))
        look_up("missing", self.missing, MISSING)
        look_up("gradient", self.gradient, SCANS)
        look_up("interpolation", self.interpolation, INTERPOLATIONS)
        if self.residual and (self.output_size > self.input_size or self.reading != "each"):
            must_have(
                "at most as many outputs as inputs, read at each sample, for residual",
                f"{self.output_size} outputs, {self.input_size} inputs and reading {self.reading}",
            )
        chosen = integrator_kind(self.integrator)
        if chosen.flow:
            self.make_integrator()  # it checks its own options
        if self.events and chosen.flow and self.interpolation != "constant":
            must_have("interpolation constant with events, which cut intervals", self.interpolation)
        if self.begins == "at-first" and chosen.flow and self.interpolation != "constant":
            must_have("interpolation constant for a state that begins at the first sample", self.interpolation)
        if chosen.needs_leak and not self.leak:
            must_have(f"leak on for {self.integrator}", "leak off", "Its step is exact for the leak. Use euler or rk4.")
        if self.critical and not self.leak:
            must_have("leak on for critical initialisation", "leak off", "The edge of stability is set by the leak.")

    def field_options(self, width: int) -> FieldOptions:
        """What the field alone is made from; `width` is how many inputs it sees."""
        names = [field.name for field in dataclasses.fields(FieldOptions)]
        return FieldOptions(**{**{name: getattr(self, name) for name in names}, "input_size": width})

    def make_integrator(self) -> Integrator:
        """The integrator with the options that it reads."""
        reads = integrator_kind(self.integrator).reads
        return make_integrator(self.integrator, {name: getattr(self, name) for name in reads})

    def as_dict(self) -> dict[str, Any]:
        """Plain data (lists, numbers, strings) from which `ModelConfig(**data)` gives the same."""
        data = dataclasses.asdict(self)
        for field in dataclasses.fields(self):
            if field.name in _LATER and data[field.name] == field.default:
                del data[field.name]
        return {key: list(value) if isinstance(value, tuple) else value for key, value in data.items()}


def _widths(name: str, value: Any) -> tuple[int, ...]:
    widths = tuple(value) if isinstance(value, (list, tuple, np.ndarray)) else (value,)
    if any(isinstance(width, bool) or not isinstance(width, (int, np.integer)) or width < 1 for width in widths):
        must_have(f"{name} a list of positive integers", repr(value))
    return tuple(int(width) for width in widths)
