"""One file and one line: a model, a task, a rule and a loss that are registered from outside go all the way."""

from dataclasses import dataclass
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import gnode
from gnode.examine.analyse import analyse
from gnode.fields import FIELDS, Field, FieldKind
from gnode.integrate import RULES
from gnode.integrate.rules import Rule
from gnode.nn.dense import affine
from gnode.nn.feedforward import FeedForward, draw_feedforward
from gnode.report import report
from gnode.series import Trials
from gnode.tasks import TASKS, Task
from gnode.tasks.manifold import Ring
from gnode.training.experiment import experiment_from
from gnode.training.losses import LOSSES, Loss


class CubicField(Field):
    """tau dh/dt = -h^3 + F(h, x): no leak, no gate, and not of the form that the fields of gnode have."""

    drive: FeedForward
    gain: None
    state_size: int = eqx.field(static=True)
    input_size: int = eqx.field(static=True)
    leak: bool = eqx.field(static=True)

    def __call__(self, state, inputs, dense=affine):
        return self.candidate(state, inputs, dense) - state**3

    def gate(self, state, inputs, dense=affine):
        return jnp.ones_like(state)

    def candidate(self, state, inputs, dense=affine):
        return self.drive(state, inputs, dense)


def draw_cubic(generator, options):
    drive = draw_feedforward(
        generator, options.state_size, options.input_size, options.hidden, activation=options.activation,
        last_activation=options.candidate_activation, layer_norm=False,
    )  # fmt: skip
    return CubicField(drive, None, options.state_size, options.input_size, options.leak)


@dataclass(frozen=True, kw_only=True)
class NudgeTask(Task):
    """A point on a circle, written by one pulse and then to be kept."""

    name: ClassVar[str] = "nudge"
    summary: ClassVar[str] = "keep what one pulse wrote"

    bins: int = 12
    strength: float = 1.0

    @property
    def input_size(self) -> int:
        return 2

    @property
    def output_size(self) -> int:
        return 2

    @property
    def manifold(self) -> Ring:
        return Ring(self.strength)

    def sample(self, count, seed, bins=None):
        angles = np.random.default_rng(seed).uniform(0, 2 * np.pi, count)
        return self._write(self.strength * np.stack([np.cos(angles), np.sin(angles)], axis=-1), bins or self.bins)

    def recall(self, values, silence):
        trials = self._write(values, 2 + silence)
        return Trials(trials.inputs, trials.targets, np.arange(2 + silence) >= np.full((len(values), 1), 1))

    def _write(self, values, bins):
        inputs = np.zeros((len(values), bins, 2), np.float32)
        inputs[:, 1] = values
        targets = np.repeat(values[:, None], bins, axis=1) * (np.arange(bins) >= 1)[:, None]
        return Trials(inputs, targets)


def half_way(field, state, inputs, step, dense):
    """The midpoint rule."""
    return state + step * field(state + step / 2 * field(state, inputs, dense), inputs, dense)


def absolute_error(answers, targets):
    return jnp.mean(jnp.abs(answers - targets), axis=-1)


@pytest.fixture
def registered(monkeypatch):
    kind = FieldKind(
        draw_cubic, hidden=(5,), reads=frozenset({"activation"}), candidate_activation="identity", summary="cubic decay"
    )
    monkeypatch.setitem(FIELDS, "cubic", kind)
    monkeypatch.setitem(TASKS, "nudge", NudgeTask)
    monkeypatch.setitem(RULES, "midpoint", Rule(half_way, order=2, needs_leak=False, summary="two evaluations"))
    monkeypatch.setitem(LOSSES, "absolute", Loss(absolute_error, False, lambda outputs: outputs, "mean absolute error"))


def test_what_is_registered_from_outside_is_trained_loaded_analysed_and_reported(registered, tmp_path):
    model = gnode.models.make(
        "cubic", input_size=2, state_size=2, output_size=2, integrator="midpoint", activation="tanh", tau=0.05, seed=3
    )
    task = gnode.tasks.make("nudge", strength=1.5)
    run = gnode.train(
        model, task, out=tmp_path / "run", loss="absolute", epochs=4, lr=0.02,
        batch_size=10, train_trials=40, validation_trials=10, test_trials=10, snapshot_every=2,
    )  # fmt: skip
    assert run.history[-1].train_loss < run.history[0].train_loss

    again = experiment_from(str(tmp_path / "run" / "config.toml"), {})
    assert (again.task, again.model, again.seed, again.settings.loss) == (task, model.config, 3, "absolute")

    loaded = gnode.load(tmp_path / "run")
    trials = task.sample(10, seed=7)
    np.testing.assert_array_equal(loaded(trials.inputs), run.model(trials.inputs))
    # The loss of the summary, written out, on the trials that only the seed and the stream determine.
    test = task.sample(10, seed=(0, 3))
    error = np.abs(np.asarray(loaded(test.inputs)) - test.targets).mean()
    assert run.summary["test_loss"] == pytest.approx(error, rel=1e-5)
    # The rule, written out.
    held, state = np.array([0.4, -0.2], "f4"), np.array([[0.3, 0.1]], "f4")
    flow, dt = loaded.field_at(held), loaded.config.dt
    step = state + dt * flow(state + dt / 2 * flow(state))
    np.testing.assert_allclose(loaded.map_at(held)(state), step, rtol=1e-4, atol=1e-6)

    assert analyse(tmp_path / "run").is_file()
    page = report([tmp_path / "run"]).read_text()
    assert "nudge" in page and "cubic" in page
