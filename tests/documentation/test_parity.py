"""Every row of the page on peers names a call, and each runs, in the order of the page."""

import re

import pytest
from blocks import PAGES, blocks

from gnode.cli import app

PAGE = "docs/parity.md"


def rows() -> list[str]:
    """The last cell of each row of the page's tables, without its backticks."""
    lines = [line for line in PAGES[PAGE].read_text().splitlines() if line.startswith("| ")]
    cells = [re.split(r"(?<!\\) \| ?", line.rstrip(" |"))[-1] for line in lines]
    return [cell for cell in cells if cell != "call"]


# Whose programs take more than some seconds to compile.
DEAR = (
    "beside=",
    "attractor(",
    "basins",
    "Classifier",
    "reconstruct(",
    "capacity",
    "sweep(",
    "curriculum=",
    "tsit5",
    "dopri5",
)


def run(calls, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in blocks(PAGE, "python"):
        exec(block, names)
    for call in calls:
        call = call.strip("`")
        if call.startswith("gnode "):
            assert app(call.split()[1:], standalone_mode=False) in (None, 0), call
        else:
            assert eval(call, names) is not None, call


def test_each_row_has_a_call_and_cheap_ones_run(tmp_path, monkeypatch):
    calls = rows()
    assert len(calls) > 50 and all(call.startswith("`") and call.endswith("`") for call in calls)
    for call in calls:
        if not call.startswith("`gnode "):
            compile(call.strip("`"), PAGE, "eval")
    run([call for call in calls if not any(dear in call for dear in DEAR)], tmp_path, monkeypatch)


@pytest.mark.full
def test_each_call_runs(tmp_path, monkeypatch):
    run(rows(), tmp_path, monkeypatch)
