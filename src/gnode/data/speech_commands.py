"""Speech Commands: ten spoken words, one second each, as 20 cepstral coefficients (gnode.data.mfcc) in 161 frames.

These are the 4074 clips of the ten words in the official test set of version 0.02; the whole corpus has 34975 of them.
"""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from gnode.data import mfcc
from gnode.data.files import DataSet, Form
from gnode.errors import must_have
from gnode.series import PARTS

WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")  # in the order of Kidger et al. (2020)
FRAME = 6250  # microseconds
SAMPLES = 16_000  # of a clip
_BATCH = 512  # clips, whose spectra are held at once


class Speech(NamedTuple):
    """Content of the set.

    Attributes:
        values: (clips, 161, 20), float32.
        labels: (clips,), classes from 0, in the order of WORDS.
        speakers: (clips,), their names.
    """

    values: np.ndarray
    labels: np.ndarray
    speakers: np.ndarray


def split(speakers: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Numbers of training, validation and test clips, about 70, 15 and 15 %, with no speaker in two of them."""
    names, counts = np.unique(speakers, return_counts=True)
    order = np.random.default_rng((2018, seed)).permutation(len(names))
    share = np.cumsum(counts[order]) / len(speakers)
    groups = (share > 0.3, share <= 0.15, (share > 0.15) & (share <= 0.3))
    return {
        part: np.flatnonzero(np.isin(speakers, names[order[group]])) for part, group in zip(PARTS, groups, strict=True)
    }


def read_sound(file: io.BytesIO) -> np.ndarray:
    """The samples of a wav file of one second at 16 kHz, in units of full scale.

    Raises:
        InvalidInput: it is another kind of file.
    """
    from scipy.io import wavfile  # late: most commands need no data

    rate, sound = wavfile.read(file)
    if (rate, sound.shape, sound.dtype) != (mfcc.RATE, (SAMPLES,), np.int16):
        must_have("clips of 16000 samples of 16 bits at 16 kHz", f"{sound.dtype} {sound.shape} at {rate} Hz")
    return sound / 2**15


def _read_differences(paths: Sequence[Path]) -> Speech:
    """From coefficients in steps of 1/16 standard deviation, as differences from frame to frame."""
    with np.load(paths[0], allow_pickle=False) as file:
        steps = np.cumsum(file["mfcc_delta"], axis=2, dtype=np.int8)  # it wraps, exactly
        values = steps.transpose(1, 2, 0) * (file["step"] * file["std"]) + file["mean"]
        speakers = [str(clip).partition("_nohash")[0] for clip in file["clips"]]
        return Speech(values.astype(np.float32), file["labels"].astype(int), np.array(speakers))


def _read_archive(paths: Sequence[Path]) -> Speech:
    """From the sounds themselves, word by word in the order of the clips' names."""
    sounds: dict[tuple[int, str], np.ndarray] = {}
    with tarfile.open(paths[0]) as archive:
        for member in archive:
            place = PurePosixPath(member.name)
            if place.suffix == ".wav" and place.parent.name in WORDS:
                content = archive.extractfile(member)
                assert content is not None
                sounds[WORDS.index(place.parent.name), place.stem] = read_sound(io.BytesIO(content.read()))
    clips = sorted(sounds)
    batches = [clips[at : at + _BATCH] for at in range(0, len(clips), _BATCH)]
    values = [mfcc.coefficients(np.stack([sounds[clip] for clip in batch])) for batch in batches]
    speakers = [name.partition("_nohash")[0] for _, name in clips]
    return Speech(np.concatenate(values), np.array([label for label, _ in clips]), np.array(speakers))


SPEECH_COMMANDS = DataSet(
    summary="ten spoken words, 20 cepstral coefficients in 161 frames, 4074 of the 34975 clips: tell the word",
    folder="speech_commands",
    licence="CC BY 4.0",
    citation="Warden (2018), Speech Commands: a dataset for limited-vocabulary speech recognition, arXiv 1804.03209",
    forms=(
        Form(
            files=("speech_commands_v002_testset_mfcc_int8.npz",),
            sha256="341ad5d4377bad79eccba54fd116c6fc04521d37c4b51ff331c6092b6102cc59",
            size=8_645_403,
            read=_read_differences,
        ),
        Form(
            files=("speech_commands_test_set_v0.02.tar.gz",),
            sha256="cc2a00c1147c2254e9be3fa0f779d8c17421dc349b86366567a8edfa9acd51df",
            size=112_563_277,
            read=_read_archive,
            address="https://storage.googleapis.com/download.tensorflow.org/data/",
        ),
    ),
)
