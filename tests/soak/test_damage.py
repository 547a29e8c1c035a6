"""A small slice of `make fuzz`, and what it found."""

import io
import json
import struct
import zipfile

import numpy as np
import pytest
from damage import fuzz, readers

import gnode
from gnode.errors import InvalidInput
from gnode.files.archive import read_npz
from gnode.files.table import read_table
from gnode.models import save


def test_damaged_files_are_read_or_refused_in_a_line():
    for reader in readers():
        tried, faults = fuzz(reader, seconds=60, seed=1, most=60)
        assert tried == 60 and not faults, (reader.name, list(faults))


def archive_of(**members: bytes) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file


def array(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (array(np.ones(3)).replace(b"(3,)", b"(3, "), "."),
        (array(np.ones(3)).replace(b"(3,), }       ", b"(3000000000,)}"), "24 bytes of 24000000000"),
        (array(np.array(["ab", "c"])).replace(b"a\0\0\0", b"\xff\xff\xff\xff"), "no text"),
        (array(np.array([{}])), "Python objects"),
        (b"\x93NUMPY\x09\x00", "plain array"),
    ],
    ids=["header", "size", "text", "objects", "version"],
)
def test_an_array_is_what_its_header_says_or_refused(content, words):
    assert content != array(np.ones(3))
    with pytest.raises(ValueError, match=words):
        read_npz(archive_of(a=content))


@pytest.mark.parametrize(
    "values",
    [
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array(["ä", "bc"]),
        np.zeros((0, 4), np.int8),
        np.array(5),
        np.array(["2026-01-31"], "datetime64[s]"),
        np.arange(4, dtype=">i2"),
        np.array(["ä", "bc"]).astype(">U2"),
    ],
    ids=lambda values: f"{values.dtype}{values.shape}",
)
def test_arrays_come_back_as_numpy_reads_them(values):
    file = io.BytesIO()
    np.savez(file, a=values)
    mine = read_npz(file)["a"]
    file.seek(0)
    numpys = np.load(file)["a"]
    assert mine.dtype == numpys.dtype and mine.shape == numpys.shape
    np.testing.assert_array_equal(mine, numpys)


def test_an_archive_that_says_one_name_twice_is_refused():
    file = archive_of(a=array(np.ones(2)))
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(file, "a") as archive:
        archive.writestr("a.npy", array(np.zeros(2)))
    with pytest.raises(ValueError, match="twice"):
        read_npz(file)


def test_a_model_file_that_promises_more_than_it_holds_is_refused_before_anything_is_made(tmp_path):
    save(gnode.models.make("rnn", input_size=2, state_size=3, output_size=2, seed=0), tmp_path / "m.safetensors")
    content = (tmp_path / "m.safetensors").read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    inner = json.loads(header["__metadata__"]["gnode"])
    inner["model"]["state_size"] = 10_000_000
    header["__metadata__"]["gnode"] = json.dumps(inner)
    changed = json.dumps(header).encode()
    (tmp_path / "m.safetensors").write_bytes(struct.pack("<Q", len(changed)) + changed + content[8 + length :])
    with pytest.raises(InvalidInput, match="a width of 10000000"):
        gnode.load(tmp_path / "m.safetensors")


def test_names_with_line_breaks_stay_in_one_line(tmp_path):
    (tmp_path / "t.csv").write_text('id,"a\nb",c\n1,2,3\n')
    with pytest.raises(InvalidInput) as refused:
        gnode.data.from_file(tmp_path / "t.csv", target="word")
    assert "\n" not in str(refused.value)


def test_no_cell_is_left_out_in_silence(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n" + "1,2\n" * 300 + '1,"2\n3",4\n')
    with pytest.raises(InvalidInput, match=r"line 30[23]"):
        read_table(tmp_path / "t.csv")
