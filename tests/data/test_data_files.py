"""Finding and fetching data sets, from a server of our own: whole and checked, or one clear line and nothing left."""

import contextlib
import hashlib
import http.server
import os
import resource
import socket
import subprocess
import threading
from functools import partial

import pytest

from gnode import data
from gnode.data.files import DataSet, Form, digest
from gnode.errors import GnodeError, InvalidInput

CONTENT = {"one.bin": b"1" * 70_000, "two.bin": b"2" * 500, "three.bin": b""}


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def send_header(self, keyword, value):
        """Files called cut-... break off halfway through what was announced."""
        if keyword == "Content-Length" and "cut-" in self.path:
            value = str(2 * int(value))
        super().send_header(keyword, value)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder that is served, and its address."""
    monkeypatch.setenv("NO_PROXY", "*")
    folder = tmp_path / "served"
    folder.mkdir()
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder)) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield folder, f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Where GNODE_DATA points; the cache is empty too."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("GNODE_DATA", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "home"


def register(monkeypatch, folder, address, names=("one.bin",), inner="", sha256=None):
    """A set of these files; its content are their bytes."""
    form = Form(
        files=tuple(f"{inner}{name}" for name in names),
        sha256=sha256 or digest([folder / name for name in names]),
        size=sum((folder / name).stat().st_size for name in names),
        read=lambda paths: [path.read_bytes() for path in paths],
        address=address,
    )
    monkeypatch.setitem(data.SETS, "numbers", DataSet("numbers", "numbers", "none stated", "nobody", (form,)))
    return form


def left(home):
    return sorted(path for path in home.rglob("*") if path.is_file())


def test_the_digest_of_several_files_is_that_of_what_sha256sum_prints(server):
    folder, _ = server
    listing = subprocess.run(["sha256sum", *CONTENT], cwd=folder, capture_output=True, check=True).stdout
    assert digest([folder / name for name in CONTENT]) == hashlib.sha256(listing).hexdigest()


def test_what_is_fetched_is_found_and_fetched_only_once(server, home, monkeypatch):
    folder, address = server
    register(monkeypatch, folder, address)
    told = []
    paths = data.fetch("numbers", told.append)
    assert paths == data.where("numbers") == left(home) == [home / "numbers" / "one.bin"]
    assert data.load("numbers") == [CONTENT["one.bin"]]
    assert len(told) == 1 and f"{address}one.bin" in told[0]
    (folder / "one.bin").unlink()  # it is not asked for again
    assert data.fetch("numbers", told.append) == paths and len(told) == 1


def test_several_files_come_together_into_a_folder_of_their_own(server, home, monkeypatch):
    register(monkeypatch, *server, names=CONTENT, inner="parts/")
    assert data.fetch("numbers") == [home / "numbers" / "parts" / name for name in CONTENT]
    assert data.load("numbers") == list(CONTENT.values())
    assert len(left(home)) == len(CONTENT) and os.listdir(home / "numbers") == ["parts"]


def test_without_the_variable_data_go_into_the_cache(server, monkeypatch, tmp_path):
    monkeypatch.delenv("GNODE_DATA", raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache" / name)
    register(monkeypatch, *server)
    assert not data.at_hand("numbers")
    assert data.fetch("numbers") == [tmp_path / "cache" / "gnode" / "numbers" / "one.bin"]
    assert data.at_hand("numbers")
    monkeypatch.setenv("GNODE_DATA", str(tmp_path))  # another place, where there is nothing
    assert data.where("numbers") == [tmp_path / "cache" / "gnode" / "numbers" / "one.bin"]


def test_what_is_served_is_another_file(server, home, monkeypatch):
    register(monkeypatch, *server, sha256="0" * 64)
    with pytest.raises(GnodeError, match=r"Must have numbers whole from http.*checksum differs.*Nothing was kept"):
        data.fetch("numbers")
    assert left(home) == []


def test_an_answer_that_breaks_off_leaves_nothing(server, home, monkeypatch):
    folder, address = server
    (folder / "cut-one.bin").write_bytes(CONTENT["one.bin"])
    register(monkeypatch, folder, address, names=("two.bin", "cut-one.bin"))
    with pytest.raises(GnodeError, match=r"Could not fetch .*cut-one.bin: no connection, or it broke off"):
        data.fetch("numbers")
    assert left(home) == []


def test_an_address_that_is_gone(server, home, monkeypatch):
    folder, address = server
    register(monkeypatch, folder, address)
    (folder / "one.bin").unlink()
    with pytest.raises(GnodeError, match=r"Could not fetch http.*/one\.bin: the answer was 404"):
        data.fetch("numbers")
    assert left(home) == []


def test_offline_the_line_names_the_address_and_the_variable(server, home, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        register(monkeypatch, server[0], address)
        with pytest.raises(GnodeError, match=f"{address}one.bin: no connection.* numbers/one.bin .*GNODE_DATA"):
            data.fetch("numbers")
    assert left(home) == []


@contextlib.contextmanager
def files_of_at_most(size):
    """The system refuses to write more, as it does when a disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_nothing(server, home, monkeypatch):
    register(monkeypatch, *server)
    with files_of_at_most(10_000), pytest.raises(GnodeError, match=r"Could not write numbers into .*Nothing was kept"):
        data.fetch("numbers")
    assert left(home) == []


def test_nothing_there_says_where_was_looked_and_what_to_do(server, home, monkeypatch):
    register(monkeypatch, *server)
    for ask in (data.load, data.where):
        with pytest.raises(InvalidInput, match=rf"{home}/numbers or .*nothing there\. Fetch it .*gnode data fetch num"):
            ask("numbers")


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"1" * 100, "100 bytes instead of 70,000"), (b"0" * 70_000, "another content")],
    ids=["partial", "changed"],
)
def test_a_damaged_file_is_refused(server, home, monkeypatch, content, words):
    register(monkeypatch, *server)
    (home / "numbers").mkdir()
    (home / "numbers" / "one.bin").write_bytes(content)
    for ask in (data.load, data.where, data.fetch):
        with pytest.raises(InvalidInput, match=rf"one\.bin as published, instead got {words}.*remove it, then"):
            ask("numbers")
    assert (home / "numbers" / "one.bin").read_bytes() == content


def test_a_file_of_several_is_missing(server, home, monkeypatch):
    register(monkeypatch, *server, names=CONTENT)
    paths = data.fetch("numbers")
    paths[1].unlink()
    with pytest.raises(InvalidInput, match=r"all 3 files of numbers, instead got 2 of them in .*Remove them"):
        data.load("numbers")


def test_the_variable_must_name_a_folder(home, monkeypatch):
    monkeypatch.setenv("GNODE_DATA", str(home / "nowhere"))
    with pytest.raises(InvalidInput, match=r"GNODE_DATA the path of a folder, instead got .*nowhere"):
        data.where("walker2d")


def test_an_unknown_set_is_refused_with_the_nearest():
    for ask in (data.load, data.where, data.fetch, data.at_hand):
        with pytest.raises(InvalidInput, match=r"instead got 'walker'\. Did you mean 'walker2d'\?"):
            ask("walker")


def test_every_set_says_where_it_is_from(home):
    for entry in data.catalogue().values():
        assert entry["address"].startswith("https://") and len(entry["sha256"]) == 64 and entry["bytes"] > 10**6
        assert entry["licence"] and entry["citation"] and entry["folder"] is None
