"""Pulses and what is held: against a loop, by hand, and by the probabilities of the protocol."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnode import tasks
from gnode.errors import InvalidInput
from gnode.tasks.pulses import Pulses, write

PULSE_TASKS = sorted(name for name, kind in tasks.TASKS.items() if issubclass(kind, tasks.PulseTask))


def write_in_a_loop(pulses, count, bins, width, before):
    """The protocol, word by word: bins are overwritten in the order of the pulses, then each channel is held."""
    inputs = np.zeros((count, bins, len(before)), dtype=np.float32)
    present = np.zeros(inputs.shape, dtype=bool)
    for trial, start, value, written in zip(pulses.trial, pulses.start, pulses.value, pulses.written, strict=True):
        for channel in np.flatnonzero(written):
            inputs[trial, start : start + width + 1, channel] = value[channel]
            present[trial, start : start + width + 1, channel] = True
    targets = np.zeros_like(inputs)
    for trial in range(count):
        held = np.array(before, dtype=np.float32)
        for now in range(bins):
            held[present[trial, now]] = inputs[trial, now, present[trial, now]]
            targets[trial, now] = held
    return inputs, targets


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_write_equals_the_loop(data):
    count, channels, width = (data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3)), data.draw(st.integers(0, 4)))
    bins = data.draw(st.integers(width + 1, 15))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    number = data.draw(st.integers(0, 25))
    pulses = Pulses(
        trial=random.integers(0, count, number),  # in no order
        start=random.integers(0, bins - width, number),
        value=random.integers(-2, 3, (number, channels)) / 2,  # with zeros and repeats
        written=random.random((number, channels)) < 0.6,
    )
    before = random.random(channels)
    trials = write(pulses, count, bins, width, before)
    inputs, targets = write_in_a_loop(pulses, count, bins, width, before)
    np.testing.assert_array_equal(trials.inputs, inputs)
    np.testing.assert_array_equal(trials.targets, targets)


def test_overlap_within_a_channel_by_hand():
    """The pulse that is written later starts earlier: it takes the shared bins, the rest of the other comes back."""
    pulses = Pulses(
        trial=np.array([0, 0]),
        start=np.array([3, 2]),
        value=np.array([[5.0], [7.0]]),
        written=np.ones((2, 1), dtype=bool),
    )
    trials = write(pulses, 1, 9, 2, np.array([1.0]))
    assert trials.inputs[0, :, 0].tolist() == [0, 0, 7, 7, 7, 5, 0, 0, 0]
    assert trials.targets[0, :, 0].tolist() == [1, 1, 7, 7, 7, 5, 5, 5, 5]


def test_pulses_of_different_channels_share_bins_by_hand():
    pulses = Pulses(
        trial=np.array([0, 0]),
        start=np.array([1, 2]),
        value=np.array([[5.0, 9.0], [9.0, 7.0]]),
        written=np.array([[True, False], [False, True]]),
    )
    trials = write(pulses, 1, 6, 2, np.array([0.0, -1.0]))
    assert trials.inputs[0].T.tolist() == [[0, 5, 5, 5, 0, 0], [0, 0, 7, 7, 7, 0]]
    assert trials.targets[0].T.tolist() == [[0, 5, 5, 5, 5, 5], [-1, -1, 7, 7, 7, 7]]


@pytest.mark.parametrize("name", PULSE_TASKS)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), frequency=st.floats(0.1, 40), width=st.integers(0, 5), bins=st.integers(6, 60))
def test_target_is_the_last_input_of_its_channel(name, seed, frequency, width, bins):
    task = tasks.make(name, frequency=frequency, width=width, bins=bins)
    trials = task.sample(4, seed)
    held = np.tile(task.before.astype(np.float32), (4, 1))
    for now in range(bins):
        held = np.where(trials.inputs[:, now] != 0, trials.inputs[:, now], held)
        np.testing.assert_array_equal(trials.targets[:, now], held)


@pytest.mark.parametrize(
    ("name", "before", "frequency", "kind", "dimension", "betti"),
    [
        ("ring", [2, 0], 12, "ring", 1, (1, 1)),
        ("disk", [1.5, 0], 6, "annulus", 2, (1, 1)),
        ("square", [0, 0], 12, "sheet", 2, (1, 0)),
        ("rectangle", [0, 0], 12, "sheet", 2, (1, 0)),
        ("fixed-amplitude", [1, 1, 1], 12, "discrete, 8 points", 0, (8, 0)),
        ("variable-amplitude", [0, 0, 0], 12, "solid", 3, (1, 0)),
    ],
)
def test_the_published_table(name, before, frequency, kind, dimension, betti):
    task = tasks.make(name)
    assert (task.bins, task.width, task.frequency) == (100, 2, frequency)
    silent = tasks.make(name, frequency=1e-9).sample(1, 0)
    assert silent.targets[0, [0, -1]].tolist() == [before, before] and not silent.inputs.any()
    assert (task.manifold.kind, task.manifold.dimension, task.manifold.betti) == (kind, dimension, betti)


@pytest.mark.parametrize(
    ("name", "shared"),
    [("ring", 1), ("disk", 1), ("square", 2), ("rectangle", 2), ("fixed-amplitude", 3), ("variable-amplitude", 3)],
)
def test_every_bin_is_as_often_active_as_a_poisson_process_says(name, shared):
    """Pulses start at each permitted bin with rate frequency / bins, split over the channels that take turns."""
    count, bins, width, frequency = 10_000, 12, 3, 4.0
    active = tasks.make(name, bins=bins, width=width, frequency=frequency).sample(count, 5).inputs != 0
    for now in range(bins):
        starts = min(now, bins - width - 1) - max(0, now - width) + 1
        expected = 1 - np.exp(-frequency * starts / bins / shared)
        five_sigma = 5 * np.sqrt(expected * (1 - expected) / count)
        np.testing.assert_allclose(active[:, now].mean(axis=0), expected, atol=five_sigma)


def test_the_number_of_pulses_is_poisson():
    """Long trials of short pulses, where overlaps hardly happen: every pulse shows as a value of its own."""
    inputs = tasks.make("ring", bins=4000, width=0, frequency=3).sample(1500, 0).inputs
    numbers = (inputs[..., 0] != 0).sum(axis=1)
    assert abs(numbers.mean() - 3) < 5 * np.sqrt(3 / 1500)
    assert abs(numbers.var() - 3) < 0.6
    assert abs((numbers == 0).mean() - np.exp(-3)) < 5 * np.sqrt(np.exp(-3) / 1500)


def first_bins(name):
    """Values of pulses, (pulses, channels): sparse trials of one-bin pulses, so that each bin is one pulse."""
    inputs = tasks.make(name, width=0, bins=500, frequency=20).sample(300, 2).inputs
    return inputs[(inputs != 0).any(axis=-1)]


def largest_gap_to_uniform(values, low, high):
    """The Kolmogorov-Smirnov statistic times the root of the number of values; above 2 has a chance of 1 in 1500."""
    order = np.sort((values - low) / (high - low))
    steps = np.arange(len(order) + 1) / len(order)
    return np.sqrt(len(order)) * max(np.abs(order - steps[1:]).max(), np.abs(order - steps[:-1]).max())


@pytest.mark.parametrize(
    ("name", "extents"), [("square", [1, 1]), ("rectangle", [2, 1]), ("variable-amplitude", [1] * 3)]
)
def test_amplitudes_are_uniform(name, extents):
    values = first_bins(name)
    for channel, extent in enumerate(extents):
        amplitudes = values[:, channel][values[:, channel] != 0]
        assert np.abs(amplitudes).max() <= extent
        assert largest_gap_to_uniform(amplitudes, -extent, extent) < 2


def test_fixed_amplitudes_are_fair_signs():
    values = first_bins("fixed-amplitude")
    signs = values[values != 0]
    assert set(np.unique(signs)) == {-1, 1}
    assert abs(signs.mean()) < 5 / np.sqrt(len(signs))


def test_ring_angles_are_uniform():
    values = first_bins("ring")
    np.testing.assert_allclose(np.hypot(*values.T), 2, rtol=1e-6)
    assert largest_gap_to_uniform(np.arctan2(values[:, 1], values[:, 0]), -np.pi, np.pi) < 2


def test_disk_is_uniform_over_its_area():
    values = first_bins("disk")
    radius = np.hypot(*values.T)
    assert radius.min() >= 1 - 1e-6 and radius.max() <= 2 + 1e-6
    assert largest_gap_to_uniform(radius**2, 1, 4) < 2
    assert largest_gap_to_uniform(np.arctan2(values[:, 1], values[:, 0]), -np.pi, np.pi) < 2


def test_square_is_variable_amplitude_with_two_bits():
    square, two_bits = tasks.make("square"), tasks.make("variable-amplitude", bits=2)
    np.testing.assert_array_equal(square.sample(20, 4).inputs, two_bits.sample(20, 4).inputs)
    np.testing.assert_array_equal(square.sample(20, 4).targets, two_bits.sample(20, 4).targets)
    assert square.manifold == two_bits.manifold


def test_recall_by_hand():
    trials = tasks.make("fixed-amplitude", bits=2, width=1).recall(np.array([[-1.0, 1.0], [1.0, -1.0]]), silence=3)
    assert trials.inputs[0].T.tolist() == [[0, -1, -1, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1, 1, 0, 0, 0]]
    assert trials.inputs[1].T.tolist() == [[0, 1, 1, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, -1, -1, 0, 0, 0]]
    assert trials.targets[1].T.tolist() == [[1] * 10, [1, 1, 1, 1, 1, -1, -1, -1, -1, -1]]
    assert trials.mask[0].tolist() == [False] * 6 + [True] * 4


@pytest.mark.parametrize("name", PULSE_TASKS)
@pytest.mark.parametrize("width", [0, 1, 5])
def test_recall_writes_every_channel_once_for_the_width_of_a_pulse(name, width):
    task = tasks.make(name, width=width)
    values = task.manifold.sample(4, 0).astype(np.float32)
    inputs = task.recall(values, silence=2).inputs
    for trial, value in zip(inputs, values, strict=True):
        for channel in range(task.input_size):
            written = trial[trial[:, channel] != 0, channel]
            assert written.tolist() == [value[channel]] * (width + 1)


@pytest.mark.parametrize("name", PULSE_TASKS)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"width": -1}, "width an integer of at least 0"),
        ({"width": 1.5}, "width an integer"),
        ({"width": 100}, "a width below the 100 bins"),
        ({"bins": 2}, "a width below the 2 bins"),
        ({"frequency": 0}, "frequency a number above 0"),
        ({"frequency": -12}, "frequency a number above 0"),
        ({"frequency": float("nan")}, "frequency a number above 0"),
        ({"frequency": float("inf")}, "frequency a number above 0"),
        ({"frequency": "12"}, "frequency a number above 0"),
    ],
)
def test_impossible_options_are_refused(name, options, words):
    with pytest.raises(InvalidInput, match=words):
        tasks.make(name, **options)


@pytest.mark.parametrize("name", ["fixed-amplitude", "variable-amplitude", "copy"])
@pytest.mark.parametrize("bits", [0, -1, 1.0, True, 63, "3"])
def test_impossible_bits_are_refused(name, bits):
    with pytest.raises(InvalidInput, match="bits an integer between 1 and 62"):
        tasks.make(name, bits=bits)


def test_a_trial_too_short_for_a_pulse_is_refused():
    with pytest.raises(InvalidInput, match="a width below the 2 bins"):
        tasks.make("ring").sample(3, 0, bins=2)
