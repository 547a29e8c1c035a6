"""A model: the encoding of a series, an initial state, a field, an integrator and a readout."""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, PyTree

from gnode.arguments import positive
from gnode.cards import Card, as_html, as_text
from gnode.errors import Diverged, must_have
from gnode.fields import Field, GatedField
from gnode.integrate import Integrator, Path, explain
from gnode.models.config import ModelConfig
from gnode.models.description import taken_apart
from gnode.models.encoding import Encoded, Encoding
from gnode.models.entrance import entrance
from gnode.models.equations import Description, Network
from gnode.models.initial import INITIAL_STATES, FixedState, InitialState, Observed
from gnode.models.numbers import as_numbers, check_finite, is_traced
from gnode.models.online import Online, check_solved, checked_elapsed, checked_sample, window_of
from gnode.models.places import places
from gnode.models.reading import READINGS
from gnode.models.readout import Readout
from gnode.models.scaling import Scaling
from gnode.models.torch_module import torch_network
from gnode.modes import usual_modes
from gnode.nn.dense import Dense, affine
from gnode.series import Series
from gnode.series.arrays import as_array, as_floats, described


class Samples(NamedTuple):
    """Trials as compiled code reads them.

    Attributes:
        inputs: (trials, time, width), as the encoding makes them.
        elapsed: (trials or 1, time), in units of tau; 0 at padding.
        told: (trials, outputs), the first targets, where the initial state is a net of them; else None.
        impulses, samples: of series with events (gnode.models.encoding.Encoded); else None.
    """

    inputs: Array
    elapsed: Array
    told: Array | None = None
    impulses: Array | None = None
    samples: Array | None = None


