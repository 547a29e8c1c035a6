"""Made tests/pins/data, once, with the code of version 0.1.0 (commit c54d473), on one XLA thread:

    NPROC=1 XLA_FLAGS=--xla_cpu_multi_thread_eigen=false JAX_PLATFORMS=cpu python tests/pins/make.py

It is kept to say what the files are. It uses the insides of that version and is not to be run with another one: what
was written then is what later versions must read, resume and predict.

    runs.zip          NAME/finished and, of some, NAME/interrupted (after epoch 2) are directories of the same run;
                      NAME/prediction.npz has inputs, first_targets, states, outputs; flow and map at states `probes`;
                      NAME/data.npz has the user's own trials, where the run was trained on such
    sweep.zip         experiment.toml; whole/ is its finished sweep; half/ is as a killed one is left: two runs done,
                      one interrupted after epoch 2, one not begun
    expressivity.zip  plan.toml and the directory `measurement`
    draws.json        digests of the tasks' trials at default options
    orders.json       the trials of every minibatch
    run_ids.json      ids of the experiments' runs: how many, digest of all, first and last
    metrics.json      three epochs of every model on the ring task
    commands.json     what commands answer with --json; "..." stands for what is not the same everywhere or for ever
"""

import contextlib
import hashlib
import io
import json
import os
import runpy
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import internals
import numpy as np
from gnode.training.grid import read_plan
from gnode.training.sweep import Job, PauseAfter, run_sweep, train_in_place

import gnode
from gnode.training import Interrupted
from gnode.training.experiment import assemble, train_experiment

DATA = Path(__file__).parent / "data"
RING = {"name": "ring", "bins": 8, "frequency": 3.0}
MEMORY = {"name": "variable-amplitude", "bins": 8, "frequency": 3.0, "bits": 1}
TRAINING = dict(epochs=4, batch_size=4, train_trials=10, validation_trials=5, test_trials=5, warmup_epochs=1)
CLASSES, LENGTHS = "cross-entropy", "last-step-cross-entropy"

# Every model with every initial state; every loss with every model and with every initial state that it allows; every
# switch at least twice, with different models. The first is also what the commands are tried on. Seeds are such
# that float32 and float64 predict the same to 6e-7 of its size: 1e-6 leaves room for another processor's rounding.
RUNS: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "ring": (RING, dict(model="gnode", state_size=2, hidden=[4]), dict(epochs=30)),
    "gnode-learned": (
        CLASSES,
        dict(state_size=3, hidden=[4], gate_hidden=[3], activation="swish", layer_norm=True),
        {},
    ),
    "gnode-fixed-random": (
        LENGTHS,
        dict(state_size=2, hidden=[4], activation="tanh", leak=False, gain=True, gate_bias=-1.0),
        dict(schedule="constant"),
    ),
    "gnode-first-input": (
        RING,
        dict(state_size=2, hidden=[4], critical=True, readout_hidden=[3], initial_hidden=[4], seed=2),
        dict(snapshot_every=2),
    ),
    "gnode-first-target": (
        RING,
        dict(state_size=3, hidden=[4], activation="gelu", candidate_activation="tanh", dt=0.006, tau=0.02),
        dict(clip=0.0),
    ),
    "gnode-first-input-deep": (
        CLASSES,
        dict(state_size=4, hidden=[4, 3], gate_activation="steep-sigmoid", gain=True, gradient="autodiff"),
        dict(curriculum=[[1, 4], [2, 8]]),
    ),
    "node-learned": (
        MEMORY,
        dict(state_size=2, hidden=[4], gain=True, dt=0.007, tau=0.01),
        dict(curriculum=[[1, 5], [3, 8]]),
    ),
    "node-fixed-random": (CLASSES, dict(state_size=4, hidden=[4], activation="sigmoid", layer_norm=True, seed=1), {}),
    "node-first-input": (
        LENGTHS,
        dict(
            state_size=3,
            hidden=[4],
            activation="steep-sigmoid",
            candidate_activation="tanh",
            leak=False,
            readout_hidden=[3],
            initial_hidden=[3],
        ),
        dict(schedule="cosine"),
    ),
    "node-first-target": (RING, dict(state_size=4, hidden=[], critical=True), dict(weight_decay=0.0)),
    "mgru-learned": (LENGTHS, dict(state_size=3, gate_bias=-0.5, layer_norm=True, seed=2), {}),
    "mgru-fixed-random": (MEMORY, dict(state_size=2, gain=True, dt=0.003, tau=0.01), dict(seed=3)),
    "mgru-first-input": (
        CLASSES,
        dict(state_size=2, leak=False, gate_activation="steep-sigmoid", readout_hidden=[3], activation="gelu"),
        {},
    ),
    "mgru-first-target": (
        RING,
        dict(state_size=3, candidate_activation="sigmoid", initial_hidden=[3], activation="swish"),
        dict(patience=3),
    ),
    "gru-learned": (RING, dict(state_size=4, layer_norm=True, seed=6), {}),
    "gru-fixed-random": (LENGTHS, dict(state_size=3, gain=True, dt=0.02, tau=0.05), dict(clip=0.1)),
    "gru-first-input": (MEMORY, dict(state_size=4, critical=True, gate_bias=-1.0, gradient="autodiff"), {}),
    "gru-first-target": (
        RING,
        dict(
            state_size=2,
            leak=False,
            candidate_activation="identity",
            gate_activation="steep-sigmoid",
            readout_hidden=[3],
            seed=1,
        ),
        {},
    ),
    "gru-first-input-classes": (CLASSES, dict(state_size=2, initial_hidden=[3], activation="identity"), {}),
    "rnn-learned": (CLASSES, dict(state_size=2, gain=True), dict(schedule="constant")),
    "rnn-fixed-random": (MEMORY, dict(state_size=4, layer_norm=True, seed=1), {}),
    "rnn-first-input": (LENGTHS, dict(state_size=3, candidate_activation="relu", dt=0.004, tau=0.01), {}),
    "rnn-first-target": (
        RING,
        dict(state_size=2, leak=False, initial_hidden=[3], activation="tanh"),
        dict(warmup_epochs=0, final_fraction=0.1),
    ),
}

