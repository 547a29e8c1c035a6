"""The encoding looks back and never ahead, and says the same to compiled code whichever way a value comes in."""

import copy

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnode.errors import InvalidInput
from gnode.models.encoding import MISSING, Encoding
from gnode.models.scaling import Scaling
from gnode.series import Series

X = np.random.default_rng(0).standard_normal((3, 4, 2)).astype("f4")


def make(missing="refuse", channels=2, dt=0.5, tau=0.25):
    return Encoding(channels, missing, dt=dt, tau=tau)


@st.composite
def holed(draw):
    """Ragged arrays with holes and irregular times."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    lengths = draw(st.lists(st.integers(1, 7), min_size=1, max_size=4))
    arrays = [generator.standard_normal((length, 2)) * [1, 50] + [3, 0] for length in lengths]
    for array in arrays:
        array[generator.random(array.shape) < 0.5] = np.nan
        array[generator.integers(len(array)), 0] = 1.0
    times = [np.cumsum(generator.uniform(0.01, 3, length)) for length in lengths]
    return arrays, times


def by_hand(array, times, encoding, shift=(0, 0), scale=(1, 1)):
    """What hold-with-observed is, sample by sample."""
    rows, last, since = [], [0.0, 0.0], times[0] - encoding.dt
    since = [since, since]
    for values, now in zip(array, times, strict=True):
        for channel, value in enumerate(values):
            if not np.isnan(value):
                last[channel] = (value - shift[channel]) / scale[channel]
                since[channel] = now
        ages = [np.log1p((now - begun) / encoding.tau) for begun in since]
        rows.append([*last, *~np.isnan(values), *ages])
    return np.array(rows)


@given(holed())
def test_hold_with_observed_by_hand(recorded):
    arrays, times = recorded
    series = Series.of(arrays, times)
    encoding = make("hold-with-observed").fit_scaling(series)
    encoded = encoding.encode(series)
    assert encoded.inputs.shape == (len(arrays), series.longest, encoding.width) and encoding.width == 6
    assert encoded.inputs.dtype == encoded.elapsed.dtype == np.float32
    for at, (array, clock) in enumerate(zip(arrays, times, strict=True)):
        expected = by_hand(
            array, clock, encoding, np.asarray(encoding.scaling.shift, float), np.asarray(encoding.scaling.scale, float)
        )
        np.testing.assert_allclose(encoded.inputs[at, : len(array)], expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(
            encoded.elapsed[at, : len(array)], np.diff(clock, prepend=clock[0] - 0.5) / 0.25, 1e-6
        )
        assert not encoded.inputs[at, len(array) :].any() and not encoded.elapsed[at, len(array) :].any()
    plain = Encoding(2, "hold", dt=0.5, tau=0.25).fit_scaling(series).encode(series)
    assert (plain.inputs == encoded.inputs[..., :2]).all()


@pytest.mark.parametrize("missing", ["hold", "hold-with-observed"])
@given(holed(), st.data())
def test_a_later_sample_never_changes_an_earlier_one(missing, recorded, data):
    arrays, times = recorded
    encoding = make(missing).fit_scaling(Series.of(arrays, times))
    before = encoding.encode(Series.of(arrays, times))
    at = data.draw(st.integers(0, len(arrays) - 1))
    cut = data.draw(st.integers(0, len(arrays[at]) - 1))
    arrays[at][cut:] = data.draw(st.sampled_from([np.nan, 1e5, 0.0]))
    times[at] = np.concatenate([times[at][:cut], times[at][cut:] + 4])
    if np.isnan(arrays[at]).all():
        return
    after = encoding.encode(Series.of(arrays, times))
    assert (after.inputs[at, :cut] == before.inputs[at, :cut]).all()
    assert (after.elapsed[at, :cut] == before.elapsed[at, :cut]).all()


@pytest.mark.parametrize("missing", ["hold", "hold-with-observed"])
@given(holed())
def test_a_batch_is_its_series_one_by_one(missing, recorded):
    series = Series.of(*recorded)
    encoding = make(missing).fit_scaling(series)
    together = encoding.encode(series)
    for at, length in enumerate(map(len, recorded[0])):
        alone = encoding.encode(Series.of([recorded[0][at]], [recorded[1][at]]))
        assert (together.inputs[at, :length] == alone.inputs[0]).all()
        assert (together.elapsed[at, :length] == alone.elapsed[0]).all()


@given(holed(), st.integers(-(10**6), 10**6))
def test_only_differences_of_times_matter_and_only_in_units_of_tau(recorded, shift):
    arrays, times = recorded
    ticks = [np.round(clock * 1e6).astype(np.int64) for clock in times]  # microseconds

    def encoded(ticks, unit="us", tau=0.25, dt=0.5):
        return make("hold-with-observed", dt=dt, tau=tau).encode(Series.of(arrays, ticks, unit=unit))

    plain = encoded(ticks)
    for other in (
        encoded([clock + 1_700_000_000_000_000 + shift for clock in ticks]),
        encoded([(clock + 1_700_000_000_000_000).astype("M8[us]") for clock in ticks], None),
        encoded([clock / 1e6 + 1.7e9 for clock in ticks], "s"),
        encoded(ticks, unit="ms", tau=250, dt=500),
    ):
        np.testing.assert_allclose(other.inputs, plain.inputs, rtol=1e-6, atol=2e-6)
        np.testing.assert_allclose(other.elapsed, plain.elapsed, rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("missing", MISSING)
def test_without_scaling_float32_passes_bit_by_bit(missing):
    odd = np.array([-0.0, 1e-45, 3.4e38, np.nextafter(np.float32(1), np.float32(2))] * 6, "f4").reshape(3, 4, 2)
    for values in (X, odd):
        encoded = make(missing).encode(Series.of(values))
        assert encoded.inputs[..., :2].tobytes() == values.tobytes()
        assert (np.asarray(make(missing).encode_array(values).inputs)[..., :2] == values).all()
        assert encoded.elapsed.tolist() == [[2.0] * 4]


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("scaled", [False, True])
def test_arrays_are_encoded_as_series_are(missing, scaled):
    values = X * np.float32(30) + np.array([1e4, -3], "f4")
    encoding = make(missing)
    encoding = encoding.fit_scaling(Series.of(values)) if scaled else encoding
    expected = encoding.encode(Series.of(values)).inputs
    traced = eqx.filter_jit(encoding.encode_array)(values).inputs
    assert traced.dtype == jnp.float32 and traced.shape == (3, 4, encoding.width)
    np.testing.assert_allclose(traced, expected, rtol=1e-5, atol=1e-6)
    # Held still is what a sample is that was seen just now; a series of one value is the same at every sample.
    np.testing.assert_allclose(encoding.hold_still(values[1, 2]), expected[1, 2], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("missing", MISSING)
def test_encoded_arrays_have_the_derivative_of_the_scaling(missing):
    encoding = make(missing).fit_scaling(Series.of(X * np.float32(5)))
    jacobian = jax.jacobian(lambda values: encoding.encode_array(values[None, None]).inputs[0, 0])(jnp.asarray(X[0, 0]))
    expected = np.zeros((encoding.width, 2))
    expected[[0, 1], [0, 1]] = 1 / np.asarray(encoding.scaling.scale)
    np.testing.assert_allclose(jacobian, expected, rtol=1e-6)
    series_step = encoding.encode(Series.of(X + np.float32(0.5))).inputs - encoding.encode(Series.of(X)).inputs
    np.testing.assert_allclose(series_step[0, 0], expected @ [0.5, 0.5], rtol=1e-4)


# Scaling


@given(holed())
def test_what_was_seen_is_scaled_to_mean_0_and_variance_1(recorded):
    arrays, _ = recorded
    series = Series.of(arrays)
    encoding = make("hold").fit_scaling(series)
    every = np.concatenate(arrays)
    for channel in range(2):
        seen = every[:, channel][~np.isnan(every[:, channel])]
        if not len(seen):
            assert encoding.scaling.shift[channel] == 0 and encoding.scaling.scale[channel] == 1
            continue
        np.testing.assert_allclose(encoding.scaling.shift[channel], seen.mean(), rtol=1e-5, atol=1e-5)
        expected = seen.std() if np.ptp(seen) else 1.0
        np.testing.assert_allclose(encoding.scaling.scale[channel], expected, rtol=1e-5)
    repadded = Series.of(
        np.concatenate([series.values, np.full((len(series), 3, 2), 1e9)], axis=1)
        + np.where(
            np.concatenate([series.seen | ~series.valid[..., None], np.ones((len(series), 3, 2), bool)], axis=1),
            0,
            np.nan,
        ),
        lengths=series.valid.sum(axis=1),
    )
    assert eqx.tree_equal(make("hold").fit_scaling(repadded), encoding)


@pytest.mark.parametrize("constant", [0.0, 0.1, -7e8, 1e-44, 3e38])
def test_a_constant_channel_is_only_shifted(constant):
    values = np.stack([np.full((3, 7), constant), np.random.default_rng(1).random((3, 7))], axis=-1)
    encoding = make().fit_scaling(Series.of(values))
    assert encoding.scaling.scale[0] == 1
    encoded = encoding.encode(Series.of(values)).inputs
    assert np.abs(encoded[..., 0]).max() <= np.spacing(np.float32(abs(constant)))
    np.testing.assert_allclose(encoded[..., 1].std(), 1, rtol=1e-5)


def test_small_differences_on_a_large_offset_survive():
    values = 1e6 + np.linspace(0, 0.01, 21)[None, :, None]
    encoded = make(channels=1).fit_scaling(Series.of(values)).encode(Series.of(values)).inputs[0, :, 0]
    np.testing.assert_allclose(np.diff(encoded), np.diff(encoded).mean(), rtol=1e-3)
    np.testing.assert_allclose(encoded.std(), 1, rtol=1e-3)


# What is refused


def test_missing_values_are_refused_unless_a_way_with_them_was_chosen():
    holes = X.copy()
    holes[1, 2, 1] = np.nan
    for act in (make().encode, make().fit_scaling):
        with pytest.raises(InvalidInput, match=r"series 1, sample 2, channel 1.*hold"):
            act(Series.of(holes))
    ragged = Series.of([X[0], X[1, :2]])  # padding is not missing
    assert make().encode(ragged).inputs.shape == (2, 4, 2)
    assert make().encode(Series.of(holes)[[0, 2]]).inputs.tobytes() == X[[0, 2]].tobytes()


@pytest.mark.parametrize(
    ("gap", "unit", "tau", "rounded"),
    [
        (1, "ns", 1e30, "zero"),
        (1e-46, "s", 1.0, "zero"),
        (1e-39, "s", 1.0, "zero"),  # float32 holds it, compiled code does not
        (5e-324, "ns", 1.0, "zero"),
        (1e300, "d", 1.0, "infinity"),
        (1e300, "s", 1e-300, "infinity"),
    ],
)
def test_elapsed_times_that_float32_cannot_hold_are_refused(gap, unit, tau, rounded):
    series = Series.of([[1.0], [1.0, 2.0]], [[0], [0, gap]], unit=unit)
    with pytest.raises(InvalidInput, match=f"an elapsed that rounds to {rounded}, in series 1, sample 1"):
        make(channels=1, tau=tau, dt=tau).encode(series)


def test_a_dt_that_rounds_to_zero_is_refused():
    with pytest.raises(InvalidInput, match="rounds to zero, in series 0, sample 0"):
        make(dt=1e-30, tau=1e30).encode(Series.of(X))


def test_what_scaling_makes_too_large_is_refused():
    encoding = make().fit_scaling(Series.of(X * np.float32(1e-20)))
    with pytest.raises(InvalidInput, match="once scaled"):
        encoding.encode(Series.of(X * np.float32(1e30)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"missing": "hould"}, "Did you mean 'hold'"),
        ({"dt": 0.0}, "dt a positive number"),
        ({"dt": True}, "dt a positive number"),
        ({"tau": np.nan}, "tau a positive number"),
        ({"tau": "1"}, "tau a positive number"),
    ],
)
def test_settings_that_are_refused(options, message):
    with pytest.raises(InvalidInput, match=message):
        make(**options)


@pytest.mark.parametrize(
    "scaling",
    [
        {"shift": np.zeros(3), "scale": np.ones(3)},
        {"shift": np.zeros(2), "scale": np.array([1.0, 0.0])},
        {"shift": np.array([0.0, np.nan]), "scale": np.ones(2)},
    ],
)
def test_scalings_that_are_refused(scaling):
    with pytest.raises(InvalidInput):
        Encoding(2, dt=1.0, tau=1.0, scaling=Scaling.of(**scaling))


def test_other_shapes_are_refused():
    encoding = make()
    for act, wrong in (
        (encoding.encode, Series.of(X[..., :1])),
        (encoding.fit_scaling, Series.of(X[..., :1])),
        (encoding.encode_array, X[..., :1]),
        (encoding.encode_array, X[0]),
        (encoding.hold_still, X[0, :, :1]),
        (encoding.hold_still, np.float32(1)),
    ):
        with pytest.raises(InvalidInput, match="Must have"):
            act(wrong)


def test_no_channels_and_one_sample():
    encoded = make(channels=0).encode(Series.of(np.zeros((2, 3, 0))))
    assert encoded.inputs.shape == (2, 3, 0) and encoded.elapsed.shape == (1, 3)
    single = make("hold-with-observed").encode(Series.of([[[1.0, np.nan]]], [[5.0]]))
    np.testing.assert_allclose(single.inputs, [[[1, 0, 1, 0, 0, np.log1p(2.0)]]], rtol=1e-6)


def test_encodings_are_trees_that_copy_and_stack():
    encodings = [make("hold").fit_scaling(Series.of(X * np.float32(size))) for size in (1, 2)]
    assert eqx.tree_equal(copy.deepcopy(encodings[0]), encodings[0])
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *encodings)
    assert stacked.scaling.scale.shape == (2, 2)
