"""Models beside each other at equal loss: what they had learned when each of them was as good as the other.

At its end a model that is better also keeps more; so a bias shows only where losses are equal. A run crosses a loss at
the first snapshot at which the running median of three snapshots' matching losses is below it; what was measured is
interpolated there between this snapshot and the one before, in the logarithm of the (running median) loss, and its own
running median is taken likewise. A run that falls through a loss by more than a factor of ten from one snapshot to the
next is left out, since nothing is known of it there; one that never reaches it is counted.

Runs of the same seed have the same trials. So seeds are pairs, and what is compared is the ratio in each.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from gnode.arguments import positive
from gnode.errors import must_have
from gnode.sweeps.primary import Primary
from gnode.sweeps.results import CONFIDENCE, panels, selected

WIDEST = 10.0  # a run that falls by more than this factor between two snapshots is not known in between
_EXACT, _FLIPS = 16, 2**16  # seeds up to which all signs are tried; so many random ones beyond
LEVEL = 0.05  # of significance


@dataclass(frozen=True)
class Comparison:
    """Two models of a part of a sweep at equal loss.

    Attributes:
        part, measure, first, other: what is compared.
        loss: at which; None for the lowest that both runs of a pair reach, pair by pair.
        pairs: one row a seed: seed, whether each has reached the loss, whether each fell through it, the losses just
            before and after, and the measure of each there, NaN where it is not known.
        ratio: geometric mean over seeds of the first's measure over the other's; NaN for no seeds.
        low, high: its 95 % interval, by Student's t on logarithms; NaN for fewer than three seeds.
        p: two-sided, by flipping the signs of the logarithms of the ratios (exact up to 16 seeds); it cannot be below
            2 / 2**seeds.
    """

    part: str
    measure: str
    first: str
    other: str
    loss: float | None
    pairs: pd.DataFrame
    ratio: float
    low: float
    high: float
    p: float

    @property
    def seeds(self) -> int:
        """Pairs that entered."""
        return int(self.pairs["ratio"].notna().sum())


def crossing(losses: np.ndarray, measured: np.ndarray, loss: float) -> dict[str, float | bool]:
    """Where a run crosses a loss, and what was measured there.

    Args:
        losses, measured: (snapshots,), in the order of training.
        loss: to be crossed.

    Returns:
        reached, fell (by more than a factor of ten from one snapshot to the next), before and after (the smoothed
        losses on both sides), value; NaN where there is none.
    """
    smooth, values = _running_median(losses), _running_median(measured)
    below = np.flatnonzero(smooth < loss)
    nothing = {"before": np.nan, "after": np.nan, "value": np.nan}
    if not len(below):
        return {"reached": False, "fell": False, **nothing}
    at = below[0]
    if at == 0:
        return {"reached": True, "fell": True, **nothing, "after": float(smooth[0])}
    before, after = float(smooth[at - 1]), float(smooth[at])
    share = np.log(before / loss) / np.log(before / after)
    value = values[at - 1] + share * (values[at] - values[at - 1])
    fell = before / after > WIDEST
    return {
        "reached": True, "fell": fell, "before": before, "after": after, "value": np.nan if fell else float(value)
    }  # fmt: skip


def at_equal_loss(
    runs: pd.DataFrame, examinations: pd.DataFrame, measure: str, first: str, other: str, loss: float | None = None,
    part: str = "",
) -> Comparison:  # fmt: skip
    """Two models of one part of a sweep, seed by seed, at equal loss.

    Args:
        runs: of one part, chosen (gnode.results.selected), at most one of each of the two a seed.
        examinations: gnode.results.load_examinations.
        measure: a column of these, whose values are positive.
        first, other: values on the axis that is compared.
        loss: at which; None for the lowest that both of a pair reach.
        part: its name.

    Raises:
        InvalidInput: no such models or measure.
    """
    if measure not in examinations:
        must_have(f"a measure among {', '.join(map(str, examinations.columns))}", repr(measure))
    if loss is not None:
        positive("loss", loss)
    compare = runs.attrs["compare"]
    by_run = dict(list(examinations.dropna(subset=["matching_loss"]).groupby("run")))
    courses: dict[str, dict[int, tuple[np.ndarray, np.ndarray]]] = {}
    for name in (first, other):
        chosen = runs[runs[compare].astype(str) == str(name)]
        if chosen.empty:
            must_have(f"runs of {name}", "none that are finished")
        courses[name] = {
            int(row["seed"]): _course(by_run[row["run"]], measure)
            for row in chosen.to_dict("records")
            if row["run"] in by_run
        }
    rows = []
    for seed in sorted(courses[first].keys() & courses[other].keys()):
        both = courses[first][seed], courses[other][seed]
        common = max(float(_running_median(losses).min()) for losses, _ in both) * (1 + 1e-9)
        one, two = (crossing(*course, common if loss is None else loss) for course in both)
        row = {"seed": seed, "loss": common if loss is None else loss}
        row |= {f"{key}_first": value for key, value in one.items()}
        row |= {f"{key}_other": value for key, value in two.items()}
        rows.append(row | {"ratio": _ratio(one["value"], two["value"])})
    keys = ("reached", "fell", "before", "after", "value")
    columns = ["seed", "loss", *(f"{key}_{which}" for which in ("first", "other") for key in keys), "ratio"]
    pairs = pd.DataFrame(rows, columns=columns)
    return Comparison(part, measure, str(first), str(other), loss, pairs, *_over_seeds(pairs["ratio"].dropna()))


def primary_of(runs: pd.DataFrame) -> Primary | None:
    """What the sweep of these runs (gnode.results.load) was to decide; None where it did not say."""
    given = runs.attrs.get("primary")
    return Primary(**{**given, "against": tuple(given["against"])}) if given else None


def decided(runs: pd.DataFrame, examinations: pd.DataFrame, primary: Primary) -> list[tuple[Comparison, float, str]]:
    """The comparisons of the table [primary]: each with its p by Holm's method, and its verdict."""
    parts = panels(selected(runs))
    found = [
        at_equal_loss(parts[part], examinations, primary.measure, primary.first, other, loss, part)
        for part, loss in primary.at_losses.items()
        for other in primary.against
    ]
    return [(one, p, verdict(one, p)) for one, p in zip(found, holm([one.p for one in found]), strict=True)]


