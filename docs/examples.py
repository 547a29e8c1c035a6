"""The scripts under examples/ (jupytext's percent format) as pages and as notebooks, with their output.

`python docs/examples.py [NAME ...]` runs them at full size and keeps in examples/output/ what cells print and draw.
"""

import base64
import contextlib
import io
import json
import re
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
CELL = re.compile(r"^# %%( \[markdown\])?$", re.MULTILINE)


def scripts() -> list[Path]:
    return sorted(EXAMPLES.glob("*.py"))


def cells(script: Path) -> list[tuple[str, str]]:
    """("markdown" or "code", its text) of each cell."""
    _, *parts = CELL.split(script.read_text())
    kinds = ["markdown" if mark else "code" for mark in parts[::2]]
    texts = [text.strip() for text in parts[1::2]]
    bare = [re.sub(r"^# ?", "", text, flags=re.MULTILINE) for text in texts]
    return [(kind, bare[at] if kind == "markdown" else texts[at]) for at, kind in enumerate(kinds)]


def run(script: Path) -> list[dict[str, str]]:
    """Runs the cells in one namespace: of each what it printed, and of one that drew its figure as base64 of a PNG."""
    import matplotlib.pyplot as plt

    names: dict = {"__name__": "__main__"}
    outputs = []
    for number, (kind, text) in enumerate(cells(script)):
        printed = io.StringIO()
        if kind == "code":
            with contextlib.redirect_stdout(printed):
                exec(compile(text, f"{script.name}, cell {number}", "exec"), names)
        output = {"text": printed.getvalue()} if printed.getvalue() else {}
        if "axes" in names:
            drawn = io.BytesIO()
            names.pop("axes").figure.savefig(drawn, dpi=100, metadata={"Software": None})
            output["png"] = base64.b64encode(drawn.getvalue()).decode()
        outputs.append(output)
    plt.close("all")
    return outputs


def kept(script: Path) -> list[dict[str, str]]:
    path = EXAMPLES / "output" / f"{script.stem}.json"
    return json.loads(path.read_text()) if path.exists() else [{} for _ in cells(script)]


def page(script: Path) -> str:
    """Markdown of an example, with links to the script and the notebook."""
    parts = []
    for (kind, text), output in zip(cells(script), kept(script), strict=True):
        parts.append(text if kind == "markdown" else f"```python\n{text}\n```")
        if "text" in output:
            parts.append(f"```text\n{output['text'].rstrip()}\n```")
        if "png" in output:
            parts.append(f'<img alt="The figure of this cell" src="data:image/png;base64,{output["png"]}">')
    parts.insert(
        1, f'<a href="{script.stem}.ipynb" download>As a notebook</a>, or the script `examples/{script.name}`.'
    )
    return "\n\n".join(parts) + "\n"


def notebook(script: Path) -> str:
    """The example in Jupyter's format 4.5."""
    made = []
    for number, ((kind, text), output) in enumerate(zip(cells(script), kept(script), strict=True)):
        cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": text}
        if kind == "code":
            shown = [{"output_type": "stream", "name": "stdout", "text": output["text"]}] if "text" in output else []
            if "png" in output:
                shown.append({"output_type": "display_data", "metadata": {}, "data": {"image/png": output["png"]}})
            cell |= {"execution_count": None, "outputs": shown}
        made.append(cell)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": kernel, "cells": made}, indent=1) + "\n"


if __name__ == "__main__":
    for script in scripts():
        if script.stem in (sys.argv[1:] or [script.stem]):
            (EXAMPLES / "output").mkdir(exist_ok=True)
            (EXAMPLES / "output" / f"{script.stem}.json").write_text(json.dumps(run(script), indent=1) + "\n")
