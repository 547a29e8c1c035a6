"""What goes wrong around a run costs nothing that was computed, and nothing goes on with something else unnoticed."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gnode
from gnode.errors import InvalidInput
from gnode.files import alone
from gnode.training import Data, Interrupted, Trials
from gnode.training.experiment import experiment_from, train_experiment
from gnode.training.progress import Silent
from gnode.training.score import loss_on
from gnode.training.train import prepare

INPUTS = np.random.default_rng(0).standard_normal((8, 4, 2)).astype("f4")
SMALL = dict(epochs=4, batch_size=4)


def model(**options):
    return gnode.models.make("rnn", **{**dict(input_size=2, state_size=2, output_size=2, seed=0), **options})


def data() -> Data:
    return Data(*(Trials(INPUTS, INPUTS + at) for at in range(3)))


class Watch(Silent):
    """Raises an error after an epoch, and keeps the notes."""

    def __init__(self, at: int = 0, error: BaseException | None = None) -> None:
        self.at, self.error, self.notes, self.seen = at, error, [], []

    def epoch(self, record) -> None:
        self.seen.append(record.epoch)
        if record.epoch == self.at and self.error is not None:
            raise self.error

    def note(self, text: str) -> None:
        if not text.startswith(("Going on from epoch", "All ")):
            self.notes.append(text)


def interrupted(out: Path, at: int = 2) -> None:
    with pytest.raises(Interrupted):
        gnode.train(model(), data(), out=out, watcher=Watch(at, KeyboardInterrupt()), **SMALL)


def epochs_in(out: Path) -> list[int]:
    return [json.loads(line)["epoch"] for line in (out / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("old", "new"), [("lr = 0.01", "lr = 0.1"), ("epochs = 4", "epochs = 8")])
def test_a_configuration_that_was_edited_does_not_go_on_with_the_checkpoint(tmp_path, old, new):
    interrupted(tmp_path / "run")
    config = tmp_path / "run/config.toml"
    assert config.read_text().count(f"\n{old}\n") == 1
    config.write_text(config.read_text().replace(f"\n{old}\n", f"\n{new}\n"))
    kept = (tmp_path / "run/checkpoint/state.safetensors").read_bytes()
    with pytest.raises(InvalidInput, match=r"config\.toml that the checkpoint .* was made with.*[Ee]dited"):
        edited = experiment_from(str(config), {})
        train_experiment(edited, out=tmp_path / "run", resume=True, watcher=Watch())
    assert (tmp_path / "run/checkpoint/state.safetensors").read_bytes() == kept
    assert epochs_in(tmp_path / "run") == [1, 2]


def test_a_damaged_line_costs_that_line_alone_and_is_named(tmp_path):
    interrupted(tmp_path / "run", at=3)
    metrics = tmp_path / "run/metrics.jsonl"
    first, _, third = metrics.read_text().splitlines()
    metrics.write_text("\n".join([first, '{"epoch": 2, "tra', "", third]) + "\n")
    watch = Watch()
    run = gnode.train(model(), data(), out=tmp_path / "run", resume=True, watcher=watch, **SMALL)
    assert epochs_in(tmp_path / "run") == [1, 3, 4]
    assert len(watch.notes) == 1 and "1 of 3 epochs (damaged: line 2" in watch.notes[0]
    whole = gnode.train(model(), data(), **SMALL)
    assert run.summary["test_loss"] == whole.summary["test_loss"]


def test_a_run_without_its_records_goes_on_and_says_so(tmp_path):
    gnode.train(model(), data(), out=tmp_path / "run", **SMALL)
    (tmp_path / "run/metrics.jsonl").unlink()
    watch = Watch()
    gnode.train(model(), data(), out=tmp_path / "run", resume=True, watcher=watch, **SMALL)
    assert len(watch.notes) == 1 and "4 of 4 epochs" in watch.notes[0]


def test_progress_that_cannot_be_written_is_given_up_and_the_run_is_not(tmp_path):
    watch = Watch(2, BrokenPipeError())
    run = gnode.train(model(), data(), out=tmp_path / "run", watcher=watch, **SMALL)
    assert run.summary["epochs"] == 4 and watch.seen == [1, 2]
    assert (tmp_path / "run/summary.json").is_file()


def test_any_error_of_a_watcher_leaves_a_checkpoint(tmp_path):
    with pytest.raises(RuntimeError, match="boo"):
        gnode.train(model(), data(), out=tmp_path / "run", watcher=Watch(3, RuntimeError("boo")), **SMALL)
    run = gnode.train(model(), data(), out=tmp_path / "run", resume=True, **SMALL)
    assert [record.epoch for record in run.history] == [4]
    gnode.train(model(), data(), out=tmp_path / "whole", **SMALL)
    assert (tmp_path / "run/model.safetensors").read_bytes() == (tmp_path / "whole/model.safetensors").read_bytes()


def test_two_processes_on_one_run_are_one_too_many(tmp_path):
    interrupted(tmp_path / "run")
    with (
        alone(tmp_path / "run", "a training run"),
        pytest.raises(InvalidInput, match=r"nobody else at work on .*process \d+ on "),
    ):
        gnode.train(model(), data(), out=tmp_path / "run", resume=True, **SMALL)
    assert epochs_in(tmp_path / "run") == [1, 2]
    assert gnode.train(model(), data(), out=tmp_path / "run", resume=True, **SMALL).summary["epochs"] == 4


def test_the_lock_of_a_process_that_was_killed_holds_nobody_up(tmp_path):
    code = (
        "import os, pathlib, signal; from gnode.files import alone; "
        f"held = alone(pathlib.Path({str(tmp_path)!r}), 'a run'); held.__enter__(); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == -9
    assert "process" in (tmp_path / ".lock").read_text()
    with alone(tmp_path, "a run"):
        pass


@pytest.mark.parametrize("changes", [{}, dict(curriculum=[[1, 1]])], ids=["whole trials", "their first bin"])
def test_the_losses_of_the_summary_are_of_the_kept_parameters_on_all_trials(changes):
    own = data()
    run = gnode.train(model(), own, lr=0.05, **SMALL, **changes)
    _, _, objective = prepare(model(), own, gnode.training.Settings(**SMALL))
    for key, part in (("train_loss", "train"), ("val_loss", "validation"), ("test_loss", "test")):
        outputs = np.asarray(run.model(getattr(own, part).inputs))
        assert run.summary[key] == pytest.approx(np.mean((outputs - getattr(own, part).targets) ** 2), rel=1e-5)
        assert run.summary[key] == pytest.approx(loss_on(run.model, objective, getattr(own, part)), rel=1e-6)


@dataclasses.dataclass(frozen=True)
class Gains:
    gain: object

    loss = "mse"

    def sample(self, count, seed):
        return Trials(INPUTS[:count], INPUTS[:count] * np.asarray(np.real(self.gain), np.float32))


def test_options_of_a_task_are_numbers_and_lists_or_refused_before_anything_is_written(tmp_path):
    few = dict(train_trials=8, validation_trials=4, test_trials=4)
    gnode.train(model(), Gains(np.array([1.0, 2.0])), out=tmp_path / "array", **SMALL, **few)
    assert "gain = [\n    1.0,\n    2.0,\n]" in (tmp_path / "array/config.toml").read_text()
    gnode.train(model(), Gains(np.float32(2)), out=tmp_path / "number", **SMALL, **few)

    with pytest.raises(InvalidInput, match="options can be written"):
        gnode.train(model(), Gains(1 + 0j), out=tmp_path / "complex", **SMALL, **few)
    assert not (tmp_path / "complex").exists()


@pytest.mark.parametrize("curriculum", [[[1, 2.9]], [["1", 2]], [[1, True]], [[1, 2], [3, np.nan]]])
def test_a_curriculum_is_of_whole_numbers(curriculum):
    with pytest.raises(InvalidInput, match="of curriculum an integer"):
        gnode.train(model(), data(), curriculum=curriculum, **SMALL)


def test_the_command_takes_what_people_write(tmp_path):
    """.01 and 64,64 after --set, a byte order mark in a file, and no home folder."""
    gnode.train(model(), gnode.tasks.make("ring", bins=6), out=tmp_path / "ring", epochs=1, train_trials=4,
                validation_trials=2, test_trials=2, batch_size=2)  # fmt: skip
    marked = tmp_path / "marked.toml"
    marked.write_text("\ufeff" + (tmp_path / "ring/config.toml").read_text(), encoding="utf-8")
    assert experiment_from(str(marked), {}).settings.epochs == 1
    from gnode.cli import _pairs

    taken = _pairs(["lr=.01", "hidden=64,64", "gate_bias=-2.0", "model=rnn"])
    assert taken == {"lr": 0.01, "hidden": [64, 64], "gate_bias": -2.0, "model": "rnn"}
    without = (
        "import os, pathlib; pathlib.Path.home = classmethod(lambda c: (_ for _ in ()).throw(RuntimeError('no home')))"
    )
    code = f"{without}; from gnode.cli import _use_compile_cache; _use_compile_cache()"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
