"""What the built pages have beside their Markdown: the menu by use, the examples, plotly.js for interactive figures.

A page is added by adding its file: in how-to/, concepts/, results/, develop/ or api/ it comes under that heading, at
the top under Reference, in the order of the file names. An example is added by adding its script to examples/.
"""

import re
import sys
from pathlib import Path

import plotly.offline
from mkdocs.structure.files import File

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))
import examples  # noqa: E402

START = ["index.md", "install.md", "tutorial.md"]
FIGURE = re.compile(r"<!-- figure: ([\w-]+) -->")


def pages(folder: str = "", but: tuple[str, ...] = ()) -> list[str]:
    """The pages of a folder, its index first."""
    found = sorted((DOCS / folder).glob("*.md"), key=lambda path: (path.stem != "index", path.stem))
    return [name for path in found if (name := path.relative_to(DOCS).as_posix()) not in but]


def on_config(config):
    config.nav = [
        {"Start": START},
        {"How-to": [*pages("how-to"), {"Examples": [f"examples/{script.stem}.md" for script in examples.scripts()]}]},
        {"Concepts": pages("concepts")},
        {"Reference": [*pages(but=tuple(START)), {"Python, by use": pages("api")}]},
        {"Results": pages("results")},
        {"Develop": pages("develop")},
    ]
    return config


def on_files(files, config):
    for script in examples.scripts():
        for ending, content in (("md", examples.page(script)), ("ipynb", examples.notebook(script))):
            files.append(File.generated(config, f"examples/{script.stem}.{ending}", content=content))
    files.append(File.generated(config, "assets/plotly.min.js", content=plotly.offline.get_plotlyjs()))
    return files


def on_page_markdown(markdown, page, **_):
    """Puts a figure of concepts/figures.py where its comment stands; all pages share one file of plotly.js."""
    library = f'<script src="{"../" * page.file.src_uri.count("/")}assets/plotly.min.js"></script>'
    drawn = [(DOCS / "concepts" / "figures" / f"{name}.html").read_text() for name in FIGURE.findall(markdown)]
    first, *others = FIGURE.split(markdown)[::2]
    return first + "".join(f"{library}\n{figure}{rest}" for figure, rest in zip(drawn, others, strict=True))
