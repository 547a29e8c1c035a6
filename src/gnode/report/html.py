"""Pages: sections of text and figures, put into one self-contained HTML file."""

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from html import escape, unescape
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from plotly.offline import get_plotlyjs

from gnode.report import glossary, style
from gnode.report.glossary import Html
from gnode.report.shared import Shared


@dataclass(frozen=True)
class Card:
    """One figure or table with how to read it.

    Attributes:
        title: a few words.
        caption: what it shows and how to read it; may hold HTML of ours.
        body: a plotly figure (a dictionary), or HTML.
        note: what is true of this run alone, after the caption; may hold HTML of ours.
        wide: takes the whole width of the page.
    """

    title: str
    caption: str
    body: dict[str, Any] | str
    note: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Row:
    """Cards of one title, of several runs beside each other, under one caption.

    Attributes:
        cards: the name and the colour of a run, and its card.
        without: names of the runs that have no such card.
    """

    cards: list[tuple[str, str, Card]]
    without: list[str]


@dataclass(frozen=True)
class Section:
    """A heading, a sentence or two, and cards. Sections without cards are left out."""

    name: str
    title: str
    lead: str
    cards: Sequence[Card | Row]


def html_page(title: str, top: str, sections: Sequence[Section], *, origin: str, scripts: Sequence[str] = ()) -> str:
    """The whole page; nothing of it is loaded from elsewhere.

    Args:
        title: of the browser's tab.
        top: HTML of ours that stands before the sections.
        origin: what the page was made from, for its last line; may hold HTML of ours.
        scripts: names of files in assets/ that the page needs beside page.js, in order.
    """
    shown = [section for section in sections if section.cards]
    shared = Shared(card.body for card in _cards(shown) if isinstance(card.body, dict))
    body = "".join(_section(section, shared) for section in shown)
    if measures := glossary.used(top + body):
        how = Card("What each number says", "", glossary.as_html(measures), wide=True)
        shown.append(Section("how", "How it is computed", "", [how]))
        body += _section(shown[-1], shared)
    navigation = "".join(f'<a href="#{section.name}">{escape(section.title)}</a>' for section in shown)
    programs = [get_plotlyjs(), *map(asset, (*scripts, "page.js"))]
    loaded = "\n".join(f"<script>{program}</script>" for program in programs)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_policy(programs)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} · gnode</title>
<link rel="icon" href="data:,">
<style>{asset("page.css")}</style>
</head>
<body>
<a class="skip" href="#content">To the content</a>
<header><div class="bar"><span class="brand">gnode</span><nav aria-label="Sections">{navigation}</nav></div></header>
<main id="content">
<div class="top">{top}</div>
{body}
</main>
<script type="application/json" id="shared">{embedded_json(shared.lists)}</script>
<footer>Made on {date.today():%d %B %Y} by gnode {escape(version("gnode"))} from {origin}.</footer>
{loaded}
</body>
</html>
"""


def _policy(programs: Sequence[str]) -> str:
    """What a browser lets the page do: run these programs and no other, draw, and reach nothing.

    Styles may stand in elements: Plotly puts them there, and so do tables.
    """
    hashes = " ".join(f"'sha256-{b64encode(sha256(program.encode()).digest()).decode()}'" for program in programs)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _cards(sections: Sequence[Section]) -> Iterator[Card]:
    for section in sections:
        for card in section.cards:
            yield from (card,) if isinstance(card, Card) else (one for _, _, one in card.cards)


def _section(section: Section, shared: Shared) -> str:
    cards = "".join(_row(card, shared) if isinstance(card, Row) else _card(card, shared) for card in section.cards)
    lead = f"<p>{section.lead}</p>" if section.lead else ""
    head = f"<h2>{escape(section.title)}</h2>{lead}"
    return f'<section id="{section.name}">{head}<div class="cards">{cards}</div></section>'


def _card(card: Card, shared: Shared) -> str:
    kind = "card wide" if card.wide else "card"
    said = " ".join(filter(None, (card.caption, card.note)))
    caption = f"<figcaption>{said}</figcaption>" if said else ""
    return f'<figure class="{kind}"><h3>{escape(card.title)}</h3>{_body(card, card.title, shared)}{caption}</figure>'


def _row(row: Row, shared: Shared) -> str:
    """What captions have in common stands once, below."""
    captions = {card.caption for _, _, card in row.cards}
    below = captions.pop() if len(captions) == 1 else ""
    panels = ""
    for name, colour, card in row.cards:
        said = " ".join(filter(None, ("" if below else card.caption, card.note)))
        note = f'<p class="note">{said}</p>' if said else ""
        body = _body(card, f"{card.title}, {name}", shared)
        panels += f'<div class="panel"><h4 class="run">{named(name, colour)}</h4>{body}{note}</div>'
    title = row.cards[0][2].title
    if row.without:
        below += f" Not there for {escape(', '.join(row.without))}."
    caption = f"<figcaption>{below.strip()}</figcaption>" if below else ""
    columns = 1 if any(card.wide for _, _, card in row.cards) else {1: 1, 2: 2, 4: 2}.get(len(row.cards), 3)
    alone = " alone" if len(row.cards) == 1 and columns == 1 and not row.cards[0][2].wide else ""
    return (
        f'<figure class="card wide{alone}"><h3>{escape(title)}</h3>'
        f'<div class="row of{columns}">{panels}</div>{caption}</figure>'
    )


def named(run: str, colour: str) -> str:
    """A run's name behind its mark."""
    return f'<span class="named"><span class="dot" style="background:{colour}"></span>{escape(run)}</span>'


