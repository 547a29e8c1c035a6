"""Lets every write fail in turn, in every way, and goes on: no file is half written, nothing is left over or lost.

    make faults          every write of every kind of work, some minutes on two cores, and a table of what was found

A write is any step that changes what is on the disk: opening a file to write, writing, flushing and closing it, fsync,
replace, rename, link, mkdir, unlink, rmdir. The work is done in this process, so what it compiles is compiled once.
"""

import builtins
import contextlib
import errno
import importlib
import io
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest import mock

from kills import EXPERIMENT, outcome, unreadable

import gnode
from gnode.cli import run_command
from gnode.data import SETS
from gnode.data.files import DataSet, Form, digest
from gnode.examine.evaluate import evaluate
from gnode.files import clear_away
from gnode.report import page
from gnode.series import Data
from gnode.sweeps import sweep as sweeping
from gnode.sweeps.grid import read_plan
from gnode.workers import attempt

analysing = importlib.import_module("gnode.examine.analyse")  # the package has a function of that name

REMOVING = ("unlink", "rmdir")
PLAIN = ("fsync", "replace", "rename", "link", "mkdir", *REMOVING)  # functions of os
WRITING = set("wax+")
NOBODY = 2**22 + 1  # the number of no process: the one that failed is gone when its work is gone on with


class Unforeseen(RuntimeError):
    """An exception that nobody expects."""


def _error(number: int) -> Callable[[], BaseException]:
    return lambda: OSError(number, os.strerror(number))


@dataclass(frozen=True)
class Fault:
    """How a write fails.

    Attributes:
        error: what is raised.
        done: how much of the step is done before: nothing, half (of a write; of others nothing) or all of it.
        lasting: whether all later writes fail too, but for removing and for putting in place.
    """

    error: Callable[[], BaseException]
    done: str = "nothing"
    lasting: bool = False


FAULTS = {
    "disk full": Fault(_error(errno.ENOSPC)),
    "disk stays full": Fault(_error(errno.ENOSPC), lasting=True),
    "no permission": Fault(_error(errno.EACCES)),  # Python makes a PermissionError of it
    "short write": Fault(_error(errno.EIO), done="half"),
    "broken pipe": Fault(_error(errno.EPIPE)),
    "Ctrl-C before": Fault(KeyboardInterrupt),
    "Ctrl-C after": Fault(KeyboardInterrupt, done="all"),
    "unforeseen": Fault(Unforeseen),
    "unforeseen after": Fault(Unforeseen, done="all"),
}


@dataclass
class Writes:
    """Counts writes below a folder, and lets one of them fail.

    Attributes:
        at: which, from 0; None for none.
        names: what they were so far.
    """

    folder: Path
    at: int | None = None
    fault: Fault | None = None
    names: list[str] = field(default_factory=list)

    def step(self, name: str, do: Callable[[], Any], half: Callable[[], Any] = lambda: None) -> Any:
        number = len(self.names)
        self.names.append(name)
        fault = self.fault
        if fault is None or self.at is None or number < self.at:
            return do()
        if number > self.at and not (fault.lasting and name in ("open", "write", "flush", "close", "fsync", "mkdir")):
            return do()
        if fault.done == "all" or name == "close":  # of a file that cannot be closed the handle is gone all the same
            do()
        elif fault.done == "half":
            half()
        raise fault.error()

    def concerns(self, path: object) -> bool:
        return isinstance(path, str | os.PathLike) and Path(path).is_relative_to(self.folder)

    def open(self, original: Callable, path: Any, mode: str = "r", *more: Any, **options: Any) -> Any:
        if not (WRITING & set(mode) and self.concerns(path)):
            return original(path, mode, *more, **options)
        return Watched(self, self.step("open", lambda: original(path, mode, *more, **options)))

    def plain(self, name: str, original: Callable, *given: Any, **options: Any) -> Any:
        if name != "fsync" and not any(map(self.concerns, given)):
            return original(*given, **options)
        return self.step(name, lambda: original(*given, **options))


