"""Random models: from a configuration and a seed; at the edge of stability; and what a wide one would do."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from gnode.arguments import integer
from gnode.errors import must_have
from gnode.fields import FIELDS, Field
from gnode.models.config import ModelConfig
from gnode.models.encoding import Encoding
from gnode.models.initial import INITIAL_STATES, Sizes
from gnode.models.model import Model, checked_model
from gnode.models.readout import Readout, first_units
from gnode.modes import usual_modes
from gnode.nn.activations import ACTIVATIONS
from gnode.nn.critical import critical_scale, mean_field_gain
from gnode.nn.dense import draw_dense
from gnode.nn.feedforward import draw_perceptron

_BLUR = 0.01  # how far a bit of a seed may be from 0 and 1, after averages over models that share it


@usual_modes()
def draw(config: ModelConfig, seed: int = 0) -> Model:
    """The random model that a config and a seed determine.

    Raises:
        InvalidInput: the seed is no integer from 0 to 2**64 - 1.
    """
    seed = integer("seed", seed, 0)
    if seed >= 2**64:
        must_have("a seed below 2**64", seed)
    generator = np.random.default_rng(np.random.SeedSequence(seed))
    encoding = Encoding(
        config.input_size,
        config.missing,
        dt=config.dt,
        tau=config.tau,
        elapsed=config.elapsed,
        events=config.events,
        begins=config.begins,
    )
    field = FIELDS[config.model].draw(generator, config.field_options(encoding.width))
    sizes = Sizes(encoding.width, config.state_size, config.output_size, config.initial_hidden, config.activation)
    initial = INITIAL_STATES[config.initial_state].draw(generator, sizes)
    net = draw_perceptron(
        generator, config.state_size, config.output_size, config.readout_hidden, activation=config.activation
    )
    impulse = draw_dense(generator, config.events, config.state_size, bias=False) if config.events else None
    bits = jnp.asarray(np.unpackbits(np.array([seed], ">u8").view(np.uint8)))
    readout = (
        first_units(config.state_size, config.output_size)
        if config.initial_state == "observed"
        else Readout(net.layers, net.activation)
    )
    model = Model(encoding, initial, field, readout, impulse, config.make_integrator(), bits, config)
    if config.critical:
        told = np.zeros((1, config.output_size)) if model.is_told else None
        model = make_critical(model, np.zeros((1, 1, config.input_size)), told)
    if config.initial_gain == 1.0:
        return model
    return eqx.tree_at(lambda tree: tree.field, model, _scaled(model.field, config.initial_gain))


def model_table(model: Model) -> dict[str, Any]:
    """What a model was made from, as plain data: `make(**table)` gives its random weights again."""
    return tabulate(checked_model(model).config, seed_of(model))


def tabulate(config: ModelConfig, seed: int) -> dict[str, Any]:
    """A configuration and a seed as the table [model] of a config.toml."""
    return {**{key: value for key, value in config.as_dict().items() if value is not None}, "seed": seed}


def seed_of(model: Model) -> int:
    """The seed that the model was drawn with.

    Raises:
        InvalidInput: several models, stacked; or a mean over models of different seeds.
    """
    bits = np.asarray(checked_model(model).seed)
    if bits.shape != (64,):
        must_have("one model", f"several stacked, {bits.shape[:-1]}", "Take one: jax.tree.map(lambda a: a[0], models).")
    whole = np.round(bits)
    if not (np.isin(whole, (0, 1)) & (np.abs(bits - whole) < _BLUR)).all():
        must_have(
            "a model of one seed",
            "a mean over models of different seeds",
            "Name one of them: dataclasses.replace(mean, seed=one.seed).",
        )
    return int.from_bytes(np.packbits(whole.astype(np.uint8)).tobytes(), "big")


@usual_modes()
def make_critical(model: Model, inputs: ArrayLike, first_targets: ArrayLike | None = None) -> Model:
    """The model with F scaled so that, at the mean input and mean initial state, its slowest mode is at the edge.

    Only the weights that carry the state through F are scaled; input weights, biases and gates stay.

    Args:
        inputs: (trials, time, D), whose mean is the operating point.
        first_targets: (trials, outputs), where the initial state is a net of the first target.

    Raises:
        CannotScale: no scale brings the spectral abscissa of -h + F to zero.
    """
    samples, _ = checked_model(model).samples_of(inputs, first_targets)
    state = model.initial(samples.inputs[:, 0], samples.told).mean(axis=0)
    held = samples.inputs.mean(axis=(0, 1))
    jacobian = jax.jit(jax.jacfwd(lambda state, field: field.candidate(state, held)))

    def slopes(scale: float) -> np.ndarray:
        return np.asarray(jacobian(state, _scaled(model.field, scale)), dtype=float)

    scale = critical_scale(slopes, tolerance=1e-4)
    return eqx.tree_at(lambda tree: tree.field, model, _scaled(model.field, scale))


def _scaled(field: Field, scale: float) -> Field:
    """The field whose F has weights that carry the state multiplied, each layer's alike, by so much in all."""
    layers = 1 + len(field.drive.later)
    factor = jnp.float32(scale ** (1 / layers))

    def weights(field: Field) -> list:
        return [field.drive.from_state.weight, *(field.drive.later[at].weight for at in range(layers - 1))]

    return eqx.tree_at(weights, field, replace_fn=lambda weight: weight * factor)


@usual_modes()
def wide_network_gain(model: Model, state_variance: float = 1.0) -> float:
    """The spectral radius that mean-field theory gives F's Jacobian, from how strong the weights of each layer are.

    Beside critical initialisation it says how far a narrow draw is from what a wide one would do: above 1 the slowest
    mode of -h + F would grow. See gnode.nn.critical.mean_field_gain; layer normalisation is not in that theory.

    Args:
        model: whose F it is.
        state_variance: mean square of the state's entries.

    Raises:
        InvalidInput: F is normalised.
    """
    drive = checked_model(model).field.drive
    if drive.norms:
        must_have("a field without layer normalisation for the mean-field gain", "one with it")
    weights = [np.asarray(layer.weight, float) for layer in (drive.from_state, *drive.later)]
    scales = [float(np.sqrt(np.mean(weight**2) * weight.shape[1])) for weight in weights]
    activation = ACTIVATIONS[drive.activation]
    slope = jax.vmap(jax.grad(activation))
    return mean_field_gain(
        scales,
        lambda values: np.asarray(slope(jnp.asarray(values))),
        lambda values: np.asarray(activation(jnp.asarray(values))),
        state_variance=state_variance,
    )
