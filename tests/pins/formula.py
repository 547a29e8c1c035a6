"""What version 0.1.0 computed, from the arrays and the header of its model files alone: h <- h + alpha * field(h, x).

Written from the equations (docs/models.md) and not from gnode's fields, in the same order of operations, so that it
rounds as they did. The names of the arrays are those of the files of version 0.1.0.
"""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from safetensors import safe_open

ACTIVATIONS = {
    "identity": lambda x: x,
    "sigmoid": jax.nn.sigmoid,
    "steep-sigmoid": lambda x: jax.nn.sigmoid(10.0 * x),
    "swish": lambda x: x * jax.nn.sigmoid(x),
    "relu": lambda x: jnp.maximum(x, 0),
    "gelu": jax.nn.gelu,
    "tanh": jnp.tanh,
}

Arrays = dict[str, Any]


def read(path: Path) -> tuple[dict[str, Any], Arrays]:
    """The configuration and the named arrays of a model file."""
    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["gnode"])
        return header["model"], {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def affine(arrays: Arrays, layer: str, values: Array) -> Array:
    product = values @ arrays[f"{layer}.weight"].T
    return product + arrays[f"{layer}.bias"] if f"{layer}.bias" in arrays else product


def normalised(arrays: Arrays, norm: str, values: Array) -> Array:
    if f"{norm}.scale" not in arrays:
        return values
    centred = values - values.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    return centred * jax.lax.rsqrt(variance + 1e-5) * arrays[f"{norm}.scale"] + arrays[f"{norm}.shift"]


def net(arrays: Arrays, name: str, state: Array, inputs: Array, hidden: str, last: str) -> Array:
    """F or G: a feed-forward net of the state, whose first layer alone sees the input."""
    signal = normalised(arrays, f"{name}.norms.0", affine(arrays, f"{name}.from_state", state))
    signal = signal + affine(arrays, f"{name}.from_input", inputs)
    layer = 0
    while f"{name}.later.{layer}.weight" in arrays:
        signal = affine(arrays, f"{name}.later.{layer}", ACTIVATIONS[hidden](signal))
        signal = normalised(arrays, f"{name}.norms.{layer + 1}", signal)
        layer += 1
    return ACTIVATIONS[last](signal)


def perceptron(arrays: Arrays, name: str, values: Array, hidden: str) -> Array:
    """The net of a readout or of an initial state; its last layer is affine."""
    signal = affine(arrays, f"{name}.layers.0", values)
    layer = 1
    while f"{name}.layers.{layer}.weight" in arrays:
        signal = affine(arrays, f"{name}.layers.{layer}", ACTIVATIONS[hidden](signal))
        layer += 1
    return signal


def field(config: dict[str, Any], arrays: Arrays, state: Array, inputs: Array) -> Array:
    """tau dh/dt."""
    hidden, of_gate = config["activation"], config["gate_activation"]

    def gate(name: str) -> Array:
        return net(arrays, f"field.{name}", state, inputs, hidden, of_gate)

    driven = gate("reset") * state if config["model"] == "gru" else state
    candidate = net(arrays, "field.drive", driven, inputs, hidden, config["candidate_activation"])
    if config["gain"]:
        candidate = arrays["field.gain"] * candidate
    pull = candidate - state if config["leak"] else candidate
    gates = {"gnode": "gating", "mgru": "gating", "gru": "update"}
    return gate(gates[config["model"]]) * pull if config["model"] in gates else pull


def start(config: dict[str, Any], arrays: Arrays, first_inputs: Array, first_targets: Array | None) -> Array:
    """The state before the first bin, (trials, N)."""
    if "initial.value" in arrays:
        return jnp.broadcast_to(arrays["initial.value"], (len(first_inputs), config["state_size"]))
    seen = first_targets if config["initial_state"] == "first-target" else first_inputs
    return perceptron(arrays, "initial.net", seen, config["activation"])


def step(config: dict[str, Any], arrays: Arrays, state: Array, inputs: Array, alpha: Array | float) -> Array:
    """The state after alpha, which is dt / tau."""
    return state + alpha * field(config, arrays, state, inputs)


def predict(config: dict[str, Any], arrays: Arrays, inputs: Array, first_targets: Array | None) -> tuple[Array, Array]:
    """The states (trials, time, N) after each bin, and the outputs (trials, time, D_out) read from them.

    alpha is an array, one number a bin, as elapsed time has been since version 0.2: with a constant XLA fuses products
    otherwise, and 12 of the 23 pinned models, all of them gated, round otherwise in their last digit.
    """

    def compiled(arrays: Arrays, inputs: Array, first_targets: Array | None, alpha: Array) -> tuple[Array, Array]:
        def move(state: Array, bin: tuple[Array, Array]) -> tuple[Array, Array]:
            state = step(config, arrays, state, *bin)
            return state, state

        first = start(config, arrays, inputs[:, 0], first_targets)
        path = jax.lax.scan(move, first, (jnp.swapaxes(inputs, 0, 1), alpha))[1]
        outputs = perceptron(arrays, "readout", path, config["activation"])
        return jnp.swapaxes(path, 0, 1), jnp.swapaxes(outputs, 0, 1)

    alpha = jnp.full((inputs.shape[1], 1, 1), config["dt"] / config["tau"], jnp.float32)
    return jax.jit(compiled)(arrays, inputs, first_targets, alpha)
