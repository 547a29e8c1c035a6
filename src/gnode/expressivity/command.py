"""What `gnode expressivity` does: a plan from a preset or file, or advice on a file of trajectories."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from gnode.errors import look_up
from gnode.expressivity.advise import advise
from gnode.expressivity.directory import CAPACITY
from gnode.expressivity.measurement import run_plan
from gnode.expressivity.plan import PRESETS, Plan, read_plan
from gnode.expressivity.progress import watching
from gnode.expressivity.targets import read_trajectories
from gnode.expressivity.words import budget

Answer = tuple[dict[str, Any], list[str]]  # for machines, for people


def measure(
    out: Path, *, preset: str | None, config: Path | None, seed: int | None, resume: bool, workers: int | None
) -> Answer:
    """Run a plan into a directory."""
    plan: Plan = look_up("preset", preset or "quick", PRESETS) if config is None else read_plan(config)
    if seed is not None:
        plan = dataclasses.replace(plan, seed=seed)
    with watching() as done:
        result = run_plan(plan, out, resume=resume, workers=workers, done=done)
    summary = json.loads((out / CAPACITY).read_text())
    lines = [f"{item['claim']}: {item['verdict']}. {item['text']}" for item in summary["statements"]]
    return summary, [f"{budget(result)}.", *lines]


def advise_on_file(
    data: Path, out: Path, *, tolerance: float, seed: int | None, resume: bool, workers: int | None
) -> Answer:
    """The smallest network for the trajectories in a file."""
    trajectories = read_trajectories(data)
    paths = trajectories.reshape(-1, *trajectories.shape[-2:])
    with watching() as done:
        found = advise(paths, tolerance=tolerance, seed=seed or 0, out=out, resume=resume, workers=workers, done=done)
    cell = found.cell
    advice = None if cell is None else {"state_size": cell.state_size, "architecture": cell.architecture.label}
    result = {"advice": advice, "sentence": found.sentence, "curve": found.table.to_dict("records")}
    curve = [
        f"N = {row['state_size']:2d}  {row['architecture']:12s} median e {row['median_error']:.2g}, worst "
        f"{row['worst_error']:.2g}"
        for row in found.table.to_dict("records")
    ]
    return result, [*curve, found.sentence]
