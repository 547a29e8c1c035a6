"""Walker2D: kinematics of a simulated walker under policies of a few stages of training, at 125 frames a second.

After Lechner and Hasani (2020). The protocol is that of the public code of Hasani et al. (2022), "Closed-form
continuous-time neural networks" (irregular_sampled_datasets.py), with its seeds.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gnode.data.files import DataSet, Form
from gnode.series import PARTS

ROLLOUTS = 400
LENGTH, STRIDE = 64, 16  # of windows, in frames that were kept
FRAME = 8  # milliseconds: the time step of the simulated environment, 2 ms, times 4


class Windows(NamedTuple):
    """Pieces of rollouts.

    Attributes:
        frames: (windows, 64, 17), float32, frames that were kept.
        elapsed: (windows, 64), frames of the rollout since the kept one before.
        following: (windows, 64, 17), float32, the frame right after each in the rollout, kept or not.
    """

    frames: np.ndarray
    elapsed: np.ndarray
    following: np.ndarray


def windows(rollouts: Sequence[np.ndarray], keep: float = 0.9) -> dict[str, Windows]:
    """The official training, validation and test windows, by part.

    Args:
        rollouts: all 400, each (frames, 17), in the order of their numbers.
        keep: chance of each frame to be kept; officially 0.9.
    """
    order = np.arange(len(rollouts))
    np.random.RandomState(125487).shuffle(order)
    test, validation = int(0.15 * len(order)), int((0.15 + 0.1) * len(order))
    parts = dict(zip(PARTS, (order[validation:], order[test:validation], order[:test]), strict=True))
    random = np.random.RandomState(891374)
    return {part: _windows([rollouts[number] for number in numbers], keep, random) for part, numbers in parts.items()}


def _windows(rollouts: list[np.ndarray], keep: float, random: np.random.RandomState) -> Windows:
    pieces = []
    for rollout in rollouts:
        kept = np.flatnonzero(random.rand(len(rollout) - 1) < keep)
        elapsed = np.diff(kept, prepend=-1)
        starts = np.arange(0, max(len(kept) - LENGTH, 0), STRIDE)
        chosen = starts[:, None] + np.arange(LENGTH)
        pieces.append((rollout[kept[chosen]], elapsed[chosen], rollout[kept[chosen] + 1]))
    return Windows(*(np.concatenate(arrays) for arrays in zip(*pieces, strict=True)))


def _read_planes(paths: Sequence[Path]) -> list[np.ndarray]:
    """From bytes of float32, sorted by significance so that they compress."""
    with np.load(paths[0], allow_pickle=False) as file:
        planes, lengths = file["planes"], file["lengths"]
    frames = np.ascontiguousarray(planes.transpose(1, 2, 0)).view("<f4")[..., 0].T
    return np.split(np.ascontiguousarray(frames), np.cumsum(lengths)[:-1])


def _read_rollouts(paths: Sequence[Path]) -> list[np.ndarray]:
    """From one file a rollout, float64, which the official code casts too."""
    return [np.load(path, allow_pickle=False).astype(np.float32) for path in paths]


# Content: a list of 400 arrays (frames, 17), float32, in the order of their numbers.
WALKER2D = DataSet(
    summary="kinematics of a simulated walker, 400 rollouts of 17 features: predict the next frame",
    folder="walker2d",
    licence="MIT, of the repository that holds the rollouts; none stated for the data themselves",
    citation="Lechner and Hasani (2020), Learning long-term dependencies in irregularly-sampled time series, "
    "arXiv 2006.04418",
    forms=(
        Form(
            files=("walker2d_lechner2020_f32.npz",),
            sha256="f3642e62d3d067c3dcbafeef26cb1119665ad685bf31c19be33e88a86aea2fd5",
            size=13_461_079,
            read=_read_planes,
        ),
        Form(
            files=tuple(f"rollouts/rollout_{number:03d}.npy" for number in range(ROLLOUTS)),
            sha256="acc45258eacbde2eb0ef1ce325264b5182045d99a860f6fe1cd46277df6912ef",
            size=34_726_168,
            read=_read_rollouts,
            address="https://raw.githubusercontent.com/raminmh/CfC/59f6e01fd4809331f6dd3ddf0f8bf5890c9e71a7/"
            "data/walker/",
        ),
    ),
)
