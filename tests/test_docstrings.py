"""Every public name says what it takes and what it refuses."""

import dataclasses
import inspect
import operator
import re
from collections.abc import Iterator
from typing import Any

import pytest

import gnode

ROOMS = (
    "analysis", "data", "estimators", "examine", "expressivity", "fields", "integrate", "models", "plot",
    "reconstruction", "report", "series", "tasks", "training",
)  # fmt: skip


def public() -> dict[str, Any]:
    """Each public name once, by where it is found first."""
    found: dict[int, tuple[str, Any]] = {id(gnode.train): ("gnode.train", gnode.train)}
    for room in ROOMS:
        for name in getattr(gnode, room).__all__:
            thing = getattr(getattr(gnode, room), name)
            if callable(thing) and not isinstance(thing, dict):
                found.setdefault(id(thing), (f"gnode.{room}.{name}", thing))
    return dict(found.values())


def members(kind: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that a class of gnode's defines or inherits from one."""
    for base in kind.__mro__:
        if not base.__module__.startswith("gnode"):
            continue
        for name, member in vars(base).items():
            function = getattr(member, "__func__", getattr(member, "fget", getattr(member, "func", member)))
            if not name.startswith("_") and inspect.isfunction(function):
                yield name, function


def unnamed(function: Any, text: str) -> list[str]:
    """The parameters that a text does not name; a single one, as the path in load(path), needs no name."""
    taken = [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]
    return [name for name in taken if not re.search(rf"\b{name}\b", text)] if len(taken) > 1 else []


def refuses(function: Any) -> bool:
    """Whether the function itself raises, in its own lines."""
    return bool(re.search(r"\bmust_have\(|\braise [A-Z]", inspect.getsource(inspect.unwrap(function))))


def text_of(kind: type) -> str:
    """Everything that a reader finds about a class: what it inherits, and what its methods say of themselves."""
    texts = [inspect.getdoc(base) for base in kind.__mro__ if base.__module__.startswith("gnode")]
    texts += [inspect.getdoc(getattr(kind, name, None)) for name in ("__init__", "__call__")]
    return "\n".join([text for text in texts if text] + [inspect.getdoc(member) or "" for _, member in members(kind)])


def said_of(thing: Any, said: str) -> str:
    """A docstring, with those that it refers to ("Arguments and errors as for `fixed_points`")."""
    for name in re.findall(r"[Aa]s\s+for `([\w.]+)`", said):
        room = thing.__module__.split(".")[1]
        said += inspect.getdoc(operator.attrgetter(name)(getattr(gnode, room))) or ""
    return said


def wanting(thing: Any) -> Iterator[str]:
    """What the docstrings of a public name do not say."""
    said = inspect.getdoc(thing) or ""
    if not said or said.startswith(f"{thing.__name__}("):  # dataclasses write one of their own
        yield "has no docstring"
    if not inspect.isclass(thing):
        said = said_of(thing, said)
        yield from (f"does not name {name}" for name in unnamed(thing, said))
        if refuses(thing) and "Raises:" not in said:
            yield "does not say what it raises"
        return
    text = text_of(thing)
    if dataclasses.is_dataclass(thing):
        names = [field.name for field in dataclasses.fields(thing) if not field.name.startswith("_")]
        yield from (f"does not name its attribute {name}" for name in names if not re.search(rf"\b{name}\b", text))
    for name, function in dict(members(thing)).items():
        said = inspect.getdoc(getattr(thing, name)) or inspect.getdoc(function) or ""  # inherited ones count
        said = said_of(function, said)
        if not said:
            yield f"{name} has no docstring"
        yield from (f"{name} does not name {one}" for one in unnamed(function, text + said))
        if refuses(function) and "Raises:" not in said and "raises" not in said:
            yield f"{name} does not say what it raises"


@pytest.mark.parametrize("name", public())
def test_a_public_name_says_what_it_takes_and_what_it_refuses(name):
    assert list(wanting(public()[name])) == []
