"""gnode train on a table of the user's own: what it says, what it leaves, and that evaluate and report work on it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gnode.cli import main
from gnode.errors import InvalidInput
from gnode.examine import evaluate
from gnode.training import RunDirectory, directory
from gnode.training.experiment import experiment_from, experiment_on
from tests.data.test_own import long

QUICK = "--epochs 2 --state-size 3 --hidden 4 --batch-size 4"
COLUMNS = "--target label --series id --time t --inputs x,y"


@pytest.fixture
def gnode(capsys, monkeypatch):
    """Runs the command in this process: (exit code, standard output, standard error)."""

    def call(line: str, *more: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gnode", *line.split(), *map(str, more)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "my.csv"
    frame = long()
    frame.loc[3, "x"] = np.nan
    frame.to_csv(path, sep=";", decimal=",", index=False)
    return path
