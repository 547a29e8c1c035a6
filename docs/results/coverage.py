"""How often the 95 % intervals of gnode.analysis hold the truth, where the truth is known.

    python docs/results/coverage.py

takes about ten minutes of one core and writes the page. Its parts are kept in runs/coverage, and may be worked on side
by side, as with `--part drifts`; what is there is not done again. `--draws 20` is a quick look.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from machine import measured_on
from scipy.stats import beta

from gnode import analysis
from gnode.analysis.dimension import (
    levina_bickel,
    levina_bickel_interval,
    local_pca,
    local_pca_interval,
    two_nn,
    two_nn_interval,
)
from gnode.analysis.lyapunov import in_groups
from gnode.analysis.memory import CELL, fallen

PAGE, KEPT = Path(__file__).with_suffix(".md"), Path("runs/coverage")
DRAWS, BAR = 200, (0.90, 0.99)
COUNTS = (100, 500)  # states of a draw
UNITS = (1.0, 1e-9, 1e9)  # in turn
SILENCES = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

PAGE_TEXT = """# Intervals beside the truth

**Question.** How often do the 95 % intervals of `gnode.analysis` hold the truth?

**Rule.** {draws} draws of each row: other states, or other starts, of the same system, in units of 1, 10⁻⁹ and 10⁹ in
turn (exponents: in units of 1). An interval is right where it holds what is known on paper or from a far longer run.
The bar is a share of 0.90 to 0.99; beside each share its own 95 % interval (Clopper and Pearson). "Middle" is the
median estimate, "width" the median width of the intervals, both in units of 1.

    python docs/results/coverage.py

{verdict}

{tables}

## What the truths are

{truths}

## Why some rows are outside of the bar

{why}

{when}
"""

TRUTHS = """- Exponents: log 2 of the logistic map at 4; the entropy of the skewed tent map; log |0.5 + 0.6 i| of the
  linear map; 0 and -2 of the Hopf cycle; Lorenz and Roessler: `benchmarks/dysts-references.json` (other trajectories,
  with errors below a tenth of the widths here), and the last exponent of Lorenz from the exact sum -41/3; Henon:
  0.41922, and what is left of log 0.3. Kaplan-Yorke dimensions follow from these.
- Dimensions: of the set that the states are drawn from. The noise of one ring is a hundredth of the distance of
  neighbours, of the other many times as large.
- Drifts: a ring whose states turn by 10⁻⁶ (1 + 0.8 cos angle) a step, whose median displacement is that at a right
  angle; a line that shrinks at a rate of 10⁻⁶, whose median speed is half of the largest.
- Half-lives: values are drawn evenly from an interval or a square. How likely each cell is to be occupied after a
  silence is known on paper, and with it how many of V values are told apart on average. The truth is where that falls
  to half."""

WHY = """- *Exact things.* The linear map and the limit cycle repeat themselves exactly: their intervals are as wide as
  the steps' tolerance, and always hold. Local PCA counts whole directions: its interval is the range of what smaller
  and larger neighbourhoods say, and no matter of draws.
- *Growth that cancels.* That of the logistic map at 4, and of a flow along itself, is constant but for terms that
  cancel from one step to the next, so that the mean is far better than the slow waves of growth can tell: intervals
  are too wide. Over short times so are those of other exponents: over 100 units of time all of 200 intervals of the
  Lorenz system held, over 300 (of two starts each) 199. The durations of the tables were chosen with that known.
- *Solids.* Many of the states of a cube are near its surface, and lower the estimates. Intervals look only at states
  with others on all sides, which takes out most of that, but not all: Levina-Bickel's of 500 states hold too seldom.
