"""The benefit of gating on three real tasks: the page, its pictures, and the peers' numbers.

    for name in characters speech-commands walker2d; do
      gnode sweep $name --preset quick --out runs/real/$name-quick
      gnode sweep $name --preset parameters --out runs/real/$name-parameters
    done
    gnode sweep walker2d --preset linear --out runs/real/walker2d-linear
    JAX_PLATFORMS=cpu NPROC=1 .venv-bench/bin/python docs/results/real-tasks-peers.py
    python docs/results/real-tasks.py runs/real

Every number on the page is computed from the tables of the sweeps and from real-tasks-peers.json.
"""

import json
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from machine import measured_on
from scipy import stats

import gnode
from gnode import results, tasks
from gnode.examine.answers import answers_of
from gnode.examine.classification import classification
from gnode.examine.content import content_of
from gnode.report.style import IDEAL, RUNS, number
from gnode.training import RunDirectory

OUT = Path(__file__).with_suffix(".md")
PEERS = OUT.with_name("real-tasks-peers.json")
OURS = {
    "gnode": "gnODE", "node": "nODE", "leaky-node": "nODE with learned constant leak", "gru": "GRU", "mgru": "mGRU",
    "rnn": "RNN",
}  # fmt: skip
OTHERS = {
    "torch-gru": "GRU (PyTorch)", "torch-gru-elapsed": "GRU, elapsed time as input (PyTorch)", "cfc": "CfC (ncps)",
    "ltc": "LTC (ncps)",
}  # fmt: skip
WORDS = OURS | OTHERS
COLOURS = dict(zip(OURS, RUNS, strict=True)) | dict.fromkeys(OTHERS, IDEAL)
MARKERS = dict.fromkeys(OURS, "o-") | dict(zip(OTHERS, ("s", "d", "^", "v"), strict=True))
REFERENCE = "gnode"
FEW = 6  # pairs; with fewer no rank test can say anything


@dataclass(frozen=True)
class RealTask:
    """What the page says of a task.

    Attributes:
        experiment: the name of the sweep.
        title, about: heading, and what is asked.
        score: the column that is compared; higher is better for accuracies.
        by: the task's field that is an axis beside model, split and seed; None for none.
    """

    experiment: str
    title: str
    about: str
    score: str
    by: str | None


TASKS = (
    RealTask(
        "characters",
        "Letters from the movement of a pen, samples missing",
        "One of 20 letters, 3 channels, the 1429 series of the labelled half (not the 2858 of the literature). 0 to "
        "70 % of the samples of each series are missing. Split 70/15/15 within each class.",
        "test_accuracy",
        "dropped",
    ),
    RealTask(
        "speech-commands",
        "Spoken words",
        "One of 10 words from 20 cepstral coefficients in 161 frames, 4074 of the 34975 clips of the literature, no "
        "speaker in two parts.",
        "test_accuracy",
        None,
    ),
    RealTask(
        "walker2d",
        "The next frame of a simulated walker",
        "17 features, windows of 64 frames of which each was kept with probability 0.9, the official split and "
        "windows. Predicting no change costs 4.538. In the code of CfC's authors: CfC with mixed memory 0.617, CfC "
        "0.640, LTC 0.662, all with a linear readout (Hasani et al. 2022).",
        "test_loss",
        None,
    ),
)


def rows(root: Path, task: RealTask, preset: str) -> pd.DataFrame:
    """Finished runs of a sweep, of each model, split and seed the one that validation chose."""
    return results.selected(results.load(root / f"{task.experiment}-{preset}"))


def peer_runs() -> list[dict]:
    return json.loads(PEERS.read_text())["runs"] if PEERS.exists() else []


def peers(task: RealTask) -> pd.DataFrame:
    return pd.DataFrame([run for run in peer_runs() if run["experiment"] == task.experiment])


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % percentile bootstrap of the mean."""
    if len(values) < 3 or np.ptp(values) == 0:
        return np.nan, np.nan
    found = stats.bootstrap((values,), np.mean, method="percentile", rng=0).confidence_interval
    return float(found.low), float(found.high)


def words(task: RealTask, value: float) -> str:
    return f"{100 * value:.1f}" if task.score.endswith("accuracy") else f"{value:.3f}"


def columns(task: RealTask, runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The runs by the task's axis, named as "70 % missing"; all of them under "" where it has none."""
    if task.by is None:
        return {"": runs}
    return {
        f"{100 * value:.0f} % missing": runs[runs[task.by] == value]
        for value in sorted(runs[task.by].dropna().unique())
    }


