"""One door: what goes in comes out whole, whatever form it had, and what cannot be right is refused in one line."""

import hashlib
import io
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gnode.errors import GnodeError, InvalidInput
from gnode.series import Series

VALUES = np.random.default_rng(0).standard_normal((3, 4, 2)).astype("f4")


@st.composite
def recordings(draw):
    """Ragged float32 arrays with holes and their times, as lists."""
    channels = draw(st.integers(1, 3))
    lengths = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    arrays, times = [], []
    for length in lengths:
        array = generator.standard_normal((length, channels)).astype("f4")
        array[generator.random(array.shape) < 0.3] = np.nan
        array[0, 0] = 1.0
        arrays.append(array)
        times.append(np.cumsum(generator.integers(1, 1000, length)))
    return arrays, times


def padded(arrays, fill=0):
    longest = max(map(len, arrays))
    return np.stack([np.concatenate([a, np.full((longest - len(a), *a.shape[1:]), fill, a.dtype)]) for a in arrays])


# What comes in


@given(recordings())
def test_every_door_gives_the_same_content(recorded):
    arrays, times = recorded
    channels = arrays[0].shape[1]
    lengths = [len(array) for array in arrays]
    expected = Series.of(arrays, times, unit="ms").digest()
    long = pd.DataFrame(np.concatenate(arrays).astype(float), columns=list("abc")[:channels])
    long["who"] = np.repeat([f"p{9 - at}" for at in range(len(arrays))], lengths)
    long["when"] = pd.to_timedelta(np.concatenate(times), unit="ms")
    shuffled = long.iloc[np.argsort(np.concatenate([np.arange(length) for length in lengths]), kind="stable")]
    frames = [frame.drop(columns="who") for _, frame in long.groupby("who", sort=False)]
    masked = [np.ma.masked_invalid(np.where(np.isnan(array), -9999.0, array)) for array in arrays]
    for one, array in zip(masked, arrays, strict=True):
        one[np.isnan(array)] = np.ma.masked
    doors = {
        "floats and lists": Series.of([a.tolist() for a in arrays], [(t / 1000).tolist() for t in times]),
        "padded": Series.of(padded(arrays, np.inf), padded(times), lengths=np.array(lengths), unit="ms"),
        "masked": Series.of(masked, [t * 1000 for t in times], unit="us"),
        "jax": Series.of([jnp.asarray(array) for array in arrays], times, unit="ms"),
        "long": Series.of(shuffled, series="who", time="when"),
        "frames": Series.of(frames, time="when"),
        "aeon": Series.of_aeon([array.T for array in arrays], times, unit="ms"),
        "itself": Series.of(Series.of(arrays, times, unit="ms")),
        "one by one": Series.of(arrays, times, unit="ms")[np.arange(len(arrays))],
    }
    for name, series in doors.items():
        if name == "floats and lists":  # differences of rounded seconds may be off by one rounding
            np.testing.assert_allclose(
                series.elapsed(1.0), Series.of(arrays, times, unit="ms").elapsed(1.0), rtol=1e-12
            )
        else:
            assert series.digest() == expected, name
        assert series.shape == (len(arrays), max(lengths), channels)
        assert len(series) == len(arrays) and series.channels == channels and series.longest == max(lengths)
        valid = np.arange(max(lengths)) < np.array(lengths)[:, None]
        assert (series.valid == valid).all()
        assert (series.seen == ~np.isnan(padded(arrays, np.nan))).all()
        assert (series.values == np.nan_to_num(padded(arrays))).all()


def test_wide_frames_and_collections_of_aeon_hold_channels_before_time():
    expected = Series.of(VALUES, [0, 1, 3, 7]).digest()
    wide = pd.DataFrame(
        VALUES.transpose(0, 2, 1).reshape(3, 8), columns=pd.MultiIndex.from_product([["u", "v"], [0, 1, 3, 7]])
    )
    assert Series.of_wide(wide, times=[0, 1, 3, 7]).digest() == expected
    assert Series.of_aeon(VALUES.transpose(0, 2, 1), [0, 1, 3, 7]).digest() == expected
    alone = pd.DataFrame(VALUES[..., 0], columns=[0, 1, 3, 7])
    assert Series.of_wide(alone, times=alone.columns).digest() == Series.of(VALUES[..., :1], [0, 1, 3, 7]).digest()
    assert Series.of_wide(alone).clock is None
    assert Series.of_aeon(VALUES[..., 0]).digest() == Series.of(VALUES[..., :1]).digest()


