"""Damages files at random and reads them: whatever comes, a reader answers, or says in one line what is wrong.

    make fuzz            a minute for each reader, and a table of what was found

Half of the damage is to bytes as they lie on disk; half keeps what would be refused at once in order (the length of a
safetensors file's header, the sums of an archive) and changes what is inside. A reader may take two seconds and 512 MB.
"""

import io
import json
import re
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import gnode
from gnode.data import from_file
from gnode.errors import GnodeError
from gnode.examine.stored import read_stored
from gnode.files.table import read_archive, read_table
from gnode.series import Data, Series, Trials
from gnode.sweeps.grid import read_plan
from gnode.training import RunDirectory
from gnode.training.experiment import experiment_from
from gnode.training.loop import begin

SECONDS, BYTES = 2.0, 512 * 2**20
STRANGE = [
    b"", b"0", b"-1", b"1e999", b"nan", b"99999999999999999999", b"true", b"null", b'""', b"[]", b"{}", b"\x00",
    b"\xff\xfe", b"1e-400", b"2147483648", b"[[[[[[", b"\n\n", b",,", b"'", b'"', b"inf",
]  # fmt: skip


@dataclass(frozen=True)
class Reader:
    """Something that reads files from a folder.

    Attributes:
        write: puts whole files into a folder.
        read: reads them.
    """

    name: str
    write: Callable[[Path], None]
    read: Callable[[Path], object]


def readers() -> list[Reader]:
    """All that opens what may come from a stranger."""
    values = np.random.default_rng(0).standard_normal((6, 5, 2)).astype(np.float32)
    trials = Trials(Series.of(values, times=[0.0, 0.5, 1.0, 2.0, 4.0]), values.sum(axis=(1, 2)))
    model = gnode.models.make("gnode", input_size=2, state_size=3, output_size=2, hidden=(4,), seed=0)

    def run(folder: Path) -> None:
        settings = dict(epochs=2, batch_size=4, train_trials=8, validation_trials=4, test_trials=4)
        trained = gnode.train(model, gnode.tasks.make("ring", bins=8), out=folder / "run", **settings)
        assert trained.summary["epochs"] == 2

    def everything_of(folder: Path) -> None:
        directory = RunDirectory.open(folder / "run")
        directory.config(), directory.metrics(), directory.summary()  # each may be what is damaged
        directory.read_checkpoint(begin(model))

    def table(folder: Path) -> None:
        frame = pd.DataFrame({"id": np.repeat([1, 2, 3], 4), "t": np.tile([0.0, 0.5, 1.5, 2.0], 3)})
        frame.assign(x=np.arange(12) / 7, word=["a", "b,c", 'd"'] * 4).to_csv(folder / "table.csv", index=False)

    def archive(folder: Path) -> None:
        np.savez(folder / "arrays.npz", inputs=values, targets=np.arange(6), times=np.arange(5.0))

    experiment = Path(gnode.__file__).parent / "experiments" / "planar.toml"
    example = '[task]\nname = "ring"\nbins = 20\n[model]\nmodel = "rnn"\n[training]\nepochs = 3\nlr = 0.1\n'
    return [
        Reader("model", lambda folder: gnode.models.save(model, folder / "model.safetensors"),
               lambda folder: gnode.load(folder / "model.safetensors")),
        Reader("run directory", run, everything_of),
        Reader("series", lambda folder: trials.series.save(folder / "series.npz"),
               lambda folder: Series.load(folder / "series.npz")),
        Reader("data", lambda folder: Data(trials, trials, trials).save(folder / "data"),
               lambda folder: Data.load(folder / "data")),
        Reader("table", table, lambda folder: read_table(folder / "table.csv")),
        Reader("table as data", table,
               lambda folder: from_file(folder / "table.csv", target="word", series="id", time="t")),
        Reader("archive", archive, lambda folder: read_archive(folder / "arrays.npz")),
        Reader("experiment", lambda folder: (folder / "e.toml").write_text(example) and None,
               lambda folder: experiment_from(str(folder / "e.toml"), {})),
        Reader("plan of a sweep", lambda folder: (folder / "e.toml").write_text(experiment.read_text()) and None,
               lambda folder: read_plan(str(folder / "e.toml"))),
        Reader("analysis", _analysed, lambda folder: read_stored(folder)),
    ]  # fmt: skip


def _analysed(folder: Path) -> None:
    from gnode.examine.stored import write_stored

    (folder / "model.safetensors").write_bytes(b"any")
    write_stored(folder, {"fixed_points": {"evidence": "two points", "checks": ["repeatable"]}}, {"a": np.ones(3)})


