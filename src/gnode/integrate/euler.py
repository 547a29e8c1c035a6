"""The Euler map h <- h + alpha * field(h, x), alpha = dt / tau, and its reverse pass written by hand.

Why by hand: autodiff of the scan accumulates every weight gradient inside the loop, one small product a step. Here the
forward scan keeps what each dense layer returned; the reverse scan replays the field from these without any forward
product, carries only the cotangent of the state, and emits the cotangent of each dense layer's result. Weight gradients
are formed a chunk of steps at a time, each as one product over (steps x batch), while the chunk is still in the cache.
Parameters that are not dense layers (gains, layer norms) are few, and accumulate inside the loop as usual.

A field calls its layers in the same order at every step, so a call is known by its position in that order.
"""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PyTree

from gnode.fields import Field
from gnode.nn.dense import Dense

ROWS = 350  # of (time x batch) that go into one product for the weight gradients: what a core's cache can hold

States = Float[Array, "time batch N"]
Inputs = Float[Array, "time batch D"]
Scan = Callable[[Field, Float[Array, "batch N"], Inputs, float], States]


def scan_with_autodiff(field: Field, start: Float[Array, "batch N"], inputs: Inputs, alpha: float) -> States:
    """States after each step, (time, batch, N), differentiated by JAX: the truth that the adjoint is tested against."""

    def step(state: Array, held: Array) -> tuple[Array, Array]:
        state = state + alpha * field(state, held)
        return state, state

    return jax.lax.scan(step, start, inputs)[1]


def scan_with_adjoint(field: Field, start: Float[Array, "batch N"], inputs: Inputs, alpha: float) -> States:
    """The same states, differentiated by the adjoint of this module. Only reverse mode is defined."""
    parameters, rest = eqx.partition(field, eqx.is_inexact_array)

    @jax.custom_vjp
    def run(parameters: Field, start: Array, inputs: Array) -> Array:
        return scan_with_autodiff(eqx.combine(parameters, rest), start, inputs, alpha)

    def forward(parameters: Field, start: Array, inputs: Array) -> tuple[Array, tuple]:
        field = eqx.combine(parameters, rest)
        # Turned once, outside of the loop: at small batches a product with a transposed matrix takes thrice the time.
        turned = {id(layer): jax.lax.optimization_barrier(layer.weight.T) for layer in _dense_layers(field)}

        def step(state: Array, held: Array) -> tuple[Array, tuple]:
            results: list[Array] = []

            def record(layer: Dense, values: Array) -> Array:
                product = values @ turned[id(layer)]
                results.append(product if layer.bias is None else product + layer.bias)
                return results[-1]

            following = state + alpha * field(state, held, record)
            return following, (following, results)

        _, (states, results) = jax.lax.scan(step, start, inputs)
        return states, (parameters, start, inputs, states, results)

    def backward(kept: tuple, of_states: Array) -> tuple:
        parameters, start, inputs, states, results = kept
        before = jnp.concatenate([start[None], states[:-1]])
        weights, others = eqx.partition(parameters, _inside_dense(parameters))

        def move(others: Field, state: Array, held: Array, taps: list[Array], results: list[Array]) -> Array:
            field = eqx.combine(weights, others, rest)
            position = iter(zip(taps, results, strict=True))
            return alpha * field(state, held, lambda layer, values: _replayed(layer.weight, values, *next(position)))

        places: list[int] = []

        def step(carry: tuple, kept: tuple) -> tuple:
            of_state, of_others = carry
            of_output, state, held, results = kept
            of_state = of_state + of_output
            _, pull_back = jax.vjp(
                lambda others, state, taps: move(others, state, held, taps, results), others, state, _zeros(results)
            )
            more_of_others, through_field, of_results = pull_back(of_state)
            of_others = jax.tree.map(jnp.add, of_others, more_of_others)
            # Results that are added up have one cotangent in common: it leaves the loop once.
            distinct = {id(cotangent): cotangent for cotangent in of_results}
            places[:] = [list(distinct).index(id(cotangent)) for cotangent in of_results]
            return (of_state + through_field, of_others), (of_state, list(distinct.values()))

        def chunk(carry: tuple, kept: tuple) -> tuple:
            of_state, of_others, of_weights = carry
            (of_state, of_others), (of_moves, distinct) = jax.lax.scan(step, (of_state, of_others), kept, reverse=True)
            of_results = [distinct[place] for place in places]
            _, before, inputs, results = kept
            more_of_weights = _dense_gradients(eqx.combine(parameters, rest), before, inputs, results, of_results)
            return (of_state, of_others, jax.tree.map(jnp.add, of_weights, more_of_weights)), of_moves

        time, batch = inputs.shape[:2]
        split, join = _chunks(time, batch)
        (of_start, of_others, of_weights), of_moves = jax.lax.scan(
            chunk,
            (jnp.zeros_like(start), _zeros(others), _zeros(weights)),
            split((of_states, before, inputs, results)),
            reverse=True,
        )
        of_moves = join(of_moves)
        _, to_inputs = jax.vjp(lambda held: move(others, before, held, _zeros(results), results), inputs)
        return eqx.combine(of_weights, of_others), of_start, *to_inputs(of_moves)

    run.defvjp(forward, backward)
    return run(parameters, start, inputs)


