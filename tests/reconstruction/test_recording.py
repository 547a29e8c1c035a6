"""The door of recordings: what is refused, what is cut, and what delays make."""

import numpy as np
import pytest

import gnode
from gnode.errors import InvalidInput
from gnode.reconstruction.delays import choose_delays, lag_of, pace_of
from gnode.reconstruction.pieces import data_of, parted
from gnode.reconstruction.recording import delayed, read_recording, thinned


def waves(count=600, seed=0):
    time = 0.1 * np.arange(count)
    return np.column_stack([np.sin(time), np.cos(1.7 * time)]) + 1e-3 * np.random.default_rng(seed).normal(
        size=(count, 2)
    )


def henon(count=1500):
    state, states = np.array([0.1, 0.1]), []
    for _ in range(count + 100):
        state = np.array([1 - 1.4 * state[0] ** 2 + state[1], 0.3 * state[0]])
        states.append(state)
    return np.array(states[100:])


def test_forms_of_one_recording_are_one():
    values = waves()
    forms = [values, [values], values[None], gnode.Series.of([values])]
    for form in forms:
        recording = read_recording(form)
        assert (recording.samples, recording.channels, recording.step, recording.even) == (600, 2, 1.0, True)
        np.testing.assert_allclose(recording.values, values, rtol=1e-6)
    assert read_recording(values[:, 0]).channels == 1


def test_a_jumping_clock_is_cut():
    times = 0.5 * np.arange(600.0)
    times[300:] += 1000
    recording = read_recording(waves(), times)
    assert [len(stretch) for stretch in recording.stretches] == [300, 300]
    assert recording.step == 0.5
    assert "jumps 1 time" in recording.said[0]
    np.testing.assert_array_equal(recording.stretches[1].gaps, 0.5)


def test_delay_vectors_hold_the_latest_first_and_cross_no_jump():
    times = np.arange(600.0)
    times[300:] += 1000
    values = waves()
    recording = delayed(read_recording(values, times), 3, 4)
    second = recording.stretches[1].values
    assert len(second) == 300 - 8
    np.testing.assert_allclose(second[0], np.hstack([values[308], values[304], values[300]]), rtol=1e-6)


