"""An experiment: a task, a model and settings, from a flat set of keys or from a TOML file."""

import dataclasses
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gnode import tasks
from gnode.data import model_defaults
from gnode.errors import InvalidInput, check_known, must_have
from gnode.fields import FIELDS
from gnode.files import path_of
from gnode.integrate import INTERPOLATIONS, integrator_kind, integrators
from gnode.models import Model, ModelConfig, draw, load_model, model_table, readable, refuse_unread
from gnode.models.initial import INITIAL_STATES
from gnode.nn.activations import ACTIVATIONS
from gnode.series import PARTS, Data
from gnode.training.directory import CONFIG, OWN_DATA, SHA256, RunDirectory
from gnode.training.keys import FROM_THE_TASK, keys
from gnode.training.losses import LOSSES
from gnode.training.programs import check_programs
from gnode.training.progress import Watcher
from gnode.training.schedules import SCHEDULES
from gnode.training.settings import Settings
from gnode.training.train import Run, Snapshot, train

SECTIONS = ("task", "model", "training")
# Of a model and of training on the user's own table, whatever is in it.
_OWN_STATE_SIZE, _OWN_HIDDEN = 64, (128,)
_OWN_TRAINING = {"epochs": 100, "lr": 5e-3, "weight_decay": 0.1}


@dataclass(frozen=True)
class Experiment:
    """One run, ready to start. All of it has been checked."""

    task: tasks.Task | tasks.RecordedTask | Data
    model: ModelConfig
    seed: int  # of the model's weights
    settings: Settings
    start: Model | None = None  # where training starts; None for what the configuration and the seed draw


def experiment_from(source: str, options: dict[str, Any], start: str | Path | None = None) -> Experiment:
    """An experiment from a task's name or a TOML file, with flat keys on top.

    Args:
        source: the name of a task (gnode.tasks.make), or the path of a file with the tables [task] (with its name),
            [model] and [training]; a run directory's config.toml is such a file. Where the task is "own data", its
            trials lie in the folder data beside the file (gnode.series.Data.save). A task of the user's own,
            "my_tasks.py:DMS", is looked for beside the file.
        options: any keys of the task, of ModelConfig or of Settings. `seed` sets the model's and the training's.
        start: a run directory or a model file, from whose weights training starts; its keys are the model's.

    Raises:
        InvalidInput: an unknown key (with the nearest), or a value that cannot be; a run directory whose task.py
            nobody trusts yet (gnode.tasks.trust).
    """
    if not isinstance(source, str) or not isinstance(options, dict):
        must_have("the name of a task or of a file, and a dictionary of options", f"{source!r} and {options!r}")
    file = path_of(source) if source.endswith(".toml") else None
    if file is None and Path(source).suffix and not tasks.is_own(source) and not source.endswith(".py"):
        must_have(
            "a task, an experiment (.toml), or a table with --target, the column that is to be predicted",
            source,
            "As: gnode train my.csv --target label --series id --time t --out runs/mine.",
        )
    tables = {"task": {"name": source}} if file is None else _read(file)
    if file is not None:
        check_programs(file, tables)
    own: Data | tasks.Definition | None = None
    if file is not None and tables.get("task", {}).get("name") == OWN_DATA:
        own = RunDirectory(file.parent).data()
    elif file is not None and file.name == CONFIG and "gnode" in tables:
        own = RunDirectory(file.parent).kept_task()
    folder = Path() if file is None else file.parent
    model = None
    if start is not None:
        model = load_model(start)
        theirs = {key: value for key, value in model_table(model).items() if key not in FROM_THE_TASK}
        tables = {**tables, "model": theirs | tables.get("model", {})}
    elif file is not None and file.name == CONFIG and "gnode" in tables:
        model = RunDirectory(folder).start()
    experiment = assemble(tables, options, own, folder)
    if model is not None:
        _check_start(experiment, model)
        experiment = dataclasses.replace(experiment, start=model)
    if start is None and "gnode" not in tables:  # written by a person, not by a run, whose file has every key
        refuse_unread(experiment.model, tables.get("model", {}))
    return experiment