def test_a_tensor_with_a_gradient_is_detached():
    class Tensor:
        """What PyTorch does with numpy(): it refuses before detach()."""

        detached = False

        def __array__(self, dtype=None, copy=None):
            if not self.detached:
                raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
            return np.asarray(VALUES, dtype)

        def detach(self):
            self.detached = True
            return self

        def cpu(self):
            return self

    assert Series.of(Tensor()).digest() == Series.of(VALUES).digest()


@pytest.mark.parametrize("dtype", ["bool", "i1", "u2", "i8", "f2", "f4", "f8", "longdouble"])
def test_numbers_of_every_type_are_kept(dtype):
    numbers = (np.arange(24).reshape(3, 4, 2) % 2).astype(dtype)
    assert Series.of(numbers).digest() == Series.of(numbers.astype("f8")).digest()
    assert Series.of(jnp.asarray(numbers.astype("f4"), jnp.bfloat16)).digest() == Series.of(numbers).digest()


def test_values_keep_what_float32_would_round_until_they_are_encoded():
    exact = 1e6 + np.arange(24).reshape(3, 4, 2) / 1024
    assert (Series.of(exact).values == exact).all()
    assert Series.of(exact).digest() != Series.of(exact.astype("f4")).digest()


def test_a_series_is_not_changed_from_outside():
    array, clock = VALUES.astype("f8"), np.array([0.0, 1.0, 3.0, 7.0])
    series = Series.of(array, clock)
    digest = series.digest()
    array[:], clock[:] = 0.0, 0.0
    assert series.digest() == digest
    with pytest.raises(ValueError, match="read-only"):
        series.values[0] = 0.0


def test_pandas_is_not_imported_for_arrays():
    script = (
        "import sys, numpy as np, gnode.series as s; s.Series.of([np.ones(3)], [[0, 1, 2]]); "
        "assert not any(name in sys.modules for name in ('pandas', 'torch'))"
    )
    # The package itself imports nothing of pandas before it is needed.
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


# Times


def test_elapsed_and_times_of_a_ragged_series():
    series = Series.of([[1.0, 2.0, 3.0], [4.0]], times=[[10, 12, 15], [7]])
    assert series.elapsed(0.5).tolist() == [[0.5, 2, 3], [0.5, 0, 0]]
    np.testing.assert_equal(series.times, [[10, 12, 15], [7, np.nan, np.nan]])
    uniform = Series.of([[1.0, 2.0, 3.0], [4.0]])
    assert uniform.times is None
    assert uniform.elapsed(0.5).tolist() == [[0.5, 0.5, 0.5], [0.5, 0, 0]]
    assert Series.of(VALUES).elapsed(0.5).tolist() == [[0.5] * 4]
    assert Series.of(VALUES, [0, 1, 3, 7]).elapsed(0.5).tolist() == [[0.5, 1, 2, 4]]
    assert Series.of(VALUES, [0, 1, 3, 7]).times.shape == (3, 4)
    assert Series.of(VALUES, [0, 1, 3, 7], lengths=[4, 1, 2]).elapsed(0.5)[1].tolist() == [0.5, 0, 0, 0]


ZONED = pd.date_range("2024-03-31", periods=4, freq="h", tz="Europe/Berlin")  # an hour is left out in this night


