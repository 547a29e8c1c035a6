"""What a finished run predicts of new series, from a table like the one that it was trained on."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import scipy.special

from gnode.data.own_new import NewSeries, new_series, true_classes
from gnode.data.own_reading import listed
from gnode.errors import Diverged, many, must_have
from gnode.examine.answers import Answers
from gnode.examine.classification import classification
from gnode.examine.evaluate import solved_path
from gnode.examine.regression import regression
from gnode.models import Model, load_model
from gnode.series import UNITS, Series
from gnode.series.clock import seconds_of
from gnode.training import RunDirectory
from gnode.training.losses import LOSSES

_AT_ONCE = 2**20  # samples that are computed together
_FAR = 5.0  # standard deviations of training within which inputs lie on average
_OTHER_PACE = 10.0  # by what factor the time between samples may differ from training's


@dataclass(frozen=True)
class Predictions:
    """Predictions for a table.

    Attributes:
        frame: a row for each row of the table where the run predicts at each sample, in the table's order, else a row a
            series: what names it (series, time), the target where the table has it, predicted_<target> and, of classes,
            probability_<class>. Empty where a flow could not be solved.
        scores: what gnode.examine.classification or gnode.examine.regression says, where the table has the target.
        said: what was found out of the table, and what of it is unlike training, in words by topic.
    """

    frame: pd.DataFrame
    scores: dict[str, Any] | None
    said: dict[str, str]


def predict(
    path: str | Path,
    table: Any,
    *,
    time: str | None = None,
    unit: str | None = None,
    header: bool | None = None,
    encoding: str | None = None,
) -> Predictions:
    """What a run on an own table predicts of the series of another one.

    Args:
        path: the directory of a run that was trained on a table (gnode train TABLE --target, or gnode.data.from_file
            and from_frame).
        table: the path of a table with the same columns, whose target may be missing; or a pandas frame.
        time: the table's column of time, where it is called otherwise than in training.
        unit: of times that are numbers (ns, us, ms, s, min, h, d); by default as the name of another column of time
            says (t_ms), else as in training.
        header, encoding: of a table of text; by default found out.

    Raises:
        InvalidInput: no finished run on a table, or a table that is not like the run's.
        Diverged: no series could be solved.

    Example:
        >>> gnode.examine.predict("runs/mine", "new.csv").frame
    """
    directory = RunDirectory.open(path)
    summary, source = directory.summary(), directory.source()
    if "each" not in source:
        must_have(
            f"a run that was trained on a table (gnode train TABLE --target) in {directory.path}",
            f"one on {directory.config()['task'].get('name')}",
            "Of any other, gnode.load(DIR)(series) answers.",
        )
    model = load_model(directory.path)
    if model.is_told:
        must_have("a run that needs no target to begin with", f"initial_state {model.config.initial_state!r}")
    new = new_series(source, table, time=time, unit=unit, header=header, encoding=encoding)
    said = new.said | _unlike(model, new.series, source["inputs"])
    if model.config.missing == "refuse" and not (new.series.seen | ~new.series.valid[..., None]).all():
        said["missing"] = f"{_missing(new.series, source['inputs'])}, and training had none: each input's last value is"
        said["missing"] += " held, its mean before the first"
        model = replace(model, encoding=replace(model.encoding, missing="hold"))
    one_each = source["each"] == "series"
    outputs = _outputs(model, new.series, one_each)
    classes = summary.get("classes", [])
    if not classes:
        outputs = LOSSES[summary["loss"]].link(outputs)[:, : len(source["target"])]
    if (unsolved := np.isnan(outputs).any(axis=1)).any():
        if unsolved.all():
            raise Diverged(f"None of {many(len(new.series), 'series')} could be solved.")
        said["unsolved"] = f"{many(len(np.unique(new.codes[_rows(new, one_each)[unsolved]])), 'series')}, left empty"
    if source["ahead"]:
        said["predicted"] = "one sample ahead: a row's prediction is of the sample after it"
    truth = None if new.truth is None else _truth(new, one_each, source["ahead"])
    scores = None if truth is None else _scores(outputs, truth, new.codes[_rows(new, one_each)], classes, said)
    return Predictions(_frame(new, one_each, outputs, source, classes), scores, said)


def _rows(new: NewSeries, one_each: bool) -> np.ndarray:
    """Which of the rows of the series stand for an answer: the first of each series, or all."""
    return np.unique(new.codes, return_index=True)[1] if one_each else np.arange(len(new.codes))


def _outputs(model: Model, series: Series, one_each: bool) -> np.ndarray:
    """What the model answers, (series, outputs) or (samples, outputs), one series after the other; NaN where a flow
    could not be solved."""
    at_once = max(1, _AT_ONCE // series.shape[1])
    return np.concatenate(
        [_answers(model, series[start : start + at_once], one_each) for start in range(0, len(series), at_once)]
    )


def _answers(model: Model, series: Series, one_each: bool) -> np.ndarray:
    try:
        outputs = np.asarray(model(series), float)
    except Diverged:
        solved = np.flatnonzero(np.asarray(solved_path(model, series).failed) == 0)
        known = [np.asarray(model(series[[at]]), float)[0] for at in solved]
        shape = (len(series), *series.shape[1:2], model.config.output_size)
        outputs = np.full(shape if model.config.reading == "each" else (shape[0], shape[-1]), np.nan)
        for at, answer in zip(solved, known, strict=True):
            outputs[at, : len(answer)] = answer
    if outputs.ndim == 2:
        return outputs
    valid = series.valid
    return outputs[np.arange(len(series)), valid.sum(axis=1) - 1] if one_each else outputs[valid]


def _truth(new: NewSeries, one_each: bool, ahead: bool) -> pd.DataFrame:
    """The target of each answer."""
    assert new.truth is not None
    rows = new.truth.iloc[new.order]
    if ahead:
        return rows.groupby(new.codes).shift(-1)
    if not one_each:
        return rows
    each = rows.groupby(new.codes)
    several = each.nunique() > 1
    if several.any(axis=None):
        name = several.columns[several.any().to_numpy()][0]
        must_have(f"one value of {name!r} in each series, as in training", "several", "Leave the column out.")
    return each.first()


def _scores(
    outputs: np.ndarray, truth: pd.DataFrame, codes: np.ndarray, classes: list[str], said: dict[str, str]
) -> dict[str, Any] | None:
    """How well the answers do, where the truth is known; None where it is nowhere."""
    solved = ~np.isnan(outputs).any(axis=1)
    if classes:
        right, unknown = true_classes(truth.iloc[:, 0], classes)
        counts = solved & (right >= 0)
        if unknown:
            said["unscored"] = f"{unknown} of a class that the run does not know"
    else:
        right = np.stack([_numbers(truth[name], str(name)) for name in truth.columns], axis=1)
        counts = solved & ~np.isnan(right).any(axis=1)
    if not counts.any():
        return None
    answers = Answers(outputs[counts], right[counts], codes[counts])
    return classification(answers, classes) if classes else regression(answers, [str(name) for name in truth.columns])


def _numbers(column: pd.Series, name: str) -> np.ndarray:
    if column.dtype.kind not in "biuf":
        must_have(f"numbers in the target {name!r}", "text", "Leave the column out.")
    return column.to_numpy(float, na_value=np.nan)


def _frame(
    new: NewSeries, one_each: bool, outputs: np.ndarray, source: dict[str, Any], classes: list[str]
) -> pd.DataFrame:
    """Predictions beside what names them: of samples in the table's order, of series in that of their first rows."""
    places = new.order[_rows(new, one_each)]
    about = new.about.iloc[places]
    if one_each:
        about = about.drop(columns=[name for name in about if name == new.within])
    if new.truth is not None:
        about = about.assign(**{name: new.truth[name].iloc[places] for name in new.truth if name not in about})
    precision = jnp.zeros(()).dtype  # further digits would be of no use, and in the way in a file
    if classes:
        shares = scipy.special.softmax(outputs, axis=1).astype(precision)
        unsolved = np.isnan(outputs).any(axis=1)
        likeliest = np.where(unsolved, 0, shares.argmax(axis=1))
        taken = [None if failed else classes[at] for failed, at in zip(unsolved, likeliest, strict=True)]
        predicted: dict[str, Any] = {f"predicted_{source['target'][0]}": taken}
        predicted |= {f"probability_{name}": shares[:, at] for at, name in enumerate(classes)}
    else:
        predicted = {f"predicted_{name}": outputs[:, at].astype(precision) for at, name in enumerate(source["target"])}
    frame = pd.concat([about, pd.DataFrame(predicted, index=about.index)], axis=1)
    return (frame if one_each else frame.iloc[np.argsort(places)]).reset_index(drop=True)


