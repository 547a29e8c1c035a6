"""The pages in docs/results, from finished sweeps: tables with intervals and tests, and what they say of the claims.

    gnode sweep variable-amplitude-6 --out runs/variable-amplitude-6
    gnode sweep planar --out runs/planar
    python docs/results/sweeps.py runs/variable-amplitude-6 runs/planar

Every number on the pages is computed from the tables of the sweeps; a sentence about a claim follows from numbers by
the rules in CLAIMS.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from machine import measured_on
from shipped import command

from gnode import results
from gnode.report.style import number
from gnode.sweeps.grid import experiments

OUT = Path(__file__).parent
PAPER = "Kim, Can and Krishnamurthy (ICML 2023)"


@dataclass(frozen=True)
class Claim:
    """What the paper's abstract says, and what our numbers would have to be.

    Attributes:
        text: the claim, in our words.
        experiment: the sweep that it is looked at in.
        judge: chosen runs -> (supported, the numbers in a sentence).
    """

    text: str
    experiment: str
    judge: Callable[[pd.DataFrame], tuple[bool, str]]


def _compared(chosen: pd.DataFrame, first: str, second: str) -> tuple[bool, str]:
    """Supported where the first median is lower and the rank test's p is below 0.05."""
    tests = results.rank_tests(chosen[chosen["model"].isin((first, second))], "model").iloc[0]
    ratio = tests["ratio"] if tests["first"] == first else 1 / tests["ratio"]
    return (
        bool(ratio < 1 and tests["p"] < 0.05),
        f"median test MSE of {first} is {number(ratio)} of that of {second} (Mann-Whitney p = {number(tests['p'])})",
    )


def _against_next_best(chosen: pd.DataFrame) -> tuple[bool, str]:
    """Supported where the gnODE's median is at most 0.3 of the best other one."""
    medians = chosen.groupby("model")["test_loss"].median()
    others = medians.drop("gnode")
    ratio = medians["gnode"] / others.min()
    return bool(ratio <= 0.3), f"median test MSE {number(ratio)} of that of the next best ({others.idxmin()})"


def _lowest_everywhere(chosen: pd.DataFrame) -> tuple[bool, str]:
    """Supported where the gnODE has the lowest median on every task; p is told, but is not part of the rule."""
    parts, lowest = [], True
    for task, part in chosen.groupby("task"):
        medians = part.groupby("model")["test_loss"].median()
        best = medians.drop("gnode").idxmin()
        ratio = medians["gnode"] / medians[best]
        lowest &= bool(ratio < 1)
        pair = part[part["model"].isin(("gnode", best))]
        parts.append(f"{task} {number(ratio)} (p = {number(results.rank_tests(pair, 'model').iloc[0]['p'])})")
    return lowest, f"its median test MSE over that of the best other model: {', '.join(parts)}"


CLAIMS = [
    Claim(
        "Gating helps neural ODEs (here: gnODE against nODE on a memory of three continuous values, N = 6)",
        "variable-amplitude-6",
        lambda chosen: _compared(chosen, "gnode", "node"),
    ),
    Claim(
        "A more complex flow field helps in few dimensions (here: gnODE against mGRU, the gnODE with a single layer, "
        "on the same task)",
        "variable-amplitude-6",
        lambda chosen: _compared(chosen, "gnode", "mgru"),
    ),
    Claim(
        "gnODEs have an inductive bias towards continuous memory (here: its error is at most 0.3 of the next best "
        "model's, same task)",
        "variable-amplitude-6",
        _against_next_best,
    ),
    Claim(
        "gnODEs of reduced dimension keep their power (here: with N = 2 the lowest error on all five planar tasks)",
        "planar",
        _lowest_everywhere,
    ),
]


