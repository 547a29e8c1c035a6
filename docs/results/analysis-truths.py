"""How gnode.analysis.attractor names systems and clouds whose portraits are known (tests/known_portraits.py).

    python docs/results/analysis-truths.py

takes half an hour on one core and writes runs/analysis-truths.jsonl, a line for each portrait, and the page. Called
again it goes on from the lines that are there.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from machine import measured_on
from truth_table import cells, measured, others, shares

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
import known_portraits as known

from gnode.analysis import attractor

ROWS, PAGE = Path("runs/analysis-truths.jsonl"), Path(__file__).with_suffix(".md")
UNITS = (1.0, 1e-6, 1e6)
BARS = {"right": "at least 90 %", "undecided": "", "wrong": "at most 1 %"}

PAGE_TEXT = """# Names of attractors beside what they are

**Question.** How often is the name that `gnode.analysis.attractor` gives right, how often honestly undecided, and how
often wrong?

**Rule.** {systems} systems whose portraits are known from the literature or by construction
(`tests/known_portraits.py`): limit cycles, strange sets, tori, heteroclinic cycles and maps, sampled at 1000 random
times, 500 even times and 250 places of even arc length (maps: as many of their states at random); clouds that rest, of
200, 400 and 1000 states, with and without one straggler in fifty in a box three times as wide. Each in units of 1, 10⁻⁶
and 10⁶, away from the origin. *Right*: the name begins with what it should be; of a heteroclinic cycle, whose rounds
take longer and longer until rounding alone says how long, that it cannot be told from a limit cycle of long period.
*Undecided*: the name says so. *Wrong*: any other.

    python docs/results/analysis-truths.py

{shares}

Fixed points with their stability have [a table of their own](fixed-point-truths.md). The systems were chosen by the
authors of the analysis, and thresholds were settled while some of them were looked at, so others may fare worse.

| portrait | right | undecided | wrong | other names than the right one |
|---|---|---|---|---|
{table}

{when}
"""


@dataclass(frozen=True)
class Case:
    """name; right: beginnings of right names; f, kind and states as `attractor` takes them."""

    name: str
    right: tuple[str, ...]
    f: known.Equations
    kind: str
    states: np.ndarray


def cases() -> Iterator[Case]:
    moving = [
        *known.CYCLES,
        *known.MORE_CYCLES,
        *known.STRANGE_SETS,
        *known.MORE_STRANGE_SETS,
        *known.TORI,
        *known.HETEROCLINIC,
        *known.MAPS,
    ]
    for system in moving:
        for count, how in ((1000, "random"), (500, "even"), (250, "arc")):
            states = known.states_of(system, count, how)
            for unit in UNITS:
                f = system.f(unit=unit, offset=3 * unit)
                yield Case(system.name, system.right, f, system.kind, states * unit + 3 * unit)
    for name, (draw, right) in known.CLOUDS.items():
        for count in (200, 400, 1000):
            for unit in UNITS:
                for straggling in (False, True):
                    random = np.random.default_rng(count)
                    states = draw(count, random)
                    states = known.with_stragglers(states, random) if straggling else states
                    yield Case(name, right, lambda h: h * 1.0, "map", (states + (0 if name == "1 point" else 3)) * unit)


def verdict(kind: str, right: tuple[str, ...]) -> str:
    if kind.startswith(right):
        return "right"
    return "undecided" if "undecided" in kind else "wrong"


def row_of(case: Case) -> dict[str, str]:
    kind = attractor(case.f, states=case.states, kind=case.kind).kind
    return {"name": case.name, "kind": kind, "verdict": verdict(kind, case.right)}


def main() -> None:
    rows = measured(list(cases()), row_of, ROWS)
    names = list(dict.fromkeys(row["name"] for row in rows))
    table = [f"| {name} | {cells(rows, BARS, name)} | {'; '.join(others(rows, 'kind', name))} |" for name in names]
    PAGE.write_text(
        PAGE_TEXT.format(
            systems=len(names),
            shares=shares(rows, BARS, "portraits"),
            table="\n".join(table),
            when=f"Measured {measured_on()}",
        )
    )


if __name__ == "__main__":
    main()
