"""Peers on the three real tasks: fills docs/results/real-tasks-peers.json, run by run; those that are there stay.

JAX_PLATFORMS=cpu NPROC=1 .venv-bench/bin/python docs/results/real-tasks-peers.py [EXPERIMENT ...]
"""

import itertools
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from machine import measured_on

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.peers import Network, train
from gnode import tasks
from gnode.files import write_atomically
from gnode.training import Settings

OUT = Path(__file__).with_suffix(".json")
RATES = {"gru": (5e-3, 1e-2, 2e-2), "gru-elapsed": (5e-3, 1e-2, 2e-2), "cfc": (2e-3, 5e-3, 1e-2), "ltc": (5e-3,)}
TUNING_SPLIT = 9
SEEDS = {"gru": 3, "gru-elapsed": 3, "cfc": 3, "ltc": 1}  # an epoch of LTC takes as long as whole runs of others


class Protocol(NamedTuple):
    """How peers are trained on a task: as the sweep of the same name says."""

    task: str
    settings: dict[str, Any]
    splits: tuple[int, ...]  # (0,) and no tuning on another one where the task has none
    options: tuple[dict[str, Any], ...]  # of the task, one table column each
    readout_hidden: tuple[int, ...]
    step: float  # seconds
    standard: bool
    kinds: tuple[str, ...]
    most_seconds: float


PROTOCOLS = {
    "characters": Protocol(
        "character-trajectories-half",
        {"epochs": 40, "batch_size": 32, "weight_decay": 0.1, "input_noise": 0.1, "warmup_epochs": 2},
        (0, 1, 2), ({"dropped": 0.7},), (), 0.005, True, ("gru", "gru-elapsed", "cfc", "ltc"), 300.0,
    ),
    "speech-commands": Protocol(
        "speech-commands",
        {"epochs": 20, "batch_size": 32, "weight_decay": 0.1, "warmup_epochs": 2},
        (0, 1, 2), ({},), (), 0.00625, True, ("gru", "cfc"), 600.0,
    ),
    "walker2d": Protocol(
        "walker2d",
        {"epochs": 20, "batch_size": 32, "weight_decay": 0.1, "warmup_epochs": 2},
        (0,), ({},), (128,), 0.008, False, ("gru", "gru-elapsed", "cfc"), 1200.0,
    ),
}  # fmt: skip
NAMES = {"gru": "torch-gru", "gru-elapsed": "torch-gru-elapsed", "cfc": "cfc", "ltc": "ltc"}
UNITS = 64


def main() -> None:
    stored = json.loads(OUT.read_text()) if OUT.exists() else {"measured_on": "", "runs": [], "tuning": []}

    def run(name: str, kind: str, split: int, seed: int, options: dict[str, Any], lr: float, where: str) -> dict:
        label = {"experiment": name, "model": NAMES[kind], "split": split, "seed": seed, "lr": lr, **options}
        for known in stored[where]:
            if all(known.get(key) == value for key, value in label.items()):
                return known
        protocol = PROTOCOLS[name]
        splits = {} if protocol.splits == (0,) else {"split": split}
        data = tasks.make(protocol.task, **options, **splits).data()
        classes = len(data.classes)
        sizes = data.train.series.channels, UNITS, classes or data.train.targets.shape[-1]
        trained = train(
            lambda: Network(kind, *sizes, "last" if classes else "each", protocol.readout_hidden),
            data, Settings(**protocol.settings, lr=lr, seed=seed),
            step=protocol.step, standard=protocol.standard, most_seconds=protocol.most_seconds,
        )  # fmt: skip
        answers, truth = trained.answer(data.test.series), data.test.targets
        if classes:
            scores = {"test_accuracy": float((answers.argmax(axis=1) == truth).mean())}
        else:
            scores = {"test_loss": float(((answers - truth) ** 2).mean())}
        stored[where].append(
            {
                **label, "state_size": UNITS, "val_loss": trained.validation, **scores,
                "parameters": trained.parameters, "epochs": trained.epochs, "seconds": round(trained.seconds, 1),
            }
        )  # fmt: skip
        stored["measured_on"] = measured_on()
        write_atomically(OUT, (json.dumps(stored, indent=1) + "\n").encode())
        print(where, stored[where][-1], flush=True)
        return stored[where][-1]

    chosen = sys.argv[1:] or list(PROTOCOLS)
    for seed, name in itertools.product(range(max(SEEDS.values())), chosen):
        protocol = PROTOCOLS[name]
        tuning = TUNING_SPLIT if len(protocol.splits) > 1 else 0
        for kind in protocol.kinds:
            if seed >= SEEDS[kind]:
                continue
            tried = {
                lr: run(name, kind, tuning, 9, protocol.options[0], lr, "tuning")["val_loss"] for lr in RATES[kind]
            }
            best = min(tried, key=lambda lr: tried[lr])
            for options, split in itertools.product(protocol.options, protocol.splits):
                run(name, kind, split, seed, options, best, "runs")


if __name__ == "__main__":
    main()
