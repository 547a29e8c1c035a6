"""Series, trials and data: what comes in is converted, checked and noted once, here; inside there is one form.

Sample k stands for the time (t[k-1], t[k]], and output k is read at t[k]. NaN exists only outside of this door.
"""

from gnode.series.clock import UNITS, Clock
from gnode.series.series import Series
from gnode.series.trials import PARTS, Data, Trials

__all__ = ["PARTS", "UNITS", "Clock", "Data", "Series", "Trials"]
