"""The collections that aeon ships: estimators with their default settings beside peers; docs/results/collections.md.

    .venv-bench/bin/python -m benchmarks collections

Runs that docs/results/collections.json holds are kept; to measure anew, delete that file.
"""

import json
import runpy
import time
import warnings
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from aeon import datasets
from aeon.classification.convolution_based import MiniRocketClassifier
from aeon.classification.distance_based import KNeighborsTimeSeriesClassifier
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.peers import Network, of_parameters, train
from gnode import Series
from gnode.estimators import GatedODEClassifier, GatedODEForecaster, GatedODERegressor
from gnode.files import write_atomically
from gnode.training import Settings

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
SEEDS = (0, 1, 2)
CLASSES = {  # smallest first
    "UnitTest": datasets.load_unit_test,
    "ItalyPowerDemand": datasets.load_italy_power_demand,
    "BasicMotions": datasets.load_basic_motions,
    "GunPoint": datasets.load_gunpoint,
    "JapaneseVowels": datasets.load_japanese_vowels,
    "ArrowHead": datasets.load_arrow_head,
    "PickupGestureWiimoteZ": datasets.load_pickup_gesture_wiimoteZ,
    "OSULeaf": datasets.load_osuleaf,
    "ACSF1": datasets.load_acsf1,
}
NUMBERS = {"CardanoSentiment": datasets.load_cardano_sentiment, "Covid3Month": datasets.load_covid_3month}


class Recording(NamedTuple):
    """A series to forecast: how it is loaded, its period in samples, and how many are forecast."""

    load: Callable[[], np.ndarray]
    period: int
    steps: int


AHEAD = {
    "Airline": Recording(datasets.load_airline, 12, 12),
    "Lynx": Recording(datasets.load_lynx, 10, 10),
    "ShampooSales": Recording(datasets.load_shampoo_sales, 12, 6),
    "PBS": Recording(datasets.load_PBS_dataset, 12, 12),
    "Uschange": Recording(datasets.load_uschange, 4, 8),
    "Solar": Recording(datasets.load_solar, 48, 48),
}


class Split(NamedTuple):
    """The official training and test part of a collection, as aeon has them: (channels, time) each series."""

    train: Any
    train_targets: np.ndarray
    test: Any
    test_targets: np.ndarray


class Score(NamedTuple):
    """How a contender did: accuracy, R2 or MASE; seconds of the processor in training, compilation included."""

    score: float
    seconds: float
    parameters: int | None = None


# -- classification --


@lru_cache(maxsize=1)
def _fitted(name: str, seed: int) -> tuple[GatedODEClassifier, float]:
    """The classifier with its default settings, whose split and budget the peers share; and seconds."""
    split = _split(CLASSES[name])
    return _timed(lambda: GatedODEClassifier(seed=seed).fit(Series.of_aeon(split.train), split.train_targets))


def _ours(name: str, seed: int) -> Score:
    split, (fitted, seconds) = _split(CLASSES[name]), _fitted(name, seed)
    score = fitted.score(Series.of_aeon(split.test), split.test_targets)
    return Score(score, seconds, fitted.summary_["parameters"])


def _peer(name: str, seed: int, make: Callable[[GatedODEClassifier], Network]) -> Score:
    split, (fitted, _) = _split(CLASSES[name]), _fitted(name, seed)
    settings = Settings(**fitted.members_[0].settings)
    trained, seconds = _timed(lambda: train(partial(make, fitted), fitted.data_, settings))
    said = fitted.classes_[trained.answer(Series.of_aeon(split.test)).argmax(axis=1)]
    return Score(float(np.mean(said == split.test_targets)), seconds, trained.parameters)


def _gru(fitted: GatedODEClassifier) -> Network:
    return Network("gru", fitted.n_features_in_, fitted.state_size, len(fitted.classes_), fitted.reading)


