"""Watchers: those of docs/training.md, over stand-ins for what they write to, and those that come with gnode."""

import io
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from rich.console import Console

import gnode
from gnode.training import progress
from gnode.training.loop import Record

PAGE = Path(__file__).resolve().parents[2] / "docs" / "training.md"


class Writer:
    """Keeps what TensorBoard's writer and a run of Weights & Biases are told."""

    def __init__(self, *given, **options):
        self.given, self.told, self.ended = (given, options), [], 0

    def add_scalar(self, name, value, step):
        self.told.append((step, name, value))

    def log(self, values, step):
        self.told += [(step, name, value) for name, value in values.items()]

    def close(self):
        self.ended += 1

    finish = close


def watcher_of_the_page(name: str, monkeypatch: pytest.MonkeyPatch) -> type:
    for module, member in (("torch.utils.tensorboard", "SummaryWriter"), ("wandb", "init")):
        parts = module.split(".")
        for count in range(1, len(parts) + 1):
            monkeypatch.setitem(sys.modules, ".".join(parts[:count]), ModuleType(parts[count - 1]))
        setattr(sys.modules[module], member, Writer)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    [text] = [block for block in blocks if f"class {name}(" in block]
    names: dict = {}
    exec(text, names)
    return names[name]


@pytest.mark.parametrize(
    ("name", "holds", "given"), [("TensorBoard", "writer", ("events",)), ("WeightsAndBiases", "run", ())]
)
def test_the_watchers_of_the_page_pass_every_epoch_on(name, holds, given, monkeypatch):
    model = gnode.models.make("rnn", input_size=2, state_size=2, output_size=2)
    task = gnode.tasks.make("ring", bins=10)
    few = dict(epochs=2, batch_size=5, train_trials=5, validation_trials=5, test_trials=5)
    watcher = watcher_of_the_page(name, monkeypatch)(*given)
    run = gnode.train(model, task, watcher=watcher, **few)
    writer = getattr(watcher, holds)
    assert writer.given == ((("events",), {"purge_step": 1}) if given else ((), {"mode": "offline"}))
    assert [value for step, key, value in writer.told if key == "val_loss"] == [line.val_loss for line in run.history]
    assert {(step, value) for step, key, value in writer.told if key == "epoch"} == {(1, 1), (2, 2)}
    assert writer.ended == 1


def test_a_run_that_goes_on_says_from_where_and_repeats_no_epoch_to_a_writer(tmp_path, monkeypatch):
    """As ParlAI#2106, catalyst#970 and tensorboard#3732, where curves began anew, or went back, after a resumed run."""
    told = []

    class Stopped(watcher_of_the_page("TensorBoard", monkeypatch)):
        def epoch(self, record):
            super().epoch(record)
            told.append((self.writer.given[1]["purge_step"], record.epoch))
            if len(told) == 3:
                raise KeyboardInterrupt

    model = gnode.models.make("rnn", input_size=2, state_size=2, output_size=2)
    task = gnode.tasks.make("ring", bins=10)
    few = dict(epochs=6, batch_size=5, train_trials=5, validation_trials=5, test_trials=5, out=tmp_path / "run")
    watcher = Stopped("events")
    with pytest.raises(gnode.training.Interrupted):
        gnode.train(model, task, watcher=watcher, **few)
    assert watcher.writer.ended == 1
    gnode.train(model, task, watcher=watcher, resume=True, **few)  # the same watcher, as in a notebook
    assert told == [(1, 1), (1, 2), (1, 3), (4, 4), (4, 5), (4, 6)]
    assert watcher.writer.ended == 1


def test_time_left_leaves_out_the_epoch_that_compiles(capsys, monkeypatch):
    clock = iter([20.0, 21.0, 22.0])  # the first epoch took 20 s, further ones one each
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    lines = progress.Lines(sys.stderr, seconds=0)
    lines.start(1, 10)
    for epoch in (1, 2, 3):
        lines.epoch(Record(epoch, 1.0, 1.0, 1, 0.01))
    first, second, third = capsys.readouterr().err.splitlines()
    assert "left" not in first and second.endswith("  8 s left") and third.endswith("  7 s left")


def test_a_notebook_shows_a_bar_that_stays(monkeypatch):
    shown = []

    class Handle:
        def update(self, content, raw):
            shown.append(content)

    def display(content, raw, display_id):
        shown.append(content)
        return Handle()

    notebook = ModuleType("IPython")
    notebook.get_ipython = lambda: SimpleNamespace(kernel=object())
    notebook.display = ModuleType("IPython.display")
    notebook.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.setitem(sys.modules, "IPython.display", notebook.display)
    assert isinstance(progress.watcher(), progress.Cell)
    task = gnode.tasks.make("ring", bins=20)
    model = gnode.models.make("rnn", input_size=2, state_size=2, output_size=2)
    gnode.train(model, task, epochs=3, train_trials=10, validation_trials=5, test_trials=5)
    assert shown[0]["text/plain"] == "compiling" and '<progress value="0" max="3"' in shown[0]["text/html"]
    assert (
        shown[-1]["text/plain"].startswith("epoch 3/3  loss ")
        and '<progress value="3" max="3"' in shown[-1]["text/html"]
    )
    gnode.train(
        model, task, epochs=1, train_trials=10, validation_trials=5, test_trials=5, watcher=gnode.training.Silent()
    )
    assert shown[-1]["text/plain"].startswith("epoch 3/3")
    notebook.get_ipython = lambda: SimpleNamespace()  # IPython in a terminal
    assert isinstance(progress.watcher(), progress.Lines) and progress.watcher_of_people() is None


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_a_bar_cuts_nothing_off(width):
    written = io.StringIO()
    with progress.Bar(Console(file=written, force_terminal=True, width=width)) as bar:
        bar.start(1, 1000)
        for epoch in (1, 1000):
            bar.epoch(Record(epoch, 1.234e-5, 1.234e-5, 1, 0.01, train_accuracy=0.5, val_accuracy=0.931))
    assert "1000/1000" in written.getvalue() and "93.1% right" in written.getvalue()
    assert "left" in written.getvalue() and "…" not in written.getvalue()
