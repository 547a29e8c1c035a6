"""Kills commands at random moments and goes on with them: nothing is lost, and the end is as if nothing had happened.

    make soak            500 kills, about half an hour on two cores, and a table of what was found

Half of the kills come at a moment drawn evenly from the length of the command, half just as a file in its directory
changes. After each, every file there has to be readable, whole or not at all; after some, the command is let go to its
end, whose files have to be those of a command that was never killed.
"""

import contextlib
import functools
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

GNODE = str(Path(sys.executable).parent / "gnode")
KILLS_IN_A_ROW = 5
SMALL = "--set train_trials=40 --set validation_trials=20 --set test_trials=20 --set bins=30"
TRAIN = f"ring --hidden 8 --epochs 40 --batch-size 10 --set checkpoint_seconds=0 {SMALL}"
EXPERIMENT = """
[task]
name = "ring"
bins = 30
[model]
model = "rnn"
state_size = 2
[training]
epochs = 15
batch_size = 10
train_trials = 40
validation_trials = 20
test_trials = 20
checkpoint_seconds = 0
[grid]
lr = [1e-2, 1e-3]
"""
FETCH = """
import sys
from gnode import data
from gnode.data.files import DataSet, Form
address, sha256, size = sys.argv[1:]
files = ("parts/one.bin", "parts/two.bin", "parts/three.bin")
form = Form(files=files, sha256=sha256, size=int(size), read=lambda paths: paths, address=address)
data.SETS["numbers"] = DataSet("numbers", "numbers", "none stated", "nobody", (form,))
data.fetch("numbers")
"""


@dataclass(frozen=True)
class Work:
    """Something that a user starts, and starts again after it was killed.

    Attributes:
        prepare: makes what it needs in a new folder.
        command: from the folder, the words of the command; the same to begin and to go on.
        environment: from the folder, what it finds in its environment besides.
    """

    name: str
    prepare: Callable[[Path], None]
    command: Callable[[Path], list[str]]
    environment: Callable[[Path], dict[str, str]] = lambda folder: {}

    def start(self, folder: Path) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            self.command(folder),
            env=os.environ | self.environment(folder),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # so that its workers die with it, as when a machine goes down
        )

    def finish(self, folder: Path) -> None:
        process = self.start(folder)
        words = process.communicate()[1]
        assert process.returncode == 0, f"{self.name} could not go on: {words.decode()[-2000:]}"


def trained(folder: Path) -> None:
    (folder / "work").mkdir()
    subprocess.run([GNODE, "train", *TRAIN.split(), "--out", str(folder / "work/run")], check=True, capture_output=True)


def experiment(folder: Path) -> None:
    (folder / "experiment.toml").write_text(EXPERIMENT)


@contextlib.contextmanager
def works() -> Iterator[list[Work]]:
    """All that is killed, with a server for what is fetched."""
    with tempfile.TemporaryDirectory() as served:
        content = {"one.bin": b"1" * 20_000_000, "two.bin": b"2" * 500, "three.bin": b"3" * 3_000_000}
        for name, value in content.items():
            (Path(served) / name).write_bytes(value)
        handler = functools.partial(_Quiet, directory=served)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
            threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
            yield [*_of_runs(), _fetching(Path(served), f"http://127.0.0.1:{running.server_port}/", list(content))]
            running.shutdown()


def _of_runs() -> list[Work]:
    run = "work/run"
    return [
        Work(
            "train",
            lambda folder: None,
            lambda folder: [GNODE, "train", *TRAIN.split(), "--out", str(folder / "work"), "--resume"],
        ),
        Work(
            "sweep",
            experiment,
            lambda folder: [GNODE, "sweep", str(folder / "experiment.toml"), "--out", str(folder / "work"), "--resume"],
        ),
        Work("analyse", trained, lambda folder: [GNODE, "analyse", str(folder / run)]),
        Work("report", trained, lambda folder: [GNODE, "report", str(folder / run)]),
    ]


def _fetching(served: Path, address: str, names: list[str]) -> Work:
    from gnode.data.files import digest

    paths = [served / name for name in names]
    size = str(sum(path.stat().st_size for path in paths))
    return Work(
        "data fetch",
        lambda folder: (folder / "work").mkdir(),
        lambda folder: [sys.executable, "-c", FETCH, address, digest(paths), size],
        lambda folder: {"GNODE_DATA": str(folder / "work"), "NO_PROXY": "*"},
    )


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass

    def copyfile(self, source, target) -> None:  # type: ignore[no-untyped-def]
        """In pieces, so that a download takes long enough to be killed; whoever was killed does not listen."""
        with contextlib.suppress(OSError):
            while piece := source.read(1_000_000):
                target.write(piece)
                time.sleep(0.01)