# Of these the interrupted run is kept too: every model, initial state, loss and door (own data, the command) once.
INTERRUPTED = {
    "gnode-fixed-random",
    "gnode-first-input",
    "node-learned",
    "mgru-first-target",
    "gru-first-input",
    "gru-first-input-classes",
    "rnn-fixed-random",
}

SWEEP = """# Two models, two seeds
[task]
name = "ring"
bins = 8
frequency = 3.0

[training]
epochs = 4
batch_size = 4
train_trials = 10
validation_trials = 5
test_trials = 5

[grid]
model = [{ model = "gnode", hidden = [4] }, "rnn"]

[sweep]
seeds = 2
"""

PLAN = """preset = "quick"
architectures = ["rnn", { model = "node", hidden = [3] }]
state_sizes = [2]
complexities = [2, 4]
count = 2
bins = 8
durations = [4.0]
steps = [20]
restarts = 1
resamples = 20
"""

QUICK = (
    "--hidden 4 --epochs 2 --batch-size 4 --set bins=8 --set frequency=3 --set train_trials=10 "
    "--set validation_trials=5 --set test_trials=5"
)
COMMANDS = {
    "train": f"train ring {QUICK} --out {{new}}",
    "evaluate": "evaluate {runs}/ring/finished --trials 5",
    "evaluate-silence": "evaluate {runs}/ring/finished --trials 5 --silence 5",
    "analyse": "analyse {runs}/ring/finished",
    "report": "report {runs}/ring/finished",
    "sweep": "sweep {sweep}/experiment.toml --out {sweep}/half --resume --workers 1",
    "expressivity": "expressivity --config {expressivity}/plan.toml --out {expressivity}/measurement --resume "
    "--workers 1",
    **{
        f"list-{what}": f"list {what}"
        for what in ("models", "tasks", "experiments", "activations", "losses", "schedules", "initial-states", "keys")
    },
}
VOLATILE = {"seconds", "directory", "report", "gnode", "platform", "versions", "model_sha256", "arrays_sha256"}
# How the searches of `analyse` went, and words: what they found is pinned.
VOLATILE |= {"starts", "converged", "unfinished", "tolerance", "jacobian_error", "evidence", "text"}
# Prose, of which the names alone are pinned.
PROSE = {"list-models", "list-tasks", "list-experiments"}