@pytest.mark.parametrize(
    "times",
    [
        ZONED,
        pd.Series(ZONED),
        list(ZONED),
        ZONED.to_pydatetime(),
        ZONED.tz_convert("America/New_York"),
        pd.Series(ZONED).astype("timestamp[ns, Europe/Berlin][pyarrow]"),
        ZONED.tz_convert(None).to_numpy(),
        ZONED.tz_convert(None).to_numpy().astype("M8[h]"),
        [datetime(2024, 3, 30, 23 + hour, tzinfo=UTC) for hour in (0,)]
        + [datetime(2024, 3, 31, hour + 1, tzinfo=timezone(timedelta(hours=1))) for hour in range(3)],
    ],
)
def test_dates_become_utc(times):
    series = Series.of(VALUES, times)
    assert series.times.dtype == "M8[ns]"
    expected = np.arange("2024-03-30T23", "2024-03-31T03", dtype="M8[h]")
    assert (series.times == expected).all()
    assert series.elapsed(1.0)[0].tolist() == [1, 3600, 3600, 3600]
    assert series.digest() == Series.of(VALUES, expected).digest()


def test_days_and_durations():
    days = Series.of(VALUES, [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1), date(2024, 3, 4)])
    assert days.elapsed(1.0)[0].tolist() == [1, 86400, 86400, 3 * 86400]
    durations = [
        [timedelta(seconds=second) for second in (0, 1, 3, 7)],
        pd.to_timedelta([0, 1, 3, 7], unit="s"),
        list(pd.to_timedelta([0, 1, 3, 7], unit="s")),
        np.array([0, 1, 3, 7], "m8[s]"),
    ]
    for times in durations:
        assert Series.of(VALUES, times).digest() == Series.of(VALUES, [0, 1, 3, 7]).digest()
    with_gaps = pd.array([0, 1, 3, 7], dtype="Int64")
    assert Series.of(VALUES, with_gaps).digest() == Series.of(VALUES, [0, 1, 3, 7]).digest()


@example(1_700_000_000_123_456_789, [1, 3, 1_000_001])
@given(st.integers(-(2**60), 2**60), st.lists(st.integers(1, 2**40), min_size=1, max_size=9))
def test_gaps_are_exact_whenever_the_clock_began(start, gaps):
    """Nanoseconds since 1970 are more than float64 can hold; their differences are not."""
    ticks = start + np.concatenate([[0], np.cumsum(gaps)])
    array = np.ones((1, len(ticks), 1))
    for series in (Series.of(array, ticks, unit="ns"), Series.of(array, ticks.astype("M8[ns]"))):
        assert series.elapsed(1.0)[0, 1:].tolist() == [gap / 1e9 for gap in gaps]


