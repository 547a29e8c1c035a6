"""Elapsed time as step, as input, or both."""

import numpy as np
import pytest

import gnode
from gnode.errors import InvalidInput
from gnode.models.config import ModelConfig
from gnode.series import Series

RANDOM = np.random.default_rng(0)
ARRAYS = [RANDOM.standard_normal((length, 2)).astype("f4") for length in (5, 3, 7)]
TIMES = [np.cumsum(RANDOM.uniform(0.01, 0.2, len(array))) for array in ARRAYS]
SERIES = Series.of(ARRAYS, TIMES)
TAU, DT = 0.05, 0.02


def made(elapsed, channels=2, **options):
    sizes = dict(input_size=channels, state_size=3, output_size=2, hidden=(6,), seed=1, tau=TAU, dt=DT)
    return gnode.models.make("gnode", **sizes, integrator="rk4", elapsed=elapsed, **options)


def with_time_as_a_channel():
    gaps = [np.log1p(np.diff(times, prepend=times[0] - DT) / TAU) for times in TIMES]
    return [np.concatenate([array, gap[:, None]], axis=1) for array, gap in zip(ARRAYS, gaps, strict=True)]


@pytest.mark.parametrize(("elapsed", "times"), [("input", None), ("both", TIMES)])
def test_it_is_a_model_told_the_time_by_hand(elapsed, times):
    """As an input alone it is a further channel on the uniform grid; as both, one beside the steps."""
    by_hand = made("step", channels=3)(Series.of(with_time_as_a_channel(), times))
    np.testing.assert_allclose(made(elapsed)(SERIES), by_hand, atol=1e-6)


@pytest.mark.parametrize("elapsed", ["step", "input", "both"])
def test_states_are_the_maps_of_their_samples(elapsed):
    model = made(elapsed)
    states, gaps = np.asarray(model.states(SERIES)), SERIES.elapsed(DT)
    for trial, array in enumerate(ARRAYS):
        for at in range(1, len(array)):
            step = model.map_at(array[at], elapsed=gaps[trial, at])
            np.testing.assert_allclose(states[trial, at], step(states[trial, at - 1]), atol=1e-6)
        np.testing.assert_array_equal(
            states[trial, len(array) :], states[trial, [len(array) - 1]].repeat(7 - len(array), 0)
        )


@pytest.mark.parametrize("elapsed", ["input", "both"])
def test_the_uniform_grid_has_dt_between_its_samples(elapsed):
    model, values = made(elapsed), np.stack([ARRAYS[2], -ARRAYS[2]])
    on_a_clock = Series.of(values, times=DT * np.arange(1, 8))
    np.testing.assert_allclose(model(values), model(on_a_clock), atol=1e-6)


def test_it_is_saved_and_left_out_at_its_default(tmp_path):
    model = made("both", scale="standard")
    gnode.models.save(model, tmp_path / "m.safetensors")
    np.testing.assert_array_equal(gnode.load(tmp_path / "m.safetensors")(SERIES), model(SERIES))
    sizes = dict(model="gnode", input_size=1, state_size=1, output_size=1)
    assert not {"elapsed", "residual", "learn_rates"} & ModelConfig(**sizes).as_dict().keys()


def test_what_cannot_be():
    with pytest.raises(InvalidInput, match="out of both, input, step"):
        made("channel")
    with pytest.raises(InvalidInput, match="as step alone with events"):
        made("both", events=1)
    with pytest.raises(InvalidInput, match="as step alone to answer at other times"):
        made("input")(SERIES, at=[0.3])
