"""Examinations along training: against fields whose drift is known, and whatever happens to the sweep meanwhile."""

import dataclasses
import json
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import gnode
from gnode.errors import InvalidInput
from gnode.examine.along import Bench, Examination, cheap, dear
from gnode.fields import Field
from gnode.models import Model
from gnode.report.sweep import sweep_report
from gnode.sweeps.examinations import EXAMINATIONS, Examiner, examinations
from gnode.sweeps.grid import plan, read_plan
from gnode.sweeps.progress import SweepWatcher
from gnode.sweeps.sweep import Job, run_sweep, train_in_place
from gnode.training.experiment import experiment_from
from gnode.training.train import Interrupted

SMALL = dict(epochs=6, batch_size=5, train_trials=20, validation_trials=10, test_trials=10)
TABLES = {
    "task": {"name": "ring", "bins": 20, "frequency": 4.0},
    "model": {"state_size": 2},
    "training": SMALL,
    "examine": {
        "every": 2,
        "silences": [5, 30],
        "trials": 20,
        "lags": [1, 3],
        "at_losses": [2.0],
        "dear": ["half-life"],
    },
    "grid": {"model": [{"model": "gnode", "hidden": [6]}, {"model": "node", "hidden": [6]}]},
    "sweep": {"seeds": 2},
}


# -- the instrument, on fields that are known --


class Handmade(Field):
    """Goes where the input is while there is one, and drifts without."""

    drive: object
    kind: str = eqx.field(static=True)
    gain: None = None
    leak: bool = eqx.field(static=True, default=True)
    state_size: int = eqx.field(static=True, default=2)
    input_size: int = eqx.field(static=True, default=2)

    def __call__(self, state, inputs, dense=None):
        there = inputs if self.kind == "ring" else jnp.where(inputs != 0, inputs, state)
        written = jnp.any(inputs != 0, axis=-1, keepdims=True)
        return jnp.where(written, there, self.after(state)) - state

    def after(self, state):
        if self.kind == "line":
            return (1 - LEAK) * state
        angle = jnp.arctan2(state[..., 1], state[..., 0])
        half = jnp.arctan2(jnp.sin(MINIMA * angle / 2) * np.exp(-RATE), jnp.cos(MINIMA * angle / 2))
        turns = jnp.round((MINIMA * angle / 2 - half) / np.pi) * np.pi  # the branch on which the angle was
        angle = 2 * (half + turns) / MINIMA
        return 2 * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1)

    def gate(self, state, inputs, dense=None):
        return jnp.ones_like(state)

    def candidate(self, state, inputs, dense=None):
        return self(state, inputs) + state


LEAK, RATE, MINIMA = 2e-3, 4e-3, 8


def handmade(kind: str) -> Model:
    plain = gnode.models.make("node", input_size=2, state_size=2, output_size=2, hidden=[], initial_state="learned")
    layer = plain.readout.layers[0]
    layer = dataclasses.replace(layer, weight=jnp.eye(2, dtype=jnp.float32), bias=jnp.zeros(2, jnp.float32))
    readout = dataclasses.replace(plain.readout, layers=(layer,))
    return dataclasses.replace(plain, field=Handmade(plain.field.drive, kind), readout=readout)


def exactly(kind: str, values: np.ndarray, bins: int) -> np.ndarray:
    """Where values are after so many silent bins, by the solution on paper."""
    if kind == "line":  # the first coordinate was written first, and three silent bins lie between them
        return values * (1 - LEAK) ** np.array([bins + 3, bins])
    angle = np.arctan2(values[:, 1], values[:, 0])
    nearest = np.round(angle * MINIMA / (2 * np.pi)) * 2 * np.pi / MINIMA
    off = 2 / MINIMA * np.arctan(np.tan(MINIMA * (angle - nearest) / 2) * np.exp(-RATE * bins))
    return 2 * np.stack([np.cos(nearest + off), np.sin(nearest + off)], axis=1)


def told_apart(readouts: np.ndarray) -> int:
    return len({tuple(np.floor(one / 0.02 + 0.5).astype(int)) for one in readouts})


@pytest.mark.parametrize(("kind", "task"), [("ring", "ring"), ("line", "square")])
def test_of_a_known_drift_values_and_half_life_are_right(kind, task):
    """A ring with a potential of eight minima, dx/dt = -rate sin(8 x) / 8, and a leak of two coordinates."""
    experiment = experiment_from(task, dict(model="node", hidden=[], epochs=1))
    bench = Bench(
        experiment, gnode.models.draw(experiment.model), Examination(1, silences=(10, 300), dear=("half-life",))
    )
    row = cheap(handmade(kind), bench)
    for silence in (10, 300):
        assert row[f"values_{silence}"] == pytest.approx(told_apart(exactly(kind, bench.values, silence)), rel=0.05)
        error = np.sqrt(np.mean(np.sum((exactly(kind, bench.values, silence) - bench.values) ** 2, axis=1)))
        assert row[f"error_{silence}"] == pytest.approx(error, rel=0.01)
    half = told_apart(bench.values) / 2
    above = [told_apart(exactly(kind, bench.values, bins)) > half for bins in range(1500)]
    first, last = above.index(False), 1500 - above[::-1].index(True)  # cells come and go, so counts waver
    assert dear(handmade(kind), bench)["half_life"] == pytest.approx((first + last) / 2, rel=0.05)


