"""Plain data for other programs: JSON, which knows neither NaN nor infinity."""

import json
import math
import os
from collections.abc import Callable
from typing import Any


def as_json(content: Any, indent: int | None = None) -> str:
    """JSON of plain data, NumPy's numbers and arrays and paths among them; null where a number is not finite."""
    return json.dumps(_plain(content, lambda _: None), indent=indent, allow_nan=False)


def plain(content: Any) -> Any:
    """Plain data as it is, NumPy's numbers and arrays as Python's, tuples as lists."""
    return _plain(content, lambda number: number)


def spelled_out(content: Any) -> Any:
    """Plain data with "nan", "inf" and "-inf" where numbers are not finite: `float` reads them back."""
    return _plain(content, str)


def _plain(value: Any, instead: Callable[[float], float | str | None]) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item, instead) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, instead) for item in value]
    if hasattr(value, "tolist"):  # of NumPy
        return _plain(value.tolist(), instead)
    if isinstance(value, float) and not math.isfinite(value):
        return instead(value)
    return os.fspath(value) if isinstance(value, os.PathLike) else value
