"""Measuring: errors of networks on targets, and the capacity of architectures."""

import dataclasses
import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jax
import numpy as np

from gnode.arguments import integer
from gnode.errors import check_known, must_have
from gnode.expressivity.directory import CAPACITY, ERRORS, Directory
from gnode.expressivity.fit import fit
from gnode.expressivity.plan import GIVEN, Architecture, Cell, Plan
from gnode.expressivity.polish import polish
from gnode.expressivity.result import Result, best_errors, load_result
from gnode.expressivity.words import statements
from gnode.files import path_of, write_atomically
from gnode.modes import usual_modes
from gnode.series.arrays import as_floats
from gnode.workers import ENGINES, check, run_jobs

SHOWN_TARGETS = 2  # whose fitted trajectories are kept, for the report

Done = Callable[[Cell, float, float], None]  # a cell is done: its share of the work and what is done of the whole


def errors(
    model: str,
    *,
    state_size: int,
    targets: np.ndarray,
    hidden: Sequence[int] | None = None,
    duration: float | None = None,
    steps: int = 3000,
    restarts: int = 2,
    polish: int = 0,
    step: str = "map",
    seed: int = 0,
    **architecture: Any,
) -> np.ndarray:
    """MSE / variance of the best restart, (complexities, targets), in this process.

    Args:
        model: of gnode.fields.FIELDS.
        state_size: N.
        targets: (complexities, targets, time, d), each of them with some movement in every dimension.
        hidden: hidden widths of F, for gnode and node.
        duration: of a path in tau; by default 0.2 tau a step.
        steps, restarts, polish, step, seed: see Plan.
        architecture: other keys of Architecture.

    Raises:
        InvalidInput: an argument that cannot be.
    """
    paths = _as_targets(targets)
    check_known(architecture, [item.name for item in dataclasses.fields(Architecture)], "a key of Architecture")
    widths: Any = hidden
    kind = Architecture(model=model, hidden=widths, **architecture)
    bins = paths.shape[2] - 1
    plan = Plan(
        architectures=(kind,),
        state_sizes=(state_size,),
        targets=GIVEN,
        complexities=tuple(range(1, len(paths) + 1)),
        count=paths.shape[1],
        bins=bins,
        durations=(0.2 * bins if duration is None else duration,),
        steps=(steps,),
        restarts=restarts,
        polish=polish,
        step=step,
        seed=seed,
    )
    return best_errors(_fit_cell(plan, plan.cells()[0], plan.checked(paths)))


def _as_targets(targets: Any) -> np.ndarray:
    """Targets of the user's own as an array (complexities, targets, time, d)."""
    paths = as_floats(targets, "targets").astype(float)
    if paths.ndim != 4:
        must_have("targets (complexities, targets, time, d)", f"shape {paths.shape}")
    return paths


def capacity(
    architectures: Sequence[Architecture | str | Mapping[str, Any]] = (),
    *,
    state_sizes: Sequence[int] = (2, 3, 4),
    targets: str | np.ndarray = "gaussian-process",
    tolerance: float = 0.01,
    out: str | Path | None = None,
    resume: bool = False,
    workers: int | None = None,
    done: Done | None = None,
    **plan: Any,
) -> Result:
    """Measure the capacity of architectures: the greatest complexity that they reproduce at a tolerance.

    Args:
        architectures: Architecture, names of models, or tables such as {"model": "node", "hidden": (30,)}.
        state_sizes: N.
        targets: a family of TARGETS, a file, or an array (complexities, targets, time, d).
        tolerance: e = MSE / variance at which capacity is read; also 0.05 is reported.
        out: directory that keeps everything; None for none.
        resume: go on with the measurement in `out`.
        workers: processes; by default one a core.
        done: told of every cell that is done.
        plan: other keys of Plan: complexities, count, bins, durations, steps, restarts, polish, step, seed, ...

    Returns:
        Result: `.table` (pandas, a row a cell), `.errors` (a row a network), `.capacity(cell)`, `.interval(cell)`.

    Raises:
        InvalidInput: an argument that cannot be, or a directory that holds something else.
    """
    if done is not None and not callable(done):
        must_have("done a function (cell, share, finished)", type(done).__name__)
    check_known(plan, [item.name for item in dataclasses.fields(Plan)], "a key of Plan")
    plan.setdefault("tolerances", (tolerance, 0.05) if tolerance != 0.05 else (0.05,))
    given = None
    if not isinstance(targets, str):
        given = _as_targets(targets)
        plan |= {"count": given.shape[1], "bins": given.shape[2] - 1}
        plan.setdefault("complexities", tuple(range(1, len(given) + 1)))
    plan.setdefault("durations", (0.2 * integer("bins", plan.get("bins", 128), 2),))
    made = Plan(
        architectures=architectures,  # type: ignore[arg-type]  # Plan reads names and tables, one or several
        state_sizes=state_sizes,  # type: ignore[arg-type]
        targets=targets if isinstance(targets, str) else GIVEN,
        **plan,
    )
    if out is not None:
        return run_plan(made, path_of(out), given=given, resume=resume, workers=workers, done=done)
    with TemporaryDirectory() as folder:
        return run_plan(made, Path(folder), given=given, workers=workers, done=done)