class Model(eqx.Module):
    """Inputs in, outputs out, and the states between.

    `model(inputs)` maps (trials, time, D) to (trials, time, outputs): the output at a sample is read from the state
    after that sample's input has acted. Make one with `gnode.models.make`.

    Attributes:
        encoding, initial, field, integrator, readout: the parts, in the order in which a series passes them.
        impulse: by what an event of each kind moves the state; None without events.
        seed: of the random weights, as 64 bits.
        config: what the model is made from, as plain data (ModelConfig).
    """

    encoding: Encoding
    initial: InitialState
    field: Field
    readout: Readout
    impulse: Dense | None  # by what an event of each kind moves the state
    integrator: Integrator
    seed: Array  # of the random weights, as 64 bits: no static field, or two seeds could not be stacked; bits, so that
    # an average over models of one seed, which makes floats of integers, still has that seed
    config: ModelConfig = eqx.field(static=True)

    @entrance
    def __call__(
        self,
        inputs: Any,
        first_targets: ArrayLike | None = None,
        *,
        times: Any = None,
        mask: ArrayLike | None = None,
        at: Any = None,
    ) -> Array:
        """Outputs (trials, time, outputs); (trials, outputs) where the model reads the last sample or the mean.

        Args:
            inputs: (trials, time, D), or a gnode.Series, or whatever gnode.Series.of takes.
            first_targets: (trials, outputs), only for a model whose initial state is a net of the first target.
            times: of the samples, as gnode.Series.of takes them; None for the uniform grid.
            mask: (trials, time) or (trials, time, D), False where a value is missing.
            at: times (K,) or (trials, K) at which outputs are wanted, (trials, K, outputs), in seconds and on the clock
                of the series; the uniform grid's first sample is at dt. A flow is solved to that time, a map takes a
                part of its step.

        Raises:
            InvalidInput: inputs that do not fit, or a time outside of the series.
            Diverged: a flow could not be solved.
        """
        if at is not None and self.config.elapsed != "step":
            must_have("elapsed time as step alone to answer at other times", f"elapsed = {self.config.elapsed!r}")
        if at is not None and self.config.begins != "before-first":
            must_have("a state that begins before the first sample to answer at other times", self.config.begins)
        samples, series = self.samples_of(inputs, first_targets, times, mask)
        path, outputs = _answer(self, samples)
        self._check_solved(path, samples)
        if at is None:
            return outputs
        if samples.impulses is not None:
            must_have("series without events to answer at other times", "one with events")
        if series is None:
            series = Series.of(np.asarray(inputs))
        sample, fraction = places(series, self.config.dt, at)
        states, outputs = _outputs_between(self, samples, path, jnp.asarray(sample), jnp.asarray(fraction))
        check_solved(states)
        return outputs

    @entrance
    def states(
        self,
        inputs: Any,
        first_targets: ArrayLike | None = None,
        *,
        times: Any = None,
        mask: ArrayLike | None = None,
    ) -> Float[Array, "trials time N"]:
        """The state at each sample, (trials, time, N). Arguments as for a call."""
        samples, _ = self.samples_of(inputs, first_targets, times, mask)
        path = _path(self, samples)
        self._check_solved(path, samples)
        return path.states

    @entrance
    def path(
        self,
        inputs: Any,
        first_targets: ArrayLike | None = None,
        *,
        times: Any = None,
        mask: ArrayLike | None = None,
    ) -> Path:
        """The states, and which of the trials could not be solved, where `states` raises. Arguments as for a call."""
        return _path(self, self.samples_of(inputs, first_targets, times, mask)[0])

    @entrance
    def begin(self, first_input: Any, first_target: Any = None) -> Online:
        """Where the model stands before the first sample, to be fed sample by sample; where it begins at the first one
        (`begins`), there, to be fed from the second on.

        Args:
            first_input: (D,) or (batch, D). The initial state may be a net of it; it acts only when it is given to
                `advance` too. NaN is missing.
            first_target: (outputs,) or (batch, outputs), where the initial state is a net of it.

        Example:
            >>> here = model.begin(inputs[0])
            >>> for sample in inputs:
            ...     here, output = model.advance(here, sample, elapsed=0.01)
        """
        window, dtype, config = window_of(self.integrator), self._type(), self.config
        values, seen = checked_sample(first_input, self.encoding, None, dtype)
        told = first_target
        if told is not None:
            told = self._told(jnp.atleast_2d(as_numbers(told, "first_target")), len(values))
        elapsed = checked_elapsed(config.dt, config.tau, len(values), dtype)
        nothing = jnp.zeros_like(values), jnp.zeros_like(values)
        inputs, _ = self.encoding.encode_sample(values, seen, elapsed, nothing)
        return Online(
            self.initial(inputs, told),
            nothing,
            jnp.repeat(inputs[:, None], window, axis=1),
            jnp.repeat(elapsed[:, None], window, axis=1),
            np.ndim(first_input) == 1,
        )

    @entrance
    def advance(self, here: Online, sample: Any, elapsed: Any = None) -> tuple[Online, Array]:
        """Where the model stands after a sample, and its output there: what a call on the whole series gives.

        Args:
            here: from `begin` or `advance`.
            sample: (D,) or (batch, D), as at the beginning. NaN is missing.
            elapsed: seconds since the sample before, one number or (batch,); by default dt.

        Raises:
            InvalidInput: a sample or a time that does not fit; a model that answers with a mean over the series, or
                whose interpolation looks ahead.
            Diverged: the interval could not be solved.
        """
        if not isinstance(here, Online):
            must_have("where the model stands, from begin or advance", described(here))
        if self.config.reading == "mean":
            must_have("a model that reads each sample or the last for online use", "one that reads the mean")
        dtype, config, batch = self._type(), self.config, len(here.state)
        values, seen = checked_sample(sample, self.encoding, batch, dtype)
        seconds = config.dt if elapsed is None else elapsed
        there, outputs = _advance(self, here, values, seen, checked_elapsed(seconds, config.tau, batch, dtype))
        check_solved(there.state)
        return there, outputs

    def to_numpy(self) -> Network:
        """The model as a plain function of NumPy arrays, which needs neither gnode nor JAX (gnode.models.equations).

        Raises:
            InvalidInput: it moves by a solver of Diffrax, has events, or a field of another form.

        Example:
            >>> network = model.to_numpy()
            >>> outputs = network(inputs)
        """
        return Network(*self.taken_apart())

    def to_torch(self) -> Any:
        """The model as a torch.nn.Module of the same outputs, with its weights copied, which can be trained on.

        Raises:
            InvalidInput: as `to_numpy`; or PyTorch is not there.
        """
        return torch_network(*self.taken_apart())

    @usual_modes()
    def taken_apart(self) -> tuple[Description, dict[str, np.ndarray]]:
        """What the model is, as plain data, and its arrays by name: what `to_numpy` and `to_torch` are made of."""
        return taken_apart(self, trainable(self))

    def __repr__(self) -> str:
        return as_text(_card(self))

    def _repr_html_(self) -> str:
        return as_html(_card(self))

    @property
    def output_scaling(self) -> Scaling | None:
        """From the units of the targets to the scale of the net in the readout; None where they are the same."""
        if not self.config.residual:
            return self.readout.scaling
        of_inputs = self.encoding.scaling
        return None if of_inputs is None else of_inputs.first(self.config.output_size)

    @entrance
    def field_at(self, inputs: ArrayLike) -> "StillField":
        """The flow with the input held still: f(h) -> dh/dt in units of the state per second, h (..., N).

        Args:
            inputs: (input_size,), or one number for all.
        """
        return StillField(self, self._held(inputs))

    @entrance
    def map_at(self, inputs: ArrayLike, elapsed: float | None = None) -> "StillMap":
        """The model's own map with the input held still: m(h) -> the state after a time, h (..., N).

        Args:
            inputs: (input_size,), or one number for all.
            elapsed: seconds; by default dt. A flow is solved over them, a map takes one step.
        """
        plain = elapsed.item() if isinstance(elapsed, np.ndarray | jax.Array) and elapsed.ndim == 0 else elapsed
        seconds = self.config.dt if plain is None else positive("elapsed", plain)
        return StillMap(self, self._held(inputs, seconds), self.encoding.step(seconds / self.config.tau))

    def _held(self, inputs: ArrayLike, elapsed: float | None = None) -> Array:
        held: Any = inputs if is_traced(inputs) else as_floats(inputs, "an input to hold")
        held = held if held.ndim else jnp.full(self.config.input_size, held)
        if held.shape != (self.config.input_size,):
            must_have(f"an input to hold of shape ({self.config.input_size},)", f"shape {held.shape}")
        check_finite(held, "an input to hold that is finite")
        return self.encoding.hold_still(held, elapsed)

    def samples_of(
        self, inputs: Any, first_targets: ArrayLike | None = None, times: Any = None, mask: ArrayLike | None = None
    ) -> tuple[Samples, Series | None]:
        """Samples for compiled code; and the series, unless the inputs are a plain array on the uniform grid.

        Raises:
            InvalidInput: what does not fit the model.
        """
        if times is None and mask is None and _is_plain(inputs):
            array = inputs if isinstance(inputs, np.ndarray) else jnp.asarray(inputs)
            if array.ndim != 3 or array.shape[-1] != self.config.input_size or 0 in array.shape[:2]:
                must_have(
                    f"inputs of shape (trials, time, {self.config.input_size}), at least one trial and sample",
                    f"shape {array.shape}",
                )
            encoded, series = self.encoding.encode_array(array), None
        else:
            if isinstance(inputs, Series) and not (times is None and mask is None):
                must_have("neither times nor mask beside a Series, which has its own", "one of them")
            series = inputs if isinstance(inputs, Series) else Series.of(_masked(inputs, mask), times)
            if series.channels != self.config.input_size:
                must_have(f"series of {self.config.input_size} channels, as the model has", series.channels)
            encoded = self.encoding.encode(series)
        told = None if first_targets is None else self._told(first_targets, len(encoded.inputs))
        return as_samples(encoded, told, self._type()), series

    def _told(self, first_targets: ArrayLike, trials: int) -> Array:
        if not self.is_told:
            must_have(
                "no first targets for a model that never reads them",
                f"some beside initial_state {self.config.initial_state}",
                "They are read with initial_state first-target.",
            )
        told = as_numbers(first_targets, "first_targets").astype(self._type())
        expected = (trials, self.config.output_size)
        if told.shape != expected:
            must_have(f"first_targets of shape (trials, outputs) = {expected}", f"shape {told.shape}")
        check_finite(told, "finite first_targets")
        return told if self.output_scaling is None else self.output_scaling.scaled(told)

    @property
    def is_told(self) -> bool:
        """Whether the initial state is a net of the first targets, so that the model must be given them."""
        return INITIAL_STATES[self.config.initial_state].is_told

    def _type(self) -> np.dtype:
        return self.readout.layers[0].weight.dtype

    def _check_solved(self, path: Path, samples: Samples) -> None:
        if isinstance(path.failed, jax.core.Tracer) or not np.any(path.failed):
            return
        since_the_start = np.cumsum(np.asarray(samples.elapsed, float), axis=1) * self.config.tau
        raise Diverged(explain(path, since_the_start))


