"""A model as an artefact of jax.export: compiled code that JAX runs where gnode is not."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from gnode.errors import must_have
from gnode.integrate import Map
from gnode.models.description import refuse_what_stays
from gnode.models.encoding import Encoding
from gnode.models.model import Model, Samples, in_units, read, run
from gnode.modes import usual_modes

PLATFORMS = ("cpu", "cuda", "tpu")


def jax_artefact(model: Model) -> bytes:
    """The model as serialised code (jax.export, StableHLO), for any number of trials and samples, with one derivative.

    `jax.export.deserialize(bytes).call(inputs, elapsed)` answers as the model does. All arrays are float32: inputs
    (trials, time, D), NaN where missing; elapsed (trials, time), seconds since the sample before, dt at the first and
    0 at padding; and, only where the initial state is a net of them, first targets (trials, outputs).

    Raises:
        InvalidInput: a model by a solver, with events, or several stacked; flatbuffers, with which JAX writes such
            files, is not there.
    """
    refuse_what_stays(model)
    try:
        import flatbuffers  # noqa: F401
    except ImportError:
        must_have("flatbuffers to write for JAX", "a Python without", "Install it: pip install 'gnode[export]'.")
    # By autodiff: the adjoint is cut into chunks whose size depends on the number of trials, which is not known here.
    plain = dataclasses.replace(model, integrator=Map(model.config.integrator, gradient="autodiff"))
    trials, time = jax.export.symbolic_shape("trials, time")
    shapes = [(trials, time, model.config.input_size), (trials, time)]
    shapes += [(trials, model.config.output_size)] if model.is_told else []
    given = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]

    def network(values: Array, seconds: Array, told: Array | None = None) -> Array:
        samples = _samples(plain, values, seconds, told)
        return in_units(plain, read(plain, run(plain, samples), samples))

    with usual_modes():
        return bytes(jax.export.export(jax.jit(network), platforms=PLATFORMS)(*given).serialize(vjp_order=1))


def _samples(model: Model, values: Array, seconds: Array, told: Array | None) -> Samples:
    """What the encoding makes of a series, in compiled code: sample by sample, as it does online."""
    encoding: Encoding = model.encoding
    there, lengths, seen = seconds > 0, seconds / encoding.tau, ~jnp.isnan(values)
    nothing = jnp.zeros_like(values[:, 0])
    scaled = jnp.where(seen, encoding.scaled(values), 0)

    def encode(memory: tuple[Array, Array], sample: tuple[Array, Array, Array]) -> tuple[Any, Array]:
        inputs, memory = encoding.encode_sample(*sample, memory)
        return memory, inputs

    over_time: Any = tuple(jnp.swapaxes(array, 0, 1) for array in (scaled, seen, lengths))
    _, inputs = jax.lax.scan(encode, (nothing, nothing), over_time)
    inputs = jnp.where(there[..., None], jnp.swapaxes(inputs, 0, 1), 0)
    acts = jnp.where(there, encoding.step(lengths), 0)
    if encoding.begins == "at-first":
        acts = acts.at[:, 0].set(0)
    if told is not None and model.output_scaling is not None:
        told = model.output_scaling.scaled(told)
    return Samples(inputs, acts, told)