def _large_gru(fitted: GatedODEClassifier) -> Network:
    return of_parameters(
        fitted.summary_["parameters"],
        lambda units: Network("gru", fitted.n_features_in_, units, len(fitted.classes_), fitted.reading),
    )


def _cfc(fitted: GatedODEClassifier) -> Network:
    """On the uniform grid: samples are one unit of its time apart."""
    sizes = fitted.n_features_in_, fitted.state_size, len(fitted.classes_), fitted.reading
    return of_parameters(fitted.summary_["parameters"], lambda backbone: Network("cfc", *sizes, backbone=backbone))


def _mini_rocket(name: str, seed: int) -> Score:
    split = _split(CLASSES[name])
    longest = max(case.shape[1] for case in split.train)
    parts = [_padded(part, max(longest, 9)) for part in (split.train, split.test)]  # 9: the length of its kernels
    return _of_aeon(MiniRocketClassifier(random_state=seed), split._replace(train=parts[0], test=parts[1]))


def _dtw(name: str, seed: int) -> Score:
    return _of_aeon(KNeighborsTimeSeriesClassifier(n_neighbors=1, distance="dtw"), _split(CLASSES[name]))


def _of_aeon(classifier: Any, split: Split) -> Score:
    _, seconds = _timed(lambda: classifier.fit(split.train, split.train_targets))
    return Score(float(np.mean(classifier.predict(split.test) == split.test_targets)), seconds)


def _padded(cases: Any, length: int) -> np.ndarray:
    """(cases, channels, length): zeros behind shorter series, longer ones cut."""
    return np.stack([np.pad(case, ((0, 0), (0, max(0, length - case.shape[1]))))[:, :length] for case in cases])


# -- regression and forecasts --


def _regressor(name: str, seed: int) -> Score:
    split = _split(NUMBERS[name])
    series, regressor = Series.of_aeon(split.train), GatedODERegressor(seed=seed)
    fitted, seconds = _timed(lambda: regressor.fit(series, split.train_targets))
    score = fitted.score(Series.of_aeon(split.test), split.test_targets)
    return Score(score, seconds, fitted.summary_["parameters"])


def _ridge(name: str, seed: int) -> Score:
    """Ridge on all samples of all channels, its penalty by leave-one-out on the training part."""
    split = _split(NUMBERS[name])
    lags = split.train.reshape(len(split.train), -1)
    ridge, seconds = _timed(
        lambda: make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 5, 17))).fit(lags, split.train_targets)
    )
    return Score(r2_score(split.test_targets, ridge.predict(split.test.reshape(len(split.test), -1))), seconds)


def _forecaster(name: str, seed: int) -> Score:
    past, coming = _past_and_coming(name)
    fitted, seconds = _timed(lambda: GatedODEForecaster(steps=len(coming), seed=seed).fit([past]))
    score = _mase(fitted.predict([past])[0], past, coming, AHEAD[name].period)
    return Score(score, seconds, fitted.summary_["parameters"])


def _seasonal_naive(name: str, seed: int) -> Score:
    """The values of the last period again and again."""
    past, coming = _past_and_coming(name)
    period = AHEAD[name].period
    said = past[-period:][np.arange(len(coming)) % period]
    return Score(_mase(said, past, coming, period), 0.0)


def _past_and_coming(name: str) -> tuple[np.ndarray, np.ndarray]:
    """(time, channels): what is learned from, and the last samples, which are forecast."""
    values = np.atleast_2d(np.asarray(_loaded(AHEAD[name].load), float)).T
    return values[: -AHEAD[name].steps], values[-AHEAD[name].steps :]


def _mase(said: np.ndarray, past: np.ndarray, coming: np.ndarray, period: int) -> float:
    """Mean absolute scaled error (Hyndman and Koehler 2006): over that of the seasonal naive forecast one period ahead,
    within the past; the mean over channels."""
    usual = np.abs(past[period:] - past[:-period]).mean(axis=0)
    return float((np.abs(said - coming).mean(axis=0) / usual).mean())