@pytest.mark.parametrize(("unit", "seconds"), [("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("min", 60), ("d", 86400)])
def test_units(unit, seconds):
    series = Series.of(VALUES, [0, 1, 3, 7], unit=unit)
    np.testing.assert_allclose(series.times[0], np.array([0, 1, 3, 7]) * seconds, rtol=1e-15)


# What is refused


def spoiled(value, place=(1, 2, 0)):
    array = VALUES.astype("f8")
    array[place] = value
    return array


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (spoiled(1e39), {}, r"float32 can hold.*1e\+39 in series 1, sample 2, channel 0"),
        (spoiled(-np.inf), {}, "-inf in series 1, sample 2, channel 0"),
        ([VALUES[0], spoiled(np.inf)[1]], {}, "inf in series 1, sample 2, channel 0"),
        (VALUES + 1j, {}, "real numbers for data, instead got an array of type complex64"),
        (np.array([np.ones(2), np.ones(3)], dtype=object), {}, "type object.*list of arrays"),
        ([[1.0, None]], {}, "series 0.*type object.*NaN"),
        (np.array([[["a"]]]), {}, "real numbers for data"),
        (np.zeros((1, 2, 1), "M8[s]"), {}, "real numbers for data"),
        ("ring", {}, "real numbers for data, instead got a str"),
        (None, {}, "real numbers for data, instead got a NoneType"),
        ([[1.0, [2.0, 3.0]]], {}, "an array of numbers for series 0"),
        (VALUES[0], {}, r"data\[None\]"),
        (VALUES[None], {}, r"shape \(1, 3, 4, 2\)"),
        ([VALUES], {}, r"series of shape .* shape \(3, 4, 2\) for series 0"),
        ([1.0, 2.0], {}, "a list of numbers"),
        ([], {}, "at least one series"),
        (VALUES[:0], {}, "at least one series"),
        (VALUES[:, :0], {}, "at least one sample"),
        ([[1.0], []], {}, "none in series 1"),
        ([np.ones((2, 2)), np.ones((2, 3))], {}, "3 in series 1"),
        ([[1.0], [np.nan, np.nan]], {}, "everything missing in series 1"),
        (np.ma.masked_all((1, 2, 1)), {}, "everything missing in series 0"),
        (VALUES, {"lengths": [4, 4]}, "one integer length for each of 3 series"),
        (VALUES, {"lengths": [4, 4, 5]}, "between 1 and 4, instead got 5 for series 2"),
        (VALUES, {"lengths": [0, 4, 4]}, "between 1 and 4, instead got 0 for series 0"),
        (VALUES, {"lengths": [4, 3.5, 4]}, "integer length"),
        ([[1.0]], {"lengths": [1]}, "lengths only beside an array"),
        (VALUES, {"unit": "s"}, "unit='s' without times"),
        (VALUES, {"time": "t"}, "a pandas frame for series="),
        (Series.of(VALUES), {"times": [0, 1, 2, 3]}, "its own times"),
    ],
)
def test_values_that_are_refused(data, options, message):
    with pytest.raises(InvalidInput, match=message) as refused:
        Series.of(data, **options)
    assert str(refused.value).startswith("Must have") and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([0, 1, 1, 2], "the time of the sample before in series 0, sample 2"),
        ([0, 2, 1, 3], "before that of the sample before in series 0, sample 2"),
        ([0, 1, np.nan, 3], "NaN or NaT in series 0, sample 2"),
        ([0, 1, 2, np.inf], "infinity in series 0, sample 3"),
        ([0, 1, 2], "3 times for 4 samples"),
        ([0, 1, 2, 3, 4], "5 times for 4 samples"),
        ([[0, 1, 2, 3]] * 2, "times for each of 3 series, instead got times for 2"),
        ([[0, 1, 2, 3], [0, 1, 2], [0, 1, 2, 3]], r"shape \(3,\) for 4 samples in series 1"),
        ([[0, 1, 2, 3], [0, 1, 2, 2], [0, 1, 2, 3]], "the sample before in series 1, sample 3"),
        (np.array([[0, 1, 2, 3], [3, 1, 2, 3], [0, 1, 2, 3]]), "before in series 1, sample 1"),
        (np.zeros((3, 4, 1)), r"times of shape \(time,\) or \(trials, time\)"),
        (1.7e9 + np.arange(4, dtype="f4"), "sample 1 .*float32"),
        ([True, False, True, False], "instead got bool"),
        (["2024-01-01"] * 4, r"pandas\.to_datetime"),
        ([None] * 4, "pandas' dates, instead got object"),
        (np.array([0, 1, 2, "NaT"], "M8[s]"), "NaN or NaT in series 0, sample 3"),
        ([pd.Timestamp("2024"), pd.NaT, *ZONED[:2]], "time zone"),
        ([ZONED[0], pd.NaT, *ZONED[1:3]], "NaN or NaT in series 0, sample 1"),
        (pd.array([0, None, 2, 3], dtype="Int64"), "Times must all be there"),
        (np.ma.masked_equal([0, 1, 2, 3], 2), "all there"),
        (np.array([1000, 1500, 2000, 2500], "M8[Y]"), "292 years"),
        (np.array([1, 2, 3, 4], "m8[ps]"), "whole nanoseconds"),
        (np.array([1, 2, 3, 4], "m8[M]"), "a fixed length"),
        ([list(ZONED), [0, 1, 2, 3], [0, 1, 2, 3]], "times of one kind"),
        (1j * np.arange(4), "complex"),
    ],
)
def test_times_that_are_refused(times, message):
    with pytest.raises(InvalidInput, match=message):
        Series.of(VALUES, times)


