"""A model: an initial state, a field, an integrator and a readout."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, PyTree

from gnode.errors import must_have
from gnode.fields import FIELDS, Field
from gnode.integrate import EulerMap
from gnode.models.config import ModelConfig
from gnode.models.initial import INITIAL_STATES, FixedState, InitialState, Sizes
from gnode.nn.critical import critical_scale, mean_field_gain
from gnode.nn.feedforward import Perceptron, draw_perceptron


class Model(eqx.Module):
    """Inputs in, outputs out, and the states between.

    `model(inputs)` maps (trials, time, D) to (trials, time, outputs): the output at a bin is read from the state after
    that bin's input has acted. Make one with `gnode.models.make`.
    """

    initial: InitialState
    field: Field
    readout: Perceptron
    integrator: EulerMap
    config: ModelConfig = eqx.field(static=True)

    def __call__(
        self, inputs: ArrayLike, first_targets: ArrayLike | None = None
    ) -> Float[Array, "trials time outputs"]:
        """Outputs (trials, time, outputs) for inputs (trials, time, D).

        Args:
            first_targets: (trials, outputs), only for a model whose initial state is a net of the first target.
        """
        return _outputs(self, *self._checked(inputs, first_targets))

    def states(self, inputs: ArrayLike, first_targets: ArrayLike | None = None) -> Float[Array, "trials time N"]:
        """The state after each bin, (trials, time, N)."""
        return _states(self, *self._checked(inputs, first_targets))

    def field_at(self, inputs: ArrayLike) -> Callable[[ArrayLike], Array]:
        """The flow with the input held still: f(h) -> dh/dt in units of the state per second, h (..., N)."""
        held = self._held(inputs)

        def flow(states: ArrayLike) -> Array:
            states = jnp.asarray(states)
            return self.field(states, jnp.broadcast_to(held, (*states.shape[:-1], held.size))) / self.integrator.tau

        return flow

    def map_at(self, inputs: ArrayLike) -> Callable[[ArrayLike], Array]:
        """One Euler step with the input held still: m(h) -> the state one bin later, h (..., N)."""
        held = self._held(inputs)

        def step(states: ArrayLike) -> Array:
            states = jnp.asarray(states)
            return self.integrator.step(self.field, states, jnp.broadcast_to(held, (*states.shape[:-1], held.size)))

        return step

    def _held(self, inputs: ArrayLike) -> Array:
        held = jnp.asarray(inputs)
        if held.shape != (self.config.input_size,):
            must_have(f"an input to hold of shape ({self.config.input_size},)", f"shape {held.shape}")
        return held

    def _checked(self, inputs: ArrayLike, first_targets: ArrayLike | None) -> tuple[Array, Array | None]:
        inputs = jnp.asarray(inputs)
        if inputs.ndim != 3 or inputs.shape[-1] != self.config.input_size:
            must_have(f"inputs of shape (trials, time, {self.config.input_size})", f"shape {inputs.shape}")
        return inputs, None if first_targets is None else jnp.asarray(first_targets)


def run(model: Model, inputs: Float[Array, "trials time D"], first_targets: Array | None) -> Array:
    """States after each bin, (time, trials, N): what training differentiates."""
    start = model.initial(inputs[:, 0], first_targets)
    return model.integrator(model.field, start, jnp.swapaxes(inputs, 0, 1))


@eqx.filter_jit
def _states(model: Model, inputs: Array, first_targets: Array | None) -> Array:
    return jnp.swapaxes(run(model, inputs, first_targets), 0, 1)


@eqx.filter_jit
def _outputs(model: Model, inputs: Array, first_targets: Array | None) -> Array:
    return jnp.swapaxes(model.readout(run(model, inputs, first_targets)), 0, 1)


def trainable(model: Model) -> PyTree:
    """True at every array that training may change: all but a fixed random initial state."""
    free = jax.tree.map(eqx.is_inexact_array, model)
    if isinstance(model.initial, FixedState):
        return eqx.tree_at(lambda tree: tree.initial.value, free, False)
    return free


def draw(config: ModelConfig) -> Model:
    """The random model that a configuration determines."""
    generator = np.random.default_rng(np.random.SeedSequence(config.seed))
    field = FIELDS[config.model].draw(generator, config.field_options())
    sizes = Sizes(config.input_size, config.state_size, config.output_size, config.initial_hidden, config.activation)
    initial = INITIAL_STATES[config.initial_state](generator, sizes)
    readout = draw_perceptron(
        generator, config.state_size, config.output_size, config.readout_hidden, activation=config.activation
    )
    model = Model(initial, field, readout, EulerMap(config.dt, config.tau, config.gradient), config)
    if not config.critical:
        return model
    return make_critical(model, np.zeros((1, 1, config.input_size)), np.zeros((1, config.output_size)))


def make_critical(model: Model, inputs: ArrayLike, first_targets: ArrayLike | None = None) -> Model:
    """The model with F scaled so that, at the mean input and mean initial state, its slowest mode is at the edge.

    Only the weights that carry the state through F are scaled; input weights, biases and gates stay.

    Args:
        inputs: (trials, time, D), whose mean is the operating point.
        first_targets: (trials, outputs), where the initial state is a net of the first target.

    Raises:
        CannotScale: no scale brings the spectral abscissa of -h + F to zero.
    """
    checked, first = model._checked(inputs, first_targets)
    state = model.initial(checked[:, 0], first).mean(axis=0)
    held = checked.mean(axis=(0, 1))
    jacobian = jax.jit(jax.jacfwd(lambda state, field: field.candidate(state, held)))
    layers = 1 + len(model.field.drive.later)

    def scaled(scale: float) -> Field:
        factor = scale ** (1 / layers)

        def weights(field: Field) -> list:
            return [field.drive.from_state.weight, *(field.drive.later[at].weight for at in range(layers - 1))]

        return eqx.tree_at(weights, model.field, replace_fn=lambda weight: weight * jnp.float32(factor))

    scale = critical_scale(lambda scale: np.asarray(jacobian(state, scaled(scale)), dtype=float), tolerance=1e-4)
    return eqx.tree_at(lambda tree: tree.field, model, scaled(scale))


def wide_network_gain(model: Model, state_variance: float = 1.0) -> float:
    """The spectral radius that mean-field theory gives F's Jacobian, from how strong the weights of each layer are.

    Beside critical initialisation it says how far a narrow draw is from what a wide one would do: above 1 the slowest
    mode of -h + F would grow. See gnode.nn.critical.mean_field_gain; layer normalisation is not in that theory.

    Args:
        state_variance: mean square of the state's entries.

    Raises:
        InvalidInput: F is normalised.
    """
    drive = model.field.drive
    if drive.norms:
        must_have("a field without layer normalisation for the mean-field gain", "one with it")
    weights = [np.asarray(layer.weight, float) for layer in (drive.from_state, *drive.later)]
    scales = [float(np.sqrt(np.mean(weight**2) * weight.shape[1])) for weight in weights]
    slope = jax.vmap(jax.grad(drive.activation))
    return mean_field_gain(
        scales,
        lambda values: np.asarray(slope(jnp.asarray(values))),
        lambda values: np.asarray(drive.activation(jnp.asarray(values))),
        state_variance=state_variance,
    )
