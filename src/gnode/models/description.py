"""A model taken apart into what gnode.models.equations computes with: plain data, and arrays by name.

Fields are not written anew: the description of one is that of the protocol that they share, gate * (-h + F), from the
nets that it gives as `drive` and by `gates()`. A field that is not of this form is found out by comparing numbers.
"""

from typing import Any, Protocol

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PyTree

from gnode.errors import look_up, must_have
from gnode.fields import FIELDS, Field
from gnode.integrate import Integrator
from gnode.models.config import ModelConfig
from gnode.models.encoding import Encoding
from gnode.models.equations import (
    ACTIVATIONS,
    BEGINS,
    INITIAL_STATES,
    MISSING,
    READINGS,
    RULES,
    Description,
    Equations,
)
from gnode.models.initial import INITIAL_STATES as KINDS_OF_START
from gnode.models.initial import Observed
from gnode.models.names import named_leaves
from gnode.models.readout import Readout
from gnode.models.scaling import Scaling
from gnode.nn.dense import Dense
from gnode.nn.feedforward import FeedForward


class Parts(Protocol):
    """A model, as far as it matters here."""

    @property
    def encoding(self) -> Encoding: ...
    @property
    def initial(self) -> Any: ...
    @property
    def field(self) -> Field: ...
    @property
    def readout(self) -> Readout: ...
    @property
    def impulse(self) -> Dense | None: ...
    @property
    def integrator(self) -> Integrator: ...
    @property
    def config(self) -> ModelConfig: ...


class _Arrays:
    """The arrays of a model, or of its field alone, by name, and those that the field makes up for its nets."""

    def __init__(self, model: object) -> None:
        self.all = named_leaves(eqx.filter(model, eqx.is_inexact_array))
        self.all.pop("seed", None)  # an average over models has made floats of it
        self._names = {id(leaf): name for name, leaf in self.all.items()}

    def name(self, array: Any, otherwise: str) -> str:
        """What an array is called."""
        if id(array) not in self._names:
            self.all[otherwise] = array
        return self._names.get(id(array), otherwise)

    def numbers(self) -> dict[str, np.ndarray]:
        return {name: np.asarray(array) for name, array in self.all.items()}

    def layer(self, layer: Dense, place: str) -> list[str | None]:
        bias = None if layer.bias is None else self.name(layer.bias, f"{place}.bias")
        return [self.name(layer.weight, f"{place}.weight"), bias]

    def layers(self, layers: tuple[Dense, ...], place: str) -> list[list[str | None]]:
        return [self.layer(layer, f"{place}.{at}") for at, layer in enumerate(layers)]

    def net(self, net: FeedForward, place: str) -> Description:
        """A net of a state and an input."""
        return {
            "from_state": self.layer(net.from_state, f"{place}.from_state"),
            "from_input": self.layer(net.from_input, f"{place}.from_input"),
            "later": self.layers(net.later, f"{place}.later"),
            "norms": [[self.name(norm.scale, ""), self.name(norm.shift, "")] for norm in net.norms],
            "activation": net.activation,
            "last_activation": net.last_activation,
        }


def taken_apart(model: Parts, trained: PyTree) -> tuple[Description, dict[str, np.ndarray]]:
    """What a model is, as plain data, and its arrays.

    Args:
        trained: a tree like the model, True at arrays that training may change.

    Raises:
        InvalidInput: a model that gnode.models.equations has no words for; which part of it, and why.
    """
    _refuse_what_has_no_words(model)
    config, encoding, arrays = model.config, model.encoding, _Arrays(model)
    in_scale, out_scale = _scaling(encoding.scaling, "encoding"), _scaling(model.readout.scaling, "readout")
    if config.residual and in_scale is not None:
        out_scale = {**in_scale, "channels": config.output_size}
    description: Description = {
        "name": f"{config.model}, N = {config.state_size}, {config.integrator}: {FIELDS[config.model].summary}",
        "state_size": config.state_size,
        "outputs": config.output_size,
        "encoding": {
            "channels": encoding.channels,
            "missing": encoding.missing,
            "elapsed": encoding.elapsed,
            "begins": encoding.begins,
            "dt": encoding.dt,
            "tau": encoding.tau,
            "scaling": in_scale,
        },
        "initial": _initial(model, arrays),
        "field": _field(model.field, arrays),
        "rule": config.integrator,
        "readout": {
            "layers": arrays.layers(model.readout.layers, "readout.layers"),
            "activation": model.readout.activation,
            "scaling": out_scale,
            "residual": config.residual,
            "reading": config.reading,
        },
        "trained": [name for name, free in named_leaves(trained).items() if free],
    }
    return description, arrays.numbers()


