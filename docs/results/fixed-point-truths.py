"""What gnode.analysis.fixed_points finds in systems whose points are known (tests/known_fixed_points.py).

    python docs/results/fixed-point-truths.py

takes some ten minutes on one core and writes runs/fixed-point-truths.jsonl, a line for each system in each unit, and
the page. Called again it goes on from the lines that are there.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from machine import measured_on
from scipy.spatial import cKDTree
from truth_table import cells, measured, others, shares

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
import known_fixed_points as known

from gnode.analysis import FixedPoints, fixed_points

ROWS, PAGE = Path("runs/fixed-point-truths.jsonl"), Path(__file__).with_suffix(".md")
UNITS = (1.0, 1e-6, 1e6)
OFFSETS = (0.0, 3.0)  # in these units
NEAR = 1e-6  # of the box: how near to the truth a point has to be, or within its own error
UNSURE = 0.05  # the chance of an unseen point from which on a list without one of its points is honest
BARS = {"right": "at least 90 %", "undecided": "", "wrong": "at most 1 %"}

PAGE_TEXT = """# Fixed points beside what they are

**Question.** How often is what `gnode.analysis.fixed_points` finds right, how often honestly undecided, and how often
wrong?

**Rule.** {systems} systems whose fixed points and stability are known on paper (`tests/known_fixed_points.py`), flows
and maps: nodes, saddles, foci and centers; bifurcations before, at and after; pairs and triples of points down to
10⁻⁷ of the box apart; zeros of higher order; stiff, non-normal and Hamiltonian ones; kinks; models of nerve cells,
genes, populations and networks; and some without a point. Each in units of 1, 10⁻⁶ and 10⁶, around the origin and
three units away from it, from 1024 starts. *Right*: as many points as there are, each within 10⁻⁶ of the box's width
of the truth or within its own `errors`, with its name; a zero of higher order is "marginal". *Undecided*: a point whose
stability could be told is called marginal or undecided, or one is missing while the chance of an unseen one is put at
5 % or more. *Wrong*: all else, a wrong name, a point too many or too few.

    python docs/results/fixed-point-truths.py

{shares}

The systems were chosen by the authors of the analysis, and some of them were looked at while thresholds were settled,
so others may fare worse.

| system | points | right | undecided | wrong | what else was found |
|---|---|---|---|---|---|
{table}

{when}
"""


@dataclass(frozen=True)
class Case:
    portrait: known.Portrait
    unit: float
    offset: float

    def found(self) -> FixedPoints:
        low, high = (self.unit * (np.array(corner) + self.offset) for corner in (self.portrait.low, self.portrait.high))
        f = self.portrait.f(unit=self.unit, offset=self.unit * self.offset)
        return fixed_points(f, bounds=(low, high), kind=self.portrait.kind)

    def row(self) -> dict[str, str]:
        """What was found, with places in the system's own unit, and the verdict."""
        found = self.found()
        places = found.points / self.unit - self.offset
        listed = ", ".join(
            f"{name} at ({', '.join(f'{number:.3g}' for number in place)})"
            for place, name in zip(places, found.stability, strict=True)
        )
        said = f"{listed or 'none'}; unseen {found.unseen:.2g}"
        return {"name": self.portrait.name, "found": said, "verdict": verdict(self.portrait, places, self.unit, found)}


def cases() -> Iterator[Case]:
    for portrait in known.PORTRAITS:
        for unit in UNITS:
            for offset in OFFSETS:
                yield Case(portrait, unit, offset)


def verdict(portrait: known.Portrait, places: np.ndarray, unit: float, found: FixedPoints) -> str:
    truth, names = portrait.truth
    width = np.subtract(portrait.high, portrait.low)
    if not len(truth) or not len(places):
        return "right" if len(truth) == len(places) else "undecided" if found.unseen >= UNSURE else "wrong"
    away, nearest = cKDTree(truth / width).query(places / width)
    errors = found.errors / unit / width.max()
    if (away > np.maximum(NEAR, errors)).any() or len(np.unique(nearest)) < len(places):
        return "wrong"
    right = [name.startswith(names[at]) for name, at in zip(found.stability, nearest, strict=True)]
    open_ = [any(word in name for word in ("marginal", "undecided", "not known")) for name in found.stability]
    if not np.logical_or(right, open_).all():
        return "wrong"
    if len(places) < len(truth):
        return "undecided" if found.unseen >= UNSURE else "wrong"
    return "right" if all(right) else "undecided"


def main() -> None:
    rows = measured(list(cases()), Case.row, ROWS)
    table = []
    for portrait in known.PORTRAITS:
        found = "<br>".join(others(rows, "found", portrait.name))
        table.append(f"| {portrait.name} | {len(portrait.points)} | {cells(rows, BARS, portrait.name)} | {found} |")
    PAGE.write_text(
        PAGE_TEXT.format(
            systems=len(known.PORTRAITS),
            shares=shares(rows, BARS, "searches"),
            table="\n".join(table),
            when=f"Measured {measured_on()}",
        )
    )


if __name__ == "__main__":
    main()
