"""Forecasts beside which those of networks are judged."""

import numpy as np
import pytest

from gnode.reconstruction.forecasts import asked_of, judged
from gnode.reconstruction.pieces import parted
from gnode.reconstruction.recording import read_recording


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_a_linear_model_knows_what_acts(unit):
    """x[k] = 0.9 x[k-1] + u[k], where u is white noise that is known: the future follows from the inputs alone."""
    acting = np.random.default_rng(0).normal(size=(1000, 1))
    values = np.zeros((1000, 1))
    for at in range(1, 1000):
        values[at] = 0.9 * values[at - 1] + acting[at]

    def linear_of(inputs):
        recording = read_recording(unit * values, inputs=inputs)
        learned, tested = parted(recording)
        asked = asked_of(recording, tested, window=4, turn=1.0)
        return judged(recording, asked, asked.futures[None], 1.0, learned), asked.futures.shape[1]

    knowing, ahead = linear_of(acting)
    np.testing.assert_array_equal(knowing.linear, ahead)  # to the end, in samples a second apart
    unknowing, _ = linear_of(None)
    assert np.median(unknowing.linear) <= 2
