"""Step rules: how a field moves the state over one sample. A new one is a file here and a line in RULES."""

from gnode.integrate.rules.euler import EULER
from gnode.integrate.rules.exponential_euler import EXPONENTIAL_EULER
from gnode.integrate.rules.rk4 import RK4
from gnode.integrate.rules.rule import Advance, Rule

__all__ = ["RULES", "Advance", "Rule"]

RULES: dict[str, Rule] = {"euler": EULER, "exponential-euler": EXPONENTIAL_EULER, "rk4": RK4}
