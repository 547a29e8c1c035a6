"""Which command makes a sweep, checked against what its directory says."""

import sys
import tomllib
from importlib.resources import files
from pathlib import Path

from gnode.sweeps.grid import experiments, read_plan


def command(name: str, directory: Path) -> str:
    """The command whose sweep of an experiment that comes with gnode lies in a directory; exits where there is none."""
    if name not in experiments():
        sys.exit(f"Must have directories named after experiments ({', '.join(experiments())}), instead got {name}.")
    made = tomllib.loads((directory / "sweep.toml").read_text())
    made.pop("gnode")
    text = files("gnode").joinpath("experiments", f"{name}.toml").read_text()
    for preset in tomllib.loads(text)["presets"]:
        if read_plan(name, preset).tables == made:
            return f"gnode sweep {name} --preset {preset} --out runs/{name}"
    sys.exit(f"Must have a sweep of {name} as shipped, instead got another one in {directory}.")