def _unlike(model: Model, series: Series, channels: list[str]) -> dict[str, str]:
    """What of the series is unlike those of training, as another unit would make it."""
    words = []
    if model.encoding.scaling is not None:
        scaled = np.where(series.seen, np.abs(model.encoding.scaling.scaled(series.values)), 0)
        for name, distance in zip(channels, scaled.sum((0, 1)) / np.maximum(series.seen.sum((0, 1)), 1), strict=True):
            if distance > _FAR:
                words.append(f"{name} lies {distance:.3g} standard deviations from its mean in training")
    if series.clock is not None:
        gaps = np.broadcast_to(series.gaps, series.shape[:2])[series.valid]
        gap = float(np.median(gaps[gaps > 0])) if (gaps > 0).any() else model.config.dt
        if not 1 / _OTHER_PACE < gap / model.config.dt < _OTHER_PACE:
            ticks = gap / _seconds(series.clock.unit)
            fitting = [unit for unit in UNITS if 0.5 < ticks * _seconds(unit) / model.config.dt < 2]
            words.append(
                f"samples are {gap:.3g} s apart, and the model's dt is {model.config.dt:.3g} s"
                + (f" (were times in {fitting[0]}, it would fit: unit)" if fitting and not series.clock.dates else "")
            )
    return {"unlike": "; ".join(words) + ": is it the same unit?"} if words else {}


def _seconds(unit: str) -> float:
    return float(seconds_of(np.ones(()), unit))


def _missing(series: Series, channels: list[str]) -> str:
    """How many values of which inputs are not there."""
    absent = (series.valid[..., None] & ~series.seen).sum((0, 1))
    some = [f"{count} of {name}" for name, count in zip(channels, absent, strict=True) if count]
    return f"{listed(some)}, of {many(int(series.valid.sum()), 'sample')}"
