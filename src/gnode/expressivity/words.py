"""Sentences about a measurement, made from its numbers: which claims hold on it, and which do not."""

from itertools import combinations, pairwise

import numpy as np

from gnode.expressivity import measure
from gnode.expressivity.measure import Capacity
from gnode.expressivity.plan import RNN, Architecture, Cell
from gnode.expressivity.result import Result

Statement = dict[str, str]  # claim, verdict ("holds", "does not hold", "undecided"), text

HOLDS, FAILS, OPEN = "holds", "does not hold", "undecided"


def statements(result: Result) -> list[Statement]:
    """What the measurement says, claim by claim; only claims that its grid can speak to."""
    found = [
        _rises_with_size(result),
        _lower_state(result),
        *_pairs(result),
        _parameters(result),
        *_budgets(result),
        _polish(result),
        _diverged(result),
    ]
    return [statement for statement in found if statement is not None]


def budget(result: Result) -> str:
    """The line that belongs under every figure: what was spent on each number."""
    plan = result.plan
    durations = ", ".join(f"{duration:g}" for duration in plan.durations)
    steps = ", ".join(str(steps) for steps in plan.steps)
    polished = f", then {plan.polish} evaluations of Levenberg-Marquardt" if plan.polish else ""
    unit = "Euler map" if plan.step == "map" else "flow (Runge-Kutta)"
    return (
        f"{plan.count} targets ({plan.targets}), T = {plan.bins} steps of the {unit} over {durations} τ; Adam, {steps} "
        f"steps, {plan.restarts} restarts{polished}; seed {plan.seed}"
    )


def capacity_words(found: Capacity, dial: tuple[float, ...]) -> str:
    """21.4 [20.5, 23.6], with open ends as < 4 and > 64."""
    return f"{_plain(found.value, dial)} [{_plain(found.low, dial)}, {_plain(found.high, dial)}]"


def reference_complexity(result: Result) -> float:
    """The complexity that sentences are about: 16, or what is nearest to it below the grid's end, where answers are
    open."""
    dial = np.asarray(result.dial[:-1] or result.dial)
    return float(dial[np.argmin(np.abs(np.log(dial / 16.0)))])


def _first(result: Result, architecture: Architecture, size: int) -> Cell:
    return Cell(architecture, size, result.plan.durations[0], result.plan.steps[0])


def _rises_with_size(result: Result) -> Statement | None:
    sizes = sorted(result.plan.state_sizes)
    if len(sizes) < 2:
        return None
    parts, falls, clear_falls, level = [], [], [], []
    for kind in result.plan.architectures:
        found = [result.capacity(_first(result, kind, size)) for size in sizes]
        parts.append(f"{kind.label} {_plain(found[0].value, result.dial)} to {_plain(found[-1].value, result.dial)}")
        if any(b.value < a.value for a, b in pairwise(found)):
            falls.append(kind.label)
        if any(b.high < a.low for a, b in pairwise(found)):
            clear_falls.append(kind.label)
        if found[-1].low <= found[0].high:
            level.append(kind.label)
    text = f"From N = {sizes[0]} to N = {sizes[-1]} the capacity goes: {'; '.join(parts)}."
    text += f" From one N to the next it falls somewhere for {', '.join(falls)}" if falls else " It falls nowhere."
    text += f", by more than the intervals for {', '.join(clear_falls)}." if clear_falls else ""
    text += ", within the intervals." if falls and not clear_falls else ""
    verdict = FAILS if clear_falls else OPEN if level else HOLDS
    return {"claim": "capacity rises with N", "verdict": verdict, "text": text}


def _lower_state(result: Result) -> Statement | None:
    if len(result.plan.state_sizes) < 2 or len(result.plan.architectures) < 2:
        return None
    wanted = reference_complexity(result)
    smallest = {kind: result.smallest_state(kind, wanted) for kind in result.plan.architectures}
    largest = max(result.plan.state_sizes)

    def size(value: float) -> str:
        return f"more than {largest}" if np.isinf(value) else f"{value:.0f}"

    parts = [
        f"{kind.label} {size(found.value)}"
        + ("" if found.low == found.high else f" [{size(found.low)} to {size(found.high)}]")
        for kind, found in smallest.items()
    ]
    text = (
        f"The smallest N that reaches complexity {wanted:g} at an error of {result.plan.tolerances[0]:g}: "
        f"{'; '.join(parts)}."
    )
    rich = [found for kind, found in smallest.items() if kind.model == "node" and kind.hidden]
    verdict = OPEN
    if RNN in smallest and rich:
        best = min(rich, key=lambda found: found.value)
        # Beyond doubt where the intervals are apart.
        verdict = HOLDS if best.high < smallest[RNN].low else FAILS if best.value >= smallest[RNN].value else OPEN
    return {"claim": "a more complex F lets a lower N do", "verdict": verdict, "text": text}


