"""The pages bias.md, dimensions.md and trainability.md in docs/results, each from a finished sweep of its name.

    gnode sweep bias --out runs/bias
    gnode sweep dimensions --out runs/dimensions
    gnode sweep trainability --out runs/trainability
    python docs/results/learning.py runs/bias runs/dimensions runs/trainability

Every number on the pages is computed from the tables of the sweeps. Of bias, what decides stands in the experiment
file, written before the first run.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from machine import measured_on
from shipped import command

import gnode
from gnode import results
from gnode.report.examined import HEAD, comparison_row, measure_of, secondary, words
from gnode.report.style import number
from gnode.sweeps.levels import decided, primary_of

OUT = Path(__file__).parent
COLOURS = {"gnode": "#d9480f", "node": "#1c7ed6", "gru": "#2f9e44", "rnn": "#868e96", "mgru": "#ae3ec9"}
TABLE = f"| {' | '.join(HEAD)} |"


def origin(directory: Path, runs: pd.DataFrame, examinations: pd.DataFrame) -> str:
    name = directory.resolve().name
    states = ", ".join(f"{count} {state}" for state, count in runs["state"].value_counts().items())
    trained, cheap = runs["seconds"].sum() / 60, examinations["seconds"].sum() / 60
    dear = examinations["dear_seconds"].sum() / 60 if "dear_seconds" in examinations else 0.0
    return (
        f"```\n{command(name, directory)}\npython docs/results/learning.py runs/{name}\n```\n\n"
        f"{len(runs)} runs ({states}), seeds {', '.join(map(str, sorted(runs['seed'].unique())))}; {number(trained)} "
        f"core-minutes in all, of which {number(cheap)} went into cheap examinations, {number(dear)} into dear ones. "
        f"{measured_on()}"
    )


def bias(directory: Path) -> str:
    runs, examinations = results.load(directory), results.load_examinations(directory)
    primary = primary_of(runs)
    verdicts = decided(runs, examinations, primary) if primary else []
    measure = measure_of(runs, examinations)
    parts = results.panels(results.selected(runs))
    lines, sentences = [f"{TABLE} p (Holm) | verdict |", "|---" * 13 + "|"], []
    for found, p, said in verdicts:
        lines.append(f"| {' | '.join(comparison_row(found))} | {number(p)} | **{said}** |")
        if said == "undecided":
            sentences.append(f"{found.part}: undecided against {found.other} at loss {number(found.loss)}")
        else:
            much = f"{number(found.ratio)} [{number(found.low)}, {number(found.high)}] times as many as {found.other}"
            sentences.append(f"{found.part}: at loss {number(found.loss)} {found.first} keeps {much}")
    every = secondary(parts, runs, examinations)
    rest = [f"| {' | '.join(comparison_row(found))} | {number(p)} |" for found, p in every]
    losses = [_losses_of_pairs(found) for found, _, _ in verdicts]
    picture = _against_loss(parts, examinations, measure, "bias.png")
    why = _why(parts, examinations, "bias-why.png")
    return f"""# Is there a bias to continuous attractors, at equal loss?

Question: of networks that are equally good at holding values over the silences of a trial, does the gnODE keep more
of them over much longer ones?

