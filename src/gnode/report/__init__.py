"""Reports: what a run learned, as an interactive page, as figures for papers, and as files of numbers."""

from gnode.report.analyse import analyse
from gnode.report.page import report
from gnode.report.paper import figures

__all__ = ["analyse", "figures", "report"]
