"""What each number of a run's page means and how it is computed: said once, for the pages and for docs/report.md."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from gnode.analysis.memory import CELL
from gnode.examine.evaluate import VALUES


class Html(str):
    """HTML of ours, where else text of any origin stands."""


@dataclass(frozen=True)
class Measure:
    """A number of the page.

    Attributes:
        key: in addresses, after "#how-".
        name: as the page says it.
        meaning: in a sentence or two.
        formula: in plain signs.
    """

    key: str
    name: str
    meaning: str
    formula: str


MEASURES = tuple(
    Measure(*one)
    for one in (
        (
            "loss", "test loss, validation loss",
            "The loss that the run was trained with, on trials that took no part in training; test trials took none in "
            "choosing the parameters either.",
            "mean over trials, samples that count and channels",
        ),
        (
            "typical-error", "typical error",
            "How far an output typically is from its target, in the units of the targets.",
            "√(Σ (y − y*)² / n), over n = trials × samples that count × channels",
        ),
        (
            "r2", "R²",
            "The share of the targets' variance that the network explains, by channel, then averaged: 1 is perfect, "
            "0 is "
            "always saying the mean.",
            "1 − Σ (y − y*)² / Σ (y* − mean y*)²",
        ),
        (
            "accuracy", "accuracy", "The share of answers that are right, with Wilson's 95 % interval.",
            "right answers / answers",
        ),
        (
            "f1", "macro F1",
            "The balance of recall and precision of each class, averaged over the classes that occur.",
            "mean over classes of 2 · precision · recall / (precision + recall)",
        ),
        (
            "calibration", "calibration error",
            "How far the confidence of answers is from how often they are right, in 15 bins of confidence.",
            "Σ over bins of (answers in it / answers) · (distance of accuracy and mean confidence)",
        ),
        (
            "memory-error", "error after k silent bins",
            f"How far the readout is from what was written, in the units of the task, after k bins without input; over "
            f"{VALUES} values of the task's manifold, each written once with the task's own pulse. Infinite once a "
            f"state "
            "has run away.",
            f"√(Σ ‖y(k) − v‖² / {VALUES})",
        ),
        (
            "distinct", "values kept apart",
            f"How many of the {VALUES} written values the readout still tells apart after so many silent bins: "
            f"readouts in "
            f"one cell of side {CELL} (units of the task) are one value. Bits are log₂ of it.",
            f"number of different round(y / {CELL})",
        ),
        (
            "half-life", "half-life",
            "Silent bins until half of the values that are told apart right after the pulse are left. Infinite "
            "where more "
            "than half are left after 10 000 bins. It is one number a run, whatever silence stands beside it. Its "
            "interval: "
            "what another draw of the values would change.",
            "least k with distinct(k) ≤ distinct(0) / 2, to the bin by bisection; between two bins straight in "
            "log(1 + k)",
        ),
        (
            "kind", "kind of attractor",
            "What the set of states after so many silent bins is: separate points, a ring, a sheet, ...; from its "
            "pieces, its "
            "dimension and its holes, and from whether it still moves. A statement about that time scale.",
            "clusters, local dimension and persistent homology of the states",
        ),
        (
            "dimension", "dimension", "How many coordinates it takes to say where on the attractor a state is.",
            "local PCA, beside TwoNN and Levina-Bickel in analysis.json",
        ),
        (
            "betti", "Betti numbers", "How many pieces, loops and (for N of at least 3) voids the attractor has.",
            "classes of persistent homology that outlive the noise",
        ),
        (
            "drift", "drift per bin",
            "How far a state on the attractor moves in one bin without input, in units of the state.",
            "median over states of ‖step(h) − h‖",
        ),
        (
            "pull", "pull across / along",
            "How much faster a state returns to the attractor than it moves along it; large for a continuous "
            "attractor.",
            "median rate of the next mode / median rate of the slowest modes, as many as the dimension",
        ),
        (
            "coverage", "coverage",
            "The share of the values of the ideal manifold that have a readout near them.",
            "share of values with a readout within 5 % of the manifold's diameter",
        ),
        (
            "hausdorff", "Hausdorff distance",
            "The largest distance between readouts and ideal manifold, either way, in the units of the task.",
            "max(max over readouts of the distance to the manifold, max over values of the distance to a readout)",
        ),
        (
            "fixed-points", "fixed points",
            "States at which the flow without input stands still, found by descent (Levenberg-Marquardt) from "
            "states that the network visits and from around them; only as complete as the search.",
            "F(h) = 0; h that lie within 10⁻⁴ of each other are one",
        ),
        (
            "growth", "fastest growth",
            "How fast a state beside a fixed point leaves it (above zero) or arrives (below), as a flow.",
            "largest real part of the eigenvalues of dF/dh, 1/s",
        ),
        (
            "parameters", "parameters", "Numbers that training may change.", "entries of all arrays that are trained",
        ),
    )
)  # fmt: skip

_KEYS = {measure.key for measure in MEASURES}


def linked(name: str, key: str) -> Html:
    """A name that leads to how its number is computed."""
    if key not in _KEYS:
        raise KeyError(key)
    return Html(f'<a class="how" href="#how-{key}" title="how is this computed?">{escape(name)}</a>')


def used(page: str) -> list[Measure]:
    """The measures that a page's HTML leads to."""
    return [measure for measure in MEASURES if f'href="#how-{measure.key}"' in page]


def as_html(measures: Sequence[Measure]) -> str:
    entries = "".join(
        f'<div id="how-{one.key}" tabindex="-1"><dt>{escape(one.name)}</dt><dd>{escape(one.meaning)}'
        f"<br><code>{escape(one.formula)}</code></dd></div>"
        for one in measures
    )
    return f'<dl class="glossary">{entries}</dl>'


def as_markdown() -> str:
    """The table of docs/report.md."""
    rows = "".join(f"| {one.name} | {one.meaning} | {one.formula} |\n" for one in MEASURES)
    return f"| number | what it says | how it is computed |\n|---|---|---|\n{rows}"
