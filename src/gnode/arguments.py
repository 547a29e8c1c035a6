"""Checks that every room makes of plain numbers; NumPy's are taken and become Python's, bools are not numbers."""

import math
import numbers
import sys

from gnode.errors import must_have


def integer(name: str, value: object, least: int, most: int | None = None) -> int:
    """`value` as a plain int within its limits, both included; InvalidInput where it is not one."""
    limits = f"of at least {least}" if most is None else f"between {least} and {most}"
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        whole = int(value)
        if whole >= least and (most is None or whole <= most):
            return whole
    must_have(f"{name} an integer {limits}", repr(value))


def positive(name: str, value: object, most: float = sys.float_info.max) -> float:
    """`value` as a plain float above 0 and at most `most`, by default any finite one; InvalidInput where it is not."""
    if isinstance(value, numbers.Real) and not isinstance(value, bool) and 0 < float(value) <= most:
        return float(value)
    limit = f" and at most {most:g}" if most < sys.float_info.max else ""
    must_have(f"{name} a number above 0{limit}", repr(value))


def number(name: str, value: object, expected: str = "a finite number") -> float:
    """`value` as a finite plain float; InvalidInput where it is not one."""
    if isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    must_have(f"{name} {expected}", repr(value))
