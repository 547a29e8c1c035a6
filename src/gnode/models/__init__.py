"""Models: making, saving and loading them."""

import dataclasses
from typing import Any

from gnode.errors import check_known
from gnode.fields import FIELDS
from gnode.integrate import integrator_kind
from gnode.models.config import ModelConfig
from gnode.models.draw import draw, make_critical, model_table, seed_of, tabulate, wide_network_gain
from gnode.models.encoding import Encoding
from gnode.models.exporting import export
from gnode.models.model import Model, checked_model, trainable
from gnode.models.storage import load_model, model_bytes, named_arrays, save
from gnode.models.torch_weights import from_torch, with_weights
from gnode.models.unread import readable, refuse_unread

__all__ = [
    "FIELDS",
    "Encoding",
    "Model",
    "ModelConfig",
    "checked_model",
    "draw",
    "export",
    "from_torch",
    "load_model",
    "make",
    "make_critical",
    "model_bytes",
    "model_table",
    "named_arrays",
    "readable",
    "refuse_unread",
    "save",
    "seed_of",
    "tabulate",
    "trainable",
    "under",
    "wide_network_gain",
    "with_weights",
]


def make(model: str, *, input_size: int, state_size: int, output_size: int, seed: int = 0, **options: Any) -> Model:
    """A freshly initialised model.

    Args:
        model: a name in gnode.fields.FIELDS, such as "gnode", "node", "leaky-node", "mgru", "gru" or "rnn".
        input_size, state_size, output_size: D, N and the number of outputs.
        seed: of the random weights.
        options: any other attribute of `gnode.models.ModelConfig`.

    Raises:
        InvalidInput: an option that is not known, cannot be, or is never read by this model.

    Example:
        >>> model = make("gnode", input_size=2, state_size=2, output_size=2, hidden=(128, 128), seed=0)
    """
    check_known(options, [field.name for field in dataclasses.fields(ModelConfig)], "options of a model")
    config = ModelConfig(model=model, input_size=input_size, state_size=state_size, output_size=output_size, **options)
    refuse_unread(config, options)
    return draw(config, seed)


def under(model: Model, integrator: str, **options: Any) -> Model:
    """The same weights under another integrator: a network trained as a map, seen as a flow, or the other way round.

    Args:
        integrator: a name in gnode.integrate.integrators().
        options: of the integrator, such as rtol; those that are not given are the model's own.

    Raises:
        InvalidInput: no such integrator, an option that it does not read, or a field that it cannot move.

    Example:
        >>> flow = under(make("gnode", input_size=1, state_size=2, output_size=1), "tsit5", rtol=1e-8)
        >>> flow.config.integrator
        'tsit5'
    """
    check_known(options, integrator_kind(integrator).reads, f"options of {integrator}")
    config = dataclasses.replace(checked_model(model).config, integrator=integrator, **options)
    return dataclasses.replace(model, integrator=config.make_integrator(), config=config)
