"""Trials and data: series, what should come out of them, and what counts."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gnode.cards import Card, as_html
from gnode.errors import must_have
from gnode.files import new_folder, path_of, write_atomically
from gnode.files.plain import as_json
from gnode.series.arrays import as_array, described, feed, is_pandas, place
from gnode.series.series import Series
from gnode.series.storage import named, read_arrays, write_arrays

PARTS = ("train", "validation", "test")
_NAMES, _SOURCE = "classes.json", "source.json"


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Trials:
    """Series that go in, what should come out, and what counts.

    Attributes:
        series: what goes in.
        targets: (trials, time, outputs), float32; or classes, int32, of shape (trials,), one for the whole trial, or
            (trials, time), one for each sample. 0 at padding and where a target that does not count is no number.
        weights: (trials, time), float32, how much a sample counts towards the loss; None where all count alike.
    """

    series: Series
    targets: np.ndarray
    weights: np.ndarray | None

    def __init__(self, inputs: Any, targets: Any, mask: Any = None, weights: Any = None) -> None:
        """Trials, converted and checked.

        Args:
            inputs: a Series, or what `Series.of` takes: an array (trials, time, channels), a list of arrays, ...
            targets: an array (trials, time, outputs), with padding where the inputs have it; a list of arrays, one for
                each series; a Series with the lengths of the inputs; or integer classes, as above. Floats (trials,
                time) are one output. What pandas labels by the names of the series is put in their order. What is
                masked (NumPy's masked arrays) or missing (in a Series) does not count.
            mask: (trials, time), True or 1 where a sample counts; None where all do. Padding never counts.
            weights: (trials, time), how much a sample counts: finite and at least 0.

        Raises:
            InvalidInput: shapes that do not match, targets that count and are no numbers, nothing that counts.
        """
        series = Series.of(inputs)
        wanted, hidden = _read_targets(series, targets)
        counted = _read_weights(series, mask, weights, hidden)
        _set(self, series, _settle(series, wanted, hidden, counted), counted)

    def __len__(self) -> int:
        return len(self.series)

    def __getitem__(self, index: Any) -> "Trials":
        """Some of the trials, by an integer, a slice or an array of integers; the trials axis always stays."""
        chosen = np.atleast_1d(np.arange(len(self))[index])
        weights = None if self.weights is None else self.weights[chosen]
        return _set(object.__new__(Trials), self.series[chosen], self.targets[chosen], weights)

    @property
    def inputs(self) -> np.ndarray:
        """(trials, time, channels), float32; 0 where missing or padded."""
        return self.series.values.astype(np.float32, copy=False)

    @property
    def mask(self) -> np.ndarray | None:
        """(trials, time), True where a sample counts; None where all do."""
        return None if self.weights is None else self.weights > 0

    @property
    def counts(self) -> np.ndarray:
        """(trials, time), True where a sample counts."""
        return self.series.valid if self.weights is None else self.weights > 0

    def digest(self) -> str:
        """A SHA-256 in hexadecimal that names the content, as `Series.digest` does."""
        content = hashlib.sha256(b"gnode trials 1")
        content.update(self.series.digest().encode())
        valid = self.series.valid
        weights = np.ones(valid.shape, np.float32) if self.weights is None else self.weights
        targets = self.targets if self.targets.ndim == 1 else self.targets[valid]
        feed(content, np.array(self.targets.shape[2:]), targets, weights[valid])
        return content.hexdigest()

    def save(self, path: str | Path) -> None:
        """Write the trials to an .npz file, whole or not at all."""
        content = {**self.series.as_arrays(), "targets": self.targets}
        if self.weights is not None:
            content["weights"] = self.weights
        write_arrays(path, content)

    @staticmethod
    def load(path: str | Path) -> "Trials":
        """The trials in a file that `save` wrote, which pass the same door again.

        Raises:
            InvalidInput: there is no such file, or it is truncated, foreign, of a newer format, or holds no trials.
        """
        content = read_arrays(path, "trials")
        if "targets" not in content:
            must_have("a file of trials", f"series without targets: {path}")
        with named(path, "trials"):
            return Trials(Series.from_arrays(content), content["targets"], weights=content.get("weights"))

    def _repr_html_(self) -> str:
        return as_html(Card(f"Trials, targets {self.targets.dtype} {self.targets.shape}")) + self.series._repr_html_()

    def __repr__(self) -> str:
        return f"Trials({self.series!r}, targets {self.targets.dtype} {self.targets.shape})"


@dataclass(frozen=True)
class Data:
    """Three sets of trials: one to train on, one to select the parameters by, one that is touched once, at the end.

    Attributes:
        classes: what the classes are called, from class 0 on, where the targets are classes; empty for numbers alone.
        source: where they came from and what was assumed, as plain data (gnode.data.from_frame); no part of the digest.
    """

    train: Trials
    validation: Trials
    test: Trials
    classes: tuple[str, ...] = ()
    source: dict[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        for name in PARTS:
            trials = getattr(self, name)
            if not isinstance(trials, Trials):
                must_have(f"Trials as {name}", described(trials))
            if not trials.counts.any():
                must_have(f"samples that count in {name}", "none")
            for what, wanted, got in (
                ("channels", self.train.series.channels, trials.series.channels),
                ("targets", _targets_kind(self.train), _targets_kind(trials)),
            ):
                if got != wanted:
                    must_have(f"in {name} the same {what} as in train, {wanted}", got)
        object.__setattr__(self, "classes", self._checked_names())
        if not isinstance(self.source, dict):
            must_have("source a dictionary of plain data", described(self.source))

    def _checked_names(self) -> tuple[str, ...]:
        if not isinstance(self.classes, Iterable):
            must_have("classes the names of classes", repr(self.classes))
        names = (self.classes,) if isinstance(self.classes, str) else tuple(map(str, self.classes))
        if not names:
            return names
        if self.train.targets.dtype.kind != "i":
            must_have("targets that are classes for their names", _targets_kind(self.train))
        largest = max(int(getattr(self, part).targets.max()) for part in PARTS)
        if len(set(names)) < len(names) or largest >= len(names):
            must_have(f"a name of its own for each of at least {largest + 1} classes", ", ".join(names))
        return names

    def digest(self) -> str:
        """A SHA-256 in hexadecimal that names the three sets; what classes are called is no part of it."""
        names = (trials.digest() for trials in (self.train, self.validation, self.test))
        return hashlib.sha256("".join(names).encode()).hexdigest()

    @property
    def nbytes(self) -> int:
        """How much `save` writes, in bytes, headers aside."""
        parts = (self.train, self.validation, self.test)
        arrays = [array for part in parts for array in (*part.series.as_arrays().values(), part.targets, part.weights)]
        return sum(np.asarray(array).nbytes for array in arrays if array is not None)

    def save(self, folder: str | Path) -> None:
        """Write train.npz, validation.npz and test.npz, classes.json where classes have names, and source.json where it
        is known, into a new folder, all of them or none.

        Raises:
            InvalidInput: the folder is there already.
            GnodeError: it cannot be written.
        """
        folder = path_of(folder)
        if folder.exists():
            must_have("a new folder for data", f"{folder}, which is there already")
        with new_folder(folder) as place:
            for part in PARTS:
                getattr(self, part).save(place / f"{part}.npz")
            if self.classes:
                write_atomically(place / _NAMES, (as_json(self.classes) + "\n").encode())
            if self.source:
                write_atomically(place / _SOURCE, (as_json(self.source, indent=2) + "\n").encode())

    @staticmethod
    def load(folder: str | Path) -> "Data":
        """The data in a folder that `save` wrote, which pass the same door again.

        Raises:
            InvalidInput: a file is not there, truncated, foreign, of a newer format, or holds no trials.
        """
        folder = path_of(folder)
        train, validation, test = (Trials.load(folder / f"{part}.npz") for part in PARTS)
        names = _read_json(folder / _NAMES, list, "a list of names of classes")
        return Data(train, validation, test, tuple(names), _read_json(folder / _SOURCE, dict, "a table of the source"))


def _read_json(path: Path, kind: type, expected: str) -> Any:
    """What a file holds; an empty one of its kind where there is no such file."""
    try:
        content = json.loads(path.read_text()) if path.exists() else kind()
    except ValueError:
        content = None
    if not isinstance(content, kind):
        must_have(expected, f"something else in {path}")
    return content


def _read_targets(series: Series, targets: Any) -> tuple[np.ndarray, np.ndarray]:
    """Targets, (trials,) or (trials, time, ...), and where they are masked, (trials,) or (trials, time)."""
    if isinstance(targets, Series):
        if targets.shape[:2] != series.shape[:2] or not np.array_equal(targets.valid, series.valid):
            must_have(f"targets with the lengths of the inputs, {series!r}", f"{targets!r}")
        targets = np.ma.array(targets.values, mask=~targets.seen)
    array = _beside(series, in_order(series, targets), "targets")
    wanted = series.shape[:2]
    whole_trial = array.ndim == 1 and array.shape == wanted[:1]
    if not whole_trial and (array.ndim not in (2, 3) or array.shape[:2] != wanted or not array.size):
        must_have(
            f"targets that begin with (trials, time) = {wanted}, or have one class a trial", f"shape {array.shape}"
        )
    if array.dtype.kind == "f" and array.ndim == 2:
        array = array[..., None]
    if not np.ma.is_masked(array):
        return np.ma.getdata(array), np.zeros(array.shape[:2], bool)
    hidden: np.ndarray = np.ma.getmaskarray(array)
    if array.ndim == 3:
        partly = hidden.any(axis=-1) & ~hidden.all(axis=-1)
        if partly.any():
            trial, sample = np.argwhere(partly)[0]
            must_have("targets missing for all outputs of a sample or none", f"some in {place(trial, sample)}")
        hidden = np.asarray(hidden.any(axis=-1))
    return np.ma.getdata(array), hidden


def in_order(series: Series, targets: Any, what: str = "targets") -> Any:
    """Targets in the order of the series, which are numbered as they appear, where pandas labels them by name."""
    if series.names is None or not is_pandas(targets) or len(targets) != len(series):
        return targets
    labels = targets.index.tolist()
    if sorted(map(repr, labels)) == sorted(map(repr, series.names)):
        return targets.loc[list(series.names)]
    if labels != list(range(len(series))):  # which are no labels
        must_have(
            f"{what} labelled by the names of the series, one each",
            f"labels such as {labels[0]!r} beside a series {series.names[0]!r}",
            "In the order in which the series appear: targets.to_numpy().",
        )
    return targets


def _read_weights(series: Series, mask: Any, weights: Any, hidden: np.ndarray) -> np.ndarray | None:
    """How much each sample counts, (trials, time); None where all count alike."""
    factors: list[np.ndarray] = []
    if series.lengths is not None:
        factors.append(series.valid)
    if mask is not None:
        marks = _factor(series, mask, "mask")
        _check_factor(np.isin(marks, (0, 1)), marks, "a mask of True and False, or 1 and 0")
        factors.append(marks)
    if weights is not None:
        amounts = _factor(series, weights, "weights")
        with np.errstate(over="ignore"):
            amounts = amounts.astype(np.float32)
        _check_factor(np.isfinite(amounts) & (amounts >= 0), amounts, "weights that are finite and at least 0")
        factors.append(np.where(amounts < np.finfo(np.float32).tiny, 0, amounts))  # which XLA takes for 0 as well
    if hidden.any():
        factors.append(~hidden if hidden.ndim == 2 else ~hidden[:, None])
    if not factors:
        return None
    counted = np.ones(series.shape[:2], np.float32)
    for factor in factors:
        counted *= factor.astype(np.float32)
    if not counted.any():
        must_have("a mask that lets some bins count", "one that lets none")
    return counted


def _factor(series: Series, data: Any, what: str) -> np.ndarray:
    """A mask or weights, (trials, time), 0 at padding, where they are not read."""
    array = _beside(series, data, what)
    if array.shape != series.shape[:2]:
        must_have(f"{what} of shape (trials, time) = {series.shape[:2]}", f"shape {array.shape}")
    if np.ma.is_masked(array):
        must_have(f"{what} without missing ones", "a masked array")
    return np.where(series.valid, np.ma.getdata(array), 0)


def _check_factor(right: np.ndarray, factor: np.ndarray, expected: str) -> None:
    if not right.all():
        trial, sample = np.argwhere(~right)[0]
        must_have(expected, f"{factor[trial, sample]:g} in {place(trial, sample)}")


def _settle(series: Series, targets: np.ndarray, hidden: np.ndarray, counted: np.ndarray | None) -> np.ndarray:
    """Targets as the losses read them: float32, or int32 for classes. What does not count may be anything."""
    counts = np.ones(series.shape[:2], bool) if counted is None else counted > 0
    if targets.ndim == 1:
        counts = np.asarray(counts.any(axis=1))
    if targets.ndim < 3 and targets.dtype.kind in "biu":
        classes = np.where(counts, targets, targets.dtype.type(0))
        limits = np.iinfo(np.int32)
        _check_targets((classes >= limits.min) & (classes <= limits.max), classes, "classes that int32 can hold")
        return classes.astype(np.int32)
    with np.errstate(over="ignore"):
        floats = np.array(targets, np.float32)
    numbers = np.isfinite(floats)
    rows = numbers.all(axis=-1) if floats.ndim == 3 else numbers
    _check_targets(
        rows | ~counts,
        targets,
        "finite targets that float32 can hold",
        "Mask what is missing: mask=, or a masked array.",
    )
    floats[~numbers] = 0.0
    floats[hidden] = 0.0
    if floats.ndim == 3:
        floats[~series.valid] = 0.0
    return floats


def _check_targets(right: np.ndarray, targets: np.ndarray, expected: str, advice: str = "") -> None:
    if not right.all():
        trial, *sample = np.argwhere(~right)[0]
        got = targets[(trial, *sample)].ravel().tolist()
        must_have(expected, f"{', '.join(map(str, got))} in {place(trial, *sample)}", advice)


def _beside(series: Series, data: Any, what: str) -> np.ndarray:
    """What stands beside a series: an array as it came, or a list of one array for each series, padded as these are."""
    if not isinstance(data, (list, tuple)):
        return as_array(data, what)
    pieces = [as_array(piece, f"{what} of series {at}") for at, piece in enumerate(data)]
    if len(pieces) != len(series):
        must_have(f"{what} for each of {len(series)} series", f"{what} for {len(pieces)}")
    if all(piece.ndim == 0 for piece in pieces):
        return as_array(data, what)
    valid = series.valid
    for at, (piece, length) in enumerate(zip(pieces, valid.sum(axis=1).tolist(), strict=True)):
        if piece.shape[:1] != (length,) or piece.shape[1:] != pieces[0].shape[1:]:
            expected = (length, *pieces[0].shape[1:])
            must_have(f"{what} of shape {expected} for the {length} samples of series {at}", f"shape {piece.shape}")
    flat = np.ma.concatenate(pieces)
    padded = np.ma.zeros((*valid.shape, *flat.shape[1:]), flat.dtype)
    padded[valid] = flat
    return padded


def _targets_kind(trials: Trials) -> str:
    targets = trials.targets
    if targets.dtype.kind == "f":
        return f"{targets.shape[2]} outputs" if targets.ndim == 3 else "a number for each trial"
    return "a class for each sample" if targets.ndim == 2 else "a class for each trial"


def _set(trials: Trials, series: Series, targets: np.ndarray, weights: np.ndarray | None) -> Trials:
    """The attributes of frozen trials, whose arrays cannot be written to."""
    for array in (targets, weights):
        if array is not None:
            array.setflags(write=False)
    for name, value in (("series", series), ("targets", targets), ("weights", weights)):
        object.__setattr__(trials, name, value)
    return trials
