"""The `gnode` command: parses, calls, prints."""

import contextlib
import json
import os
import shutil
import signal
import sys
import textwrap
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from gnode.errors import GnodeError, many
from gnode.files import path_of, plain

app = typer.Typer(
    name="gnode",
    help="Train gated neural ODEs, see what they learned, measure what they can express.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

data_app = typer.Typer(
    help="Real data sets: what there is, bringing one here, and where it lies.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.add_typer(data_app, name="data")


def _at_home(given: Path | None) -> Path | None:
    """A path in which the shell left a ~, as it does in --out=~/runs."""
    return None if given is None else path_of(given)


Directory = Annotated[Path, typer.Argument(help="A run directory.", show_default=False, callback=_at_home)]
Trust = Annotated[
    bool,
    typer.Option("--trust", help="Run the task.py of somebody else's directory; you have looked at it. Remembered."),
]
SetName = Annotated[str, typer.Argument(metavar="NAME", help="A data set out of gnode data list.", show_default=False)]
Threads = Annotated[
    int, typer.Option(min=1, help="Threads that XLA computes with. Sums are rounded alike only on as many.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, all else on standard error.")]


def _version(shown: bool) -> None:
    if shown:
        from gnode import __version__

        typer.echo(f"gnode {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Options of every command."""


def example(text: str) -> str:
    return f"[bold]Example:[/bold] [cyan]{text}[/cyan]"


_OWN = "A table of your own"


@app.command(
    epilog=example("gnode train ring --model gnode --hidden 128,128 --epochs 150 --out runs/ring")
    + "\n\n"
    + example("gnode train my.csv --target label --series id --time t --out runs/mine")
)
def train(
    out: Annotated[
        Path, typer.Option(help="Directory of the run: new or empty.", show_default=False, callback=_at_home)
    ],
    task: Annotated[
        str | None,
        typer.Argument(
            metavar="TASK|EXPERIMENT.toml|TABLE",
            help="A task; my_tasks.py:MyTask, a class in a file of your own; a file with \\[task], \\[model], "
            "\\[training]; or, with --target, a table of your own (.csv, .npz). With --resume the run's own.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="One of gnode list models. \\[default: gnode]")] = None,
    state_size: Annotated[
        int | None, typer.Option(help="Dimension N of the state. \\[default: as many as the task remembers]")
    ] = None,
    hidden: Annotated[str | None, typer.Option(help="Hidden widths of F, as 128,128; 'none' for one layer.")] = None,
    gate_hidden: Annotated[str | None, typer.Option(help="Hidden widths of the gate; 'none' for one layer.")] = None,
    activation: Annotated[str | None, typer.Option(help="Nonlinearity of hidden layers. \\[default: relu]")] = None,
    integrator: Annotated[
        str | None, typer.Option(help="A step rule or a solver; see gnode list integrators. \\[default: euler]")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="\\[default: 150]")] = None,
    batch_size: Annotated[int | None, typer.Option(help="\\[default: 10]")] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate. \\[default: 0.01]")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Times the rate, as in PyTorch. \\[default: 0.01]")] = None,
    schedule: Annotated[str | None, typer.Option(help="constant, cosine or warmup-cosine (the default).")] = None,
    clip: Annotated[float | None, typer.Option(help="Largest norm of the gradient; 0 for none. \\[default: 1]")] = None,
    seed: Annotated[int | None, typer.Option(help="\\[default: 0]")] = None,
    start: Annotated[
        Path | None,
        typer.Option("--from", help="Start from the weights of this run or model file.", callback=_at_home),
    ] = None,
    bits: Annotated[int | None, typer.Option(help="Number of channels, for the tasks that have them.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other key; see gnode list keys.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", rich_help_panel=_OWN, help="What is predicted; several numbers: a,b. An input: ahead."
        ),
    ] = None,
    series: Annotated[
        str | None, typer.Option(metavar="COLUMN", rich_help_panel=_OWN, help="The names of the series.")
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            rich_help_panel=_OWN,
            help="Times: numbers, dates or durations. With neither, a row is a series.",
        ),
    ] = None,
    inputs: Annotated[
        str | None,
        typer.Option(metavar="COLUMNS", rich_help_panel=_OWN, help="As a,b. \\[default: all others of numbers]"),
    ] = None,
    unit: Annotated[
        str | None, typer.Option(rich_help_panel=_OWN, help="Of times: s, ms, us, ns, min, h or d. \\[default: s]")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(rich_help_panel=_OWN, help="classes or numbers. \\[default: by its looks]")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER|COLUMN",
            rich_help_panel=_OWN,
            help="Of the random split; or what says train, validation or test. \\[default: 0]",
        ),
    ] = None,
    header: Annotated[
        bool | None,
        typer.Option(
            "--header/--no-header", rich_help_panel=_OWN, help="Is the first row of names? \\[default: found out]"
        ),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(rich_help_panel=_OWN, help="Such as latin-1. \\[default: found out]")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the directory; --out alone is enough beside it.")
    ] = False,
    extend: Annotated[
        int | None,
        typer.Option(
            metavar="EPOCHS", min=1, show_default=False, help="With --resume: so many epochs more, at the last rate."
        ),
    ] = None,
    threads: Threads = 1,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Train a model on a task and write a run directory. Data sets and tables have defaults of their own."""
    if task is None and not resume:
        raise typer.BadParameter("Must have a TASK or an EXPERIMENT.toml, or --resume with the directory of a run.")
    source = str(out / "config.toml") if task is None else task
    given = {
        "model": model,
        "state_size": state_size,
        "hidden": _widths(hidden),
        "gate_hidden": _widths(gate_hidden),
        "activation": activation,
        "integrator": integrator,
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "weight_decay": weight_decay,
        "schedule": schedule,
        "clip": clip,
        "seed": seed,
        "bits": bits,
    }
    columns = {
        "series": series,
        "time": time,
        "inputs": None if inputs is None else _names(inputs),
        "unit": unit,
        "kind": kind,
        "split": int(split) if split is not None and split.isdigit() else split,
        "header": header,
        "encoding": encoding,
    }
    named: dict[str, Any] = {key: value for key, value in columns.items() if value is not None}
    if target is not None and start is not None:
        raise typer.BadParameter("Must have a task or an EXPERIMENT.toml beside --from, not a table of your own.")
    if target is None and named:
        raise typer.BadParameter(f"Must have --target beside --{next(iter(named))}, both of a table of your own.")
    with _machine(threads), _quiet_stdout(as_json):
        from gnode.training.experiment import experiment_from, experiment_on, train_experiment
        from gnode.training.progress import watcher

        if trust:
            _trust(Path(source))
        options = {key: value for key, value in given.items() if value is not None} | _pairs(set_ or [])
        if target is None:
            experiment = experiment_from(source, options, start)
        else:
            from gnode.data import from_file
            from gnode.training.assumed import assumed

            experiment = experiment_on(from_file(source, _names(target), **named), options)
            for line in assumed(experiment):
                typer.echo(line, err=True)
        run = train_experiment(experiment, out=out, resume=resume, extend=extend or 0, watcher=watcher())
    _answer(
        as_json,
        {"directory": str(out), **run.summary},
        f"Test loss {_number(run.summary['test_loss'])}{_right(run.summary)} "
        f"(validation {run.summary['val_loss']:.3e}, best epoch {run.summary['best_epoch']} of "
        f"{run.summary['epochs']}, {run.summary['seconds']:.0f} s): {out}",
        f"Look at it: gnode report {out}",
    )


@app.command(epilog=example("gnode evaluate runs/ring --silence 1000"))
def evaluate(
    directory: Directory,
    trials: Annotated[int | None, typer.Option(min=1, help="Fresh trials for the loss. \\[default: 500]")] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Of the fresh trials and remembered values. \\[default: that of the report]"),
    ] = None,
    silence: Annotated[
        int | None, typer.Option(min=0, help="Measure the memory after so many silent bins, on 360 values.")
    ] = None,
    integrator: Annotated[
        str | None, typer.Option(help="Score the same weights under another integrator too, such as tsit5.")
    ] = None,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Score a trained model on fresh trials (own data, data sets: the test set), and its memory after silence."""
    with _machine(), _quiet_stdout(as_json):
        from gnode.examine import evaluate as evaluate_run

        if trust:
            _trust(directory / "config.toml")
        chosen = {} if seed is None else {"seed": seed}
        result = evaluate_run(directory, trials=trials, silence=silence, integrator=integrator, **chosen)
    kind, loss = ("fresh", result["fresh_loss"]) if "fresh_loss" in result else ("test", result["test_loss"])
    lines = [f"{result['loss']} on {result['trials']} {kind} trials: {loss:.3e}", *_how_well(result)]
    if integrator is not None:
        lines.append(
            f"The same weights under {integrator}: {result['loss_under']:.3e}; outputs differ by up to "
            f"{result['largest_difference']:.2e}"
        )
    if silence is not None:
        lines.append(
            f"After {silence} silent bins, {result['values']} values: RMS error {result['rms_error']:.4f}, "
            f"{result['distinct']} distinct ({result['bits']:.1f} bits)"
        )
    _answer(as_json, result, *lines)


@app.command(epilog=example("gnode predict runs/mine new.csv --out predicted.csv"))
def predict(
    directory: Directory,
    table: Annotated[
        Path,
        typer.Argument(
            help="A table with the columns of the run's own; its target may be missing.",
            show_default=False,
            callback=_at_home,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The .csv to write. \\[default: standard output]", show_default=False, callback=_at_home),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The column of time. \\[default: as in training]", show_default=False),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(help="Of times: s, ms, us, ns, min, h or d. \\[default: as in training]", show_default=False),
    ] = None,
    header: Annotated[
        bool | None,
        typer.Option("--header/--no-header", help="Is the first row of names? \\[default: as in training]"),
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Such as latin-1. \\[default: found out]")] = None,
    as_json: Json = False,
) -> None:
    """What a model that was trained on a table says of the series of another one, and how well where that is known."""
    if out is not None and (out.suffix != ".csv" or out.is_dir()):
        raise typer.BadParameter(f"Must have a file .csv to write to, instead got {out}.")
    if out is not None and out.resolve() == table.resolve():
        raise typer.BadParameter(f"Must have another file for predictions than the table, instead got {out}.")
    if out is not None and not out.parent.is_dir():
        raise typer.BadParameter(f"Must have a folder that is there to write to, instead got {out.parent}.")
    with _machine(), _quiet_stdout(as_json):
        from gnode.examine import predict as predict_run
        from gnode.files import write_atomically
        from gnode.training.assumed import facts_in_lines

        found = predict_run(directory, table, time=time, unit=unit, header=header, encoding=encoding)
        scores = found.scores or {}
        for line in [*facts_in_lines(found.said), *(_how_well(scores) if scores else [])]:
            typer.echo(line, err=True)
        text = found.frame.to_csv(index=False)
        if out is not None:
            write_atomically(out, text.encode())
            written = f"{many(len(found.frame), 'prediction')} written: {out}"
    if as_json:
        stored = {"file": str(out)} if out is not None else {"predictions": found.frame.to_dict("records")}
        _answer(True, {"said": found.said, "rows": len(found.frame), "scores": found.scores, **stored})
    else:
        typer.echo(text.rstrip("\n") if out is None else written)


@app.command(epilog=example("gnode analyse runs/ring"))
def analyse(directory: Directory, trust: Trust = False, as_json: Json = False) -> None:
    """Find and classify what a trained model has learned: analysis.json and analysis.npz."""
    with _machine(), _quiet_stdout(as_json):
        from gnode.examine import analyse as analyse_run
        from gnode.examine import evidence_of

        if trust:
            _trust(directory / "config.toml")
        with _status() as told:
            written = analyse_run(directory, told)
        summary = json.loads(Path(written).read_text())
    found = [_wrapped(f"{name[0].upper()}{name[1:]}: {words}", 4) for name, words in evidence_of(summary).items()]
    _answer(as_json, summary, *found, f"Analysis: {written}", f"See it: gnode report {directory}")


@app.command(epilog=example("gnode report runs/gnode runs/node runs/gru"))
def report(
    directories: Annotated[list[Path], typer.Argument(help="Run directories; several are put side by side.")],
    out: Annotated[
        Path | None, typer.Option(help="Where the page goes. \\[default: report.html in the first]", callback=_at_home)
    ] = None,
    title: Annotated[str | None, typer.Option(help="Of the page. \\[default: what the run is]")] = None,
    figures: Annotated[
        Path | None,
        typer.Option(
            help="Also write figures, and their numbers as CSV, into this folder (one run).", callback=_at_home
        ),
    ] = None,
    style: Annotated[
        str | None, typer.Option(metavar="FILE.mplstyle", help="Of the figures, over the house style.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAMES", help="Figures to write, as flow,memory. \\[default: all]")
    ] = None,
    format_: Annotated[
        list[str] | None, typer.Option("--format", metavar="KINDS", help="png, pdf, svg. \\[default: png,pdf]")
    ] = None,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Make one self-contained, interactive HTML page from run directories."""
    chosen: dict[str, Any] = {} if style is None else {"style": style}
    chosen |= {key: _names(",".join(texts)) for key, texts in (("only", only), ("formats", format_)) if texts}
    if chosen and figures is None:
        raise typer.BadParameter("Must have --figures with --style, --only or --format.")
    with _machine(), _quiet_stdout(as_json):
        from gnode.report import figures as draw_figures
        from gnode.report import report as make_report
        from gnode.report import wanted_figures

        if trust:
            _trust(*(directory / "config.toml" for directory in directories))
        if figures is not None:
            wanted_figures(figures, **chosen)  # refused before the page is made
        page = make_report(directories, out, title=title)
        drawn = [] if figures is None else [str(path) for path in draw_figures(directories[0], figures, **chosen)]
    _answer(as_json, {"report": str(page), "figures": drawn}, f"Report: {page}", *drawn)


@app.command(epilog=example("gnode export runs/ring --to numpy --out ring.py"))
def export(
    directory: Annotated[
        Path, typer.Argument(help="A run directory, or a .safetensors file.", show_default=False, callback=_at_home)
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="The file to write: .py; .jaxexport for jax; .onnx for onnx.", show_default=False, callback=_at_home
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            help="numpy: a function of arrays. torch: a torch.nn.Module. jax: an artefact of jax.export. onnx: a graph."
        ),
    ] = "numpy",
    as_json: Json = False,
) -> None:
    """Write a trained model to one file that runs where gnode is not."""
    with _machine(), _quiet_stdout(as_json):
        from gnode import models

        file = models.export(models.load_model(directory), out, to=to)
    use = {
        ".py": f"from {file.stem} import network",
        ".jaxexport": f'jax.export.deserialize(open("{file}", "rb").read()).call(inputs, elapsed)',
        ".onnx": f'onnxruntime.InferenceSession("{file}").run(None, {{"inputs": inputs, "elapsed": elapsed}})',
    }
    _answer(as_json, {"file": str(file), "to": to}, f"Written: {file}", f"Use it: {use[file.suffix]}")


@app.command(epilog=example("gnode sweep variable-amplitude-6 --preset quick --out runs/variable-amplitude-6"))
def sweep(
    experiment: Annotated[
        str, typer.Argument(metavar="NAME|EXPERIMENT.toml", help="One of gnode list experiments, or a file.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Directory of the sweep: new or empty.", show_default=False, callback=_at_home)
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Preset of the file, as quick or paper. \\[default: quick where there is one]")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the sweep in the directory.")] = False,
    on: Annotated[
        str, typer.Option(help="local: the cores of this machine. ray: a Ray cluster. device: a GPU.")
    ] = "local",
    address: Annotated[str | None, typer.Option(help="Of the Ray cluster, as host:port or auto.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Runs at a time. \\[default: one a core; 256 on a device]")
    ] = None,
    halving: Annotated[bool | None, typer.Option(help="Stop hopeless runs early by successive halving.")] = None,
    reports: Annotated[bool, typer.Option("--reports", help="Also make the report of every selected run.")] = False,
    only_plan: Annotated[bool, typer.Option("--plan", help="Only say what would be run, and for how long.")] = False,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Run every combination of an experiment's grid and seeds; tables and a report come out."""
    with _machine(), _quiet_stdout(as_json):
        from gnode.sweeps.grid import read_plan
        from gnode.sweeps.progress import sweep_watcher
        from gnode.sweeps.sweep import run_sweep

        if trust:
            _trust(Path(experiment))
        plan = read_plan(experiment, preset, halving)
        if only_plan:
            from gnode.sweeps.outlook import outlook

            numbers, lines = outlook(plan, workers)
            _answer(as_json, numbers, *lines)
            return
        if out is None:
            raise typer.BadParameter("Must have a directory for the sweep, or --plan.", param_hint="--out")
        runs = run_sweep(plan, out, resume=resume, on=on, address=address, workers=workers, watcher=sweep_watcher())
        from gnode.report.sweep import run_reports, sweep_report  # late: it would take memory while the workers run

        if reports:
            run_reports(out)
        page = sweep_report(out)
    counts = {state: int(count) for state, count in runs["state"].value_counts().items()}
    failed = dict(runs.loc[runs["state"] == "failed", ["run", "why"]].itertuples(index=False))
    _answer(
        as_json,
        {
            "directory": str(out),
            "report": str(page),
            "runs": len(runs),
            **counts,
            "why_failed": [f"{run}: {why}" for run, why in failed.items()],
        },
        f"{len(runs)} runs: " + ", ".join(f"{count} {state}" for state, count in counts.items()),
        *_reasons(failed),
        f"Tables: {out}/results.parquet, {out}/epochs.parquet"
        + (f", {out}/examinations.parquet" if plan.examination is not None else ""),
        f"Report: {page}",
    )


def _reasons(failed: dict[str, str]) -> list[str]:
    """One line for each reason, however many runs it stopped."""
    by_reason: dict[str, list[str]] = {}
    for run, why in failed.items():
        by_reason.setdefault(why, []).append(run)
    return [
        f"{runs[0]}{f' and {len(runs) - 1} more' if len(runs) > 1 else ''}: {why}" for why, runs in by_reason.items()
    ]


@app.command(epilog=example("gnode demo --out runs/demo"))
def demo(
    out: Annotated[Path, typer.Option(help="Directory of the run: new or empty.", callback=_at_home)] = Path(
        "runs/demo"
    ),
    as_json: Json = False,
) -> None:
    """Train a 2-D gnODE to remember an angle, and write report.html."""
    with _machine(), _quiet_stdout(as_json):
        from gnode.examine import evaluate as evaluate_run
        from gnode.report import report as make_report
        from gnode.training.experiment import experiment_from, train_experiment
        from gnode.training.progress import watcher

        typer.echo("A two-dimensional gated neural ODE learns to remember an angle (the ring task).", err=True)
        experiment = experiment_from("ring", {"snapshot_every": 10})  # for the film of how the ring came to be
        run = train_experiment(experiment, out=_fresh(out), resume=False, watcher=watcher())
        assert run.path is not None
        memory = {bins: evaluate_run(run.path, trials=100, silence=bins) for bins in (100, 1000)}
        typer.echo("Finding its attractor and drawing the report.", err=True)
        page = make_report([run.path], None)
    result = {
        "directory": str(run.path),
        "report": str(page),
        "val_loss": run.summary["val_loss"],
        "seconds": run.summary["seconds"],
        **{f"rms_error_{bins}": scores["rms_error"] for bins, scores in memory.items()},
    }
    _answer(
        as_json,
        result,
        f"Validation loss {run.summary['val_loss']:.2e} after {run.summary['seconds']:.0f} s of training.",
        f"Of 360 angles never trained on it keeps {memory[100]['distinct']} apart after 100 silent bins (1 s) and "
        f"{memory[1000]['distinct']} after 1000.",
        f"Open {page.resolve()}",
        f"What kind of attractor it is, and more: gnode analyse {run.path}, then gnode report {run.path}",
    )


@app.command(epilog=example("gnode expressivity --preset quick --out runs/expressivity"))
def expressivity(
    out: Annotated[
        Path, typer.Option(help="Directory of the measurement: new or empty.", show_default=False, callback=_at_home)
    ],
    preset: Annotated[
        str | None, typer.Option(help="quick (half a minute) or full (a quarter of an hour). \\[default: quick]")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="A TOML file: keys of the plan, and `preset` whose other keys hold.", callback=_at_home),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Recorded trajectories, .csv or .npz: advise the smallest network for them.", callback=_at_home
        ),
    ] = None,
    tolerance: Annotated[float, typer.Option(help="With --data: the error, MSE over variance, to be reached.")] = 0.01,
    seed: Annotated[int | None, typer.Option(min=0, help="Of targets, networks and bootstrap. \\[default: 0]")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes. \\[default: one a core]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the measurement in the directory.")] = False,
    as_json: Json = False,
) -> None:
    """Measure how complex a trajectory networks can generate, or which network a recorded one needs."""
    if sum(given is not None for given in (preset, config, data)) > 1:
        raise typer.BadParameter("Must have one of --preset, --config and --data.")
    with _machine(), _quiet_stdout(as_json):
        from gnode.expressivity.command import advise_on_file, measure
        from gnode.report.expressivity import expressivity_report

        if data is not None:
            result, lines = advise_on_file(data, out, tolerance=tolerance, seed=seed, resume=resume, workers=workers)
        else:
            result, lines = measure(out, preset=preset, config=config, seed=seed, resume=resume, workers=workers)
        page = expressivity_report(out)
    _answer(as_json, {"directory": str(out), "report": str(page), **result}, *lines, f"Report: {page}")


@app.command(epilog=example("gnode reconstruct recording.csv --time t --out runs/dynamics"))
def reconstruct(
    recording: Annotated[
        Path,
        typer.Argument(metavar="RECORDING", help="A table (.csv) with a row a sample, or an .npz.", show_default=False),
    ],
    out: Annotated[
        Path, typer.Option(help="Directory of the reconstruction: new or empty.", show_default=False, callback=_at_home)
    ],
    channels: Annotated[
        str | None, typer.Option(metavar="COLUMNS", help="As x,y. \\[default: all others of numbers]")
    ] = None,
    inputs: Annotated[str | None, typer.Option(metavar="COLUMNS", help="What was known to act on it.")] = None,
    series: Annotated[str | None, typer.Option(metavar="COLUMN", help="The names of several recordings.")] = None,
    time: Annotated[str | None, typer.Option(metavar="COLUMN", help="Times: numbers, dates or durations.")] = None,
    unit: Annotated[str | None, typer.Option(help="Of times: s, ms, us, ns, min, h or d. \\[default: s]")] = None,
    state_size: Annotated[
        str, typer.Option(help="Units of the state; auto: as many as delays times channels.")
    ] = "auto",
    delays: Annotated[
        str, typer.Option(help="Samples of each channel that make a state; auto: by held-out prediction.")
    ] = "auto",
    lag: Annotated[str, typer.Option(help="Samples between them; auto: by mutual information.")] = "auto",
    loss: Annotated[str, typer.Option(help="mse, or poisson of counts.")] = "mse",
    factors: Annotated[str, typer.Option(help="Of counts: how many; auto: by held-out prediction.")] = "auto",
    held: Annotated[
        str, typer.Option(help="What inputs are held at where networks are looked into: mean, or numbers as 0,0.")
    ] = "mean",
    model: Annotated[str | None, typer.Option(help="\\[default: gnode]")] = None,
    hidden: Annotated[str | None, typer.Option(help="Hidden widths of F. \\[default: 64]")] = None,
    members: Annotated[int | None, typer.Option(min=1, help="Networks of the ensemble. \\[default: 3]")] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Steps of each, at most. \\[default: 60; 30 of noisy ones]")
    ] = None,
    piece: Annotated[
        int | None, typer.Option(min=3, help="Samples on which they run freely. \\[default: by noise and pace]")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="\\[default: 0]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what the directory holds.")] = False,
    as_json: Json = False,
) -> None:
    """From a recording to the dynamics behind it, with what of them can be trusted."""
    numbers = {"members": members, "epochs": epochs, "piece": piece, "seed": seed}
    given = {"model": model, "hidden": _widths(hidden), **numbers}
    plan: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if state_size != "auto":
        plan["state_size"] = _whole("--state-size", state_size)
    with _machine(), _quiet_stdout(as_json):
        from gnode.reconstruction import reconstruct as reconstruct_from
        from gnode.reconstruction.own import read_file
        from gnode.report.reconstruction import reconstruction_report
        from gnode.training.progress import watcher

        columns = {"channels": channels, "inputs": inputs}
        own = read_file(
            recording,
            **{key: None if value is None else _names(value) for key, value in columns.items()},
            series=series,
            time=time,
            unit=unit,
        )
        for name, words in own.said.items():
            typer.echo(f"{name}: {words}", err=True)
        found = reconstruct_from(
            own.series,
            inputs=own.inputs,
            channels=own.channels,
            delays=_whole("--delays", delays),
            lag=_whole("--lag", lag),
            loss=loss,
            factors=_whole("--factors", factors),
            held=held if held == "mean" else _numbers("--held", held),
            out=out,
            resume=resume,
            watcher=watcher(),
            **plan,
        )
        page = reconstruction_report(out)
    _answer(
        as_json,
        {"directory": str(out), "report": str(page), **found.summary},
        *found.summary["verdict"],
        f"Report: {page}",
    )


