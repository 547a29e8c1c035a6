"""Where a run is computed, and that its process does not run out of room for programs."""

import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gnode.errors import GnodeError
from gnode.workers import cores

MOST_MAPS = 30_000  # memory maps, of the 65,530 that Linux grants a process by default


def forget_programs() -> None:
    """Let compiled programs go where they have become many: each has some memory maps, and XLA crashes where there are
    no more. JAX itself keeps every one, so thousands of runs on series of other lengths would come to that."""
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()


def check_device() -> None:
    """Raises GnodeError where JAX has nothing to compute on, as with JAX_PLATFORMS=cuda on a machine without a GPU."""
    try:
        jax.devices()
    except (AssertionError, RuntimeError) as error:
        asked = os.environ.get("JAX_PLATFORMS")
        which = f" with JAX_PLATFORMS={asked}" if asked else ""
        why = str(error).partition(" (set JAX_PLATFORMS=")[0]
        raise GnodeError(
            f"Must have a device that JAX can compute on, instead got none{which}{f' ({why})' if why else ''}. "
            "Unset JAX_PLATFORMS, or set it to cpu."
        ) from error


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
