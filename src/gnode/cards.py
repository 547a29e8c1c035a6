"""What is shown of a result: a few lines where it is printed; in a notebook a small table, and a cheap picture."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, TypeVar

import numpy as np

_WIDTH, _HEIGHT, _MARGIN = 240, 120, 6  # of a picture, in pixels
_MOST = 2000  # points in it
Shown = TypeVar("Shown")


@dataclass(frozen=True)
class Card:
    """What is to be seen of a result.

    Attributes:
        title: a line.
        rows: of cells; the first column names them.
        head: what the columns are called; empty where the rows name themselves.
        note: a sentence behind the table.
        picture: SVG, in notebooks only.
    """

    title: str
    rows: Sequence[Sequence[str]] = ()
    head: Sequence[str] = ()
    note: str = ""
    picture: str = ""


def carded(card: Callable[[Any], Card]) -> Callable[[type[Shown]], type[Shown]]:
    """A decorator of classes that are shown as a card. Where a part is missing it says so, and raises nothing."""

    def decorate(kind: type[Shown]) -> type[Shown]:
        kind.__repr__ = lambda self: _shown(self, card, as_text)  # type: ignore[method-assign, assignment]
        kind._repr_html_ = lambda self: _shown(self, card, as_html)  # type: ignore[attr-defined]
        return kind

    return decorate


def _shown(result: Any, card: Callable[[Any], Card], form: Callable[[Card], str]) -> str:
    try:
        return form(card(result))
    except Exception as error:  # half of a result, as in a debugger, must be seen too
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return form(Card(f"{type(result).__name__}, of which a part is missing ({reason})"))


def as_text(card: Card) -> str:
    """The card in lines of text, its columns under each other."""
    lines = [list(card.head)] * bool(card.head) + [list(row) for row in card.rows]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    table = ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in lines]
    return "\n".join([card.title, *table, *([card.note] if card.note else [])])


def as_html(card: Card) -> str:
    """The card as a piece of HTML, in the colours of the page that it stands on."""
    head = "".join(f'<th style="text-align:left">{escape(cell)}</th>' for cell in card.head)
    rows = "".join(
        "<tr>" + "".join(f'<td style="text-align:left">{escape(cell)}</td>' for cell in row) + "</tr>"
        for row in card.rows
    )
    table = f"<table>{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{rows}</tbody></table>" if rows else ""
    note = f"<small>{escape(card.note)}</small>" if card.note else ""
    return f"<div><b>{escape(card.title)}</b>{table}{card.picture}{note}</div>"


def number(value: Any) -> str:
    """A number in few digits; a dash where there is none."""
    return "–" if value is None or (isinstance(value, float | np.floating) and np.isnan(value)) else f"{value:.4g}"


def curves(lines: Iterable[Any], caption: str) -> str:
    """Curves (T,) above each other as a picture; nothing where there is nothing to draw."""
    arrays = [np.asarray(line, float) for line in lines]
    arrays = [line[:: -(-len(line) // _MOST)] for line in arrays if len(line) > 1]
    arrays = [np.where(np.isfinite(line), line, np.nan) for line in arrays if np.isfinite(line).any()]
    if not arrays:
        return ""
    low, high = (float(bound(np.concatenate(arrays))) for bound in (np.nanmin, np.nanmax))
    shapes = []
    for at, line in enumerate(arrays):
        x, y = np.linspace(0, 1, len(line)), _unit(line, low, high)
        points = " ".join(f"{_x(a):.1f},{_y(b):.1f}" for a, b in zip(x, y, strict=True) if np.isfinite(b))
        faint = 1.0 if at == 0 else 0.45
        shapes.append(f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-opacity="{faint}"/>')
    return _picture(shapes, caption)


def dots(points: Any, filled: Any, caption: str) -> str:
    """Points (n, d) by their first two coordinates as a picture, each filled or hollow."""
    places = np.asarray(points, float)
    if not len(places) or not np.isfinite(places).all():
        return ""
    filled = np.broadcast_to(filled, len(places))[:_MOST]
    places = np.column_stack([places, np.zeros(len(places))])[:_MOST, :2]
    x, y = (_unit(column, float(column.min()), float(column.max())) for column in places.T)
    fills = np.where(filled, "currentColor", "none")
    return _picture(
        [
            f'<circle cx="{_x(a):.1f}" cy="{_y(b):.1f}" r="3" stroke="currentColor" fill="{fill}"/>'
            for a, b, fill in zip(x, y, fills, strict=True)
        ],
        caption,
    )


def _unit(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return (values / 2 - low / 2) / (high / 2 - low / 2) if high > low else np.where(np.isfinite(values), 0.5, np.nan)


def _x(share: float) -> float:
    return _MARGIN + share * (_WIDTH - 2 * _MARGIN)


def _y(share: float) -> float:
    return _HEIGHT - _MARGIN - share * (_HEIGHT - 2 * _MARGIN)


def _picture(shapes: Sequence[str], caption: str) -> str:
    size = f'width="{_WIDTH}" height="{_HEIGHT}"'
    label = escape(caption)
    return f'<div><svg role="img" aria-label="{label}" {size}>{"".join(shapes)}</svg><br><small>{label}</small></div>'
