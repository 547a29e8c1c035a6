"""Models at equal loss: crossings and ratios known on paper, and the instrument against its own null."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import gnode
from gnode.errors import InvalidInput
from gnode.sweeps.grid import plan
from gnode.sweeps.levels import at_equal_loss, crossing, decided, holm, verdict
from gnode.sweeps.primary import Primary
from gnode.sweeps.sweep import run_sweep


def test_a_crossing_lies_between_snapshots_in_the_logarithm_of_the_loss():
    losses = np.array([1.0, 0.1, 0.01, 0.001])  # each running median is the loss itself
    found = crossing(losses, np.array([0.0, 10.0, 30.0, 70.0]), 10**-1.5)
    assert found["reached"] and not found["fell"]
    assert (found["before"], found["after"]) == (0.1, 0.01)
    assert found["value"] == pytest.approx(20.0)


def test_one_low_snapshot_is_no_crossing():
    losses = np.array([1.0, 0.9, 0.01, 0.8, 0.7, 0.6])
    assert not crossing(losses, np.ones(6), 0.5)["reached"]


def test_who_falls_through_a_loss_is_not_known_there():
    found = crossing(np.array([1.0, 1.0, 0.02, 0.02]), np.array([1.0, 1.0, 9.0, 9.0]), 0.5)
    assert found["reached"] and found["fell"] and np.isnan(found["value"])
    assert not crossing(np.array([1.0, 1.0, 0.2, 0.2]), np.array([1.0, 1.0, 9.0, 9.0]), 0.5)["fell"]


def made(values: dict[str, list[float]], losses=(1.0, 0.5, 0.25)) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs of two models and their examinations, where `kept` stays what is given for each seed."""
    runs, rows = [], []
    for model, of_seeds in values.items():
        for seed, value in enumerate(of_seeds):
            run = f"{model}{seed}"
            runs.append({"run": run, "model": model, "seed": seed, "state": "done", "val_loss": losses[-1]})
            rows += [
                {"run": run, "epoch": at, "matching_loss": loss, "kept": value} for at, loss in enumerate(losses, 1)
            ]
    frame = pd.DataFrame(runs)
    frame.attrs = {"axes": ["model"], "select": [], "compare": "model"}
    return frame, pd.DataFrame(rows)


def test_a_ratio_is_the_geometric_mean_over_pairs_with_its_interval_and_p():
    ratios = np.array([2.0, 4.0, 8.0, 2.0, 4.0])
    runs, rows = made({"a": list(10 * ratios), "b": [10.0] * 5})
    found = at_equal_loss(runs, rows, "kept", "a", "b", 0.6)
    logs = np.log(ratios)
    interval = stats.t.interval(0.95, 4, logs.mean(), stats.sem(logs))
    assert found.ratio == pytest.approx(np.exp(logs.mean()))
    assert (found.low, found.high) == pytest.approx(tuple(np.exp(interval)))
    assert found.p == 2 / 2**5 and found.seeds == 5
    other = at_equal_loss(runs, rows, "kept", "b", "a", 0.6)
    assert other.ratio == pytest.approx(1 / found.ratio) and other.p == found.p


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0.1, 10.0), min_size=2, max_size=7))
def test_p_is_that_of_scipys_permutation_test(ratios):
    runs, rows = made({"a": ratios, "b": [1.0] * len(ratios)})
    found = at_equal_loss(runs, rows, "kept", "a", "b", 0.6)
    test = stats.permutation_test(
        (np.log(ratios), np.zeros(len(ratios))),
        lambda x, y: np.mean(x - y),
        permutation_type="samples",
        n_resamples=np.inf,
    )
    assert found.p == pytest.approx(min(1.0, test.pvalue), abs=2 / 2 ** len(ratios) + 1e-12)


