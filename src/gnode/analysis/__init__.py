"""See what a trained network has learned: any callable (batch, N) -> (batch, N) to its attractors and their kind."""

from gnode.analysis.attractor import Attractor, attractor
from gnode.analysis.basins import Basins, basins
from gnode.analysis.fixed_points import FixedPoints, SlowPoints, fixed_points, slow_points
from gnode.analysis.lyapunov import LyapunovExponents, lyapunov_exponents
from gnode.analysis.memory import Memory, memory
from gnode.analysis.nullclines import Nullclines, nullclines
from gnode.analysis.separatrices import Branch, Separatrices, separatrices
from gnode.analysis.timescales import Timescales, timescales
from gnode.analysis.topology import Topology, topology
from gnode.analysis.torch_maps import torch_map

__all__ = [
    "Attractor",
    "Basins",
    "Branch",
    "FixedPoints",
    "LyapunovExponents",
    "Memory",
    "Nullclines",
    "Separatrices",
    "SlowPoints",
    "Timescales",
    "Topology",
    "attractor",
    "basins",
    "fixed_points",
    "lyapunov_exponents",
    "memory",
    "nullclines",
    "separatrices",
    "slow_points",
    "timescales",
    "topology",
    "torch_map",
]