- *More values than cells.* 500 values on a line of 100 cells: what decides is when the outermost values leave the
  outermost cells, two cells at a time. Another draw hardly moves that, and the interval allows for several cells."""


@dataclass(frozen=True)
class Row:
    """A figure of a system, its truth, and of each draw the estimate and its interval, (draws, 3), in units of 1."""

    part: str
    name: str
    truth: float
    found: np.ndarray

    @property
    def hits(self) -> int:
        return int(np.sum((self.found[:, 1] <= self.truth) & (self.truth <= self.found[:, 2])))

    @property
    def share(self) -> float:
        return self.hits / len(self.found)

    def as_line(self) -> str:
        count = len(self.found)
        low = beta.ppf(0.025, self.hits, count - self.hits + 1) if self.hits else 0.0
        high = beta.ppf(0.975, self.hits + 1, count - self.hits) if self.hits < count else 1.0
        within = "yes" if BAR[0] <= self.share <= BAR[1] else "always" if self.hits == count else "**no**"
        widths = self.found[:, 2] - self.found[:, 1]
        figures = f"{self.truth:.5g} | {np.median(self.found[:, 0]):.5g} | {np.median(widths):.2g}"
        return f"| {self.name} | {figures} | {self.share:.3f} [{low:.3f}, {high:.3f}] | {within} |"


# -- exponents --


def lorenz(h):
    x, y, z = h[..., 0], h[..., 1], h[..., 2]
    return jnp.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z], -1)


def roessler(h):
    x, y, z = h[..., 0], h[..., 1], h[..., 2]
    return jnp.stack([-y - z, x + 0.2 * y, 0.2 + z * (x - 5.7)], -1)


def henon(h):
    return jnp.stack([1 - 1.4 * h[..., 0] ** 2 + h[..., 1], 0.3 * h[..., 0]], -1)


def hopf(h):
    radii = jnp.sum(h**2, axis=-1, keepdims=True)
    return h * (1 - radii) + jnp.stack([-h[..., 1], h[..., 0]], -1)


def spiral(h):
    return jnp.stack([0.5 * h[..., 0] - 0.6 * h[..., 1], 0.6 * h[..., 0] + 0.5 * h[..., 1]], -1)


@dataclass(frozen=True)
class Flowing:
    """A system with its exponents (None: not looked at) and perhaps its Kaplan-Yorke dimension."""

    name: str
    f: Callable
    kind: str
    duration: float
    middle: tuple[float, ...]
    exponents: tuple[float | None, ...]
    dimension: float | None = None


_HENON = 0.41922
_LORENZ = 0.9055
SYSTEMS = (
    Flowing("logistic map", lambda h: 4 * h * (1 - h), "map", 2000, (0.5,), (np.log(2),)),
    Flowing(
        "skewed tent map",
        lambda h: jnp.where(h < 0.3, h / 0.3, (1 - h) / 0.7),
        "map",
        2000,
        (0.5,),
        (-0.3 * np.log(0.3) - 0.7 * np.log(0.7),),
    ),
    Flowing("linear map", spiral, "map", 400, (3.0, 2.0), (np.log(np.hypot(0.5, 0.6)),) * 2, 0.0),
    Flowing(
        "Henon map",
        henon,
        "map",
        2000,
        (0.1, 0.1),
        (_HENON, np.log(0.3) - _HENON),
        1 + _HENON / (_HENON - np.log(0.3)),
    ),
    Flowing("Hopf cycle", hopf, "flow", 100, (0.7, 0.5), (0.0, -2.0), 1.0),
    Flowing(
        "Lorenz",
        lorenz,
        "flow",
        1000,
        (1.0, 1.0, 20.0),
        (_LORENZ, 0.0, -41 / 3 - _LORENZ),
        2 + _LORENZ / (41 / 3 + _LORENZ),
    ),
    Flowing("Roessler", roessler, "flow", 4000, (1.0, 1.0, 0.1), (0.0717, 0.0, -5.394), 2 + 0.0717 / 5.394),
)


def of_exponents(draws: int) -> Iterator[Row]:
    random = np.random.default_rng(0)
    for system in SYSTEMS:
        starts = np.array(system.middle) + random.uniform(-0.1, 0.1, (draws, 1, len(system.middle)))
        found = in_groups(system.f, starts, kind=system.kind, duration=system.duration)
        for number, truth in enumerate(system.exponents):
            if truth is not None:
                rows = np.array([(one.exponents[number], *one.intervals[number]) for one in found])
                yield Row("Exponents", f"{system.name}, exponent {number + 1}", truth, rows)
        if system.dimension is not None:
            rows = np.array([(one.kaplan_yorke, *one.kaplan_yorke_interval) for one in found])
            yield Row("Kaplan-Yorke dimensions", system.name, system.dimension, rows)


# -- dimensions --


def circle(angles: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def ring(count: int, random: np.random.Generator) -> np.ndarray:
    return circle(random.uniform(0, 2 * np.pi, count))


def torus(count: int, random: np.random.Generator) -> np.ndarray:
    """Even on the surface of radii 1 and 0.5."""
    along, across, keep = random.uniform(0, 1, (3, 4 * count)) * np.array([[2 * np.pi], [2 * np.pi], [1.5]])
    out = 1 + 0.5 * np.cos(across)
    points = np.concatenate([out[:, None] * circle(along), 0.5 * np.sin(across)[:, None]], axis=1)
    return points[keep <= out][:count]


def sphere(count: int, random: np.random.Generator) -> np.ndarray:
    points = random.standard_normal((count, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


CLOUDS: dict[str, tuple[Callable[[int, np.random.Generator], np.ndarray], int]] = {
    "ring": (ring, 1),
    "interval": (lambda n, random: random.uniform(-1, 1, (n, 1)) * [1, 0.5], 1),
    "ring, noise far below": (lambda n, random: ring(n, random) + 1e-4 * random.standard_normal((n, 2)), 1),
    "ring, noise far above": (lambda n, random: ring(n, random) + 0.4 * random.standard_normal((n, 2)), 2),
    "torus": (torus, 2),
    "flat torus": (lambda n, random: np.concatenate([ring(n, random), ring(n, random)], axis=1), 2),
    "sphere": (sphere, 2),
    "square": (lambda n, random: random.uniform(-1, 1, (n, 2)), 2),
    "disk": (lambda n, random: ring(n, random) * np.sqrt(random.random((n, 1))), 2),
    "cube": (lambda n, random: random.uniform(-1, 1, (n, 3)), 3),
}
ESTIMATORS = {
    "TwoNN": (two_nn, two_nn_interval),
    "Levina-Bickel": (levina_bickel, levina_bickel_interval),
    "local PCA": (local_pca, local_pca_interval),
}


def of_dimensions(draws: int) -> Iterator[Row]:
    for name, (draw, truth) in CLOUDS.items():
        for count in COUNTS:
            random = np.random.default_rng(count)
            clouds = [(draw(count, random) + 3) * UNITS[number % 3] for number in range(draws)]
            for method, (estimate, interval) in ESTIMATORS.items():
                rows = np.array([(estimate(cloud), *interval(cloud)) for cloud in clouds])
                yield Row(f"Dimensions by {method}", f"{name}, {count} states", truth, rows)


# -- drift --


def turning(h: np.ndarray) -> np.ndarray:
    """Each state of a ring turns by a step that depends on its angle."""
    by = 1e-6 * (1 + 0.8 * h[:, 0] / np.linalg.norm(h, axis=1))
    across = np.stack([-h[:, 1], h[:, 0]], axis=1)
    return h * np.cos(by)[:, None] + across * np.sin(by)[:, None]


def of_drifts(draws: int) -> Iterator[Row]:
    for count in COUNTS:
        random = np.random.default_rng(count)
        line = [random.uniform(-1, 1, (count, 1)) * [1, 0.5] for _ in range(draws)]
        rows = {
            "ring that turns unevenly": (
                turning,
                "map",
                [ring(count, random) for _ in range(draws)],
                2 * np.sin(0.5e-6),
            ),
            "line that shrinks": (lambda h: -1e-6 * h, "flow", line, 0.5e-6 * np.hypot(1, 0.5)),
        }
        for name, (f, kind, clouds, truth) in rows.items():
            found = []
            for number, cloud in enumerate(clouds):
                unit = UNITS[number % 3]
                seen = analysis.attractor(f, states=cloud * unit, kind=kind)
                found.append(np.array([seen.drift, *seen.intervals["drift"]]) / unit)
            yield Row("Drifts", f"{name}, {count} states", truth, np.array(found))


# -- half-life --


@dataclass(frozen=True)
class Kept:
    """A model whose state is the value that was written, and its own task: it moves by `rule` (batch, N) -> same."""

    rule: Callable[[np.ndarray], np.ndarray]

    def recall(self, values: np.ndarray, silence: int) -> "Kept":
        object.__setattr__(self, "inputs", values[:, None])
        object.__setattr__(self, "targets", values[:, None])
        return self

    def states(self, inputs: np.ndarray, told: np.ndarray) -> np.ndarray:
        return inputs

    def map_at(self, inputs: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        return self.rule

    def readout(self, states: np.ndarray) -> np.ndarray:
        return states


def to_points(x: np.ndarray, factor: float) -> np.ndarray:
    """The distance to the middle of the unit interval that x is in becomes so many times what it was."""
    middle = np.floor(x) + 0.5
    return middle + factor * (x - middle)


def by_sine(x: np.ndarray, factor: float) -> np.ndarray:
    """The flow of dx/dt = -sin(2 pi x) after some time: tangents become so many times what they were."""
    point = np.round(x)
    return point + np.arctan(factor * np.tan(np.pi * (x - point))) / np.pi


@dataclass(frozen=True)
class Fading:
    """Values drawn evenly from (low, high) in each of `columns`; moved(x, factor) after t bins, factor = share ** t."""

    moved: Callable[[np.ndarray, float], np.ndarray]
    share: float
    low: float
    high: float
    columns: int = 1

    def told_apart(self, values: int, silence: int) -> float:
        """The mean number of cells that are occupied, from how likely a value is to end in each.

        Moved back, the edges of cells are edges among the values that were written.
        """
        edges = (np.arange(np.round(self.low / CELL), np.round(self.high / CELL) + 2) - 0.5) * CELL
        written = self.back(np.clip(edges, self.low, self.high), self.share**silence)
        likely = np.diff(written) / (self.high - self.low)
        for _ in range(self.columns - 1):
            likely = np.outer(likely, likely).ravel()
        return float(np.sum(1 - (1 - likely[likely > 0]) ** values))

    def back(self, edges: np.ndarray, factor: float) -> np.ndarray:
        """Where values were that are now at edges: the largest below, as `moved` never falls."""
        fine = np.linspace(self.low, self.high, 200_001)
        return np.interp(edges, np.maximum.accumulate(self.moved(fine, factor)), fine)


FADING = {
    "line that shrinks": Fading(lambda x, factor: factor * x, np.exp(-1 / 50), -1.0, 1.0),
    "long line that shrinks": Fading(lambda x, factor: factor * x, np.exp(-1 / 50), -10.0, 10.0),
    "line pulled to 8 points": Fading(to_points, np.exp(-1 / 50), -4.0, 4.0),
    "line pulled to 8 points by a sine": Fading(by_sine, np.exp(-1 / 50), 0.0, 8.0),
    "square that shrinks": Fading(lambda x, factor: factor * x, np.exp(-1 / 50), -1.0, 1.0, 2),
}


def of_half_lives(draws: int) -> Iterator[Row]:
    every = np.arange(SILENCES[-1] + 1)
    for name, system in FADING.items():
        for count in COUNTS:
            random = np.random.default_rng(count)
            expected = np.array([system.told_apart(count, silence) for silence in range(600)])
            truth = fallen(every[:600], expected, expected[0] / 2)
            found = []
            for number in range(draws):
                unit = UNITS[number % 3]
                values = random.uniform(system.low, system.high, (count, system.columns)) * unit
                kept = Kept(lambda h, unit=unit, system=system: unit * system.moved(h / unit, system.share))
                seen = analysis.memory(kept, kept, values, SILENCES, cell=CELL * unit)
                found.append((seen.half_life, *seen.half_life_interval))
            yield Row("Half-lives", f"{name}, {count} values", truth, np.array(found))


PARTS = {"half-lives": of_half_lives, "drifts": of_drifts, "dimensions": of_dimensions, "exponents": of_exponents}


def rows_of(name: str, draws: int) -> tuple[list[Row], float]:
    """The rows of a part, and the minutes they took; those of an earlier call as they were."""
    path = KEPT / f"{name}-{draws}.json"
    if not path.exists():
        began, rows = time.process_time(), []
        for row in PARTS[name](draws):
            rows.append({**vars(row), "found": row.found.tolist()})
            print(f"{time.process_time() - began:6.0f} s  {row.part}: {row.as_line()}", file=sys.stderr, flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"rows": rows, "minutes": (time.process_time() - began) / 60}))
    kept = json.loads(path.read_text())
    return [Row(**{**row, "found": np.array(row["found"])}) for row in kept["rows"]], kept["minutes"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--part", choices=PARTS)
    asked = parser.parse_args()
    if asked.part:
        rows_of(asked.part, asked.draws)
        return
    parts = [rows_of(name, asked.draws) for name in PARTS]
    PAGE.write_text(page([row for rows, _ in parts for row in rows], sum(minutes for _, minutes in parts)))


def page(rows: list[Row], minutes: float) -> str:
    head = "| | truth | middle | width | share that holds it | within the bar |\n|---|---|---|---|---|---|"
    titles = ("Exponents", "Kaplan-Yorke dimensions", *(f"Dimensions by {name}" for name in ESTIMATORS))
    tables = [
        f"## {title}\n\n{head}\n" + "\n".join(row.as_line() for row in rows if row.part == title)
        for title in (*titles, "Drifts", "Half-lives")
    ]
    within = sum(BAR[0] <= row.share <= BAR[1] for row in rows)
    below = [f"{row.part}, {row.name} ({row.share:.3f})" for row in rows if row.share < BAR[0]]
    verdict = (
        f"{within} of {len(rows)} rows are within the bar, {sum(row.share > BAR[1] for row in rows)} above it, "
        f"{len(below) or 'none'} below it{': ' + '; '.join(below) if below else ''}."
    )
    return PAGE_TEXT.format(
        draws=len(rows[0].found),
        verdict=verdict,
        tables="\n\n".join(tables),
        truths=TRUTHS,
        why=WHY,
        when=f"Measured {measured_on()} {minutes:.0f} minutes of one core.",
    )


if __name__ == "__main__":
    main()
