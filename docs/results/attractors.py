"""The table of attractors, five models by five planar tasks, from the runs of a sweep.

python docs/results/attractors.py RUNS_DIR OUT.md

RUNS_DIR holds run directories (with N = 2). Of the runs of a task and model the one with the lowest validation loss is
analysed; a missing one is a gap. Beside OUT.md a picture is written, OUT.png.
"""

import json
import math
import sys
import time
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from machine import measured_on

import gnode
from gnode import analysis, tasks
from gnode.errors import GnodeError
from gnode.training import RunDirectory

TASKS = ("ring", "disk", "square", "rectangle", "fixed-amplitude")
MODELS = ("gnode", "node", "gru", "mgru", "rnn")
SOON, LATE = 100, 10_000
HEADER = (
    "| task | model | kind after 100 bins | after 10,000 | dimension | drift per bin | half-life (bins) "
    "| distinct values | coverage | Hausdorff | RMS error | test MSE | seed |"
)


def best_runs(folder: Path) -> dict[tuple[str, str], tuple[Path, dict, dict]]:
    """(task, model) to the run with the lowest validation loss, its configuration and its summary."""
    best: dict[tuple[str, str], tuple[Path, dict, dict]] = {}
    for path in sorted(file.parent for file in folder.glob("*/summary.json")):
        config, summary = RunDirectory.open(path).config(), json.loads((path / "summary.json").read_text())
        key = (config["task"]["name"], config["model"]["model"])
        if config["model"]["state_size"] == 2 and (key not in best or summary["val_loss"] < best[key][2]["val_loss"]):
            best[key] = (path, config, summary)
    return best


def row(key: tuple[str, str], run: tuple[Path, dict, dict], axes: plt.Axes) -> str:
    """A line of the table; the flow field and the survivors go into the picture."""
    path, config, summary = run
    model = gnode.load(path)
    options = {name: value for name, value in config["task"].items() if name != "name"}
    task = tasks.make(key[0], **options)
    soon = analysis.attractor(model, task, silence=SOON)
    draw(axes, model, soon)
    try:
        late = analysis.attractor(model, task, silence=LATE, memory=soon.memory)
        later = late.kind + (f" ({late.escaped} of 360 escape)" if late.escaped else "")
    except GnodeError as error:
        later = str(error)
    cells = [
        *key,
        soon.kind,
        later,
        str(soon.dimension),
        f"{soon.drift:.1e}",
        "> 10,000" if math.isinf(soon.half_life) else f"{soon.half_life:.0f}",
        str(soon.distinct),
        f"{soon.coverage:.2f}",
        f"{soon.hausdorff:.2f}",
        f"{soon.rms_error:.3f}",
        f"{summary['test_loss']:.1e}",
        str(config["training"]["seed"]),
    ]
    return "| " + " | ".join(cells) + " |"


def draw(axes: plt.Axes, model: gnode.models.Model, found: analysis.Attractor) -> None:
    """Streamlines of the flow without input, and the states after SOON silent bins."""
    low, high = found.memory.states[0].min(axis=0), found.memory.states[0].max(axis=0)
    low, high = low - 0.2 * (high - low), high + 0.2 * (high - low)
    x, y = (np.linspace(low[axis], high[axis], 25) for axis in (0, 1))
    nodes = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    flow = np.asarray(model.field_at(np.zeros(model.config.input_size))(nodes)).reshape(25, 25, 2)
    axes.streamplot(x, y, flow[..., 0], flow[..., 1], density=0.5, linewidth=0.4, arrowsize=0.4, color="#8fa3b8")
    axes.scatter(*found.states.T, s=2, color="#d9480f", zorder=3)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("Usage: python docs/results/attractors.py RUNS_DIR OUT.md")
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    runs = best_runs(folder)
    if not runs:
        sys.exit(f"Must have a folder with finished runs of N = 2, instead got {folder}, which holds none.")
    figure, grid = plt.subplots(len(TASKS), len(MODELS), figsize=(9, 9), squeeze=False)
    lines, began = [], time.perf_counter()
    for across, task in zip(grid, TASKS, strict=True):
        for axes, model in zip(across, MODELS, strict=True):
            axes.set(xticks=[], yticks=[])
            axes.set_title(f"{task}, {model}", fontsize=6)
            if (task, model) in runs:
                lines.append(row((task, model), runs[task, model], axes))
                axes.set(xticks=[], yticks=[])
                print(lines[-1], flush=True)
    figure.tight_layout(pad=0.4)
    picture = out.with_suffix(".png")
    figure.savefig(picture, dpi=80)
    page = f"""# Attractors of five models on five tasks

Two units (N = 2), frozen without input. Of the runs of each task and model that with the lowest validation loss is
shown. Dimension, drift, distinct values, coverage, Hausdorff distance and RMS error are those after {SOON} silent bins
(360 values of the task's manifold are written); the half-life is that of the number of distinct values (cells of 0.02).

{HEADER}
|{"---|" * (HEADER.count("|") - 1)}
{chr(10).join(lines)}

![Flow without input, and the states after {SOON} silent bins]({picture.name})

Made by `python docs/results/attractors.py runs/planar/runs docs/results/{out.name}` from [the planar
sweep](planar.md), on {measured_on()} {(time.perf_counter() - began) / max(len(lines), 1):.0f} s of analysis a run.
"""
    out.write_text(page)


if __name__ == "__main__":
    main()