def _initial(model: Parts, arrays: _Arrays) -> Description:
    kind, initial = KINDS_OF_START[model.config.initial_state], model.initial
    if not kind.has_net:
        return {"of": "nothing", "value": arrays.name(initial.value, "initial.value")}
    net = initial.net  # None where all units are observed
    return {
        "of": "first target" if kind.is_told else "first input",
        "observed": isinstance(initial, Observed),
        "layers": [] if net is None else arrays.layers(net.layers, "initial.net.layers"),
        "activation": "identity" if net is None else net.activation,
    }


def _field(field: Field, arrays: _Arrays) -> Description:
    gates = field.gates()
    return {
        "drive": arrays.net(field.drive, "field.drive"),
        **{role: arrays.net(gates[role], f"field.{role}") if role in gates else None for role in ("gate", "reset")},
        "gain": None if field.gain is None else arrays.name(field.gain, "field.gain"),
        "leak": field.leak,
    }


def _scaling(scaling: Scaling | None, place: str) -> Description | None:
    if scaling is None:
        return None
    return {
        **{part: f"{place}.scaling.{part}" for part in ("shift", "rest", "scale")},
        "channels": int(scaling.shift.shape[0]),
    }


def refuse_what_stays(model: Parts) -> None:
    """Raises InvalidInput for several models stacked, and for one by a solver or with events, which stay in gnode."""
    config = model.config
    if model.readout.layers[0].weight.ndim != 2:
        must_have("one model", "several stacked", "Take one: jax.tree.map(lambda a: a[0], models).")
    if model.integrator.kind == "flow":
        must_have(
            f"a step rule ({', '.join(RULES)}) to go elsewhere",
            f"{config.integrator}, a solver of Diffrax with steps of its own choice",
            'The same weights by a rule: gnode.models.under(model, "rk4").',
        )
    if config.events:
        must_have("a model without events to go elsewhere", f"one with {config.events} kinds of them")


def _refuse_what_has_no_words(model: Parts) -> None:
    refuse_what_stays(model)
    config = model.config
    for name in (config.activation, config.candidate_activation, config.gate_activation):
        look_up("activation", str(name), ACTIVATIONS)
    look_up("step rule", config.integrator, RULES)
    for what, name, known in (
        ("initial state", config.initial_state, INITIAL_STATES),
        ("way with what is missing", config.missing, MISSING),
        ("reading", config.reading, READINGS),
        ("begins", config.begins, BEGINS),
    ):
        look_up(what, name, dict.fromkeys(known))
    if not is_of_the_form(model.field, model.encoding.width):
        must_have("a field gate * (-h + gain * drive(reset * h)) to go elsewhere", type(model.field).__name__)


def is_of_the_form(field: Field, width: int) -> bool:
    """Whether a field is what `drive`, `gates()`, `gain` and `leak` say: gate * (-h + gain * drive(reset * h)).

    Args:
        width: of its inputs.
    """
    nets = [field.drive, *field.gates().values()]
    if not all(isinstance(net, FeedForward) for net in nets):
        return False
    if not all(name in ACTIVATIONS for net in nets for name in (net.activation, net.last_activation)):
        return False
    arrays = _Arrays(field)
    said = Equations({"field": _field(field, arrays)}, arrays.numbers(), np)
    random = np.random.default_rng(0)
    state, inputs = (random.standard_normal((4, size)).astype(said.dtype) for size in (field.state_size, width))
    of_nets = said.gate(state, inputs), said.candidate(state, inputs), said.velocity(state, inputs)
    own = _computed(field, jnp.asarray(state), jnp.asarray(inputs))
    return all(np.allclose(*pair, rtol=1e-3, atol=1e-4) for pair in zip(of_nets, own, strict=True))


@eqx.filter_jit
def _computed(field: Field, state: Array, inputs: Array) -> tuple[Array, Array, Array]:
    return field.gate(state, inputs), field.candidate(state, inputs), field(state, inputs)