def files(folder: Path) -> dict[str, float]:
    """What lies in a folder, and when it changed."""
    found = {}
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                found[os.path.join(root, name)] = os.stat(os.path.join(root, name)).st_mtime_ns
    return found


def kill(work: Work, folder: Path, length: float, draw: np.random.Generator) -> bool:
    """Start it and kill it; whether it was still at work then."""
    at_a_write = bool(draw.random() < 0.5)
    process, began = work.start(folder), time.perf_counter()
    moment, delay = draw.uniform(0, length), draw.uniform(0, 0.004)
    while process.poll() is None and time.perf_counter() - began < moment:
        time.sleep(0.0005)
    if at_a_write:
        before = files(folder / "work")
        while process.poll() is None and files(folder / "work") == before:
            time.sleep(0.0005)
        time.sleep(delay)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def unreadable(folder: Path) -> list[str]:
    """Files that are there under their name and not whole; metrics.jsonl may end in half a line."""
    wrong = []
    for name in files(folder):
        path = Path(name)
        if "/." in name:  # a lock, or what is not there yet
            continue
        try:
            match path.suffix:
                case ".json":
                    json.loads(path.read_text())
                case ".toml":
                    tomllib.loads(path.read_text())
                case ".safetensors":
                    load_file(path)
                case ".npz":
                    with np.load(path) as archive:
                        [archive[key] for key in archive.files]
                case ".html":
                    assert path.read_text().rstrip().endswith("</html>")
                case ".jsonl":
                    [json.loads(line) for line in path.read_text().splitlines()[:-1]]
        except Exception as error:  # whatever a reader says of half a file
            wrong.append(f"{path.relative_to(folder)}: {error}")
    return wrong


def outcome(folder: Path) -> dict[str, object]:
    """What a finished command left, but for how long it took; all temporary files count, none may be left."""
    found: dict[str, object] = {}
    for name in files(folder):
        path = Path(name)
        key = str(path.relative_to(folder))
        if path.name == ".lock":
            continue
        if path.suffix == ".jsonl":
            found[key] = [_without_seconds(json.loads(line)) for line in path.read_text().splitlines()]
        elif path.suffix == ".json":
            found[key] = _without_seconds(json.loads(path.read_text()))
        elif path.suffix in (".parquet", ".html"):  # tables and pages that hold seconds
            found[key] = "there"
        else:
            found[key] = path.read_bytes()
    return found


def _without_seconds(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_seconds(item) for key, item in value.items() if "seconds" not in key}
    return [_without_seconds(item) for item in value] if isinstance(value, list) else value


@dataclass
class Count:
    """What was found of one kind of work."""

    kills: int = 0
    ends: int = 0
    lost: int = 0  # files that were unreadable after a kill
    changed: int = 0  # ends that differed, or could not be reached
    seconds: float = 0.0


def soak(work: Work, kills: int, seed: int, told: Callable[[str], None] = lambda text: None) -> Count:
    """Kill one kind of work so many times."""
    draw, count, began = np.random.default_rng(seed), Count(), time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        origin, whole = Path(place) / "origin", Path(place) / "whole"
        origin.mkdir()
        work.prepare(origin)
        shutil.copytree(origin, whole)
        work.finish(whole)  # what it compiles is in the cache now
        shutil.rmtree(whole)
        shutil.copytree(origin, whole)
        started = time.perf_counter()
        work.finish(whole)
        length, expected = time.perf_counter() - started, outcome(whole / "work")
        while count.kills < kills:
            folder = Path(place) / "parts"
            shutil.copytree(origin, folder)
            for _ in range(min(KILLS_IN_A_ROW, kills - count.kills)):
                if not kill(work, folder, length, draw):
                    break
                count.kills += 1
                if wrong := unreadable(folder / "work"):
                    count.lost += len(wrong)
                    told(f"{work.name}: {'; '.join(wrong)}")
            count.ends += 1
            try:
                work.finish(folder)
                there = outcome(folder / "work")
                differing = [key for key in expected.keys() | there.keys() if expected.get(key) != there.get(key)]
            except AssertionError as error:
                differing = [str(error)]
            if differing:
                count.changed += 1
                told(f"{work.name}: {'; '.join(differing)}")
            shutil.rmtree(folder)
    count.seconds = time.perf_counter() - began
    return count


def main() -> None:
    kills, seed = (int(word) for word in [*sys.argv[1:], "500", "0"][:2])
    with works() as every:
        rows = []
        for number, work in enumerate(every):
            print(f"{work.name} ...", file=sys.stderr, flush=True)
            count = soak(work, kills // len(every), seed + number, lambda text: print(text, file=sys.stderr))
            rows.append(f"| {work.name} | {count.kills} | {count.lost} | {count.ends} | {count.changed} |")
    print("| command | kills | files found unreadable | times let go to the end | ends that differed |")
    print("|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
