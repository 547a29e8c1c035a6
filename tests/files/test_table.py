"""The reader of the user's tables: a table of cases, as people's programs write them."""

import math

import numpy as np
import pytest

from gnode.errors import InvalidInput
from gnode.files import table as reader
from gnode.files.table import read_archive, read_table

NAN = math.nan

# what: (text, columns, words of how)
CASES = {
    "commas": ("id,t,x\na,0,1.5\nb,1,-2e3\n",
        {"id": ["a", "b"], "t": [0, 1], "x": [1.5, -2000]}, "commas, UTF-8, header"),
    "semicolons, decimal commas": ("id;x\na;1,5\nb;2,25\n", {"id": ["a", "b"], "x": [1.5, 2.25]}, "decimal comma"),
    "tabs": ("id\tx\na\t1,5\nb\t2,25\n", {"id": ["a", "b"], "x": [1.5, 2.25]}, "tabs"),
    "bars": ("id|x\na|1.5\nb|2.5\n", {"id": ["a", "b"], "x": [1.5, 2.5]}, "bars"),
    "blanks in columns": ("t    x\n0    1.5\n10   2.5\n", {"t": [0, 10], "x": [1.5, 2.5]}, "blanks"),
    "blanks after commas": ("id, x\na, 1\nb, 2\n", {"id": ["a", "b"], "x": [1, 2]}, "commas"),
    "one column": ("x\n1\n2\n", {"x": [1, 2]}, "one column"),
    "one column, decimal commas": ("x\n1,5\n2,5\n", {"x": [1.5, 2.5]}, "one column"),
    "quotes": ('id,x\n"a, ""b""",1\n"two\nlines",2\n', {"id": ['a, "b"', "two\nlines"], "x": [1, 2]}, "commas"),
    "quoted decimal commas": ('id,x\na,"1,5"\nb,"2,25"\n', {"id": ["a", "b"], "x": [1.5, 2.25]}, "decimal comma"),
    "thousands": ('id,x\na,"1,234.5"\nb,"2,345,678"\n', {"id": ["a", "b"], "x": [1234.5, 2345678]}, "thousands comma"),
    "thousands with dots": ("id;x\na;1.234,5\nb;2.345\n", {"id": ["a", "b"], "x": [1234.5, 2345]}, "decimal comma"),
    "thousands with gaps": ("id;x\na;1 234,5\nb;2\u202f345,75\n",
        {"id": ["a", "b"], "x": [1234.5, 2345.75]}, "decimal"),
    "thousands, Swiss": ("id,x\na,1'234.5\nb,2\n", {"id": ["a", "b"], "x": [1234.5, 2]}, "commas"),
    "three digits behind semicolons": ("id;x\na;1,234\nb;0,500\n",
        {"id": ["a", "b"], "x": [1.234, 0.5]}, "decimal comma"),
    "three digits in quotes": ('id,x\na,"1,234"\nb,"2,345"\n',
        {"id": ["a", "b"], "x": [1234, 2345]}, "thousands comma"),
    "missing": ("id,x,y\na,?,1\nb,NA,\nNA,3,-\n",
        {"id": ["a", "b", NAN], "x": [NAN, NAN, 3], "y": [1, NAN, NAN]}, "commas"),
    "a class called None": ("c,x\nNone,1\nsome,None\n", {"c": ["None", "some"], "x": [1, NAN]}, "commas"),
    "truths": ("id,x\na,TRUE\nb,false\n", {"id": ["a", "b"], "x": [True, False]}, "commas"),
    "infinity": ("id,x\na,inf\nb,2\n", {"id": ["a", "b"], "x": [math.inf, 2]}, "commas"),
    "numbers and text": ("id,x\na,1\nb,two\n", {"id": ["a", "b"], "x": ["1", "two"]}, "commas"),
    "dates are text": ("t;x\n31.12.2026;1,5\n01.01.2027;2\n",
        {"t": ["31.12.2026", "01.01.2027"], "x": [1.5, 2]}, "decimal"),
    "no header": ("a,0,1.5\na,1,2.5\n", {"c1": ["a", "a"], "c2": [0, 1], "c3": [1.5, 2.5]}, "no header"),
    "no header, numbers": ("1,2\n3,4\n", {"c1": [1, 3], "c2": [2, 4]}, "no header"),
    "numbers as names": ("label,0,1\nup,5,6\ndown,7,8\nup,1,2\n",
        {"label": ["up", "down", "up"], "0": [5, 7, 1], "1": [6, 8, 2]},
                         "commas, UTF-8, header"),
    "pandas' numbers of rows": (",id,x\n0,a,1\n1,b,2\n", {"id": ["a", "b"], "x": [1, 2]}, "header"),
    "R's names of rows": ('"id" "x"\n"1" "a" 1.5\n"2" "b" 2.5\n', {"id": ["a", "b"], "x": [1.5, 2.5]}, "blanks"),
    "NumPy's header": ("# t x\n0.0 1.0\n1.0 3.0\n", {"t": [0, 1], "x": [1, 3]}, "blanks, UTF-8, header"),
    "remarks": ("# by hand\n# on Monday\nid,x\na,1\n", {"id": ["a"], "x": [1]}, "commas"),
    "Excel's first line": ("sep=;\nid;x\na;1,5\n", {"id": ["a"], "x": [1.5]}, "semicolons"),
    "delimiters at the ends": ("id,x,\na,1,\nb,2,\n", {"id": ["a", "b"], "x": [1, 2]}, "commas"),
    "short rows": ("c,1,2\nup,1\ndown,1,2\n", {"c": ["up", "down"], "1": [1, 1], "2": [NAN, 2]}, "header"),
    "blank lines": ("\nid,x\n\na,1\n\n", {"id": ["a"], "x": [1]}, "commas"),
    "Windows' ends of lines": ("id,x\r\na,1\r\nb,2\r\n", {"id": ["a", "b"], "x": [1, 2]}, "commas"),
    "old ends of lines": ("id,x\ra,1\rb,2\r", {"id": ["a", "b"], "x": [1, 2]}, "commas"),
}  # fmt: skip


