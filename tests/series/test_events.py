"""Events: an impulse moves the state at its own time, wherever the samples lie."""

import numpy as np
import pytest

import gnode
from gnode.errors import InvalidInput
from gnode.integrate import integrators
from gnode.models import Encoding
from gnode.series import Series, Trials
from gnode.training import Data


def events_at(series: Series, *times, sizes=None) -> Series:
    return series.with_events([[list(of_kind) for of_kind in times]] * len(series), sizes)


def test_intervals_end_at_samples_and_at_events_alike():
    series = events_at(Series.of([[1.0, 2.0, 3.0]], [[10.0, 11.0, 13.0]]), [10.5, 12.0, 12.0], [13.0])
    inputs, elapsed, impulses, samples = Encoding(1, dt=0.5, tau=0.25, events=2).encode(series)
    np.testing.assert_array_equal(elapsed * 0.25, [[0.5, 0.5, 0.5, 1.0, 1.0]])
    np.testing.assert_array_equal(inputs[0, :, 0], [1, 2, 2, 3, 3])  # the input on a part is that on the whole
    np.testing.assert_array_equal(impulses[0].T, [[0, 1, 0, 2, 0], [0, 0, 0, 0, 1]])
    np.testing.assert_array_equal(samples, [[0, 2, 4]])


@pytest.mark.parametrize("start", [0.0, 0.1, 0.7, 1.7e9 + 0.1])
@pytest.mark.parametrize("step", [0.1, 1 / 3, 0.01])
def test_an_event_at_the_time_of_a_sample_is_at_that_sample(start, step):
    """FeRx#1226, mrgsolve#1286. It was after the sample, or beyond the last one (an IndexError), by rounding."""
    times = start + step * np.arange(1, 101)
    for when in (times, np.nextafter(times, np.inf), np.nextafter(times, -np.inf)):
        series = events_at(Series.of(np.ones((1, 100, 1)), [times]), when)
        _, elapsed, impulses, samples = Encoding(1, dt=step, tau=step, events=1).encode(series)
        np.testing.assert_array_equal(samples, [np.arange(100)])
        np.testing.assert_array_equal(impulses, np.ones((1, 100, 1)))
        np.testing.assert_allclose(elapsed, 1, atol=1e-4)


def test_events_in_float32_beside_samples_in_float64_are_at_them():
    times = 0.1 * np.arange(1, 30)
    series = Series.of(np.ones((1, 29, 1)), [times]).with_events([[times.astype("f4")]])
    np.testing.assert_array_equal(series.events.seconds, times - times[0])


def test_times_of_events_in_integers_and_dates_are_taken_exactly():
    ticks = 1_700_000_000_000_000_000 + np.array([0, 7, 20])
    for times in (ticks, ticks.astype("datetime64[ns]")):
        unit = None if times.dtype.kind == "M" else "ns"
        series = Series.of(np.ones((1, 3, 1)), [times], unit=unit).with_events([[times[1:] - 1]])
        np.testing.assert_array_equal(series.events.seconds, np.array([6, 19]) / 1e9)


@pytest.mark.parametrize(
    "integrator", ["exponential-euler", *(pytest.param(name, marks=pytest.mark.full) for name in ("rk4", "tsit5"))]
)
def test_what_an_event_does_does_not_depend_on_where_the_samples_lie(integrator):
    """A constant input, so that more samples say nothing new; fine steps for the rules, so that cutting one changes
    little."""
    model = gnode.models.make(
        "gnode", input_size=1, state_size=3, output_size=2, hidden=(8,), activation="tanh", events=2, seed=1,
        dt=0.01, tau=0.5, integrator=integrator,
    )  # fmt: skip
    ends = []
    for count in (200, 301):
        times = np.linspace(0.0, 2.0, count)
        series = events_at(Series.of(np.ones((1, count, 1)), [times]), [0.333, 1.1], [0.777])
        ends.append(np.asarray(model(series))[0, -1])
    silent = np.asarray(model(Series.of(np.ones((1, 200, 1)), [np.linspace(0.0, 2.0, 200)])))[0, -1]
    np.testing.assert_allclose(ends[0], ends[1], atol=2e-3)
    assert np.abs(ends[0] - silent).max() > 0.02


