"""The user's tables: one reader of text tables (.csv and its kin) and of .npz, which finds out how they are written.

What is found out is said (`Table.how`), so that a wrong guess is seen. Nothing is read by pickle.
"""

import csv
import difflib
import io
import itertools
import re
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import charset_normalizer
import numpy as np
import pandas as pd
from clevercsv.detect import Detector

from gnode.errors import InvalidInput, must_have
from gnode.files import path_of
from gnode.files.archive import OBJECTS, read_npz

LIMIT = 512 * 2**20  # bytes of a file
OF_FILE, BELOW_HEADER = "row of the file", "row below the header"  # what numbers of rows count
_LOOKED_AT = 1000  # lines from which the form of the whole is guessed
_GUESSED_FROM = 2**16  # bytes from which an encoding is guessed
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}
# Where text is no UTF. Guesses among all encodings there are go wrong on short files.
_ENCODINGS = {
    "cp1252": "Western European (cp1252)",
    "cp1251": "Cyrillic (cp1251)",
    "cp932": "Japanese (cp932)",
    "gb18030": "Chinese (gb18030)",
}
_ENCODINGS_FROM = {"cp1252": 0.0, "cp932": 0.6, "cp1251": 0.8, "gb18030": 0.8}  # share of bytes beyond ASCII in words
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"),
          (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))  # fmt: skip
_FOREIGN = {
    b"PK\x03\x04": "an Excel workbook or a zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a parquet file",
    b"\x1f\x8b": "a gzip archive",
    b"\x89HDF": "an HDF5 file",
}
# What stands for "no value": anywhere, and where all else in a column is numbers.
_MISSING = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NAN", "NaT", "null", "NULL")
_MISSING_NUMBERS = (
    *_MISSING,
    "None",
    "none",
    "missing",
    "?",
    "-",
    "--",
    ".",
    "*",
    "#DIV/0!",
    "#VALUE!",
    "#REF!",
    "#NUM!",
)

_EXPONENT = r"(?:[eE][+-]?\d+)?"
_GAP = "['\u2019 \u00a0\u202f]"  # between thousands, whatever the decimal mark
_OF_NAMES = r"\+.*|-?0\d.*|.*[eE].*|-?\d{16,}.*"  # numbers as they stand in names: not as a number would be written
_GAPS = re.compile(rf"(?<=\d){_GAP}(?=\d{{3}}(?!\d))")
_PLAIN = re.compile(rf"[+-]?(?:\d+\.?\d*|\.\d+){_EXPONENT}")
_EITHER = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")  # 1,234: a decimal comma or a thousands comma
_DECIMAL_COMMA = re.compile(rf"[+-]?(?:\d+|\d{{1,3}}(?:\.\d{{3}})+)?,\d+{_EXPONENT}")
_THOUSANDS_COMMA = re.compile(rf"[+-]?[1-9]\d{{0,2}}(?:,\d{{3}})+(?:\.\d*)?{_EXPONENT}")
_DOT = re.compile(rf"[+-]?\d*\.\d+{_EXPONENT}")
_DOTTED = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+")  # thousands, where the decimal mark is a comma


@dataclass(frozen=True)
class Table:
    """A table as it was read.

    Attributes:
        frame: a column is of numbers (NaN where missing), of truths (pandas' boolean), or of text. Rows are counted
            from 1, as in the file without its header; the index is called OF_FILE, or BELOW_HEADER where there is one.
        how: how the file is written, in words.
        spelled: columns of numbers some of which are written as no number would be (007, 1E2, more than 15 digits), as
            text, NaN where missing: for whoever reads them as names.
    """

    frame: pd.DataFrame
    how: str
    spelled: dict[str, pd.Series] = field(default_factory=dict)


class _Form(NamedTuple):
    """How a text is laid out."""

    delimiter: str  # empty: one column
    quote: str
    skipped: int  # lines before the first row
    names: list[str] | None  # where they stand in a line that is skipped