def _pairs(result: Result) -> list[Statement]:
    """Paired differences: gated against not, deeper against shallower, wider against narrower."""
    found = []
    for one, other in combinations(result.plan.architectures, 2):
        for rich, plain in ((one, other), (other, one)):
            kind = _relation(rich, plain)
            if kind is None:
                continue
            for duration in result.plan.durations:
                mean, error = paired(result, rich, plain, duration)
                verdict = _lower(mean, error)
                text = (
                    f"{rich.label} against {plain.label} on the same targets, over {duration:g} τ: log10 e "
                    f"differs by {mean:+.2f} ± "
                    f"{error:.2f} (mean over N and complexities, standard error over targets); negative is better."
                )
                found.append({"claim": kind, "verdict": verdict, "text": text})
    return found


def _lower(mean: float, error: float) -> str:
    """Whether a difference of log10 e lowers the error: no, where even two standard errors leave less than a tenth."""
    return HOLDS if mean + 2 * error < 0 else FAILS if mean - 2 * error > -0.1 else OPEN


def paired(result: Result, rich: Architecture, plain: Architecture, duration: float) -> tuple[float, float]:
    """Mean over N, complexities and targets of log10 e - log10 e', and its standard error over targets."""

    def all_sizes(kind: Architecture) -> np.ndarray:
        cells = [Cell(kind, size, duration, result.plan.steps[0]) for size in result.plan.state_sizes]
        return np.concatenate([result.best(cell) for cell in cells])

    return measure.overall_difference(all_sizes(rich), all_sizes(plain))


def _relation(rich: Architecture, plain: Architecture) -> str | None:
    a, b = rich.hidden or (), plain.hidden or ()
    if (rich.model, plain.model) in (("mgru", "rnn"), ("gnode", "node")) and a == b:
        return "gating lowers the error"
    if rich.model != plain.model or not a or not b or {*a} - {a[0]} or {*b} - {b[0]}:
        return None
    if a[0] == b[0] and len(a) == len(b) + 1:
        return "depth lowers the error"
    if len(a) == len(b) == 1 and a[0] > b[0]:
        between = [kind.hidden or () for kind in (rich, plain)]
        return f"width lowers the error ({between[1][0]} to {between[0][0]})"
    return None


def _parameters(result: Result) -> Statement | None:
    wanted = reference_complexity(result)
    least: dict[Architecture, tuple[int, int]] = {}
    for kind in result.plan.architectures:
        for size in sorted(result.plan.state_sizes):
            cell = _first(result, kind, size)
            if result.capacity(cell).value >= wanted:
                least[kind] = (result.parameters(cell), size)
                break
    if len(least) < 2:
        return None
    parts = [f"{kind.label} {count} (N = {size})" for kind, (count, size) in least.items()]
    rich = [count for kind, (count, _) in least.items() if kind.hidden]
    verdict = OPEN
    if RNN in least and rich:
        verdict = HOLDS if min(rich) < least[RNN][0] else FAILS
    return {
        "claim": "a more complex F needs fewer parameters",
        "verdict": verdict,
        "text": f"Parameters at the smallest N that reaches complexity {wanted:g}: {'; '.join(parts)}.",
    }


def _budgets(result: Result) -> list[Statement]:
    """Cells whose error falls with more steps were limited by training, the others by what they can express."""
    plan, found = result.plan, []
    for more in plan.steps[1:]:
        parts = []
        for kind in plan.architectures:
            for size in plan.state_sizes:
                cell = _first(result, kind, size)
                longer = Cell(kind, size, plan.durations[0], more)
                mean, error = measure.overall_difference(result.best(longer), result.best(cell))
                parts.append(f"{cell.label} {mean:+.2f} ± {error:.2f}")
        text = f"Change of log10 e from {plan.steps[0]} to {more} steps: {'; '.join(parts)}."
        found.append({"claim": "more steps lower the error", "verdict": OPEN, "text": text})
    return found


def _polish(result: Result) -> Statement | None:
    if not result.plan.polish:
        return None
    parts = []
    for kind in result.plan.architectures:
        for size in result.plan.state_sizes:
            cell = _first(result, kind, size)
            mean, error = measure.overall_difference(result.best(cell), result.unpolished(cell))
            parts.append(f"{cell.label} {mean:+.2f} ± {error:.2f}")
    text = (
        f"Change of log10 e by the polish: {'; '.join(parts)}. Where it falls far, the network was not found; where it "
        "stays, it is likely that there is none."
    )
    return {"claim": "errors were limited by training", "verdict": OPEN, "text": text}


def _diverged(result: Result) -> Statement:
    total = sum(arrays["errors"].size for arrays in result.arrays.values())
    lost = sum(int(np.sum(~np.isfinite(arrays["errors"]))) for arrays in result.arrays.values())
    text = (
        f"{lost} of {total} networks diverged in training; a target whose restarts all did counts with an error of 1."
    )
    return {"claim": "training is stable", "verdict": HOLDS if lost == 0 else OPEN, "text": text}


def _plain(value: float, dial: tuple[float, ...]) -> str:
    return f"< {dial[0]:g}" if value == 0 else f"> {dial[-1]:g}" if np.isinf(value) else f"{value:.1f}"
