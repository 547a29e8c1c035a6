"""Into gnode: recurrent layers of PyTorch whose equations gnode has, and weights that were trained on elsewhere."""

from collections.abc import Mapping
from typing import Any, NoReturn

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from gnode.arguments import positive
from gnode.errors import look_up, must_have
from gnode.models.config import ModelConfig
from gnode.models.draw import draw
from gnode.models.model import Model, checked_model
from gnode.models.names import named_leaves
from gnode.series.arrays import as_floats

_LAYERS = {1: "RNN", 3: "GRU", 4: "LSTM"}  # by how many blocks of rows their weights have
_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def from_torch(source: Any, readout: Any = None, *, nonlinearity: str | None = None, dt: float | int = 0.01) -> Model:
    """A recurrent layer of PyTorch as a model with the same outputs, the first hidden state being 0.

    torch.nn.RNN is the model "rnn" whose step is its time constant. torch.nn.GRU applies its reset gate behind the
    recurrent weights of the candidate, tanh(W x + r * (U h + c)), gnode's before them, tanh(W x + U (r * h)), as in
    Cho et al. 2014: the two agree where U is diagonal and c is 0, and are refused elsewhere.

    Args:
        source: a torch.nn.RNN, GRU or cell of one layer in one direction, or its state dict.
        readout: a torch.nn.Linear behind it, or its state dict; without it the outputs are the states.
        nonlinearity: of an RNN that comes as a state dict, which does not say it: "tanh" (the default) or "relu".
        dt: seconds between samples, which PyTorch does not know; tau is the same.

    Raises:
        InvalidInput: another module, a layer whose equations gnode does not have, or weights that do not fit.

    Example:
        >>> model = from_torch(net.rnn, net.linear)  # doctest: +SKIP
    """
    weights = _weights_of(source)
    size = weights["weight_hh"].shape[1]
    kind = _LAYERS.get(len(weights["weight_hh"]) // size, "another layer")
    step = positive("dt", dt)
    arrays = {"RNN": _rnn, "GRU": _gru}.get(kind, _no_such_field)(weights, size)
    after = {"weight": np.eye(size)} if readout is None else _arrays_of(readout)
    if not after.keys() <= {"weight", "bias"} or after.get("weight", np.zeros(0)).shape[1:] != (size,):
        must_have(f"a torch.nn.Linear of {size} inputs as the readout", ", ".join(after) or "nothing")
    outputs = len(after["weight"])
    arrays |= {
        "initial.value": np.zeros(size),
        "readout.layers.0.weight": after["weight"],
        "readout.layers.0.bias": after.get("bias", np.zeros(outputs)),
    }
    config = ModelConfig(
        model=kind.lower(),
        input_size=weights["weight_ih"].shape[1],
        state_size=size,
        output_size=outputs,
        candidate_activation=_nonlinearity(source, kind, nonlinearity),
        initial_state="fixed-random",
        dt=step,
        tau=step,
    )
    return with_weights(draw(config), arrays)


def _weights_of(source: Any) -> dict[str, np.ndarray]:
    """The weights of a layer by PyTorch's names without the layer's number; biases that are not there are 0."""
    found = {}
    for name, array in _arrays_of(source).items():
        short = name.rsplit(".", 1)[-1].removesuffix("_l0")
        if short not in _NAMES or short in found:
            must_have(
                "a recurrent layer of PyTorch, or its state dict: one layer, one direction, no projections",
                f"one with {name}",
                "Of a larger module hand in the layer itself.",
            )
        found[short] = array
    if not {"weight_ih", "weight_hh"} <= found.keys():
        must_have("a recurrent layer of PyTorch, or its state dict", ", ".join(found) or "no weights")
    rows, size = found["weight_hh"].shape
    if rows % size or len(found["weight_ih"]) != rows:
        must_have("weights of one recurrent layer", f"shapes {found['weight_ih'].shape} and {rows, size}")
    return {name: found.get(name, np.zeros(rows)) for name in _NAMES}


def _arrays_of(source: Any) -> dict[str, np.ndarray]:
    """The arrays of a module or of a state dict."""
    content = source if isinstance(source, Mapping) else getattr(source, "state_dict", dict)()
    return {str(name): _numbers(array, str(name)) for name, array in content.items()}


def _numbers(array: Any, name: str) -> np.ndarray:
    if hasattr(array, "detach"):  # of PyTorch
        array = array.detach().cpu()
        array = array.float() if str(array.dtype) == "torch.bfloat16" else array  # which NumPy does not know
    return as_floats(array, name)


def _rnn(weights: dict[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
    return _layer("drive", *weights.values())


def _gru(weights: dict[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
    """PyTorch's update gate says how much of the state is kept, gnode's how much is replaced."""
    reset, keep, new = zip(*(np.split(array, 3) for array in weights.values()), strict=True)
    if np.any(new[1] != np.diag(np.diag(new[1]))) or np.any(new[3]):
        must_have(
            "a GRU whose reset gate acts before the recurrent weights of its candidate, as gnode's",
            "a torch.nn.GRU, which applies it behind them: tanh(W x + b + r * (U h + c))",
            "They agree where U is diagonal and c is 0. Analyse it as it is: gnode.analysis.torch_map(gru).",
        )
    return _layer("reset", *reset) | _layer("update", *(-part for part in keep)) | _layer("drive", *new)


def _no_such_field(weights: dict[str, np.ndarray], size: int) -> NoReturn:
    must_have(
        "a torch.nn.RNN or GRU",
        "an LSTM, whose equations no field of gnode has",
        "Analyse it as it is: gnode.analysis.torch_map(lstm).",
    )


def _layer(role: str, from_input: np.ndarray, from_state: np.ndarray, *biases: np.ndarray) -> dict[str, np.ndarray]:
    return {
        f"field.{role}.from_state.weight": from_state,
        f"field.{role}.from_input.weight": from_input,
        f"field.{role}.from_input.bias": biases[0] + biases[1],
    }


def _nonlinearity(source: Any, kind: str, given: str | None) -> str:
    own = getattr(source, "nonlinearity", None)
    if given is not None and (kind == "GRU" or own not in (None, given)):
        must_have("no nonlinearity beside a layer that has its own", repr(given))
    chosen = own or given or "tanh"
    look_up("nonlinearity", chosen, dict.fromkeys(("tanh", "relu")))
    return chosen


def with_weights(model: Model, arrays: Mapping[str, Any]) -> Model:
    """The model with other weights: those of a network that was taken out of it and trained on elsewhere.

    Args:
        arrays: by their names in model.safetensors, such as the state dict of `model.to_torch()`; what is not named
            stays as it is.

    Raises:
        InvalidInput: an unknown name, another shape, or numbers that are not finite.

    Example:
        >>> model = with_weights(model, module.state_dict())  # doctest: +SKIP
    """
    own = named_leaves(eqx.filter(checked_model(model), eqx.is_inexact_array))
    constants = model.taken_apart()[1].keys() - own.keys() if arrays.keys() - own.keys() else set()
    given = {name: _numbers(array, name) for name, array in arrays.items() if name not in constants}
    for name, array in given.items():
        look_up("name of an array", name, own)
        if array.shape != own[name].shape or not np.isfinite(array).all():
            must_have(f"finite numbers of shape {own[name].shape} for {name}", f"shape {array.shape}, or NaN")
    leaves = [jnp.asarray(given[name], leaf.dtype) if name in given else leaf for name, leaf in own.items()]
    parameters, rest = eqx.partition(model, eqx.is_inexact_array)
    return eqx.combine(jax.tree.unflatten(jax.tree.structure(parameters), leaves), rest)
