"""What counts, counts as it came; what does not count is never read; anything in between is refused at the door."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnode.errors import GnodeError, InvalidInput
from gnode.series import Data, Series, Trials

X = np.random.default_rng(0).standard_normal((8, 4, 2)).astype("f4")
NAN = np.where(np.arange(4)[None, :, None] == 2, np.nan, X)  # the third sample of each trial is missing
THIRD = np.broadcast_to(np.arange(4) == 2, (8, 4))


def test_arrays_are_taken_as_they_are():
    trials = Trials(X, X + 1, np.ones((8, 4), bool))
    assert (trials.inputs == X).all() and trials.inputs.dtype == np.float32
    assert (trials.targets == X + 1).all() and trials.targets.dtype == np.float32
    assert trials.mask.all() and len(trials) == 8
    assert Trials(X, X).mask is None and Trials(X, X).weights is None
    assert Trials(X, X, np.ones((8, 4))).digest() == Trials(X, X).digest()


# T8: masked arrays


@pytest.mark.parametrize("below", [-9999.0, np.nan, np.inf, 1e39])
def test_what_lies_under_a_masked_target_is_never_used(below):
    hidden = np.broadcast_to(THIRD[..., None], X.shape)
    masked = np.ma.masked_where(hidden, np.where(hidden, below, X.astype("f8")))
    trials = Trials(X, masked)
    assert (trials.mask == ~THIRD).all()
    assert (trials.targets == np.where(hidden, 0, X)).all()
    both = Trials(X, masked, np.arange(4) * np.ones((8, 1)) > 0)
    assert (both.mask == (~THIRD & (np.arange(4) > 0))).all()
    assert trials.digest() == Trials(X, np.where(hidden, 0, X), ~THIRD).digest()


def test_masked_inputs_and_classes():
    trials = Trials(np.ma.masked_where(np.isnan(NAN), np.where(np.isnan(NAN), -9999, X)), X)
    assert (trials.series.seen == ~np.isnan(NAN)).all()
    assert trials.inputs.min() > -9999
    classes = np.ma.masked_equal([0, 1, 2, -1, 0, 1, 2, 0], -1)
    trials = Trials(X, classes)
    assert trials.mask.tolist() == [[at != 3] * 4 for at in range(8)]
    assert trials.targets.tolist() == [0, 1, 2, 0, 0, 1, 2, 0]
    rows = [np.ma.masked_equal(row, -9999) for row in np.where(THIRD, -9999, 1)]
    assert (Trials(X, rows).mask == ~THIRD).all()


def test_a_sample_whose_outputs_are_partly_masked_is_refused():
    with pytest.raises(InvalidInput, match="some in series 0, sample 0"):
        Trials(X, np.ma.array(X, mask=np.broadcast_to([True, False], X.shape)))
    with pytest.raises(InvalidInput, match="lets none"):
        Trials(X, np.ma.masked_all(X.shape))


# T9: numbers that do not fit


def test_integer_targets_of_a_regression_become_floats():
    assert (Trials(X, np.full(X.shape, 3_000_000_000)).targets == np.float32(3e9)).all()
    assert Trials(X, np.ones(X.shape, bool)).targets.dtype == np.float32


@pytest.mark.parametrize("value", [1e39, -np.inf, np.nan])
def test_targets_that_count_and_are_no_numbers_are_refused(value):
    targets = X.astype("f8")
    targets[5, 3, 1] = value
    with pytest.raises(InvalidInput, match=r"finite targets.*series 5, sample 3.*mask="):
        Trials(X, targets)
    with pytest.raises(InvalidInput, match="finite targets"):
        Trials(X, np.full(8, value))
    mask = np.ones((8, 4), bool)
    mask[5, 3] = False
    assert Trials(X, targets, mask).targets[5, 3].tolist() == [X[5, 3, 0], 0]


@pytest.mark.parametrize("dtype", ["u1", "i8", "u8", "bool"])
def test_classes_stay_integers(dtype):
    classes = (np.arange(8) % 2).astype(dtype)
    assert Trials(X, classes).targets.tolist() == [0, 1] * 4
    assert Trials(X, classes).targets.dtype == np.int32
    assert Trials(X, np.broadcast_to(classes[:, None], (8, 4))).targets.shape == (8, 4)


def test_classes_that_do_not_fit_are_refused_where_they_count():
    classes = np.zeros((8, 4), np.int64)
    classes[2, 2] = 3_000_000_000
    with pytest.raises(
        InvalidInput, match=r"classes that int32 can hold, instead got 3000000000 in series 2, sample 2"
    ):
        Trials(X, classes)
    assert Trials(X, classes, ~THIRD).targets.max() == 0


# T10: masks and weights


@pytest.mark.parametrize("mark", [-1.0, 0.5, 2, np.nan, np.inf])
def test_a_mask_is_true_or_false(mark):
    mask = np.ones((8, 4))
    mask[1, 2] = mark
    with pytest.raises(InvalidInput, match=r"True and False.*series 1, sample 2"):
        Trials(X, X, mask)


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf, 1e39])
def test_weights_are_finite_and_not_negative(weight):
    weights = np.ones((8, 4))
    weights[1, 2] = weight
    with pytest.raises(InvalidInput, match=r"finite and at least 0.*series 1, sample 2"):
        Trials(X, X, weights=weights)


def test_mask_and_weights_multiply():
    weights = np.arange(32).reshape(8, 4) / 8
    trials = Trials(X, X, ~THIRD, weights)
    assert (trials.weights == weights * ~THIRD).all()
    assert (trials.mask == (weights * ~THIRD > 0)).all()


def test_something_must_count():
    for nothing in (
        {"mask": np.zeros((8, 4), bool)},
        {"weights": np.zeros((8, 4))},
        {"weights": np.full((8, 4), 1e-60)},
        {"weights": np.full((8, 4), 1e-44)},  # no normal number of float32: XLA takes it for 0
    ):
        with pytest.raises(InvalidInput, match="a mask that lets some bins count"):
            Trials(X, X, **nothing)
    with pytest.raises(InvalidInput, match="a mask that lets some bins count"):
        Trials(X, X, THIRD, weights=~THIRD * 1.0)
    ends = np.zeros((8, 4), bool)
    ends[:, 3] = True  # padding alone
    with pytest.raises(InvalidInput, match="a mask that lets some bins count"):
        Trials(Series.of(X, lengths=[3] * 8), X, ends)


# T26, T29: containers and sizes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X[0], X[0]), "an array .trials, time, channels"),
        ((X[:0], X[:0]), "at least one series"),
        ((X[:, :0], X[:, :0]), "at least one sample"),
        ((X, X[:, :3]), r"begin with \(trials, time\) = \(8, 4\)"),
        ((X, X[:7]), r"shape \(7, 4, 2\)"),
        ((X, X[None]), r"shape \(1, 8, 4, 2\)"),
        ((X, X[..., :0]), r"shape \(8, 4, 0\)"),
        ((X, np.zeros(7, int)), r"shape \(7,\)"),
        ((X, 3), r"shape \(\)"),
        ((X, None), "real numbers for targets, instead got a NoneType"),
        ((X, X + 1j), "complex64"),
        ((X, np.array(list("abababab"))), "real numbers for targets"),
        ((X, np.array([[None]])), "type object"),
        ((X, X, np.ones((8, 3), bool)), r"mask of shape \(trials, time\) = \(8, 4\)"),
        ((X, X, np.ones((8, 4, 1), bool)), "mask of shape"),
        ((X, X, "all"), "real numbers for mask"),
        ((X, X, np.ma.masked_equal(THIRD, False)), "mask without missing ones"),
        ((X, X, None, np.ones(8)), r"weights of shape \(trials, time\)"),
        (([[1.0, 2.0], [3.0]], [[1.0, 2.0], [3.0, 4.0]]), r"\(1,\) for the 1 samples of series 1, .* \(2,\)"),
        (([[1.0, 2.0], [3.0]], [[1.0, 2.0]]), "targets for each of 2 series"),
        (([[1.0, 2.0], [3.0]], [1.0, [3.0]]), "series 0"),
        ((Series.of([[1.0, 2.0], [3.0]]), Series.of([[1.0], [3.0, 4.0]])), "the lengths of the inputs"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(arguments, message):
    with pytest.raises(InvalidInput, match=message) as refused:
        Trials(*arguments)
    assert "\n" not in str(refused.value)


# T30: what is missing and masked


def test_missing_inputs_and_masked_targets_go_together():
    trials = Trials(NAN, NAN, ~THIRD)
    assert np.isfinite(trials.targets).all() and np.isfinite(trials.inputs).all()
    assert (trials.series.seen == ~np.isnan(NAN)).all()


# Ragged


def test_ragged_lists_are_padded_and_padding_never_counts():
    inputs = [np.ones((3, 2)), np.ones((1, 2))]
    regression = Trials(inputs, [np.array([1.0, 2, 3]), np.array([4.0])])
    assert regression.targets.tolist() == [[[1], [2], [3]], [[4], [0], [0]]]
    assert regression.mask.tolist() == [[True] * 3, [True, False, False]]
    labels = Trials(inputs, [[0, 1, 2], [1]], [[1, 1, 0], [1]], weights=[[0.5, 1, 1], [2]])
    assert labels.targets.tolist() == [[0, 1, 0], [1, 0, 0]]
    assert labels.weights.tolist() == [[0.5, 1, 0], [2, 0, 0]]
    assert Trials(inputs, [2, 0]).targets.tolist() == [2, 0]
    assert Trials(inputs, [2, 0]).mask.tolist() == regression.mask.tolist()


@given(st.sampled_from([np.nan, np.inf, -1e9, 3e9]))
def test_padding_is_never_read(junk):
    series = Series.of(X, lengths=[4, 1, 2, 3, 4, 4, 4, 1])
    spoiled = np.where(series.valid[..., None], X, junk)
    weights = np.where(series.valid, 2.0, junk)
    plain = Trials(series, X * series.valid[..., None], weights=2.0 * series.valid)
    assert Trials(series, spoiled, weights=weights).digest() == plain.digest()
    assert (Trials(series, spoiled, weights=weights).targets == plain.targets).all()


def test_targets_may_be_a_series_from_the_same_table():
    inputs, targets = Series.of([[1.0, 2.0], [3.0]]), Series.of([[5.0, np.nan], [6.0]])
    trials = Trials(inputs, targets)
    assert trials.targets.tolist() == [[[5], [0]], [[6], [0]]]
    assert trials.weights.tolist() == [[1, 0], [1, 0]]


# Picking, digests, data


def test_picking_and_digests():
    weights = np.random.default_rng(1).random((8, 4)) + 0.1
    trials = Trials(X, X + 1, weights=weights)
    picked = trials[np.array([3, 0])]
    assert picked.digest() == Trials(X[[3, 0]], X[[3, 0]] + 1, weights=weights[[3, 0]]).digest()
    assert len(trials[2]) == 1 and len(trials[2:]) == 6
    changes = [
        Trials(X + 1, X + 1, weights=weights),
        Trials(X, X, weights=weights),
        Trials(X, X + 1),
        Trials(X, X + 1, weights=weights * 2),
        Trials(Series.of(X, [0, 1, 2, 4]), X + 1, weights=weights),
        Trials(X, np.arange(8), weights=weights),
    ]
    assert len({trials.digest(), *(other.digest() for other in changes)}) == 7


def test_trials_cannot_be_changed():
    targets = X.copy()
    trials = Trials(X, targets)
    targets[:] = 0
    assert (trials.targets == X).all()
    with pytest.raises(ValueError, match="read-only"):
        trials.targets[0] = 0
    with pytest.raises(AttributeError):
        trials.targets = targets


def test_data_are_three_sets_of_trials_that_fit_together():
    trials = Trials(X, X)
    data = Data(trials, trials[:4], trials[4:])
    assert data.digest() == Data(trials, trials[:4], trials[4:]).digest()
    assert data.digest() != Data(trials, trials[4:], trials[:4]).digest()
    for wrong, message in (
        ((trials, (X, X), trials), "Trials as validation, instead got a tuple"),
        ((X, trials, trials), "Trials as train, instead got a ndarray"),
        ((trials, trials, "ring"), "Trials as test, instead got a str"),
        ((trials, trials, Trials(X[..., :1], X)), "in test the same channels as in train, 2, instead got 1"),
        ((trials, Trials(X, X[..., :1]), trials), "in validation the same targets as in train, 2 outputs"),
        ((Trials(X, np.arange(8)), trials, trials), "a class for each trial, instead got 2 outputs"),
    ):
        with pytest.raises(InvalidInput, match=message):
            Data(*wrong)


# files


def kinds_of_trials():
    """By name: regular; ragged with times, holes, weights and what does not count; events, dates, classes."""
    ragged = Series.of(
        [X[0], NAN[1, :3], X[2, :2]], times=[[0.0, 0.1, 0.5, 0.7], [0.0, 0.3, 0.4], [1.7e9, 1.7e9 + 0.25]]
    )
    dates = np.datetime64("2020-01-01") + np.arange(4).astype("m8[h]")
    events = ragged.with_events([[[0.05], [0.6, 0.6]], [[], [0.1]], [[1.7e9 + 0.1], []]])
    rows = [np.ones((4, 1)), np.ma.masked_less(np.arange(3.0)[:, None], 1), np.zeros((2, 1))]
    return {
        "regular": Trials(X, X + 1),
        "ragged": Trials(ragged, rows, weights=[np.full(4, 0.5), np.ones(3), np.zeros(2)]),
        "events": Trials(events, [[0] * 4, [1] * 3, [2] * 2]),
        "dates": Trials(Series.of(X, dates), np.arange(8)),
        "hidden class": Trials(X, np.ma.masked_equal([0, 1, 2, -1, 0, 1, 2, 0], -1)),
    }


@pytest.mark.parametrize("name", kinds_of_trials())
def test_saved_trials_are_the_same_trials(tmp_path, name):
    trials = kinds_of_trials()[name]
    trials.save(tmp_path / "trials.npz")
    again = Trials.load(tmp_path / "trials.npz")
    assert again.digest() == trials.digest()
    np.testing.assert_array_equal(again.targets, trials.targets)
    assert again.targets.dtype == trials.targets.dtype
    assert (again.weights is None) == (trials.weights is None)


def test_saved_data_are_the_same_data_and_are_never_written_over(tmp_path):
    data = Data(*(Trials(X[:rows], X[:rows]) for rows in (5, 3, 2)))
    data.save(tmp_path / "data")
    assert {path.name for path in tmp_path.rglob("*.npz")} == {"train.npz", "validation.npz", "test.npz"}
    assert Data.load(tmp_path / "data").digest() == data.digest()
    assert data.nbytes == sum(2 * X[:rows].nbytes for rows in (5, 3, 2))
    with pytest.raises(InvalidInput, match="which is there already"):
        data.save(tmp_path / "data")
    (tmp_path / "data" / "test.npz").unlink()
    with pytest.raises(InvalidInput, match=r"nothing at .*test\.npz"):
        Data.load(tmp_path / "data")


def test_a_save_that_fails_leaves_nothing(tmp_path, monkeypatch):
    import os

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    trials = Trials(X, X)
    with pytest.raises(GnodeError, match="No space left"):
        Data(trials, trials, trials).save(tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_files_that_hold_no_trials_are_refused(tmp_path):
    path = tmp_path / "trials.npz"
    Series.of(X).save(path)
    with pytest.raises(InvalidInput, match="series without targets"):
        Trials.load(path)
    np.savez(path, format=1, values=X, targets=X[:3])
    with pytest.raises(InvalidInput, match=r"holds no trials: .*begin with \(trials, time\)"):
        Trials.load(path)
    Trials(X, X).save(path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InvalidInput, match="that gnode wrote"):
        Trials.load(path)


# targets beside a long frame


def test_targets_that_pandas_labels_find_their_series():
    """tsfresh#713. Series are numbered as they appear, and what pandas groups is sorted: classes were swapped."""
    frame = pd.DataFrame({"who": [*"bbaac"], "when": [0, 1, 0, 2, 5], "x": np.arange(5.0), "sick": [1, 1, 0, 0, 2]})
    series = Series.of(frame[["who", "when", "x"]], series="who", time="when")
    assert series.names == (*"bac",) and series[[2, 0]].names == (*"cb",)
    by_name = frame.groupby("who")["sick"].first()
    np.testing.assert_array_equal(Trials(series, by_name).targets, [1, 0, 2])
    np.testing.assert_array_equal(Trials(series[[2, 0]], by_name[["b", "c"]]).targets, [2, 1])
    np.testing.assert_array_equal(Trials(series, by_name.reset_index(drop=True)).targets, [0, 1, 2])  # no labels
    np.testing.assert_array_equal(Trials(series, by_name.to_numpy()).targets, [0, 1, 2])
    with pytest.raises(InvalidInput, match="labelled by the names of the series"):
        Trials(series, by_name.rename({"a": "d"}))
    assert series.digest() == Series.of([[0.0, 1.0], [2.0, 3.0], [4.0]], times=[[0, 1], [0, 2], [5]]).digest()


@pytest.mark.parametrize(
    "names", [[3, 1, 2], pd.to_datetime(["2024-03-02", "2024-03-01", "2024-03-05"]), pd.Categorical(["z", "y", "x"])]
)
def test_names_of_any_kind(names):
    frame = pd.DataFrame({"who": np.repeat(names, 2), "x": np.arange(6.0)})
    targets = pd.Series([0, 1, 2], index=names)
    trials = Trials(Series.of(frame, series="who"), targets.sort_index(ascending=False))
    np.testing.assert_array_equal(trials.targets, [0, 1, 2])
