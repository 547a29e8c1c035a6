"""Every `gnode ...` in README and docs is one that the command line takes; nothing is run."""

import tomllib
from typing import Any

import pytest
import typer
from blocks import PAGES, blocks, commands, mentions

from gnode.cli import app
from gnode.sweeps.grid import experiments, read_plan
from gnode.training.experiment import catalogues

COMMAND = typer.main.get_command(app)
SHOWN = [pytest.param(words, id=f"{page}: {' '.join(words)}") for page in PAGES for words in commands(page)]
NAMED = [pytest.param(words, id=f"{page}: {' '.join(words)}") for page in PAGES for words in mentions(page)]


def taken(words: list[str]) -> dict[str, Any]:
    """What the innermost command makes of its arguments; a wrong use raises what the command line shows."""
    command, name, words = COMMAND, "gnode", list(words)
    while hasattr(command, "commands"):
        context = command.make_context(name, words)
        name, command, words = command.resolve_command(context, words)
    return command.make_context(name, words).params


def test_the_documents_show_every_command():
    assert {param.values[0][0] for param in SHOWN} == set(COMMAND.commands)


@pytest.mark.parametrize("words", SHOWN)
def test_commands_are_taken(words):
    given = taken(words)
    if words[0] == "list":
        assert given["what"] in {"experiments", *catalogues()}
    if words[0] == "sweep" and not given["experiment"].endswith((".toml", "$1")):
        assert given["experiment"] in experiments()


@pytest.mark.parametrize("words", NAMED)
def test_what_sentences_name_is_there(words):
    command = COMMAND.commands[words[0]]
    if hasattr(command, "commands") and len(words) > 1:
        command = command.commands[words[1]]
    options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    assert {word.split("=")[0] for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("line", ["train ring --no-such-option --out x", "train ring --lr fast --out x", "teach ring"])
def test_what_is_not_there_is_refused(line):
    with pytest.raises(Exception, match=r"No such option|a valid number|No such command"):
        taken(line.split())


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "toml")])
def test_toml_is_toml_and_an_experiment_is_one(page, tmp_path):
    for block in blocks(page, "toml"):
        tables = tomllib.loads(block)
        if {"task", "grid"} <= set(tables):
            (tmp_path / "experiment.toml").write_text(block)
            assert len(read_plan(tmp_path / "experiment.toml").runs) > 1
        assert tables