# The verdict of each page in a line; what is negative stands in the same type.
ABSTRACT = [
    (
        "gating gives neural ODEs time scales that adapt",
        "**supported**",
        "gates close to 0.07 and 0.13 where values are held ([bias](bias.md)); gated networks generate long "
        "paths that others do not, and short ones no better ([expressivity](expressivity.md))",
    ),
    (
        "gnODEs have an inductive bias to continuous attractors",
        "**after 1000 silent bins refuted on the square, undecided on the ring; within the length of a trial "
        "supported (secondary)**",
        "at equal loss the gnODE keeps 0.56 times as many values as the nODE on the square after 1000 silent "
        "bins, and 1.4 times on the ring, undecided; after 100 bins 7.6 and 1.7 times, with larger errors "
        "([bias](bias.md))",
    ),
    (
        "gnODEs of few dimensions keep their power",
        "**supported**",
        "lowest error of five models with N = 2 on five planar tasks ([planar](planar.md)); two units do "
        "where GRU and RNN need more than six ([dimensions](dimensions.md))",
    ),
    (
        "their attractor can be found and drawn",
        "**supported**",
        "[attractors](attractors.md); names beside the truth: wrong at most 1 in 100 ([analysis](analysis-truths.md))",
    ),
    (
        "a measure of expressivity",
        "**there**",
        "the capacity to generate complex trajectories, protocol ours ([expressivity](expressivity.md))",
    ),
    (
        "a more complex flow field lets fewer dimensions do",
        "**supported**",
        "the smallest N for a path of complexity 16: one layer 8, [30] 4 ([expressivity](expressivity.md))",
    ),
    (
        "gating helps on real tasks",
        "**supported against the nODE, in part against a learned constant leak**",
        "letters: nothing that is shown beside a constant leak; speech: 3.9 points; Walker2D: 0.009 of MSE "
        "([real tasks](real-tasks.md))",
    ),
]


def page(name: str, directory: Path) -> str:
    """One experiment's page."""
    runs = results.load(directory)
    chosen = results.selected(runs)
    states = runs["state"].value_counts()
    parts = [
        f"# {experiments()[name]}",
        f"```\n{command(name, directory)}\n```",
        f"{len(runs)} runs ({', '.join(f'{count} {state}' for state, count in states.items())}), "
        f"{number(runs['seconds'].sum() / 60)} core-minutes of training. Seeds: "
        f"{', '.join(map(str, sorted(runs['seed'].unique())))}. {measured_on()}",
        _how(runs),
    ]
    for panel, part in results.panels(chosen).items():
        parts += [f"## {panel}"] if panel else []
        parts += [_losses(part), *_tests(part)]
    if (runs["state"] == "failed").any():
        failed = runs[runs["state"] == "failed"]
        parts.append("## Failed runs\n\n" + "\n".join(f"- {row.run}: {row.why}" for row in failed.itertuples()))
    parts.append(_pictures(name, chosen) if "state_size" in runs and (runs["state_size"] == 2).all() else "")
    return "\n\n".join(part for part in parts if part) + "\n"


def claims(pages: dict[str, Path]) -> str:
    """The page that says which claims the numbers support."""
    lines = [
        "# Results",
        f"The experiments published by {PAPER}, rerun with gnode. Of the paper the abstract was at hand and, through "
        "its public code, the tasks and grids; the protocols called `quick` are this project's own. "
        f"{measured_on()}",
        "\n".join(
            [
                *(f"- [{experiments()[name]}]({name}.md)" for name in pages),
                "- [Attractors of five models on the five planar tasks](attractors.md)",
                "- [Expressivity: the capacity to generate complex trajectories](expressivity.md)",
                "- [Memory of a continuous value over a random silent gap, irregularly sampled](irregular-memory.md)",
                "- [Is there a bias to continuous attractors, at equal loss?](bias.md)",
                "- [The price of few dimensions](dimensions.md)",
                "- [What trains](trainability.md)",
                "- [The benefit of gating on three real tasks](real-tasks.md)",
                "- [Our largest network on Walker2D, alone and averaged](largest.md)",
                "- [Reconstructions beside what is known](reconstructions.md)",
                "- [Reconstructions of chaotic flows beside peers](reconstruction-peers.md)",
                "- [From spikes to the attractor: head direction](head-direction.md)",
                "- [Recordings of the world: sunspots, an ECG, El Nino](real-series.md)",
                "- [Lyapunov exponents on the systems of dysts](dysts.md)",
                "- [Names of attractors beside what they are](analysis-truths.md)",
                "- [Intervals beside the truth](coverage.md)",
                "- [Fixed points beside what they are](fixed-point-truths.md)",
                "- [Order of integrators, with and without kinks](order.md)",
                "- [Speed beside peers](speed.md)",
            ]
        ),
        "## What they say of the paper's claims",
        "Each verdict follows from the numbers beside it by a rule fixed beforehand (`docs/results/sweeps.py`): a "
        "comparison is supported where the median is lower and p is below 0.05; the other rules name their numbers.",
        "| claim | verdict at this preset | numbers |\n|---|---|---|",
    ]
    rows = []
    for claim in CLAIMS:
        if claim.experiment not in pages:
            rows.append(f"| {claim.text} | not run | [{claim.experiment}] |")
            continue
        supported, sentence = claim.judge(results.selected(results.load(pages[claim.experiment])))
        verdict = "**supported**" if supported else "**not supported**"
        rows.append(f"| {claim.text} | {verdict} | [{sentence}]({claim.experiment}.md) |")
    lines[-1] += "\n" + "\n".join(rows)
    lines.append(
        "Loss alone does not show whether what was learned is a continuous attractor: see the attractor tables. Claims "
        "about expressivity and real-world tasks are looked at on their own pages."
    )
    rows = [
        " | ".join(("", *row, "")).strip()
        for row in (("claim", "verdict", "by which figures"), ("---",) * 3, *ABSTRACT)
    ]
    lines += ["## The abstract, claim by claim", "\n".join(rows)]
    return "\n\n".join(lines) + "\n"


