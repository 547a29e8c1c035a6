"""Integrators: how a field moves the state over the time that elapsed. Maps take a step a sample, flows solve."""

from dataclasses import dataclass
from typing import Any

from gnode.errors import look_up
from gnode.integrate.adjoint import SCANS
from gnode.integrate.flow import ADJOINTS, GRIDS, SOLVERS, Flow, explain
from gnode.integrate.interpolations import INTERPOLATIONS
from gnode.integrate.map import Map
from gnode.integrate.path import Path
from gnode.integrate.rules import RULES

__all__ = [
    "ADJOINTS", "GRIDS", "INTERPOLATIONS", "RULES", "SCANS", "SOLVERS", "Flow", "Integrator", "IntegratorKind", "Map",
    "Path", "explain", "integrator_kind", "integrators",
    "make_integrator",
]  # fmt: skip

Integrator = Map | Flow


@dataclass(frozen=True)
class IntegratorKind:
    """What can be chosen by a name.

    Attributes:
        reads: the options that mean anything to it.
        needs_leak: whether the field must have the term -h.
        flow: whether it solves continuous time; else it is a map.
        summary: one line for `gnode list integrators`.
    """

    reads: frozenset[str]
    needs_leak: bool
    flow: bool
    summary: str


_OF_MAPS = frozenset({"gradient", "truncate"})
_OF_FLOWS = frozenset({"rtol", "atol", "most_steps", "substeps", "interpolation", "adjoint", "grid"})


def integrators() -> list[str]:
    """The names of every step rule and every solver."""
    return [*RULES, *SOLVERS]


def integrator_kind(name: str) -> IntegratorKind:
    """What the integrator of this name is; an InvalidInput with the nearest name where there is none."""
    look_up("integrator", name, {**RULES, **SOLVERS})
    if name in RULES:
        return IntegratorKind(_OF_MAPS, RULES[name].needs_leak, False, RULES[name].summary)
    return IntegratorKind(_OF_FLOWS, False, True, f"flow: {SOLVERS[name].summary}")


def make_integrator(name: str, options: dict[str, Any]) -> Integrator:
    """The integrator of this name, from the options that its kind reads."""
    return Flow(solver=name, **options) if integrator_kind(name).flow else Map(rule=name, **options)
