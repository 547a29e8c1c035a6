"""gnode.reconstruct: a recording in, the dynamics behind it out, with what of them can be trusted."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from gnode.errors import InvalidInput, check_known, look_up, must_have
from gnode.files import alone, path_of, refuse_later_format, write_atomically
from gnode.files.archive import npz_bytes, read_npz
from gnode.files.plain import as_json, plain, spelled_out
from gnode.models import Model, load_model
from gnode.modes import usual_modes
from gnode.reconstruction.counts import Rates
from gnode.reconstruction.delays import Pace, choose_delays, lag_of, pace_of
from gnode.reconstruction.features import (
    Portrait,
    Runs,
    exponents_over,
    kinds_over,
    limit_of_places,
    long_runs,
    points_over,
    portrait,
)
from gnode.reconstruction.fit import Fitted, Plan, Way, data_for, fit, usual_way, way_of_counts
from gnode.reconstruction.forecasts import TOLERANCE, Forecasts, asked_of, forecast, judged, states_now
from gnode.reconstruction.measures import distance_of_places, distance_of_rhythms, spectrum_of
from gnode.reconstruction.pieces import parted
from gnode.reconstruction.recording import Recording, Stretch, delayed, read_recording, thinned
from gnode.reconstruction.spikes import Spikes, rates_of, read_spikes
from gnode.reconstruction.states import WINDOW, along
from gnode.reconstruction.words import verdict_words
from gnode.series.arrays import as_floats, described
from gnode.training.directory import place_of_member
from gnode.training.progress import Watcher

FORMAT = 1
LOSSES = ("mse", "poisson")  # of gnode.training.losses, those that say how a recording comes of a state
SUMMARY, ARRAYS = "reconstruction.json", "reconstruction.npz"
_DENSE, _THIN = 60.0, 25.0  # samples in which the state moves by a deviation: beyond the first it is thinned to these
_WINDOW = 8  # samples up to the present, from which is foretold where starts are not fitted
_SURE = 0.05
_AMONG = 4000  # states of the recording, among which the nearest to a fixed point is sought
_SHOWN = 4000  # samples of courses that are kept for pictures


@dataclass(frozen=True)
class Reconstruction:
    """The dynamics behind a recording, as an ensemble of networks has them.

    Attributes:
        models: the networks. The first units of each are what was recorded (with delays: the latest samples first).
        summary: plain data, as reconstruction.json holds them: what was assumed, how well it foretells, exponents,
            fixed points, attractors and distances, each with how sure it is; and `verdict`, in sentences.
        arrays: for pictures, as reconstruction.npz holds them; of counts also "states.1", ..., (n, N): where each
            network was in each bin, and "rates.1", ..., (N + 1, units): logarithms of counts to expect; the last row is
            a bias.
        path: the directory, if there is one.
    """

    models: tuple[Model, ...]
    summary: dict[str, Any]
    arrays: dict[str, np.ndarray]
    path: Path | None = None

    @property
    def evidence(self) -> str:
        """What was found, in sentences."""
        return " ".join(self.summary["verdict"])

    def rates(self, states: Any, network: int = 0) -> np.ndarray:
        """Of counts: the rates of all units in 1 / s, (n, units), that states (n, N) of a network give.

        Raises:
            InvalidInput: the recording is none of counts, or there is no such network.
        """
        weight = self.arrays.get(f"rates.{network + 1}")
        if weight is None:
            must_have("a reconstruction of counts, and one of its networks, from 0", f"network {network}")
        expected = Rates(weight[:-1].astype(float), weight[-1].astype(float)).at(np.asarray(states, float))
        return expected / self.summary["recording"]["step"]

    def __repr__(self) -> str:
        return f"Reconstruction({len(self.models)} networks: {self.evidence})"


@usual_modes()
def reconstruct(
    recording: Any,
    times: Any = None,
    *,
    inputs: Any = None,
    delays: int | str = "auto",
    lag: int | str = "auto",
    loss: str = "mse",
    factors: int | str = "auto",
    held: Any = "mean",
    channels: list[str] | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    watcher: Watcher | None = None,
    **plan: Any,
) -> Reconstruction:
    """From a recording to the dynamics behind it.

    Small networks (by default gnODEs of as many units as a state has numbers) are fitted to pieces on which they run
    freely, by Levenberg-Marquardt and, where the recording is noisy, multiple shooting (gnode.training.levenberg).
    Those of which long runs do not stay where the recording is are left out of exponents, dimension, fixed points and
    kinds, and others are fitted beside them (`limit_of_places`, `fit`). Then they are judged as dynamics on what was
    held out, and what they hold is compared across those that stay.

    Args:
        recording: (time, channels) or (time,); or several: a gnode.Series, a list of arrays. NaN is missing.
        times: as gnode.Series.of takes them; None for samples a second apart.
        inputs: what was known to act, of the form of the recording.
        delays: how many samples of each channel make a state (Takens 1981); "auto": by held-out prediction.
        lag: samples between them; "auto": the first minimum of the mutual information.
        loss: "mse", or "poisson" of counts of units in even bins: then a state is of factors that units share
            (gnode.reconstruction.counts), and rates are exponential in it.
        factors: of counts: how many; "auto": by how well they foretell counts that were held out.
        held: what inputs are held at where a network is looked into: "mean", or a number for each.
        channels: names, for tables and pictures.
        out: a directory: the first network's run directory, with reconstruction.json, reconstruction.npz and the other
            networks in members/.
        resume: go on with what `out` holds.
        watcher: is told of every step.
        plan: attributes of gnode.reconstruction.Plan: model, hidden, state_size, members, epochs, piece, seed.

    Raises:
        InvalidInput: a recording that is too short, constant, or a copy; an argument that cannot be.
        Diverged: no network could be fitted.

    Example:
        >>> found = gnode.reconstruct(recording, times, out="runs/mine")
        >>> found.summary["exponents"][0]
    """
    check_known(plan, list(Plan.__dataclass_fields__), "settings of a reconstruction")
    chosen = Plan(**plan)
    for name, value in (("delays", delays), ("lag", lag)):
        if value != "auto" and (isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1):
            must_have(f"{name} a positive integer, or 'auto'", repr(value))
    if not isinstance(resume, bool):
        must_have("resume true or false", repr(resume))
    look_up("loss", loss, dict.fromkeys(LOSSES))
    if loss == "mse" and factors != "auto":
        must_have("the loss poisson for factors, which are of counts", repr(loss))
    seen = read_recording(recording, times, inputs)
    acted = seen.stretches[0].inputs.shape[1]
    if isinstance(held, str) and held != "mean":
        must_have("held 'mean', or a number for each input", repr(held))
    still = None if isinstance(held, str) else _checked_input(held, acted)
    if channels is not None and (not isinstance(channels, list) or len(channels) != seen.channels):
        must_have(f"names of {seen.channels} channels", described(channels))
    folder = None if out is None else path_of(out)
    names = channels or [f"channel {at + 1}" for at in range(seen.channels)]
    spikes = None
    if loss == "poisson":
        if delays not in ("auto", 1):
            must_have("no delays of counts, whose factors are a state", delays)
        spikes = read_spikes(seen, factors, chosen)
        seen, names = spikes.sharpened, [f"factor {at + 1}" for at in range(spikes.sharpened.channels)]
    pace = pace_of(seen)
    if pace.turn > _DENSE and spikes is None:
        seen = thinned(seen, max(1, int(pace.turn / _THIN)))
        pace = pace_of(seen)
    embedded, curve = _embedded(seen, pace, delays if spikes is None else 1, lag)
    learned, tested = parted(embedded)
    way = usual_way(pace, chosen) if spikes is None else way_of_counts(chosen)
    pieces = data_for(embedded, learned, tested, way, chosen.members)
    scale = embedded.scale()
    whole, known = _courses(embedded.stretches, scale), _courses(learned, scale)
    window = way.piece if way.free else _WINDOW
    asked, earlier = (asked_of(embedded, part, window, pace.turn) for part in (tested, learned))
    limit = limit_of_places(known, earlier.futures.shape[1] if acted else None)

    noise = 0.0 if spikes is None else pace.noise  # that of counts is much of where the recording is

    def run_on(model: Model) -> Runs:
        inwards, _ = _scales(model, scale)
        starts = states_now(model, earlier, way.free, embedded.even)
        driven = inwards((forecast(model, earlier, starts) - scale[0]) / scale[1]) if acted else None
        recorded = [inwards(course) for course in known]
        return long_runs(_held_still(model, still), recorded, starts, limit, driven, noise)

    fitted = fit(embedded, pieces, chosen, way, run_on, folder, resume, watcher)
    now = [states_now(model, asked, way.free, embedded.even) for model in fitted.models]
    each = np.stack([forecast(model, asked, states) for model, states in zip(fitted.models, now, strict=True)])
    forecasts = judged(embedded, asked, each[..., : seen.channels], pace.turn, learned)
    if spikes is None:
        states = [_states_seen(model, whole, ends, scale) for model, ends in zip(fitted.models, now, strict=True)]
    else:
        courses = [along(model, list(embedded.stretches)) for model in fitted.models]
        states = [np.concatenate([course[WINDOW - 1 :: WINDOW] for course in one]) for one in courses]
    turn = pace.turn if acted or spikes is not None else None
    portraits = [
        _portrait(model, still, runs, whole, where, scale, seen.step, turn)
        for model, runs, where in zip(fitted.models, fitted.runs, states, strict=True)
    ]
    summary = _summary(embedded, pace, curve, names, chosen, way, fitted, forecasts, portraits, whole, limit, turn)
    arrays = _arrays(embedded, forecasts, portraits, whole, scale)
    if spikes is not None:
        found = [rates_of(spikes, one) for one in courses]
        summary["counts"] = plain(_of_counts(spikes, [gain for _, gain in found]))
        arrays |= _arrays_of_counts(courses, [rates for rates, _ in found])
    summary["verdict"] = verdict_words(summary)
    result = Reconstruction(fitted.models, spelled_out(summary), arrays, folder)
    if folder is not None:
        with alone(folder, "a reconstruction"):
            _write(result, folder)
    return result


def _checked_input(held: Any, size: int) -> np.ndarray:
    """Numbers to hold inputs at, (K,)."""
    values = as_floats(held, "held")
    if values.shape != (size,) or not np.isfinite(values).all():
        must_have(f"held 'mean', or {size} finite numbers, one for each input", described(held))
    return values


def load_reconstruction(directory: str | Path) -> Reconstruction:
    """What `reconstruct` wrote.

    Raises:
        InvalidInput: there is none, or a file of it is damaged or of a newer format.
    """
    folder = path_of(directory)
    if not (folder / SUMMARY).is_file():
        must_have("a directory that gnode reconstruct wrote", f"one without {SUMMARY}: {folder}")
    try:
        summary = json.loads((folder / SUMMARY).read_text())
        refuse_later_format(summary, FORMAT, folder / SUMMARY)
        members, arrays = summary["members"], read_npz(folder / ARRAYS)
        if len(summary["stays"]) != len(members):
            raise ValueError("it says of other networks whether they stay")
    except InvalidInput:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"Must have a whole reconstruction, instead got a damaged one in {folder}.") from error
    return Reconstruction(tuple(load_model(place_of_member(folder, at)) for at in members), summary, arrays, folder)


def _write(result: Reconstruction, folder: Path) -> None:
    write_atomically(folder / ARRAYS, npz_bytes(result.arrays))
    write_atomically(folder / SUMMARY, (as_json(result.summary, indent=2) + "\n").encode())


def _embedded(seen: Recording, pace: Pace, delays: int | str, lag: int | str) -> tuple[Recording, dict[int, float]]:
    if delays == 1 or not seen.even:
        return delayed(seen, 1 if delays == "auto" else int(delays), 1), {}
    apart = int(lag) if lag != "auto" else 1 if pace.coarse else lag_of(seen)
    if delays != "auto":
        return delayed(seen, int(delays), apart), {}
    number, curve = choose_delays(seen, apart)
    return delayed(seen, number, apart), curve


def _courses(stretches: Iterable[Stretch], scale: tuple[np.ndarray, np.ndarray]) -> list[np.ndarray]:
    """Stretches of which nothing is missing, in standard deviations; where there is none, all whole samples."""
    mean, deviation = scale
    values = [stretch.values for stretch in stretches]
    together = np.concatenate(values)
    whole = [one for one in values if len(one) and not np.isnan(one).any()]
    return [(one - mean) / deviation for one in whole or [together[~np.isnan(together).any(axis=1)]]]


def _scales(model: Model, scale: tuple[np.ndarray, np.ndarray]) -> tuple[Callable, Callable]:
    """From the standard deviations of the recording to the network's own scale, that of its training part, and back."""
    own = model.output_scaling
    assert own is not None
    mean, deviation = scale

    def inwards(values: np.ndarray) -> np.ndarray:
        return np.asarray(own.scaled(values * deviation + mean), float)

    def outwards(values: np.ndarray) -> np.ndarray:
        return (np.asarray(own.unscaled(jnp.asarray(values)), float) - mean) / deviation

    return inwards, outwards


