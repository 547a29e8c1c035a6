"""What the doctor sees of a machine, and that it finds what is wrong with one and nothing with a sound one."""

import dataclasses
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import jax
import numpy as np
import pytest

from gnode.doctor import LARGE, Facts, Folder, as_dict, as_lines, facts, problems

SOUND = Facts(
    python="3.12.1", system="Linux", packages={"gnode": "0.1.0", "jax": "0.9.0"}, extras={"ray": None},
    devices=["cpu 0: cpu"], no_device="", cores=4, of_cores=4, compiled=Folder("/c", True, True, 3, 2_000_000), data=[],
    no_data="", environment={"OMP_NUM_THREADS": "4"}, byte_code=True, gpu=False,
)  # fmt: skip


def test_a_sound_machine_has_no_problem():
    assert problems(SOUND) == []
    assert as_lines(SOUND)[-1] == "Nothing slow or wrong was found."


@pytest.mark.parametrize(
    ("changes", "what", "remedy"),
    [
        (dict(packages={"gnode": "0.1.0", "optax": None}), "optax is required and not installed", "pip install optax"),
        (dict(devices=[], no_device="Must have a device"), "JAX finds nothing", "Must have a device"),
        (dict(gpu=True), "There is a GPU, but JAX computes on the CPU", r"jax\[cuda12\]"),
        (dict(cores=3), "OMP_NUM_THREADS asks for 4 threads on 3 cores", "set it to 3"),
        (dict(environment={"MKL_NUM_THREADS": "5"}), "MKL_NUM_THREADS asks for 5 threads on 4 cores", "set it to 4"),
        (dict(compiled=None), "not kept: every start compiles anew", "export JAX_COMPILATION_CACHE_DIR=DIR"),
        (dict(compiled=Folder("/c", True, False, 0, 0)), "cannot be kept in /c", "export JAX_COMPILATION_CACHE_DIR"),
        (dict(compiled=Folder("/c", True, True, 9, int(2 * LARGE))), r"in /c are 20\.0 GB", "may be removed"),
        (dict(no_data="Must have GNODE_DATA"), "Data sets cannot be looked for", "Must have GNODE_DATA"),
        (dict(byte_code=False), "no compiled code of JAX", "-m compileall"),
        (
            dict(environment={"JAX_DISABLE_JIT": "1"}),
            "With JAX_DISABLE_JIT nothing is compiled",
            "unset JAX_DISABLE_JIT",
        ),
        (dict(environment={"JAX_DEBUG_NANS": "True"}), "With JAX_DEBUG_NANS every result", "unset JAX_DEBUG_NANS"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(changes, what, remedy):
    ill = dataclasses.replace(SOUND, **changes)
    [problem] = problems(ill)
    assert re.search(what, problem.what) and re.search(remedy, problem.remedy)
    assert as_lines(ill)[-2:] == [f"! {problem.what}", f"  {problem.remedy}"]
    assert as_dict(ill)["problems"] == [{"what": problem.what, "remedy": problem.remedy}]


@pytest.mark.parametrize("value", ["0", "false", ""])
def test_a_switch_that_is_off_is_no_problem(value):
    assert problems(dataclasses.replace(SOUND, environment={"JAX_DISABLE_JIT": value})) == []


def test_a_gpu_that_is_used_is_no_problem():
    assert problems(dataclasses.replace(SOUND, gpu=True, devices=["gpu 0: NVIDIA H200"])) == []


def test_it_sees_this_process(tmp_path, monkeypatch):
    (tmp_path / "compiled").mkdir()
    (tmp_path / "compiled" / "program").write_bytes(b"12345")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "compiled"))
    monkeypatch.setenv("GNODE_DATA", str(tmp_path))
    monkeypatch.setenv("SECRET_TOKEN", "word")
    seen = facts()
    assert seen.packages["jax"] == jax.__version__ and seen.packages["numpy"] == np.__version__
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert {re.match(r"[\w-]+", line).group() for line in project["dependencies"]} <= set(seen.packages)
    assert set(seen.extras) & set(seen.packages) == set()
    assert seen.python == sys.version.split()[0] and seen.devices[0].startswith(jax.devices()[0].platform)
    assert seen.cores == len(os.sched_getaffinity(0))
    assert seen.compiled == Folder(str(tmp_path / "compiled"), True, True, 1, 5)
    assert seen.data[0].path == str(tmp_path) and "SECRET_TOKEN" not in seen.environment
    monkeypatch.setenv(
        "JAX_COMPILATION_CACHE_DIR", str(tmp_path / "compiled" / "program" / "folder")
    )  # a file is there
    monkeypatch.setenv("GNODE_DATA", str(tmp_path / "nowhere"))
    ill = facts()
    assert not ill.compiled.writable and not ill.compiled.there and "GNODE_DATA the path of a folder" in ill.no_data


def test_the_command_answers_where_jax_finds_no_device():
    environment = {**os.environ, "JAX_PLATFORMS": "nonsense"}
    line = [sys.executable, "-m", "gnode", "doctor", "--json"]
    found = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    told = json.loads(found.stdout)
    assert told["devices"] == [] and "JAX finds nothing to compute on." in [one["what"] for one in told["problems"]]
