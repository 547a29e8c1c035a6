"""Experiment files: one TOML file says which runs there are, and what is selected and compared.

    [task], [model], [training]   as for a single run
    [grid]                        axis = [values]; every combination is a run
    [sweep]                       seeds, select, compare, halving, reach
    [examine]                     what is measured on snapshots while runs train (gnode.examine.along)
    [primary]                     what is to be decided, and by which comparisons (gnode.sweeps.levels)
    [presets.NAME.TABLE]          what `--preset NAME` puts on top of the tables above

An axis is any key of a run: "lr", or with its table "training.lr"; "task" is the task's name. A value may be a table of
keys that change together: model = [{model = "gnode", hidden = [100, 100]}, {model = "rnn"}]. It goes by the key that
the axis is named after, or by what it is `called`.

See docs/sweeps.md.
"""

import copy
import hashlib
import itertools
import json
import math
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from gnode import tasks
from gnode.arguments import positive
from gnode.errors import InvalidInput, check_known, look_up, must_have
from gnode.examine.along import Examination, examination
from gnode.examine.evaluate import VALUES
from gnode.files import path_of
from gnode.models import tabulate
from gnode.sweeps.primary import Primary, part_name, primary
from gnode.training.experiment import SECTIONS, Experiment, assemble
from gnode.training.programs import check_programs
from gnode.training.train import configuration

