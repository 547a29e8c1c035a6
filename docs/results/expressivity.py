"""Write docs/results/expressivity.md from finished expressivity directories: python
docs/results/expressivity.py DIR [DIR ...]."""

import sys
from pathlib import Path

import numpy as np

from gnode.expressivity import load_result
from gnode.expressivity.words import budget, capacity_words, reference_complexity, statements

PAGE = Path(__file__).resolve().parent / "expressivity.md"
HEAD = """# Expressivity: results

Measured with the commands below; the protocol is in [Expressivity](../expressivity.md) and is this project's own.
Capacities are
at an error of 0.01 with 95 % bootstrap intervals over targets.

```
gnode expressivity --preset full --out runs/expressivity-full
gnode expressivity --config docs/results/expressivity-durations.toml --out runs/expressivity-durations
gnode expressivity --config docs/results/expressivity-depth.toml --out runs/expressivity-depth
python docs/results/expressivity.py runs/expressivity-full runs/expressivity-durations runs/expressivity-depth
```
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


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(HEAD + "".join(map(section, sys.argv[1:])))