def damaged(content: bytes, suffix: str, draw: np.random.Generator) -> bytes:
    """The same with one to four changes."""
    inside = draw.random() < 0.5
    if inside and suffix == ".npz":
        return _in_archive(content, draw)
    if inside and suffix == ".safetensors" and len(content) > 8:
        return _in_header(content, draw)
    for _ in range(draw.integers(1, 5)):
        content = _word_changed(content, draw) if inside else _bytes_changed(content, draw)
    return content


def _bytes_changed(content: bytes, draw: np.random.Generator) -> bytes:
    at, length = draw.integers(0, len(content) + 1), int(draw.integers(1, 40))
    match draw.integers(0, 5):
        case 0:
            return content[:at]
        case 1:
            return content[:at] + content[at + length :]
        case 2:
            return content[:at] + content[at : at + length] * 2 + content[at + length :]
        case 3:
            return content[:at] + draw.bytes(length) + content[at + length :]
        case _:
            return content[:at] + bytes(STRANGE[draw.integers(len(STRANGE))]) + content[at + 1 :]


def _word_changed(content: bytes, draw: np.random.Generator) -> bytes:
    """A number, a name or a mark is put in the place of another."""
    words = list(re.finditer(rb"[\w.+-]+|[^\w\s]", content))
    if not words:
        return content
    chosen = words[draw.integers(len(words))]
    others = [*STRANGE, words[draw.integers(len(words))].group()]
    return content[: chosen.start()] + bytes(others[draw.integers(len(others))]) + content[chosen.end() :]


def _in_archive(content: bytes, draw: np.random.Generator) -> bytes:
    """A member of the archive is changed, renamed or doubled; its sums are right."""
    with zipfile.ZipFile(io.BytesIO(content)) as whole:
        members = [(name, whole.read(name)) for name in whole.namelist()]
    at = int(draw.integers(len(members)))
    name, inside = members[at]
    match draw.integers(0, 5):
        case 0:
            members.pop(at)
        case 1:
            members.append((f"../{name}", inside))
        case 2:
            members[at] = name, _bytes_changed(inside, draw)
        case _:  # what describes the array: shape, type, order
            head = min(len(inside), 128)
            members[at] = name, _word_changed(inside[:head], draw) + inside[head:]
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, inside in members:
            archive.writestr(name, inside)
    return made.getvalue()


def _in_header(content: bytes, draw: np.random.Generator) -> bytes:
    length = struct.unpack("<Q", content[:8])[0]
    header = _word_changed(content[8 : 8 + length], draw)
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


class TooLong(BaseException):
    """A reader took more than its time."""


def _stop(*_: object) -> None:
    raise TooLong


def fuzz(reader: Reader, seconds: float, seed: int, most: int = 10**9) -> tuple[int, dict[str, bytes]]:
    """Read damaged files for so long: how many were read, and an example of each fault by what it was."""
    draw, faults, tried = np.random.default_rng(seed), dict[str, bytes](), 0
    signal.signal(signal.SIGALRM, _stop)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        reader.write(folder)
        reader.read(folder)
        whole = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
        with_content = [path for path in whole if whole[path] and path.name != ".lock"]
        end = time.perf_counter() + seconds
        while time.perf_counter() < end and tried < most:
            path = with_content[draw.integers(len(with_content))]
            path.write_bytes(broken := damaged(whole[path], path.suffix, draw))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            try:
                reader.read(folder)
            except GnodeError as error:
                if "\n" in str(error):
                    faults.setdefault(f"{path.name}: more than a line: {str(error)[:80]!r}", broken)
            except TooLong:
                faults.setdefault(f"{path.name}: more than {SECONDS:g} s", broken)
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)
                ours = [frame for frame in where if "/gnode/" in frame.filename]
                at = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"
                faults.setdefault(f"{path.name}: {type(error).__name__} at {at}", broken)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
            if grown > BYTES:
                faults.setdefault(f"{path.name}: {grown / 2**20:.0f} MB", broken)
            path.write_bytes(whole[path])
            tried += 1
    return tried, faults


def main() -> None:
    seconds, seed = (float(word) for word in [*sys.argv[1:], "60", "0"][:2])
    rows = ["| reader | files read | faults |", "|---|---|---|"]
    for number, reader in enumerate(readers()):
        tried, faults = fuzz(reader, seconds, int(seed) + number)
        rows.append(f"| {reader.name} | {tried:,} | {len(faults)} |")
        print(rows[-1], file=sys.stderr, flush=True)
        for fault, content in faults.items():
            print(f"  {fault}\n    {json.dumps(content[:160].decode('latin-1'))}", file=sys.stderr, flush=True)
    print("\n".join(rows))


if __name__ == "__main__":
    main()
