"""Write docs/results/expressivity.md and its pictures from finished expressivity directories.

python docs/results/expressivity.py DIR [DIR ...]; the pictures are of the first.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from machine import measured_on

from gnode.expressivity import load_result
from gnode.expressivity.result import Result
from gnode.expressivity.words import budget, capacity_words, reference_complexity, statements
from gnode.report.style import RUNS

FOLDER = Path(__file__).resolve().parent
HEAD = """# Expressivity: results

Measured with the commands below; the protocol is in [Expressivity](../expressivity.md) and is this project's own.
Capacities are at an error of 0.01 with 95 % bootstrap intervals over targets. What is measured is trainable capacity
at a budget, which stands above each table.

```
gnode expressivity --preset full --out runs/expressivity-full
gnode expressivity --config docs/results/expressivity-durations.toml --out runs/expressivity-durations
gnode expressivity --config docs/results/expressivity-depth.toml --out runs/expressivity-depth
python docs/results/expressivity.py runs/expressivity-full runs/expressivity-durations runs/expressivity-depth
```
"""
PICTURES = """
![Median error against complexity, a panel for each state dimension](../images/expressivity-errors.png)

![Capacity against state dimension, a line for each flow field](../images/expressivity-capacity.png)

![Targets in grey and what networks of growing dimension make of them](../images/expressivity-paths.png)
"""


def section(directory: str) -> str:
    result = load_result(directory)
    at = int(np.searchsorted(result.dial, reference_complexity(result)))
    lines = [f"\n## {Path(directory).name}\n", f"{budget(result)}.\n"]
    lines.append(f"| F | N | τ | parameters | capacity | median e at {result.dial[at]:g} | diverged |")
    lines.append("|---|---|---|---|---|---|---|")
    for cell in result.plan.cells():
        lost = result.arrays[cell]["errors"]
        lines.append(
            f"| {cell.architecture.label} | {cell.state_size} | {cell.duration:g} | {result.parameters(cell)} | "
            f"{capacity_words(result.capacity(cell), result.dial)} | {np.median(result.best(cell)[at]):.2g} | "
            f"{int(np.sum(~np.isfinite(lost)))} of {lost.size} |"
        )
    lines += ["", "| claim | here | numbers |", "|---|---|---|"]
    lines += [f"| {item['claim']} | {item['verdict']} | {item['text']} |" for item in statements(result)]
    return "\n".join(lines) + "\n"


def draw_errors(result: Result) -> None:
    """Median error against complexity, a panel a state dimension."""
    sizes = result.plan.state_sizes
    rows = -(-len(sizes) // 3)
    ticks = result.dial[::2]
    figure, axes = plt.subplots(rows, 3, figsize=(9, 2.9 * rows), sharex=True, sharey=True, layout="constrained")
    for panel, size in zip(axes.flat, sizes, strict=False):
        for kind, colour in zip(result.plan.architectures, _colours(result), strict=True):
            median = np.median(result.best(result.cell(kind, size)), axis=1)
            style = "--" if kind.label.startswith("gated") else "-"
            panel.loglog(result.dial, median, style, color=colour, label=kind.label, lw=1.5)
        panel.axhline(result.plan.tolerances[0], color="#999999", lw=0.8, ls=":")
        panel.set_title(f"N = {size}", fontsize=10)
        panel.minorticks_off()
        panel.set_xticks(ticks, [f"{value:g}" for value in ticks])
    figure.supxlabel("complexity (correlation lengths)", fontsize=10)
    figure.supylabel("median error (MSE / variance)", fontsize=10)
    figure.legend(
        *axes.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=9, frameon=False
    )
    _save(figure, "expressivity-errors")


def draw_capacity(result: Result) -> None:
    """Capacity against state dimension with intervals; open ends lie on the border of the grid."""
    figure, axes = plt.subplots(figsize=(6.5, 4.2), layout="constrained")
    low, high = result.dial[0], result.dial[-1]
    for number, (kind, colour) in enumerate(zip(result.plan.architectures, _colours(result), strict=True)):
        found = [result.capacity(result.cell(kind, size)) for size in result.plan.state_sizes]
        value, least, most = (
            np.clip([getattr(one, name) for one in found], low, high) for name in ("value", "low", "high")
        )
        places = np.array(result.plan.state_sizes) * (1 + 0.012 * (number - 3.5))
        style = "--" if kind.label.startswith("gated") else "-"
        axes.errorbar(
            places,
            value,
            [value - least, most - value],
            fmt=f"{style}o",
            ms=4,
            lw=1.4,
            elinewidth=0.8,
            color=colour,
            label=kind.label,
        )
    axes.set(xscale="log", yscale="log", xlabel="state dimension N", ylabel="capacity at an error of 0.01")
    axes.set_xticks(result.plan.state_sizes, [str(size) for size in result.plan.state_sizes])
    axes.minorticks_off()
    axes.set_yticks(result.dial, [f"{value:g}" for value in result.dial])
    axes.legend(frameon=False, fontsize=9)
    _save(figure, "expressivity-capacity")


def draw_paths(result: Result) -> None:
    """One target of middle complexity, and the best network of each kind and size over it."""
    at = int(np.searchsorted(result.dial, reference_complexity(result)))
    wanted = [kind for kind in result.plan.architectures if kind.label in ("linear", "RNN", "[30]", "gated [30]")]
    sizes = result.plan.state_sizes[:4]
    figure, axes = plt.subplots(len(wanted), len(sizes), figsize=(9, 2.25 * len(wanted)), layout="constrained")
    for row, kind in zip(axes, wanted, strict=True):
        for panel, size in zip(row, sizes, strict=True):
            cell = result.cell(kind, size)
            target, output = result.targets[at, 0], result.arrays[cell]["outputs"][at, 0]
            panel.plot(*target.T, color="#b0b6c0", lw=3)
            panel.plot(*output.T, color=RUNS[1], lw=1.2)
            panel.set_title(f"{cell.label}: e = {result.unpolished(cell)[at, 0]:.2g}", fontsize=9)
            panel.set_axis_off()
    _save(figure, "expressivity-paths")


def _colours(result: Result) -> list:
    return [plt.get_cmap("tab10")(number) for number in range(len(result.plan.architectures))]


def _save(figure: plt.Figure, name: str) -> None:
    figure.savefig(FOLDER.parent / "images" / f"{name}.png", dpi=85)
    plt.close(figure)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    first = load_result(sys.argv[1])
    for draw in (draw_errors, draw_capacity, draw_paths):
        draw(first)
    (FOLDER / "expressivity.md").write_text(
        HEAD + f"\n{measured_on()}\n" + PICTURES + "".join(map(section, sys.argv[1:]))
    )