def test_the_gradient_through_a_leak_is_its_power():
    experiment = experiment_from("square", dict(model="node", hidden=[], epochs=1, frequency=0.0001))
    bench = Bench(experiment, gnode.models.draw(experiment.model), Examination(1, silences=(10,), lags=(1, 7, 40)))
    model = handmade("line")
    start = dataclasses.replace(model.initial, value=jnp.ones(2, jnp.float32))
    row = cheap(dataclasses.replace(model, initial=start), bench)
    assert [row[f"gradient_{lag}"] for lag in (1, 7, 40)] == pytest.approx(
        [(1 - LEAK) ** lag for lag in (1, 7, 40)], rel=1e-4
    )


# -- along training --


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The sweep, undisturbed."""
    folder = tmp_path_factory.mktemp("whole")
    run_sweep(plan(TABLES), folder, workers=1)
    return folder


def test_what_is_measured_does_not_change_what_is_trained_and_is_what_the_snapshot_says(tmp_path, whole):
    made = plan(TABLES)
    table = gnode.results.load_examinations(whole)
    assert list(table.groupby("run")["epoch"].apply(list)) == [[0, 2, 4, 6]] * 4
    plain = {key: value for key, value in TABLES.items() if key != "examine"}
    run_sweep(plan({**plain, "training": {**SMALL, "snapshot_every": 2}}), tmp_path / "two", workers=1)
    run = made.runs[0]
    for file in ("model.safetensors", "config.toml", "snapshots/epoch-000004.safetensors"):
        one, two = ((folder / "runs" / run.id / file).read_bytes() for folder in (whole, tmp_path / "two"))
        assert one == two
    model = gnode.load(whole / "runs" / run.id / "snapshots" / "epoch-000004.safetensors")
    job = Job(run.id, run.config, None)
    again = cheap(model, Bench(job.experiment(), model, made.examination))
    row = table[(table["run"] == run.id) & (table["epoch"] == 4)].iloc[0]
    for name, value in again.items():
        assert row[name] == pytest.approx(value, rel=1e-6), name
    assert table["half_life"].notna().sum() <= 4  # the snapshots near the loss asked for alone


class Stop(SweepWatcher):
    def done(self, *told):
        raise KeyboardInterrupt


def test_a_sweep_that_was_stopped_ends_with_the_same_examinations(tmp_path, whole):
    made = plan(TABLES)
    with pytest.raises(Interrupted):
        run_sweep(made, tmp_path / "cut", workers=1, watcher=Stop())
    done = next(run for run in made.runs if examinations(tmp_path / "cut" / "runs" / run.id)[1])
    (tmp_path / "cut" / "runs" / done.id / EXAMINATIONS).unlink()  # killed between the end of training and its own
    run_sweep(made, tmp_path / "cut", workers=1, resume=True)
    one, two = (gnode.results.load_examinations(folder) for folder in (whole, tmp_path / "cut"))
    seconds = ["seconds", "dear_seconds"]
    pd.testing.assert_frame_equal(one.drop(columns=seconds), two.drop(columns=seconds))


@pytest.mark.full
def test_runs_trained_together_are_examined_too(tmp_path):
    small = {**TABLES, "grid": {"model": [{"model": "node", "hidden": [4]}]}}
    run_sweep(plan(small), tmp_path / "one", workers=1)
    run_sweep(plan(small), tmp_path / "two", on="device")
    one, two = (gnode.results.load_examinations(tmp_path / name) for name in ("one", "two"))
    assert list(one["epoch"]) == list(two["epoch"])
    assert np.allclose(one["matching_loss"], two["matching_loss"], rtol=1e-3)


def test_a_run_that_diverged_keeps_what_was_measured_before(tmp_path):
    wild = {
        **TABLES,
        "training": {**SMALL, "lr": 1e30, "clip": 0.0},
        "grid": {"model": [{"model": "node", "hidden": [4]}]},
    }
    frame = run_sweep(plan(wild), tmp_path / "wild", workers=1)
    assert set(frame["state"]) == {"failed"}
    assert list(gnode.results.load_examinations(tmp_path / "wild").columns)[:2] == ["run", "epoch"]


def test_states_that_escape_are_trouble_of_the_model_alone(tmp_path):
    """Every value is lost: the row says so, and training goes on."""
    run = plan(TABLES).runs[1]
    job = Job(run.id, run.config, None, examination=plan(TABLES).examination)
    train_in_place(tmp_path, job)
    examiner = Examiner(tmp_path / run.id, job.experiment(), job.examination)
    model = gnode.load(tmp_path / run.id)
    wild = eqx.tree_at(lambda tree: tree.field.drive.from_state.weight, model, replace_fn=lambda weight: weight * 1e25)
    wild = eqx.tree_at(lambda tree: tree.field.drive.later[0].weight, wild, replace_fn=lambda weight: weight * 1e25)
    examiner(wild, 8)
    row = examinations(tmp_path / run.id)[0][-1]
    assert row["epoch"] == 8 and row["values_30"] <= 1 and row["error_30"] is None
    json.dumps(row, allow_nan=False)


def test_without_memory_the_loss_and_its_gradients_are_measured():
    experiment = experiment_from("copy", dict(model="rnn", epochs=1))
    model = gnode.models.draw(experiment.model)
    row = cheap(model, Bench(experiment, model, Examination(1, lags=(1, 2))))
    assert set(row) == {"matching_loss", "gradient_1", "gradient_2"}


# -- the tables of the file --


@pytest.mark.parametrize(
    ("table", "needed"),
    [
        ({}, "every"),
        ({"every": 0}, "every an integer of at least 1"),
        ({"every": 2, "silence": [3]}, "silences"),
        ({"every": 2, "silences": [3, 3]}, "silences that increase"),
        ({"every": 2, "silences": 3}, "silences a list"),
        ({"every": 2, "dear": ["half life"]}, "half-life"),
        ({"every": 2, "at_losses": [0.0]}, "at_losses"),
    ],
)
def test_a_table_that_cannot_be_is_refused(table, needed):
    with pytest.raises(InvalidInput, match=needed):
        plan({**TABLES, "examine": table})


def test_snapshots_at_other_epochs_are_refused():
    with pytest.raises(InvalidInput, match="snapshot_every 2"):
        plan({**TABLES, "training": {**SMALL, "snapshot_every": 3}})


PRIMARY = dict(measure="values_30", first="gnode", against=["node"], at_losses=1.0)


@pytest.mark.parametrize(
    ("change", "needed"),
    [
        (dict(measure="values_31"), "values_30"),
        (dict(first="gnde"), "gnode"),
        (dict(against=["nod"]), "node"),
        (dict(at_losses={"rng": 1.0}), "part of the sweep"),
        (dict(at_losses=-1.0), "at_losses"),
        (dict(rule="mine"), "key of .primary."),
    ],
)
def test_what_is_to_be_decided_must_be_in_the_sweep(change, needed):
    with pytest.raises(InvalidInput, match=needed):
        plan({**TABLES, "primary": {**PRIMARY, **change}})
    assert plan({**TABLES, "primary": PRIMARY}).primary.at_losses == {"": 1.0}


@pytest.mark.parametrize(
    ("name", "presets"),
    [
        ("trainability", ["quick", "delay", "long", "depth", "start", "gates"]),
        ("dimensions", ["quick", "full"]),
    ],
)
def test_the_experiments_on_learning_expand(name, presets):
    for preset in presets:
        made = read_plan(name, preset)
        assert made.reach and made.examination and len({run.id for run in made.runs}) == len(made.runs)


def test_the_page_says_what_was_decided_and_maps_what_learns(tmp_path):
    grid = {"model": TABLES["grid"]["model"], "lr": [1e-3, 1e-2], "initial_gain": [0.5, 1.0]}
    decided = {**PRIMARY, "at_losses": 1e3}  # at which every run begins: all fall through
    sweep = {"seeds": 1, "reach": 1e3}
    with pytest.raises(InvalidInput, match="part of the sweep"):
        plan({**TABLES, "grid": grid, "sweep": sweep, "primary": {**decided, "at_losses": {"square": 1.0}}})
    run_sweep(plan({**TABLES, "grid": grid, "sweep": sweep, "primary": decided}), tmp_path, workers=1)
    page = sweep_report(tmp_path).read_text()
    for part in ("What was to be decided", "lr 0.001, initial_gain 0.5", "undecided", "0 of 1", "1, 1"):
        assert part in page
    assert "Share of seeds that learn: lr and initial_gain: node" in page
    shares = gnode.results.learned(gnode.results.load(tmp_path), ["lr", "initial_gain"], 1e3)
    assert (shares["share"] == 1).all() and (shares["seeds"] == 2).all()


@pytest.mark.parametrize("preset", ["quick", "full", "sizes", "parameters", "amplitudes"])
def test_the_experiment_on_bias_expands(preset):
    made = read_plan("bias", preset)
    assert made.examination.every and all(run.config["training"]["snapshot_every"] for run in made.runs)
    if preset in ("quick", "full"):
        assert made.primary.at_losses.keys() == {"square", "ring"}
