"""Saving and loading: a .safetensors file whose header alone is enough to rebuild the model."""

import dataclasses
import json
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from gnode.errors import Diverged, InvalidInput, must_have
from gnode.files import path_of, refuse_later_format, write_atomically
from gnode.models.config import ModelConfig
from gnode.models.draw import draw, model_table
from gnode.models.model import Model, with_scalings
from gnode.models.names import named_leaves
from gnode.models.scaling import Scaling

FORMAT = 1  # of model files (gnode.files.refuse_later_format)


def named_arrays(tree: object) -> dict[str, np.ndarray]:
    """The arrays of a model or any other tree, by their path in it ("field.drive.later.0.weight")."""
    return {name: np.asarray(leaf) for name, leaf in named_leaves(tree).items()}


def model_bytes(model: Model) -> bytes:
    """The content of the file that `save` writes. Equal models give equal bytes.

    Raises:
        Diverged: a parameter is NaN or infinite.
        InvalidInput: parameters of another precision, several models stacked, or a mean over models of different seeds.
    """
    table = model_table(model)
    arrays = named_arrays(eqx.filter(model, eqx.is_inexact_array))
    arrays.pop("seed", None)  # an average over models has made floats of it
    for name, array in arrays.items():
        if array.dtype != np.float32:
            must_have(
                f"parameters of float32 to save, as models are loaded, in {name}", array.dtype, "Cast them first."
            )
        if not np.isfinite(array).all():
            raise Diverged(f"Must have finite parameters to save, instead got NaN or infinity in {name}.")
    header = {"format": FORMAT, "model": table}
    # One metadata key only: safetensors writes several in an order that changes from run to run.
    return to_bytes(arrays, metadata={"gnode": json.dumps(header, sort_keys=True)})


def save(model: Model, path: str | Path) -> None:
    """Write the model to the .safetensors file at `path`, whole or not at all."""
    write_atomically(path_of(path), model_bytes(model))


def load_model(path: str | Path) -> Model:
    """The model in a run directory, or in a .safetensors file that gnode wrote.

    Raises:
        InvalidInput: there is no such file, or it is truncated, foreign, or of a newer format.
    """
    path = path_of(path)
    if path.is_dir():
        path = path / "model.safetensors"
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        must_have("a model file", f"nothing at {path}")
    except (SafetensorError, OSError) as error:
        raise InvalidInput(
            f"Must have a whole .safetensors file, instead got one that cannot be read: {path} ({error})."
        ) from error
    config, seed = _read_header(path, metadata)
    numbers = sum(array.size for array in arrays.values())
    if (widest := max(config.state_size, config.input_size, config.output_size, *(config.hidden or ()))) > numbers:
        must_have(f"the arrays that the header of {path} promises", f"{numbers} numbers for a width of {widest}")
    try:
        model = draw(dataclasses.replace(config, critical=False), seed)
    except MemoryError as error:
        raise InvalidInput(f"Must have a model that fits into memory, instead got a larger one in {path}.") from error
    # Scalings that were fitted, which a drawn model has none of.
    scaled = {name.removesuffix(".scale") for name in arrays if name.endswith("scaling.scale")}
    inputs = _some_scaling(config.input_size) if "encoding.scaling" in scaled else None
    outputs = _some_scaling(config.output_size) if "readout.scaling" in scaled else None
    model = with_scalings(model, inputs, outputs)
    return _fill(model, arrays, str(path), config)


def _some_scaling(channels: int) -> Scaling:
    return Scaling.of(np.zeros(channels), np.ones(channels))


def _read_header(path: Path, metadata: dict[str, str]) -> tuple[ModelConfig, int]:
    if "gnode" not in metadata:
        must_have("a model file written by gnode", f"a .safetensors file of another program: {path}")
    try:
        header = json.loads(metadata["gnode"])
        refuse_later_format(header, FORMAT, path)
        options = dict(header["model"])
        seed = options.pop("seed")
        return ModelConfig(**options), seed
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise InvalidInput(
            f"Must have a gnode header that can be read, instead got a damaged one in {path}."
        ) from error


def _fill(model: Model, arrays: dict[str, np.ndarray], source: str, config: ModelConfig) -> Model:
    """The model with its arrays replaced by the named ones, which must be the same in name, shape and type."""
    parameters, rest = eqx.partition(model, eqx.is_inexact_array)
    wanted = named_arrays(parameters)
    if wanted.keys() != arrays.keys():
        odd = sorted(wanted.keys() ^ arrays.keys())
        must_have(f"the arrays that the header of {source} promises", f"a difference in {', '.join(odd[:3])}")
    for name, array in arrays.items():
        if array.shape != wanted[name].shape or array.dtype != wanted[name].dtype:
            must_have(
                f"{name} of shape {wanted[name].shape} and type {wanted[name].dtype} in {source}",
                f"shape {array.shape} and type {array.dtype}",
            )
        if not np.isfinite(array).all():
            must_have(f"finite numbers in {source}", f"NaN or infinity in {name}")
    leaves = [jnp.asarray(arrays[name]) for name in wanted]
    filled = jax.tree.unflatten(jax.tree.structure(parameters), leaves)
    return dataclasses.replace(eqx.combine(filled, rest), config=config)
