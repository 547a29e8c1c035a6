"""A directory is begun by one process, and what a killed one left is nothing."""

import os
import socket
import subprocess
import sys

import pytest

from gnode.errors import InvalidInput
from gnode.files import begin_folder, is_new, temporary_beside, write_atomically

DEAD = 2**22 + 1  # no process has a number beyond Linux's greatest


def begin(path, content=b"a = 1"):
    begin_folder(path, "inner", {"first.bin": b"1", "marker.toml": content}, "for the work", "some work already")


def test_a_directory_that_was_left_before_its_last_file_is_begun_anew(tmp_path):
    work = tmp_path / "work"
    (work / "inner").mkdir(parents=True)
    (work / "first.bin").write_bytes(b"0")
    (work / ".lock").touch()
    (work / f".marker.toml.{socket.gethostname()}.{DEAD}.tmp").write_bytes(b"half")
    begin(work)
    assert (work / "first.bin").read_bytes() == b"1" and (work / "marker.toml").read_bytes() == b"a = 1"
    assert not list(work.glob(".*.tmp"))


@pytest.mark.parametrize("there", ["thesis.tex", "inner/cell.bin"])
def test_what_a_user_put_there_is_left_alone(tmp_path, there):
    (tmp_path / "inner").mkdir()
    (tmp_path / there).write_text("years")
    assert not is_new(tmp_path, "inner", ["first.bin"])
    with pytest.raises(InvalidInput, match="holds other files"):
        begin(tmp_path)
    assert (tmp_path / there).read_text() == "years" and not (tmp_path / "first.bin").exists()


TRIES = """
import os, pathlib, sys, time
from gnode.errors import InvalidInput
from gnode.files import begin_folder
path = pathlib.Path(sys.argv[1])
print("ready", flush=True)
while not (path.parent / "go").exists():
    pass
try:
    begin_folder(path, "inner", {"marker.toml": str(os.getpid()).encode()}, "for the work", "some work already")
    print("begun", flush=True)
except InvalidInput as error:
    print(error, flush=True)
"""


def test_of_processes_that_begin_at_once_one_does(tmp_path):
    command = [sys.executable, "-c", TRIES, str(tmp_path / "work")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    (tmp_path / "go").touch()
    said = [process.communicate(timeout=60)[0] for process in processes]
    (winner,) = (process for process, answer in zip(processes, said, strict=True) if answer == "begun\n")
    assert (tmp_path / "work/marker.toml").read_text() == str(winner.pid)
    assert sum("some work already" in answer for answer in said) == 3


def test_temporary_files_of_the_living_and_of_other_machines_stay(tmp_path):
    path = tmp_path / "[a] table*.json"
    ours = f".{path.name}.{socket.gethostname()}."
    dead, living = tmp_path / f"{ours}{DEAD}.tmp", tmp_path / f"{ours}{os.getppid()}.tmp"
    elsewhere, folder = tmp_path / f".{path.name}.other.{DEAD}.tmp", tmp_path / f"{ours}{DEAD + 1}.tmp"
    for file in (dead, living, elsewhere):
        file.write_text("half")
    folder.mkdir()
    write_atomically(path, b"whole")
    assert {entry.name for entry in tmp_path.iterdir()} == {path.name, living.name, elsewhere.name}
    assert temporary_beside(path).name == f"{ours}{os.getpid()}.tmp"
