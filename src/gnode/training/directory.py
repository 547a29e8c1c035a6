"""The run directory: the files that a training run leaves, and reading them back.

config.toml determines the run; metrics.jsonl has a line an epoch; checkpoint/state.safetensors is what resuming needs;
model.safetensors holds the best parameters; summary.json the outcome; data/ the trials, where they are the user's own;
task.py the file of a task of the user's own; start.safetensors the model it started from, where that was another's. See
docs/run-directory.md.
"""

import json
import os
import tomllib
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import tomli_w
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from gnode import tasks
from gnode.data.own import again
from gnode.errors import GnodeError, InvalidInput, many, must_have
from gnode.files import begin_folder, is_new, path_of, refuse_later_format, write_atomically
from gnode.files.plain import as_json, spelled_out
from gnode.models import Model, load_model, model_bytes, named_arrays
from gnode.series import Data
from gnode.training.loop import Record, TrainingState

CONFIG, METRICS, MODEL, SUMMARY = "config.toml", "metrics.jsonl", "model.safetensors", "summary.json"
FORMAT = 1  # of the directory
DATA = "data"  # a folder
_INNER = "checkpoint"  # the folder that a run begins with
CHECKPOINT = f"{_INNER}/state.safetensors"
ORIGIN = "made_from"  # a table of config.toml
SOURCE = "source"  # a table in that of the task: where own data came from (gnode.series.Data)
START = "start.safetensors"  # the model that training started from, where it is not what the configuration draws
TASK = "task.py"  # the file that defines a task of the user's own
SHA256 = "sha256"  # a key of [task]: the digest of that file
_FOLDER = "task_folder"  # a key of ORIGIN: where that file, or the module, was, and what it imports
_MEMBERS = "members"
OWN_DATA = "own data"  # the name, in config.toml, of a task that is none: the user's own trials
_TABLES = ("task", "model", "training")
_MADE_WITH = "gnode"  # the key, in a checkpoint, of the configuration that it was made with
_DRAWN = ("train_trials", "validation_trials", "test_trials")  # keys that mean something where trials are drawn
OTHER_TRIALS = (  # advice where a task of the user's own draws other trials than it drew
    "Does its sample depend on more than its options and the seed, or has a module changed that it imports?"
)
DATA_LIMIT = 256 * 2**20  # bytes of own data that a run directory keeps


def place_of_member(folder: str | Path, member: int) -> Path:
    """Where the run of an ensemble's member lies, from 0: the first is the run directory itself, which holds the
    others."""
    return path_of(folder) if member == 0 else path_of(folder) / _MEMBERS / str(member + 1)