class Gain(NamedTuple):
    """The gnODE's score minus another model's, paired by split and seed: mean, 95 % interval, p (NaN for few pairs)."""

    mean: float
    low: float
    high: float
    p: float

    @classmethod
    def over(cls, model: str, task: RealTask, runs: pd.DataFrame) -> "Gain | None":
        """None where there are no pairs."""
        keys = [key for key in ("split", "seed") if key in runs]
        ours, theirs = (runs[runs["model"] == name].set_index(keys)[task.score] for name in (REFERENCE, model))
        gains = (ours - theirs).dropna().to_numpy(float)
        if not len(gains):
            return None
        p = stats.wilcoxon(gains).pvalue if len(gains) >= FEW and np.any(gains) else np.nan
        return cls(gains.mean(), *interval(gains), p)


def table(task: RealTask, runs: pd.DataFrame) -> str:
    """Mean score with its interval, by model and, where there is one, by the task's axis."""
    parts = columns(task, runs)
    heads = [name or task.score.replace("_", " ") for name in parts]
    lines = [f"| model | N | parameters | runs a cell | {' | '.join(heads)} | seconds a run | epochs |"]
    lines += [f"|{'---|' * (6 + len(heads))}"]
    for model, part in _in_order(runs):
        cells, counts = [], set()
        for found in parts.values():
            scores = found.loc[found["model"] == model, task.score].to_numpy(float)
            if not len(scores):
                cells.append("not run")
                continue
            counts.add(len(scores))
            low, high = interval(scores)
            between = "" if np.isnan(low) else f" ({words(task, low)} to {words(task, high)})"
            cells.append(f"**{words(task, scores.mean())}**{between}")
        first = part.iloc[0]
        lines.append(
            f"| {WORDS[model]} | {first['state_size']} | {int(first['parameters']):,} | "
            f"{', '.join(map(str, sorted(counts)))} | {' | '.join(cells)} | {part['seconds'].median():.0f} | "
            f"{_range(part['epochs'])} |"
        )
    return "\n".join(lines)


def against(task: RealTask, runs: pd.DataFrame) -> str:
    """Each model beside the gnODE, paired by split and seed."""
    points = "points" if task.score.endswith("accuracy") else "difference"
    lines = [f"| gnODE minus | where | {points} | 95 % interval | p |", "|---|---|---|---|---|"]
    for model, _ in _in_order(runs):
        if model == REFERENCE:
            continue
        for where, both in columns(task, runs).items():
            gain = Gain.over(model, task, both)
            if gain is None:
                continue
            between = "" if np.isnan(gain.low) else f"{_signed(task, gain.low)} to {_signed(task, gain.high)}"
            lines.append(
                f"| {WORDS[model]} | {where} | **{_signed(task, gain.mean)}** | {between} | "
                f"{'' if np.isnan(gain.p) else number(gain.p)} |"
            )
    return "\n".join(lines)


def settings_of(runs: pd.DataFrame) -> str:
    """What was trained how, model by model."""
    lines = ["| model | hidden of F | rate | gate bias | tau (ms) |", "|---|---|---|---|---|"]
    for model, part in _in_order(runs):
        lines.append(
            f"| {WORDS[model]} | {part['hidden'].iloc[0] or 'none'} | {_each(part['lr'])} | "
            f"{_each(part['gate_bias'])} | {_each(1000 * part['tau'])} |"
        )
    return "\n".join(lines)


def _in_order(runs: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(model, runs[runs["model"] == model]) for model in WORDS if (runs["model"] == model).any()]


def _signed(task: RealTask, value: float) -> str:
    return f"{100 * value:+.1f}" if task.score.endswith("accuracy") else f"{value:+.3f}"