def _timed(run: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and seconds of the processor, which others on the machine do not lengthen."""
    began = time.process_time()
    found = run()
    return found, time.process_time() - began


def _split(load: Callable[..., tuple[Any, np.ndarray]]) -> Split:
    return Split(*_loaded(load, split="train"), *_loaded(load, split="test"))


def _loaded(load: Callable[..., Any], **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # that a later aeon will not have it
        return load(**options)


# -- all of it --


class Contender(NamedTuple):
    """Who is measured: on what, what it is, how, and from which seeds."""

    words: str
    run: Callable[[str, int], Score]
    seeds: tuple[int, ...] = SEEDS


OURS = {"classes": "GatedODEClassifier", "numbers": "GatedODERegressor", "ahead": "GatedODEForecaster"}
CONTENDERS = {
    "classes": {
        OURS["classes"]: Contender("default settings: N = 64, F one hidden layer of 128", _ours),
        "GRU": Contender("PyTorch, N = 64", partial(_peer, make=_gru)),
        "GRU, as many parameters": Contender("PyTorch, N chosen", partial(_peer, make=_large_gru)),
        "CfC": Contender("ncps, N = 64, its hidden layer chosen for as many parameters", partial(_peer, make=_cfc)),
        "MiniRocket": Contender("aeon, default settings", _mini_rocket),
        "1-NN DTW": Contender("aeon, no window; nothing is random", _dtw, SEEDS[:1]),
    },
    "numbers": {
        OURS["numbers"]: Contender("default settings", _regressor),
        "ridge": Contender("on all samples, its penalty by leave-one-out", _ridge, SEEDS[:1]),
    },
    "ahead": {
        OURS["ahead"]: Contender("default settings", _forecaster),
        "seasonal naive": Contender("the last period again", _seasonal_naive, SEEDS[:1]),
    },
}
SETS: dict[str, dict[str, Any]] = {"classes": CLASSES, "numbers": NUMBERS, "ahead": AHEAD}


def measure(folder: Path = RESULTS, only: Iterable[str] | None = None) -> list[dict]:
    """Every run that is not there yet, then the page.

    Args:
        folder: of the numbers and the page.
        only: names of sets; by default all.
    """
    numbers = folder / "collections.json"
    stored = json.loads(numbers.read_text()) if numbers.exists() else {"measured_on": "", "runs": []}
    there = {(run["kind"], run["set"], run["model"], run["seed"]) for run in stored["runs"]}
    measured_on = runpy.run_path(str(RESULTS / "machine.py"))["measured_on"]
    for kind, name in ((kind, name) for kind, sets in SETS.items() for name in sets if only is None or name in only):
        for seed in SEEDS:
            for model, contender in CONTENDERS[kind].items():
                if seed not in contender.seeds or (kind, name, model, seed) in there:
                    continue
                score = contender.run(name, seed)
                stored["runs"].append({"kind": kind, "set": name, "model": model, "seed": seed, **score._asdict()})
                stored["measured_on"] = measured_on()
                write_atomically(numbers, (json.dumps(stored, indent=1) + "\n").encode())
                print(f"{name}, {model}, seed {seed}: {score.score:.3f} in {score.seconds:.0f} s", flush=True)
    write_atomically(folder / "collections.md", page(stored).encode())
    return stored["runs"]


def _table(runs: pd.DataFrame, kind: str) -> tuple[str, pd.DataFrame]:
    """A line a set: each contender's mean over seeds, and its least and greatest; and these means."""
    part = runs[runs["kind"] == kind]
    models = [model for model in CONTENDERS[kind] if model in set(part["model"])]
    found = part.groupby(["set", "model"])["score"]
    means = found.mean().unstack().reindex(index=[name for name in SETS[kind] if name in set(part["set"])])[models]
    lines = [f"| | {' | '.join(models)} |", f"|{'---|' * (1 + len(models))}"]
    for name in means.index:
        cells = []
        for model in models:
            values = part.loc[(part["set"] == name) & (part["model"] == model), "score"]
            spread = f" ({values.min():.3f} to {values.max():.3f})" if len(values) > 1 else ""
            cells.append(f"{values.mean():.3f}{spread}" if len(values) else "")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines), means


