"""Every error that gnode raises on purpose: one sentence that says what was expected, what came, and what to do."""

import difflib
from collections.abc import Iterable, Mapping
from typing import NoReturn, TypeVar

Member = TypeVar("Member")


class GnodeError(Exception):
    """Base of all errors raised by gnode. The command line prints its text as one line and exits with `exit_code`."""

    exit_code = 1


class InvalidInput(GnodeError, ValueError):
    """An argument, a key or a file's content is not what it must be."""


class Diverged(GnodeError, ArithmeticError):
    """A computation produced NaN or infinity, and going on would hide it."""


class CannotScale(GnodeError, ArithmeticError):
    """Critical initialisation has no solution for this field."""


def must_have(expected: str, got: object, advice: str = "") -> NoReturn:
    """Raise InvalidInput in the house style: "Must have ..., instead got ... ." and then what to do."""
    sentence = f"Must have {expected}, instead got {got}. {advice}".strip()
    raise InvalidInput(sentence.replace("\r", r"\r").replace("\n", r"\n"))  # one line, whatever names a file holds


# What PyTorch, Keras and scikit-learn call some of our keys, which no likeness of letters finds.
ELSEWHERE = {
    "learning_rate": "lr",
    "max_epochs": "epochs",
    "max_iter": "epochs",
    "hidden_size": "state_size",
    "units": "state_size",
    "n_units": "state_size",
    "hidden_layer_sizes": "hidden",
    "dropout": "readout_dropout",
    "random_state": "seed",
    "solver": "integrator",
    "optimizer": "optimiser",
    "scheduler": "schedule",
    "grad_clip": "clip",
    "early_stopping": "patience",
}


def many(count: int, what: str) -> str:
    """A count as a person says it: 1 epoch, 2 epochs, 3 series."""
    return f"{count:,} {what}" if count == 1 or what == "series" else f"{count:,} {what}s"


def look_up(kind: str, name: str, members: Mapping[str, Member]) -> Member:
    """The member of a registry called `name`; an InvalidInput with the nearest name where there is none."""
    article = "an" if kind[0] in "aeiou" else "a"
    check_known([name], members, f"{article} {kind} out of {', '.join(sorted(members))}")
    return members[name]


def check_known(names: Iterable[str], known: Iterable[str], expected: str, otherwise: str = "") -> None:
    """Raise InvalidInput where a name is not known, with the nearest that is; `otherwise` where none is near."""
    known = list(known)
    for name in names:
        if name not in known:
            there = ELSEWHERE.get(str(name))
            near = [there] if there in known else difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
            must_have(expected, repr(name), f"Did you mean {near[0]!r}?" if near else otherwise)
