"""The weights of a network as data for network.js, which computes the same field in the page."""

import base64
from typing import Any

import numpy as np

from gnode.fields import FIELDS
from gnode.fields.field import Field
from gnode.models import Model
from gnode.models.description import is_of_the_form
from gnode.nn.dense import Dense
from gnode.nn.feedforward import FeedForward
from gnode.report import style
from gnode.report.html import asset


def portrait_weights(
    model: Model, bounds: tuple[np.ndarray, np.ndarray], *, pulse_bins: int, input_reach: float, known: np.ndarray
) -> dict[str, Any]:
    """A model's field as plain data, with numbers as base64 of little-endian float32.

    Args:
        bounds: lower and upper corner (N,), the region that is drawn.
        pulse_bins: how long a pulse lasts.
        input_reach: the largest input that the reader can choose, of either sign.
        known: fixed points without input (K, N), from which the page's own search starts.
    """
    config = model.config
    return {
        "field": network(model.field),
        "name": FIELDS[config.model].summary,
        "stateSize": config.state_size,
        "inputSize": config.input_size,
        "integrator": config.integrator,
        "tau": config.tau,
        "dt": config.dt,
        "low": [float(value) for value in bounds[0]],
        "high": [float(value) for value in bounds[1]],
        "pulseBins": pulse_bins,
        "inputReach": input_reach,
        "known": known.tolist(),
        "speed": list(style.SPEED),
        "stability": {name: colour for name, (colour, _, _) in style.STABILITY.items()},
    }


def why_not(model: Model) -> str | None:
    """Why the page cannot run this model, in words; None where it can.

    It knows the rules and activations of network.js, and fields of the form gate * (-h + F) whose nets it is given.
    """
    field, integrator, encoding = model.field, model.config.integrator, model.encoding
    if model.integrator.kind == "map" and not _knows(integrator):
        return f"it does not know the step rule {integrator}"
    if encoding.scaling is not None or encoding.width != encoding.channels:
        return "its inputs are scaled or told with what is missing or how much time has passed"
    nets = [field.drive, *field.gates().values()]
    if not all(isinstance(net, FeedForward) for net in nets):
        return "its field is not made of nets that the page knows"
    if not all(_knows(name) for net in nets for name in (net.activation, net.last_activation)):
        return "it does not know its activations"
    if not is_of_the_form(field, encoding.width):
        return "its field is not of the form gate * (-h + F)"
    return None


def _knows(name: str) -> bool:
    """Whether network.js has a rule or an activation of this name."""
    return f'"{name}": ' in asset("network.js")


def network(field: Field) -> dict[str, Any]:
    """A field's nets: `drive` always, and `gate` and `reset` where it has them."""
    gates = field.gates()
    return {
        "drive": _feedforward(field.drive),
        "gate": _feedforward(gates["gate"]) if "gate" in gates else None,
        "reset": _feedforward(gates["reset"]) if "reset" in gates else None,
        "gain": None if field.gain is None else float(field.gain),
        "leak": field.leak,
    }


def _feedforward(net: FeedForward) -> dict[str, Any]:
    return {
        "fromState": _dense(net.from_state),
        "fromInput": _dense(net.from_input),
        "later": [_dense(layer) for layer in net.later],
        "norms": [{"scale": _numbers(norm.scale), "shift": _numbers(norm.shift)} for norm in net.norms],
        "activation": net.activation,
        "lastActivation": net.last_activation,
    }


def _dense(layer: Dense) -> dict[str, Any]:
    rows, columns = layer.weight.shape
    bias = None if layer.bias is None else _numbers(layer.bias)
    return {"rows": rows, "columns": columns, "weight": _numbers(layer.weight), "bias": bias}


def _numbers(array: Any) -> str:
    return base64.b64encode(np.asarray(array, "<f4").tobytes()).decode("ascii")