@pytest.mark.parametrize("integrator", ["euler", "tsit5"])
def test_an_event_at_a_sample_adds_its_vector_to_the_state(integrator):
    model = gnode.models.make(
        "node", input_size=1, state_size=2, output_size=1, hidden=(4,), events=1, seed=2, integrator=integrator
    )
    plain = Series.of(np.ones((1, 3, 1)), [[0.0, 0.01, 0.02]])
    moved = np.asarray(model.states(events_at(plain, [0.02], sizes=[[[2.5]]])))
    vector = np.asarray(model.impulse.weight)[:, 0]
    np.testing.assert_allclose(moved[0, -1], np.asarray(model.states(plain))[0, -1] + 2.5 * vector, atol=1e-6)


def test_ragged_series_with_events_are_each_as_if_alone():
    random = np.random.default_rng(3)
    model = gnode.models.make("gru", input_size=2, state_size=3, output_size=2, events=1, integrator="rk4")
    lengths, values, times, events = (7, 2, 5), [], [], []
    for length in lengths:
        times.append(np.cumsum(random.uniform(0.01, 0.1, length)))
        values.append(random.standard_normal((length, 2)))
        events.append([random.uniform(times[-1][0], times[-1][-1], 3)])
    together = np.asarray(model(Series.of(values, times).with_events(events)))
    for at, length in enumerate(lengths):
        alone = np.asarray(model(Series.of([values[at]], [times[at]]).with_events([events[at]])))
        np.testing.assert_allclose(together[at, :length], alone[0], rtol=2e-6, atol=1e-6)


def test_events_are_learned_from_saved_and_belong_to_the_digest(tmp_path):
    random = np.random.default_rng(4)
    times = np.linspace(0, 1, 20)
    when = [[random.uniform(0, 1, 3)] for _ in range(30)]
    counts = np.array([[(one[0] <= time).sum() for time in times] for one in when], np.float32)
    series = Series.of(np.zeros((30, 20, 1)), np.tile(times, (30, 1))).with_events(when)
    assert (
        series[[2, 0]].digest()
        == Series.of(np.zeros((2, 20, 1)), np.tile(times, (2, 1))).with_events([when[2], when[0]]).digest()
    )
    assert series.digest() != Series.of(np.zeros((30, 20, 1)), np.tile(times, (30, 1))).digest()
    series.save(tmp_path / "series.npz")
    assert Series.load(tmp_path / "series.npz").digest() == series.digest()
    trials = Trials(series, counts[..., None])
    model = gnode.models.make(
        "rnn", input_size=1, state_size=4, output_size=1, events=1, tau=1.0, dt=0.05, initial_state="learned"
    )
    run = gnode.train(model, Data(trials, trials, trials), epochs=40, batch_size=10, lr=0.03, out=tmp_path / "run")
    assert run.summary["val_loss"] < 0.5 * np.var(counts)
    again = gnode.load(tmp_path / "run")
    np.testing.assert_array_equal(np.asarray(again(series)), np.asarray(run.model(series)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda series: series.with_events([[[0.5]]]), "for each of 2 series"),
        (lambda series: series.with_events([[[0.5]], []]), "for each kind"),
        (lambda series: series.with_events([[[2.5]], [[]]]), "no later than the last sample"),
        (lambda series: series.with_events([[[float("nan")]], [[]]]), "finite"),
        (lambda series: series.with_events([[[0.5]], [[]]], [[[float("inf")]], [[]]]), "finite sizes"),
        (lambda series: series.with_events([[[0.5]], [[]]], [[np.ma.array([9.0], mask=[True])], [[]]]), "finite sizes"),
        (lambda series: series.with_events([[[0.5]], [[0.5]]], [[[1.0]]]), "sizes of the same form"),
        (lambda series: Series.of(series.values).with_events([[[0.5]], [[]]]), "times of their own"),
    ],
)
def test_events_that_cannot_be_are_refused(change, said):
    series = Series.of(np.ones((2, 3, 1)), [[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]])
    with pytest.raises(InvalidInput, match=f"^Must have .*{said}"):
        change(series)


def test_a_model_must_know_its_events():
    series = Series.of(np.ones((1, 3, 1)), [[0.0, 1.0, 2.0]]).with_events([[[0.5]]])
    with pytest.raises(InvalidInput, match="0 kinds of events"):
        gnode.models.make("rnn", input_size=1, state_size=2, output_size=1)(series)
    with pytest.raises(InvalidInput, match="interpolation constant with events"):
        gnode.models.make(
            "rnn", input_size=1, state_size=2, output_size=1, events=1, integrator="tsit5", interpolation="linear"
        )
    assert "tsit5" in integrators()
