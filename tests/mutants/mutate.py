"""Changes the meaning of the program at random places, one at a time, and sees whether the nearest tests notice.

    python tests/mutants/mutate.py [count] [seed] [room ...]       300 places of all rooms; about a minute for each

A change is a comparison that takes its bound in or leaves it out, or is turned round; + for -, * for /; a sign left
out; a number one larger; a condition negated; `and` for `or`. The changed file stands in a copy of the package, so that
the checkout stays as it is. What was found is added to .cache/mutants/<seed>.jsonl, and what is there is not tried
again. A change after which nothing is different is named in equivalent.jsonl with the reason.
"""

import ast
import copy
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "gnode"
ROOMS = ("series", "nn", "fields", "integrate", "models", "training", "analysis", "expressivity", "files")
BESIDE = {  # where a room is tested beside the folder of its name
    "nn": ("contracts",),
    "fields": ("contracts", "models"),
    "integrate": ("contracts", "models"),
    "models": ("contracts", "series"),
    "series": ("models", "data"),
    "training": ("examine",),
    "analysis": ("truths", "report"),
    "expressivity": ("truths",),
    "files": ("data", "training"),
}
FILES = 5  # of tests, at most, that a change is shown to
SECONDS = 600
COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATIONS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}


@dataclass(frozen=True)
class Mutant:
    """A change: in which file and function, of which text into which, and of how many equal ones there the which-th."""

    file: str
    function: str
    before: str
    after: str
    number: int = 0


@dataclass(frozen=True)
class Place:
    """Where in the file the text stands, as offsets in bytes."""

    mutant: Mutant
    start: int
    end: int
    line: int


def places(path: Path) -> list[Place]:
    """All changes of a file that are tried."""
    source = path.read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found: list[Place] = []
    seen: Counter[tuple] = Counter()
    for function, node in walk(ast.parse(source)):
        start, end = (starts[line - 1] + column for line, column in _bounds(node))
        before = source[start:end].decode()
        for changed in changes(node):
            after = f"({ast.unparse(changed)})"
            key = function, before, after
            mutant = Mutant(str(path.relative_to(PACKAGE)), *key, seen[key])
            seen[key] += 1
            found.append(Place(mutant, start, end, node.lineno))
    return found


def _bounds(node: ast.expr) -> tuple[tuple[int, int], tuple[int, int]]:
    assert node.end_lineno is not None and node.end_col_offset is not None
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


def walk(node: ast.AST, function: str = "") -> Iterator[tuple[str, ast.expr]]:
    """Expressions with the function that they stand in; annotations, texts and decorators are none."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr):
                continue
            inside = f"{function}.{child.name}".lstrip(".") if hasattr(child, "name") and child.name else function
            if isinstance(child, ast.expr):
                yield inside, child
            yield from walk(child, inside)


def changes(node: ast.expr) -> Iterator[ast.expr]:
    """What an expression may become."""
    other = copy.deepcopy(node)
    match other:
        case ast.Compare(ops=[op, *_]) if type(op) in COMPARISONS:
            other.ops[0] = COMPARISONS[type(op)]()
            yield other
            if type(op) in (ast.Lt, ast.LtE, ast.Gt, ast.GtE):
                yield ast.UnaryOp(ast.Not(), copy.deepcopy(node))
        case ast.BoolOp():
            other.op = ast.Or() if isinstance(other.op, ast.And) else ast.And()
            yield other
        case ast.BinOp() if type(other.op) in OPERATIONS and not _is_text(other):
            other.op = OPERATIONS[type(other.op)]()
            yield other
        case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=float(value)):
            yield ast.Constant(value * 2 if value else 1.0)
        case ast.IfExp(test=test):
            other.test = ast.UnaryOp(ast.Not(), test)
            yield other


def _is_text(node: ast.BinOp) -> bool:
    return any(isinstance(inner, ast.JoinedStr) or _text(inner) for inner in ast.walk(node))


def _text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def sample(count: int, seed: int, rooms: Sequence[str] = ROOMS) -> list[Place]:
    """So many changes, each place of these rooms as likely as another."""
    every = [place for room in rooms for path in sorted((PACKAGE / room).rglob("*.py")) for place in places(path)]
    return random.Random(seed).sample(every, min(count, len(every)))


def nearest_tests(mutant: Mutant) -> list[str]:
    """Files of tests: those that name the function, its file or its room most often, in the room's own folder first."""
    room, *_ = Path(mutant.file).parts
    words = {part for part in mutant.function.split(".") if part} | {Path(mutant.file).stem, room}
    folders = [ROOT / "tests" / room, *(ROOT / "tests" / name for name in BESIDE[room])]
    ranked = []
    for order, folder in enumerate(folders):
        for path in sorted(folder.glob("test_*.py")):
            text = path.read_text()
            named = sum(len(re.findall(rf"\b{re.escape(word.lstrip('_'))}\b", text)) for word in words if len(word) > 2)
            imported = Path(mutant.file).with_suffix("").as_posix().replace("/", ".") in text
            ranked.append((-int(imported), order, -named, str(path.relative_to(ROOT))))
    ranked.sort()
    return [path for *_, path in ranked[:FILES]]


