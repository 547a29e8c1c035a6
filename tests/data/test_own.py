"""Own tables: which column is what, what becomes of it, and one clear line where it cannot be."""

import numpy as np
import pandas as pd
import pytest
from own_tables import long

import gnode
from gnode.data import from_file, from_frame, model_defaults
from gnode.errors import InvalidInput


def wide(series=12, samples=6):
    values = np.random.default_rng(1).standard_normal((series, samples))
    frame = pd.DataFrame(values, columns=[str(0.5 * at) for at in range(samples)])
    return frame.assign(label=["a", "b"] * (series // 2))


def by_name(data):
    """The series of all parts: name -> (values, targets)."""
    found = {}
    for part in (data.train, data.validation, data.test):
        for at, name in enumerate(part.series.names):
            length = int(part.series.valid[at].sum())
            found[name] = part.series.values[at, :length], part.targets[at]
    return found


def sizes(data):
    return len(data.train), len(data.validation), len(data.test)


def test_a_long_table_with_a_class_a_series():
    frame = long()
    data = from_frame(frame, "label", series="id", time="t", inputs=["x", "y"])
    assert data.classes == ("down", "left", "up") and sizes(data) == (6, 3, 3)
    found = by_name(data)
    assert set(found) == set(frame["id"])
    for name, rows in frame.groupby("id"):
        values, label = found[name]
        np.testing.assert_array_equal(values, rows[["x", "y"]].to_numpy())
        assert data.classes[label] == rows["label"].iloc[0]
    for part in (data.validation, data.test):  # each class alike
        assert sorted(part.targets) == [0, 1, 2]


def test_series_stay_whole_and_another_split_is_another_draw():
    frame = long(30)
    names = [set(from_frame(frame, "label", series="id", time="t", split=at).test.series.names) for at in (0, 0, 1)]
    assert names[0] == names[1] != names[2]


def test_the_inputs_are_the_other_columns_of_numbers_and_what_is_left_out_is_said():
    data = from_frame(long(), "label", series="id", time="t")
    assert data.source["inputs"] == ["x", "y", "age", "sum"]
    assert data.source["assumed"]["left out"] == "note (text)"


def test_a_number_a_sample_and_a_number_a_series():
    frame = long()
    each = from_frame(frame, "sum", series="id", time="t", inputs="x")
    for name, rows in frame.groupby("id"):
        targets = by_name(each)[name][1][: len(rows), 0]
        np.testing.assert_array_equal(targets, rows["sum"].to_numpy(np.float32))
    once = from_frame(frame, "age", series="id", time="t", inputs="x")
    assert "a number a series" in once.source["assumed"]["target"]
    for part in (once.train, once.validation, once.test):
        np.testing.assert_array_equal(part.counts.sum(axis=1), 1)
        last = part.series.valid.sum(axis=1) - 1
        assert part.counts[np.arange(len(part)), last].all()
        wanted = frame.groupby("id")["age"].first()[list(part.series.names)]
        np.testing.assert_array_equal(part.targets[np.arange(len(part)), last, 0], wanted.to_numpy(np.float32))


def test_a_target_that_is_an_input_is_predicted_one_sample_ahead():
    frame = long()
    data = from_frame(frame, ["x", "y"], series="id", time="t", inputs=["x", "y"])
    for part in (data.train, data.validation, data.test):
        for at, length in enumerate(part.series.valid.sum(axis=1)):
            np.testing.assert_array_equal(
                part.targets[at, : length - 1], part.series.values[at, 1:length].astype(np.float32)
            )
            assert part.counts[at].sum() == length - 1


@pytest.mark.parametrize(
    ("values", "kind", "classes"),
    [
        ([0, 1, 2], None, True),
        ([0, 1, 2], "numbers", False),
        ([0.5, 1.0, 2.0], None, False),
        ([0.5, 1.0, 2.0], "classes", True),
        (["0", "x", "y"], None, True),
        ([True, False, True], None, True),
        (list(range(24)), None, False),
    ],
)
def test_classes_and_numbers(values, kind, classes):
    frame = long(24)
    code = frame["id"].str[1:].astype(int)
    frame["wanted"] = [values[at % len(values)] for at in code]
    data = from_frame(frame, "wanted", series="id", time="t", inputs="x", kind=kind)
    assert (data.train.targets.dtype.kind == "i") is classes and bool(data.classes) is classes


def test_missing_values_stay_missing_and_series_without_a_label_are_left_out():
    frame = long()
    frame.loc[::5, "x"] = np.nan
    frame.loc[frame["id"] == "s3", "label"] = None
    frame.loc[frame.index[(frame["id"] == "s4").to_numpy().nonzero()[0][1:]], "label"] = None  # said once is enough
    data = from_frame(frame, "label", series="id", time="t", inputs=["x", "y"])
    assert "s3" not in by_name(data) and "s4" in by_name(data)
    missing = sum(
        int((part.series.valid[..., None] & ~part.series.seen).sum())
        for part in (data.train, data.validation, data.test)
    )
    assert missing == frame.loc[frame["id"] != "s3", "x"].isna().sum()
    assert "% of x" in data.source["assumed"]["missing"]
    assert model_defaults(data)["missing"] == "hold-with-observed"
    numbers = frame.assign(sum=frame["sum"].where(frame.index % 4 > 0))
    counted = from_frame(numbers, "sum", series="id", time="t", inputs="y")
    assert (
        sum(int(part.counts.sum()) for part in (counted.train, counted.validation, counted.test))
        == numbers["sum"].notna().sum()
    )


def test_rows_in_any_order_are_put_in_order_of_time_and_that_is_said():
    frame = long()
    shuffled = from_frame(frame.sample(frac=1.0, random_state=1), "label", series="id", time="t", inputs=["x", "y"])
    ordered = from_frame(frame, "label", series="id", time="t", inputs=["x", "y"])
    for name, (values, _) in by_name(ordered).items():
        np.testing.assert_array_equal(by_name(shuffled)[name][0], values)
    assert "put in its order" in shuffled.source["assumed"]["time"]
    assert "put in its order" not in ordered.source["assumed"]["time"]


TIMES = {
    "numbers": (lambda k: 90.0 * k, dict(time="t"), 90.0),
    "a unit": (lambda k: 90.0 * k, dict(time="t", unit="ms"), 0.09),
    "a unit in the name": (lambda k: 1.5 * k, dict(time="time_min"), 90.0),
    "dates": (lambda k: f"2026-01-31 08:{k:02d}:30", dict(time="t"), 60.0),
    "dates with a zone": (lambda k: f"2026-01-31T08:{k:02d}:30+02:00", dict(time="t"), 60.0),
    "the day first": (lambda k: f"{k + 1:02d}.01.2026", dict(time="t"), 86400.0),
    "the month first": (lambda k: f"01/{k + 10:02d}/2026", dict(time="t"), 86400.0),
    "durations": (lambda k: f"0:{k:02d}:30", dict(time="t"), 60.0),
    "pandas' dates": (
        lambda k: pd.Timestamp("2026-01-01", tz="Asia/Tokyo") + pd.Timedelta(hours=k),
        dict(time="t"),
        3600.0,
    ),
}


@pytest.mark.parametrize("what", TIMES)
def test_times_of_many_kinds(what):
    stamp, options, seconds = TIMES[what]
    frame = long()
    frame[options["time"]] = pd.Series([stamp(int(k)) for k in frame.groupby("id").cumcount()], index=frame.index)
    data = from_frame(frame, "label", series="id", inputs="x", **options)
    assert model_defaults(data)["dt"] == pytest.approx(seconds)
    gaps = data.train.series.elapsed(seconds)[data.train.series.valid]
    np.testing.assert_allclose(gaps, seconds)


def test_a_wide_table_whose_columns_are_times():
    frame = wide()
    frame.loc[3, ["1.5", "2.0", "2.5"]] = np.nan
    frame.loc[4, "0.5"] = np.nan
    data = from_frame(frame.assign(number=range(12)), "label")
    parts = (data.train, data.validation, data.test)
    assert sorted(length for part in parts for length in part.series.valid.sum(axis=1)) == [3] + [6] * 11
    assert sum(int((part.series.valid[..., None] & ~part.series.seen).sum()) for part in parts) == 1
    assert "number" in data.source["assumed"]["left out"]
    keys = model_defaults(data)
    assert (keys["dt"], keys["reading"], keys["input_size"], keys["output_size"]) == (0.5, "last", 1, 2)


def test_a_wide_table_of_several_channels_and_names_of_series():
    values = np.random.default_rng(2).standard_normal((9, 12, 2))
    columns = {f"{name}_{at}": values[:, at, channel] for at in range(12) for channel, name in enumerate("xy")}
    frame = pd.DataFrame(columns).assign(who=[f"p{at}" for at in range(9)], age=np.arange(9.0) + 0.5)
    data = from_frame(frame, "age", series="who")
    assert data.source["inputs"] == ["x", "y"]
    for name, (got, _) in by_name(data).items():
        np.testing.assert_array_equal(got, values[int(name[1:])])


def test_one_recording_is_cut_into_pieces_in_order_of_time():
    times = np.arange(200) * 0.1
    frame = pd.DataFrame({"t": times, "x": np.sin(times), "y": np.cos(times)})
    data = from_frame(frame, "y", time="t")
    joined = [part.series.times[part.series.valid] for part in (data.train, data.validation, data.test)]
    np.testing.assert_allclose(np.concatenate(joined), times)
    assert sizes(data) == (14, 3, 3)


def test_a_column_may_say_the_parts():
    frame = long()
    code = frame["id"].str[1:].astype(int)
    frame["part"] = np.select([code < 6, code < 9], ["Train", "val"], "test")
    data = from_frame(frame, "label", series="id", time="t", inputs="x", split="part")
    assert set(data.validation.series.names) == {"s6", "s7", "s8"}
    frame.loc[code >= 6, "label"] = frame["label"].where(code % 3 > 0, "elsewhere")
    with pytest.raises(
        InvalidInput, match="each class among the training series, instead got none of class 'elsewhere'"
    ):
        from_frame(frame, "label", series="id", time="t", inputs="x", split="part")
    with pytest.raises(InvalidInput, match="one part for all of a series"):
        from_frame(frame.assign(part=["train", "test"] * (len(frame) // 2) + ["train"] * (len(frame) % 2)), "label",
                   series="id", time="t", inputs="x", split="part")  # fmt: skip


def test_a_file_of_arrays(tmp_path):
    random = np.random.default_rng(0)
    X, lengths = random.standard_normal((12, 7, 2)), np.arange(12) % 3 + 5
    np.savez(tmp_path / "a.npz", X=X, y=np.arange(12) % 2, lengths=lengths, clock=np.arange(7) * 0.25)
    data = from_file(tmp_path / "a.npz", "y", time="clock")
    parts = (data.train, data.validation, data.test)
    assert sorted(np.concatenate([part.series.valid.sum(axis=1) for part in parts])) == sorted(lengths)
    assert model_defaults(data)["dt"] == 0.25 and data.classes == ("0", "1")
    np.savez(tmp_path / "b.npz", X=X, y=X.sum(axis=2))
    each = from_file(tmp_path / "b.npz", "y", inputs="X")
    np.testing.assert_allclose(each.test.targets[..., 0], each.test.inputs.sum(axis=2), rtol=1e-5)
    frame = long()
    np.savez(tmp_path / "c.npz", **{name: frame[name].to_numpy(str if name in ("id", "label") else None)
                                    for name in ("id", "t", "x", "label")})  # fmt: skip
    flat = from_file(tmp_path / "c.npz", "label", series="id", time="t")
    assert flat.digest() == from_frame(frame[["id", "t", "x", "label"]], "label", series="id", time="t").digest()


def test_a_file_and_a_frame_of_the_same_are_the_same_data(tmp_path):
    frame = long()
    options = dict(series="id", time="t", inputs=["x", "y"])
    wanted = from_frame(frame, "label", **options).digest()
    frame.to_csv(tmp_path / "a.csv")
    frame.to_csv(tmp_path / "b.csv", sep=";", decimal=",", index=False, encoding="utf-16")
    for name in "ab":
        data = from_file(tmp_path / f"{name}.csv", "label", **options)
        assert data.digest() == wanted
        assert data.source["options"] == {"target": ["label"], **options}


BAD = {
    "an unknown column": (long, "lable", {}, r"instead got 'lable'\. Did you mean 'label'\?"),
    "a text as input": (long, "label",
        dict(inputs="note"), "numbers in the input 'note', instead got 'by hand' in row 0"),
    "one class": (lambda: long().assign(label="up"), "label",
        {}, "at least two classes in 'label', instead got 'up' alone"),
    "no label at all": (lambda: long().assign(label=None), "label",
        {}, "at least two classes in 'label', instead got none"),
    "one number": (lambda: long().assign(sum=0.5), "sum", {}, "different numbers in the target 'sum'"),
    "a name as class": (lambda: long().assign(who=long()["id"]), "who",
        {}, "classes in 'who' that come again, instead got 12"),
    "infinity": (lambda: long().replace({"x": {long()["x"][5]: np.inf}}), "label",
        {}, "finite numbers in 'x', instead got infinity in row 5"),
    "infinite targets": (lambda: long().assign(sum=np.inf), "sum", {}, "finite numbers in 'sum'"),
    "a short series": (lambda: long().drop(index=range(1, int((long()["id"] == "s0").sum()))), "label", {},
                       "at least two samples in each series, instead got one in series 's0'"),
    "times twice": (lambda: pd.concat([long(), long().iloc[[3]]], ignore_index=True), "label",
        {}, r"twice, in rows 3 and \d+ by the frame's index, of series"),
    "a time that is missing": (lambda: long().assign(t=long()["t"].where(long().index != 4)), "label",
        {}, "a time in each row of 't', instead got none in row 4 by the frame's index"),
    "infinite times": (lambda: long().assign(t=long()["t"].where(long().index != 4, np.inf)), "label",
        {}, "finite numbers in 't'"),
    "times of text": (long, "label", dict(time="note"), "numbers, dates such as .* instead got 'by hand' in row 0"),
    "no name of a series": (lambda: long().assign(id=long()["id"].where(long().index != 4)), "label",
        {}, "the name of a series in each row of 'id'"),
    "two series": (lambda: long(2), "label", {}, "at least three series"),
    "no rows": (lambda: long().iloc[:0], "label", {}, "zero rows"),
    "numbers and text": (lambda: long().assign(x=long()["x"].astype(str).where(long().index != 7, "1,2a")), "label", {},
                         "numbers in the input 'x', instead got '1,2a' in row 7"),
    "text as a number": (long, "label", dict(kind="numbers"), "numbers in the target 'label'"),
    "a column in two roles": (long, "label", dict(inputs=["x", "t"]), "'t' in two"),
    "columns of one name": (lambda: long().rename(columns={"y": "x"}), "label", {}, "'x' twice"),
    "an unknown kind": (long, "label", dict(kind="class"), "Did you mean 'classes'"),
    "an unknown unit": (long, "label", dict(unit="m"), "a time unit"),
    "only one ahead": (long, ["x", "sum"], dict(inputs=["x", "y"]), "only x"),
    "no frame": (lambda: [1, 2], "label", {}, "a pandas frame, instead got a list"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_one_clear_line(what):
    make, target, options, words = BAD[what]
    with pytest.raises(InvalidInput, match=words) as raised:
        from_frame(make(), target, **{"series": "id", "time": "t", **options})
    assert "\n" not in str(raised.value) and str(raised.value).startswith("Must have")


def test_a_wide_table_is_asked_for_more_than_one_column():
    with pytest.raises(InvalidInput, match="Where a row is a sample, name the column"):
        from_frame(long()[["x", "label"]], "label")


@pytest.mark.parametrize("wrong", [long(), "my.csv", "ring", (np.zeros((3, 4, 1)), [0, 1, 0]), np.zeros((3, 4, 1))])
def test_training_on_something_else_is_refused_in_a_sentence(wrong):
    model = gnode.models.make("gnode", input_size=1, state_size=2, output_size=2, hidden=(4,))
    with pytest.raises(InvalidInput, match=r"gnode\.data\.from_f"):
        gnode.train(model, wrong)