SCANS: dict[str, Scan] = {"adjoint": scan_with_adjoint, "autodiff": scan_with_autodiff}


class EulerMap(eqx.Module):
    """The discrete integrator: one step a bin.

    Attributes:
        dt: length of a bin in seconds.
        tau: time constant in seconds; alpha = dt / tau.
        gradient: "adjoint" (by hand, faster) or "autodiff".
    """

    dt: float = eqx.field(static=True)
    tau: float = eqx.field(static=True)
    gradient: str = eqx.field(static=True, default="adjoint")

    @property
    def alpha(self) -> float:
        return self.dt / self.tau

    def __call__(self, field: Field, start: Float[Array, "batch N"], inputs: Inputs) -> States:
        """The state after each bin, (time, batch, N)."""
        return SCANS[self.gradient](field, start, inputs, self.alpha)

    def step(self, field: Field, state: Float[Array, "*batch N"], inputs: Float[Array, "*batch D"]) -> Array:
        """The state one bin later."""
        return state + self.alpha * field(state, inputs)


@jax.custom_vjp
def _replayed(weight: Array, values: Array, tap: Array, result: Array) -> Array:
    """`result`, which is what the layer returned for `values`; its cotangent is handed to `tap` as it is."""
    return result


def _replayed_forward(weight: Array, values: Array, tap: Array, result: Array) -> tuple[Array, Array]:
    return result, weight


def _replayed_backward(weight: Array, of_result: Array) -> tuple:
    return None, of_result @ weight, of_result, None


_replayed.defvjp(_replayed_forward, _replayed_backward)


def _chunks(time: int, batch: int) -> tuple[Callable[[PyTree], PyTree], Callable[[PyTree], PyTree]]:
    """Functions that split the time axis of arrays into chunks, and join it again."""
    length = max(length for length in range(1, time + 1) if time % length == 0 and length <= max(1, ROWS // batch))

    def split(tree: PyTree) -> PyTree:
        return jax.tree.map(lambda array: array.reshape(time // length, length, *array.shape[1:]), tree)

    def join(tree: PyTree) -> PyTree:
        return jax.tree.map(lambda array: array.reshape(time, *array.shape[2:]), tree)

    return split, join


def _zeros(tree: PyTree) -> PyTree:
    return jax.tree.map(jnp.zeros_like, tree)


def _is_dense(node: object) -> bool:
    return isinstance(node, Dense)


def _dense_layers(field: Field) -> list[Dense]:
    return [node for node in jax.tree.leaves(field, is_leaf=_is_dense) if _is_dense(node)]


def _inside_dense(parameters: Field) -> PyTree:
    """True at every parameter of a dense layer, False at every other one."""
    return jax.tree.map(lambda node: jax.tree.map(lambda _: _is_dense(node), node), parameters, is_leaf=_is_dense)


def _dense_gradients(
    field: Field, states: Array, inputs: Array, results: list[Array], of_results: list[Array]
) -> PyTree:
    """Gradients of all dense layers, each one product over (time x batch); None in the place of other parameters."""
    gradients = {id(layer): _zeros(layer) for layer in _dense_layers(field)}
    position = iter(zip(results, of_results, strict=True))

    def gather(layer: Dense, values: Array) -> Array:
        result, of_result = next(position)
        rows = math.prod(values.shape[:-1])
        flat_values, flat_cotangents = (array.reshape(rows, array.shape[-1]) for array in (values, of_result))
        of_weight = flat_cotangents.T @ flat_values
        of_bias = None if layer.bias is None else flat_cotangents.sum(axis=0)
        gradients[id(layer)] = jax.tree.map(jnp.add, gradients[id(layer)], Dense(of_weight, of_bias))
        return result

    field(states, inputs, gather)
    return jax.tree.map(lambda node: gradients.get(id(node)), field, is_leaf=_is_dense)
