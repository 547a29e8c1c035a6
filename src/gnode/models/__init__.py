"""Models: making, saving and loading them."""

import dataclasses
from typing import Any

from gnode.errors import check_known
from gnode.fields import FIELDS
from gnode.models.config import ModelConfig
from gnode.models.model import Model, draw, make_critical, trainable, wide_network_gain
from gnode.models.storage import load_model, model_bytes, named_arrays, save

__all__ = [
    "FIELDS",
    "Model",
    "ModelConfig",
    "draw",
    "load_model",
    "make",
    "make_critical",
    "model_bytes",
    "named_arrays",
    "save",
    "trainable",
    "wide_network_gain",
]


def make(model: str, *, input_size: int, state_size: int, output_size: int, **options: Any) -> Model:
    """A freshly initialised model.

    Args:
        model: "gnode", "node", "mgru", "gru" or "rnn".
        input_size, state_size, output_size: D, N and the number of outputs.
        options: any other attribute of `gnode.models.ModelConfig`.

    Example:
        >>> model = make("gnode", input_size=2, state_size=2, output_size=2, hidden=(128, 128), seed=0)
    """
    check_known(options, [field.name for field in dataclasses.fields(ModelConfig)], "options of a model")
    return draw(
        ModelConfig(model=model, input_size=input_size, state_size=state_size, output_size=output_size, **options)
    )
