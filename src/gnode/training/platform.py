"""Where a run is computed."""

import os
from importlib.metadata import version
from typing import Any

import jax
import numpy as np

from gnode.workers import cores


def computed_on() -> dict[str, Any]:
    """The kind of device, and how many threads its sums are spread over."""
    return {"device": jax.devices()[0].device_kind, "threads": int(os.environ.get("NPROC") or 0) or cores()}


def platform_facts() -> dict[str, Any]:
    """Where a run ran: device kind, threads and versions."""
    on = computed_on()
    return {
        "platform": on["device"],
        "threads": on["threads"],
        "versions": {name: version(name) for name in ("gnode", "jax", "equinox", "optax")} | {"numpy": np.__version__},
    }