def test_thinned_samples_keep_their_times():
    times = np.cumsum(np.random.default_rng(0).uniform(0.5, 1.5, 601))
    recording = thinned(read_recording(waves(601), times), 5)
    np.testing.assert_allclose(np.cumsum(recording.stretches[0].gaps)[1:], times[5::5] - times[0] + recording.step)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (waves(150), "at least 200 samples"),
        (np.column_stack([waves()[:, 0], np.full(600, 1e9)]), "a constant one, channel 1"),
        (waves()[:, [0, 0]] * [1, -3], "a copy of channel 0"),
        (np.full((600, 1), np.inf), "finite"),
        ("recording.csv", "a recording"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(data, line):
    with pytest.raises(InvalidInput, match=line):
        gnode.reconstruct(data)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"delays": 0}, "delays a positive integer"),
        ({"lag": 1.5}, "lag a positive integer"),
        ({"membres": 2}, "members"),
        ({"model": "gnoed"}, "gnode"),
        ({"delays": 3, "lag": 250}, "Record longer, or ask for fewer delays"),
        ({"state_size": 1}, "at least 2 units"),
        ({"channels": ["x"]}, "names of 2 channels"),
        ({"inputs": np.zeros((5, 1))}, "inputs with the samples"),
        ({"hidden": (2000,)}, "at most 4000 trained parameters"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_computed(options, line):
    with pytest.raises(InvalidInput, match=line):
        gnode.reconstruct(waves(), **({"delays": 1} | options))


def holed(rows, channels):
    values = waves()
    values[rows, channels] = np.nan
    return values


def clock_of(stretch, count=600):
    """A clock that jumps after every so many samples."""
    return np.arange(float(count)) + 1e4 * (np.arange(count) // stretch)


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("data", "times", "options", "line"),
    [
        (holed(slice(None), 1), None, {}, "channel 1 that never was. Leave it out"),
        (holed(slice(0, 600, 2), 0), clock_of(600), {}, "7 samples that follow each other.* at most 1. .*fill short"),
        (holed(slice(0, 600, 3), 0), None, {}, "7 samples that follow each other.* at most 2"),
        (waves(), clock_of(3), {}, "7 samples that follow each other.* at most 3"),
        (waves(), clock_of(10), {}, "stretches of at least 16 samples.* at most 9. Record 480 samples without a jump"),
        (waves(), clock_of(20), {}, "10 pieces of 16 .*, [0-9]+ and 0. Record 480 samples without a gap"),
        (waves(300), None, {"piece": 60}, "10 pieces of 60 .*, 0 and 0. Record 1800 samples"),
        (waves(300)[:, 0], None, {"delays": 8, "lag": 30}, "at least 410 samples for 8 delays of 30 samples"),
        (waves(), clock_of(9), {"piece": 5}, "10 pieces of 5 .* and 0. Record 150 samples without a gap"),
        (holed(slice(545, 600, 5), 0), None, {"piece": 5}, "none without a gap. Record"),
        (np.sin(1e-3 * np.arange(3000.0)), None, {}, "Record [0-9]{5} samples without a gap"),
    ],
)
def test_too_short_says_how_long_would_do(unit, kind, data, times, options, line):
    with pytest.raises(InvalidInput, match=line):
        gnode.reconstruct((unit * data).astype(kind), times, **({"delays": 1} | options))


def test_as_many_delays_are_tried_as_the_recording_has_room_for():
    values = waves(201)[:, 0]
    recording = read_recording(values)
    number, errors = choose_delays(recording, 3)
    assert (number, list(errors)) == (1, [1])  # two would leave 198 samples


def test_a_gap_does_not_take_what_validates():
    values = holed(slice(200, 450), 0)
    data = data_of(*parted(read_recording(values)), 10, 1.0, True, 0, 1, 5000)
    assert min(len(data.train), len(data.validation), len(data.test)) > 0


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("share", [0.02, 0.1])
def test_noise_is_measured_in_any_unit(unit, share):
    rng = np.random.default_rng(0)
    clean = np.sin(0.1 * np.arange(4000))
    noisy = clean + share * clean.std() * rng.normal(size=4000)
    pace = pace_of(read_recording(unit * (noisy + 50)))
    assert pace.noise == pytest.approx(share, rel=0.1)
    assert pace.turn == pytest.approx(10.0, rel=0.2)  # a sine moves by its deviation in 1 / (angle of a sample)
    assert pace_of(read_recording(unit * clean)).noise < 1e-4


def test_noise_is_measured_at_uneven_times():
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.2, 1.8, 4000)) * 1e-3
    clean = np.sin(100 * times)
    assert pace_of(read_recording(clean, times)).noise < 1e-3
    noisy = clean + 0.05 * clean.std() * rng.normal(size=4000)
    assert pace_of(read_recording(noisy, times)).noise == pytest.approx(0.05, rel=0.1)


def test_a_map_is_no_noise():
    pace = pace_of(read_recording(henon()))
    assert pace.coarse
    assert not pace.noisy
    assert pace_of(read_recording(np.random.default_rng(0).normal(size=(1500, 1)))).noisy


def test_delays_that_a_state_needs():
    number, errors = choose_delays(read_recording(henon()[:, :1]), 1)
    assert number == 2  # x(t+1) = 1 - 1.4 x(t)^2 + 0.3 x(t-1)
    assert errors[1] > 5 * errors[2]
    assert choose_delays(read_recording(henon()), 1)[0] == 1
    wave = np.sin(2 * np.pi * np.arange(2000) / 40.3) + 0.1 * np.random.default_rng(0).normal(size=2000)
    assert lag_of(read_recording(wave)) == pytest.approx(10, abs=2)  # a quarter of its period


def test_pieces_of_members_differ_and_never_hold_the_test():
    values = waves(2000)
    recording = read_recording(values)
    learned, tested = parted(recording)
    assert sum(map(len, tested)) == 200
    first, second = (data_of(learned, tested, 10, 1.0, True, member, 2, 5000) for member in range(2))
    assert first.validation.digest() != second.validation.digest()
    assert first.test.digest() == second.test.digest()
    held = {tuple(row) for trial in first.test.targets for row in trial}
    used = {tuple(row) for trial in (*first.train.targets, *first.validation.targets) for row in trial}
    assert not held & used
    validated = {tuple(row) for trial in first.validation.targets for row in trial}
    assert not validated & {tuple(row) for trial in first.train.targets for row in trial}


def test_missing_samples_do_not_count_and_begin_no_piece():
    values = waves()
    values[100:110, 1] = np.nan
    recording = read_recording(values)
    data = data_of(*parted(recording), 10, 1.0, True, 0, 1, 5000)
    for trials in (data.train, data.validation, data.test):
        assert trials.counts[:, 0].all()
    assert not data.train.counts.all()


def test_order_in_memory_does_not_matter():
    values = waves()
    first, second = (pace_of(read_recording(form)) for form in (values, np.asfortranarray(values)))
    assert first == second
