"""Reports: what a run learned, as an interactive page and as figures for papers."""

from gnode.report.page import report
from gnode.report.paper import figures, wanted_figures

__all__ = ["figures", "report", "wanted_figures"]
