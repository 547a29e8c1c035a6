"""What a sweep would run, and about how long it takes, before anything starts."""

from typing import Any

from gnode.errors import many
from gnode.sweeps.grid import Plan, cost
from gnode.workers import cores


def outlook(plan: Plan, workers: int | None = None) -> tuple[dict[str, Any], list[str]]:
    """Runs and hours of a plan: as numbers, and in lines.

    Seconds are estimates from the sizes of networks and trials, good to a factor of about two.
    """
    at_once = min(workers or cores(), len(plan.runs))
    seconds = {run.id: cost(run.config, plan.examination) for run in plan.runs}
    hours = sum(seconds.values()) / 3600
    by_value: dict[str, float] = {}
    for run in plan.runs:
        value = str(run.labels.get(plan.compare, "all"))
        by_value[value] = by_value.get(value, 0.0) + seconds[run.id] / 3600
    axes = {axis: len({run.labels[axis] for run in plan.runs}) for axis in (*plan.axes, "seed")}
    snapshots = 0
    if plan.examination is not None:
        snapshots = sum(run.config["training"]["epochs"] // plan.examination.every for run in plan.runs)
    numbers = {
        "runs": len(plan.runs), "axes": axes, "core_hours": hours, "workers": at_once, "hours": hours / at_once,
        "core_hours_by": {plan.compare: by_value}, "snapshots_examined": snapshots,
    }  # fmt: skip
    lines = [f"{len(plan.runs)} runs: {', '.join(f'{axis} ({count})' for axis, count in axes.items())}"]
    if snapshots:
        lines.append(f"{snapshots} snapshots are examined")
    lines.append(
        f"About {duration(hours)} of one core, {duration(hours / at_once)} on {at_once} of them; good to a factor of "
        "two"
    )
    lines += [f"  {plan.compare} {value}: {duration(one)} of one core" for value, one in by_value.items()]
    return numbers, lines


def duration(hours: float) -> str:
    """Hours as a person says them."""
    if hours >= 2:
        return f"{hours:.1f} hours"
    return many(round(60 * hours), "minute") if hours >= 2 / 60 else many(max(round(3600 * hours), 1), "second")
