"""A forecaster of series, with prediction intervals."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnode.arguments import integer, number
from gnode.cards import Card, carded
from gnode.cards import number as in_few_digits
from gnode.errors import Diverged, many, must_have
from gnode.estimators.base import GatedODE, in_batches
from gnode.estimators.door import (
    gaps_until,
    gaps_within,
    one_each,
    read_covariates,
    refuse_other_width,
    refuse_rounded,
    usual_gap,
    with_channels,
)
from gnode.estimators.intervals import Tried, half_widths, least_errors, refuse_few, share_held, skill
from gnode.estimators.parts import held_out
from gnode.estimators.pieces import Piece, beside_the_next, cut, next_samples, pieces, seconds_between
from gnode.models import Model
from gnode.series import Data, Series
from gnode.series.arrays import as_floats

_ENOUGH = 10  # series, from which on some are held out as a whole; of fewer, the ends of all are
_ORIGINS = 500  # places from which forecasts are tried for intervals, unless these need more
_CALIBRATION = "calibration.npz"
_SHOWN = 5  # steps of a forecast that is printed


def _card(forecast: "Forecast") -> Card:
    count, steps, channels = forecast.values.shape
    rows = [
        [
            f"{step + 1}",
            *(in_few_digits(part[0, step, 0]) for part in (forecast.values, forecast.lower, forecast.upper)),
        ]
        for step in range(min(steps, _SHOWN) if count and channels else 0)
    ]
    title = f"Forecast of {many(count, 'series')}, {many(steps, 'step')}, {many(channels, 'channel')}"
    note = "Those are the first steps of the first series and channel; .values, .lower and .upper have all."
    return Card(title, rows, ("step", "value", "lower", "upper") if rows else (), note if rows else "")


@carded(_card)
class Forecast(NamedTuple):
    """What will come, (n, steps, channels) each: the forecast, and an interval for each value by itself."""

    values: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    def coverage(self, truth: Any) -> np.ndarray:
        """The share of series whose truth lies within, (steps, channels).

        Args:
            truth: what came, (n, steps, channels); NaN counts nowhere.

        Raises:
            InvalidInput: a truth of another shape than the forecast's.
        """
        came = as_floats(truth, "what came")
        came = came[..., None] if came.ndim == 2 and self.values.shape[-1] == 1 else came
        if came.shape != self.values.shape:
            must_have(f"what came in the shape of the forecast, {self.values.shape}", f"{came.shape}")
        return share_held((self.lower <= came) & (came <= self.upper), ~np.isnan(came))


@dataclass(kw_only=True, eq=False, repr=False)
class GatedODEForecaster(GatedODE):
    """The next samples of each series, as many as are asked for.

    The model learns to predict the next sample from those up to now; further ones come from feeding its forecasts back.
    Validation and calibration parts are held out: whole series where there are 10 or more (groups together), else the
    end of each. The model is not trained on them again.

    The inputs of the model are the channels of the series, then static covariates, then the covariates of the sample
    that it predicts.

    After fit: `model_` (a gnode.Model, for gnode.analysis too; of several members the first, and `models_` all),
    `history_`, `n_features_in_` (the number of channels of the series), `n_covariates_`, `n_static_`, `has_times_`,
    `step_` (seconds between forecasts, the median between samples; 1 on the uniform grid).

    Attributes:
        steps: how many samples ahead `predict` goes by default, and `score` asks for.
        window: samples that a training piece has, and that a forecast looks back at.
        calibration_fraction: share that is held out to learn from how wide intervals must be.
        model, ...: as for every estimator (gnode.estimators.base.GatedODE).

    Example:
        >>> waves = [np.sin(0.5 * np.arange(40) + phase) for phase in range(12)]
        >>> forecaster = GatedODEForecaster(state_size=8, epochs=30).fit(waves)
        >>> forecaster.predict(waves, steps=5).shape
        (12, 5, 1)
    """

    steps: int = 1
    window: int = 64
    calibration_fraction: float = 0.2

    learned: ClassVar[tuple[str, ...]] = (*GatedODE.learned, "n_covariates_", "step_", "warm_up_")

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        times: Any = None,
        covariates: Any = None,
        static: Any = None,
        groups: Any = None,
        out: str | Path | None = None,
    ) -> Self:
        """Train on series.

        Args:
            X: series, as `gnode.estimators.door.read_series` takes them.
            y: not looked at.
            times: of the samples, as `gnode.Series.of` takes them; seconds.
            covariates: what is known ahead, such as prices or days of the week: for each series a value at each of its
                samples, as an array (time, k), in all a list or an array (n, time, k); a gnode.Series; or a long pandas
                frame with the columns `series` and `time`. NaN is missing. What lies beyond the series is not read.
            static: (n, k), as for GatedODEClassifier.
            groups: (n,), names; series of one group are held out together.
            out: a directory for the run, whose test set is the calibration part.

        Raises:
            InvalidInput: something does not fit; nothing has been computed or written.
        """
        window, _ = integer("window", self.window, 2), integer("steps", self.steps, 1)
        series = self._series_to_learn(X, times, static)
        known = read_covariates(series, covariates, 0, names=self.series, time=self.time)
        self.n_covariates_ = known.along.shape[-1]
        series = with_channels(series, known.along)
        groups = None if groups is None else one_each(series, groups, "a group")
        parts = self._parts(series, groups)
        strides = (max(1, window // 4), window, window)
        learned, chosen, tested = (
            next_samples(series, pieces(part, window, stride), self.n_features_in_)
            for part, stride in zip(parts, strides, strict=True)
        )
        self.step_ = usual_gap(series)
        self.calibration_ = series[[at for at, _, _ in parts[2]]]
        self.warm_up_ = np.array([start or min(end // 2, window) for _, start, end in parts[2]])
        of_model = {"residual": True, "reading": "each"}
        data = Data(learned, chosen, tested)
        self._train(data, self.n_features_in_, out, of_model=of_model, of_training={"loss": "mse"})
        return self

    def predict(
        self,
        X: Any,
        *,
        times: Any = None,
        covariates: Any = None,
        static: Any = None,
        steps: int | None = None,
        at: Any = None,
        interval: float | None = None,
    ) -> np.ndarray | Forecast:
        """The samples after the last of each series, (n, steps, channels), `step_` apart; the mean over members.

        Args:
            X, times, static: as for fit.
            covariates: as for fit, but going on for so many steps beyond each series. Where they have times, the
                forecasts are for these.
            steps: how many; by default the forecaster's own.
            at: the times to forecast for instead, of the kind of `times`: (steps,) for all series, or (n, steps). The
                model steps from each to the next.
            interval: also give, as a Forecast, an interval around each value that holds the truth with this
                probability: by split conformal prediction (Vovk et al. 2005; Lei et al., JASA 2018), the quantile of
                the errors on the calibration part, channel by channel, of forecasts as far ahead in time. It presumes
                that what will come is like that part; errors from several places of one series are not independent.

        Raises:
            InvalidInput: something does not fit; too few calibration errors for such an interval.
        """
        if at is not None and steps is not None:
            must_have("steps, or at= that says how many", "both")
        wanted = integer("steps", self.steps if steps is None else steps, 1)
        series = self._series_to_answer(X, times, static)
        step = self.model_.config.dt if series.clock is None else self.step_
        ahead = np.full((len(series), wanted), step) if at is None else gaps_until(series, at)
        series, known, gaps = self._with_covariates(series, covariates, ahead.shape[1])
        if gaps is not None and at is None:
            ahead = gaps
        elif gaps is not None and not np.allclose(gaps, ahead, rtol=1e-6, atol=0):
            must_have("covariates at the times that at= names", "other times")
        ends = series.valid.sum(axis=1)
        contexts = [(row, max(0, end - self.window), end) for row, end in enumerate(ends)]
        values = self._forecast(series, contexts, ahead, known)
        if interval is None:
            return values
        widths = self._widths(np.cumsum(ahead, axis=1), interval)
        return Forecast(values, values - widths, values + widths)

    def score(self, X: Any, y: Any = None, *, times: Any = None, covariates: Any = None, static: Any = None) -> float:
        """The skill of forecasting the last `steps` samples of each series from those before (Murphy 1988).

        1 - squared error / squared error of "no change": 1 is perfect, 0 is as good as the last value seen. Where
        nothing changes it is 1 if the forecasts say so and else 0.

        Raises:
            InvalidInput: it is not fitted, or a series has no sample before its last `steps`.
        """
        tried = self._try_at_the_ends(X, times, covariates, static, self.steps)
        return skill(tried.errors, tried.unchanged)

    def coverage(
        self,
        X: Any,
        *,
        interval: float,
        times: Any = None,
        covariates: Any = None,
        static: Any = None,
        steps: int | None = None,
    ) -> np.ndarray:
        """How often intervals hold: the share of series, (steps, channels), whose last `steps` samples lie within
        their intervals, forecast from the samples before, for the times at which they came. NaN where none was seen.

        Args:
            X, times, covariates, static, steps, interval: as for predict. Series that were not trained on, or the
                share says little.

        Raises:
            InvalidInput: as score and predict do.
        """
        tried = self._try_at_the_ends(X, times, covariates, static, self.steps if steps is None else steps)
        within = np.abs(tried.errors) <= self._widths(tried.leads, interval)
        return share_held(within, ~np.isnan(tried.errors))

    def _try_at_the_ends(self, X: Any, times: Any, covariates: Any, static: Any, steps: int) -> Tried:
        """Forecasts of the last steps of each series."""
        wanted = integer("steps", steps, 1)
        series, _, _ = self._with_covariates(self._series_to_answer(X, times, static), covariates, 0)
        ends = series.valid.sum(axis=1)
        if ends.min() <= wanted:
            must_have(f"series of more than {wanted} samples to forecast {wanted} steps of", f"one of {ends.min()}")
        return self._tried(series, [(at, end - wanted) for at, end in enumerate(ends)], wanted)

    def write_beside(self, folder: Path) -> None:
        self.calibration_.save(folder / _CALIBRATION)
        super().write_beside(folder)

    def read_beside(self, folder: Path) -> None:
        self.calibration_ = Series.load(folder / _CALIBRATION)

    def _series_to_learn(self, X: Any, times: Any, static: Any) -> Series:
        series = super()._series_to_learn(X, times, static)
        own = np.where(series.seen, series.values, np.nan)[series.valid]
        refuse_rounded(own[:, : self.n_features_in_].astype(float), "values to forecast")
        if series.events is not None:
            must_have("series without events to forecast", "one with events", "Give what happens as a channel.")
        return series

    def _with_covariates(
        self, series: Series, covariates: Any, steps: int
    ) -> tuple[Series, np.ndarray, np.ndarray | None]:
        """Series as in fit, with all that the model is told; what it is told of the samples that follow, (n, steps, k);
        and seconds between these where covariates have times."""
        known = read_covariates(series, covariates, steps, names=self.series, time=self.time)
        refuse_other_width("covariates", "covariates", self.n_covariates_, known.along)
        constants = np.where(series.seen, series.values, np.nan)[:, :1, self.n_features_in_ :]
        told = np.concatenate([np.repeat(constants, steps, axis=1), known.ahead], axis=-1)
        return with_channels(series, known.along), told, known.gaps

    def _parts(self, series: Series, groups: np.ndarray | None) -> tuple[list[Piece], list[Piece], list[Piece]]:
        """What is trained on, what chooses the parameters and what calibrates, as stretches of series."""
        shares = self.validation_fraction, self.calibration_fraction
        for name, share in zip(("validation_fraction", "calibration_fraction"), shares, strict=True):
            if not 0 < number(name, share) < 1 or sum(shares) >= 1:
                must_have(f"{name} above 0, and less than all of the series held out", share)
        ends = series.valid.sum(axis=1).tolist()
        if len(series) >= _ENOUGH:
            rest, last = held_out(len(series), shares[1], self.seed, groups=groups)
            within = None if groups is None else groups[rest]
            first, second = held_out(len(rest), shares[0] / (1 - shares[1]), self.seed, groups=within)
            whole = [(at, 0, end) for at, end in enumerate(ends)]
            trained, choosing, calibrating = ([whole[at] for at in rows] for rows in (rest[first], rest[second], last))
            return trained, choosing, calibrating
        if groups is not None:
            must_have(f"at least {_ENOUGH} series for groups to be held out", len(series))
        parts: tuple[list[Piece], list[Piece], list[Piece]] = ([], [], [])
        for at, end in enumerate(ends):
            tail, before = (max(2, round(share * end)) for share in reversed(shares))
            places = (0, end - tail - before, end - tail, end)
            if places[1] < 2:
                must_have(f"at least {_ENOUGH} series, or series of at least 6 samples", f"{len(series)}, one of {end}")
            for part, first, following in zip(parts, places, places[1:], strict=False):
                part.append((at, first, following))
        return parts

    def _forecast(self, series: Series, contexts: list[Piece], ahead: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Forecasts (contexts, steps, channels) after stretches of series.

        Args:
            ahead: (contexts, steps), seconds between forecasts, of the first since the last sample.
            known: (contexts, steps, k), what the model is told of the samples that it forecasts.
        """
        values, clocks = cut(series, contexts)
        width, channels = max(map(len, values)), self.n_features_in_
        padded = np.full((len(values), width, series.channels), np.nan)
        elapsed = np.full((len(values), width), self.model_.config.dt)
        there = np.zeros((len(values), width), bool)
        for at, value in enumerate(values):
            padded[at, : len(value)] = beside_the_next(value, known[at, :1], channels)
            there[at, : len(value)] = True
            if clocks is not None:  # a sample acts until the next one, the first for dt, as in training
                gaps = seconds_between(clocks[at])
                elapsed[at, 1 : len(gaps)] = gaps[1:]
            elapsed[at, len(value) - 1] = ahead[at, 0]
        # A forecast acts until the next one, beside what is known of that.
        given = padded, elapsed, there, np.roll(ahead, -1, axis=1), np.roll(known, -1, axis=1)
        said = [in_batches(partial(_roll_out_rows, model, given), len(values)) for model in self.models_]
        forecasts = np.mean(np.asarray(said, float), axis=0)
        if not np.isfinite(forecasts).all():
            at = int((~np.isfinite(forecasts)).any(axis=(1, 2)).argmax())
            raise Diverged(
                f"The forecast of series {at} left the numbers. Try fewer steps, or more input_noise in fit."
            )
        return forecasts

    def _tried(self, series: Series, origins: list[tuple[int, int]], steps: int) -> Tried:
        """Forecasts from within series, of what came.

        Args:
            origins: a series, and how many of its samples a forecast knows of.
        """
        contexts = [(at, max(0, origin - self.window), origin) for at, origin in origins]
        truth, clocks = cut(series, [(at, origin - 1, origin + steps) for at, origin in origins])
        ahead = np.full((len(origins), steps), self.model_.config.dt)
        if clocks is not None:
            ahead = seconds_between(np.stack(clocks))
        coming, known = np.split(np.stack(truth)[:, 1:], [self.n_features_in_], axis=-1)
        latest = np.stack([_last_values(values[:, : self.n_features_in_]) for values in cut(series, contexts)[0]])
        errors = coming - self._forecast(series, contexts, ahead, known)
        return Tried(np.cumsum(ahead, axis=1), errors, coming - latest[:, None])

    def _widths(self, leads: np.ndarray, interval: float) -> np.ndarray:
        """Half the widths of intervals, (n, steps, channels), from errors on the calibration part.

        Args:
            leads: (n, steps), seconds from the last sample to each forecast.
        """
        if not 0 < number("interval", interval) < 1:
            must_have("an interval above 0 and below 1", interval)
        known = self.calibration_
        steps = leads.shape[1]
        if known.clock is not None:  # as many as it usually takes until so much time has passed
            steps = max(1, int(np.ceil(leads.max() / gaps_within(known).mean() * (1 - 1e-6))))
        ends = known.valid.sum(axis=1).tolist()
        origins = [
            (at, origin)
            for at, (first, end) in enumerate(zip(self.warm_up_.tolist(), ends, strict=True))
            for origin in range(max(1, first), end - steps + 1)
        ]
        needed = least_errors(interval)
        if len(origins) < needed:
            room = np.maximum(np.array(ends) - np.maximum(self.warm_up_, 1) + 1, 0)  # steps that a series has none for
            origins_of = [int(np.maximum(room - ahead, 0).sum()) for ahead in range(1, int(room.max()) + 1)]
            farthest = sum(count >= needed for count in origins_of)
            refuse_few(len(origins), steps, interval, farthest)
        if len(origins) > (most := max(_ORIGINS, 2 * needed)):
            origins = [origins[at] for at in np.linspace(0, len(origins) - 1, most).astype(int)]
        return half_widths(self._tried(known, origins, steps), leads, interval)


