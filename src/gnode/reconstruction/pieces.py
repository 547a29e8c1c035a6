"""Recordings cut into pieces: to train on, to choose the parameters by, and a part that is touched last."""

import numpy as np

from gnode.errors import must_have
from gnode.reconstruction.recording import Recording, Stretch
from gnode.series import Data, Series, Trials

_HELD_OUT = 0.1  # of the recording for the test, and as much for validation
_FEWEST = 10  # pieces
_ENOUGH = 10  # series, from which on some are held out whole; of fewer, the end of each is


def parted(recording: Recording) -> tuple[list[Stretch], list[Stretch]]:
    """What is learned from, and what is held out for the test: the last tenth."""
    trials = sorted({stretch.trial for stretch in recording.stretches})
    if len(trials) >= _ENOUGH:
        last = set(trials[-max(1, round(_HELD_OUT * len(trials))) :])
        learned = [stretch for stretch in recording.stretches if stretch.trial not in last]
        return learned, [stretch for stretch in recording.stretches if stretch.trial in last]
    learned, tested = [], []
    for stretch in recording.stretches:
        cut = len(stretch) - round(_HELD_OUT * len(stretch))
        learned.append(stretch.part(0, cut))
        tested.append(stretch.part(cut, len(stretch)))
    return learned, tested


def data_of(
    learned: list[Stretch],
    tested: list[Stretch],
    length: int,
    step: float,
    even: bool,
    member: int,
    members: int,
    samples: int,
    every: int = 1,
) -> Data:
    """Free-running pieces for one member of an ensemble. Each has its own tenth for validation.

    A piece begins at a sample that was seen whole, from which the network runs freely. Targets are the samples of the
    piece; what was not seen does not count. All training pieces together have at most so many samples. One of `every`
    that were recorded is a sample here.

    Raises:
        InvalidInput: too few pieces, with how long a recording would do.
    """
    training, validation = _folded(learned, member, members)
    kept = _starts(training, length, max(1, length // 2))
    most = max(1, samples // length)
    if len(kept) > most:  # others for each member
        offset = member / members
        kept = [kept[int((at + offset) * len(kept) / most)] for at in range(most)]
    held, last = _starts(validation, length, max(1, length // 2)), _starts(tested, length, max(1, length // 2))
    longest = max(map(len, learned))
    if longest < length:
        must_have(
            f"stretches of at least {length} samples, the length of a piece",
            f"at most {longest}",
            f"Record {30 * length * every} samples without a jump, or ask for shorter pieces (piece).",
        )
    if len(kept) < _FEWEST or not held or not last:
        must_have(
            f"at least {_FEWEST} pieces of {length} samples to learn from, one to validate and one to test",
            f"{len(kept)}, {len(held)} and {len(last)}",
            f"Record {30 * length * every} samples without a gap, or ask for shorter pieces (piece).",
        )
    return Data(_trials(kept, length, step, even), _trials(held, length, step, even), _trials(last, length, step, even))


def _folded(learned: list[Stretch], member: int, members: int) -> tuple[list[Stretch], list[Stretch]]:
    """The stretches without a tenth of all samples that were seen, which lies elsewhere for each member, and that
    tenth."""
    seen = [_seen(stretch) for stretch in learned]
    total = sum(int(one.sum()) for one in seen)
    size = max(1, round(total * _HELD_OUT / (1 - _HELD_OUT)))
    first = round((total - size) * (member + 0.5) / members)
    training, validation, done = [], [], 0
    for stretch, one in zip(learned, seen, strict=True):
        low, high = np.searchsorted(np.cumsum(one), [first - done, first + size - done], side="right").tolist()
        training += [stretch.part(0, low), stretch.part(high, len(stretch))]
        validation.append(stretch.part(low, high))
        done += int(one.sum())
    return training, validation


def _seen(stretch: Stretch) -> np.ndarray:
    return ~np.isnan(stretch.values).any(axis=1)


def _starts(stretches: list[Stretch], length: int, stride: int) -> list[Stretch]:
    pieces = []
    for stretch in stretches:
        seen = _seen(stretch)
        pieces += [
            stretch.part(first, first + length)
            for first in range(0, len(stretch) - length + 1, stride)
            if seen[first] and seen[first : first + length].sum() >= 2
        ]
    return pieces


def _trials(pieces: list[Stretch], length: int, step: float, even: bool) -> Trials:
    inputs = np.stack([piece.inputs for piece in pieces])
    targets = np.stack([piece.values for piece in pieces])
    seen = ~np.isnan(targets).any(axis=2)
    times = None
    if not even:
        gaps = np.stack([piece.gaps for piece in pieces])
        times = np.cumsum(np.where(np.arange(length) == 0, 0.0, gaps), axis=1)
    weights = None if seen.all() else seen.astype(float)
    return Trials(Series.of(inputs, times), np.where(seen[..., None], targets, 0.0), weights=weights)
