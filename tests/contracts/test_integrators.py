"""Every registered integrator: time that does not pass moves nothing, and it is elapsed time alone that counts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gnode
from gnode.fields import FIELDS, Field, FieldOptions
from gnode.integrate import RULES, SOLVERS, Integrator, Map, integrator_kind, integrators
from gnode.models import Model
from gnode.models.config import ModelConfig
from gnode.series import Series

N, D, TRIALS, TIME = 3, 2, 4, 6
LENGTHS = (6, 2, 6, 4)

# One rule of each form and one solver stand for those that only differ in their steps: each compiles for seconds.
EVERY = [
    pytest.param(name, marks=[] if name in ("euler", "exponential-euler", "tsit5") else pytest.mark.full)
    for name in integrators()
]


def options_of(name: str) -> dict:
    """Steps that each series takes by itself."""
    if not integrator_kind(name).flow:
        return {}
    return {"grid": "series", "substeps": 0 if SOLVERS[name].method.implicit else 2}


def make_model(name: str, **options) -> Model:
    sizes = dict(input_size=D, state_size=N, output_size=2)
    plain = dict(hidden=(6,), activation="tanh", dt=0.5, tau=1.0, initial_state="learned", seed=2)
    return gnode.models.make("gnode", **sizes, integrator=name, **{**plain, **options_of(name), **options})


def make_integrator(name: str) -> Integrator:
    sizes = dict(model="gnode", input_size=D, state_size=N, output_size=2)
    return ModelConfig(**sizes, integrator=name, **options_of(name)).make_integrator()


def draw_field(name: str = "gnode", **changes) -> Field:
    plain = dict(
        state_size=N, input_size=D, hidden=(6,) if FIELDS[name].hidden is not None else (), gate_hidden=(),
        activation="tanh", candidate_activation=FIELDS[name].candidate_activation, gate_activation="sigmoid",
        gate_bias=0.0, layer_norm=False, leak=True, gain=False,
    )  # fmt: skip
    return FIELDS[name].draw(np.random.default_rng(4), FieldOptions(**{**plain, **changes}))


def in_float64(tree):
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), dtype=jnp.float64), tree)


def draw_series(lengths=(TIME,) * TRIALS, shift: float = 0.0, scale: float = 1.0) -> Series:
    random = np.random.default_rng(1)
    values = random.standard_normal((len(lengths), TIME, D)).astype(np.float32)
    times = np.cumsum(random.uniform(0.1, 1.5, (len(lengths), TIME)), axis=1)
    pieces = [
        (value[:length], time[:length] * scale + shift)
        for value, time, length in zip(values, times, lengths, strict=True)
    ]
    return Series.of([value for value, _ in pieces], [time for _, time in pieces])


@pytest.mark.parametrize("name", EVERY)
def test_time_that_does_not_pass_moves_nothing_and_has_no_gradient(name):
    random = np.random.default_rng(0)
    field, integrator = draw_field(), make_integrator(name)
    start, inputs = (jnp.float32(random.standard_normal(shape)) for shape in ((TRIALS, N), (TRIALS, TIME, D)))
    still = np.zeros((TRIALS, TIME), bool)
    still[0, :2] = still[1, 3] = still[2, 4:] = still[3] = True
    inputs = jnp.where(still[..., None], 1e3, inputs)
    elapsed = jnp.where(still, 0.0, jnp.float32(random.uniform(0.2, 1.5, still.shape)))

    def scalar(field, start, inputs, elapsed):
        states = integrator(field, start, inputs, elapsed).states
        return jnp.sum(jnp.sin(states) * jnp.arange(states.size).reshape(states.shape)), states

    differentiated = jax.jit(jax.value_and_grad(scalar, argnums=(0, 1, 2, 3), has_aux=True))
    (_, states), (of_field, of_start, of_inputs, of_elapsed) = differentiated(field, start, inputs, elapsed)
    before = np.concatenate([start[:, None], states[:, :-1]], axis=1)
    np.testing.assert_array_equal(np.asarray(states)[still], before[still])
    assert (np.asarray(states) != before)[~still].any()
    assert (np.asarray(of_inputs)[still] == 0).all() and (np.asarray(of_elapsed)[still] == 0).all()
    for leaf in jax.tree.leaves((of_field, of_start, of_inputs, of_elapsed)):
        assert np.isfinite(leaf).all()
    weights = np.arange(states.size).reshape(states.shape)[3].sum(axis=0)  # the trial for which no time passes
    np.testing.assert_allclose(of_start[3], np.cos(start[3]) * weights, rtol=1e-4)


@pytest.mark.parametrize("name", EVERY)
def test_a_ragged_batch_is_its_series_one_by_one_in_any_order(name):
    model, series = make_model(name), draw_series(LENGTHS)
    outputs, states = model(series), model.states(series)
    for trial, length in enumerate(LENGTHS):
        alone = draw_series(LENGTHS)[trial]
        alone = Series.of(alone.values[:, :length], alone.times[:, :length])
        np.testing.assert_allclose(outputs[trial, :length], model(alone)[0], atol=1e-6)
        # Padding holds the last state.
        np.testing.assert_array_equal(
            states[trial, length:], np.repeat(states[trial, length - 1 : length], 6 - length, 0)
        )
    order = np.array([2, 0, 3, 1])
    np.testing.assert_allclose(model(series[order]), outputs[order], atol=1e-6)


@pytest.mark.parametrize("name", EVERY)
def test_a_shift_of_all_times_to_those_since_1970_changes_nothing(name):
    model = make_model(name)
    now = model(draw_series())
    np.testing.assert_allclose(model(draw_series(shift=1.7e9)), now, atol=1e-6)
    seconds = draw_series().times
    dates = np.datetime64("2024-01-01", "ns") + np.round(seconds * 1e9).astype("timedelta64[ns]")
    np.testing.assert_allclose(model(draw_series().values, times=dates), now, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-3, 86_400.0])
@pytest.mark.parametrize("name", EVERY)
def test_time_and_tau_scaled_together_change_nothing(name, scale):
    scaled = make_model(name, dt=0.5 * scale, tau=scale)
    now = make_model(name)(draw_series())
    np.testing.assert_allclose(scaled(draw_series(scale=scale)), now, atol=2e-6)
    uniform = draw_series().values
    np.testing.assert_allclose(scaled(uniform), make_model(name)(uniform), atol=2e-6)


# -- step rules against what is known --


RNN = gnode.models.make(
    "rnn", input_size=D, state_size=N, output_size=2, dt=0.3, tau=0.7, initial_state="learned", seed=5
)


@given(st.lists(st.integers(1, TIME), min_size=TRIALS, max_size=TRIALS), st.integers(0, 99), st.sampled_from([1e-2, 3]))
def test_euler_is_the_plain_recurrence_over_any_times_and_lengths(lengths, seed, longest_gap):
    """h <- h + alpha (-h + tanh(W h + U x + b)), alpha = elapsed / tau, in NumPy."""
    random = np.random.default_rng(seed)
    values = random.standard_normal((TRIALS, TIME, D)).astype(np.float32)
    times = np.cumsum(random.uniform(1e-4, longest_gap, (TRIALS, TIME)), axis=1)
    drive = RNN.field.drive
    recurrent, inward, bias = (
        np.asarray(array, float) for array in (drive.from_state.weight, drive.from_input.weight, drive.from_input.bias)
    )
    states = RNN.states(Series.of(values, times, lengths=lengths))
    for trial, length in enumerate(lengths):
        state = np.asarray(RNN.initial.value, float)
        for sample in range(TIME):
            if sample < length:
                alpha = (times[trial, sample] - times[trial, sample - 1] if sample else 0.3) / 0.7
                state = state + alpha * (np.tanh(recurrent @ state + inward @ values[trial, sample] + bias) - state)
            np.testing.assert_allclose(states[trial, sample], state, rtol=1e-4, atol=1e-4)


class Held(Field):
    """A gate and a candidate that depend on the input alone: over a step in which it is held, both are constant."""

    drive: None = None
    gain: None = None
    leak: bool = True
    state_size: int = N
    input_size: int = 2 * N

    def __call__(self, state, inputs, dense=None):
        return self.gate(state, inputs) * (self.candidate(state, inputs) - state)

    def gate(self, state, inputs, dense=None):
        return jax.nn.sigmoid(inputs[..., :N])

    def candidate(self, state, inputs, dense=None):
        return inputs[..., N:]


def test_exponential_euler_is_exact_for_a_gate_and_a_candidate_that_hold_still():
    random = np.random.default_rng(2)
    with jax.enable_x64(True):
        start, inputs = random.standard_normal((TRIALS, N)), 3 * random.standard_normal((TRIALS, TIME, 2 * N))
        elapsed = 10.0 ** random.uniform(-3, 2, (TRIALS, TIME))
        states = Map("exponential-euler")(Held(), *map(jnp.asarray, (start, inputs, elapsed))).states
        state = start
        for sample in range(TIME):
            rate, target = 1 / (1 + np.exp(-inputs[:, sample, :N])), inputs[:, sample, N:]
            state = target + (state - target) * np.exp(-rate * elapsed[:, sample, None])
            np.testing.assert_allclose(states[:, sample], state, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("rule", RULES)
def test_error_of_a_rule_falls_with_its_order(rule):
    """A gnODE with a smooth activation; the input holds still over each of three intervals of unit length."""
    random = np.random.default_rng(3)
    with jax.enable_x64(True):
        field = in_float64(draw_field())
        start, held = (jnp.asarray(random.standard_normal(shape)) for shape in ((TRIALS, N), (TRIALS, 3, D)))

        def last_state(rule, steps):
            inputs, elapsed = jnp.repeat(held, steps, axis=1), jnp.full((1, 3 * steps), 1 / steps)
            return Map(rule)(field, start, inputs, elapsed).states[:, -1]

        truth = last_state("rk4", 512)
        errors = [float(jnp.abs(last_state(rule, steps) - truth).max()) for steps in (16, 32)]
        assert errors[-1] > 1e4 * np.finfo(float).eps  # else it is rounding that is looked at
        assert np.log2(errors[-2] / errors[-1]) > RULES[rule].order - 0.3
