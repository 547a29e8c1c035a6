"""Integrators: how a field moves the state. The Euler map for now; continuous flows get a file of their own."""

from gnode.integrate.euler import SCANS, EulerMap, scan_with_adjoint, scan_with_autodiff

__all__ = ["SCANS", "EulerMap", "scan_with_adjoint", "scan_with_autodiff"]
