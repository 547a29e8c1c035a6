"""Mel-frequency cepstral coefficients of sound at 16 kHz, as in Kidger et al. (2020).

The definition is that of torchaudio.transforms.MFCC(16000, n_mfcc=20, log_mels=True, melkwargs=dict(n_fft=200,
n_mels=64)): a Hann window of 200 samples every 100, centred on them with the sound reflected at its ends; the power
spectrum; 64 triangles that are even on the HTK mel scale from 0 to 8000 Hz; the logarithm of their sums plus 1e-6; the
first 20 coefficients of an orthonormal cosine transform (DCT-II).
"""

import numpy as np

RATE = 16_000  # samples a second
HOP = 100  # samples between frames
_WINDOW = 200
_TRIANGLES = 64
_COEFFICIENTS = 20


def coefficients(sound: np.ndarray) -> np.ndarray:
    """(clips, samples) in units of full scale -> (clips, 1 + samples // 100, 20), float32; computed in float64."""
    from scipy.fft import dct, rfft  # late: most commands need no data

    sound = np.asarray(sound, np.float64)
    padded = np.pad(sound, ((0, 0), (_WINDOW // 2, _WINDOW // 2)), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW, axis=1)[:, ::HOP]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)
    power = np.abs(rfft(frames * hann, axis=-1)) ** 2
    levels = np.log(power @ _triangles() + 1e-6)
    return dct(levels, type=2, norm="ortho", axis=-1)[..., :_COEFFICIENTS].astype(np.float32)


def _triangles() -> np.ndarray:
    """Weights of frequencies in each triangle, (101, 64). Each rises to 1 at the mel where its neighbours end."""
    frequencies = np.linspace(0, RATE / 2, _WINDOW // 2 + 1)
    mels = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), _TRIANGLES + 2)
    corners = 700 * (10 ** (mels / 2595) - 1)
    slopes = (frequencies[:, None] - corners[:-1]) / np.diff(corners)
    return np.maximum(0, np.minimum(slopes[:, :-1], 1 - slopes[:, 1:]))