@dataclass(frozen=True)
class RunDirectory:
    """Reads and writes one run directory, at `path`."""

    path: Path

    @classmethod
    def create(
        cls, path: Path, config: dict[str, Any], origin: dict[str, Any], definition: tasks.Definition | None = None
    ) -> "RunDirectory":
        """A fresh run directory; nothing is written where anything else lies already.

        Args:
            config: the tables task, model and training.
            origin: what the run is made from beside them (gnode.training.train.made_from).
            definition: of a task of the user's own; where it was is written down (see keep_task).

        Raises:
            GnodeError: the directory is not empty, or cannot be written.
        """
        folder = {} if definition is None else {_FOLDER: str(definition.folder)}
        try:
            text = tomli_w.dumps({"gnode": version("gnode"), **_as_written(config), ORIGIN: {**origin, **folder}})
        except TypeError as error:
            raise InvalidInput(
                f"Must have a task whose options can be written to {CONFIG} (numbers, text, lists), instead got "
                f"another: {error}."
            ) from error
        begin_folder(path, _INNER, {CONFIG: text.encode()}, "for the run", "a run already")
        directory = cls(path)
        _ = directory.made_with  # taken now: what is edited later is not what the run was made from
        return directory

    @staticmethod
    def is_unbegun(path: Path) -> bool:
        """Whether nothing of a run lies there: no directory, an empty one, or what a beginning that was killed left."""
        return not path.exists() or (path.is_dir() and is_new(path, _INNER))

    @classmethod
    def reopen(cls, path: Path, config: dict[str, Any], origin: dict[str, Any]) -> tuple["RunDirectory", list[str]]:
        """The directory of the same run, to go on with it; and what the user should know.

        Raises:
            InvalidInput: it holds no run, or one with another configuration, data or start.
        """
        directory = cls.open(path)
        _ = directory.made_with  # as above
        theirs = {key: value for key, value in directory.config().items() if key != "gnode"}
        began = theirs.pop(ORIGIN, None)
        ours = tomllib.loads(tomli_w.dumps(config))
        for tables in (theirs, ours):  # the same table may lie elsewhere: the digest of the data decides
            tables["task"].pop(SOURCE, None)
        changed = theirs["task"].get(SHA256) != ours["task"].get(SHA256)  # the file of a task of the user's own
        if differing := _differences(_as_written(theirs), _as_written(ours)):  # theirs may be of an older version
            advice = f"With its task as it was: gnode train --resume --out {path}." if changed else ""
            more = _more_epochs(theirs["training"], ours["training"])
            if more and all(name.startswith(("training.epochs ", "training.schedule_epochs ")) for name in differing):
                advice = f"For {many(more, 'epoch')} more: --extend {more} (in Python extend={more}), without epochs."
            must_have(f"the configuration that {path} was started with", f"another {', '.join(differing)}", advice)
        if began is None:
            return directory, [
                f"{path} was begun by a gnode that kept no digest: its data and start cannot be compared."
            ]
        for key, what in (("data", "data"), ("start", "weights to start from")):
            if began.get(key) != origin[key]:
                advice = OTHER_TRIALS if key == "data" and _FOLDER in began else ""
                must_have(f"the {what} that {path} was started with", f"other {what} (their digests differ)", advice)
        others = [
            f"{key} {origin[key]} (there {began.get(key)})"
            for key in ("threads", "device")
            if began.get(key) != origin[key]
        ]
        return directory, [f"Going on with {', '.join(others)}: sums may be rounded differently."] if others else []

    @classmethod
    def open(cls, path: str | Path) -> "RunDirectory":
        """A directory that holds a run.

        Raises:
            InvalidInput: it does not.
        """
        path = path_of(path)
        if not (path / CONFIG).is_file():
            must_have(f"a run directory with a {CONFIG}", str(path))
        return cls(path)

    def config(self) -> dict[str, Any]:
        """What determines the run: the tables task, model and training, and the version of gnode.

        Raises:
            InvalidInput: config.toml is no TOML, of a later format, or lacks a table.
        """
        try:
            config = tomllib.loads((self.path / CONFIG).read_text("utf-8-sig"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InvalidInput(f"Must have a readable {self.path / CONFIG}, instead got: {error}.") from error
        refuse_later_format(config, FORMAT, self.path / CONFIG)
        for name in _TABLES:
            if not isinstance(config.get(name), dict):
                must_have(f"the tables {', '.join(_TABLES)} in {self.path / CONFIG}", f"{name} = {config.get(name)!r}")
        return config

    @cached_property
    def made_with(self) -> dict[str, Any]:
        """The tables task, model and training, as a checkpoint keeps them; where own data lie does not matter."""
        config = self.config()
        tables = _as_written({name: config[name] for name in _TABLES})
        tables["task"] = {key: value for key, value in tables["task"].items() if key != SOURCE}
        return spelled_out(json.loads(json.dumps(tables, default=str)))

    def columns(self) -> tuple[list[str], list[str]]:
        """What inputs and targets are called in the table that own trials came from; empty where they did from none."""
        source = self.source()
        return list(source.get("inputs", [])), list(source.get("target", []))

    def source(self) -> dict[str, Any]:
        """Where the user's own trials came from (gnode.series.Data.source); empty where that is not known."""
        return dict(self.config().get("task", {}).get(SOURCE, {}))

    def extend(self, training: dict[str, Any]) -> "RunDirectory":
        """The directory with another table training in config.toml: that of the same run with more epochs."""
        config = {**self.config(), "training": training}
        write_atomically(self.path / CONFIG, tomli_w.dumps({**config, **_as_written(config)}).encode())
        directory = RunDirectory(self.path)
        _ = directory.made_with  # as in create
        return directory

    @property
    def on_own_data(self) -> bool:
        """Whether the run was trained on the user's own trials."""
        return self.config().get("task", {}).get("name") == OWN_DATA

    def keep_start(self, model: Model) -> None:
        """Keep the model that training starts from, unless it is there."""
        if not (self.path / START).exists():
            write_atomically(self.path / START, model_bytes(model))

    def start(self) -> Model | None:
        """The model that training started from, where that is not what the configuration draws."""
        return load_model(self.path / START) if (self.path / START).exists() else None

    def keep_task(self, definition: tasks.Definition) -> None:
        """Put the file of a task of the user's own into task.py, unless it is there."""
        if definition.code is not None and not (self.path / TASK).exists():
            write_atomically(self.path / TASK, definition.code)

    def kept_task(self) -> tasks.Definition | None:
        """Where the run's task is defined, if it is the user's own: in task.py, or in a module.

        Raises:
            InvalidInput: task.py is gone, or is not the file that the run was started with.
        """
        config = self.config()
        table, folder = config["task"], Path(os.path.abspath(config.get(ORIGIN, {}).get(_FOLDER, self.path)))
        if not tasks.is_own(table.get("name")):
            return None
        if SHA256 not in table:
            return tasks.Definition(table["name"], folder)
        path = self.path / TASK
        code = path.read_bytes() if path.is_file() else None
        definition = tasks.Definition(table["name"], folder, code)
        if definition.sha256 != table[SHA256]:
            instead = "nothing there" if code is None else "another"
            must_have(f"the file that the run was started with in {path}, SHA-256 {table[SHA256]}", instead)
        return definition

    def place_of(self, definition: tasks.Definition) -> Path:
        """The file that holds the definition of `kept_task`, or, of a module, that names it."""
        return self.path / (CONFIG if definition.code is None else TASK)

    def task(self) -> tasks.Task | tasks.RecordedTask:
        """The task that the run was trained on, which is registered or the user's own.

        Raises:
            InvalidInput: it cannot be made, or nobody trusts yet what defines it (gnode.tasks.trust).
        """
        options = {key: value for key, value in self.config()["task"].items() if key != SHA256}
        name, definition = options.pop("name"), self.kept_task()
        if definition is not None:
            tasks.check_trusted(definition, self.place_of(definition))
        return tasks.made_of(tasks.kind_of(name) if definition is None else definition.load(), name, options)

    def keep_data(self, data: Data) -> bool:
        """Put the user's own trials into data/, unless they are there; whether they are now. Too large ones are not."""
        if not (self.path / DATA).exists() and data.nbytes <= DATA_LIMIT:
            data.save(self.path / DATA)
        return (self.path / DATA).exists()

    @property
    def _table(self) -> dict[str, Any]:
        """From which table the user's own trials came (gnode.series.Data.source); nothing where from none."""
        config = self.config() if (self.path / CONFIG).is_file() else {}
        source = config.get("task", {}).get(SOURCE, {})
        return source if "file" in source else {}

    @property
    def data_at_hand(self) -> bool:
        """Whether the user's own trials are in the directory, or the table that they came from is where it was."""
        return (self.path / DATA).exists() or ("file" in self._table and Path(self._table["file"]).is_file())

    def data(self) -> Data:
        """The user's own trials; where no copy was kept, read again from the table that they came from.

        Raises:
            InvalidInput: they are not there, damaged, or not those that the run was trained on.
        """
        if not (self.path / DATA).exists() and self._table:
            data = again(self._table)
            self.refuse_others(data, self._table["file"])
            return data
        if not (self.path / DATA).exists():
            must_have(
                f"the trials of the run in {self.path / DATA}",
                "nothing there",
                f"Beyond {DATA_LIMIT // 2**20} MB they are not kept. Put them there: Data(...).save(folder).",
            )
        data = Data.load(self.path / DATA)
        if (self.path / CONFIG).is_file():
            self.refuse_others(data, str(self.path / DATA))
        return data

    def refuse_others(self, data: Data, place: str, advice: str = "") -> None:
        """Refuse data, of this place, that are not those that the run was trained on; `advice` ends what is said.

        Raises:
            InvalidInput: their digest is another.
        """
        origin = self.config().get(ORIGIN)
        if origin is not None and origin.get("data") != data.digest():
            must_have(f"the data that {self.path} was started with", f"others in {place}", advice)

    def metrics(self) -> list[dict[str, float]]:
        """The records of all epochs, without lines that are damaged."""
        return [record for record in self._lines() if record]

    def _lines(self) -> list[dict[str, float]]:
        """The record in each line of metrics.jsonl; nothing where a line is damaged, as one cut off in mid-write is."""
        path = self.path / METRICS
        return [_record(line) for line in path.read_bytes().splitlines()] if path.is_file() else []

    def summary(self) -> dict[str, Any]:
        """The outcome of a finished run.

        Raises:
            InvalidInput: the run has not finished, or the file is damaged.
        """
        path = self.path / SUMMARY
        if not path.is_file():
            must_have(f"a finished run in {self.path}", "one without a summary", "Finish it with --resume.")
        try:
            summary = json.loads(path.read_text())
        except ValueError:
            summary = None
        if not isinstance(summary, dict):
            must_have(f"the outcome of a run in {path}", "something else", "gnode train --resume writes it anew.")
        return summary

    def add(self, record: Record, seconds: float) -> None:
        """Append the record of an epoch, which took so many seconds, to metrics.jsonl.

        Raises:
            GnodeError: it cannot be written.
        """
        line = as_json({**record.as_dict(), "seconds": round(seconds, 4)})
        try:
            with (self.path / METRICS).open("a") as file:
                file.write(line + "\n")
        except OSError as error:
            raise GnodeError(f"Could not write {self.path / METRICS}: {error.strerror}.") from error

    def forget_after(self, epoch: int) -> str:
        """Drop the records of epochs that no checkpoint holds: they will be run again.

        Returns:
            what the user should know of records that should be there and are not; "" of none.
        """
        lines = self._lines()
        kept = [record for record in lines if record and record["epoch"] <= epoch]
        write_atomically(self.path / METRICS, "".join(as_json(record) + "\n" for record in kept).encode())
        missing = epoch - len({record["epoch"] for record in kept})
        if not missing:
            return ""
        damaged = [str(number) for number, record in enumerate(lines, start=1) if not record]
        where = f" (damaged: line {', '.join(damaged)})" if damaged else ""
        return (
            f"{self.path / METRICS} lacks the records of {missing} of {epoch} epochs{where}; the run goes on without."
        )

    def write_checkpoint(self, state: TrainingState) -> None:
        """Put the state of the last finished epoch on disk, whole or not at all."""
        made_with = {_MADE_WITH: as_json(self.made_with)}
        write_atomically(self.path / CHECKPOINT, to_bytes(named_arrays(state), made_with))

    def read_checkpoint(self, like: TrainingState) -> TrainingState:
        """The state in the checkpoint; `like` itself where the run was stopped before its first checkpoint.

        Raises:
            InvalidInput: it is damaged, of another model, or was written before config.toml was edited.
        """
        path = self.path / CHECKPOINT
        if not path.is_file():
            return like
        try:
            with safe_open(path, framework="numpy") as file:
                made_with = spelled_out(json.loads((file.metadata() or {}).get(_MADE_WITH, "null")))
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, ValueError) as error:
            raise InvalidInput(f"Must have a whole checkpoint, instead got a damaged one: {path} ({error}).") from error
        # Older ones do not say. Where a run was extended since, it is the same up to here.
        differing = _differences(made_with, self.made_with) if made_with else []
        if differing and _until_extended(made_with) != _until_extended(self.made_with):
            must_have(
                f"the {CONFIG} that the checkpoint in {self.path} was made with",
                f"another {', '.join(differing)}",
                f"Was it edited? Undo that, or begin anew: gnode train {self.path / CONFIG} --out another directory.",
            )
        wanted = named_arrays(like)
        if {name: array.shape for name, array in arrays.items()} != {n: a.shape for n, a in wanted.items()}:
            must_have("a checkpoint of this model", f"one with other arrays: {path}")
        return jax.tree.unflatten(jax.tree.structure(like), [jnp.asarray(arrays[name]) for name in wanted])

    def write_model(self, model: Model) -> None:
        """Put the best parameters into model.safetensors, whole or not at all."""
        write_atomically(self.path / MODEL, model_bytes(model))

    def write_snapshot(self, model: Model, epoch: int) -> None:
        """Keep the parameters as they are after an epoch, for films of how an attractor came to be."""
        (self.path / "snapshots").mkdir(exist_ok=True)
        write_atomically(self.path / "snapshots" / f"epoch-{epoch:06d}.safetensors", model_bytes(model))

    def snapshots(self) -> list[tuple[int, Path]]:
        """(epoch, model file) of all snapshots, in order."""
        return [(int(path.stem.split("-")[1]), path) for path in sorted((self.path / "snapshots").glob("epoch-*"))]

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Put the outcome into summary.json, whole or not at all."""
        write_atomically(self.path / SUMMARY, (as_json(summary, indent=2) + "\n").encode())


def _record(line: bytes) -> dict[str, float]:
    """The record in a line of metrics.jsonl; nothing where it is none."""
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) and isinstance(record.get("epoch"), int) else {}


def _as_written(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration without the numbers of trials where these are not drawn, but own data or a data set."""
    name = config["task"].get("name", "")
    if name != OWN_DATA and not issubclass(tasks.TASKS.get(name, tasks.Task), tasks.RecordedTask):
        return config
    return config | {"training": {key: value for key, value in config["training"].items() if key not in _DRAWN}}


def _more_epochs(theirs: dict[str, Any], ours: dict[str, Any]) -> int:
    """How many epochs more the one table training asks for than the other."""
    return max(0, int(ours.get("epochs", 0)) - int(theirs.get("epochs", 0)))


def _until_extended(made_with: dict[str, Any]) -> dict[str, Any]:
    """A configuration without what extending a run changes: an epoch depends on how many the schedule spans alone."""
    training = dict(made_with["training"])
    epochs = training.pop("epochs", None)
    return {**made_with, "training": {**training, "schedule_epochs": training.get("schedule_epochs", epochs)}}


def _differences(theirs: dict[str, Any], ours: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key in sorted(theirs.keys() | ours.keys()):
        a, b = theirs.get(key), ours.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += _differences(a, b, f"{prefix}{key}.")
        elif a != b:
            found.append(f"{prefix}{key} ({a!r} there, {b!r} here)")
    return found