def test_a_unit_that_does_not_belong_is_refused():
    with pytest.raises(InvalidInput, match="Did you mean 's'"):
        Series.of(VALUES, [0, 1, 2, 3], unit="sec")
    with pytest.raises(InvalidInput, match="have their own"):
        Series.of(VALUES, ZONED, unit="s")


FRAME = pd.DataFrame(
    {"who": ["b", "a", "b", "a"], "when": [0.0, 0.0, 1.0, 2.0], "u": [1.0, 2.0, 3.0, None], "w": list("xyxy")}
)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda f: f, {}, "of_wide"),
        (lambda f: f, {"series": "wo"}, "Did you mean 'who'"),
        (lambda f: f, {"series": "who", "time": "when"}, "numbers in column 'w'"),
        (lambda f: f, {"series": "who", "time": "when", "channels": ["u", "u"]}, "different columns"),
        (lambda f: f, {"series": "who", "time": "when", "channels": "x"}, "a column out of"),
        (lambda f: f.iloc[::-1], {"series": "who", "time": "when", "channels": "u"}, "series 'a', sample 1"),
        (lambda f: f.assign(who=["b", None, "b", "a"]), {"series": "who", "channels": "u"}, "none in row 1"),
        (lambda f: f.assign(u=[1.0, None, 3.0, None]), {"series": "who", "channels": "u"}, "missing in series 'a'"),
        (lambda f: f.assign(u=[1, 2, 3, 1e39]), {"series": "who", "channels": "u"}, "series 'a', sample 1, channel 0"),
        (lambda f: f.iloc[:0], {"series": "who", "channels": "u"}, "without rows"),
        (lambda f: pd.concat([f, f], axis=1), {"series": "who"}, "'who' twice"),
        (lambda f: f, {"series": "who", "time": "when", "times": [0, 1]}, "times or the column"),
        (lambda f: f.assign(u=f.u.astype(complex)), {"series": "who", "channels": "u"}, "numbers in column 'u'"),
    ],
)
def test_frames_that_are_refused(change, options, message):
    with pytest.raises(InvalidInput, match=message):
        Series.of(change(FRAME), **options)


def test_a_tracer_is_refused_in_one_line():
    with pytest.raises(InvalidInput, match="an array of numbers for data"):
        jax.jit(lambda values: Series.of(values).values)(VALUES)


# Picking, saving


@given(recordings(), st.data())
def test_picking_is_giving_only_what_was_picked(recorded, data):
    arrays, times = recorded
    series = Series.of(arrays, times)
    picks = data.draw(st.lists(st.integers(-len(arrays), len(arrays) - 1), min_size=1, max_size=5))
    expected = Series.of([arrays[at] for at in picks], [times[at] for at in picks])
    assert series[np.array(picks)].digest() == expected.digest()
    assert series[picks[0]].digest() == Series.of([arrays[picks[0]]], [times[picks[0]]]).digest()
    assert [one.digest() for one in series] == [series[at].digest() for at in range(len(arrays))]


def test_picking_from_a_common_clock_and_outside():
    series = Series.of(VALUES, [0, 1, 3, 7])
    assert series[1:].digest() == Series.of(VALUES[1:], [0, 1, 3, 7]).digest()
    assert series[0].times.tolist() == [[0, 1, 3, 7]]
    with pytest.raises(IndexError):
        series[3]
    with pytest.raises(InvalidInput, match="at least one series"):
        series[:0]


@pytest.mark.parametrize("times", [None, "own", "dates", "common"])
@given(recordings())
def test_a_saved_series_is_the_same_series(tmp_path_factory, times, recorded):
    arrays, clocks = recorded
    lengths = [len(array) for array in arrays]
    given_times = {
        None: None,
        "own": clocks,
        "dates": [clock.astype("M8[s]") for clock in clocks],
        "common": np.arange(max(lengths)) ** 2,
    }[times]
    series = Series.of(padded(arrays), given_times, lengths=lengths)
    path = tmp_path_factory.mktemp("series") / "saved"
    series.save(path)
    again = Series.load(path)
    assert again.digest() == series.digest()
    assert again.values.dtype == series.values.dtype
    if times == "dates":
        np.testing.assert_array_equal(again.times, series.times)
    first = path.read_bytes()
    again.save(path)
    assert path.read_bytes() == first


