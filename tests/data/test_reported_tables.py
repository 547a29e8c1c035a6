"""Faults that users of other packages reported of their tables, tried here: the kind, not the example."""

import numpy as np
import pytest

from gnode.data import from_file
from gnode.errors import InvalidInput
from gnode.files.table import read_table


def rows(names, labels=None, times=None, samples=4):
    """A table with a row a sample, as text."""
    lines = ["id,t,x,label"]
    random = np.random.default_rng(0)
    for at, name in enumerate(names):
        for sample in range(samples):
            time = sample if times is None else times[sample]
            lines.append(f"{name},{time},{random.normal():.4f},{at % 2 if labels is None else labels[at]}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def write(tmp_path):
    def call(text):
        (tmp_path / "my.csv").write_text(text)
        return tmp_path / "my.csv"

    return call


@pytest.mark.parametrize(
    "names",
    [
        ["001", "1", "002", "2", "003", "3"],
        ["1e2", "100", "2e2", "200", "3e2", "300"],
        [f"1189850876250608328701{at}" for at in range(6)],
        ["+1", "1", "+2", "2", "+3", "3"],
    ],
)
def test_names_that_look_like_numbers_stay_apart(write, names):
    """readr#976, pandas#48170, data.table#2999: two series became one, in silence."""
    data = from_file(write(rows(names)), "label", series="id", time="t")
    parts = (data.train, data.validation, data.test)
    assert sorted(name for part in parts for name in part.series.names) == sorted(names)
    assert "6 series of 4 samples" in data.source["assumed"]["series"]


def test_numbers_as_names_of_series_stay_numbers(write):
    data = from_file(write(rows(range(6))), "label", series="id", time="t")
    assert set(data.train.series.names) < set(range(6))


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["01", "02"] * 6, ("01", "02")),
        (["01", "1", "001"] * 4, ("01", "1", "001")),
        (["1E3", "2E2"] * 6, ("2E2", "1E3")),
        (["10", "9"] * 6, ("9", "10")),
        (["1.0", "2.0"] * 6, ("1", "2")),
    ],
)
def test_classes_that_look_like_numbers_keep_their_names(write, labels, classes):
    """sktime#6427, scikit-learn#34883: labels that parse as numbers came back as others."""
    data = from_file(write(rows(range(12), labels)), "label", series="id", time="t")
    assert data.classes == classes
    for part in (data.train, data.validation, data.test):
        told = [labels[int(name)] for name in part.series.names]
        found = [data.classes[target] for target in part.targets]
        assert [float(name) for name in told] == [float(name) for name in found]
        assert labels[0] == "1.0" or told == found


def test_numbers_with_leading_zeros_are_numbers_where_numbers_are_asked_for(write):
    frame = read_table(write("a,b\n000000000010084566,-07.5\n000000000010084567,\n")).frame  # pandas#64184
    assert frame["a"].tolist() == [10084566, 10084567] and frame["b"].iloc[0] == -7.5
    targets = from_file(write(rows(range(12), [f"0{at}.5" for at in range(12)])), "label", series="id", time="t")
    assert targets.classes == () and targets.train.targets.dtype == np.float32


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ([20260130, 20260131, 20260201, 20260202], 86400.0),
        ([202601302359, 202601310000, 202601310001, 202601310002], 60.0),
        ([20260131235958, 20260131235959, 20260201000000, 20260201000001], 1.0),
    ],
)
def test_dates_as_one_number_are_dates(write, times, seconds):
    """pandas#4828 and its like: 31 January and 1 February lay 70 apart."""
    path = write(rows(range(6), times=times))
    data = from_file(path, "label", series="id", time="t")
    np.testing.assert_array_equal(data.train.series.gaps[:, 1:], seconds)
    assert "dates as one number" in data.source["assumed"]["time"]
    counted = from_file(path, "label", series="id", time="t", unit="s")
    np.testing.assert_allclose(counted.train.series.gaps[0, 1:], np.diff(times))


