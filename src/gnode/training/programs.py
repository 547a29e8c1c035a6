"""The programs that a TOML file names, and whether they may be run.

A person's experiment file names the person's own. What lies in the directory of a run or a sweep may be a stranger's.
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gnode import tasks
from gnode.training.directory import CONFIG, RunDirectory

_OF_SWEEP = ("sweep.toml", "runs")  # lie side by side in a sweep's directory


def check_programs(file: Path, tables: dict[str, Any]) -> None:
    """Raise InvalidInput where a directory's TOML file names a program that is not trusted (gnode.tasks.trust)."""
    for definition, path in _programs(file, tables):
        tasks.check_trusted(definition, path)


def trust_programs(file: Path) -> None:
    """Trust the programs that a directory's TOML file names, if it is there and can be read."""
    try:
        tables = tomllib.loads(file.read_text("utf-8-sig"))
    except (OSError, ValueError):  # whoever works with it says so
        return
    for definition, _ in _programs(file, tables):
        tasks.remember(definition)


def _programs(file: Path, tables: dict[str, Any]) -> Iterator[tuple[tasks.Definition, Path]]:
    """Tasks of the user's own in a directory's TOML file, each with the file that holds it or, of a module, names it;
    none in a TOML file that a person wrote."""
    written_by_gnode = "gnode" in tables
    if file.name == CONFIG and written_by_gnode:
        run = RunDirectory(file.parent)
        if (kept := run.kept_task()) is not None:
            yield kept, run.place_of(kept)
    # A stranger may have taken out that gnode wrote it.
    elif (
        written_by_gnode or file.name == CONFIG or (file.name == _OF_SWEEP[0] and file.with_name(_OF_SWEEP[1]).exists())
    ):
        for name in sorted(set(_named(tables))):
            definition = tasks.define(name, file.parent)
            yield definition, file if definition.code is None else definition.folder / definition.place


def _named(value: Any, key: str = "") -> Iterator[str]:
    """The names of tasks of the user's own, in the table of the task or on an axis of a sweep."""
    if isinstance(value, dict):
        for inner, item in value.items():
            yield from _named(item, inner)
    elif isinstance(value, list):
        for item in value:
            yield from _named(item, key)
    elif key in ("name", "task", "task.name") and tasks.is_own(value):
        yield value