def _each(column: pd.Series) -> str:
    return ", ".join(f"{value:g}" for value in sorted(column.unique()))


def _range(column: pd.Series) -> str:
    least, greatest = int(column.min()), int(column.max())
    return str(least) if least == greatest else f"{least} to {greatest}"


def draw_curves(root: Path) -> None:
    """Validation loss against epoch, median and range over runs, at equal N."""
    figure, axes = plt.subplots(1, len(TASKS), figsize=(11, 3.4), layout="constrained")
    for panel, task in zip(axes, TASKS, strict=True):
        runs = rows(root, task, "quick")
        if task.by:
            runs = runs[runs[task.by] == runs[task.by].max()]
        epochs = results.load_epochs(root / f"{task.experiment}-quick")
        for model, part in _in_order(runs):
            found = epochs[epochs["run"].isin(part["run"])].groupby("epoch")["val_loss"]
            panel.semilogy(found.median(), color=COLOURS[model], lw=1.6, label=WORDS[model])
            panel.fill_between(found.median().index, found.min(), found.max(), color=COLOURS[model], alpha=0.15, lw=0)
        panel.set_xlabel("epoch")
        panel.set_title(task.experiment + (", 70 % missing" if task.by else ""), fontsize=10)
    axes[0].set_ylabel("validation loss")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=6, fontsize=8, frameon=False)
    _save(figure, "curves")


def draw_dropped(runs: pd.DataFrame) -> None:
    """Accuracy against the share of samples that is missing: all models, and the best ones closely."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    for at, (model, part) in enumerate(_in_order(runs)):
        groups = part.groupby("dropped")["test_accuracy"]
        means = 100 * groups.mean()
        bounds = 100 * np.array([interval(group.to_numpy(float)) for _, group in groups])
        beside = means.index * 100 + 0.5 * (at - 4)  # so that none hides another
        for panel in axes:
            panel.errorbar(
                beside, means, yerr=np.abs(bounds.T - means.to_numpy()), fmt=MARKERS[model], ms=4.5, lw=1.3, capsize=2,
                color=COLOURS[model], label=WORDS[model],
            )  # fmt: skip
            panel.set_xlabel("samples missing (%)")
    axes[0].set_ylabel("letters told right (%)")
    axes[1].set_ylim(96, 100)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=8, frameon=False)
    _save(figure, "dropped")


def runs_of(root: Path, task: RealTask, model: str) -> list[Path]:
    """Run directories of a model at equal N, where the task's axis is greatest; one for each split, seed 0."""
    found = rows(root, task, "quick")
    found = found[(found["model"] == model) & (found["seed"] == 0)]
    if task.by:
        found = found[found[task.by] == found[task.by].max()]
    return [root / f"{task.experiment}-quick" / "runs" / run for run in found["run"]]


def task_of(path: Path) -> tasks.RecordedTask:
    fields = dict(RunDirectory.open(path).config()["task"])
    return tasks.make(fields.pop("name"), **fields)


def draw_confusion(root: Path) -> None:
    """Confusion of the gnODE, summed over splits: the share of each row."""
    figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.8), layout="constrained")
    for panel, task in zip(axes, TASKS[:2], strict=True):
        counts, names = 0, []
        for path in runs_of(root, task, REFERENCE):
            data = task_of(path).data()
            found = classification(answers_of(gnode.load(path), "cross-entropy", data.test), data.classes)
            counts, names = counts + np.array(found["confusion"]), found["classes"]
        shares = counts / counts.sum(axis=1, keepdims=True)
        panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.argwhere(counts > 0):
            colour = "white" if shares[row, column] > 0.5 else "black"
            panel.text(column, row, counts[row, column], ha="center", va="center", fontsize=6, color=colour)
        panel.set_xticks(range(len(names)), names, rotation=90 if len(names[0]) > 1 else 0, fontsize=8)
        panel.set_yticks(range(len(names)), names, fontsize=8)
        panel.set_xlabel("taken for")
        panel.set_ylabel("is")
        panel.set_title(task.experiment + (", 70 % missing" if task.by else ""), fontsize=10)
    _save(figure, "confusion")