def _card(model: Model) -> Card:
    """A line; it asks for no more than the configuration and the number of numbers, so stacked or traced models do."""
    config = model.config
    arrays = jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))
    parts = [
        config.model,
        f"N = {config.state_size}",
        f"{config.input_size} inputs",
        f"{config.output_size} outputs",
        config.integrator,
        f"{sum(array.size for array in arrays):,} parameters",
    ]
    return Card(f"Model({', '.join(parts)})")


def checked_model(model: object) -> Model:
    """The model itself.

    Raises:
        InvalidInput: it is none.
    """
    if isinstance(model, Model):
        return model
    must_have("a model (gnode.models.make, gnode.load)", described(model))


@jax.tree_util.register_pytree_node_class  # so that those of models that are alike share what is compiled
class StillField:
    """The flow of a model whose input is held still. It knows that it is a flow, so analysis need not be told."""

    kind = "flow"

    def __init__(self, model: Model, held: Array) -> None:
        self._model, self._held = model, held

    @property
    def config(self) -> ModelConfig:
        return self._model.config

    def tree_flatten(self) -> tuple[tuple[Any, Any], None]:  # JAX also makes trees of something else
        return (self._model, self._held), None

    @classmethod
    def tree_unflatten(cls, _: None, parts: Any) -> "StillField":
        still = object.__new__(cls)
        still._model, still._held = parts
        return still

    @entrance
    def __call__(self, states: ArrayLike) -> Array:
        states = _checked_states(states, self.config.state_size)
        held = jnp.broadcast_to(self._held, (*states.shape[:-1], self._held.size))
        return self._model.field(states, held) / self.config.tau


