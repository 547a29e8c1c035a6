"""Levenberg-Marquardt: its steps against dense algebra, and what free starts are for."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import gnode
from gnode.errors import InvalidInput
from gnode.models import trainable
from gnode.models.model import read, run
from gnode.series import Series, Trials
from gnode.training import Data
from gnode.training.levenberg import _equations, _error, _solved
from gnode.training.optimisers import OPTIMISERS
from gnode.training.score import show
from gnode.training.settings import METHODS

DAMPED = {"optimiser": "levenberg-marquardt"}


def small(**options):
    given = {"input_size": 1, "state_size": 3, "output_size": 2, "hidden": (4,), "activation": "tanh", "tau": 0.1}
    return gnode.models.make("gnode", **(given | {"dt": 0.02} | options))


def ragged(seed=0, trials=5, width=2):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 7, trials)
    inputs = [rng.normal(size=(length, 1)) for length in lengths]
    times = [np.cumsum(rng.uniform(0.01, 0.05, length)) for length in lengths]
    targets = [rng.normal(size=(length, width)) for length in lengths]
    weights = np.zeros((trials, max(lengths)))
    for trial, length in enumerate(lengths):
        weights[trial, :length] = rng.uniform(0, 2, length) * (rng.uniform(size=length) > 0.2)
        weights[trial, 1] = 1.0
    return Trials(Series.of(inputs, times), targets, weights=weights)


def dense(model, shown, starts):
    """Residuals and their Jacobian by parameters and by starts, by automatic differentiation of the whole."""
    parameters, frozen = eqx.partition(model, trainable(model))
    vector, unravel = ravel_pytree(parameters)

    def residuals(vector, starts):
        whole = eqx.combine(unravel(vector), frozen)
        moved = eqx.tree_at(lambda tree: tree.initial, whole, _Shifted(whole.initial, starts))
        path = run(moved, shown.samples)
        errors = read(moved, path, shown.samples) - shown.targets
        return (errors * jnp.sqrt(shown.weights)[..., None]).reshape(-1)

    at = vector, starts
    return residuals(*at), jax.jacrev(residuals, 0)(*at), jax.jacrev(residuals, 1)(*at)


class _Shifted(eqx.Module):
    initial: eqx.Module
    by: jax.Array

    def __call__(self, first_inputs, told):
        return self.initial(first_inputs, told) + self.by


MODELS = {
    "first input": {},
    "readout with a hidden layer": {"readout_hidden": (3,), "initial_state": "learned"},
    "residual": {"residual": True, "output_size": 1, "integrator": "exponential-euler"},
    "observed": {"initial_state": "observed", "begins": "at-first", "integrator": "rk4"},
}


@pytest.mark.parametrize(
    ("name", "free"),
    [
        pytest.param(name, free, marks=() if (at + free) % 2 else pytest.mark.full)
        for at, name in enumerate(MODELS)
        for free in (False, True)
    ],
)
def test_a_step_is_that_of_the_dense_equations(name, free):
    options = MODELS[name]
    model = small(**options)
    trials = ragged(width=model.config.output_size)
    shown = show(model, trials)
    starts = jnp.asarray(0.1 * np.random.default_rng(1).normal(size=(5, 3)), jnp.float32)
    residuals, by_parameters, by_starts = dense(model, shown, starts if free else jnp.zeros((5, 3)))
    parameters, frozen = eqx.partition(model, trainable(model))
    given = starts if free else jnp.zeros((0, 3))
    error = _error(frozen, parameters, shown, given)
    counts = float(jnp.sum(shown.weights)) * shown.targets.shape[-1]
    assert float(error) == pytest.approx(float(jnp.sum(residuals**2)) / counts, rel=1e-5)
    damping = 0.3
    equations = jax.tree.map(np.asarray, _equations(frozen, parameters, shown, given, jnp.float32(damping)))
    step = _solved(equations, damping)
    by = np.asarray(by_parameters, float)
    if free:
        by = np.hstack([by, np.asarray(by_starts, float).reshape(len(residuals), -1)])
    matrix, right = by.T @ by, by.T @ np.asarray(residuals, float)
    extra = damping * np.diag(matrix)
    count = by_parameters.shape[1]
    extra[:count] += damping * 1e-12 * np.diag(matrix)[:count].max()
    for first in range(count, len(matrix), 3):  # what keeps a start solvable of which little is seen
        extra[first : first + 3] += 1e-6 * np.diag(matrix)[first : first + 3].max() + 1e-30
    whole = -np.linalg.solve(matrix + np.diag(extra), right)
    np.testing.assert_allclose(step, whole[:count], rtol=5e-3, atol=2e-4 * np.abs(whole).max())
    if free:
        moved = -(equations.back[0] + equations.back[1] @ step)
        np.testing.assert_allclose(moved.ravel(), whole[count:], rtol=5e-3, atol=1e-3 * np.abs(whole).max())


def decaying(noise, seed=0, trials=60):
    """x' = -x / 2 from random starts, sampled at 0.1, seen with noise."""
    rng = np.random.default_rng(seed)
    paths = rng.uniform(1, 2, (trials, 1, 1)) * rng.choice([-1, 1], (trials, 1, 1))
    paths = paths * np.exp(-0.05 * np.arange(12))[None, :, None]
    return Trials(np.zeros((trials, 12, 0)), paths + noise * rng.normal(size=paths.shape))


