"""Jobs in workers: every outcome comes, whatever the neighbours do."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gnode.errors import InvalidInput
from gnode.workers import WorkerDied, run_jobs

sys.path.insert(0, str(Path(__file__).parent))  # as multiprocessing hands it on to workers
import jobs


def test_results_errors_and_deaths_of_neighbours(tmp_path):
    todo = [("square", 3), ("fail", 4), ("die_once", str(tmp_path / "a")), ("die_always", 0), ("square", 5)]
    outcomes = dict(run_jobs(jobs.mixed, todo, workers=2))
    assert sorted(outcomes) == [0, 1, 2, 3, 4]
    assert (outcomes[0], outcomes[2], outcomes[4]) == (9, "survived", 25)
    assert isinstance(outcomes[1], ValueError) and str(outcomes[1]) == "no 4"
    assert isinstance(outcomes[3], WorkerDied)


def test_no_jobs_no_outcomes():
    assert list(run_jobs(jobs.square, [])) == []


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def until(fact, seconds=60.0):
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks for processes in /proc")
def test_workers_end_with_their_caller(tmp_path):
    script = tmp_path / "caller.py"
    note = tmp_path / "pid"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import jobs\nfrom gnode.workers import run_jobs\n"
        f"if __name__ == '__main__':\n    list(run_jobs(jobs.wait_for_ever, [{str(note)!r}]))\n"
    )
    caller = subprocess.Popen([sys.executable, str(script)])
    until(lambda: note.exists() and note.read_text())
    worker = int(note.read_text())
    assert alive(worker)
    caller.kill()
    caller.wait()
    until(lambda: not alive(worker), 10)


def test_closing_ends_the_workers(tmp_path):
    note = tmp_path / "pid"
    running = run_jobs(jobs.mixed, [("square", 1), ("wait_for_ever", str(note))], workers=2)
    assert next(running) == (0, 1)
    until(lambda: note.exists() and note.read_text())
    began = time.monotonic()
    running.close()
    assert time.monotonic() - began < 10
    with pytest.raises(OSError):
        os.kill(int(note.read_text()), 0)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (dict(on="slurm"), "an engine out of local, ray"),
        (dict(workers=0), "workers an integer of at least 1"),
        (dict(address="127.0.0.1:1"), "on='ray' with an address"),
    ],
)
def test_wrong_use_is_refused(options, line):
    with pytest.raises(InvalidInput, match=line):
        list(run_jobs(jobs.square, [1], **options))


@pytest.mark.parametrize("from_file", [True, False], ids=["no guard", "standard input"])
def test_a_script_that_workers_cannot_import_is_named_at_once(tmp_path, from_file):
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import jobs\nfrom gnode.workers import run_jobs\nprint(list(run_jobs(jobs.square, [1, 2, 3], workers=2)))\n"
    )
    line = [sys.executable, str(script)] if from_file else [sys.executable, "-"]
    call = subprocess.run(line, input=script.read_text(), capture_output=True, text=True, timeout=120)
    wrong = "one that ended while it imported the script" if from_file else "one from standard input"
    assert call.returncode == 1 and call.stdout == "" and call.stderr.count("Traceback") == 1
    assert f"instead got {wrong}. Put what calls it into a file, under: if __name__" in call.stderr.splitlines()[-1]