def rewritten(path, **content):
    file = io.BytesIO()
    np.savez(file, **content)
    path.write_bytes(file.getvalue())


def test_files_that_hold_no_series_are_refused(tmp_path):
    path = tmp_path / "saved.npz"
    with pytest.raises(InvalidInput, match="nothing at"):
        Series.load(path)
    Series.of(VALUES, [0, 1, 3, 7]).save(path)
    whole = path.read_bytes()
    spoil = {
        "truncated": whole[:-100],
        "flipped": whole[:300] + bytes([whole[300] ^ 255]) + whole[301:],
        "empty": b"",
        "text": b"a,b\n1,2\n",
    }
    for content in spoil.values():
        path.write_bytes(content)
        with pytest.raises(InvalidInput, match="that gnode wrote"):
            Series.load(path)
    np.save(path.with_suffix(".npy"), VALUES)
    with pytest.raises(InvalidInput, match="that gnode wrote"):
        Series.load(path.with_suffix(".npy"))
    for content, message in (
        (dict(format=1, values=np.array([{}], dtype=object)), "that gnode wrote"),
        (dict(values=VALUES), "that gnode wrote"),
        (dict(format=2, values=VALUES), "format 2.*Update gnode"),
        (dict(format=1, values=VALUES[0]), "holds no series"),
        (dict(format=1, values=VALUES, ticks=np.zeros(4), unit="s"), "holds no series.*times that increase"),
        (dict(format=1, values=VALUES, ticks=np.array(["a"] * 4), unit="date"), "holds no series"),
        (dict(format=1, values=VALUES, ticks=np.arange(4), unit="year"), "holds no series"),
        (dict(format=1, values=VALUES, lengths=[9, 9, 9]), "holds no series"),
    ):
        rewritten(path, **content)
        with pytest.raises(InvalidInput, match=message):
            Series.load(path)


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(GnodeError, match="Could not write"):
        Series.of(VALUES).save(tmp_path / "none" / "saved.npz")


@given(recordings(), st.data())
def test_the_digest_tells_every_change(recorded, data):
    arrays, times = recorded
    series = Series.of(arrays, times)
    digest = series.digest()
    assert len(digest) == len(hashlib.sha256().hexdigest()) and digest == series.digest()
    changed = [array.copy() for array in arrays]
    changed[0][0, 0] += 1
    holed = [array.copy() for array in arrays]
    holed[0][0] = np.where(np.isnan(holed[0][0]), 0.0, holed[0][0])
    others = [
        Series.of(changed, times),
        Series.of(arrays),
        Series.of(arrays, [clock + 1 for clock in times]),
        Series.of(arrays, times, unit="ms"),
        Series.of(arrays, [clock.astype("M8[s]") for clock in times]),
        Series.of([*arrays, arrays[0]], [*times, times[0]]),
        Series.of(
            [np.concatenate([arrays[0], arrays[0][:1]]), *arrays[1:]], [[*times[0], times[0][-1] + 1], *times[1:]]
        ),
    ]
    if np.isnan(arrays[0][0]).any():
        others.append(Series.of(holed, times))
    assert all(other.digest() != digest for other in others)


def test_the_digest_does_not_depend_on_what_padding_holds_or_how_much_there_is():
    lengths = [4, 2, 1]
    short = Series.of(VALUES, lengths=lengths)
    filled = np.concatenate([np.where(short.valid[..., None], VALUES, np.nan), np.full((3, 5, 2), 7e7)], axis=1)
    assert Series.of(filled, lengths=lengths).digest() == short.digest()


def test_repr_is_one_short_line():
    text = repr(Series.of([[1.0, np.nan], [3.0]], times=[[0, 1], [0]]))
    assert text == "Series(2 series, 1 to 2 samples, 1 channel, own times, 33 % missing)"
    assert repr(Series.of(VALUES)) == "Series(3 series, 4 samples, 2 channels, uniform grid)"