def rate(model):
    """How fast the model decays around 1, in 1 / s."""
    return -float(np.asarray(model.field_at(np.zeros(0))(np.array([[1.2]])))[0, 0]) / 1.2


def linear():
    given = {"input_size": 0, "state_size": 1, "output_size": 1, "hidden": (), "integrator": "rk4", "seed": 3}
    return gnode.models.make("node", dt=0.1, tau=1.0, initial_state="observed", begins="at-first", **given)


def test_a_clean_decay_is_learned_to_rounding():
    trials = decaying(0.0)
    found = gnode.train(linear(), Data(trials, trials, trials), epochs=20, **DAMPED)
    assert found.summary["test_loss"] < 1e-10
    assert rate(found.model) == pytest.approx(0.5, abs=1e-4)
    assert found.history[-1].lr is None


def test_free_starts_take_away_the_bias_of_noisy_ones():
    data = [decaying(0.3, seed) for seed in range(3)]
    told, free = (gnode.train(linear(), Data(*data), epochs=25, free_starts=flag, **DAMPED) for flag in (False, True))
    spread = 0.3 / (1.5 * np.sqrt(60))  # of a rate from so many noisy pieces of about a unit of time
    assert rate(told.model) > 0.5 + 2 * spread  # a start too far out seems to fall faster
    assert rate(free.model) == pytest.approx(0.5, abs=2 * spread)


def test_a_run_that_goes_on_ends_in_the_same_bytes(tmp_path):
    data = Data(*(decaying(0.1, seed, trials=7) for seed in range(3)))
    options = {"curriculum": ((1, 4), (3, 12)), "free_starts": True, **DAMPED}
    whole = gnode.train(linear(), data, epochs=6, out=tmp_path / "whole", **options)

    class Stop(Exception): ...

    def stop(model, epoch):
        if epoch == 4:
            raise Stop

    with pytest.raises(Stop):
        gnode.train(linear(), data, epochs=6, out=tmp_path / "cut", snapshot=stop, snapshot_every=1, **options)
    again = tmp_path / "again"
    gnode.train(linear(), data, epochs=6, out=again, snapshot_every=1, **options)
    gnode.train(linear(), data, epochs=6, out=tmp_path / "cut", resume=True, snapshot_every=1, **options)
    model = "model.safetensors"
    assert (tmp_path / "cut" / model).read_bytes() == (again / model).read_bytes()
    assert (tmp_path / "whole" / model).read_bytes() == (again / model).read_bytes()
    assert len(whole.history) == 6


def test_names_of_methods_are_those_of_the_registry():
    assert tuple(OPTIMISERS) == METHODS


@pytest.mark.parametrize(
    ("options", "settings", "line"),
    [
        ({"hidden": (64, 64)}, {}, "at most 4000 trained parameters"),
        ({"integrator": "tsit5"}, {}, "a step rule"),
        ({}, {"input_noise": 0.1}, "no input_noise"),
        ({}, {"weigh": "series"}, "weigh = samples"),
        ({}, {"loss": "poisson"}, "the loss mse"),
        ({}, {"optimiser": "adamw", "free_starts": True}, "levenberg-marquardt for free_starts"),
        ({}, {"optimiser": "adam"}, "adamw"),
    ],
)
def test_what_it_cannot_train_is_refused(options, settings, line):
    trials = Trials(np.zeros((3, 4, 1)), np.ones((3, 4, 2)))
    with pytest.raises(InvalidInput, match=line):
        gnode.train(small(**options), Data(trials, trials, trials), epochs=1, **(DAMPED | settings))


def test_starts_far_off_that_leave_the_numbers_are_no_step():
    rng = np.random.default_rng(0)
    trials = Trials(np.zeros((4, 40, 0)), 1e3 * rng.normal(size=(4, 40, 1)))
    run = gnode.train(linear(), Data(trials, trials, trials), epochs=8, **DAMPED)
    losses = [record.train_loss for record in run.history]
    assert np.isfinite(losses).all()
    assert losses == sorted(losses, reverse=True)