Rule, written into the experiment file before the first run: {words(measure)}, compared where both models cross the
same loss, seed by seed; decided where p, corrected by Holm's
method, is below 0.05 and the 95 % interval of the ratio excludes 1. Losses are those of 1000 trials of their own.
[How a loss is crossed](../sweeps.md#at-equal-loss).

**Verdict: {"; ".join(sentences)}.**

{chr(10).join(lines)}

"Never there" and "fell through" give the numbers of seeds of the first and of the other; they are left out.

![{words(measure)} against loss]({picture})

## What is behind it

{_beyond(every, primary)}

{why}

## The losses of each pair

Between these two snapshots' (running median) losses each run was interpolated.

{chr(10).join(losses)}

## Every pair, secondary

At the lowest loss of both, each pair of runs is compared at the lowest loss that both of it reach. The last column is
p under a false discovery rate (Benjamini and Hochberg).

{TABLE} p (FDR) |
{"|---" * 12}|
{chr(10).join(rest)}

## What would change the verdict

Other tasks, numbers of units, rates and ways to train (`--preset full`, `sizes`, `parameters`, `amplitudes`, which
were not run here); a control without the gate's dependence on the state that keeps as many;
a loss at which the order turns. It says nothing of gates of another kind: a GRU is in `--preset full`.

## How it was made

{origin(directory, runs, examinations)}
"""


def _beyond(every: list, primary: object) -> str:
    """What is kept, and how far it is off, after each silence at the loss that decides."""
    lines = []
    for found, _ in every:
        if primary is None or found.loss != primary.at_losses.get(found.part):
            continue
        one, other = (float(found.pairs[f"value_{which}"].median()) for which in ("first", "other"))
        lines.append(
            f"- {found.part}, {words(found.measure)}, at loss {number(found.loss)}: {found.first} {number(one)}, "
            f"{found.other} {number(other)} (medians); ratio {number(found.ratio)} [{number(found.low)}, "
            f"{number(found.high)}]"
        )
    return "\n".join(lines) + "\n\n" + " ".join(_in_words(every, primary))


def _in_words(every: list, primary: object) -> list[str]:
    """What survives and what is right are two things: a sentence for each part in which they part."""
    found = {
        (one.part, one.measure): one for one, _ in every if primary and one.loss == primary.at_losses.get(one.part)
    }
    said = []
    for part in primary.at_losses:
        kept, error, late = (found[part, name] for name in ("values_100", "error_100", "values_1000"))
        if kept.low > 1 and error.low > 1:
            said.append(
                f"On the {part}, after 100 silent bins, as long as a trial, {kept.first} tells more values apart than "
                f"{kept.other}, and yet is further off: its values move slowly and together, where those of "
                f"{kept.other} have fallen into few points that stay."
            )
        if kept.low > 1 and late.high < 1:
            said.append("After ten times as long its values have moved on so far that fewer are told apart.")
    if said:
        said.append(
            "So at equal loss the bias is to a slow manifold on the time scale of the trials, and not to one that "
            "lasts: that comes with the lower losses which only the gated network reaches."
        )
    return said


def _losses_of_pairs(found: object) -> str:
    """The losses on both sides of each crossing, and what was measured there."""
    rows = [f"{found.part}, {found.first} and {found.other} at {number(found.loss)}:\n"]
    rows += ["| seed | first: before, after | kept | other: before, after | kept | ratio |", "|---" * 6 + "|"]
    for row in found.pairs.to_dict("records"):
        cells = [str(row["seed"])]
        for which in ("first", "other"):
            cells.append(f"{number(row[f'before_{which}'])}, {number(row[f'after_{which}'])}")
            cells.append(number(row[f"value_{which}"]))
        rows.append(f"| {' | '.join([*cells, number(row['ratio'])])} |")
    return "\n".join(rows) + "\n"


def _against_loss(parts: dict[str, pd.DataFrame], examinations: pd.DataFrame, measure: str, name: str) -> str:
    figure, axes = plt.subplots(1, len(parts), figsize=(4.5 * len(parts), 3.4), squeeze=False)
    for axis, (title, part) in zip(axes[0], parts.items(), strict=True):
        for model, group in part.groupby("model", sort=False):
            for at, run in enumerate(group["run"]):
                course = examinations[(examinations["run"] == run) & (examinations["epoch"] > 0)].sort_values("epoch")
                label = model if at == 0 else None
                axis.plot(
                    course["matching_loss"], course[measure], lw=0.8, alpha=0.7, color=COLOURS.get(model), label=label
                )
        axis.set(xscale="log", yscale="log", xlabel="loss", ylabel=words(measure), title=title)
        axis.invert_xaxis()
        axis.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(OUT / name, dpi=90)
    return name


def _why(parts: dict[str, pd.DataFrame], examinations: pd.DataFrame, name: str) -> str:
    """Gates where values are held, against loss; and how much faster a held value moves than its gate lets it."""
    figure, axes = plt.subplots(1, len(parts), figsize=(4.5 * len(parts), 3.4), squeeze=False)
    sentences = []
    for axis, (title, part) in zip(axes[0], parts.items(), strict=True):
        of_gated = part[part["model"] == "gnode"]
        last = []
        for run in of_gated["run"]:
            course = examinations[(examinations["run"] == run) & (examinations["epoch"] > 0)].sort_values("epoch")
            axis.plot(course["matching_loss"], course["gate"], lw=0.8, color=COLOURS["gnode"], alpha=0.7)
            last.append(float(course["gate"].iloc[-1]))
        axis.set(xscale="log", yscale="log", xlabel="loss", ylabel="gate where values are held", title=title)
        axis.invert_xaxis()
        sentences.append(f"{title} {number(float(np.median(last)))} ({number(min(last))} to {number(max(last))})")
    figure.tight_layout()
    figure.savefig(OUT / name, dpi=90)
    return (
        "If the gate alone made values last, it would close where values are held: a gate of z slows everything there "
        "by 1/z, and half-lives would be longer by that factor. Median gate at the end, over units and states, and its "
        f"range over seeds: {'; '.join(sentences)}. A ratio of values kept that is far above what a gate of this size "
        "gives is due to the flatness of the manifold that is learned, not to the time scale.\n\n"
        f"![Gates where values are held]({name})"
    )


def dimensions(directory: Path) -> str:
    runs, examinations = results.load(directory), results.load_examinations(directory)
    reach = runs.attrs["reach"]
    last = examinations.sort_values("epoch").groupby("run").last().reset_index()
    joined = runs.merge(last[["run", "values_1000", "participation"]], on="run", how="left")
    sizes = sorted(runs["state_size"].unique())
    tables, sentences = [], []
    figure, axes = plt.subplots(1, runs["task"].nunique(), figsize=(4.5 * runs["task"].nunique(), 3.4), squeeze=False)
    for axis, (task, part) in zip(axes[0], joined.groupby("task", sort=False), strict=True):
        head = f"| model | {' | '.join(f'N = {size}' for size in sizes)} | smallest N |"
        lines = [f"{task}:\n", head, "|---" * (len(sizes) + 2) + "|"]
        for model, group in part.groupby("model", sort=False):
            cells, smallest = [], None
            for size in sizes:
                of_size = group[group["state_size"] == size]
                loss, kept = of_size["test_loss"].median(), of_size["values_1000"].median()
                cells.append(f"{number(loss)} ({number(kept)})")
                if smallest is None and loss < reach:
                    smallest = size
            lines.append(f"| {model} | {' | '.join(cells)} | {smallest or f'> {sizes[-1]}'} |")
            median = group.groupby("state_size")["test_loss"].median()
            axis.plot(median.index, median, "o-", color=COLOURS.get(model), label=model)
            sentences.append(f"{task}, {model}: {smallest or f'more than {sizes[-1]}'}")
        axis.axhline(reach, color="#adb5bd", lw=0.8)
        axis.set(xscale="log", yscale="log", xlabel="number of units N", ylabel="test loss", title=str(task))
        axis.set_xticks(sizes, map(str, sizes))
        axis.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
        axis.legend(frameon=False, fontsize=8)
        tables.append("\n".join(lines))
    figure.tight_layout()
    figure.savefig(OUT / "dimensions.png", dpi=90)
    return f"""# The price of few dimensions

Question: how few units does each model need to reach a test loss of {number(reach)}?

Rule: the smallest N whose median over seeds is below it.

**Verdict: {"; ".join(sentences)}.**

In the tables: median test loss, and in brackets how many of 360 values are told apart after 1000 silent bins (median).

{(chr(10) * 2).join(tables)}

![Test loss against the number of units](dimensions.png)

## What would change the verdict

Longer training, other rates and wider nets (`--preset full` has four tasks, six models and N to 100; it was not run
here). With three seeds a median is what two of them are; differences below a factor of two say little.

## How it was made

{origin(directory, runs, examinations)}
"""


def trainability(directory: Path) -> str:
    runs, examinations = results.load(directory), results.load_examinations(directory)
    reach = runs.attrs["reach"]
    first, second = (axis for axis in runs.attrs["axes"] if axis != "model")
    models = list(dict.fromkeys(runs["model"]))
    figure, axes = plt.subplots(1, len(models), figsize=(3.8 * len(models), 3.3), squeeze=False)
    best = []
    for axis, model in zip(axes[0], models, strict=True):
        of_model = runs[runs["model"] == model]
        table = results.learned(of_model, [first, second], reach).pivot(index=second, columns=first, values="share")
        axis.imshow(table.to_numpy(), vmin=0, vmax=1, origin="lower", aspect="auto", cmap="viridis")
        axis.set_xticks(range(len(table.columns)), [f"{at:g}" for at in table.columns])
        axis.set_yticks(range(len(table.index)), [f"{at:g}" for at in table.index])
        axis.set(xlabel=first, ylabel=second.replace("_", " "), title=model)
        for (row, column), share in np.ndenumerate(table.to_numpy()):
            axis.text(
                column, row, f"{share:.0%}", ha="center", va="center", fontsize=7, color="w" if share < 0.6 else "k"
            )
        rates = results.learned(of_model, [first], reach).set_index(first)
        best.append(
            f"| {model} | "
            + " | ".join(f"{row.share:.0%} [{row.low:.0%}, {row.high:.0%}]" for row in rates.itertuples())
            + " |"
        )
    figure.tight_layout()
    figure.savefig(OUT / "trainability.png", dpi=90)
    rates = sorted(runs[first].unique())
    whole = results.learned(runs, ["model"], reach)
    verdict = "; ".join(f"{row.model} {row.share:.0%} [{row.low:.0%}, {row.high:.0%}]" for row in whole.itertuples())
    return f"""# What trains

Question: over which rates and gains of the initialisation does a network learn the task at all, that is, reaches a
validation loss of {number(reach)}?

Rule: the share of seeds that do, with its 95 % interval (Wilson); models are told apart where the intervals of their
shares over the whole map do not overlap.

**Over the whole map: {verdict}.**

| model | {" | ".join(f"{first} {rate:g}" for rate in rates)} |
{"|---" * (len(rates) + 1)}|
{chr(10).join(best)}

Over all gains. The gain multiplies F, as it is drawn, along its weights from the state.

![Share of seeds that learn](trainability.png)

## Gradients through time

Norm of the gradient of the last sample's loss with respect to the state 50 samples earlier, as a share of that at the
last sample, at initialisation (median over seeds and rates; the input drives the state, so it is not that of
silence).
Beside it the mean-field prediction where there is one: a map `h + z (F - h)` of a wide network multiplies gradients
by about `1 - z + z g` a sample, with z = 1/2 for gates that have not been trained, 1 without, and g the spectral radius
that mean-field theory gives F's Jacobian (`gnode.models.wide_network_gain`).

{_gradients(runs, examinations, second)}

## How to make it train

{_advice(runs, first, second, reach)}

`gnode train` says so where a rate is 0.1 or more for a network whose F has hidden layers, and where F is drawn with a
gain above 1 and a spectral radius above 1 by mean-field theory. A rate that is too low for 60 epochs, as 0.001 for the
GRU here, is only slow.

## What would change the verdict

Longer training (here {runs["epochs"].iloc[0]} epochs), other tasks and depths (`--preset depth`, `delay`, `long`,
`start`, `gates`, which were not run here).

## How it was made

{origin(directory, runs, examinations)}
"""


def _gradients(runs: pd.DataFrame, examinations: pd.DataFrame, axis: str) -> str:
    first = examinations[examinations["epoch"] == 0][["run", "gradient_50"]]
    joined = runs.merge(first, on="run", how="inner")
    values = sorted(joined[axis].unique())
    lines = [f"| model | {' | '.join(f'{axis} {value:g}' for value in values)} |", "|---" * (len(values) + 1) + "|"]
    for model, group in joined.groupby("model", sort=False):
        cells = [number(float(group[group[axis] == value]["gradient_50"].median())) for value in values]
        lines.append(f"| {model}, measured | {' | '.join(cells)} |")
        if model in ("gnode", "node"):
            cells = [number(_predicted(model, runs, axis, value)) for value in values]
            lines.append(f"| {model}, mean-field | {' | '.join(cells)} |")
    return "\n".join(lines)


def _predicted(model: str, runs: pd.DataFrame, axis: str, value: float) -> float:
    """What mean-field theory says of the gradient over 50 samples."""
    sizes = {"input_size": 2, "output_size": 2, "state_size": int(runs["state_size"].iloc[0]), "hidden": [64, 64]}
    gain = gnode.models.wide_network_gain(gnode.models.make(model, **sizes, **{axis: float(value)}))
    z = 0.5 if model == "gnode" else 1.0
    return float((1 - z + z * gain) ** 50)


def _advice(runs: pd.DataFrame, first: str, second: str, reach: float) -> str:
    """For each model, the settings under which at least half of the seeds learn."""
    lines = []
    for model, group in runs.groupby("model", sort=False):
        shares = results.learned(group, [first, second], reach)
        good = shares[shares["share"] >= 0.5]
        if good.empty:
            lines.append(f"- {model}: nowhere on this map do half of the seeds learn.")
            continue
        ranges = [f"{axis.replace('_', ' ')} {good[axis].min():g} to {good[axis].max():g}" for axis in (first, second)]
        every = shares[shares["share"] == 1]
        lines.append(
            f"- {model}: half of the seeds or more learn within {' and '.join(ranges)} ({len(good)} of {len(shares)} "
            f"settings), all of them in {len(every)}."
        )
    return "\n".join(lines)


PAGES = {"bias": bias, "dimensions": dimensions, "trainability": trainability}


def main() -> None:
    directories = [Path(argument) for argument in sys.argv[1:]]
    if not directories or any(one.resolve().name not in PAGES for one in directories):
        sys.exit(f"Must have directories of sweeps called {', '.join(PAGES)}.")
    for directory in directories:
        name = directory.resolve().name
        (OUT / f"{name}.md").write_text(PAGES[name](directory))
        print(f"Written: docs/results/{name}.md")


if __name__ == "__main__":
    main()