def read_table(
    path: str | Path, *, header: bool | None = None, encoding: str | None = None, names: Sequence[str] = ()
) -> Table:
    """A table of text: its encoding, delimiter, quotes, decimal mark, thousands and header are found out.

    Args:
        header: whether the first row holds names; None: found out. Columns without names are called c1, c2, ...
        encoding: as Python names it; None: found out.
        names: some that columns should have, by which a header is known.

    Raises:
        InvalidInput: there is no such file, it is too large, holds no rows, or is no table of text.
    """
    path = path_of(path)
    if header is not None and not isinstance(header, bool):
        must_have("header true or false", repr(header))
    if encoding is not None and not isinstance(encoding, str):
        must_have("an encoding by name", repr(encoding), "Such as utf-8, latin-1 or utf-16.")
    text, written = _decoded(_content(path, "a table"), encoding, path)
    form = _form(text)
    cells = _cells(text, form, path)
    named = form.names is not None
    if not named and (header if header is not None else _has_header(cells.head(_LOOKED_AT), names)):
        form, cells, named = form._replace(names=cells.iloc[0].str.strip().tolist()), cells.iloc[1:], True
    frame = _named(cells, form.names)
    if not len(frame) or not len(frame.columns):
        must_have(f"rows in {path}", f"{'a header alone' if named else 'nothing but blanks'}")
    comma = _comma(frame, form.delimiter, path)
    cells, frame = frame, pd.DataFrame({name: _typed(frame[name], comma) for name in frame.columns})
    spelled = {name: column for name in frame.columns if (column := _spelled(cells[name], frame[name])) is not None}
    words = [_DELIMITERS.get(form.delimiter, "one column"), written, "header" if named else "no header"]
    words += [f"{comma} comma"] if comma else []
    return Table(frame, ", ".join(words), spelled)


