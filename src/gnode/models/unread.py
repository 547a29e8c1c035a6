"""Which settings a model reads, so that one that means nothing is refused and not accepted in silence."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from gnode.errors import must_have
from gnode.fields import FIELDS
from gnode.integrate import integrator_kind, integrators
from gnode.models.config import ModelConfig
from gnode.models.initial import INITIAL_STATES


def refuse_unread(config: ModelConfig, given: Iterable[str]) -> None:
    """Refuse a setting that was given, other than its default, and that this model never reads.

    Args:
        config: of the model.
        given: names of settings; those that are none of a model's are left alone.

    Raises:
        InvalidInput: there is such a setting.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(ModelConfig)}
    for name in given:
        if name in defaults and getattr(config, name) != defaults[name] and not _is_read(config, name):
            by = ", ".join(_readers(name))
            must_have("settings that this model reads", f"{name} = {getattr(config, name)!r}", f"It is read by: {by}.")


def readable(model: str, keys: Mapping[str, Any]) -> dict[str, Any]:
    """The keys without those of a field that a model of this name never reads; all of them where there is none such."""
    if model not in FIELDS:
        return dict(keys)
    of_fields = {"hidden"}.union(*(kind.reads for kind in FIELDS.values()))
    reads = FIELDS[model].reads | ({"hidden"} if FIELDS[model].hidden is not None else set())
    return {key: value for key, value in keys.items() if key in reads or key not in of_fields}


def _is_read(config: ModelConfig, name: str) -> bool:
    readers = _readers(name)
    chosen = {config.model, f"initial_state {config.initial_state}", f"integrator {config.integrator}"}
    nets = {
        "readout_hidden": config.readout_hidden,
        "initial_hidden": config.initial_hidden and INITIAL_STATES[config.initial_state].has_net,
    }
    return not readers or not chosen.isdisjoint(readers) or any(nets.get(reader) for reader in readers)


def _readers(name: str) -> list[str]:
    """Which choices make a setting mean anything; none where it always does."""
    readers = [model for model, kind in FIELDS.items() if name in kind.reads]
    readers += [f"integrator {other}" for other in integrators() if name in integrator_kind(other).reads]
    if name == "initial_hidden":
        readers += [f"initial_state {other}" for other, kind in INITIAL_STATES.items() if kind.has_net]
    if name == "activation":
        readers += ["readout_hidden", "initial_hidden"]
    return readers