def _body(card: Card, title: str, shared: Shared) -> str:
    if isinstance(card.body, str):
        return card.body
    height = card.body["layout"].get("height", 380)
    data = f'<script type="application/json">{embedded_json(shared.without(card.body))}</script>'
    words = escape(f"{title}. {alternative(card.body)}", quote=True)
    return f'<div class="figure" role="group" aria-label="{words}" style="min-height:{height}px">{data}</div>'


def alternative(figure: dict[str, Any]) -> str:
    """What a figure shows, for those who cannot see it: its axes, and from where to where each named line goes."""
    layout = figure["layout"]
    places = layout.get("scene", layout)
    axes = [f"{key[0]}: {_plain(title)}" for key in ("xaxis", "yaxis", "zaxis") if (title := _title(places.get(key)))]
    parts = ["; ".join(axes) + "."] if axes else []
    for trace in figure["data"]:
        heights = trace.get("y")
        if trace.get("visible", True) is not True or not trace.get("name") or not isinstance(heights, list):
            continue
        known = [one for one in heights if isinstance(one, int | float)]
        if trace.get("showlegend") is False or not known:
            continue
        name, count = _plain(trace["name"]), len(known)
        lines = "lines" in trace.get("mode", "") and trace["type"] == "scatter"
        ends = f", from {style.number(known[0])} to {style.number(known[-1])}" if lines else ""
        parts.append(f"{name}: {count} point{'s' if count != 1 else ''}{ends}.")
    return " ".join(parts[:9])


def _title(axis: dict[str, Any] | None) -> str:
    title = (axis or {}).get("title", "")
    return title.get("text", "") if isinstance(title, dict) else title


def _plain(text: str) -> str:
    """HTML without its elements."""
    return unescape(re.sub(r"<[^>]*>", "", text))


def table(head: Sequence[str], rows: list[list[str]], plain: bool = False) -> str:
    """An HTML table, which becomes cards, one a row, where there is no room for its columns.

    Args:
        head: names of the columns; text, or `Html` of ours.
        rows: cells, which may hold HTML of ours.
        plain: without a head.
    """
    names = [name if isinstance(name, Html) else escape(name) for name in head]
    labels = [escape(_plain(name), quote=True) for name in names]
    heads = "".join(f'<th scope="col">{name}</th>' for name in names)
    top = "" if plain else f"<thead><tr>{heads}</tr></thead>"

    def cell(at: int, content: str) -> str:
        return f"<td>{content}</td>" if plain else f'<td data-label="{labels[at]}">{content}</td>'

    body = "".join("<tr>" + "".join(cell(at, one) for at, one in enumerate(row)) + "</tr>" for row in rows)
    many = "" if plain or len(names) < 4 else " many"
    return f'<div class="scroll{many}"><table>{top}<tbody>{body}</tbody></table></div>'


def fact(value: Any) -> str:
    """A value as a person would write it."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, float):
        return style.number(value)
    return str(value)


def embedded_json(data: dict[str, Any] | list[Any]) -> str:
    """JSON that cannot end the script element that it stands in."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def asset(name: str) -> str:
    """The text of a file in assets/."""
    return files("gnode.report").joinpath("assets", name).read_text(encoding="utf-8")
