"""The chaotic flows of the public collection dysts, as functions (batch, N) -> (batch, N) in NumPy and in JAX.

W. Gilpin, Chaos as an interpretable benchmark for forecasting and data-driven modelling, NeurIPS 2021 (dysts 0.96).
Equations and parameters are read from the installed package. Its file of flows is run here with another `np` and
without the package around it, whose compiler and whose data formats nothing here needs.
"""

import json
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from gnode.errors import must_have

_DELAY = "a delay equation: its state is a function"
_FORCED = "driven in time: one state only counts time, so the flow has no attractor"
LEFT_OUT = {
    **dict.fromkeys(
        ("IkedaDelay", "MackeyGlass", "PiecewiseCircuit", "ScrollDelay", "SprottDelay", "VossDelay"), _DELAY
    ),
    **dict.fromkeys(
        (
            "ArnoldWeb", "BickleyJet", "BlinkingRotlet", "BlinkingVortex", "CircadianRhythm", "DoubleGyre", "Duffing",
            "FluidTrampoline", "ForcedBrusselator", "ForcedFitzHughNagumo", "ForcedVanDerPol", "InteriorSquirmer",
            "LidDrivenCavityFlow", "OscillatingFlow", "StickSlipOscillator", "Torus", "TurchinHanski",
        ),
        _FORCED,
    ),
    "PanXuZhou": "comes to rest",
    **dict.fromkeys(("SprottMore", "Bouali2", "KawczynskiStrizhak"), "not chaotic on a long run"),
    "CaTwoPlusQuasiperiodic": "quasiperiodic by name, and not chaotic on a long run",
    **dict.fromkeys(("HenonHeiles", "SprottA"), "conservative, and regular from the published state"),
    **dict.fromkeys(("DequanLi", "Tsucs2"), "unclear whether chaotic: a long run does not settle"),
    **dict.fromkeys(("LiuChen", "Coullet"), "a stable cycle coexists with the chaotic set: no one reference"),
}  # fmt: skip


class _Flow:
    """What the equations of the package expect of their base class, for states (N, batch)."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        columns = {name: _as_column(value) for name, value in parameters.items()}
        self.__dict__.update(columns)
        self._ordered = [columns[name] for name in sorted(columns)]

    def rhs(self, states: Any, time: float) -> Any:
        return self._rhs(*states, time, *self._ordered)  # type: ignore[attr-defined]


def _as_column(value: Any) -> Any:
    """A vector of parameters, one for each state, acts on states (N, batch) as a column."""
    array = np.asarray(value)
    return float(array) if array.ndim == 0 else array[:, None] if array.ndim == 1 else array


def _lorenz_96(flow: Any, numbers: Any, x: Any) -> Any:
    """The package assigns in place, which JAX cannot do."""
    rolled = numbers.roll
    return (rolled(x, -1, 0) - rolled(x, 2, 0)) * rolled(x, 1, 0) - x + flow.f


def _mac_arthur(flow: Any, numbers: Any, x: Any) -> Any:
    """The package's growth rates are those of a single state."""
    species, resources = x[:5], x[5:]
    growth = numbers.min(flow.r * resources / (flow.k.T[:, :, None] + resources), axis=1)
    eaten = numbers.matmul(flow.c, growth * species)
    return numbers.concatenate([species * (growth - flow.m), flow.d * (flow.s - resources) - eaten])


_REWRITTEN = {"Lorenz96": _lorenz_96, "MacArthur": _mac_arthur}


def _package() -> Path:
    """The package's folder, without importing it."""
    try:
        return Path(str(distribution("dysts").locate_file("dysts")))
    except PackageNotFoundError:
        must_have("dysts installed (pip install --no-deps dysts==0.96)", "none")


@cache
def metadata() -> dict[str, dict[str, Any]]:
    """What the package says of each system: parameters, an initial state, a period."""
    return json.loads((_package() / "data" / "chaotic_attractors.json").read_text())


def systems() -> list[str]:
    """Names of those that are measured, in a fixed random order, so that any first part is a fair sample."""
    names = sorted(set(metadata()) - set(LEFT_OUT))
    return [names[place] for place in np.random.default_rng(0).permutation(len(names))]


@cache
def classes(numbers: Any) -> dict[str, type]:
    """The package's classes of flows with `numbers` (numpy or jax.numpy) as their np."""
    path = _package() / "flows.py"
    source = path.read_text().replace("from .base import DynSys, DynSysDelay, staticjit", "")
    source = source.replace("import numpy as np", "")
    names = {"np": numbers, "DynSys": _Flow, "DynSysDelay": _Flow, "staticjit": staticmethod, "max": numbers.maximum}
    exec(compile(source, str(path), "exec"), names)
    return {name: value for name, value in names.items() if isinstance(value, type)}


def flow_of(name: str, numbers: Any = jnp) -> Callable[[Any], Any]:
    """f: (batch, N) -> (batch, N), computed in numpy or jax.numpy."""
    flow = classes(numbers)[name](metadata()[name]["parameters"])

    def f(states: Any) -> Any:
        columns = numbers.asarray(states).T
        slopes = _REWRITTEN[name](flow, numbers, columns) if name in _REWRITTEN else flow.rhs(columns, 0.0)
        if isinstance(slopes, tuple):
            slopes = numbers.stack([slope + 0 * columns[0] for slope in slopes])
        return slopes.T

    return f