def test_seeds_that_never_arrive_are_counted_and_compared_at_the_lowest_loss_of_both():
    runs, rows = made({"a": [30.0] * 4, "b": [10.0] * 4})
    late = rows["run"].isin(["b0", "b1"])
    rows.loc[late, "matching_loss"] += 0.5
    found = at_equal_loss(runs, rows, "kept", "a", "b", 0.6)
    assert found.seeds == 2 and (~found.pairs["reached_other"]).sum() == 2
    common = at_equal_loss(runs, rows, "kept", "a", "b")
    assert common.seeds == 4 and common.ratio == pytest.approx(3.0)
    assert common.pairs["loss"].tolist() == pytest.approx([0.75, 0.75, 0.25, 0.25])


def test_holm_multiplies_the_least_by_all_and_never_falls():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, np.nan]) == pytest.approx([1.0, 1.0])
    for order in itertools.permutations([0.01, 0.04, 0.03]):
        assert dict(zip(order, holm(list(order)), strict=True)) == pytest.approx({0.01: 0.03, 0.03: 0.06, 0.04: 0.06})


def test_a_verdict_needs_both_the_corrected_p_and_the_interval():
    runs, rows = made({"a": [20.0, 22.0, 21.0, 19.0, 20.0, 23.0, 20.0, 20.0], "b": [10.0] * 8})
    found = at_equal_loss(runs, rows, "kept", "a", "b", 0.6)
    assert verdict(found, 0.01) == "more" and verdict(found, 0.06) == "undecided"
    assert verdict(at_equal_loss(runs, rows, "kept", "b", "a", 0.6), 0.01) == "fewer"
    ((one, p, said),) = decided(runs, rows, Primary("kept", "a", ("b",), {"": 0.6}))
    assert one.ratio == found.ratio and p == found.p and said == "more"


@pytest.mark.parametrize(("asked", "needed"), [(("kep", "a", "b"), "kept"), (("kept", "a", "c"), "runs of c")])
def test_what_is_not_there_is_refused(asked, needed):
    with pytest.raises(InvalidInput, match=needed):
        at_equal_loss(*made({"a": [1.0], "b": [1.0]}), *asked, 0.6)


def test_two_models_that_are_one_function_keep_the_same(tmp_path):
    """A leaky nODE whose rates are fixed at 1 is the nODE: each ratio is 1, and so is the interval."""
    tables = {
        "task": {"name": "ring", "bins": 20, "frequency": 4.0},
        "model": {"state_size": 2, "hidden": [6]},
        "training": dict(epochs=8, lr=1e-2, batch_size=5, train_trials=20, validation_trials=10, test_trials=10),
        "examine": {"every": 1, "silences": [30], "trials": 20},
        "grid": {"model": ["node", {"model": "leaky-node", "gate_bias": 30.0, "learn_rates": False}]},
        "sweep": {"seeds": 3},
    }
    run_sweep(plan(tables), tmp_path, workers=1)
    runs = gnode.results.selected(gnode.results.load(tmp_path))
    found = at_equal_loss(runs, gnode.results.load_examinations(tmp_path), "values_30", "node", "leaky-node")
    assert found.seeds == 3 and (found.ratio, found.low, found.high, found.p) == (1.0, 1.0, 1.0, 1.0)


def test_the_share_that_learns_counts_what_diverged_later():
    of_a = [("a", "done", 0.05), ("a", "failed", 0.05), ("a", "done", 0.2)]
    rows = [*of_a, ("b", "failed", np.nan), ("b", "stopped", 0.01)]
    runs = pd.DataFrame(rows, columns=["model", "state", "val_loss"])
    found = gnode.results.learned(runs, ["model"], 0.1).set_index("model")
    assert found["share"].to_dict() == pytest.approx({"a": 2 / 3, "b": 0.0})
    assert found.loc["a", "seeds"] == 3 and found.loc["b", "seeds"] == 1
    share, count, z = 2 / 3, 3, 1.959964
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    assert found.loc["a", ["low", "high"]].tolist() == pytest.approx([middle - half, middle + half], rel=1e-4)