@pytest.mark.parametrize("start", [0, 20260129, 20269999, 1_700_000_000, 1_700_000_000_000, 1_700_000_000_000_000_000])
def test_other_whole_numbers_are_no_dates(write, start):
    """A counter, and seconds, milliseconds and nanoseconds since 1970 (pandas#17860)."""
    data = from_file(write(rows(range(6), times=[start + at for at in range(4)])), "label", series="id", time="t")
    np.testing.assert_array_equal(data.train.series.gaps[:, 1:], 1.0)


def test_times_of_day_are_counted_on_past_midnight(write):
    night = ["23:50:00", "23:55:00", "00:00:00", "00:05:00"]
    data = from_file(write(rows(range(6), times=night)), "label", series="id", time="t")
    np.testing.assert_array_equal(data.train.series.gaps[:, 1:], 300.0)
    assert "6 series that go past midnight" in data.source["assumed"]["time"]
    late = from_file(write(rows(range(6), times=["12:00", "23:00", "10:00", "23:30", "00:30"], samples=5)), "label",
                     series="id", time="t")  # fmt: skip
    assert "midnight" in late.source["assumed"]["time"] and late.train.series.gaps[0].sum() == 36.5 * 3600
    unsorted = from_file(write(rows(range(6), times=["1:00", "3:00", "2:00", "0:30"])), "label", series="id", time="t")
    np.testing.assert_array_equal(unsorted.train.series.gaps[0, 1:], [1800.0, 3600.0, 3600.0])
    assert "put in its order" in unsorted.source["assumed"]["time"]


def test_messages_name_series_and_classes_as_they_stand(write):
    twice = write(rows(range(6), times=[0, 1, 1, 2]))
    with pytest.raises(InvalidInput, match=r"1 twice, in rows 2 and 3 below the header, of series 0\. Average"):
        from_file(twice, "label", series="id", time="t")
    with pytest.raises(InvalidInput, match="at least two classes in 'label', instead got 1 alone"):
        from_file(write(rows(range(6), [1] * 6)), "label", series="id", time="t", kind="classes")


def test_a_minus_sign_is_a_minus(write):
    assert read_table(write("a,b\n1,\u22122.5\n2,\u22123\n")).frame["b"].tolist() == [-2.5, -3.0]


def test_the_repeated_hour_of_autumn(write):
    """pandas#50887: with offsets it is no repetition, without it is refused."""
    hour = ["2020-10-25T01:30:00+02:00", "2020-10-25T02:30:00+02:00", "2020-10-25T02:00:00+01:00"]
    data = from_file(write(rows(range(6), times=hour, samples=3)), "label", series="id", time="t")
    np.testing.assert_array_equal(data.train.series.gaps[0, 1:], [3600.0, 1800.0])
    bare = [time[:-6] for time in hour]
    bare[1] = bare[2]
    with pytest.raises(InvalidInput, match="different times in 't' within a series"):
        from_file(write(rows(range(6), times=bare, samples=3)), "label", series="id", time="t")


@pytest.mark.parametrize("text", ["a,b,c\n1,2,3\n1,2,3,4\n", "a,b\n" + "1,2\n" * 1500 + "1,2,3\n"])
def test_cells_beyond_the_names_are_refused_and_not_cut_off(write, text):
    """pandas#49279, #15203: they were dropped, or moved all names by one."""
    with pytest.raises(InvalidInput, match=r"in row 2|in line 1502"):
        read_table(write(text))


def test_an_empty_cell_at_the_end_of_each_row_is_none(write):
    """pandas#9295, #38830: names were moved by one."""
    assert read_table(write("a,b\n1,2,\n3,4,\n")).frame.to_dict("list") == {"a": [1, 3], "b": [2, 4]}


def test_a_mark_before_quotes(tmp_path):
    """pandas#4793, docling#4097: the mark stood in the first name, or its quotes did."""
    (tmp_path / "my.csv").write_bytes(b'\xef\xbb\xbf"Name","x"\n"a",1\n"b",2\n')
    assert read_table(tmp_path / "my.csv").frame.columns.tolist() == ["Name", "x"]
