"""A second start of the command compiles nothing: every program comes from the compile cache."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# The command, and how many programs JAX wanted and how many of these it found compiled.
COUNTED = """
import collections, json, sys
import gnode.cli

gnode.cli._use_compile_cache()  # it sets the environment, which JAX reads when it is imported
import jax

counts = collections.Counter()
jax.monitoring.register_event_listener(lambda event, **_: counts.update([event]))
sys.argv[0] = "gnode"
try:
    gnode.cli.main()
finally:
    names = "compile_requests_use_cache", "cache_hits"
    print(json.dumps([counts[f"/jax/compilation_cache/{name}"] for name in names]))
"""
TINY = "--hidden 6 --epochs 2 --batch-size 5 --set bins=20 --set train_trials=10 --set validation_trials=5"
TINY += " --set test_trials=5"


def _start(integrator: str, folder: Path, out: Path) -> tuple[int, int]:
    """Programs wanted and found by `gnode train` in a process of its own whose cache is in the folder."""
    # The command is to choose the cache as it does for users, so what the tests have set is taken away.
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("JAX_COMP", "JAX_PERSIST"))}
    command = f"train ring {TINY} --integrator {integrator} --out"
    ended = subprocess.run(
        [sys.executable, "-c", COUNTED, *command.split(), str(out)],
        env=environment | {"XDG_CACHE_HOME": str(folder)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    wanted, found = json.loads(ended.stdout.splitlines()[-1])
    return wanted, found


@pytest.mark.slow
@pytest.mark.parametrize("integrator", ["exponential-euler", pytest.param("tsit5", marks=pytest.mark.full)])
def test_a_second_start_compiles_nothing(integrator, tmp_path):
    wanted, found = _start(integrator, tmp_path / "cache", tmp_path / "first")
    assert found < wanted  # the cache was empty
    again, found = _start(integrator, tmp_path / "cache", tmp_path / "second")
    assert found == again == wanted
