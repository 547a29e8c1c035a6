"""A model fed sample by sample answers as it does to the whole series."""

import jax
import numpy as np
import pytest

import gnode
from gnode.errors import Diverged, InvalidInput
from gnode.series import Series

SETTINGS = [
    {},
    {"integrator": "exponential-euler", "missing": "hold-with-observed"},
    {"integrator": "rk4", "missing": "hold"},
    {"elapsed": "input", "missing": "hold-with-observed"},
    {"integrator": "exponential-euler", "elapsed": "both"},
    {"integrator": "tsit5", "interpolation": "linear"},
]
FURTHER = [
    {"integrator": "heun", "substeps": 2, "interpolation": "previous", "elapsed": "input"},
    {"integrator": "bosh3", "substeps": 2, "interpolation": "cubic-hermite"},
    {"integrator": "heun", "substeps": 2, "interpolation": "quadratic"},
    {"integrator": "heun", "substeps": 2, "interpolation": "previous"},
]


def make(**options):
    sizes = dict(input_size=2, state_size=3, output_size=2)
    return gnode.models.make("gnode", **sizes, **{"hidden": (8,), "seed": 1, "tau": 0.02, **options})


@pytest.mark.parametrize(
    "options",
    [*SETTINGS, *(pytest.param(options, marks=pytest.mark.full) for options in FURTHER)],
    ids=lambda options: " ".join(map(str, options.values())) or "euler",
)
def test_sample_by_sample_is_the_whole_series(options):
    model, random = make(**options), np.random.default_rng(0)
    times = np.cumsum(random.uniform(0.005, 0.05, (4, 9)), axis=1)
    values = random.standard_normal((4, 9, 2))
    if "missing" in options:
        values[random.random(values.shape) < 0.3] = np.nan
    series = Series.of(values, times)
    gaps, whole = series.elapsed(model.config.dt), np.asarray(model(series))
    here = model.begin(values[:, 0])
    for number in range(9):
        here, outputs = model.advance(here, values[:, number], gaps[:, number])
        np.testing.assert_allclose(outputs, whole[:, number], atol=1e-6)


def test_a_single_series_needs_no_batch_axis_and_no_clock():
    model, inputs = make(), np.random.default_rng(1).standard_normal((5, 2))
    here, outputs = model.begin(inputs[0]), []
    for sample in inputs:
        here, output = model.advance(here, sample)
        outputs.append(output)
    np.testing.assert_allclose(np.stack(outputs), model(inputs[None])[0], atol=1e-6)


def test_it_runs_inside_a_compiled_loop():
    model, inputs = make(), np.random.default_rng(2).standard_normal((5, 1, 2)).astype(np.float32)
    _, outputs = jax.jit(lambda: jax.lax.scan(lambda here, x: model.advance(here, x), model.begin(inputs[0]), inputs))()
    np.testing.assert_allclose(np.swapaxes(outputs, 0, 1), model(np.swapaxes(inputs, 0, 1)), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "use", "said"),
    [
        (
            {"integrator": "tsit5", "interpolation": "natural-cubic"},
            lambda m: m.begin(np.ones(2)),
            "does not look ahead",
        ),
        ({"reading": "mean"}, lambda m: m.advance(m.begin(np.ones(2)), np.ones(2)), "reads the mean"),
        ({}, lambda m: m.begin(np.ones(3)), r"sample of shape \(2,\)"),
        ({}, lambda m: m.begin([np.nan, 1.0]), "a missing value"),
        ({}, lambda m: m.begin([np.inf, 1.0]), "infinity"),
        ({}, lambda m: m.advance(m.begin(np.ones(2)), np.ones((2, 2))), r"\(1, 2\)"),
        ({}, lambda m: m.advance(m.begin(np.ones(2)), np.ones(2), elapsed=0.0), "above 0"),
        ({}, lambda m: m.advance(m.begin(np.ones(2)), np.ones(2), elapsed=-1.0), "above 0"),
        ({}, lambda m: m.advance(m.begin(np.ones(2)), np.ones(2), elapsed=[0.1, 0.1]), "one number"),
    ],
)
def test_what_cannot_be_done_online_is_refused(options, use, said):
    with pytest.raises(InvalidInput, match=said):
        use(make(**options))


def test_a_state_that_leaves_the_numbers_is_said_so():
    model = gnode.models.make("node", input_size=2, state_size=3, output_size=2, hidden=(8,))
    with pytest.raises(Diverged, match="member 0"):
        here = model.begin(np.full(2, 1e30))
        for _ in range(5):
            here, _ = model.advance(here, np.full(2, 1e30), elapsed=1e20)


def test_what_is_masked_is_missing_and_not_what_lies_under_the_mask():
    """jax#13795."""
    model = make(missing="hold-with-observed")
    for sample in (np.ma.array([[1.0, -999.0]], mask=[[False, True]]), Holder([[1.0, np.nan]])):
        begun, expected = model.begin(sample), model.begin([[1.0, np.nan]])
        np.testing.assert_array_equal(begun.state, expected.state)
        _, output = model.advance(begun, sample, np.ma.array([0.01]))
        np.testing.assert_array_equal(output, model.advance(expected, [[1.0, np.nan]], 0.01)[1])
    with pytest.raises(InvalidInput, match="elapsed times above 0"):
        model.advance(begun, sample, np.ma.array([0.01], mask=[True]))


class Holder:
    """Whatever gives an array when NumPy asks, as tensors of other libraries do."""

    def __init__(self, content):
        self.content = np.asarray(content)

    def __array__(self, dtype=None, copy=None):
        return self.content if dtype is None else self.content.astype(dtype)
