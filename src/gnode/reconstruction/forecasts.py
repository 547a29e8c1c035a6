"""Free forecasts of what was held out, and beside them those of a linear model and of no change."""

from dataclasses import dataclass

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.stats import binomtest

from gnode.errors import must_have
from gnode.models import Model
from gnode.models.model import in_units, said
from gnode.reconstruction.recording import Recording, Stretch
from gnode.series import Series, Trials
from gnode.training.levenberg import settled_starts

TOLERANCE = 0.4  # of the standard deviation: the error at which a forecast is no longer valid
_STARTS = 20
_LONGEST = 3000  # samples
_TURNS = 3.0  # times in which the state moves by a standard deviation: over these, forecasts are compared


@dataclass(frozen=True)
class Asked:
    """Places in held-out stretches from which the future is foretold.

    Attributes:
        windows: (n, W, C'), states up to now, the last of which is the present.
        inputs: (n, W + T, K), and gaps: (n, W + T), of windows and futures.
        futures: (n, T, C), NaN where missing.
    """

    windows: np.ndarray
    inputs: np.ndarray
    gaps: np.ndarray
    futures: np.ndarray


@dataclass(frozen=True)
class Forecasts:
    """How far forecasts hold.

    Attributes:
        valid: (n,), seconds until the ensemble's median is off by TOLERANCE, or the end.
        censored: (n,), whether it held until the end.
        each: (members, n), the same of each member.
        linear: (n,), the same of a linear model.
        skill: 1 - squared error / that of the linear model, over the first turns.
        better: p of a sign test that the ensemble is not better than the linear model, over starts.
        of_mean: 1 - squared error / variance, over the first turns.
        truth, median, low, high: (n, T, C), for pictures.
    """

    valid: np.ndarray
    censored: np.ndarray
    each: np.ndarray
    linear: np.ndarray
    skill: float
    better: float
    of_mean: float
    truth: np.ndarray
    median: np.ndarray
    low: np.ndarray
    high: np.ndarray


