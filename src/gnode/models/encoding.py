"""The encoding: what turns a series into numbers for compiled code. Missing values and scales end here."""

import dataclasses
from numbers import Real
from typing import Any, NamedTuple, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from gnode.errors import look_up, must_have
from gnode.models.scaling import Scaling
from gnode.series import Series
from gnode.series.arrays import place

MISSING = {  # ways with what is missing, and how many inputs of the field a channel becomes
    "refuse": 1,
    "hold": 1,
    "hold-with-observed": 3,
}
ELAPSED = ("step", "input", "both")  # what the time since the sample before is to a model
BEGINS = ("before-first", "at-first")  # when the state starts: dt before the first sample, or at it


class Encoded(NamedTuple):
    """A series as compiled code reads it.

    Attributes:
        inputs: (trials, time, width); 0 at padding.
        elapsed: (trials, time) or, where all trials agree, (1, time), float32: the time that each sample acts for, in
            units of tau; 0 at padding and nowhere else.
        impulses: (trials, time, kinds), sizes of the events that happen at the end of each interval; None for none.
        samples: (trials, samples), where each sample is in time, which events cut into shorter intervals; None where
            there are no events, and intervals are samples.
    """

    inputs: np.ndarray | Array
    elapsed: np.ndarray
    impulses: np.ndarray | None = None
    samples: np.ndarray | None = None