def _row(name: str, values: pd.Series) -> str:
    return f"| {name} | {' | '.join('' if np.isnan(value) else f'{value:.2f}' for value in values)} |"


def page(stored: dict[str, Any]) -> str:
    runs = pd.DataFrame(stored["runs"])
    classes, means = _table(runs, "classes")
    whole = means.dropna()  # where every contender was measured
    classes += "\n" + _row("**mean rank**", whole.rank(axis=1, ascending=False).mean())
    share = means.div(means["MiniRocket"], axis=0)
    shares = "\n".join(f"| {name} | {value:.3f} |" for name, value in share[OURS["classes"]].items())
    sizes = runs[runs["kind"] == "classes"].groupby("model")[["parameters", "seconds"]].median()
    spent = "\n".join(
        f"| {model} | {contender.words} | "
        f"{'' if np.isnan(sizes.loc[model, 'parameters']) else format(int(sizes.loc[model, 'parameters']), ',')} | "
        f"{sizes.loc[model, 'seconds']:.0f} |"
        for model, contender in CONTENDERS["classes"].items()
        if model in sizes.index
    )
    others = {
        kind: _table(runs, kind)[0] if kind in set(runs["kind"]) else "Not measured yet."
        for kind in ("numbers", "ahead")
    }
    versions = ", ".join(f"{name} {version(name)}" for name in ("aeon", "torch", "ncps"))
    missing = [name for sets in SETS.values() for name in sets if name not in set(runs["set"])]
    unfinished = f"\n**Not all of it has been measured: {', '.join(missing)} are missing.**\n" if missing else ""
    return f"""# Collections that nobody here chose

```
.venv-bench/bin/python -m benchmarks collections
```

How do the [estimators](../estimators.md) do without any tuning, on the collections that aeon ships?
{stored["measured_on"]} {versions}; one thread.
{unfinished}
## Accuracy

On the official test parts; the mean over seeds {", ".join(map(str, SEEDS))}, in brackets the least and the greatest.

{classes}

Mean rank: over the sets that all were measured on, of mean accuracies; 1 is best, equal ones share their ranks.

| | accuracy of {OURS["classes"]} over MiniRocket's |
|---|---|
{shares}

## Who they are

| | | parameters (median) | CPU s of training (median) |
|---|---|---|---|
{spent}

GRU and CfC share the budget of `{OURS["classes"]}`, which is its defaults' (`benchmarks/peers.py`): the same series
held out, scale, minibatches in the same order, epochs, AdamW, rates, weight decay, clipping and input noise; logits
averaged over the samples, and the epoch of the lowest validation loss kept. None was tuned for it: the defaults were,
for gnODEs, on four of these sets (see [estimators](../estimators.md)), which favours them there.
A GRU of as many units has fewer parameters, so one of as many parameters stands beside it. For MiniRocket, which takes
series of one length, shorter ones have zeros behind them and longer ones are cut to the longest of training.

## R2 of regression

{others["numbers"]}

Ridge sees all samples of all channels at once, each standardised.

## MASE of forecasts

The last samples are forecast from all before them: {", ".join(f"{name} {one.steps}" for name, one in AHEAD.items())}.
The error is divided by that of the seasonal naive forecast within the past (Hyndman and Koehler 2006), with periods of
{", ".join(f"{name} {one.period}" for name, one in AHEAD.items())} samples. Lower is better.

{others["ahead"]}

Numbers of all {len(runs)} runs: [collections.json](collections.json).
"""
