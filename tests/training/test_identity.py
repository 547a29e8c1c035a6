"""A run is known by what it is made from: other data, another task or other weights do not go on with it."""

import contextlib
import os
import re
import signal
import time
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import gnode
from gnode.errors import InvalidInput
from gnode.series import Series
from gnode.training import Data, Interrupted, Trials
from gnode.training.experiment import assemble, experiment_from, train_experiment
from gnode.training.progress import Silent

INPUTS = np.random.default_rng(0).standard_normal((8, 4, 2)).astype("f4")
SMALL = dict(epochs=4, batch_size=4)


def model(**options):
    return gnode.models.make("rnn", **{**dict(input_size=2, state_size=2, output_size=2, seed=0), **options})


def data(offset: float = 0.0, **options) -> Data:
    trials = Trials(INPUTS, INPUTS + offset, **options)
    return Data(trials, trials, trials)


class Watch(Silent):
    """Presses Ctrl-C after an epoch, if one is named, and keeps the notes."""

    def __init__(self, stop: int = 0) -> None:
        self.stop, self.notes = stop, []

    def epoch(self, record) -> None:
        if record.epoch == self.stop:
            raise KeyboardInterrupt

    def note(self, text: str) -> None:
        self.notes.append(text)


class Plain:
    """A task that is an ordinary class: nothing of it but its trials says which it is."""

    loss = "mse"

    def __init__(self, gain: float) -> None:
        self._gain = gain

    def sample(self, count, seed):
        inputs = np.random.default_rng(seed).standard_normal((count, 4, 2)).astype("f4")
        return Trials(inputs, self._gain * inputs)


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(folder: Path, words: str, model, task, **settings) -> None:
    """Resuming is refused in one line, and every file stays as it is."""
    before = files(folder)
    with pytest.raises(InvalidInput, match=words) as error:
        gnode.train(model, task, out=folder, resume=True, **{**SMALL, **settings})
    assert "\n" not in str(error.value)
    assert files(folder) == before


@pytest.mark.parametrize("stop", [pytest.param(2, marks=pytest.mark.full), 0])
def test_other_data_do_not_go_on_with_a_run_begun_or_finished(tmp_path, stop):
    out = tmp_path / "run"
    if stop:
        with pytest.raises(Interrupted):
            gnode.train(model(), data(), out=out, watcher=Watch(stop), **SMALL)
    else:
        gnode.train(model(), data(), out=out, **SMALL)
    few = data(weights=np.where(np.arange(4) < 2, 1.0, 0.5) * np.ones((8, 1)))
    clocked = Trials(Series.of(INPUTS, np.arange(4) * 0.02), INPUTS)
    for other in (data(50.0), few, Data(data().train, data(1e-3).test, data().test), Data(*(clocked,) * 3)):
        refused(out, "data that .* was started with", model(), other)
    run = gnode.train(model(), data(), out=out, resume=True, **SMALL)
    assert run.summary["epochs"] == 4


def test_a_task_is_known_by_its_trials(tmp_path):
    few = dict(train_trials=8, validation_trials=4, test_trials=4)
    with pytest.raises(Interrupted):
        gnode.train(model(), Plain(1.0), out=tmp_path, watcher=Watch(2), **SMALL, **few)
    refused(tmp_path, "data that .* was started with", model(), Plain(9.0), **few)
    again = gnode.train(model(), Plain(1.0), out=tmp_path, resume=True, **SMALL, **few)
    assert [record.epoch for record in again.history] == [3, 4]


@pytest.mark.parametrize("initial_state", ["first-input", "fixed-random"])
def test_other_weights_do_not_go_on_with_a_run(tmp_path, initial_state):
    start = model(initial_state=initial_state)
    with pytest.raises(Interrupted):
        gnode.train(start, data(), out=tmp_path, watcher=Watch(1), **SMALL)
    other = eqx.tree_at(lambda m: m.readout.layers[0].bias, start, replace_fn=lambda bias: bias + 1)
    refused(tmp_path, "weights to start from that .* was started with", other, data())
    gnode.train(start, data(), out=tmp_path, resume=True, **SMALL)


def test_other_threads_are_said_and_go_on(tmp_path, monkeypatch):
    with pytest.raises(Interrupted):
        gnode.train(model(), data(), out=tmp_path, watcher=Watch(1), **SMALL)
    config = tmp_path / "config.toml"
    config.write_text(re.sub(r"^threads = \d+", "threads = 77", config.read_text(), flags=re.MULTILINE))
    watch = Watch()
    gnode.train(model(), data(), out=tmp_path, resume=True, watcher=watch, **SMALL)
    assert len(watch.notes) == 2 and "there 77" in watch.notes[0] and "Going on from epoch 1" in watch.notes[1]


