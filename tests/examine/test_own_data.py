"""Runs on the user's own trials: they are kept, so that the run can be trained again, scored, analysed and shown."""

import json
import re
from dataclasses import replace

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import gnode
from gnode.errors import InvalidInput
from gnode.examine import analyse, evaluate
from gnode.examine.content import content_of
from gnode.report import figures, report
from gnode.series import Data, Series, Trials
from gnode.training import Interrupted, RunDirectory, directory
from gnode.training.experiment import experiment_from, train_experiment
from gnode.training.progress import Silent
from gnode.training.score import Objective, loss_on

CHOSEN = dict(epochs=4, batch_size=4, lr=1e-2)


def recordings(count, seed):
    """Ragged series at times of their own, with holes."""
    random = np.random.default_rng(seed)
    lengths = random.integers(4, 12, count)
    values = [random.standard_normal((length, 2)) for length in lengths]
    for array in values:
        array[random.random(array.shape) < 0.1] = np.nan
        array[0] = 1.0
    return Series.of(values, times=[1.7e9 + np.cumsum(random.uniform(0.005, 0.05, length)) for length in lengths])


def numbers(series, seed):
    """The running mean of the inputs, but every fifth target is missing."""
    means = np.cumsum(series.values, axis=1) / np.arange(1, series.shape[1] + 1)[None, :, None]
    hidden = np.random.default_rng(seed).random(means.shape[:2]) < 0.2
    hidden[:, 0] = False
    return np.ma.array(means, mask=np.repeat(hidden[..., None], 2, axis=2))


TARGETS = {
    "numbers": numbers,
    "a class a sample": lambda series, seed: (series.values.sum(axis=2) > 0).astype(int),
    "a class a trial": lambda series, seed: np.arange(len(series)) % 3,
}
KINDS = ["numbers", pytest.param("a class a sample", marks=pytest.mark.full), "a class a trial"]
OUTPUTS = {"numbers": 2, "a class a sample": 2, "a class a trial": 3}


def data_of(kind):
    parts = []
    for count, seed in ((12, 1), (5, 2), (6, 3)):
        series = recordings(count, seed)
        parts.append(Trials(series, TARGETS[kind](series, seed)))
    return Data(*parts)


