"""The copy task: the second half of the targets is the first half of the inputs."""

import numpy as np
import pytest

from gnode import tasks


@pytest.mark.parametrize(("bins", "bits"), [(100, 3), (2, 1), (9, 4)])
def test_the_pattern_comes_back_when_the_go_channel_is_on(bins, bits):
    trials = tasks.make("copy", bits=bits).sample(20, 0, bins=bins)
    half = bins // 2
    pattern, go = trials.inputs[..., :bits], trials.inputs[..., bits]
    assert set(np.unique(pattern)) == {0, 1}
    np.testing.assert_array_equal(trials.targets[:, bins - half :], pattern[:, :half])
    assert not trials.targets[:, : bins - half].any()
    assert not pattern[:, half:].any()
    np.testing.assert_array_equal(go, np.tile(np.arange(bins) >= bins - half, (20, 1)))


def test_bits_are_fair_coins():
    trials = tasks.make("copy").sample(200, 1)
    pattern = trials.inputs[:, :50, :3]
    np.testing.assert_allclose(pattern.mean(axis=(0, 1)), 0.5, atol=5 * 0.5 / np.sqrt(200 * 50))