def _whole(name: str, text: str) -> int | str:
    """A whole number, or the word auto."""
    if text == "auto" or text.isdigit():
        return text if text == "auto" else int(text)
    raise typer.BadParameter(f"Must have {name} a whole number or auto, instead got {text!r}.")


@app.command(epilog=example("gnode cite runs/ring > methods.bib"))
def cite(directory: Directory, as_json: Json = False) -> None:
    """Print the BibTeX of the methods that a run or a sweep used; of its analysis too, where it was analysed."""
    with _machine(), _quiet_stdout(as_json):
        from gnode.citations import bibtex, citations

        chosen = citations(directory)
    entries = [{"key": one.key, "used_for": one.used_for, "bibtex": one.entry} for one in chosen]
    _answer(as_json, {"directory": str(directory), "citations": entries}, bibtex(chosen))


@app.command(epilog=example("gnode doctor"))
def doctor(as_json: Json = False) -> None:
    """Say what gnode runs on here, and what of it is slow or wrong, with what to do."""
    with _machine(), _quiet_stdout(as_json):
        from gnode.doctor import as_dict, as_lines, facts

        seen = facts()
    _answer(as_json, as_dict(seen), *as_lines(seen))


@app.command(name="list", epilog=example("gnode list tasks") + "\n\n" + example("gnode list keys tau lr"))
def list_(
    what: Annotated[
        str,
        typer.Argument(help="models, tasks, experiments, integrators, activations, losses, keys, ..."),
    ],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="These alone.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """List what there is to choose from."""
    with _machine():
        from gnode.errors import look_up
        from gnode.sweeps.grid import experiments
        from gnode.training.experiment import catalogues

        entries = look_up("list", what, catalogues() | {"experiments": experiments()})
        if names:
            entries = (_keys_in_short() if what == "keys" else {}) | entries
            entries = {name: look_up(f"name in the list of {what}", name, entries) for name in names}
        lines = _explained_keys(names) if what == "keys" else _in_columns(entries)
    _answer(as_json, entries, *lines)


def _in_columns(entries: dict[str, str]) -> list[str]:
    """Names, and what is said of each beside it: in lines as wide as the terminal, into a pipe in a line each."""
    width = max(map(len, entries)) + 2
    return [_wrapped(f"{name:<{width}}{text}".rstrip(), width) for name, text in entries.items()]


def _keys_in_short() -> dict[str, str]:
    """Keys, those of tasks too."""
    from gnode.training.keys import keys, keys_of_tasks

    return {name: key.in_short for name, key in (keys_of_tasks() | keys()).items()}


def _explained_keys(names: Collection[str] | None) -> list[str]:
    """Keys, all or some, by the table of an experiment file that holds them, with their meanings."""
    from gnode.training.keys import keys, keys_of_tasks

    explained = {name: key for name, key in (keys_of_tasks() | keys()).items() if not names or name in names}
    columns = _in_columns({name: key.explained for name, key in explained.items()})
    lines: list[str] = []
    for key, line in zip(explained.values(), columns, strict=True):
        heading = f"[{key.section}]"
        lines += [line] if heading in lines else [*[""] * bool(lines), heading, line]
    return lines if names else [*lines, "", "A task of your own has the keys of its class."]


@data_app.command(name="list", epilog=example("gnode data list"))
def list_data(as_json: Json = False) -> None:
    """List the data sets, and which are on this machine."""
    with _quiet_stdout(as_json):
        from gnode.data import catalogue

        entries = catalogue()
    lines = []
    for name, entry in entries.items():
        place = entry["folder"] or f"not here; {entry['bytes'] / 1e6:.0f} MB: gnode data fetch {name}"
        lines += [f"{name}: {entry['summary']}", f"    {place}", f"    licence: {entry['licence']}"]
        lines += [f"    cite: {entry['citation']}", f"    from: {entry['address']}"]
    _answer(as_json, entries, *lines)


@data_app.command(epilog=example("gnode data fetch walker2d"))
def fetch(name: SetName, as_json: Json = False) -> None:
    """Bring a data set onto this machine, checked, unless it is there already."""
    with _machine(), _quiet_stdout(as_json):
        from gnode.data import fetch as fetch_set

        paths = fetch_set(name, told=lambda line: typer.echo(line, err=True))
    _answer(as_json, _files(name, paths), f"{name}: {paths[0] if len(paths) == 1 else paths[0].parent}")


@data_app.command(epilog=example("gnode data where walker2d"))
def where(name: SetName, as_json: Json = False) -> None:
    """Check a data set on this machine, and say which files it is read from."""
    with _quiet_stdout(as_json):
        from gnode.data import where as where_is

        paths = where_is(name)
    _answer(as_json, _files(name, paths), *map(str, paths))


def _files(name: str, paths: list[Path]) -> dict[str, Any]:
    return {"name": name, "files": [str(path) for path in paths]}


def _fresh(out: Path) -> Path:
    """The directory itself, or the first of DIR-2, DIR-3, ... that is free: a second demo does not spoil the first."""
    candidate, number = out, 1
    while candidate.is_dir() and any(candidate.iterdir()):
        number += 1
        candidate = out.with_name(f"{out.name}-{number}")
    return candidate


def _widths(text: str | None) -> list[int] | None:
    if text is None:
        return None
    if text.strip().lower() in ("none", ""):
        return []
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"Must have widths such as 128,128, or none, instead got {text!r}.") from None


def _numbers(name: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"Must have {name} mean, or numbers such as 0,0, instead got {text!r}.") from None


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def _right(summary: dict[str, Any]) -> str:
    """How much of the test set is right, where it is classes."""
    share = summary.get("test_accuracy")
    return "" if share is None else f", {share:.1%} right"


def _how_well(scores: dict[str, Any]) -> list[str]:
    """Figures of a classifier or a regression, in lines."""
    if "accuracy" in scores:
        low, high = scores["accuracy_interval"]
        return [
            f"{scores['accuracy']:.1%} right (95 % interval {low:.1%} to {high:.1%}; always the most common class: "
            f"{scores['most_common']:.1%}), macro F1 {scores['f1']:.3f}, expected calibration error "
            f"{scores['calibration_error']:.3f}",
            *(f"{often} of {truth} taken for {taken}" for truth, taken, often in scores["most_confused"]),
        ]
    if scores.get("r2") is not None:
        return [f"Typical error {scores['rmse']:.3g} in the units of the targets, R2 {scores['r2']:.3f}"]
    return []


def _number(loss: float | None) -> str:
    """A loss that may be missing."""
    return "none" if loss is None else f"{loss:.3e}"


def _pairs(settings: list[str]) -> dict[str, Any]:
    """KEY=VALUE with the value read as TOML, or as a plain string where it is none."""
    pairs = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip():
            raise typer.BadParameter(f"Must have --set KEY=VALUE, instead got {setting!r}.")
        pairs[key.strip()] = _value(value.strip())
    return pairs


def _value(text: str) -> Any:
    """A value as TOML has it, or as people write it on a command line: .01, and 64,64 for a list; else plain text."""
    import tomllib

    for written in (text, f"0{text}" if text.startswith(".") else text, f"[{text}]" if "," in text else text):
        with contextlib.suppress(tomllib.TOMLDecodeError):
            return tomllib.loads(f"value = {written}")["value"]
    return text


def _answer(as_json: bool, result: dict[str, Any], *lines: str) -> None:
    if as_json:
        typer.echo(plain.as_json(result))
    else:
        for line in lines:
            typer.echo(line)


def _wrapped(line: str, indent: int) -> str:
    """A line as wide as the terminal, further lines indented; into a pipe as it is."""
    if not sys.stdout.isatty():
        return line
    columns = max(shutil.get_terminal_size().columns, indent + 20)
    return textwrap.fill(line, columns, subsequent_indent=" " * indent, break_on_hyphens=False)


@contextlib.contextmanager
def _status() -> Iterator[Callable[[str], object] | None]:
    """Shows a person who waits what is done now; into a log nothing."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    with Console(stderr=True).status("...") as status:
        yield status.update


@contextlib.contextmanager
def _quiet_stdout(as_json: bool) -> Iterator[None]:
    """With --json nothing but the object may reach standard output."""
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def _machine(threads: int = 1) -> Iterator[None]:
    """What every command that computes needs: the compile cache, its threads, and SIGTERM treated like Ctrl-C."""
    _use_compile_cache()
    # XLA sizes its pool when JAX makes its devices. One thread gives the same bytes on any number of cores, and what a
    # worker of a sweep computes.
    os.environ["NPROC"] = str(threads)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _trust(*files: Path) -> None:
    """What the option --trust does, to the config.toml or sweep.toml of each directory."""
    from gnode.training.programs import trust_programs

    for file in files:
        trust_programs(path_of(file))


def _use_compile_cache() -> None:
    """Keep compiled programs in the user's cache folder, unless JAX was told of another or the folder is closed."""
    # XLA warns at every load that a cached program names tuning preferences which are no CPU features.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = home / "gnode" / "compiled"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # the latter where there is no home folder, as in some containers
        return
    # By the environment, which JAX reads when it is imported: workers inherit it.
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def _fail(line: str, code: int) -> NoReturn:
    typer.echo(f"gnode: {line}", err=True)
    raise SystemExit(code)


def run_command(command: Callable[[], Any]) -> None:
    """Run the parser, and turn what goes wrong into one line and an exit code."""
    try:
        command()
    except GnodeError as error:
        _fail(" ".join(str(error).split()), error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except BrokenPipeError:  # who read the output, as `head`, has left; the work is done or resumable
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # where the interpreter flushes at its end
        raise SystemExit(1) from None
    except OSError as error:
        _fail(f"{error.strerror or error} ({error.filename})" if error.filename else str(error), 1)
    except MemoryError as error:
        _fail(_too_large(error), 1)
    except (AssertionError, RuntimeError) as error:  # as JAX raises them where it finds no device, or no memory on it
        if "RESOURCE_EXHAUSTED" in str(error):
            _fail(_too_large(error), 1)
        if "jax" in sys.modules:
            from gnode.training.platform import check_device

            run_command(check_device)
        raise


def _too_large(error: Exception) -> str:
    """That memory is not enough, in a line."""
    said = " ".join(str(error).split()) or "no memory left"
    return f"Must have less to hold in memory, instead got: {said}. Try smaller sizes."


def main() -> None:
    """The entry point of the console script."""
    run_command(app)
