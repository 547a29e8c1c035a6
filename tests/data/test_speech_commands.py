"""Speech commands: coefficients against the stored ones, splits by speaker, and the layout of the original."""

import tarfile
from pathlib import Path

import numpy as np
import pytest

from gnode.data import load, mfcc
from gnode.data import speech_commands as speech
from gnode.errors import InvalidInput


@pytest.fixture
def folder(data_folder, monkeypatch) -> Path:
    monkeypatch.setenv("GNODE_DATA", str(data_folder))
    return data_folder / "speech_commands"


def test_the_set(folder):
    found = load("speech-commands")
    assert found.values.shape == (4074, 161, 20) and found.values.dtype == np.float32
    assert np.bincount(found.labels).tolist() == [419, 405, 425, 406, 412, 396, 396, 402, 411, 402]
    assert len(set(found.speakers)) == 239


def test_coefficients_of_the_sounds_are_the_stored_ones_within_their_rounding(folder):
    """Stored are whole steps, so the true coefficients lie within half of one; 1e-4 is for float32."""
    paths = sorted((folder / "wav_sample").glob("*/*.wav"))
    sounds = np.stack([speech.read_sound(path) for path in paths])
    with np.load(folder / "speech_commands_v002_testset_mfcc_int8.npz") as file:
        words = file["classes"][file["labels"]]
        names = list(zip(words.tolist(), file["clips"].tolist(), strict=True))
        step = file["std"] * file["step"]
    stored = load("speech-commands").values[[names.index((path.parent.name, path.stem)) for path in paths]]
    assert len(paths) == 100
    assert (np.abs(mfcc.coefficients(sounds) - stored) / step).max() <= 0.5 + 1e-4


def test_the_layout_of_the_original(folder, tmp_path):
    with tarfile.open(tmp_path / "whole.tar.gz", "w:gz", compresslevel=1) as archive:
        for path in sorted((folder / "wav_sample").iterdir(), reverse=True):
            archive.add(path, arcname=f"./{path.name}")
        archive.add(folder / "wav_sample" / "up", arcname="./_unknown_")
    found = speech.SPEECH_COMMANDS.original.read([tmp_path / "whole.tar.gz"])
    assert np.bincount(found.labels).tolist() == [10] * 10
    paths = [path for word in speech.WORDS for path in sorted((folder / "wav_sample" / word).glob("*.wav"))]
    assert found.speakers.tolist() == [path.name.split("_")[0] for path in paths]
    one = mfcc.coefficients(speech.read_sound(paths[57])[None])[0]
    np.testing.assert_allclose(found.values[57], one, rtol=1e-5, atol=1e-5)


def test_silence_is_the_floor_of_the_logarithm():
    found = mfcc.coefficients(np.zeros((2, 1000)))
    assert found.shape == (2, 11, 20)
    np.testing.assert_allclose(found[..., 0], np.log(1e-6) * np.sqrt(64), rtol=1e-6)
    np.testing.assert_allclose(found[..., 1:], 0, atol=1e-4)


def test_a_pure_tone_of_one_bin_is_known_on_paper():
    """cos at bin 25 (2000 Hz) under a periodic Hann window: |X| is 50 at the bin and 25 at its two neighbours."""
    tone = np.cos(2 * np.pi * 25 * np.arange(1000) / 200)
    power = np.zeros(101)
    power[24:27] = 25.0**2, 50.0**2, 25.0**2
    corners = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 66) / 2595) - 1)
    levels = [np.interp(np.arange(101) * 80.0, corners[at : at + 3], [0, 1, 0]) @ power for at in range(64)]
    angles = np.pi * (np.arange(64) + 0.5)[:, None] * np.arange(20) / 64
    scale = np.where(np.arange(20) == 0, np.sqrt(1 / 64), np.sqrt(2 / 64))
    wanted = np.log(np.array(levels) + 1e-6) @ np.cos(angles) * scale
    np.testing.assert_allclose(mfcc.coefficients(tone[None])[0, 5], wanted, rtol=1e-5, atol=1e-4)


def test_no_speaker_is_in_two_parts_and_their_sizes_are_about_right():
    random = np.random.default_rng(0)
    speakers = random.permutation(np.repeat([f"{number:08x}" for number in range(239)], random.integers(1, 40, 239)))
    for seed in range(3):
        parts = speech.split(speakers, seed)
        np.testing.assert_array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(len(speakers)))
        who = {part: set(speakers[numbers]) for part, numbers in parts.items()}
        assert not (who["train"] & who["validation"] or who["train"] & who["test"] or who["validation"] & who["test"])
        for part, share in (("train", 0.7), ("validation", 0.15), ("test", 0.15)):
            assert len(parts[part]) / len(speakers) == pytest.approx(share, abs=0.02)


def test_another_kind_of_sound_is_refused(tmp_path):
    from scipy.io import wavfile

    wavfile.write(tmp_path / "half.wav", 8000, np.zeros(8000, np.int16))
    with pytest.raises(InvalidInput, match=r"16 kHz, instead got int16 \(8000,\) at 8000 Hz"):
        speech.read_sound(tmp_path / "half.wav")