def draw_walker(root: Path) -> None:
    """What follows each frame of a test window, and what was said."""
    task = TASKS[2]
    path = runs_of(root, task, REFERENCE)[0]
    trials = task_of(path).data().test[:1]
    said = np.asarray(gnode.load(path)(trials.series))[0]
    times = np.arange(len(said))
    spread = trials.targets[0].std(axis=0)
    figure, axes = plt.subplots(3, 1, figsize=(8, 5.2), sharex=True, layout="constrained")
    for panel, channel in zip(axes, np.argsort(-spread)[[0, 4, 8]], strict=True):
        panel.plot(times, trials.targets[0, :, channel], color="#6b7280", lw=2.2, label="the next frame")
        panel.plot(times, said[:, channel], color=RUNS[0], lw=1.3, label="predicted by the gnODE")
        panel.plot(times, trials.inputs[0, :, channel], ":", color=RUNS[1], lw=1, label="no change")
        panel.set_ylabel(f"feature {channel + 1}")
    axes[-1].set_xlabel("sample")
    axes[0].legend(fontsize=8, frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    _save(figure, "walker")


def draw_timescales(root: Path) -> None:
    """tau / gate over the units and samples of test trials: of the gnODE, and of the constant leak."""
    figure, axes = plt.subplots(1, len(TASKS), figsize=(11, 3.2), layout="constrained")
    for panel, task in zip(axes, TASKS, strict=True):
        for model in (REFERENCE, "leaky-node"):
            path = runs_of(root, task, model)[0]
            constants = content_of(path).time_constants
            values = np.log10(constants[np.isfinite(constants)])
            panel.ecdf(np.clip(values, -4, 3), lw=1.6, color=COLOURS[model], label=WORDS[model])
        panel.axvline(np.log10(gnode.load(path).config.tau), color=IDEAL, ls=":", lw=1)
        panel.set_xlabel("log10 of tau / gate (s)")
        panel.set_title(task.experiment, fontsize=10)
    axes[0].set_ylabel("share of units and samples below")
    axes[0].legend(fontsize=8, frameon=False)
    _save(figure, "timescales")


def _save(figure: plt.Figure, name: str) -> None:
    figure.savefig(OUT.with_name(f"real-tasks-{name}.png"), dpi=90)
    plt.close(figure)


def section(root: Path, task: RealTask) -> str:
    others = peers(task)
    equal = rows(root, task, "quick")
    parts = [f"## {task.title}", task.about]
    parts += [f"**{_asked(task)}, N = 64 for all.**", table(task, pd.concat([equal, others])), settings_of(equal)]
    if task.by:
        parts.append("![Letters told right against the share of samples that is missing](real-tasks-dropped.png)")
    parts += ["Paired by split and seed:", against(task, pd.concat([equal, others]))]
    if _there(root, task, "parameters"):
        same = rows(root, task, "parameters")
        reference = equal[equal["model"] == REFERENCE]
        if task.by:
            reference = reference[reference[task.by].isin(same[task.by].unique())]
        parts += ["**About as many parameters for all.**", table(task, pd.concat([reference, same]))]
        parts += ["Paired by split and seed:", against(task, pd.concat([reference, same]))]
    if _there(root, task, "linear"):
        parts += ["**With a linear readout, as published models have.**", table(task, rows(root, task, "linear"))]
    return "\n\n".join(parts)


def _there(root: Path, task: RealTask, preset: str) -> bool:
    return (root / f"{task.experiment}-{preset}" / "results.parquet").exists()


def _missing(root: Path) -> str:
    """Which of the sweeps above have not been run."""
    wanted = [(task, preset) for task in TASKS for preset in ("quick", "parameters")] + [(TASKS[2], "linear")]
    missing = [f"{task.experiment} {preset}" for task, preset in wanted if not _there(root, task, preset)]
    kinds = {run["model"] for run in peer_runs()}
    missing += [WORDS[name] for name in OTHERS if name not in kinds]
    return f"**Not run yet: {', '.join(missing)}.**" if missing else ""


def _asked(task: RealTask) -> str:
    return "Percent right on the test trials" if task.score.endswith("accuracy") else "Mean squared error of the test"


def verdicts(root: Path) -> str:
    """Where gating helps, by the rule on the page."""
    lines = ["| task | beside | gnODE minus it | gating |", "|---|---|---|---|"]
    for task in TASKS:
        for name, part in columns(task, rows(root, task, "quick")).items():
            where = ", ".join(filter(None, (task.experiment, name)))
            for model in ("node", "leaky-node"):
                gain = Gain.over(model, task, part)
                assert gain is not None
                above, below = gain.low > 0, gain.high < 0
                better, worse = (above, below) if task.score.endswith("accuracy") else (below, above)
                sure = not gain.p >= 0.05  # NaN: too few pairs for p to say anything
                word = "makes no difference that is shown"
                if sure and (better or worse):
                    word = "**helps**" if better else "**hurts**"
                lines.append(
                    f"| {where} | {WORDS[model]} | {_signed(task, gain.mean)} ({_signed(task, gain.low)} to "
                    f"{_signed(task, gain.high)}) | {word} |"
                )
    return "\n".join(lines)


def page(root: Path) -> str:
    everything = [results.load(path) for path in sorted(root.iterdir()) if (path / "results.parquet").exists()]
    runs = pd.concat(everything)
    others = peer_runs()
    hours = (runs["seconds"].sum() + sum(run["seconds"] for run in others)) / 3600
    return f"""# The benefit of gating on three real tasks

```
{textwrap.dedent(__doc__.split("numbers.", 1)[1].split("Every number", 1)[0]).strip()}
```

{_missing(root)}

Does a gate that gives each unit a timescale which adapts help on recorded data? Three tasks that the paper names (Kim,
Can and Krishnamurthy, ICML 2023); its own tables were not at hand, so nothing here repeats them.

**What is compared.** The gnODE, the same without a gate (nODE), the same with a constant leak for each unit that is
learned (the honest baseline between them), and three gated or plain recurrent nets. Beside them networks of PyTorch and
ncps that see the same trials in the same order under the same schedule.

**How settings were chosen.** By the validation loss of one run each on a split that no table uses (9), over rates and,
where there is a gate or a leak, two starts of its bias (three for the constant leak); on Walker2D, which has one split,
with a seed that no table uses, over two values of tau: `--preset tune`. Epochs, decay and noise were settled for the
gnODE by earlier trials and are the same for all. Peers: the best of three rates on the same split.

**How sure.** Means over splits and seeds; in brackets 95 % percentile bootstrap intervals of the mean over runs. Runs
of one split share their test trials, so the intervals are too narrow for what another draw of trials would do; the
paired differences suffer less from that. p: Wilcoxon's signed-rank test, uncorrected; with nine pairs the least that
can come out is 0.004, with three there is none.

## Where gating helps

By this rule: gating helps where the interval of the paired difference lies on its side of zero and, where there are at
least {FEW} pairs, p is below 0.05. The first half was fixed before the runs. The second was added after the letters had
been seen, where the interval of one comparison only just left out zero (p = 0.125); it can only take a "helps" away.

{verdicts(root)}

![Validation loss against epoch: median and range over runs](real-tasks-curves.png)

{chr(10).join(section(root, task) + chr(10) for task in TASKS)}
## What they look like

![Confusion of the gnODE over three splits](real-tasks-confusion.png)

![What follows each frame of a test window, three features](real-tasks-walker.png)

![Timescales of units over the samples of test trials](real-tasks-timescales.png)

A gnODE's timescales are tau over its gate while each sample acts; the constant leak has one for each unit. Dotted: tau.
The longest are drawn at 1000 s.

{len(runs)} runs ({(runs["state"] == "failed").sum()} failed) and {len(others)} of peers,
{number(hours)} core-hours of training, two at a time, so seconds are rough. {measured_on()}
"""


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("Must have the folder of the sweeps, as: python docs/results/real-tasks.py runs/real")
    root = Path(sys.argv[1])
    draw_curves(root)
    draw_dropped(pd.concat([rows(root, TASKS[0], "quick"), peers(TASKS[0])]))
    draw_confusion(root)
    draw_walker(root)
    draw_timescales(root)
    OUT.write_text(page(root))


if __name__ == "__main__":
    main()
