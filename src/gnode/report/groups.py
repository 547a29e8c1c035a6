"""What the cards of a sweep have in common: groups of runs in colours, figures, titles of its parts."""

from typing import Any

import pandas as pd

from gnode.report import style


def titled(title: str, part: str) -> str:
    return f"{title}: {part}" if part else title


def grouped(part: pd.DataFrame, by: str) -> list[tuple[str, tuple[Any, pd.DataFrame]]]:
    """Each value of a column with a colour and its rows."""
    groups = list(part.groupby(by, sort=False))
    return list(zip([style.RUNS[at % len(style.RUNS)] for at in range(len(groups))], groups, strict=True))


def figure(traces: list[dict[str, Any]], **axes: dict[str, Any]) -> dict[str, Any]:
    layout = {"height": 380, "margin": {"l": 64, "r": 16, "t": 24, "b": 48}, "hovermode": "closest"}
    legend = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
    return {"data": traces, "layout": {**layout, "legend": legend, **axes}}
