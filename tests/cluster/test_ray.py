"""A real Ray cluster of two nodes on this machine: what comes out is what this machine alone makes, whoever dies."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from agree import check_agreement

from gnode import results
from gnode.errors import GnodeError
from gnode.workers import run_jobs

DRIVER = Path(__file__).with_name("driver.py")
SOURCE = Path(__file__).resolve().parents[2] / "src"
NODE = dict(num_cpus=1, object_store_memory=80_000_000, include_dashboard=False)
EXPERIMENT = """
[task]
name = "ring"
bins = 40
[model]
model = "rnn"
state_size = 2
[training]
epochs = 120
batch_size = 5
train_trials = 100
validation_trials = 10
test_trials = 10
[examine]
every = 40
silences = [20]
trials = 20
[grid]
lr = [1e-2, 3e-3, 1e-3, 3e-4, 1e-4]
weight_decay = [0.0, 0.1]
[sweep]
select = ["lr", "weight_decay"]
"""
RUNS = 10


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator:
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    yield cluster
    cluster.shutdown()


def start(experiment: Path, out: Path, *address: str) -> subprocess.Popen:
    command = [sys.executable, str(DRIVER), str(experiment), str(out), *address]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)


def finish(driver: subprocess.Popen) -> None:
    _, err = driver.communicate(timeout=200)
    assert driver.returncode == 0, err


def finished(out: Path) -> dict[str, int]:
    """The finished runs, and when each summary was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in out.glob("runs/*/summary.json")}


def wait_for(count: int, out: Path, driver: subprocess.Popen) -> None:
    until = time.monotonic() + 150
    while len(finished(out)) < count:
        assert driver.poll() is None, driver.stderr.read()
        assert time.monotonic() < until, f"{len(finished(out))} of {count} runs in 150 s"
        time.sleep(0.02)
    assert len(finished(out)) < RUNS, "too fast to be disturbed: give the runs more epochs"


def workers_at_work() -> list[int]:
    """Process ids of the Ray workers that are doing a job of ours."""
    pids = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::_outcome"):
                pids.append(int(path.parent.name))
        except OSError:
            continue
    return pids


@pytest.mark.slow
@pytest.mark.timeout(290)
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="finds Ray's workers through /proc")
@pytest.mark.full
def test_worker_node_and_driver_killed_and_the_files_are_those_of_one_machine(cluster, tmp_path):
    experiment = tmp_path / "experiment.toml"
    experiment.write_text(EXPERIMENT)
    local, out = tmp_path / "local", tmp_path / "ray"
    finish(start(experiment, local))

    second = cluster.add_node(**NODE)
    driver = start(experiment, out, cluster.address)
    wait_for(1, out, driver)
    os.kill(workers_at_work()[0], signal.SIGKILL)
    wait_for(3, out, driver)
    cluster.remove_node(second, allow_graceful=False)  # kills the raylet by its process id, and with it its workers
    wait_for(4, out, driver)
    cluster.add_node(**NODE)
    wait_for(5, out, driver)
    driver.kill()
    driver.wait()
    before = finished(out)
    finish(start(experiment, out, cluster.address))

    assert len(before) >= 5 and before.items() <= finished(out).items()  # what was finished was not done again
    check_agreement(out, local)
    runs = results.load(out)
    assert runs["run"].is_unique and len(runs) == RUNS


def test_an_address_where_no_ray_answers_is_a_clear_line_in_time():
    with socket.socket() as nothing:
        nothing.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{nothing.getsockname()[1]}"  # bound, not listening: refused
        began = time.monotonic()
        with pytest.raises(GnodeError, match=f"No Ray cluster answers at {nobody}"):
            list(run_jobs(abs, [-1], on="ray", address=nobody))
    assert time.monotonic() - began < 15


@pytest.mark.slow
def test_an_address_where_something_else_answers_is_a_clear_line_in_time():
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(5)
        began = time.monotonic()
        with pytest.raises(GnodeError, match="No Ray cluster answers"):
            list(run_jobs(abs, [-1], on="ray", address=f"127.0.0.1:{deaf.getsockname()[1]}"))
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("address", ["nonsense", "host:port:port", "127.0.0.1:99999999"])
def test_an_address_that_cannot_be_one_is_a_clear_line(address):
    with pytest.raises(GnodeError, match="Ray cluster"):
        list(run_jobs(abs, [-1], on="ray", address=address))


@pytest.mark.full
def test_a_cluster_that_asks_for_its_token_is_said_so():
    if not hasattr(pytest.importorskip("ray.exceptions"), "AuthenticationError"):
        pytest.skip("this version of Ray has no tokens")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", f"--port={port}", "--num-cpus=0"]
    command += ["--include-dashboard=false", "--object-store-memory=80000000", "--block"]
    secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": 8 * "0123abcd", "RAY_USAGE_STATS_ENABLED": "0"}
    head = subprocess.Popen(command, env=os.environ | secret, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while "asks for its token" not in (line := line_at(f"127.0.0.1:{port}")):
            assert "No Ray cluster answers" in line and time.monotonic() < until
    finally:
        head.terminate()
        head.wait()


def line_at(address: str) -> str:
    with pytest.raises(GnodeError) as error:
        list(run_jobs(abs, [-1], on="ray", address=address))
    return str(error.value)