def tried(place: Place) -> dict[str, str]:
    """caught, by which test; survived; or late, where the tests took too long."""
    tests = nearest_tests(place.mutant)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(PACKAGE, Path(folder) / "gnode", ignore=shutil.ignore_patterns("__pycache__"))
        path = Path(folder) / "gnode" / place.mutant.file
        source = path.read_bytes()
        path.write_bytes(source[: place.start] + place.mutant.after.encode() + source[place.end :])
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not full and not slow", "-p", "no:cacheprovider"]
        environment = {**os.environ, "PYTHONPATH": folder}
        try:
            done = subprocess.run(
                [*command, *tests], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS
            )
        except subprocess.TimeoutExpired:
            return {"outcome": "late", "by": ""}
    if done.returncode == 0:
        return {"outcome": "survived", "by": ""}
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    return {"outcome": "caught", "by": failed[1] if failed else (done.stdout + done.stderr).strip()[-200:]}


def main() -> None:
    count, seed = (int(word) for word in (*sys.argv[1:3], *("300", "0")[len(sys.argv[1:3]) :]))
    rooms = sys.argv[3:] or ROOMS
    equivalent = {Mutant(**entry["mutant"]) for entry in _lines(Path(__file__).parent / "equivalent.jsonl")}
    record = ROOT / ".cache" / "mutants" / f"{seed}.jsonl"
    record.parent.mkdir(parents=True, exist_ok=True)
    known = {Mutant(**entry["mutant"]): entry for entry in _lines(record)}
    outcomes: Counter[tuple[str, str]] = Counter()
    for place in sample(count, seed, rooms):
        mutant, room = place.mutant, Path(place.mutant.file).parts[0]
        if mutant in equivalent:
            outcomes[room, "equivalent"] += 1
            continue
        if mutant not in known:  # what is there already is not tried again
            known[mutant] = {"mutant": asdict(mutant), "line": place.line, **tried(place)}
            with record.open("a") as file:
                file.write(json.dumps(known[mutant]) + "\n")
            if known[mutant]["outcome"] != "caught":
                print(f"{mutant.file}:{place.line} {mutant.before!r} -> {mutant.after!r}: {known[mutant]['outcome']}")
        outcomes[room, known[mutant]["outcome"]] += 1
    kinds = ("caught", "survived", "late", "equivalent")
    print(f"| room | {' | '.join(kinds)} |\n|{'---|' * (1 + len(kinds))}")
    for room in rooms:
        print(f"| {room} | {' | '.join(str(outcomes[room, kind]) for kind in kinds)} |")


def _lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


if __name__ == "__main__":
    main()