class Watched:
    """A file whose writes count."""

    def __init__(self, writes: Writes, file: Any) -> None:
        self._writes, self._file = writes, file

    def write(self, content: Any) -> Any:
        def half() -> None:
            self._file.write(content[: len(content) // 2])
            self._file.flush()

        return self._writes.step("write", lambda: self._file.write(content), half)

    def flush(self) -> Any:
        return self._writes.step("flush", self._file.flush)

    def close(self) -> Any:
        if self._file.closed:
            return None
        return self._writes.step("close", self._file.close)

    def __enter__(self) -> "Watched":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextlib.contextmanager
def watched(writes: Writes) -> Iterator[Writes]:
    with contextlib.ExitStack() as patches:
        opening = partial(writes.open, io.open)
        for module in (builtins, io):
            patches.enter_context(mock.patch.object(module, "open", opening))
        for name in PLAIN:
            patches.enter_context(mock.patch.object(os, name, partial(writes.plain, name, getattr(os, name))))
        yield writes


# -- what is done --


@dataclass(frozen=True)
class Work:
    """Something that writes.

    Attributes:
        prepare: makes what it needs in a new folder.
        go: does it; the same to begin and to go on.
    """

    prepare: Callable[[Path], None]
    go: Callable[[Path], object]


SIZES = dict(train_trials=8, validation_trials=4, test_trials=4)


@cache
def ring() -> tuple:
    task = gnode.tasks.make("ring", bins=6)
    return gnode.models.make("rnn", input_size=2, state_size=2, output_size=2, seed=1), task


def train(folder: Path) -> None:
    options = dict(epochs=2, batch_size=4, checkpoint_seconds=0.0, snapshot_every=1, **SIZES)
    gnode.train(*ring(), out=folder / "work", resume=True, **options)


def train_on_own_data(folder: Path) -> None:
    model, task = ring()
    data = Data(*(task.sample(4, seed=seed) for seed in range(3)))
    gnode.train(model, data, out=folder / "work", resume=True, epochs=1, batch_size=4)


def experiment(folder: Path) -> None:
    (folder / "experiment.toml").write_text(re.sub(r"bins = 30|(\w+_trials) = \d+|epochs = 15", _smaller, EXPERIMENT))


def _smaller(found: re.Match) -> str:
    return {"bins = 30": "bins = 6", "epochs = 15": "epochs = 1"}.get(found[0], f"{found[1]} = 10")


def sweep(folder: Path) -> None:
    """With the runs in this process, where writes can be watched."""

    def in_turn(runs: Path, jobs: list, address: None, workers: None) -> Iterator:
        for job in jobs:
            yield job, attempt(partial(sweeping.train_in_place, runs), job)

    with mock.patch.dict(sweeping.WAYS, local=in_turn):
        plan = read_plan(folder / "experiment.toml")
        results = sweeping.run_sweep(plan, folder / "work", resume=True)
    if (results["state"] != "done").any():
        raise gnode.errors.GnodeError(f"Some runs failed: {'; '.join(results['why'])}")


def trained(folder: Path) -> None:
    gnode.train(*ring(), out=folder / "work", epochs=1, batch_size=4, **SIZES)


@cache
def analysed() -> tuple:
    """What `gnode analyse` hands over to be written; it is found once."""
    with tempfile.TemporaryDirectory() as place:
        trained(Path(place))
        with mock.patch.object(analysing, "write_stored") as write:
            analysing.analyse(Path(place) / "work")
    return write.call_args.args[1:]


@cache
def written() -> str:
    """The page of `gnode report`; it is drawn once."""
    with tempfile.TemporaryDirectory() as place:
        trained(Path(place))
        page.report([Path(place) / "work"])
        return (Path(place) / "work" / "report.html").read_text()


def report(folder: Path) -> None:
    text = written()
    with mock.patch.object(page, "_html", lambda contents: text):
        page.report([folder / "work"])


def fetch(folder: Path) -> None:
    """Three files, two of which are as a server would send them."""
    content = {"one.bin": b"1" * 3000, "two.bin": b"2" * 500, "three.bin": b"3"}
    with tempfile.TemporaryDirectory() as served:
        paths = [Path(served) / name for name in content]
        for path in paths:
            path.write_bytes(content[path.name])
        form = Form(
            files=tuple(f"parts/{name}" for name in content), sha256=digest(paths), size=3501,
            read=lambda paths: paths, address="http://example.org/",
        )  # fmt: skip

    def download(address: str, path: Path, file: str) -> None:
        with path.open("wb") as target:
            target.write(content[path.name])

    numbers = DataSet("numbers", "numbers", "none stated", "nobody", (form,))
    with (
        mock.patch.dict(SETS, numbers=numbers),
        mock.patch.dict(os.environ, GNODE_DATA=str(folder / "work")),
        mock.patch("gnode.data.files._download", download),
    ):
        gnode.data.fetch("numbers")


def save_data(folder: Path) -> None:
    clear_away(folder)  # as saving under that name again would; it is refused where the name is taken
    if not (folder / "work").exists():
        Data(*(ring()[1].sample(4, seed=seed) for seed in range(3))).save(folder / "work")


WORKS = {
    "train": Work(lambda folder: None, train),
    "train, own data": Work(lambda folder: None, train_on_own_data),
    "sweep": Work(experiment, sweep),
    "analyse": Work(trained, lambda folder: analysing.write_stored(folder / "work", *analysed())),
    "report": Work(trained, report),
    "evaluate": Work(trained, lambda folder: evaluate(folder / "work", trials=4)),
    "data fetch": Work(lambda folder: (folder / "work").mkdir(), fetch),
    "save data": Work(lambda folder: None, save_data),
}


# -- what was found --


def done(work: Work, folder: Path) -> str:
    """Do it as the command does; the line that is said where it fails, "" where it does not."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), mock.patch.object(os, "dup2"):  # so that standard output stays open
        try:
            run_command(lambda: work.go(folder))
        except SystemExit as end:
            assert end.code in (1, 130), end.code
            return said.getvalue() or f"it left with {end.code} and without a word"
        except Unforeseen:
            return "unforeseen"
    return ""


def leftovers(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob(".*") if path.name != ".lock"]


@dataclass
class Found:
    """Of one kind of work: the writes, the faults, and what was wrong after them."""

    writes: int = 0
    faults: int = 0
    refused: int = 0  # work that could not go on, and said why in a line
    wrong: list[str] = field(default_factory=list)


def everything(work: Work, faults: dict[str, Fault] = FAULTS, every: int = 1, first: int = 0) -> Found:
    """Let each write fail in each of these ways; `every`: only one write in so many, from the first on."""
    found = Found()
    with tempfile.TemporaryDirectory() as place:
        origin, whole = Path(place) / "origin", Path(place) / "whole"
        origin.mkdir()
        work.prepare(origin)
        shutil.copytree(origin, whole)
        said = done(work, whole)
        assert not said, said
        expected = outcome(whole / "work")
        shutil.rmtree(whole)
        shutil.copytree(origin, whole)
        with watched(Writes(whole)) as writes:
            assert not done(work, whole)
        names = writes.names
        found.writes = len(names)
        for at in range(first, len(names), every):
            for name, fault in faults.items():
                found.faults += 1
                for complaint in after(work, origin, Path(place) / "parts", at, fault, expected, found):
                    found.wrong.append(f"write {at} ({names[at]}), {name}: {complaint}")
    return found


def after(
    work: Work, origin: Path, folder: Path, at: int, fault: Fault, expected: dict[str, object], found: Found
) -> Iterator[str]:
    """What is wrong after one fault, and once the work was gone on with."""
    shutil.copytree(origin, folder)
    try:
        with watched(Writes(folder, at, fault)) as writes, mock.patch.object(os, "getpid", lambda: NOBODY):
            said = done(work, folder)
        if said.count("\n") > 1 or "Traceback" in said:
            yield f"it said {said!r}"
        yield from unreadable(folder / "work")
        if writes.names[at] not in REMOVING and (left := leftovers(folder)):
            yield f"left {', '.join(left)}"
        if said := done(work, folder):
            found.refused += 1
            if said == "unforeseen" or not said.startswith("gnode: Must have"):
                yield f"it could not go on: {said!r}"
            return
        if left := leftovers(folder):
            yield f"left in the end {', '.join(left)}"
        there = outcome(folder / "work")
        if differing := [key for key in expected.keys() | there.keys() if expected.get(key) != there.get(key)]:
            yield f"another end: {', '.join(sorted(differing))}"
    finally:
        shutil.rmtree(folder)


def main() -> None:
    print("| work | writes | faults | could not go on, and said why | wrong |")
    print("|---|---|---|---|---|")
    for name, work in WORKS.items():
        found = everything(work)
        for line in found.wrong:
            print(f"{name}: {line}", file=sys.stderr)
        print(f"| {name} | {found.writes} | {found.faults} | {found.refused} | {len(found.wrong)} |", flush=True)


if __name__ == "__main__":
    main()
