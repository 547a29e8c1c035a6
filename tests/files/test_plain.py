"""JSON that leaves the program is JSON: no NaN, no Infinity, which jq, browsers and Go refuse."""

import json
from pathlib import Path

import numpy as np
import pytest

from gnode import models, train
from gnode.files.plain import as_json, spelled_out
from gnode.series import Data, Trials

VALUES = np.random.default_rng(0).standard_normal((4, 5, 1))


def strict(text):
    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_what_json_does_not_know_is_null():
    content = {
        "whole": np.int64(3), "number": np.float32(0.5), "yes": np.bool_(True), "none": None, "path": Path("a/b"),
        "wild": [np.nan, -np.inf, np.float32("inf"), (1.0, {"deep": float("nan")})], "array": np.array([[1.0, np.inf]]),
    }  # fmt: skip
    assert strict(as_json(content)) == {
        "whole": 3, "number": 0.5, "yes": True, "none": None, "path": "a/b",
        "wild": [None, None, None, [1.0, {"deep": None}]], "array": [[1.0, None]],
    }  # fmt: skip


def test_what_is_spelled_out_can_be_read_back():
    numbers = np.array([1.5, np.inf, -np.inf, np.nan])
    spelled = strict(as_json(spelled_out({"numbers": numbers})))["numbers"]
    assert spelled == [1.5, "inf", "-inf", "nan"]
    np.testing.assert_array_equal(np.array(spelled, float), numbers)
    np.testing.assert_array_equal([float(value) for value in spelled], numbers)


@pytest.mark.full
def test_scores_that_are_no_numbers_are_null(gnode, tmp_path):
    calm, wild = Trials(VALUES, VALUES), Trials(1e30 * VALUES, VALUES)
    train(
        models.make("node", input_size=1, state_size=2, output_size=1, hidden=(32,)),
        Data(calm, calm, wild), out=tmp_path / "run", epochs=1, batch_size=4, lr=1e-9,
    )  # fmt: skip
    code, out, _ = gnode("evaluate --json", tmp_path / "run")
    assert code == 0 and strict(out)["test_loss"] is None
    for file in [*tmp_path.rglob("*.json"), *tmp_path.rglob("*.jsonl")]:
        for line in [file.read_text()] if file.suffix == ".json" else file.read_text().splitlines():
            strict(line)