def run_plan(
    plan: Plan,
    out: Path,
    *,
    given: np.ndarray | None = None,
    resume: bool = False,
    workers: int | None = None,
    done: Done | None = None,
) -> Result:
    """Fit all cells that the directory does not hold yet, each in a process with one core, and write the tables.

    Args:
        plan: what is measured.
        out: the directory, new, or with `resume` one that the same plan began.
        given: (complexities, count, bins + 1, d), where the plan's targets are "given".
        resume: go on with what `out` holds.
        workers: processes; by default one a core.
        done: is called with each cell that is finished, its share of the work, and the share that is done.

    Raises:
        InvalidInput: `out` holds something else, or the targets do not fit the plan.
    """
    check(workers, "local", None, ENGINES)
    targets = plan.draw() if given is None else plan.checked(given)
    directory = Directory.begin(out, plan, targets, resume)
    # The longest first, so that no core is idle at the end.
    cells = sorted(plan.cells(), key=lambda cell: -work(plan, cell, targets.shape[-1]))
    missing = [cell for cell in cells if not directory.has(cell)]
    loads = {cell: work(plan, cell, targets.shape[-1]) for cell in cells}
    total = sum(loads.values())
    finished = total - sum(loads[cell] for cell in missing)
    # A cell's numbers depend on one core's arithmetic: in a process of its own that has one, they are always the same.
    jobs = run_jobs(_job, [(str(out), cell) for cell in missing], workers=workers)
    with closing(jobs):  # type: ignore[type-var]
        for index, outcome in jobs:
            if isinstance(outcome, Exception):
                raise outcome
            finished += loads[missing[index]]
            if done is not None:
                done(missing[index], loads[missing[index]] / total, finished / total)
    result = load_result(out)
    buffer = io.BytesIO()
    result.errors.to_parquet(buffer, index=False)
    write_atomically(out / ERRORS, buffer.getvalue())
    directory.write_json(CAPACITY, _summary(result))
    return result


def _summary(result: Result) -> dict[str, Any]:
    """What capacity.json holds."""
    crossed = result.crossings
    return {
        "dial": list(result.plan.dial),
        "complexities": list(result.dial),
        "capacities": [
            {
                **{key: row[key] for key in ("architecture", "state_size", "duration", "steps", "parameters")},
                "tolerance": row["tolerance"],
                **{key: _ends(row[key]) for key in ("capacity", "low", "high")},
                "median_error": np.median(result.best(cell), axis=1).tolist(),
                "networks": row["networks"],
                "diverged": row["diverged"],
            }
            for row, cell in zip(
                result.table.to_dict("records"),
                [cell for cell in result.plan.cells() for _ in result.plan.tolerances],
                strict=True,
            )
        ],
        "floors": {str(n): np.median(result.floor(n), axis=1).tolist() for n in result.plan.state_sizes},
        "crossing_targets": None if crossed is None else np.mean(crossed > 0, axis=1).tolist(),
        "statements": statements(result),
    }


def _ends(value: float) -> float | str:
    """A capacity as JSON has it: a number, or one of the open ends."""
    return "< grid" if value == 0 else "> grid" if np.isinf(value) else value


def work(plan: Plan, cell: Cell, outputs: int) -> float:
    """About how long a cell takes, in arbitrary units: its products, and a constant a time step."""
    config = cell.architecture.config(cell.state_size, outputs)
    gates = {"gnode": 1, "mgru": 1, "gru": 2}.get(config.model, 0)
    products = 0
    for widths in ([*(config.hidden or ()), config.state_size], *[[*config.gate_hidden, config.state_size]] * gates):
        fan_in = config.state_size
        for width in widths:
            products += fan_in * width
            fan_in = width
    slower = {"map": 1, "flow": 4}[plan.step]
    return cell.steps * plan.restarts * slower * (60 + 12 * (1 + gates) * config.state_size + products)


def _job(job: tuple[str, Cell]) -> None:
    """Fit one cell and put it into the directory; runs in a worker."""
    folder, cell = job
    directory = Directory.open(folder)
    directory.write_cell(cell, _fit_cell(directory.plan(), cell, directory.targets()))


@usual_modes()
def _fit_cell(plan: Plan, cell: Cell, targets: np.ndarray) -> dict[str, np.ndarray]:
    """Errors (complexities, targets, restarts), and what the best networks of a few targets do."""
    complexities, count, samples, outputs = targets.shape
    config = cell.architecture.config(cell.state_size, outputs)
    rates = cell.architecture.rates
    alpha = cell.duration / plan.bins
    index = [(plan.seed, k, c, r) for c in range(complexities) for k in range(count) for r in range(plan.restarts)]
    fitted = fit(
        config,
        np.repeat(targets.reshape(-1, samples, outputs), plan.restarts, axis=0),
        seeds=index,
        rates=[rates[r % len(rates)] for *_, r in index],
        alpha=alpha,
        steps=cell.steps,
        clip=plan.clip,
        step=plan.step,
    )
    found = fitted.errors.reshape(complexities, count, plan.restarts)
    best = np.argmin(np.where(np.isfinite(found), found, np.inf), axis=-1)
    chosen = (np.arange(complexities * count) * plan.restarts + best.ravel()).astype(int)
    fitted = type(fitted)(
        jax.tree.map(lambda part: part[chosen] if isinstance(part, jax.Array) else part, fitted.networks),
        fitted.errors[chosen],
        fitted.outputs[chosen],
        fitted.states[chosen],
    )
    size = sum(part[0].size for part in jax.tree.leaves(fitted.networks) if isinstance(part, jax.Array))
    arrays = {"errors": found, "parameters": np.array([size])}
    if plan.polish:
        fitted = polish(
            fitted,
            targets.reshape(-1, samples, outputs),
            alpha=alpha,
            evaluations=plan.polish,
            step=plan.step,
        )
        arrays["polished"] = fitted.errors.reshape(complexities, count)
    shown = min(count, SHOWN_TARGETS)
    arrays["outputs"] = fitted.outputs.reshape(complexities, count, samples, -1)[:, :shown]
    arrays["states"] = fitted.states.reshape(complexities, count, samples, -1)[:, :shown]
    return {name: np.asarray(array) for name, array in arrays.items()}