def experiment_on(data: Data, options: dict[str, Any]) -> Experiment:
    """An experiment on own data: keys that suit them (gnode.data.model_defaults), with flat keys on top.

    Raises:
        InvalidInput: as `experiment_from`.
    """
    sizes = readable(str(options.get("model", "gnode")), {"state_size": _OWN_STATE_SIZE, "hidden": list(_OWN_HIDDEN)})
    model = {"model": "gnode", **sizes, **model_defaults(data)}
    training = {**_OWN_TRAINING, "batch_size": min(32, max(1, len(data.train) // 8))}
    return assemble({"task": {"name": OWN_DATA}, "model": model, "training": training}, options, data)


def assemble(
    tables: dict[str, Any],
    options: dict[str, Any],
    own: Data | tasks.Definition | None = None,
    folder: Path = Path(),
) -> Experiment:
    """An experiment from the tables task, model and training, with flat keys on top.

    An option that the model never reads is refused. One in the tables is not: those of a sweep are for all its models.

    Args:
        own: the data, where the task is "own data"; where the task is defined, if that is known already.
        folder: where the path of a task of the user's own starts.
    """
    task_table, model_table, training_table = (dict(tables.get(section, {})) for section in SECTIONS)
    name = task_table.pop("name", None)
    if name is None:
        must_have("a task's name in the table [task]", "none")
    data = own if isinstance(own, Data) else None
    sha256 = task_table.pop(SHA256, None)
    if data is not None:
        task_table = {}  # how many trials there are is said for the reader
    kind = None
    if data is None:
        kind = own.load() if isinstance(own, tasks.Definition) else tasks.kind_of(name, folder)
    known = _known_keys(kind)
    if taken := {*known["task"]} & {*known["model"], *known["training"], "name", SHA256}:
        must_have(f"names of their own for the options of {name}", f"{sorted(taken)[0]!r}, which means something else")
    for table, section in zip((task_table, model_table, training_table), SECTIONS, strict=True):
        table |= by_section(kind, options)[section]
        _check_keys(table, known[section])
    task: tasks.Task | tasks.RecordedTask | Data
    if kind is not None:
        task = tasks.made_of(kind, name, task_table)
        _check_same(task, name, sha256)
    else:
        assert data is not None
        task = data
    written_by_a_run = all(key in model_table for key in FROM_THE_TASK)  # then what is left out has gnode's own default
    suited = {}
    if isinstance(task, tasks.RecordedTask) and not written_by_a_run:
        suited = readable(str(model_table.get("model", "gnode")), task.training_defaults)
    settings = Settings(**{key: suited[key] for key in suited if key in known["training"]} | training_table)
    seed = model_table.pop("seed", settings.seed)
    sizes = _sizes(task)
    if data is not None and "output_size" in model_table:
        sizes["output_size"] = model_table["output_size"]  # more than the targets need: classes that do not occur, ...
    for key, size in sizes.items():
        if model_table.get(key, size) != size:
            must_have(f"{key} {size}, as the task {name} has", model_table[key])
    defaults: dict[str, Any] = {"model": "gnode", "state_size": max(sizes["output_size"], 2)}
    defaults |= {key: suited[key] for key in suited if key in known["model"]}
    config = ModelConfig(**{**defaults, **model_table, **sizes})
    refuse_unread(config, options)
    return Experiment(task, config, seed, settings)


def _known_keys(kind: type[tasks.Task] | type[tasks.RecordedTask] | None) -> dict[str, list[str]]:
    """The keys of the tables task, model and training; `kind` is the task's, None for own data."""
    return {
        "task": [] if kind is None else [item.name for item in dataclasses.fields(kind) if item.init],
        "model": [*(item.name for item in dataclasses.fields(ModelConfig)), "seed"],
        "training": [item.name for item in dataclasses.fields(Settings)],
    }


def by_section(
    kind: type[tasks.Task] | type[tasks.RecordedTask] | None, options: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Flat keys in the tables task, model and training. `seed` is the model's and the training's.

    Args:
        kind: of the task; None for own data.

    Raises:
        InvalidInput: an unknown key, with the nearest.
    """
    known = _known_keys(kind)
    tables: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for key, value in options.items():
        _check_keys([key], [name for names in known.values() for name in names if name not in FROM_THE_TASK])
        for section in ("model", "training") if key == "seed" else SECTIONS:
            if key in known[section]:
                tables[section][key] = value
    return tables


def _check_start(experiment: Experiment, model: Model) -> None:
    """Raises InvalidInput where a model is not what the experiment says."""
    theirs, ours = model.config.as_dict(), experiment.model.as_dict()
    if odd := [key for key in ours | theirs if ours.get(key) != theirs.get(key)]:
        there = f"{odd[0]} {theirs.get(odd[0])!r}, as the model has that training starts from"
        must_have(there, repr(ours.get(odd[0])), "Leave it out.")


def _check_same(task: tasks.Task | tasks.RecordedTask, name: str, sha256: object) -> None:
    """Raises InvalidInput where a task is not defined by the file of this digest."""
    definition = tasks.definition_of(task)
    if sha256 is not None and (definition is None or definition.sha256 != sha256):
        must_have(f"the file of {name} as it was, with SHA-256 {sha256}", "another", f"Or leave {SHA256} out.")


def _sizes(task: tasks.Task | tasks.RecordedTask | Data) -> dict[str, int]:
    """How many inputs and outputs a model of the task has; for own data, the fewest outputs that the targets need."""
    if not isinstance(task, Data):
        return {"input_size": task.input_size, "output_size": task.output_size}
    targets = [getattr(task, part).targets for part in PARTS]
    classes = targets[0].dtype.kind == "i"
    fewest = max(1 + max(int(one.max()) for one in targets), len(task.classes)) if classes else 0
    outputs = fewest if classes else targets[0].shape[-1]
    return {"input_size": task.train.series.channels, "output_size": outputs}


def train_experiment(
    experiment: Experiment,
    *,
    out: Path,
    resume: bool,
    watcher: Watcher,
    extend: int = 0,
    snapshot: Snapshot | None = None,
) -> Run:
    """Draw the model and train it into a run directory."""
    settings = {item.name: getattr(experiment.settings, item.name) for item in dataclasses.fields(Settings)}
    model = experiment.start or draw(experiment.model, experiment.seed)
    return train(
        model, experiment.task, out=out, resume=resume, extend=extend, watcher=watcher, snapshot=snapshot, **settings
    )


def catalogues() -> dict[str, dict[str, str]]:
    """What there is to choose from, name by name, with a line about each (empty where the name says it all)."""
    return {
        "models": {name: kind.summary for name, kind in FIELDS.items()},
        "tasks": {name: kind.summary for name, kind in tasks.TASKS.items()},
        "activations": dict.fromkeys(ACTIVATIONS, ""),
        "losses": {name: loss.summary for name, loss in LOSSES.items()},
        "integrators": {name: integrator_kind(name).summary for name in integrators()},
        "interpolations": {name: kind.summary for name, kind in INTERPOLATIONS.items()},
        "schedules": dict.fromkeys(SCHEDULES, ""),
        "initial-states": dict.fromkeys(INITIAL_STATES, ""),
        "keys": {name: key.in_short for name, key in keys().items()},
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        tables = tomllib.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        must_have("an experiment file", f"nothing at {path}")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"Must have TOML in {path}, instead got: {error}.") from error
    tables.pop("made_from", None)  # of a run directory: what comes out is made anew
    for section, table in tables.items():
        if section == "gnode":
            continue
        if section not in SECTIONS or not isinstance(table, dict):
            must_have(f"only the tables {', '.join(SECTIONS)} in {path}", repr(section))
    return tables


def _check_keys(keys: Iterable[str], known: list[str]) -> None:
    check_known(keys, known, "a known key", "See: gnode list keys.")