def test_a_run_that_kept_no_digest_goes_on_with_a_word(tmp_path):
    """As version 0.1.0 wrote them."""
    with pytest.raises(Interrupted):
        gnode.train(model(), data(), out=tmp_path, watcher=Watch(1), **SMALL)
    config = tmp_path / "config.toml"
    config.write_text(config.read_text().split("[made_from]")[0])
    watch = Watch()
    run = gnode.train(model(), data(), out=tmp_path, resume=True, watcher=watch, **SMALL)
    assert run.summary["epochs"] == 4
    assert len(watch.notes) == 2 and "no digest" in watch.notes[0] and "Going on from epoch 1" in watch.notes[1]


# -- settings that nothing reads --

RING = {"name": "ring", "bins": 8}
TRAINING = dict(epochs=3, batch_size=4, train_trials=8, validation_trials=4, test_trials=4)
UNREAD = [
    (dict(model="rnn", gate_bias=-2.0), "gate_bias = -2.0", "gnode, leaky-node, mgru, gru"),
    (dict(model="node", gate_activation="steep-sigmoid"), "gate_activation = 'steep-sigmoid'", "gnode, mgru, gru"),
    (dict(model="rnn", activation="tanh"), "activation = 'tanh'", "gnode, node, leaky-node, readout_hidden"),
    (dict(initial_state="learned", initial_hidden=(4,)), "initial_hidden = (4,)", "initial_state first-input"),
    (dict(rtol=1e-2), "rtol = 0.01", "integrator tsit5"),
    (dict(interpolation="linear"), "interpolation = 'linear'", "integrator tsit5"),
    (dict(integrator="tsit5", truncate=5), "truncate = 5", "integrator euler"),
    (dict(integrator="tsit5", gradient="autodiff"), "gradient = 'autodiff'", "integrator euler"),
]


@pytest.mark.parametrize(("options", "got", "reader"), UNREAD, ids=lambda case: str(case))
def test_a_setting_that_the_model_never_reads_is_refused_with_who_reads_it(options, got, reader, tmp_path):
    def by_hand():
        gnode.models.make(**{"model": "gnode", **dict(input_size=2, state_size=2, output_size=2), **options})

    def by_option():
        assemble({"task": RING}, options)

    def by_file():
        path = tmp_path / "experiment.toml"
        lines = [f"{key} = {list(v) if isinstance(v, tuple) else repr(v)}" for key, v in options.items()]
        path.write_text("\n".join(['[task]\nname = "ring"\n[model]', *lines]))
        experiment_from(str(path), {})

    for way in (by_hand, by_option, by_file):
        with pytest.raises(InvalidInput) as error:
            way()
        said = str(error.value)
        assert got in said and reader in said.split("It is read by: ")[1] and "\n" not in said


@pytest.mark.parametrize(
    "options",
    [
        dict(model="rnn", activation="tanh", readout_hidden=(4,)),
        dict(model="rnn", activation="tanh", initial_hidden=(4,)),
        dict(model="mgru", gate_bias=-2.0),
        dict(model="rnn", gate_bias=0.0, truncate=0),  # the defaults may be said
        dict(integrator="tsit5", rtol=1e-2),
    ],
)
def test_a_setting_that_is_read_is_taken(options):
    made = gnode.models.make(**{"model": "gnode", **dict(input_size=2, state_size=2, output_size=2), **options})
    assert {name: getattr(made.config, name) for name in options} == options


def test_an_old_run_with_a_setting_that_nothing_read_goes_on(tmp_path):
    """Version 0.1.0 took gate_bias for an rnn, and wrote it down."""
    tables = {"task": RING, "model": {"model": "rnn", "gate_bias": -2.0}, "training": TRAINING}
    with pytest.raises(Interrupted):
        train_experiment(assemble(tables, {}), out=tmp_path, resume=False, watcher=Watch(1))
    config = tmp_path / "config.toml"
    assert "gate_bias = -2.0" in config.read_text()
    config.write_text(config.read_text().split("[made_from]")[0])
    run = train_experiment(experiment_from(str(config), {}), out=tmp_path, resume=True, watcher=Watch())
    assert run.summary["epochs"] == 3
    assert gnode.load(tmp_path)(jnp.zeros((1, 3, 2))).shape == (1, 3, 2)


def test_an_interruption_that_python_dropped_is_heeded_all_the_same(tmp_path):
    """As in a callback of the garbage collector, whose exceptions Python reports and drops."""

    class Dropping(Silent):
        def epoch(self, record):
            if record.epoch == 2:
                with contextlib.suppress(KeyboardInterrupt):
                    os.kill(os.getpid(), signal.SIGINT)
                    time.sleep(1)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(Interrupted, match="after epoch 2 of 50"):
            gnode.train(
                gnode.models.make("rnn", input_size=2, state_size=2, output_size=2), gnode.tasks.make("ring", bins=8),
                epochs=50, batch_size=4, train_trials=8, validation_trials=4, test_trials=4, out=tmp_path / "run",
                watcher=Dropping(),
            )  # fmt: skip
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert (tmp_path / "run" / "checkpoint" / "state.safetensors").is_file()