def read_archive(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays in an .npz by name.

    Raises:
        InvalidInput: there is no such file, it is too large or damaged, or holds objects, which only pickle could read.
    """
    path = path_of(path)
    content = _content(path, "an .npz of arrays")
    if not zipfile.is_zipfile(io.BytesIO(content)):
        must_have("an .npz of arrays", f"one that cannot be read as such: {path}", "np.savez(path, name=array, ...).")
    try:
        unpacked = sum(entry.file_size for entry in zipfile.ZipFile(io.BytesIO(content)).infolist())
        if unpacked > LIMIT:
            must_have(f"arrays of at most {LIMIT // 2**20} MB", f"{unpacked / 2**20:.0f} MB in {path}")
        arrays = read_npz(io.BytesIO(content))
    except InvalidInput:
        raise
    except (ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        got = f"one that holds {OBJECTS}" if OBJECTS in str(error) else "one that cannot be read as such"
        must_have("an .npz of numbers and texts", f"{got}: {path}")
    if not arrays:
        must_have("an .npz of arrays", f"an empty one: {path}")
    return arrays


def _content(path: Path, what: str) -> bytes:
    if path.is_dir():
        must_have(f"{what}, a file", f"the directory {path}")
    if not path.exists():
        there = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, there, n=1)
        must_have(f"{what}, a file", f"nothing at {path}", f"Did you mean {near[0]!r}?" if near else "")
    size = path.stat().st_size
    if not size:
        must_have(what, f"an empty file: {path}")
    if size > LIMIT:
        must_have(f"a file of at most {LIMIT // 2**20} MB", f"{size / 2**20:.0f} MB: {path}", "Give it in parts.")
    return path.read_bytes()


# -- how a text is written --


def _decoded(content: bytes, encoding: str | None, path: Path) -> tuple[str, str]:
    """The text, and its encoding in words."""
    for mark, kind in _FOREIGN.items():
        if content.startswith(mark):
            must_have("a table of text, such as .csv", f"{kind}: {path}", "Save it as CSV.")
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    chosen = encoding or marked or _guess(content)
    try:
        text = content.decode(chosen)
    except LookupError:
        must_have("an encoding that Python knows", repr(encoding), "Such as utf-8, latin-1 or utf-16.")
    except UnicodeDecodeError as error:
        must_have(f"text in {chosen}", f"other bytes from byte {error.start} on: {path}", "Name its encoding.")
    if "\0" in text:
        must_have("a table of text", f"a file with NUL in it, which is no text: {path}")
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return text, _ENCODINGS.get(chosen, chosen.upper().replace("UTF-8-SIG", "UTF-8 with a mark"))


def _guess(content: bytes) -> str:
    """The encoding of text without a mark."""
    zeros = np.frombuffer(content[:_GUESSED_FROM], np.uint8) == 0
    if len(zeros) > 1 and zeros[1::2].mean() > 0.3 > zeros[::2].mean():
        return "utf-16-le"
    if len(zeros) > 1 and zeros[::2].mean() > 0.3 > zeros[1::2].mean():
        return "utf-16-be"
    try:
        content.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError as error:
        start = max(0, error.start - _GUESSED_FROM // 2)  # about the first byte beyond ASCII
        return _guess_page(content[start : start + _GUESSED_FROM])


def _guess_page(content: bytes) -> str:
    """The encoding of text that is no UTF. In Western European words most letters are of ASCII, in Cyrillic none are,
    and of Japanese ones the second byte often is."""
    words = b"".join(re.findall(rb"[A-Za-z]*[\x80-\xff][A-Za-z\x80-\xff]*", content))
    beyond = np.mean(np.frombuffer(words, np.uint8) >= 0x80)
    possible = [page for page, least in _ENCODINGS_FROM.items() if beyond >= least]
    found = charset_normalizer.from_bytes(content, cp_isolation=possible).best()
    return "cp1252" if found is None else found.encoding


def _form(text: str) -> _Form:
    lines = list(itertools.islice(io.StringIO(text), _LOOKED_AT))
    skipped = next((at for at, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    told = re.fullmatch(r"sep=(.)\s*", lines[skipped]) if skipped < len(lines) else None
    skipped += told is not None  # a line of Excel's
    sample = "".join(lines[skipped:])
    if told:
        delimiter, quote = told[1], '"'
    else:
        found = Detector().detect(sample, delimiters=list(_DELIMITERS)) if sample.strip() else None
        delimiter, quote = (found.delimiter or "", found.quotechar or "") if found else ("", "")
    if delimiter not in "".join(lines[skipped : skipped + 1]):
        delimiter = ""  # a name without one above numbers with a decimal comma
    commented = lines[skipped - 1][1:].strip() if skipped and not told else ""  # NumPy writes names so
    names = None
    if commented:
        fields = [
            _fields(line, delimiter, quote) for line in (commented, lines[skipped] if skipped < len(lines) else "")
        ]
        names = fields[0] if len(fields[0]) == len(fields[1]) else None
    return _Form(delimiter, quote or '"', skipped, names)


def _fields(line: str, delimiter: str, quote: str) -> list[str]:
    if delimiter == " ":
        return line.split()
    row = next(csv.reader([line], delimiter=delimiter or "\0", quotechar=quote or '"'), [])
    return [cell.strip() for cell in row]


def _cells(text: str, form: _Form, path: Path) -> pd.DataFrame:
    """All cells as text; columns by number."""
    rows = itertools.islice(io.StringIO(text), form.skipped, form.skipped + _LOOKED_AT)
    width = max((len(_fields(row, form.delimiter, form.quote)) for row in rows), default=0)
    if not width:
        must_have(f"rows in {path}", "nothing but blanks")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # of cells that it would leave out
            cells = pd.read_csv(
                io.StringIO(text),
                sep=r"\s+" if form.delimiter == " " else form.delimiter or "\0",
                quotechar=form.quote,
                skiprows=form.skipped,
                header=None,
                names=range(width),
                index_col=False,
                dtype=str,
                na_filter=False,
                skipinitialspace=True,
                engine="c",
            )
    except pd.errors.ParserWarning:
        must_have(f"rows of at most {width} cells in {path}", f"more in line {_longer(text, form, width)}")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        must_have(f"a table in {path}", str(error).strip().removeprefix("Error tokenizing data. C error: "))
    cells = cells.fillna("")
    return cells[(cells != "").any(axis=1)]


def _longer(text: str, form: _Form, width: int) -> int:
    """The number of the line that ends the first row of more than `width` cells."""
    rows = csv.reader(io.StringIO(text), delimiter=form.delimiter or "\0", quotechar=form.quote, skipinitialspace=True)
    return next((rows.line_num for row in rows if rows.line_num > form.skipped and len(row) > width), rows.line_num)


def _has_header(cells: pd.DataFrame, asked: Sequence[str]) -> bool:
    """Whether the first row is of names: one that was asked for, texts above numbers, texts that never come again."""
    first, below = cells.iloc[0].str.strip(), cells.iloc[1:]
    if {name for name in asked if not _is_number(name)} & set(first):
        return True
    texts = [at for at, cell in first.items() if cell and not _is_number(cell)]
    above_numbers = any(below[at].map(_is_number).mean() > 0.5 for at in texts) if len(below) else bool(texts)
    if above_numbers:
        return True
    return bool(texts) and not any(below[at].str.strip().eq(first[at]).any() for at in texts) and first.is_unique


def _is_number(cell: str) -> bool:
    bare = _GAPS.sub("", cell.strip())
    return any(form.fullmatch(bare) for form in (_PLAIN, _DECIMAL_COMMA, _THOUSANDS_COMMA))


def _named(cells: pd.DataFrame, names: list[str] | None) -> pd.DataFrame:
    """Cells under their names; columns without a name and without content, or with the numbers of rows, are dropped."""
    width = len(cells.columns)
    given = [f"c{at + 1}" for at in range(width)] if names is None else [*names, *[""] * (width - len(names))]
    if not given[-1] and given[-2:-1] != [""] and (cells[width - 1] != "").all():
        given = ["", *given[:-1]]  # as R writes: no name above the names of rows
    rows = pd.RangeIndex(1, len(cells) + 1, name=OF_FILE if names is None else BELOW_HEADER)
    kept: dict[str, pd.Series] = {}
    for at, name in enumerate(given):
        if not name and (_counts(cells[at]) or not (cells[at] != "").any()):
            continue
        if not name and at:
            row = int((cells[at] != "").argmax()) + 1
            must_have(
                "at most as many cells in a row as there are names",
                f"{cells[at].iloc[row - 1]!r} behind them in row {row}",
            )
        name = name or f"c{at + 1}"
        if name in kept:
            must_have("columns of different names", f"{name!r} twice")
        kept[name] = cells[at]
    return pd.DataFrame(kept).set_axis(rows, axis=0)


def _counts(column: pd.Series) -> bool:
    """Whether it numbers the rows, as pandas' to_csv writes them without a name."""
    numbers = pd.to_numeric(column.str.strip(), errors="coerce").to_numpy(float)
    rows = np.arange(len(numbers))
    return bool(np.array_equal(numbers, rows) or np.array_equal(numbers, rows + 1))


# -- cells --


def _comma(frame: pd.DataFrame, delimiter: str, path: Path) -> str:
    """What a comma in numbers is: "decimal", "thousands", or "" where there is none."""
    decimal, thousands, either = "", "", ""
    for name in frame.columns:
        column = frame[name]
        for cell in column[column.str.contains(",", regex=False)].unique()[:_LOOKED_AT]:
            bare = _GAPS.sub("", cell.strip())
            if _EITHER.fullmatch(bare):
                either = either or cell
            elif _THOUSANDS_COMMA.fullmatch(bare):
                thousands = thousands or cell
            elif _DECIMAL_COMMA.fullmatch(bare):
                decimal = decimal or cell
    if decimal and thousands:
        must_have(f"numbers written in one way in {path}", f"{decimal!r} and {thousands!r}")
    if decimal or thousands or not either:
        return "decimal" if decimal else "thousands" if thousands else ""
    dotted = any(_DOT.fullmatch(cell.strip()) for name in frame.columns for cell in frame[name].head(_LOOKED_AT))
    return "thousands" if delimiter == "," or dotted else "decimal"


def _typed(column: pd.Series, comma: str) -> pd.Series:
    """A column of text as numbers or truths, where it holds nothing else."""
    text = column.str.strip()
    bare = text.where(~text.isin(_MISSING_NUMBERS), np.nan).str.replace("\u2212", "-", regex=False)  # a minus sign
    numbers = _numbers(bare, comma)
    if numbers is not None:
        return numbers
    lowered = bare.str.lower()
    if lowered.dropna().isin(("true", "false")).all():
        return lowered.map({"true": True, "false": False}).astype("boolean")
    return text.where(~text.isin(_MISSING), np.nan)


def _spelled(text: pd.Series, typed: pd.Series) -> pd.Series | None:
    """A column's text where it is of numbers that would not give it back; else None."""
    text = text.str.strip()
    if typed.dtype.kind not in "iuf" or not text.str.fullmatch(_OF_NAMES).any():
        return None
    return text.where(typed.notna(), np.nan)


def _numbers(bare: pd.Series, comma: str) -> pd.Series | None:
    there = bare.notna()
    if comma:
        bare = bare.map(lambda cell: _uncomma(cell, comma), na_action="ignore")
    numbers = pd.to_numeric(bare, errors="coerce")
    if (numbers.isna() & there).any():
        numbers = pd.to_numeric(bare.str.replace(_GAPS, "", regex=True), errors="coerce")
    return None if (numbers.isna() & there).any() else numbers


def _uncomma(cell: str, comma: str) -> str:
    """A number as Python writes it; anything else as it is."""
    bare = _GAPS.sub("", cell)
    if comma == "thousands":
        return bare.replace(",", "") if _THOUSANDS_COMMA.fullmatch(bare) else cell
    if _DECIMAL_COMMA.fullmatch(bare) or _DOTTED.fullmatch(bare):
        return bare.replace(".", "").replace(",", ".")
    return cell
