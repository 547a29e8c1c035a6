"""Pages: sections of text and figures, put into one self-contained HTML file."""

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from html import escape
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from plotly.offline import get_plotlyjs

from gnode.report import style


@dataclass(frozen=True)
class Card:
    """One figure or table with how to read it.

    Attributes:
        title: a few words.
        caption: what it shows and how to read it; may hold HTML of ours.
        body: a plotly figure (a dictionary), or HTML.
        run: the run it is of, where there are several; "" for all of them.
        wide: takes the whole width of the page.
    """

    title: str
    caption: str
    body: dict[str, Any] | str
    run: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """A heading, a sentence or two, and cards. Sections without cards are left out."""

    name: str
    title: str
    lead: str
    cards: list[Card]


def html_page(title: str, top: str, sections: Sequence[Section], *, origin: str, scripts: Sequence[str] = ()) -> str:
    """The whole page; nothing of it is loaded from elsewhere.

    Args:
        title: of the browser's tab.
        top: HTML of ours that stands before the sections.
        origin: what the page was made from, for its last line; may hold HTML of ours.
        scripts: names of files in assets/ that the page needs beside page.js, in order.
    """
    shown = [section for section in sections if section.cards]
    navigation = "".join(f'<a href="#{section.name}">{escape(section.title)}</a>' for section in shown)
    body = "".join(map(_section, shown))
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
<header><div class="bar"><span class="brand">gnode</span><nav>{navigation}</nav></div></header>
<main>
<div class="top">{top}</div>
{body}
</main>
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


def _section(section: Section) -> str:
    cards = "".join(_card(card) for card in section.cards)
    lead = f"<p>{section.lead}</p>" if section.lead else ""
    kind = "cards runs" if any(card.run for card in section.cards) else "cards"
    head = f"<h2>{escape(section.title)}</h2>{lead}"
    return f'<section id="{section.name}">{head}<div class="{kind}">{cards}</div></section>'


def _card(card: Card) -> str:
    if isinstance(card.body, str):
        body = card.body
    else:
        height = card.body["layout"].get("height", 380)
        data = f'<script type="application/json">{embedded_json(card.body)}</script>'
        body = f'<div class="figure" style="min-height:{height}px">{data}</div>'
    run = f'<span class="run">{escape(card.run)}</span>' if card.run else ""
    kind = "card wide" if card.wide else "card"
    caption = f"<figcaption>{card.caption}</figcaption>" if card.caption else ""
    return f'<figure class="{kind}"><h3>{escape(card.title)}{run}</h3>{body}{caption}</figure>'


def table(head: list[str], rows: list[list[str]], plain: bool = False) -> str:
    """An HTML table that scrolls sideways where it must; cells may hold HTML of ours. `plain`: without a head."""
    top = "" if plain else "<thead><tr>" + "".join(f"<th>{escape(name)}</th>" for name in head) + "</tr></thead>"
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table>{top}<tbody>{body}</tbody></table></div>'


def fact(value: Any) -> str:
    """A value as a person would write it."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, float):
        return style.number(value)
    return str(value)


def embedded_json(data: dict[str, Any]) -> str:
    """JSON that cannot end the script element that it stands in."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def asset(name: str) -> str:
    """The text of a file in assets/."""
    return files("gnode.report").joinpath("assets", name).read_text(encoding="utf-8")