def same(got, wanted):
    missing = [value is None or value != value for value in wanted]
    assert [bool(one) for one in got.isna()] == missing
    assert [one for one in got.tolist() if one == one] == [one for one in wanted if one == one]


@pytest.mark.parametrize("what", CASES)
def test_a_table_as_people_write_it(what, tmp_path):
    text, columns, words = CASES[what]
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode())
    table = read_table(path)
    assert list(table.frame) == list(columns) and words in table.how
    for name, wanted in columns.items():
        same(table.frame[name], wanted)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "größe,été\n1,ä\n"),
        ("utf-8-sig", "größe,été\n1,ä\n"),
        ("utf-16", "größe,été\n1,ä\n"),
        ("utf-16-le", "größe,été\n1,ä\n"),
        ("utf-16-be", "größe,été\n1,ä\n"),
        ("utf-32", "größe,été\n1,ä\n"),
        ("latin-1", "größe,été\n1,ä\n"),
        ("cp1252", "señal,coût €\n1,ä\n"),
        ("cp1251", "имя,время\nкот,1\nсобака,2\nкот,3\n"),
        ("cp932", "名前,時間\n猫,1\n犬,2\n猫,3\n"),
        ("gb18030", "名称,时间\n猫,1\n狗,2\n猫,3\n"),
    ],
)
def test_encodings_are_found_out(encoding, text, tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode(encoding))
    assert list(read_table(path).frame) == text.splitlines()[0].split(",")


def test_what_is_named_is_not_found_out(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes("a,b\nc,d\n".encode("utf-16-le"))
    assert list(read_table(path, header=False, encoding="utf-16-le").frame) == ["c1", "c2"]
    path.write_text("1,2\n1,3\n")
    assert list(read_table(path, header=True).frame) == ["1", "2"]
    path.write_text("up,down\nup,down\n")  # which no one could tell
    assert list(read_table(path, names=["down"]).frame) == ["up", "down"]
    with pytest.raises(InvalidInput, match="an encoding that Python knows"):
        read_table(path, encoding="morse")
    path.write_bytes(b"x\n\xff\n")
    with pytest.raises(InvalidInput, match="text in utf-8, instead got other bytes from byte 2"):
        read_table(path, encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b"\n \n", "nothing but blanks"),
        (b"id,x\n", "a header alone"),
        (b"x,x\n1,2\n", "'x' twice"),
        (b"id,x\na,1\nb,1,2,3\n", "'2' behind them in row 2"),
        (b"id;x\na;1,5\nb;1,234.5\n", "'1,5' and '1,234.5'"),
        (b"PK\x03\x04....", "an Excel workbook"),
        (b"PAR1....", "a parquet file"),
        (b"id,x\na,\x00\x01\x02\n", "NUL in it"),
        (b"id,x\n" + b"a,1\n" * 2000 + b"b,1,2\n", "Expected 2 fields in line 2002, saw 3"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_in_a_line(content, words, tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidInput) as raised:
        read_table(path)
    assert words in str(raised.value) and "\n" not in str(raised.value) and str(raised.value).startswith("Must have")


def test_places_that_are_no_file(tmp_path, monkeypatch):
    with pytest.raises(InvalidInput, match="the directory"):
        read_table(tmp_path)
    (tmp_path / "table.csv").write_text("x\n1\n")
    with pytest.raises(InvalidInput, match=r"Did you mean 'table\.csv'"):
        read_table(tmp_path / "tables.csv")
    monkeypatch.setattr(reader, "LIMIT", 3)
    with pytest.raises(InvalidInput, match="a file of at most"):
        read_table(tmp_path / "table.csv")


def test_arrays_by_name_and_no_pickles(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(3), names=np.array(["a", "b"]))
    arrays = read_archive(tmp_path / "a.npz")
    assert arrays["x"].tolist() == [0, 1, 2] and arrays["names"].tolist() == ["a", "b"]
    np.savez(tmp_path / "objects.npz", x=np.array([{}, None], object))
    with pytest.raises(InvalidInput, match="holds Python objects"):
        read_archive(tmp_path / "objects.npz")
    np.save(tmp_path / "one.npz", np.arange(3))
    (tmp_path / "one.npz.npy").rename(tmp_path / "one.npz")
    with pytest.raises(InvalidInput, match=r"cannot be read as such: .*one\.npz"):
        read_archive(tmp_path / "one.npz")
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(InvalidInput, match="cannot be read as such"):
        read_archive(tmp_path / "cut.npz")


def test_an_archive_that_unpacks_to_more_than_the_limit_is_not_unpacked(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros(100_000))
    monkeypatch.setattr(reader, "LIMIT", 10_000)
    with pytest.raises(InvalidInput, match="arrays of at most"):
        read_archive(tmp_path / "bomb.npz")
