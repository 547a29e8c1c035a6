"""A flow that cannot be solved: training leaves the trial out, takes what was solved of it, or stops and says why."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import gnode
from gnode.errors import Diverged, InvalidInput
from gnode.examine import evaluate
from gnode.series import Series
from gnode.training import Data, Trials

TRIALS, TIME = 6, 8


def model():
    """A flow that stands still below an input of 10, and grows without bound above it."""
    model = gnode.models.make(
        "node", input_size=1, state_size=2, output_size=1, hidden=(8,), leak=False, seed=0, integrator="bosh3",
        grid="series", most_steps=256, initial_state="learned",
    )  # fmt: skip
    net = model.field.drive
    changed = [
        jnp.full_like(part, value) for part, value in zip(_parts(net), (50.0, 1.0, -10.0, 50.0, 0.0), strict=True)
    ]
    return eqx.tree_at(
        lambda m: [*_parts(m.field.drive), m.initial.value], model, [*changed, jnp.full_like(model.initial.value, -0.1)]
    )


def _parts(net):
    return [net.from_state.weight, net.from_input.weight, net.from_input.bias, net.later[0].weight, net.later[0].bias]


def data() -> Data:
    inputs = np.random.default_rng(0).uniform(-1, 1, (TRIALS, TIME, 1)).astype(np.float32)
    inputs[2, 4:] = 100
    trials, calm = Trials(inputs, 0.1 * inputs.clip(-1, 1)), Trials(inputs[:2], 0.1 * inputs[:2])
    return Data(trials, calm, calm)


def train(**settings):
    return gnode.train(model(), data(), epochs=2, batch_size=3, lr=1e-3, **settings)


@pytest.fixture(scope="module")
def skipped():
    return train(on_failure="skip")


def test_a_call_says_which_trial_when_why_and_what_to_try():
    with pytest.raises(Diverged, match=r"Trial 2 could not be solved beyond t = 0\.04 s, sample 4 of 8: .*Try"):
        model()(data().train.inputs)


def test_training_goes_on_without_the_trial_and_counts(skipped):
    assert [record.failed for record in skipped.history] == [1, 1]
    assert all(np.isfinite([record.train_loss, record.val_loss]).all() for record in skipped.history)


def test_training_takes_what_was_solved(skipped):
    shortened = train(on_failure="shorten")
    assert np.isfinite(shortened.history[-1].train_loss)
    assert shortened.history[0].train_loss != skipped.history[0].train_loss


def test_training_stops_and_names_the_trial():
    with pytest.raises(
        Diverged, match=r"In epoch 1 the training trial 2 could not be solved beyond sample 4 of 8: .*Try"
    ):
        train(on_failure="stop")


@pytest.mark.full
def test_nothing_solved_is_no_perfect_loss():
    inputs = np.full((2, TIME, 1), 100, np.float32)
    broken = Trials(inputs, inputs)
    with pytest.raises(Diverged, match="could not be solved"):
        gnode.train(model(), Data(broken, data().validation, data().test), epochs=1, batch_size=2, lr=1e-3)


def test_a_test_set_of_which_nothing_is_solved_has_no_loss(tmp_path, capsys):
    broken = Trials(np.full((2, TIME, 1), 100, np.float32), np.zeros((2, TIME, 1)))
    parts = data()
    run = gnode.train(
        model(), Data(parts.train, parts.validation, broken), out=tmp_path / "run", epochs=2, batch_size=3, lr=1e-3
    )
    assert run.summary["test_loss"] is None and np.isfinite(run.summary["val_loss"])
    assert '"test_loss": null' in (tmp_path / "run" / "summary.json").read_text()
    assert "The loss on the 2 test trials is no number (none could be solved" in capsys.readouterr().err
    with pytest.raises(Diverged, match="None of 2 trials could be solved"):
        evaluate(tmp_path / "run")


@pytest.mark.full
def test_backsolve_over_long_intervals_is_refused():
    """torchdiffeq#184, #249: solved backwards a state that had settled grows, and gradients were wrong in silence."""
    model = gnode.models.make(
        "gnode", input_size=1, state_size=2, output_size=1, hidden=(4,), integrator="tsit5", adjoint="backsolve"
    )
    values = np.random.default_rng(0).standard_normal((4, 5, 1))
    for gap, fine in ((0.07, True), (0.2, False)):
        trials = Trials(Series.of(values, gap * np.arange(5)), values)
        data = Data(trials, trials, trials)
        if fine:
            assert np.isfinite(gnode.train(model, data, epochs=1, batch_size=4).history[0].train_loss)
        else:
            with pytest.raises(
                InvalidInput, match="at most 8 tau for the adjoint backsolve, instead got one of 20 tau"
            ):
                gnode.train(model, data, epochs=1, batch_size=4)