MOST_RUNS = 100_000
CALLED = "called"  # a key of a value of an axis
OWN_TASKS = "own_tasks"  # a table of sweep.toml: the digests of files of the user's own
# Seconds on one core: a layer's step for a minibatch, a product of a forward pass, the dear examinations of a level.
_STEP, _PRODUCT, _DEAR = 5e-6, 2 / 6e10, 5.0
Tables = dict[str, Any]


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep.

    Attributes:
        id: a short hash of its configuration, and of nothing else.
        config: the tables task, model and training, defaults included, as its config.toml holds them.
        labels: its value on every axis, "seed" included.
        definition: of a task of the user's own.
    """

    id: str
    config: Tables
    labels: dict[str, Any]
    definition: tasks.Definition | None = None

    def name(self) -> str:
        """The run in words: "model rnn, lr 0.01, seed 0"."""
        return ", ".join(f"{axis} {value}" for axis, value in self.labels.items())


@dataclass(frozen=True)
class Plan:
    """A sweep before it is run. All of it has been checked.

    Attributes:
        tables: the experiment with the preset on top, as sweep.toml holds it.
        runs: every combination of the axes, in their order, the last axis fastest.
        axes: names of the axes without "seed".
        select: the axes over which, for each seed, the run with the lowest validation loss is taken.
        compare: the axis whose values are put side by side.
        halving: stop hopeless runs early.
        examination: what is measured along training; None for nothing.
        primary: what is to be decided; None for nothing.
        reach: the validation loss below which a run counts as having learned; None where nobody asks.
    """

    tables: Tables
    runs: list[PlannedRun]
    axes: list[str]
    select: list[str]
    compare: str
    halving: bool
    examination: Examination | None = None
    primary: Primary | None = None
    reach: float | None = None


def experiments() -> dict[str, str]:
    """The experiments that come with gnode, name by name, with a line about each (the first comment of the file)."""
    folder = files("gnode").joinpath("experiments")
    texts = {
        file.name.removesuffix(".toml"): file.read_text() for file in folder.iterdir() if file.name.endswith(".toml")
    }
    return {name: text.splitlines()[0].removeprefix("# ") for name, text in sorted(texts.items())}


def read_plan(source: str | Path, preset: str | None = None, halving: bool | None = None) -> Plan:
    """The sweep that an experiment file, or the name of an experiment that comes with gnode, describes.

    Args:
        preset: one of the file's; by default "quick" where the file has it, or none.
        halving: overrides the file's.

    Raises:
        InvalidInput: no such file or preset, an unknown key (with the nearest), an empty axis, equal runs, too many
            runs, or a value that cannot be; a sweep's directory whose files of tasks nobody trusts yet
            (gnode.tasks.trust).
    """
    if not isinstance(source, str | Path):
        must_have("the name of an experiment, or the path of a .toml file", repr(source))
    tables = _with_preset(_read(str(source)), preset)
    if halving is not None:
        tables["sweep"]["halving"] = halving
    return plan(tables, path_of(source).parent if str(source).endswith(".toml") else Path())


def plan(tables: Tables, folder: Path = Path()) -> Plan:
    """The sweep that the tables task, model, training, grid and sweep describe.

    Args:
        folder: where the paths of tasks of the user's own start.
    """
    known = (*SECTIONS, "grid", "sweep", "examine", "primary", OWN_TASKS)
    if not isinstance(tables, dict):
        must_have("tables: a dictionary of dictionaries", type(tables).__name__)
    check_known(tables, known, f"only the tables {', '.join(SECTIONS)}, grid, sweep, examine, primary and presets")
    for name, table in tables.items():
        if not isinstance(table, dict):
            must_have(f"{name} a table of keys", repr(table))
    usual = {"seeds": [0], "select": [], "compare": None, "halving": False, "reach": None}
    options = {**usual, **tables.get("sweep", {})}
    for key in options:
        look_up("key of [sweep]", key, dict.fromkeys((*usual, "about")))
    axes = {**tables.get("grid", {}), "seed": _seeds(options["seeds"])}
    _check_axes(axes, "seed" in tables.get("grid", {}))
    count = math.prod(map(len, axes.values()))
    if count > MOST_RUNS:
        sizes = " x ".join(f"{name} {len(values)}" for name, values in axes.items())
        must_have(f"at most {MOST_RUNS:,} runs", f"{count:,} ({sizes})", "Take values out, or sweep in parts.")
    names = [_short(name) for name in axes if name != "seed"]
    for key in ("select", "compare"):
        chosen = [options[key]] if isinstance(options[key], str) else options[key] or []
        if not isinstance(chosen, list | tuple):
            must_have(f"{key} the names of axes", repr(chosen))
        check_known(chosen, names, f"{key} among the axes {', '.join(names) or '(none)'}")
    if not isinstance(options["halving"], bool):
        must_have("halving true or false", repr(options["halving"]))
    compared = [name for name in names if name not in options["select"]]
    compare = options["compare"] or ("model" if "model" in compared or not compared else compared[0])
    wanted = examination(tables["examine"]) if "examine" in tables else None
    runs = list(_expand(_with_snapshots(tables, wanted), axes, folder))
    _check_different(runs)
    if own := _own_tasks(runs):
        if (theirs := tables.get(OWN_TASKS, own)) != own:
            must_have(f"the files of tasks as they were, with SHA-256 {theirs}", own, f"Or leave [{OWN_TASKS}] out.")
        tables = {**tables, OWN_TASKS: own}
    decided = None
    if "primary" in tables:
        parts = _parts(runs, [name for name in names if name not in (*options["select"], compare)])
        values = list(dict.fromkeys(run.labels.get(compare) for run in runs))
        decided = primary(tables["primary"], wanted, values, parts)
    reach = None if options["reach"] is None else float(positive("reach", options["reach"]))
    return Plan(tables, runs, names, list(options["select"]), compare, options["halving"], wanted, decided, reach)


def _parts(runs: list[PlannedRun], axes: list[str]) -> list[str]:
    """The names of what gnode.results.panels splits a sweep into."""
    found = list(dict.fromkeys(part_name({axis: run.labels[axis] for axis in axes}) for run in runs))
    return [""] if len(axes) == 1 and len(found) == 1 else found


def _with_snapshots(tables: Tables, wanted: Examination | None) -> Tables:
    """The tables whose runs keep the snapshots that are to be examined."""
    if wanted is None:
        return tables
    training = tables.get("training", {})
    if training.get("snapshot_every", wanted.every) != wanted.every:
        must_have(f"snapshot_every {wanted.every}, as [examine] has every", training["snapshot_every"], "Leave it out.")
    return {**tables, "training": {**training, "snapshot_every": wanted.every}}


def _own_tasks(runs: list[PlannedRun]) -> dict[str, str]:
    """The SHA-256 of each file of tasks of the user's own, by the name of the file."""
    found: dict[str, tasks.Definition] = {}
    for definition in (run.definition for run in runs if run.definition is not None):
        other = found.setdefault(definition.place, definition)
        if (other.folder, other.code) != (definition.folder, definition.code):
            both = f"{other.folder} and {definition.folder}"
            must_have("files of tasks with different names", f"two called {definition.place}, in {both}")
    return {place: definition.sha256 for place, definition in found.items() if definition.sha256 is not None}


def cost(config: Tables, wanted: Examination | None = None) -> float:
    """About how many seconds a run takes on one core, with its examinations: for the order of starts and the time
    left."""
    model, training = config["model"], config["training"]
    widths = [model["state_size"] + model["input_size"], *model.get("hidden", []), model["state_size"]]
    products = sum(a * b for a, b in itertools.pairwise(widths)) + sum(model.get("gate_hidden", []))
    batches = -(-training["train_trials"] // training["batch_size"])
    bins = config["task"].get("bins", 100)
    steps = training["epochs"] * bins
    seconds = steps * (batches * _STEP * len(widths) + training["train_trials"] * products * 3 * _PRODUCT)
    if wanted is None:
        return seconds
    samples = VALUES * max(wanted.silences, default=0) + wanted.trials * bins
    snapshots = training["epochs"] // wanted.every
    return seconds + snapshots * samples * products * _PRODUCT + _DEAR * len(wanted.at_losses)


def _read(source: str) -> Tables:
    if source.endswith(".toml"):
        try:
            text = path_of(source).read_text()
        except FileNotFoundError:
            must_have("an experiment file", f"nothing at {source}")
        except UnicodeDecodeError as error:
            raise InvalidInput(f"Must have TOML in {source}, instead got: {error}.") from error
    else:
        look_up("experiment (or the path of a .toml file)", source, experiments())
        text = files("gnode").joinpath("experiments", f"{source}.toml").read_text()
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"Must have TOML in {source}, instead got: {error}.") from error
    if source.endswith(".toml"):
        check_programs(path_of(source), tables)
    tables.pop("gnode", None)  # the version, in a sweep.toml
    for name, table in tables.items():
        if not isinstance(table, dict):
            must_have("only tables at the top of an experiment file", f"the key {name!r}")
    return tables


