"""gnode: train gated neural ordinary differential equations, see what they learned, measure what they can express."""

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gnode import (  # noqa: F401
        analysis,
        data,
        estimators,
        examine,
        expressivity,
        fields,
        models,
        reconstruction,
        report,
        series,
        sweeps,
        tasks,
        training,
    )
    from gnode.models import load_model as load  # noqa: F401
    from gnode.reconstruction import reconstruct  # noqa: F401
    from gnode.report import plot  # noqa: F401
    from gnode.series import Series  # noqa: F401
    from gnode.sweeps import results  # noqa: F401
    from gnode.sweeps.sweep import sweep  # noqa: F401
    from gnode.training.train import train  # noqa: F401

__version__ = version("gnode")

_ROOMS = (
    "analysis", "data", "estimators", "examine", "expressivity", "fields", "models", "reconstruction", "report",
    "series", "sweeps", "tasks", "training",
)  # fmt: skip
_MODULES = {room: f"gnode.{room}" for room in _ROOMS} | {"plot": "gnode.report.plot", "results": "gnode.sweeps.results"}
_NAMES = {
    "Series": ("gnode.series", "Series"),
    "load": ("gnode.models", "load_model"),
    "reconstruct": ("gnode.reconstruction", "reconstruct"),
    "sweep": ("gnode.sweeps.sweep", "sweep"),
    "train": ("gnode.training", "train"),
}


def __getattr__(name: str) -> Any:
    # Rooms are imported when first asked for, so that `gnode --help` does not wait for JAX.
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name in _NAMES:
        module, attribute = _NAMES[name]
        return getattr(importlib.import_module(module), attribute)
    raise AttributeError(f"module 'gnode' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES, *_NAMES])
