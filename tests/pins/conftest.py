"""The pinned directories, unpacked for the tests that read them, and copied for those that go on with them."""

import contextlib
import io
import json
import runpy
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parent / "data"


def unpacked(name: str, folder: Path) -> Path:
    with zipfile.ZipFile(DATA / f"{name}.zip") as archive:
        archive.extractall(folder / name)
    return folder / name


@pytest.fixture(scope="module")
def pinned_runs(tmp_path_factory) -> Path:
    """Every pinned run; to be read only."""
    return unpacked("runs", tmp_path_factory.mktemp("pins"))


@pytest.fixture
def folders(tmp_path) -> dict[str, Path]:
    """All that was pinned, fresh, and a directory that is not there yet."""
    return {name: unpacked(name, tmp_path) for name in ("runs", "sweep", "expressivity")} | {"new": tmp_path / "new"}


@pytest.fixture
def command(monkeypatch) -> Callable[[str], Any]:
    """Runs `python -m gnode LINE --json` in this process and returns the object that it prints."""

    def run(line: str) -> Any:
        printed = io.StringIO()
        monkeypatch.setattr(sys, "argv", ["gnode", *line.split(), "--json"])
        with contextlib.redirect_stdout(printed), pytest.raises(SystemExit) as end:
            runpy.run_module("gnode", run_name="__main__")
        assert not end.value.code, line
        return json.loads(printed.getvalue())

    return run