def _held_still(model: Model, held: np.ndarray | None) -> Any:
    """The map of a network under the input that is held, (K,); None: under its mean input."""
    if held is not None:
        return model.map_at(held)
    nothing = jnp.zeros(model.config.input_size)
    scaling = model.encoding.scaling
    return model.map_at(np.asarray(nothing if scaling is None else scaling.unscaled(nothing)))


def _states_seen(
    model: Model, whole: list[np.ndarray], now: np.ndarray, scale: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Where a network was along the recording, (n, N): what was seen, and the mean of units that were not."""
    seen = _scales(model, scale)[0](np.concatenate(whole))
    unseen = now[:, seen.shape[1] :].mean(axis=0)
    return np.hstack([seen, np.broadcast_to(unseen, (len(seen), len(unseen)))])


def _portrait(
    model: Model,
    held: np.ndarray | None,
    runs: Runs,
    whole: list[np.ndarray],
    states: np.ndarray,
    scale: tuple[np.ndarray, np.ndarray],
    step: float,
    turn: float | None,
) -> Portrait:
    """A portrait in the standard deviations of the recording."""
    inwards, outwards = _scales(model, scale)
    found = portrait(_held_still(model, held), runs, states, [inwards(course) for course in whole], step, turn)
    return replace(found, points=outwards(found.points), runs=None if found.runs is None else outwards(found.runs))


def _summary(
    recording: Recording,
    pace: Pace,
    curve: dict[int, float],
    names: list[str],
    plan: Plan,
    way: Way,
    fitted: Fitted,
    forecasts: Forecasts,
    portraits: list[Portrait],
    whole: list[np.ndarray],
    limit: float,
    turn: float | None,
) -> dict[str, Any]:
    mean, deviation = recording.scale()
    staying = [one for one in portraits if one.stays]
    exponents = exponents_over(staying)
    states = np.concatenate(whole)
    points = points_over(staying, states[:: max(1, len(states) // _AMONG)])
    for point in points:
        point["place"] = (np.asarray(point["place"]) * deviation + mean).tolist()
        point["spread"] = None if point["spread"] is None else (np.asarray(point["spread"]) * deviation).tolist()
    halves = [course[: len(course) // 2] for course in whole], [course[len(course) // 2 :] for course in whole]
    largest = exponents[0]["value"] if exponents else float("nan")
    summary: dict[str, Any] = {
        "format": FORMAT,
        "recording": {
            "channels": names,
            "samples": recording.samples,
            "stretches": len(recording.stretches),
            "step": recording.step,
            "even": recording.even,
            "noise": pace.noise,
            "turn": pace.turn * recording.step,
            "said": list(recording.said),
        },
        "state": {
            "delays": recording.delays,
            "lag": recording.lag * recording.step,
            "numbers": recording.channels * recording.delays,
            "units": fitted.models[0].config.state_size,
            "errors_of_delays": {str(number): error for number, error in curve.items()},
        },
        "plan": {**plan.__dict__, "hidden": list(plan.hidden), "piece": way.piece, "free_starts": way.free},
        "members": list(fitted.numbers),
        "failed": list(fitted.failed),
        "losses": list(fitted.losses),
        "forecast": {
            "tolerance": TOLERANCE,
            "starts": len(forecasts.valid),
            "valid_median": float(np.median(forecasts.valid)),
            "valid_low": float(np.quantile(forecasts.valid, 0.1)),
            "valid_high": float(np.quantile(forecasts.valid, 0.9)),
            "censored": int(forecasts.censored.sum()),
            "valid_of_each": np.median(forecasts.each, axis=1).tolist(),
            "valid_linear": float(np.median(forecasts.linear)),
            "lyapunov_times": float(np.median(forecasts.valid) * largest) if largest > 0 else None,
            "skill": forecasts.skill,
            "p": forecasts.better,
            "of_mean": forecasts.of_mean,
        },
        "exponents": exponents,
        "dimension": [list(one.dimension) if one.dimension else None for one in portraits],
        "fixed_points": points,
        "attractors": kinds_over([one.kind for one in staying]),
        "soon": None if turn is None else _soon_over(staying, max(1, round(turn)) * recording.step),
        "stays": [one.stays for one in portraits],
        "runs_that_stay": [one.share for one in portraits],
        "limit_of_places": limit,
        "places": [one.places if np.isfinite(one.places) else None for one in portraits],
        "places_of_halves": distance_of_places(np.concatenate(halves[0]), np.concatenate(halves[1])),
        "rhythms": [one.rhythms for one in portraits],
        "rhythms_of_halves": distance_of_rhythms(*halves),
        "said": sorted({sentence for one in staying for sentence in one.said}),
    }
    summary["beats_linear"] = bool(forecasts.skill > 0 and forecasts.better < _SURE)
    summary["beats_mean"] = bool(forecasts.of_mean > _SURE)
    return dict(plain(summary))


def _soon_over(portraits: list[Portrait], seconds: float) -> dict[str, Any]:
    kinds = kinds_over([one.soon for one in portraits if one.soon is not None])
    drifts = [one.drift if np.isfinite(one.drift) else None for one in portraits]
    return {"seconds": seconds, "attractors": kinds, "drifts": drifts}


def _of_counts(spikes: Spikes, gains: list[float]) -> dict[str, Any]:
    return {
        "units": spikes.counts.channels,
        "spikes": int(spikes.counts.values.sum()),
        "gains_of_factors": {str(number): gain for number, gain in spikes.factors.gains.items()},
        "bits_per_spike": gains,
    }


def _arrays(
    recording: Recording,
    forecasts: Forecasts,
    portraits: list[Portrait],
    whole: list[np.ndarray],
    scale: tuple[np.ndarray, np.ndarray],
) -> dict[str, np.ndarray]:
    mean, deviation = scale
    frequencies, power = spectrum_of(whole, recording.step)
    content = {
        "recorded": (max(whole, key=len)[:_SHOWN] * deviation + mean),
        "truth": forecasts.truth,
        "median": forecasts.median,
        "low": forecasts.low,
        "high": forecasts.high,
        "valid": forecasts.valid,
        "frequencies": frequencies,
        "power": power,
    }
    for number, one in enumerate(portraits, start=1):
        if one.runs is not None:
            content[f"run.{number}"] = one.runs[0][:_SHOWN] * deviation + mean
            content[f"power.{number}"] = spectrum_of(list(one.runs), recording.step)[1]
    return {name: np.asarray(array, np.float32) for name, array in content.items()}


def _arrays_of_counts(courses: list[list[np.ndarray]], rates: list[Rates]) -> dict[str, np.ndarray]:
    content = {}
    for number, (course, one) in enumerate(zip(courses, rates, strict=True), start=1):
        content[f"rates.{number}"] = np.vstack([one.weight, one.bias])
        content[f"states.{number}"] = np.concatenate(course)
    return {name: array.astype(np.float32) for name, array in content.items()}
