"""Where runs have classes, tables and pages of sweeps show accuracy beside the loss."""

import numpy as np
import pandas as pd
import pytest

from gnode.report.sweep import sweep_report
from gnode.sweeps import results
from gnode.sweeps.directory import open_sweep
from gnode.sweeps.grid import plan
from gnode.sweeps.tables import write_tables

ACCURACY = {"gnode": [0.9, 0.92, 0.91], "rnn": [0.5, 0.6, 0.4]}


def test_the_table_has_what_a_run_of_classes_knows(tmp_path):
    tables = {"task": {"name": "ring"}, "training": {"epochs": 1}, "sweep": {"seeds": 2}}
    sweep = open_sweep(plan(tables), tmp_path / "sweep", resume=False)
    for run, accuracy in zip(sweep.plan.runs, (0.25, None), strict=True):
        folder = sweep.folder(run)
        folder.mkdir(parents=True)
        known = "" if accuracy is None else f', "test_accuracy": {accuracy}'
        (folder / "summary.json").write_text(f'{{"test_loss": 1.0, "val_loss": 2.0, "parameters": 3{known}}}')
    found = write_tables(sweep, {}, {})
    assert found["test_accuracy"][0] == 0.25 and np.isnan(found["test_accuracy"][1])


def tables_of_a_sweep(folder, classes):
    rows = [
        {"run": f"{model}{seed}", "state": "done", "why": "", "model": model, "seed": seed, "val_loss": 1.0,
         "test_loss": 1.5 + seed, "seconds": 1.0, **({"test_accuracy": right} if classes else {})}
        for model, shares in ACCURACY.items() for seed, right in enumerate(shares)
    ]  # fmt: skip
    runs = pd.DataFrame(rows)
    runs.attrs = {"axes": ["model"], "select": [], "compare": "model"}
    runs.to_parquet(folder / "results.parquet")
    pd.DataFrame({"run": runs["run"], "epoch": 1, "val_loss": 1.0}).to_parquet(folder / "epochs.parquet")
    return runs


@pytest.mark.slow
@pytest.mark.full
def test_the_page_is_accessible(accessible, tmp_path):
    tables_of_a_sweep(tmp_path, classes=True)
    accessible(sweep_report(tmp_path))


@pytest.mark.parametrize("classes", [True, False])
def test_the_page_says_how_often_it_was_right(tmp_path, classes):
    runs = tables_of_a_sweep(tmp_path, classes)
    page = sweep_report(tmp_path).read_text()
    assert ("Test accuracy" in page) == ("points below the best" in page) == classes
    if classes:
        assert "<b>91.0%</b>" in page and ">41.0<" in page  # medians 0.91 and 0.5
        assert page.index("<b>91.0%</b>") < page.index("<b>50.0%</b>")  # the best one first
        assert results.rank_tests(runs, "model", "test_accuracy")["p"].item() == pytest.approx(0.1)


def test_panels_are_named_so_that_a_number_says_what_it_is():
    runs = pd.DataFrame({"task": ["ring", "ring", "disk"], "split": [0, 1, 0], "model": "rnn"})
    runs.attrs = {"axes": ["task", "split", "model"], "select": [], "compare": "model"}
    assert list(results.panels(runs)) == ["ring, split 0", "ring, split 1", "disk, split 0"]
