"""Integrators: how a field moves the state over the time that elapsed. Maps take a step a sample, flows solve."""

from collections.abc import Callable
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
]  # fmt: skip

Integrator = Map | Flow


@dataclass(frozen=True)
class IntegratorKind:
    """What can be chosen by a name.

    Attributes:
        make: an integrator from the options that it reads.
        reads: names of those options.
        needs_leak: whether the field must have the term -h.
        flow: whether it solves continuous time; else it is a map.
        summary: one line for `gnode list integrators`.
    """

    make: Callable[..., Integrator]
    reads: frozenset[str]
    needs_leak: bool
    flow: bool
    summary: str


_OF_MAPS = frozenset({"gradient", "truncate"})
_OF_FLOWS = frozenset({"rtol", "atol", "most_steps", "substeps", "interpolation", "adjoint", "grid"})


def integrators() -> dict[str, IntegratorKind]:
    """Every step rule and every solver, by name."""
    found: dict[str, IntegratorKind] = {}
    for name, rule in RULES.items():
        found[name] = IntegratorKind(_made(Map, rule=name), _OF_MAPS, rule.needs_leak, False, rule.summary)
    for name, solver in SOLVERS.items():
        found[name] = IntegratorKind(_made(Flow, solver=name), _OF_FLOWS, False, True, f"flow: {solver.summary}")
    return found


def integrator_kind(name: str) -> IntegratorKind:
    """The integrator of this name; an InvalidInput with the nearest where there is none."""
    return look_up("integrator", name, integrators())


def _made(kind: type, **chosen: str) -> Callable[..., Integrator]:
    def make(**options: Any) -> Integrator:
        return kind(**chosen, **options)

    return make