def own_data(loss: str, seed: int) -> dict[str, np.ndarray]:
    """Three classes: of every bin, by the running sum of a noise; or of a trial whose length is its own."""
    random = np.random.default_rng(seed)
    arrays = {}
    for part, trials in (("train", 10), ("validation", 5), ("test", 5)):
        inputs = random.standard_normal((trials, 8, 2)).astype(np.float32)
        classes = np.digitize(inputs.sum(axis=-1).cumsum(axis=1), (-1.0, 1.0))
        lengths = random.integers(4, 9, trials)
        arrays[f"{part}.inputs"] = inputs
        arrays[f"{part}.mask"] = np.arange(8) < lengths[:, None]
        arrays[f"{part}.targets"] = classes if loss == CLASSES else classes[np.arange(trials), lengths - 1]
    return arrays


def make_run(folder: Path, source: Any, model: dict[str, Any], training: dict[str, Any]) -> None:
    """One run finished, for some the same run interrupted, and what it predicts."""
    settings = {**TRAINING, **training}
    folder.mkdir(parents=True)
    stops = {"finished": None, "interrupted": 2} if folder.name in INTERRUPTED else {"finished": None}
    for name, stop in stops.items():
        with contextlib.suppress(Interrupted):
            if isinstance(source, dict):
                experiment = assemble({"task": source, "model": model, "training": settings}, {})
                train_experiment(experiment, out=folder / name, resume=False, watcher=PauseAfter(stop))
            else:
                arrays = own_data(source, seed=settings.get("seed", 0))
                np.savez_compressed(folder / "data.npz", **arrays)
                sizes = {"input_size": 2, "output_size": 3}
                gnode.train(
                    internals.fresh_model({**model, **sizes}),
                    internals.data(arrays),
                    out=folder / name,
                    watcher=PauseAfter(stop),
                    loss=source,
                    **{key: value for key, value in settings.items() if not key.endswith("_trials")},
                )
    trained = gnode.load(folder / "finished")
    random = np.random.default_rng(0)

    def noise(*shape: int) -> np.ndarray:
        return random.standard_normal(shape).astype(np.float32)

    # Noise, since trials of memory tasks begin with silence, which tells nothing of a state that is made of it.
    inputs = noise(3, 8, trained.config.input_size)
    told = trained.config.initial_state == "first-target"
    first_targets = noise(3, trained.config.output_size) if told else None
    states, outputs = internals.predict(trained, inputs, first_targets)
    held = inputs[0, 0]
    probes = 2 * noise(5, trained.config.state_size)  # where the model settles a flow is a small difference
    np.savez_compressed(
        folder / "prediction.npz",
        inputs=inputs,
        states=states,
        outputs=outputs,
        held=held,
        probes=probes,
        flow=np.asarray(trained.field_at(held)(probes)),
        map=np.asarray(trained.map_at(held)(probes)),
        **({"first_targets": first_targets} if told else {}),
    )


def make_sweep(folder: Path) -> None:
    (folder / "experiment.toml").write_text(SWEEP)
    plan = read_plan(str(folder / "experiment.toml"))
    run_sweep(plan, folder / "whole", workers=1)
    shutil.copytree(folder / "whole", folder / "half")
    _, begun, _, absent = plan.runs
    for run in (begun, absent):
        shutil.rmtree(folder / "half" / "runs" / run.id)
    train_in_place(folder / "half" / "runs", Job(begun.id, begun.config, 2))
    for table in ("results.parquet", "epochs.parquet"):
        (folder / "half" / table).unlink()


def make_expressivity(folder: Path) -> None:
    (folder / "plan.toml").write_text(PLAN)
    answer(f"expressivity --config {folder}/plan.toml --out {folder}/measurement --workers 1")
    (folder / "measurement" / "report.html").unlink()


def answer(line: str) -> Any:
    """What a command prints with --json."""
    printed = io.StringIO()
    sys.argv = ["gnode", *line.split(), "--json"]
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        runpy.run_module("gnode", run_name="__main__")
    return json.loads(printed.getvalue())


def reduced(value: Any, volatile: set[str]) -> Any:
    """The answer with "..." in the place of what is not the same everywhere."""
    if isinstance(value, dict):
        return {key: "..." if key in volatile else reduced(value[key], volatile) for key in sorted(value)}
    return [reduced(item, volatile) for item in value] if isinstance(value, list) else value