def verdict(found: Comparison, p: float) -> str:
    """What a comparison says, by the rule of gnode.sweeps.primary: "more", "fewer", or "undecided"."""
    if not p < LEVEL or not (found.low > 1 or found.high < 1):
        return "undecided"
    return "more" if found.low > 1 else "fewer"


def holm(values: Sequence[float]) -> list[float]:
    """p values corrected for their number (Holm, Scandinavian Journal of Statistics 6, 1979); NaN counts as 1."""
    given = np.nan_to_num(np.asarray(values, dtype=float), nan=1.0)
    corrected, largest = np.empty(len(given)), 0.0
    for rank, at in enumerate(np.argsort(given, kind="stable")):
        largest = max(largest, min(1.0, (len(given) - rank) * given[at]))
        corrected[at] = largest
    return corrected.tolist()


def _course(rows: pd.DataFrame, measure: str) -> tuple[np.ndarray, np.ndarray]:
    ordered = rows.sort_values("epoch")
    return ordered["matching_loss"].to_numpy(dtype=float), ordered[measure].to_numpy(dtype=float)


def _running_median(values: np.ndarray) -> np.ndarray:
    """Of each value and its neighbours; the ends are as they are."""
    if len(values) < 3:
        return values
    inner = np.median(np.stack([values[:-2], values[1:-1], values[2:]]), axis=0)
    return np.concatenate([values[:1], inner, values[-1:]])


def _ratio(one: float | bool, other: float | bool) -> float:
    return float(one / other) if one > 0 and other > 0 else np.nan


def _over_seeds(ratios: pd.Series) -> tuple[float, float, float, float]:
    """Geometric mean, its interval, and p."""
    logs = np.log(ratios.to_numpy(dtype=float))
    if not len(logs):
        return np.nan, np.nan, np.nan, np.nan
    mean = float(logs.mean())
    low = high = np.nan
    if len(logs) >= 3:
        half = float(stats.sem(logs) * stats.t.ppf((1 + CONFIDENCE) / 2, len(logs) - 1))
        low, high = mean - half, mean + half
    return float(np.exp(mean)), float(np.exp(low)), float(np.exp(high)), _by_signs(logs)


def _by_signs(logs: np.ndarray) -> float:
    """How often the mean is as far from 0 where each sign is as likely as the other."""
    if len(logs) <= _EXACT:
        signs = np.array(list(itertools.product((1, -1), repeat=len(logs))), dtype=float)
    else:
        signs = np.random.default_rng(0).choice([-1.0, 1.0], (_FLIPS, len(logs)))
        signs[0] = 1.0
    means = np.abs(signs @ logs)
    return float(np.mean(means >= np.abs(logs.sum()) * (1 - 1e-12)))