def model_of(kind, **options):
    sizes = dict(input_size=2, state_size=2, output_size=OUTPUTS[kind], hidden=(8,), missing="hold")
    return gnode.models.make("gnode", integrator="exponential-euler", seed=1, **{**sizes, **options})


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run directory for each kind of targets, trained when it is first asked for."""
    folder = tmp_path_factory.mktemp("own")

    class Runs(dict):
        def __missing__(self, kind):
            gnode.train(model_of(kind), data_of(kind), out=folder / kind, **CHOSEN)
            return self.setdefault(kind, folder / kind)

    return Runs()


class StopAt(Silent):
    def __init__(self, epoch):
        self._epoch = epoch
        self.notes = []

    def note(self, text):
        self.notes.append(text)

    def epoch(self, record):
        if record.epoch == self._epoch:
            raise KeyboardInterrupt


def again(source, out, **more):
    watcher = more.pop("watcher", Silent())
    return train_experiment(experiment_from(str(source), more), out=out, resume=out.exists(), watcher=watcher)


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind == "numbers" else pytest.mark.full) for kind in TARGETS]
)
def test_a_run_keeps_its_trials_and_its_file_trains_them_again(runs, kind, tmp_path):
    assert RunDirectory.open(runs[kind]).data().digest() == data_of(kind).digest()
    again(runs[kind] / "config.toml", tmp_path / "again")
    for name in ("model.safetensors", "data/train.npz"):
        assert (tmp_path / "again" / name).read_bytes() == (runs[kind] / name).read_bytes()
    with pytest.raises(Interrupted):
        again(runs[kind] / "config.toml", tmp_path / "parts", watcher=StopAt(2))
    again(tmp_path / "parts" / "config.toml", tmp_path / "parts")
    assert (tmp_path / "parts" / "model.safetensors").read_bytes() == (runs[kind] / "model.safetensors").read_bytes()


def test_options_on_top_of_the_file_of_a_run(runs, tmp_path):
    run = again(runs["numbers"] / "config.toml", tmp_path / "more", epochs=5, integrator="euler")
    assert len(run.history) == 5 and run.model.config.integrator == "euler"
    with pytest.raises(InvalidInput, match="a known key"):
        experiment_from(str(runs["numbers"] / "config.toml"), {"bins": 3})


def test_an_experiment_by_hand_beside_a_folder_of_data(tmp_path):
    data_of("a class a trial").save(tmp_path / "data")
    file = tmp_path / "mine.toml"
    file.write_text('[task]\nname = "own data"\n[model]\nmissing = "hold"\n[training]\nepochs = 1\nbatch_size = 4\n')
    experiment = experiment_from(str(file), {})
    assert (experiment.model.input_size, experiment.model.output_size) == (2, 3)
    assert again(file, tmp_path / "run").summary["loss"] == "cross-entropy"


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_is_scored_on_its_test_set(runs, kind):
    summary = json.loads((runs[kind] / "summary.json").read_text())
    result = evaluate(runs[kind])
    expected = {"loss": summary["loss"], "test_loss": summary["test_loss"], "trials": 6}
    assert {name: result[name] for name in expected} == expected
    assert ("rmse" in result) == (kind == "numbers") != ("accuracy" in result)
    for asked in ({"trials": 5}, {"silence": 10}):
        with pytest.raises(InvalidInput, match="neither trials nor silence for a run on own data"):
            evaluate(runs[kind], **asked)


def test_trials_beyond_the_limit_are_not_kept_and_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(directory, "DATA_LIMIT", 1000)
    watcher, data = StopAt(0), data_of("numbers")
    gnode.train(model_of("numbers"), data, out=tmp_path / "run", watcher=watcher, **CHOSEN)
    assert not (tmp_path / "run" / "data").exists()
    assert any("keeps no copy" in note for note in watcher.notes)
    for ask in (evaluate, lambda path: experiment_from(str(path / "config.toml"), {})):
        with pytest.raises(InvalidInput, match=r"instead got nothing there.*Put them there"):
            ask(tmp_path / "run")
    assert "free runs from random states" in report([tmp_path / "run"]).read_text()
    data.save(tmp_path / "run" / "data")
    assert evaluate(tmp_path / "run")["trials"] == 6


def test_other_trials_in_the_place_of_a_runs_own_are_refused(tmp_path):
    gnode.train(model_of("numbers"), data_of("numbers"), out=tmp_path / "run", **CHOSEN)
    data_of("numbers").test.save(tmp_path / "run" / "data" / "train.npz")
    with pytest.raises(InvalidInput, match=r"the data that .* was started with, instead got others"):
        evaluate(tmp_path / "run")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_shown_of_a_trial_is_what_is_there(runs, kind):
    content, test = content_of(runs[kind]), data_of(kind).test
    assert len(content.examples) == 3
    lengths, gaps = test.series.valid.sum(axis=1), test.series.gaps
    for example in content.examples:
        length = len(example.times)
        steps = np.diff(example.times)
        (at,) = [at for at in np.flatnonzero(lengths == length) if np.allclose(gaps[at, 1:length], steps)]
        rows, inputs = dict(example.rows), test.inputs[at, :length].copy()
        for sample, channel in np.argwhere(~test.series.seen[at, :length]):  # held, as the model holds it
            inputs[sample, channel] = inputs[sample - 1, channel]
        if kind == "numbers":
            wanted = np.where(test.mask[at, :length, None], test.targets[at, :length], np.nan)
            for channel in (0, 1):
                row = rows[f"channel {channel + 1}"]
                np.testing.assert_array_equal(row["input"].astype("f4"), inputs[:, channel])
                np.testing.assert_array_equal(row["target"], wanted[:, channel])
                assert np.isfinite(row["output"]).all() and len(row["output"]) == length
            continue
        classes = test.targets[at, :length] if kind == "a class a sample" else np.full(length, test.targets[at])
        np.testing.assert_array_equal(rows["class"]["target"], classes)
        np.testing.assert_array_equal(rows["input"]["input 2"].astype("f4"), inputs[:, 1])
        chance, right = rows["chance of the target"]["output"], rows["class"]["output"] == classes
        assert (chance[~right] <= 0.5).all() and (chance[right] >= 1 / OUTPUTS[kind]).all()


def test_states_are_those_that_the_trials_visit(runs):
    content, test = content_of(runs["numbers"]), data_of("numbers").test
    states = np.asarray(content.model.states(test.series))[test.series.valid]
    assert len(content.visited) == len(states)
    np.testing.assert_allclose(np.sort(content.visited, axis=0), np.sort(states, axis=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_of_a_run_on_own_data(runs, kind, tmp_path):
    page = report([runs[kind]], tmp_path / "page.html").read_text()
    assert "Trials of the test set" in page and "Trajectories of trials" in page
    assert "12 training trials" in page and "random states" not in page
    assert "The landscape of speed" in page and "valley of memory" not in page.lower()  # nothing is remembered
    assert ("chance that it gives to the right one" in page) == (kind != "numbers")
    assert {path.stem for path in figures(runs[kind], tmp_path)} >= {"losses", "trials", "flow"}


@pytest.mark.full
def test_a_run_on_own_data_is_analysed(runs):
    numbers = json.loads(analyse(runs["a class a trial"]).read_text())
    assert "attractors" not in numbers and numbers["fixed_points"]["map_stability"]
    page = report([runs["a class a trial"]]).read_text()
    assert re.search("Dots: states that trials visit", page)


def test_a_registered_task_of_classes_is_shown(tmp_path, monkeypatch):
    """It was an IndexError."""

    class Sign(type(gnode.tasks.make("copy"))):
        name, summary, loss = "sign", "which sign the sum has", "cross-entropy"

        def sample(self, count, seed, bins=None):
            trials = super().sample(count, seed, bins)
            return Trials(trials.inputs, (trials.inputs.sum(axis=(1, 2)) > 60).astype(int))

    monkeypatch.setitem(gnode.tasks.TASKS, "sign", Sign)
    model = gnode.models.make("rnn", input_size=4, state_size=2, output_size=3)
    settings = dict.fromkeys(("train_trials", "validation_trials", "test_trials"), 10)
    gnode.train(model, Sign(), out=tmp_path / "run", epochs=1, batch_size=5, **settings)
    assert "the class that is right" in report([tmp_path / "run"]).read_text()


def test_outputs_are_shown_in_the_units_of_the_loss_that_was_used(runs):
    """A task may bring its loss, which then stands in summary.json and not among the settings."""
    content = content_of(runs["numbers"])
    rates = replace(content, summary={**content.summary, "loss": "poisson"}, config={**content.config, "training": {}})
    for one, other in zip(content.examples, rates.examples, strict=True):
        for (_, row), (_, row_of_rates) in zip(one.rows, other.rows, strict=True):
            np.testing.assert_allclose(row_of_rates["output"], np.exp(row["output"]), rtol=1e-6)


@pytest.mark.parametrize("reading", ["last", pytest.param("mean", marks=pytest.mark.full)])
def test_an_answer_once_a_trial_is_shown_as_it_would_be_if_the_trial_ended_there(reading, tmp_path):
    gnode.train(
        model_of("a class a trial", reading=reading), data_of("a class a trial"), out=tmp_path / "run", **CHOSEN
    )
    content = content_of(tmp_path / "run")
    for at, example in enumerate(content.examples):
        series, target = content.trials[at].series, int(content.trials[at].targets[0])
        values, lengths = np.where(series.seen, series.values, np.nan)[0], range(1, len(example.times) + 1)
        cuts = Series.of([values[:length] for length in lengths], [series.times[0, :length] for length in lengths])
        for length, scores in zip(lengths, np.asarray(content.model(cuts), float), strict=True):
            rows = dict(example.rows)
            assert rows["class"]["output"][length - 1] == scores.argmax()
            chance = np.exp(scores - scores.max())[target] / np.exp(scores - scores.max()).sum()
            assert rows["chance of the target"]["output"][length - 1] == pytest.approx(chance, rel=1e-4)
    assert "if the trial ended there" in report([tmp_path / "run"]).read_text()


def unsolvable(count, seed, at=()):
    """Trials that a flow without leak cannot follow where its input is 100."""
    inputs = np.random.default_rng(seed).uniform(-1, 1, (count, 8, 1))
    inputs[list(at), 4:] = 100
    return Trials(inputs, 0.1 * inputs.clip(-1, 1))


@pytest.fixture(scope="module")
def partly_solved(tmp_path_factory):
    """A run in whose test set a flow fails, with steps that all trials share."""
    path = tmp_path_factory.mktemp("flow") / "run"
    model = gnode.models.make(
        "node", input_size=1, state_size=2, output_size=1, hidden=(8,), leak=False, integrator="bosh3", most_steps=256,
        initial_state="learned",
    )  # fmt: skip
    net = model.field.drive

    def parts(net):
        layers = net.from_state.weight, net.from_input.weight, net.from_input.bias, net.later[0].weight
        return [*layers, net.later[0].bias]

    changed = [jnp.full_like(part, by) for part, by in zip(parts(net), (50.0, 1.0, -10.0, 50.0, 0.0), strict=True)]
    model = eqx.tree_at(
        lambda m: [*parts(m.field.drive), m.initial.value], model, [*changed, jnp.full_like(model.initial.value, -0.1)]
    )
    data = Data(unsolvable(4, 0), unsolvable(4, 1), unsolvable(6, 2, at=[3]))
    gnode.train(model, data, out=path, epochs=1, batch_size=4, lr=1e-6)
    return path


@pytest.mark.full
def test_a_trial_that_cannot_be_solved_is_left_out_and_that_is_said(partly_solved, tmp_path):
    content = content_of(partly_solved)
    assert content.unsolved == 1 and len(content.trials) == 5
    assert np.abs(content.trials.inputs).max() <= 1 and np.isfinite(content.visited).all()
    page = report([partly_solved], tmp_path / "page.html").read_text()
    assert "1 of the 6 trials looked at could not be solved" in page
    others = RunDirectory(partly_solved).data().test[[0, 1, 2, 4, 5]]
    loss = loss_on(content.model, Objective("mse", "samples", "skip"), others)
    result = evaluate(partly_solved, integrator="heun")
    assert result["unsolved"] == 1 and result["test_loss"] == pytest.approx(loss, rel=1e-4)
    assert json.loads((partly_solved / "summary.json").read_text())["test_loss"] == pytest.approx(loss, rel=1e-4)
    assert result["largest_difference"] < 1e-3


@pytest.mark.full
def test_an_analysis_leaves_out_what_cannot_be_solved(partly_solved):
    assert json.loads(analyse(partly_solved).read_text())["unsolved"] == 1
