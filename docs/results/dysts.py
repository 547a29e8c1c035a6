"""The page on Lyapunov exponents of dysts' systems, from what was measured so far.

python -m benchmarks.dysts_references       # benchmarks/dysts-references.json, goes on from there
python -m benchmarks dysts                  # runs/dysts.jsonl and runs/dysts-numpy.jsonl, go on from there
PYTHONPATH=. python docs/results/dysts.py   # this page
"""

from pathlib import Path
from typing import Any

from machine import measured_on

from benchmarks.dysts_exponents import BARS, LYAPUNOV_TIMES, chaotic, figures, numpy_rows, rows
from benchmarks.dysts_references import references
from benchmarks.dysts_systems import LEFT_OUT, systems
from gnode.report.style import number

OUT = Path(__file__).with_suffix(".md")
AT_MOST = {
    "systems whose median start is off, not covered and without a warning",
    "runs that are off, not covered and without a warning",
    "time of NumPy functions over that of JAX ones",
}

PAGE = """# Lyapunov exponents on the systems of dysts

**Question.** Are the exponents right, and do their intervals hold, on chaotic flows that nobody here wrote?

**Rule.** dysts 0.96 (W. Gilpin, NeurIPS 2021), equations and parameters from the package, {count} systems.
`lyapunov_exponents` with default settings, from five states of the attractor and from its slowest one, {times}
Lyapunov times each. References: 32 trajectories of a separate Runge-Kutta and Gram-Schmidt code, with steps of at most
a tenth of the fastest time constant (`benchmarks/dysts_references.py`); the published spectra are no truth. *Covers*:
the exponent is no farther from the reference than the interval and 1.96 standard errors of the reference, in
quadrature. *Off*: by more than 10 %. *Right* from the slowest state: covers, or is not off.

    python -m benchmarks.dysts_references
    python -m benchmarks dysts
    PYTHONPATH=. python docs/results/dysts.py

| question | measured | bar | |
|---|---|---|---|
{bars}

{state} An interval of 95 % leaves one run in twenty uncovered, so among {runs} runs some that are off are not covered
either; where the median of a system's starts is, something is wrong.

Sixteen references, all but one of those that were shorter than 90 Lyapunov times, were made again and longer after the
runs: with the short ones, which are biased, 0.937 of intervals covered, 0.949 of medians were within 10 %, and 18 runs
and some medians were off in silence. Durations are those of the first references, so NoseHoover was followed for eight
times as long as the others, and some by a tenth more or less. MacArthur's reference is still one of 15 Lyapunov times,
and that of BelousovZhabotinsky (a square root with a kink) has an exponent of -3 where 0 is due. The runs were made
before flows that slide along a jump were refused. Two of the 32 trajectories of Sakarya's reference look as if they had
left the chaotic set. NumPy and JAX were timed on five systems of ten, with other work beside the first two.

## What was not measured

{left_out}

## Systems

{table}

{numpy}

{measured_on}
"""


def _bars(measured: list[dict[str, Any]]) -> str:
    lines = []
    for what, value in figures(measured, numpy_rows()).items():
        bar = BARS[what]
        held = value <= bar if what in AT_MOST else value >= bar
        verdict = "not measured" if value != value else "held" if held else "**missed**"
        lines.append(
            f"| {what} | {number(value)} | {'at most' if what in AT_MOST else 'at least'} {bar:g} | {verdict} |"
        )
    return "\n".join(lines)


def _left_out(measured: list[dict[str, Any]]) -> str:
    by_reason: dict[str, list[str]] = {}
    for name, reason in LEFT_OUT.items():
        by_reason.setdefault(reason, []).append(name)
    there, names_measured = references(), {row["system"] for row in measured}
    for name in systems():
        if name not in there:
            by_reason.setdefault("no reference made yet", []).append(name)
        elif not chaotic(there[name]):
            said = there[name].get("failed", "its largest exponent is not surely above 0")
            by_reason.setdefault(f"no reference: {said}", []).append(name)
        elif name not in names_measured:
            by_reason.setdefault("not run yet", []).append(name)
    return "\n".join(f"- {', '.join(sorted(names))}: {reason}." for reason, names in by_reason.items())


def _table(measured: list[dict[str, Any]]) -> str:
    lines = [
        "| system | reference | median of five | cover | zero covers | off in silence | from the slowest state |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in sorted(measured, key=lambda row: row["system"]):
        slowest = "right" if row["slowest_right"] else "wrong" if row["slowest_finite"] else "not finite"
        lines.append(
            f"| {row['system']} | {number(row['reference'][0])} ± {number(1.96 * row['error'][0])} | "
            f"{number(row['median'])} | {row['covers']} of {row['runs']} | {row['zero']} of {row['runs']} | "
            f"{row['silent']} | {slowest} |"
        )
    return "\n".join(lines)


def _numpy() -> str:
    compared = numpy_rows()
    if not compared:
        return "NumPy functions were not compared with JAX ones."
    lines = [
        f"## NumPy functions and JAX ones\n\nOne start of {len(compared)} systems, after one short call that does not "
        "count, of ten that were meant; on a machine that others used too, so times are rough.\n",
        "| system | NumPy | JAX | every exponent within both intervals | seconds with NumPy | with JAX |",
        "|---|---|---|---|---|---|",
    ]
    for row in compared:
        cells = [
            number(row[label]["exponents"][0]) if "exponents" in row[label] else "failed" for label in ("numpy", "jax")
        ]
        lines.append(
            f"| {row['system']} | {cells[0]} | {cells[1]} | {'yes' if row['agree'] else 'no'} | "
            f"{row['numpy']['seconds']:.1f} | {row['jax']['seconds']:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    measured = rows()
    short = sum(bool(reference.get("cut_short")) for reference in references().values())
    state = (
        f"{len(measured)} of {len(systems())} systems are measured, {sum(row['runs'] for row in measured)} runs and "
        f"as many slowest states as systems. {short} references are shorter than 300 Lyapunov times, their steps being "
        "many; their errors say what that costs."
    )
    OUT.write_text(
        PAGE.format(
            count=len(systems()),
            times=LYAPUNOV_TIMES,
            runs=sum(row["runs"] for row in measured),
            bars=_bars(measured),
            state=state,
            left_out=_left_out(measured),
            table=_table(measured),
            numpy=_numpy(),
            measured_on=measured_on(),
        )
    )


if __name__ == "__main__":
    main()
