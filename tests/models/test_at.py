"""Outputs between samples: a flow is solved to that time, a map takes a part of its step."""

import jax.numpy as jnp
import numpy as np
import pytest

from gnode import models
from gnode.errors import InvalidInput
from gnode.series import Series

DT, TIME = 0.1, 10
VALUES = np.random.default_rng(0).standard_normal((3, TIME, 2)).astype("f4")
GAPS = np.random.default_rng(1).uniform(0.05, 0.4, (3, TIME))
TIMES = 100 + np.cumsum(GAPS, axis=1)
LENGTHS = [10, 4, 7]


def make(**options):
    sizes = dict(input_size=2, state_size=3, output_size=2, hidden=(6,), dt=DT, tau=0.3, activation="tanh")
    return models.make("gnode", **sizes, initial_state="learned", seed=1, **options)


MODELS = [
    make(),
    make(integrator="exponential-euler"),
    make(integrator="tsit5", rtol=1e-6, grid="series", interpolation="linear"),
]


@pytest.mark.parametrize(
    "model", [*MODELS[:2], pytest.param(MODELS[2], marks=pytest.mark.full)], ids=lambda model: model.config.integrator
)
def test_at_sample_times_it_is_the_plain_output(model):
    uniform = model(VALUES)
    for clock in (np.arange(1, TIME + 1) * DT, np.cumsum(np.full(TIME, DT)), np.linspace(DT, TIME * DT, TIME)):
        np.testing.assert_allclose(model(VALUES, at=clock), uniform, atol=2e-6)
    irregular = model(VALUES, times=TIMES)
    np.testing.assert_allclose(model(VALUES, times=TIMES, at=TIMES), irregular, atol=2e-6)
    np.testing.assert_allclose(model(VALUES, times=TIMES, at=TIMES[:, ::-2]), irregular[:, ::-2], atol=2e-6)


def test_a_map_takes_a_part_of_its_step():
    model = MODELS[0]
    states = model.states(VALUES, times=TIMES)
    for sample, fraction in ((0, 0.25), (3, 0.5), (9, 0.875)):
        begin = TIMES[:, sample - 1] if sample else TIMES[:, 0] - DT
        at = begin + fraction * (TIMES[:, sample] - begin)
        before = states[:, sample - 1] if sample else jnp.broadcast_to(model.initial.value, (3, 3))
        moved = model.field(before, jnp.asarray(VALUES[:, sample]))
        expected = model.readout(before + ((at - begin) / 0.3)[:, None] * moved)
        np.testing.assert_allclose(model(VALUES, times=TIMES, at=at[:, None])[:, 0], expected, atol=2e-6)


def test_a_flow_is_solved_to_that_time():
    """A sample that lies on the straight line between two others changes nothing but where outputs are read."""
    model = MODELS[2]
    middle = (TIMES[:, 4] + TIMES[:, 5]) / 2
    values = np.insert(VALUES, 5, (VALUES[:, 4] + VALUES[:, 5]) / 2, axis=1)
    more = model(values, times=np.insert(TIMES, 5, middle, axis=1))
    np.testing.assert_allclose(model(VALUES, times=TIMES, at=middle[:, None])[:, 0], more[:, 5], atol=1e-5)


def test_times_of_ragged_series_are_asked_for_one_by_one():
    model = MODELS[0]
    pieces = [value[:length] for value, length in zip(VALUES, LENGTHS, strict=True)]
    clocks = [time[:length] for time, length in zip(TIMES, LENGTHS, strict=True)]
    series = Series.of(pieces, clocks)
    at = np.stack([[time[0], time[1] / 2 + time[0] / 2, time[-1]] for time in clocks])
    answers = model(series, at=at)
    for trial in range(3):
        alone = model(pieces[trial][None], times=clocks[trial][None], at=at[trial])
        np.testing.assert_allclose(answers[trial], alone[0], atol=2e-6)
    np.testing.assert_allclose(
        answers[:, -1], np.stack([model(series)[i, n - 1] for i, n in enumerate(LENGTHS)]), atol=2e-6
    )


def test_dates_are_asked_for_by_dates_and_durations_by_durations():
    model = MODELS[0]
    dates = np.datetime64("2024-02-29T23:59:59", "ns") + np.round((TIMES - 100) * 1e9).astype("timedelta64[ns]")
    at = dates[:, 2:3] + (dates[:, 3:4] - dates[:, 2:3]) // 2
    middle = (TIMES[:, 2:3] + TIMES[:, 3:4]) / 2
    answers = model(VALUES, times=dates, at=at)
    np.testing.assert_allclose(answers, model(VALUES, times=TIMES, at=middle), atol=2e-6)
    durations = np.round((TIMES - 100) * 1e9).astype("timedelta64[ns]")
    np.testing.assert_allclose(
        model(VALUES, times=durations, at=durations[:, :4]), model(VALUES, times=TIMES)[:, :4], atol=2e-6
    )
    np.testing.assert_allclose(
        model(VALUES, times=dates, at=dates[:, :4]), model(VALUES, times=TIMES)[:, :4], atol=2e-6
    )


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ([0.0], "between dt before the first sample"),
        ([1.01], "between dt before the first sample"),
        ([0.5, np.nan], "between dt before the first sample"),
        ([], "times (K,) or (3, K)"),
        (0.5, "times (K,) or (3, K)"),
        ([[0.5], [0.5]], "times (K,) or (3, K)"),
        (["now"], "times to answer at that are numbers"),
    ],
)
def test_times_that_cannot_be_answered_are_refused(at, words):
    with pytest.raises(InvalidInput) as error:
        MODELS[0](VALUES, at=at)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_dates_are_no_seconds():
    with pytest.raises(InvalidInput, match="times to answer at in seconds"):
        MODELS[0](VALUES, at=np.array(["2024-01-01"], "datetime64[ns]"))