def _last_values(values: np.ndarray) -> np.ndarray:
    """The last value that was seen of each channel, (channels,); NaN where none was."""
    seen = ~np.isnan(values)
    last = len(values) - 1 - seen[::-1].argmax(axis=0)
    return values[last, np.arange(values.shape[1])]


def _roll_out_rows(model: Model, given: tuple[np.ndarray, ...], rows: np.ndarray) -> Array:
    return _roll_out(model, *(jnp.asarray(one[rows]) for one in given))


@eqx.filter_jit
def _roll_out(model: Model, values: Array, elapsed: Array, there: Array, following: Array, known: Array) -> Array:
    """Forecasts (batch, steps, channels): the model sees samples, then what it said itself.

    Args:
        values: (batch, time, inputs), NaN where missing.
        elapsed: (batch, time), seconds until the next sample, of the last one until the first forecast.
        there: (batch, time), False at padding.
        following: (batch, steps), seconds from each forecast to the next; the last is not read.
        known: (batch, steps, k), what stands beside each forecast when it is fed back; the last is not read.
    """

    def see(before: tuple, sample: tuple) -> tuple[tuple, None]:
        value, seconds, is_there = sample
        after = model.advance(before[0], value, seconds)

        def kept(new: Array, old: Array) -> Array:
            return jnp.where(is_there.reshape(-1, *(1,) * (new.ndim - 1)), new, old)

        return jax.tree.map(kept, after, before), None

    def go_on(before: tuple, coming: tuple) -> tuple[tuple, Array]:
        here, said = before
        seconds, beside = coming
        return model.advance(here, jnp.concatenate([said, beside], axis=-1), seconds), said

    outputs = model.config.output_size
    first = model.begin(values[:, 0]), jnp.zeros_like(values[:, 0, :outputs])
    by_time = (jnp.swapaxes(values, 0, 1), elapsed.T, there.T)
    latest, _ = jax.lax.scan(see, first, by_time)
    _, forecasts = jax.lax.scan(go_on, latest, (following.T, jnp.swapaxes(known, 0, 1)))
    return jnp.swapaxes(forecasts, 0, 1)