def _with_preset(tables: Tables, preset: str | None) -> Tables:
    presets = tables.pop("presets", {})
    if preset is None:
        preset = "quick" if "quick" in presets else None
    for name in ("grid", "sweep"):
        tables.setdefault(name, {})
    if preset is None:
        return tables
    for name, table in look_up("preset", preset, presets).items():
        tables[name] = {**tables.get(name, {}), **table}
    return tables


def _seeds(seeds: Any) -> list[int]:
    """Seeds as a list; a number n stands for 0 ... n - 1."""
    if isinstance(seeds, int) and not isinstance(seeds, bool):
        if not 1 <= seeds <= MOST_RUNS:
            must_have(f"seeds from 1 to {MOST_RUNS:,}, or a list of them", seeds)
        return list(range(seeds))
    if not isinstance(seeds, list):
        must_have("seeds a number of seeds or a list of them", repr(seeds))
    return seeds


def _check_axes(axes: dict[str, Any], seed_twice: bool) -> None:
    if odd := [name for name in axes if not isinstance(name, str)]:
        must_have("axes by name", repr(odd[0]))
    if seed_twice:
        must_have("seeds in [sweep]", "an axis 'seed' in [grid]")
    for name, values in axes.items():
        if not isinstance(values, list):
            must_have(f"a list of values for the axis {name!r}", repr(values), "For one value write it in its table.")
        if not values:
            must_have(f"at least one value on the axis {name!r}", "none")
    shorts = [_short(name) for name in axes]
    if twice := [name for name in axes if shorts.count(_short(name)) > 1]:
        must_have("every axis once", " and ".join(map(repr, twice)))


def _expand(tables: Tables, axes: dict[str, list], folder: Path) -> Iterator[PlannedRun]:
    base = {name: tables.get(name, {}) for name in SECTIONS}
    for values in itertools.product(*axes.values()):
        chosen = dict(zip(axes, values, strict=True))
        experiment = _experiment(base, chosen, folder)
        config = configuration(experiment.task, tabulate(experiment.model, experiment.seed), experiment.settings)
        yield PlannedRun(
            hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12],
            config,
            {_short(name): _label(name, value) for name, value in chosen.items()},
            tasks.definition_of(experiment.task),
        )


def _experiment(base: Tables, chosen: dict[str, Any], folder: Path) -> Experiment:
    """The run with these values on the axes."""
    tables, options = copy.deepcopy(base), {}
    keys: dict[str, Any] = {}
    for axis, value in chosen.items():
        keys |= {key: one for key, one in value.items() if key != CALLED} if isinstance(value, dict) else {axis: value}
    for key, value in keys.items():
        section, dot, inner = key.partition(".")
        if dot and section in SECTIONS:
            tables[section][inner] = value
        elif key == "task":
            tables["task"]["name"] = value
        else:
            options[key] = value
    experiment = assemble(tables, options, folder=folder)
    drawn = isinstance(experiment.task, tasks.Task)  # a data set has as many trials as it has
    if drawn and experiment.settings.batch_size > experiment.settings.train_trials:
        must_have(
            f"batch_size at most the {experiment.settings.train_trials} training trials", experiment.settings.batch_size
        )
    return experiment


def _label(axis: str, value: Any) -> Any:
    """What stands for a value of an axis in tables: of a table of keys, what it is called, or the one that the axis is
    named after."""
    if isinstance(value, dict) and CALLED in value:
        if not isinstance(value[CALLED], str):
            must_have(f"{CALLED} a text", repr(value[CALLED]))
        value = value[CALLED]
    elif isinstance(value, dict):
        named = {_short(key): item for key, item in value.items()}
        value = named.get(_short(axis), ", ".join(f"{key} {plain(item)}" for key, item in named.items()))
    return plain(value)


def plain(value: Any) -> Any:
    """A value that fits into one cell of a table: lists as text, "100,100"."""
    return json.dumps(value, separators=(",", ":")).strip("[]") if isinstance(value, (list, tuple, dict)) else value


def _short(axis: str) -> str:
    """The name of an axis without its table: "training.lr" is the column "lr", "task.name" the column "task"."""
    return "task" if axis == "task.name" else axis.rpartition(".")[2]


def _check_different(runs: list[PlannedRun]) -> None:
    first: dict[str, PlannedRun] = {}
    for run in runs:
        if run.id in first:
            both = " and ".join(f"({which.name()})" for which in (first[run.id], run))
            must_have("runs that differ", f"the same one twice: {both}")
        first[run.id] = run
