"""Character trajectories: the pen of one writer, 20 letters, at 200 samples a second.

Channels are the velocities in x and y and the derivative of the force on the tip. The whole set has 2858 series. Of a
half of it, 1429 series, a course published the labels apart: a set of its own, with a name of its own.
"""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gnode.data.files import DataSet, Form
from gnode.series import PARTS

SAMPLE = 5  # milliseconds
_LABELS = 4  # the place of the labels among the constants of the original


class Characters(NamedTuple):
    """Content of either set.

    Attributes:
        series: arrays (samples, 3), float32, without the samples at both ends that are zero in all channels.
        labels: (series,), classes from 0.
        classes: the letter of each class.
    """

    series: list[np.ndarray]
    labels: np.ndarray
    classes: list[str]


def split(labels: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Numbers of training, validation and test series: 70, 15 and 15 % of each class (Kidger et al. 2020)."""
    random = np.random.default_rng((2020, seed))
    parts: dict[str, list[np.ndarray]] = {part: [] for part in PARTS}
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        held = round(0.15 * len(members))
        for part, numbers in zip(PARTS, (members[2 * held :], members[:held], members[held : 2 * held]), strict=True):
            parts[part].append(numbers)
    return {part: np.sort(np.concatenate(numbers)) for part, numbers in parts.items()}


def kept_samples(lengths: Sequence[int], dropped: float, seed: int) -> list[np.ndarray]:
    """For each series the samples that stay where a share of them is dropped, all channels at once."""
    random = np.random.default_rng((2021, seed))
    return [np.sort(random.permutation(length)[int(dropped * length) :]) for length in lengths]


def _trimmed(series: np.ndarray) -> np.ndarray:
    """(3, samples) -> (samples, 3), float32, without what is zero at both ends."""
    written = np.flatnonzero(series.any(axis=0))
    return np.ascontiguousarray(series[:, written[0] : written[-1] + 1].T, np.float32)


def _read_arrays(paths: Sequence[Path]) -> Characters:
    with np.load(paths[0], allow_pickle=False) as file:
        series = np.split(file["values"], np.cumsum(file["lengths"].astype(int))[:-1])
        return Characters(series, file["labels"].astype(int), [str(letter) for letter in file["classes"]])


def _read_course(paths: Sequence[Path]) -> Characters:
    """The labelled half, as the course published it."""
    from scipy.io import loadmat  # late: most commands need no data

    content = loadmat(paths[0])
    return _characters(content["xtrain"], content["ytrain"], content["key"])


def _read_archive(paths: Sequence[Path]) -> Characters:
    """The whole set, as the UCI repository publishes it."""
    from scipy.io import loadmat

    with zipfile.ZipFile(paths[0]) as archive:
        content = loadmat(io.BytesIO(archive.read("mixoutALL_shifted.mat")))
    constants = content["consts"][0, 0]
    return _characters(content["mixout"], constants[_LABELS], constants["key"])


def _characters(series: np.ndarray, labels: np.ndarray, letters: np.ndarray) -> Characters:
    """From cells (1, series) of arrays (3, samples), labels (1, series) from 1 and cells (1, classes) of letters."""
    names = [str(letter[0]) for letter in letters[0]]
    return Characters([_trimmed(one) for one in series[0]], labels[0].astype(int) - 1, names)


_FOLDER = "character_trajectories"
_LICENCE = "CC BY 4.0"
_CITATION = "Williams (2008), Character Trajectories, UCI Machine Learning Repository, doi 10.24432/C58G7V"

ALL = DataSet(
    summary="pen trajectories of 20 letters, 3 channels, all 2858 series: tell the letter",
    folder=_FOLDER,
    licence=_LICENCE,
    citation=_CITATION,
    forms=(
        Form(
            files=("character+trajectories.zip",),
            sha256="5d2db017ef0d8cf0e65ed060c9e90399f78eb9f1e3cb63e22ca8c3ef4ba67d52",
            size=7_915_950,
            read=_read_archive,
            address="https://archive.ics.uci.edu/static/public/175/",
        ),
    ),
)

HALF = DataSet(
    summary="the labelled half of a course's split of character-trajectories, 1429 of the 2858 series",
    folder=_FOLDER,
    licence=f"{_LICENCE} (the data); none stated by the repository that holds this half",
    citation=_CITATION,
    forms=(
        Form(
            files=("character_trajectories_labelled1429.npz",),
            sha256="4765f223d58861bd19748f34b9e143a96a8a1bf94006e8ebc5b050d6e4764da7",
            size=1_907_204,
            read=_read_arrays,
        ),
        Form(
            files=("trajectories_train.mat",),
            sha256="97fd57710818c740f411985681c1cde11fdc5ce2e05ab988121a9f82854218fb",
            size=3_992_287,
            read=_read_course,
            address="https://raw.githubusercontent.com/ShuningZhao/Character-Trajectories/"
            "0c9bfa477542c4f885370a6af05a99b45764f3af/",
        ),
    ),
)
