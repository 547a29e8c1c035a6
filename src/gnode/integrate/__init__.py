"""Integrators: how a field moves the state over the time that elapsed. Maps take a step a sample, flows solve."""

from gnode.integrate.adjoint import SCANS, scan_with_adjoint, scan_with_autodiff
from gnode.integrate.map import Map
from gnode.integrate.path import Path
from gnode.integrate.rules import RULES

__all__ = ["RULES", "SCANS", "Map", "Path", "scan_with_adjoint", "scan_with_autodiff"]