def _losses(part: pd.DataFrame) -> str:
    summary = results.summary(part, ["model"]).sort_values("median")
    lines = ["| model | seeds | median test MSE | 95 % interval | mean | least to greatest | times the best |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for row in summary.to_dict("records"):
        lines.append(
            f"| {row['model']} | {row['seeds']} | {number(row['median'])} | {number(row['low'])} to "
            f"{number(row['high'])} | {number(row['mean'])} | {number(row['least'])} to {number(row['greatest'])} "
            f"| {number(row['median'] / summary['median'].iloc[0])} |"
        )
    return "\n".join(lines)


def _tests(part: pd.DataFrame) -> list[str]:
    if part["seed"].nunique() < 2:
        return []
    tests = results.rank_tests(part, "model").to_dict("records")
    rows = [f"| {row['first']} | {row['second']} | {number(row['ratio'])} | {number(row['p'])} |" for row in tests]
    return ["\n".join(["| first | second | ratio of medians | p |", "|---|---|---|---|", *rows])]


def _how(runs: pd.DataFrame) -> str:
    select = runs.attrs["select"]
    chosen = (
        f"For each model and seed the best of {'; '.join(f'{axis} {_values(runs[axis])}' for axis in select)} by "
        "validation loss. "
        if select
        else ""
    )
    fixed = (
        "epochs",
        "batch_size",
        "lr",
        "weight_decay",
        "schedule",
        "train_trials",
        "validation_trials",
        "test_trials",
    )
    same = ", ".join(f"{name} {runs[name].iloc[0]}" for name in fixed if runs[name].nunique() == 1)
    return (
        f"{chosen}{same}. Test trials were seen neither in training nor in selection. The interval is of the median "
        "over seeds (percentile bootstrap); p is of the two-sided Mann-Whitney U test over seeds, uncorrected."
    )


def _values(column: pd.Series) -> str:
    return ", ".join(map(str, sorted(column.unique().tolist())))


def _pictures(name: str, chosen: pd.DataFrame) -> str:
    lines = [
        "## Pictures",
        "![Flow without input, and the states after 100 silent bins](attractors.png)",
        "They are measured on [the page of attractors](attractors.md). `gnode report` makes a page of each network:",
        "| task | model | seed | command |\n|---|---|---|---|",
    ]
    for row in chosen[chosen["seed"] == chosen["seed"].min()].itertuples():
        lines[-1] += f"\n| {row.task} | {row.model} | {row.seed} | `gnode report runs/{name}/runs/{row.run}` |"
    return "\n\n".join(lines)


def main() -> None:
    pages = {}
    for argument in sys.argv[1:]:
        directory = Path(argument)
        name = directory.resolve().name
        if name not in experiments():
            sys.exit(f"Must have directories named after experiments ({', '.join(experiments())}), instead got {name}.")
        pages[name] = directory
    if not pages:
        sys.exit("Must have the directories of sweeps, instead got none.")
    OUT.mkdir(exist_ok=True)
    for name, directory in pages.items():
        (OUT / f"{name}.md").write_text(page(name, directory))
    (OUT / "index.md").write_text(claims(pages))
    print("Written:", ", ".join(f"docs/results/{name}.md" for name in (*pages, "index")))


if __name__ == "__main__":
    main()