@jax.tree_util.register_pytree_node_class
class StillMap:
    """The map of a model whose input is held still. It knows that it is a map, so analysis need not be told."""

    kind = "map"

    def __init__(self, model: Model, held: Array, step: float) -> None:
        self._model, self._held = model, held
        self._step = step  # in units of tau

    @property
    def config(self) -> ModelConfig:
        return self._model.config

    def tree_flatten(self) -> tuple[tuple[Any, Any], float]:
        return (self._model, self._held), self._step

    @classmethod
    def tree_unflatten(cls, step: float, parts: Any) -> "StillMap":
        still = object.__new__(cls)
        still._model, still._held = parts
        still._step = step
        return still

    @entrance
    def __call__(self, states: ArrayLike) -> Array:
        states = _checked_states(states, self.config.state_size)
        held = jnp.broadcast_to(self._held, (*states.shape[:-1], self._held.size))
        return _after(self._model.integrator, self._model.field, states, held, self._step)


def _checked_states(states: ArrayLike, size: int) -> Array:
    """States (..., N) on the device, in the precision that they came in."""
    array = states if isinstance(states, np.ndarray | jax.Array) else as_array(states, "states")
    if array.dtype.kind in "OSUMm" or array.shape[-1:] != (size,):
        must_have(f"states of numbers of shape (..., {size})", f"{array.dtype} {array.shape}")
    return jnp.asarray(array)


def as_samples(encoded: Encoded, told: ArrayLike | None, dtype: Any = jnp.float32) -> Samples:
    """What the encoding made of a series, on the device."""
    inputs, elapsed = jnp.asarray(encoded.inputs, dtype), jnp.asarray(encoded.elapsed, dtype)
    told = None if told is None else jnp.asarray(told, dtype)
    if encoded.impulses is None or encoded.samples is None:
        return Samples(inputs, elapsed, told)
    return Samples(inputs, elapsed, told, jnp.asarray(encoded.impulses, dtype), jnp.asarray(encoded.samples))


def run(model: Model, samples: Samples) -> Path:
    """The way of the state, at the samples: what training differentiates."""
    start = model.initial(samples.inputs[:, 0], samples.told)
    if samples.impulses is None or samples.samples is None or model.impulse is None:
        return model.integrator(model.field, start, samples.inputs, samples.elapsed)
    jumps = affine(model.impulse, samples.impulses)
    path = model.integrator(model.field, start, samples.inputs, samples.elapsed, jumps)
    states = jnp.take_along_axis(path.states, samples.samples[..., None], axis=1)
    until = jnp.sum(samples.samples < path.until[:, None], axis=1)
    return Path(states, path.failed, until)


def read(model: Model, path: Path, samples: Samples) -> Array:
    """What the model answers with, in the scale of the readout, on which losses are computed."""
    there, inputs = samples.elapsed > 0, samples.inputs
    if samples.samples is not None:  # padding repeats the last sample's place
        there = jnp.diff(samples.samples, axis=1, prepend=-1) > 0
        inputs = jnp.take_along_axis(inputs, samples.samples[..., None], axis=1)
    return READINGS[model.config.reading](said(model, path.states, inputs), there)


def said(model: Model, states: Array, inputs: Array) -> Array:
    """Outputs at states and inputs as the field sees them, in the scale of the readout."""
    said = model.readout.net(states)
    return said + inputs[..., : said.shape[-1]] if model.config.residual else said


def in_units(model: Model, outputs: Array) -> Array:
    """Answers in the user's units."""
    return outputs if model.output_scaling is None else model.output_scaling.unscaled(outputs)


