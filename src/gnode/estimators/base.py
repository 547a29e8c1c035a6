"""What all estimators share: their parameters, training on a split, answers in batches, saving and loading."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from gnode.arguments import integer
from gnode.errors import InvalidInput, check_known, look_up, must_have
from gnode.estimators.door import read_series, read_static, refuse_other_width, refuse_short, usual_gap, with_channels
from gnode.estimators.members import Member, write_members
from gnode.fields import FIELDS
from gnode.files import path_of, refuse_later_format, write_atomically
from gnode.files.plain import as_json, spelled_out
from gnode.models import Model, ModelConfig, make
from gnode.series import Data, Series
from gnode.training import RunDirectory, Settings, train
from gnode.training.directory import place_of_member
from gnode.training.progress import Silent, watcher

FILE = "estimator.json"  # in a run directory, beside what every run has
_FORMAT = 1  # of that file
_BATCH = 64  # series that are answered at once, always as many: a series has the same answer in any company
_UPDATES = 1000  # of the parameters, about, where epochs is None; within these limits:
_FEWEST, _MOST = 30, 300
_LARGEST_BATCH = 32
_MODEL_KEYS = {field.name for field in dataclasses.fields(ModelConfig)} - {"input_size", "output_size"}
_TRAINING_KEYS = {field.name for field in dataclasses.fields(Settings)}


@dataclass(kw_only=True, eq=False, repr=False)
class GatedODE(BaseEstimator):
    """Parameters that all estimators have. None stands for what suits the model and the series.

    Attributes:
        model: a name in gnode.fields.FIELDS: "gnode", "node", "leaky-node", "mgru", "gru", "rnn".
        state_size: N.
        hidden: hidden widths of F, whose output is a tanh; by default (128,), and none where F is a single layer.
        gate_bias: where the biases of the gate start; negative for slow units. 0 by default.
        integrator: a step rule or a solver (gnode.integrate).
        tau: time constant and time before the first sample, seconds; by default the median time between samples, and on
            the uniform grid, which has no seconds, 1: one sample.
        missing: what becomes of missing values, out of gnode.models.Encoding's; by default "hold-with-observed" where
            some are missing in fit, else "hold".
        scale: "standard" or "none".
        epochs: by default as many as make about 1000 updates, 30 to 300.
        batch_size: by default a quarter of the training series, at most 32.
        lr, weight_decay: of AdamW, whose rate rises over a tenth of the epochs and falls as a cosine.
        input_noise: deviation of the noise on scaled inputs while training.
        validation_fraction: share of the series held out of training, on which the epoch whose parameters are kept is
            chosen. 0 (not for forecasters): all are trained on, and that epoch has the lowest loss on all of them.
        patience: stop after so many epochs without a lower validation loss; 0 for never.
        options: any other attribute of gnode.models.ModelConfig or gnode.training.Settings, by name.
        series, time, channels: the columns of a long pandas frame that hold the name of the series, the time and the
            values (by default all others).
        members: how many models are trained on the same split, whose answers are averaged: from `seed`, `seed + 1`, ...
            each with its own weights, order of series and noise.
        seed: of the weights, the split, the order of series and the noise.
        verbose: show a bar, or lines where there is no terminal.
    """

    model: str = "gnode"
    state_size: int = 64
    hidden: tuple[int, ...] | None = None
    gate_bias: float | None = None
    integrator: str = "exponential-euler"
    tau: float | None = None
    missing: str | None = None
    scale: str = "standard"
    epochs: int | None = None
    batch_size: int | None = None
    lr: float = 5e-3
    weight_decay: float = 0.1
    input_noise: float = 0.1
    validation_fraction: float = 0.2
    patience: int = 0
    options: dict[str, Any] | None = None
    series: str | None = None
    time: str | None = None
    channels: Sequence[str] | None = None
    members: int = 1
    seed: int = 0
    verbose: bool = False

    # What fit learns beside the model, the data and the history, and save keeps: numbers, texts, lists.
    learned: ClassVar[tuple[str, ...]] = ("n_features_in_", "has_times_", "n_static_")

    @property
    def models_(self) -> list[Model]:
        """What was trained, one for each member."""
        return [member.model for member in self.members_]

    @property
    def model_(self) -> Model:
        """The first of them."""
        return self.members_[0].model

    @property
    def history_(self) -> list[dict[str, Any]]:
        """One record an epoch of the first; those of the others are in `members_`."""
        return self.members_[0].history

    @property
    def summary_(self) -> dict[str, Any]:
        """The outcome of training the first, as summary.json has it."""
        return self.members_[0].summary

    def save(self, path: str | Path) -> None:
        """Write a run directory, which `gnode report` shows and `load` reads; no pickle is in it.

        Raises:
            NotFittedError: before fit.
            InvalidInput: the directory holds something already; training data beyond the limit of a run directory were
                not kept by a `load` before.
        """
        check_is_fitted(self)
        if self.data_ is None:
            must_have(
                "the training data, which a run directory tells of", "an estimator loaded without", "Copy its folder."
            )
        folder = path_of(path)
        write_members(folder, self.members_, self.data_)
        self.write_beside(folder)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The estimator that `save` or `fit(..., out=)` wrote; it predicts the same bytes.

        Raises:
            InvalidInput: there is none, a damaged one, or one of another class.
        """
        directory = RunDirectory.open(path)
        stored = _read(directory.path / FILE)
        if stored["estimator"] != cls.__name__:
            must_have(f"a {cls.__name__} in {path}", f"a {stored['estimator']}")
        estimator = cls(**{name: _as_parameter(value) for name, value in stored["parameters"].items()})
        for name, value in stored["learned"].items():
            setattr(estimator, name, _learned(value))
        estimator.members_ = tuple(Member.read(place_of_member(directory.path, at)) for at in range(stored["members"]))
        estimator.data_ = directory.data() if (directory.path / "data").exists() else None
        estimator.read_beside(directory.path)
        return estimator

    def write_beside(self, folder: Path) -> None:
        """Put what only the estimator knows into a run directory."""
        parameters = self.get_params(deep=False)
        content = {
            "format": _FORMAT,
            "estimator": type(self).__name__,
            "parameters": {name: _plain(name, value) for name, value in parameters.items()},
            "learned": {name: _stored(getattr(self, name)) for name in self.learned},
            "members": len(self.members_),
        }
        write_atomically(folder / FILE, (as_json(content, indent=2) + "\n").encode())

    def read_beside(self, folder: Path) -> None:
        """Read back what `write_beside` wrote beyond plain attributes."""

    def _series_to_learn(self, X: Any, times: Any, static: Any) -> Series:
        """Series with static covariates as constant channels behind their own."""
        series = self._read(X, times)
        refuse_short(series)
        self.__dict__.pop("members_", None)  # a fit that fails leaves no model beside attributes that are not its own
        self.n_features_in_ = series.channels
        self.has_times_ = series.clock is not None
        constants = read_static(series, static)
        self.n_static_ = constants.shape[-1]
        return with_channels(series, constants)

    def _series_to_answer(self, X: Any, times: Any, static: Any) -> Series:
        """Series that are like those of fit, with static covariates as constant channels behind their own.

        Raises:
            NotFittedError: before fit.
            InvalidInput: times or static covariates where fit had none, none where it had some, other channels.
        """
        check_is_fitted(self)
        series = self._read(X, times)
        if (series.clock is not None) != self.has_times_:
            had, got = ("times", "none") if self.has_times_ else ("none", "times")
            must_have(
                f"times as in fit, which had {had}",
                got,
                "A gnode.Series carries its times through splits and scores: Series.of(X, times)." * self.has_times_,
            )
        if series.channels != self.n_features_in_:
            must_have(f"series of {self.n_features_in_} channels, as in fit", series.channels)
        constants = read_static(series, static)
        refuse_other_width("static covariates", "static", self.n_static_, constants)
        return with_channels(series, constants)

    def _read(self, X: Any, times: Any) -> Series:
        return read_series(X, times, series=self.series, time=self.time, channels=self.channels)

    def _train(
        self, data: Data, outputs: int, out: Any, *, of_model: dict[str, Any], of_training: dict[str, Any]
    ) -> None:
        """Train on the parts and keep what came of it.

        Args:
            of_model, of_training: what the kind of estimator sets beside its parameters.
        """
        if self.options is not None and not isinstance(self.options, Mapping):
            must_have("options a dictionary", repr(self.options))
        members, options = integer("members", self.members, 1), dict(self.options or {})
        check_known(
            options, (_MODEL_KEYS | _TRAINING_KEYS) - set(self.get_params()), "other options of model or training"
        )
        for_model = self._model_options(data.train.series) | of_model | _only(_MODEL_KEYS, options)
        for_training = self._settings(len(data.train)) | of_training | _only(_TRAINING_KEYS, options)
        trained: list[Member] = []
        for at in range(members):
            seed = self.seed + at
            model = make(**for_model, output_size=outputs, seed=seed)
            run = train(
                model,
                data,
                out=None if at else out,
                watcher=watcher() if self.verbose else Silent(),
                **for_training,
                seed=seed,
            )
            trained.append(Member.of_run(run, Settings(**for_training, seed=seed)))
            if out is not None and at:  # the data lie with the first
                trained[at].write(place_of_member(out, at), data)
        self.members_ = tuple(trained)
        self.data_: Data | None = data
        if out is not None:
            self.write_beside(path_of(out))

    def _model_options(self, series: Series) -> dict[str, Any]:
        deep = look_up("model", self.model, FIELDS).hidden is not None
        gap = usual_gap(series) if self.tau is None else self.tau
        incomplete = bool((series.valid[..., None] & ~series.seen).any())
        chosen: dict[str, Any] = {
            "model": self.model,
            "input_size": series.channels,
            "state_size": self.state_size,
            "hidden": self.hidden if self.hidden is not None else ((128,) if deep else ()),
            "integrator": self.integrator,
            "tau": gap,
            "dt": gap,
            "missing": self.missing or ("hold-with-observed" if incomplete else "hold"),
            "scale": self.scale,
        }
        if deep:  # a bounded target keeps the state from running away, on which untuned training could diverge
            chosen["candidate_activation"] = "tanh"
        return chosen | ({} if self.gate_bias is None else {"gate_bias": self.gate_bias})

    def _settings(self, count: int) -> dict[str, Any]:
        if self.batch_size is None:
            batch = int(np.clip(count // 4, 1, _LARGEST_BATCH))
        else:
            batch = min(integer("batch_size", self.batch_size, 1), count)
        if self.epochs is None:
            epochs = int(np.clip(_UPDATES // -(-count // batch), _FEWEST, _MOST))
        else:
            epochs = integer("epochs", self.epochs, 1)
        return {
            "epochs": epochs,
            "batch_size": batch,
            "lr": self.lr,
            "weight_decay": self.weight_decay,
            "input_noise": self.input_noise,
            "warmup_epochs": max(1, epochs // 10),
            "patience": self.patience,
        }

    def _answers(self, series: Series) -> list[np.ndarray]:
        """What each member answers, (n, ...): at each sample, or once a series."""
        return [in_batches(partial(_answers_to, model, series), len(series)) for model in self.models_]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "members_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags


def _answers_to(model: Model, series: Series, rows: np.ndarray) -> Any:
    return model(series[rows])


def in_batches(answer: Callable[[np.ndarray], Any], count: int) -> np.ndarray:
    """What is answered for the rows 0 to count - 1, _BATCH of them at once."""
    answers = []
    for first in range(0, count, _BATCH):
        rows = np.minimum(np.arange(first, first + _BATCH), count - 1)
        answers.append(np.asarray(answer(rows))[: count - first])
    return np.concatenate(answers)


def _only(names: set[str], options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name in names}


def _plain(name: str, value: Any) -> Any:
    """A parameter as JSON takes it; a dictionary as pairs, whose keys may be numbers."""
    if isinstance(value, dict) and name != "options":
        return {"pairs": [[_plain(name, key), _plain(name, item)] for key, item in value.items()]}
    if isinstance(value, dict):
        return {key: _plain("", item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain("", item) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    if not isinstance(value, (str, int, float, bool, type(None))):
        must_have(f"numbers, texts or lists as {name} to save", repr(value))
    return value


def _as_parameter(value: Any) -> Any:
    """A parameter back from JSON."""
    if isinstance(value, dict) and set(value) == {"pairs"}:
        return dict(value["pairs"])
    return tuple(value) if isinstance(value, list) else value


def _stored(value: Any) -> Any:
    """What fit has learned, as JSON takes it; an array with its type."""
    if isinstance(value, np.ndarray):
        return {"type": value.dtype.str, "values": spelled_out(value)}
    return value


def _learned(value: Any) -> Any:
    """Back from `_stored`."""
    return np.array(value["values"], np.dtype(value["type"])) if isinstance(value, dict) else value


def _read(path: Path) -> dict[str, Any]:
    try:
        stored = json.loads(path.read_text())
        refuse_later_format(stored, _FORMAT, path)
        return {name: stored[name] for name in ("estimator", "parameters", "learned", "members")}
    except FileNotFoundError:
        must_have("a run directory that an estimator wrote", f"one without {FILE}: {path.parent}")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"Must have a readable {path}, instead got a damaged one.") from error