def asked_of(recording: Recording, tested: list[Stretch], window: int, turn: float) -> Asked:
    """Up to twenty places, evenly spaced over what is held out.

    Raises:
        InvalidInput: there is none, with how long a recording would do.
    """
    length = max(map(len, tested))
    future = int(min(_LONGEST, max(length // 2, length - window - 40 * max(turn, 1.0))))
    future = max(3, min(future, length - window))
    places = [
        (stretch, first)
        for stretch in tested
        for first in range(window, len(stretch) - future + 1)
        if not np.isnan(stretch.values[first - window : first]).any()
    ]
    if not places:
        must_have(
            f"{window} samples that were all seen, and {future} after them, to forecast from",
            f"a stretch of at most {length}" if length < window + future else "none without a gap",
            f"Record trials of {window + future} samples and more, or {10 * (window + future)} in one, without a gap.",
        )
    chosen = [places[at] for at in np.unique(np.linspace(0, len(places) - 1, _STARTS).astype(int))]
    parts = [stretch.part(first - window, first + future) for stretch, first in chosen]
    return Asked(
        np.stack([part.values[:window] for part in parts]),
        np.stack([part.inputs for part in parts]),
        np.stack([part.gaps for part in parts]),
        np.stack([part.values[window:, : recording.channels] for part in parts]),
    )


def forecast(model: Model, asked: Asked, states: np.ndarray) -> np.ndarray:
    """What a network foretells from its states at the present, (n, T, C'), where it leaves the numbers NaN."""
    window = asked.windows.shape[1]
    inputs = jnp.asarray(model.encoding.encode_array(asked.inputs[:, window:]).inputs)
    elapsed = jnp.asarray(asked.gaps[:, window:] / model.config.tau, jnp.float32)
    return np.asarray(_onward(model, jnp.asarray(states), inputs, elapsed), float)


def states_now(model: Model, asked: Asked, noisy: bool, even: bool) -> np.ndarray:
    """The states at the present, (n, N): the last sample, or where samples are noisy or units unseen, the end of the
    free course that fits the window best."""
    window = asked.windows.shape[1]
    numbers = asked.windows.shape[2]
    if not noisy and model.config.state_size == numbers:
        now = asked.windows[:, -1]
        return np.asarray(model.initial(jnp.zeros((len(now), 0)), jnp.asarray(_scaled(model, now), jnp.float32)))
    times = None if even else np.cumsum(np.where(np.arange(window) == 0, 0.0, asked.gaps[:, :window]), axis=1)
    trials = Trials(Series.of(asked.inputs[:, :window], times), asked.windows)
    return np.asarray(settled_starts(model, trials)[1])


def _scaled(model: Model, values: np.ndarray) -> np.ndarray:
    return values if model.output_scaling is None else model.output_scaling.scaled(np.asarray(values, float))


@eqx.filter_jit
def _onward(model: Model, states: Array, inputs: Array, elapsed: Array) -> Array:
    path = model.integrator(model.field, states, inputs, elapsed)
    return in_units(model, said(model, path.states, inputs))


def judged(recording: Recording, asked: Asked, each: np.ndarray, turn: float, learned: list[Stretch]) -> Forecasts:
    """Forecasts (members, n, T, C) against what came."""
    deviation = recording.scale()[1][: recording.channels]
    linear = _linear(recording, learned, asked)
    elapsed = np.cumsum(asked.gaps[:, asked.windows.shape[1] :], axis=1)
    median = np.median(each, axis=0)

    def errors(said: np.ndarray) -> np.ndarray:
        off = ((said - asked.futures) / deviation) ** 2
        seen = np.sum(~np.isnan(asked.futures), axis=-1)  # where nothing was, nothing is off
        lost = np.isnan(said).any(axis=-1)
        return np.where(lost, 1e9, np.nansum(off, axis=-1) / np.maximum(seen, 1))

    def valid(said: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        beyond = np.sqrt(errors(said)) > TOLERANCE
        first = np.where(beyond.any(axis=1), beyond.argmax(axis=1), beyond.shape[1] - 1)
        before = np.where(first > 0, elapsed[np.arange(len(first)), first - 1], 0.0)
        held = ~beyond.any(axis=1)
        return np.where(held, elapsed[:, -1], before), held

    soon = int(min(max(2, round(_TURNS * turn)), asked.futures.shape[1]))
    ours, theirs = (np.minimum(errors(said)[:, :soon], 4.0).mean(axis=1) for said in (median, linear))
    wins, count = int(np.sum(ours < theirs)), len(ours)
    mean = recording.scale()[0][: recording.channels]
    variance = np.nanmean(((asked.futures[:, :soon] - mean) / deviation) ** 2)
    holds, censored = valid(median)
    low, high = np.quantile(each, (0.1, 0.9), axis=0) if len(each) > 1 else (median, median)
    return Forecasts(
        holds,
        censored,
        np.stack([valid(one)[0] for one in each]),
        valid(linear)[0],
        float(1.0 - ours.mean() / max(theirs.mean(), 1e-300)),
        float(binomtest(wins, count, alternative="greater").pvalue),
        float(1.0 - ours.mean() / max(variance, 1e-300)),
        asked.futures,
        median,
        low,
        high,
    )


def _linear(recording: Recording, learned: list[Stretch], asked: Asked) -> np.ndarray:
    """The forecasts of a linear autoregression on the window, which is as long as that of the networks, and on the
    known inputs of the window and of the next sample, (n, T, C)."""
    mean, deviation = (part[: recording.channels] for part in recording.scale())
    window, channels = asked.windows.shape[1], recording.channels
    acted = np.concatenate([stretch.inputs for stretch in learned])
    usual, spread = acted.mean(axis=0), acted.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    rows, nexts = [], []
    for stretch in learned:
        scaled = np.nan_to_num((stretch.values[:, :channels] - mean) / deviation)
        if len(scaled) > window:
            past = _windows(scaled[:-1], window)
            rows.append(np.hstack([past, _windows((stretch.inputs - usual) / spread, window + 1)]))
            nexts.append(scaled[window:])
    known, following = np.concatenate(rows), np.concatenate(nexts)
    keep = np.linspace(0, len(known) - 1, min(len(known), 20_000)).astype(int)
    known, following = known[keep], following[keep]
    matrix = known.T @ known + 1e-6 * len(known) * np.eye(known.shape[1])
    weights = np.linalg.solve(matrix, known.T @ following)
    state = ((asked.windows[..., :channels] - mean) / deviation).reshape(len(asked.windows), -1)
    inputs = (asked.inputs - usual) / spread
    said = np.empty_like(asked.futures)
    for at in range(said.shape[1]):
        acting = inputs[:, at : at + window + 1].reshape(len(inputs), -1)
        now = np.clip(np.hstack([state, acting]) @ weights, -1e6, 1e6)
        state = np.hstack([state[:, channels:], now])
        said[:, at] = now * deviation + mean
    return said


def _windows(course: np.ndarray, length: int) -> np.ndarray:
    """All windows of so many samples of a course (n, C), the earliest sample first, (n - length + 1, length * C)."""
    view = np.lib.stride_tricks.sliding_window_view(course, length, axis=0)
    return np.swapaxes(view, 1, 2).reshape(len(view), length * course.shape[1])