@final
class Encoding(eqx.Module):
    """How a model sees a series: what is missing, in what scale, over how much time. Nothing in it is trained.

    It is causal: what a sample becomes depends on no later one.

    Attributes:
        scaling: of the channels; None for values as they are. Made by `fit_scaling`.
        channels: of the series.
        missing: "refuse": a missing value is an error. "hold": the channel's last observed value of that series; before
            the first one 0, which after scaling is its mean. "hold-with-observed": these, then for each channel 1 where
            it was observed and 0 where not, then log1p(age / tau), where the age is the time since the channel
            was last observed, or since the series began: near 0 it is the age itself, and a gap of a thousand tau is
            a number of 7. After Che et al. (2018), "Recurrent neural networks for multivariate time series with
            missing values", without their learned decay.
        elapsed: what the time since the sample before is. "step": how long the sample acts. "input": a last input,
            log1p(elapsed / tau), while every sample acts for dt. "both": that input, and how long it acts.
        events: how many kinds of events the model knows.
        dt: seconds that the first sample acts for, and the step of the uniform grid.
        tau: seconds, the unit of elapsed time.
        begins: "before-first", or "at-first" where the first sample acts for no time.
    """

    scaling: Scaling | None
    channels: int = eqx.field(static=True)
    missing: str = eqx.field(static=True)
    elapsed: str = eqx.field(static=True)
    events: int = eqx.field(static=True)
    dt: float = eqx.field(static=True)
    tau: float = eqx.field(static=True)
    begins: str = eqx.field(static=True)

    def __init__(
        self,
        channels: int,
        missing: str = "refuse",
        *,
        dt: float,
        tau: float,
        elapsed: str = "step",
        events: int = 0,
        begins: str = "before-first",
        scaling: Scaling | None = None,
    ) -> None:
        look_up("way with what is missing", missing, MISSING)
        look_up("way with elapsed time", elapsed, dict.fromkeys(ELAPSED))
        look_up("begins", begins, dict.fromkeys(BEGINS))
        for name, seconds in (("dt", dt), ("tau", tau)):
            if isinstance(seconds, bool) or not isinstance(seconds, Real) or not 0 < seconds < float("inf"):
                must_have(f"{name} a positive number of seconds", repr(seconds))
        if scaling is not None and scaling.shift.shape != (channels,):
            must_have(f"a scaling of {channels} channels", f"one of {scaling.shift.shape}")
        self.channels, self.missing, self.elapsed, self.events = channels, missing, elapsed, events
        self.dt, self.tau = float(dt), float(tau)
        self.begins, self.scaling = begins, scaling

    @property
    def width(self) -> int:
        """How many inputs the field sees."""
        return self.channels * MISSING[self.missing] + (self.elapsed != "step")

    def fit_scaling(self, series: Series) -> "Encoding":
        """This encoding with each channel scaled to mean 0 and variance 1 over what was seen of it in the series.

        A channel that is constant is only shifted; one that was never seen stays as it is.
        """
        self._check(series)
        return dataclasses.replace(self, scaling=Scaling.fit(series.values, series.seen))

    def encode(self, series: Series) -> Encoded:
        """A series for compiled code, computed in float64 and cast last.

        Raises:
            InvalidInput: the channels differ; a value is missing and is to be refused; a value does not fit float32
                once scaled; two samples are so close, or so far apart, that float32 in units of tau cannot tell.
        """
        self._check(series)
        elapsed = series.elapsed(self.dt)
        parts = [self._held(series)]
        if self.missing == "hold-with-observed":
            parts += [series.seen, np.where(series.valid[..., None], np.log1p(self._ages(series, elapsed)), 0.0)]
        if self.elapsed != "step":
            parts.append(np.broadcast_to(np.log1p(elapsed / self.tau)[..., None], (*series.shape[:2], 1)))
        if self.elapsed == "input":
            elapsed = np.where(elapsed > 0, self.dt, 0.0)
        inputs = np.concatenate([part.astype(np.float32) for part in parts], axis=-1)
        if series.events is None:
            return Encoded(inputs, self._from_the_start(self._in_tau(elapsed, series.valid)))
        return self._cut(series, inputs)

    def encode_array(self, values: ArrayLike) -> Encoded:
        """What `encode` gives for an array (trials, time, channels) on the uniform grid with nothing missing.

        It can be traced and differentiated; the values are not looked at, and stay in the precision that they came in.

        Raises:
            InvalidInput: another number of axes or channels.
        """
        values = values if isinstance(values, np.ndarray) else jnp.asarray(values)
        if values.ndim != 3 or values.shape[-1] != self.channels:
            must_have(f"inputs of shape (trials, time, {self.channels})", f"shape {values.shape}")
        elapsed = np.full((1, values.shape[1]), np.float32(self.dt / self.tau))
        return Encoded(self._seen_now(values), self._from_the_start(elapsed))

    def encode_sample(
        self, values: Array, seen: Array, elapsed: Array, memory: tuple[Array, Array]
    ) -> tuple[Float[Array, "batch width"], tuple[Array, Array]]:
        """One sample (batch, channels) after an elapsed time (batch,) in units of tau, as `encode` would have it.

        Args:
            values, seen: the sample, as `scaled` makes it, and where it is not missing.
            memory: each channel's last value as the field sees it and its age in units of tau, (batch, channels) each;
                zeros at first.

        Returns:
            What the field sees, and the memory after it.
        """
        last, age = memory
        held = jnp.where(seen, values, last)
        age = jnp.where(seen, 0, age + elapsed[:, None])
        inputs = held
        if self.missing == "hold-with-observed":
            inputs = jnp.concatenate([held, seen.astype(held.dtype), jnp.log1p(age)], axis=-1)
        if self.elapsed != "step":
            inputs = jnp.concatenate([inputs, jnp.log1p(elapsed)[:, None]], axis=-1)
        return inputs, (held, age)

    def step(self, elapsed: Any) -> Any:
        """How long a sample acts, in units of tau, that came so long after the one before, in these units too."""
        return 0 * elapsed + self.dt / self.tau if self.elapsed == "input" else elapsed

    def longest_step(self, series: Series) -> float:
        """The longest time that a sample of a series acts for, in units of tau; events in between are not looked at."""
        return float(np.max(self.step(series.elapsed(self.dt) / self.tau)))

    def scaled(self, values: Any) -> Any:
        """Values (..., channels) in the scale of the field."""
        return values if self.scaling is None else self.scaling.scaled(values)

    def hold_still(self, values: ArrayLike, elapsed: float | None = None) -> Float[Array, "*batch width"]:
        """Inputs (..., channels) that are held still, as the field sees them: observed, and seen just now.

        Args:
            elapsed: seconds since the sample before; by default dt.

        Raises:
            InvalidInput: another number of channels.
        """
        values = values if isinstance(values, np.ndarray) else jnp.asarray(values)
        if values.shape[-1:] != (self.channels,):
            must_have(f"an input to hold of {self.channels} channels", f"shape {values.shape}")
        return self._seen_now(values, elapsed)

    def _check(self, series: Series) -> None:
        if series.channels != self.channels:
            must_have(f"series of {self.channels} channels, as the model has", f"{series.channels}")
        if self.missing == "refuse" and series.observed is not None:
            absent = series.valid[..., None] & ~series.observed
            if absent.any():
                trial, sample, channel = np.argwhere(absent)[0]
                must_have(
                    "inputs that are all there",
                    f"a missing one in {place(trial, sample, channel)}",
                    "Fill it in, choose a way with what is missing (hold or hold-with-observed), or, where series end "
                    "in NaN because they are shorter, give lengths=.",
                )

    def _cut(self, series: Series, inputs: np.ndarray) -> Encoded:
        """Intervals that end at samples and at events alike; the input on a part is that on the whole."""
        events = series.events
        if series.clock is None or events is None or events.kinds != self.events:
            must_have(f"series with {self.events} kinds of events, as the model has", events and events.kinds)
        ends = np.broadcast_to(series.clock.since, series.shape[:2])
        merged, sizes = [], []
        for trial, length in enumerate(series.valid.sum(axis=1)):
            mine = events.series == trial
            if mine.any() and events.seconds[mine].min() <= -self.dt:
                must_have(f"events less than dt = {self.dt:g} s before the first sample", f"one in series {trial}")
            times = np.union1d(ends[trial, :length], events.seconds[mine])
            amounts = np.zeros((len(times), events.kinds), np.float32)
            np.add.at(amounts, (np.searchsorted(times, events.seconds[mine]), events.kind[mine]), events.size[mine])
            merged.append(times)
            sizes.append(amounts)
        longest = max(map(len, merged))
        trials, time, width = inputs.shape
        values = np.zeros((trials, longest, width), np.float32)
        elapsed, impulses = np.zeros((trials, longest)), np.zeros((trials, longest, events.kinds), np.float32)
        samples = np.empty((trials, time), np.int32)
        for trial, (length, times, amounts) in enumerate(zip(series.valid.sum(axis=1), merged, sizes, strict=True)):
            own = ends[trial, :length]
            values[trial, : len(times)] = inputs[trial, np.searchsorted(own, times)]
            elapsed[trial, : len(times)] = np.diff(times, prepend=-self.dt)
            impulses[trial, : len(times)] = amounts
            samples[trial] = len(times) - 1
            samples[trial, :length] = np.searchsorted(times, own)
        return Encoded(values, self._in_tau(elapsed, elapsed > 0), impulses, samples)

    def _held(self, series: Series) -> np.ndarray:
        """Values where they were seen, else the last ones that were, scaled; 0 before the first and at padding."""
        values, seen = series.values, series.seen
        if self.scaling is not None:
            values = np.where(seen, self.scaling.scaled(values), 0.0)
            with np.errstate(over="ignore"):
                fitting = np.isfinite(values.astype(np.float32))
            if not fitting.all():
                trial, sample, channel = np.argwhere(~fitting)[0]
                must_have(
                    "values that float32 can hold once scaled",
                    f"{values[trial, sample, channel]:g} in {place(trial, sample, channel)}",
                )
        if series.observed is None:
            return values
        held = np.take_along_axis(values, np.maximum(last_seen(seen), 0), axis=1)  # what was not seen is 0
        return np.where(series.valid[..., None], held, 0.0)

    def _ages(self, series: Series, elapsed: np.ndarray) -> np.ndarray:
        """Time since each channel was last seen, or since the series began, in units of tau."""
        now = np.broadcast_to((np.cumsum(elapsed, axis=1) / self.tau)[..., None], series.shape)
        last = last_seen(series.seen)
        return now - np.where(last >= 0, np.take_along_axis(now, np.maximum(last, 0), axis=1), 0.0)

    def _in_tau(self, elapsed: np.ndarray, there: np.ndarray) -> np.ndarray:
        """Seconds in units of tau, as float32; only what is no padding is looked at."""
        limits = np.finfo(np.float32)
        with np.errstate(over="ignore"):
            exact = elapsed / self.tau
        wrong = there[: len(elapsed)] & ~((exact >= limits.tiny) & (exact <= limits.max))
        if wrong.any():
            trial, sample = np.argwhere(wrong)[0]
            seconds, rounded = elapsed[trial, sample], "zero" if exact[trial, sample] < 1 else "infinity"
            must_have(
                f"elapsed times that float32 can hold in units of tau = {self.tau:g} s",
                f"{seconds:g} s, an elapsed that rounds to {rounded}, in {place(trial, sample)}",
            )
        return exact.astype(np.float32)

    def _from_the_start(self, elapsed: np.ndarray) -> np.ndarray:
        """Elapsed times (trials or 1, time) of which the first is none where the state starts at the first sample."""
        if self.begins == "at-first":
            elapsed[:, 0] = 0.0
        return elapsed

    def _seen_now(self, values: Array | np.ndarray, elapsed: float | None = None) -> Array:
        """Values (..., channels) that were all just seen, after so many seconds, by default dt."""
        values = jnp.asarray(self.scaled(values))
        inputs = values.astype(jnp.promote_types(values.dtype, jnp.float32))
        parts = [inputs]
        if self.missing == "hold-with-observed":
            parts += [jnp.ones_like(inputs), jnp.zeros_like(inputs)]
        if self.elapsed != "step":
            since = np.log1p((self.dt if elapsed is None else elapsed) / self.tau)
            parts.append(jnp.full((*inputs.shape[:-1], 1), since, inputs.dtype))
        return jnp.concatenate(parts, axis=-1)


def last_seen(seen: np.ndarray) -> np.ndarray:
    """The number of the last sample at which each channel was seen, up to each sample; -1 before the first."""
    samples = np.arange(seen.shape[1])[:, None]
    return np.maximum.accumulate(np.where(seen, samples, -1), axis=1)