@eqx.filter_jit
def _path(model: Model, samples: Samples) -> Path:
    return run(model, samples)


@eqx.filter_jit
def _answer(model: Model, samples: Samples) -> tuple[Path, Array]:
    path = run(model, samples)
    return path, in_units(model, read(model, path, samples))


@eqx.filter_jit
def _after(integrator: Integrator, field: Field, states: Array, held: Array, elapsed: float | Array) -> Array:
    return integrator.step(field, states, held, elapsed)


@eqx.filter_jit
def _advance(model: Model, here: Online, values: Any, seen: Any, elapsed: Any) -> tuple[Online, Array]:
    sample, memory = model.encoding.encode_sample(values, seen, elapsed, here.memory)
    inputs = jnp.concatenate([here.inputs[:, 1:], sample[:, None]], axis=1)
    lengths = jnp.concatenate([here.elapsed[:, 1:], model.encoding.step(elapsed)[:, None]], axis=1)
    batch, window = lengths.shape
    before = jnp.repeat(here.state[:, None], window, axis=1)
    latest, whole = jnp.full((batch, 1), window - 1), jnp.ones((batch, 1), lengths.dtype)
    states = model.integrator.between(model.field, here.state, inputs, lengths, before, latest, whole)[:, 0]
    outputs = in_units(model, said(model, states, sample))
    return Online(states, memory, inputs, lengths, here.single), outputs[0] if here.single else outputs


@eqx.filter_jit
def _outputs_between(model: Model, samples: Samples, path: Path, sample: Array, fraction: Array) -> tuple:
    start = model.initial(samples.inputs[:, 0], samples.told)
    states = model.integrator.between(
        model.field, start, samples.inputs, samples.elapsed, path.states, sample, fraction
    )
    inputs = samples.inputs[jnp.arange(len(sample))[:, None], sample]
    return states, in_units(model, said(model, states, inputs))


def _is_plain(inputs: Any) -> bool:
    """Whether inputs can be used as they are: an array of real numbers that float32 can hold, none of them missing."""
    if isinstance(inputs, jax.core.Tracer):
        return True
    if not isinstance(inputs, (np.ndarray, jax.Array)) or isinstance(inputs, np.ma.MaskedArray):
        return False
    with np.errstate(over="ignore"):
        known = inputs.dtype.kind in "iuf" and inputs.dtype.isnative and inputs.dtype.itemsize <= 8
        return known and bool(np.isfinite(np.asarray(inputs, np.float32)).all())


def _masked(inputs: Any, mask: ArrayLike | None) -> Any:
    """Inputs, with NaN where a mask says that a value is missing."""
    if mask is None:
        return inputs
    values, seen = as_floats(inputs, "inputs with a mask"), as_array(mask, "a mask")
    if seen.dtype != bool or seen.shape not in (values.shape, values.shape[:2]) or np.ma.isMaskedArray(seen):
        must_have(f"a mask of booleans of shape {values.shape[:2]} or {values.shape}", f"{seen.dtype} {seen.shape}")
    return np.where(seen if seen.ndim == values.ndim else seen[..., None], values, np.nan)


def with_scalings(model: Model, inputs: Scaling | None, outputs: Scaling | None) -> Model:
    """The model with scalings of its inputs and outputs."""
    return dataclasses.replace(
        model,
        encoding=dataclasses.replace(model.encoding, scaling=inputs),
        readout=dataclasses.replace(model.readout, scaling=outputs),
    )


def trainable(model: Model) -> PyTree:
    """True at every array that training may change: all but scalings, a fixed random initial state, a readout of units
    that are observed, and gates that are to stay as they were drawn."""
    free = jax.tree.map(eqx.is_inexact_array, model)

    def kept(tree: Model) -> tuple:
        return tree.encoding, tree.readout.scaling

    never = jax.tree.map(lambda _: False, kept(model))
    free = eqx.tree_at(kept, free, never, is_leaf=lambda part: part is None)
    free = eqx.tree_at(lambda tree: tree.seed, free, False)  # in a mean over models it is no integer
    if isinstance(model.field, GatedField) and not model.config.learn_gates:
        never = jax.tree.map(lambda _: False, free.field.gating)
        free = eqx.tree_at(lambda tree: tree.field.gating, free, never)
    if isinstance(model.initial, FixedState):
        return eqx.tree_at(lambda tree: tree.initial.value, free, False)
    if isinstance(model.initial, Observed):
        return eqx.tree_at(lambda tree: tree.readout.layers, free, jax.tree.map(lambda _: False, free.readout.layers))
    return free