def make_commands(folders: dict[str, Path]) -> dict[str, Any]:
    found = {}
    for name, line in COMMANDS.items():
        told = answer(line.format(**folders))
        if name == "analyse":  # of this run nothing is left after silence but rounding, whose shape is no fact
            told["attractors"] = [dict.fromkeys(item, "...") for item in told["attractors"]]
        found[name] = {"line": line, "answer": reduced(told, set(told) if name in PROSE else VOLATILE)}
    return found


def make_draws() -> dict[str, Any]:
    def of(array: np.ndarray) -> list[Any]:
        return [str(array.dtype), list(array.shape), hashlib.sha256(np.ascontiguousarray(array)).hexdigest()]

    draws = {}
    drawn = [name for name, kind in gnode.tasks.TASKS.items() if issubclass(kind, gnode.tasks.Task)]
    for name in drawn:
        for seed in range(3):
            trials = gnode.tasks.make(name).sample(20, seed=seed)
            draws[f"{name} {seed}"] = {"inputs": of(trials.inputs), "targets": of(trials.targets)}
    return draws


def make_orders() -> list[dict[str, Any]]:
    return [
        {"seed": seed, "epoch": epoch, "order": internals.minibatches(10, epoch, seed=seed, batch_size=4).tolist()}
        for seed in range(3)
        for epoch in range(1, 4)
    ]


def make_run_ids() -> list[dict[str, Any]]:
    found = []
    for experiment in ("fixed-amplitude", "planar", "variable-amplitude-6", "variable-amplitude-100"):
        for preset in ("quick", "paper"):
            ids = internals.run_ids(experiment, preset)
            digest = hashlib.sha256("\n".join(ids).encode()).hexdigest()
            found.append(
                {
                    "experiment": experiment,
                    "preset": preset,
                    "count": len(ids),
                    "sha256": digest,
                    "first": ids[0],
                    "last": ids[-1],
                }
            )
    return found


def make_metrics(folder: Path) -> dict[str, Any]:
    found = {}
    for name in ("gnode", "node", "mgru", "gru", "rnn"):
        hidden = {"hidden": [6]} if name in ("gnode", "node") else {}
        model = dict(model=name, input_size=2, state_size=3, output_size=2, seed=1, **hidden)
        settings = {**TRAINING, "epochs": 3, "train_trials": 20, "seed": 1}
        gnode.train(
            internals.fresh_model(model),
            gnode.tasks.make("ring", bins=12, frequency=3.0),
            out=folder / name,
            **settings,
        )
        lines = [
            {key: line[key] for key in ("train_loss", "val_loss", "lr")} for line in internals.metrics(folder / name)
        ]
        found[name] = {"model": model, "settings": settings, "lines": lines}
    return found


def pack(folder: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name not in ("report.html", ".lock"):
                entry = zipfile.ZipInfo(str(path.relative_to(folder)), (2025, 1, 1, 0, 0, 0))
                file.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


def main() -> None:
    if os.environ.get("NPROC") != "1" or "multi_thread_eigen=false" not in os.environ.get("XLA_FLAGS", ""):
        sys.exit("Must have one XLA thread: see the top of this file.")
    DATA.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folders = {name: Path(temporary) / name for name in ("runs", "sweep", "expressivity", "new", "metrics")}
        for name in ("sweep", "expressivity"):
            folders[name].mkdir()
        for name, (source, model, training) in RUNS.items():
            kind, _, initial = name.partition("-")
            initial = initial.removesuffix("-deep").removesuffix("-classes") or "first-input"
            make_run(folders["runs"] / name, source, {"model": kind, "initial_state": initial, **model}, training)
        make_sweep(folders["sweep"])
        make_expressivity(folders["expressivity"])
        for name in ("runs", "sweep", "expressivity"):
            pack(folders[name], DATA / f"{name}.zip")
        tables = {
            "commands": make_commands(folders),
            "draws": make_draws(),
            "orders": make_orders(),
            "run_ids": make_run_ids(),
            "metrics": make_metrics(folders["metrics"]),
        }
        for name, table in tables.items():
            (DATA / f"{name}.json").write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
