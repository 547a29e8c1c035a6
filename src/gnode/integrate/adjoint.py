"""The scan of a step rule over time, and its reverse pass written by hand.

Why by hand: autodiff of the scan accumulates every weight gradient inside the loop, one small product a step. Here the
forward scan keeps the states alone. The reverse pass takes a chunk of steps at a time, while it is in the cache. It
computes what each dense layer returned in all of them, each layer one product over (steps x batch); a reverse scan
replays the rule from these without any forward product, carries only the cotangent of the state, and emits that of each
dense layer's result; and weight gradients are formed, again one product each. Parameters that are not dense
layers (gains, layer norms) are few, and accumulate inside the loop as usual. So memory grows with the states and not
with the widths of layers, and trials of 10,000 samples need nothing else.

A rule calls its layers in the same order at every step, so a call is known by its position in that order. The reverse
pass is itself differentiable: a replayed result depends on the layer and its values as the layer's own would.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PyTree

from gnode.fields import Field
from gnode.integrate.pieces import Pieces, pieces_of
from gnode.integrate.rules import Advance
from gnode.modes import usual_modes
from gnode.nn.dense import Dense, affine, is_dense, layers_of, sum_of, turn, turned_affine
from gnode.nn.derivatives import with_derivative

ROWS = 350  # of (time x batch) that go into one product for the weight gradients: what a core's cache can hold
BLOCKS = 16  # of time, in a batch whose rows end at different times

Start = Float[Array, "batch N"]
States = Float[Array, "time batch N"]
Inputs = Float[Array, "time batch D"]
Steps = Float[Array, "time #batch 1"]  # elapsed time in units of tau
Scan = Callable[[Advance, Field, Start, Inputs, Steps], States]


def scan_with_autodiff(advance: Advance, field: Field, start: Start, inputs: Inputs, steps: Steps) -> States:
    """States after each step, (time, batch, N), differentiated by JAX: the truth that the adjoint is tested against."""

    def step(state: Array, sample: tuple[Array, Array]) -> tuple[Array, Array]:
        held, elapsed = sample
        state = advance(field, state, held, elapsed, affine)
        return state, state

    return jax.lax.scan(step, start, (inputs, steps))[1]


def scan_with_adjoint(advance: Advance, field: Field, start: Start, inputs: Inputs, steps: Steps) -> States:
    """The same states, differentiated by the adjoint of this module, once or again. Only reverse mode is defined."""
    parameters, rest = eqx.partition(field, eqx.is_inexact_array)

    @jax.custom_vjp
    def run(parameters: Field, start: Array, inputs: Array, steps: Array) -> Array:
        return scan_with_autodiff(advance, eqx.combine(parameters, rest), start, inputs, steps)

    def forward(parameters: Field, start: Array, inputs: Array, steps: Array) -> tuple[Array, tuple]:
        states = _states(advance, eqx.combine(parameters, rest), start, inputs, steps)
        return states, (parameters, start, inputs, steps, states)

    @usual_modes()
    def backward(kept: tuple, of_states: Array) -> tuple:
        parameters, start, inputs, steps, states = kept
        before = jnp.concatenate([start[None], states[:-1]])
        samples = of_states, before, inputs, steps
        return _cotangents(advance, parameters, rest, samples, jnp.zeros_like(start))

    run.defvjp(forward, backward)
    return run(parameters, start, inputs, steps)


def scan_ragged(classes: int) -> Scan:
    """As `scan_with_adjoint`, for a batch whose rows end at different times, the longest first.

    Time is cut into blocks; a block computes on as many of the first rows as one of so many classes has, the least that
    holds all rows that still move. It is right whatever the order of the rows, and quick where they are sorted.
    """

    def scan(advance: Advance, field: Field, start: Array, inputs: Array, steps: Array) -> Array:
        parameters, rest = eqx.partition(field, eqx.is_inexact_array)
        time, batch = inputs.shape[:2]
        length = -(-time // min(time, BLOCKS))
        split, join = pieces_of(time, length)
        sizes = sorted({-(-batch * number // classes) for number in range(classes + 1)})
        steps = jnp.broadcast_to(steps, (time, batch, 1))

        def class_of(steps: Array) -> Array:
            moving = jnp.any(steps[..., 0] != 0, axis=0)
            rows = jnp.max(jnp.where(moving, jnp.arange(1, batch + 1), 0))
            return jnp.searchsorted(jnp.asarray(sizes), rows)

        def forward_block(parameters: Field, state: Array, block: tuple) -> tuple[Array, Array]:
            inputs, steps = block

            def on(rows: int) -> Array:
                still = jnp.broadcast_to(state[rows:], (length, batch - rows, state.shape[1]))
                some = state[:rows], inputs[:, :rows], steps[:, :rows]
                return jnp.concatenate([_states(advance, eqx.combine(parameters, rest), *some), still], axis=1)

            states = jax.lax.switch(class_of(steps), [partial(on, rows) for rows in sizes])
            return states[-1], states

        def backward_block(parameters: Field, carry: tuple, block: tuple) -> tuple[tuple, tuple]:
            of_state, of_parameters = carry
            of_states, _, _, steps = block

            def on(rows: int) -> tuple:
                some = jax.tree.map(lambda array: array[:, :rows], block)
                more, of_start, *of_samples = _cotangents(advance, parameters, rest, some, of_state[:rows])
                of_still = of_state[rows:] + of_states[:, rows:].sum(axis=0)
                of_samples = [jnp.pad(array, [(0, 0), (0, batch - rows), (0, 0)]) for array in of_samples]
                return more, jnp.concatenate([of_start, of_still]), *of_samples

            branches = [partial(on, rows) for rows in sizes]
            more, of_state, *of_samples = jax.lax.switch(class_of(steps), branches)
            return (of_state, jax.tree.map(jnp.add, of_parameters, more)), tuple(of_samples)

        @jax.custom_vjp
        def run(parameters: Field, start: Array, inputs: Array, steps: Array) -> Array:
            return forward(parameters, start, inputs, steps)[0]

        def forward(parameters: Field, start: Array, inputs: Array, steps: Array) -> tuple[Array, tuple]:
            over = split((inputs, steps))
            _, states = jax.lax.scan(partial(forward_block, parameters), start, over)
            return join(states), (parameters, start, *over, states)

        @usual_modes()
        def backward(kept: tuple, of_states: Array) -> tuple:
            parameters, start, inputs, steps, states = kept
            flat = states.reshape(-1, *start.shape)
            before = jnp.concatenate([start[None], flat[:-1]]).reshape(states.shape)
            (of_start, of_parameters), of_samples = jax.lax.scan(
                partial(backward_block, parameters),
                (jnp.zeros_like(start), _zeros(parameters)),
                (split(of_states), before, inputs, steps),
                reverse=True,
            )
            return of_parameters, of_start, *join(of_samples)

        run.defvjp(forward, backward)
        return run(parameters, start, inputs, steps)

    return scan


SCANS: dict[str, Scan] = {"adjoint": scan_with_adjoint, "autodiff": scan_with_autodiff}


def _states(advance: Advance, field: Field, start: Array, inputs: Array, steps: Array) -> Array:
    """States after each step, (time, batch, N)."""
    dense = turned_affine(field, turn(field))

    def step(state: Array, sample: tuple[Array, Array]) -> tuple[Array, Array]:
        following = advance(field, state, *sample, dense)
        return following, following

    return jax.lax.scan(step, start, (inputs, steps))[1]


def _cotangents(
    advance: Advance,
    parameters: Field,
    rest: Field,
    samples: tuple[Array, Array, Array, Array],
    of_end: Array,
) -> tuple[Field, Array, Array, Array]:
    """Cotangents of parameters, start, inputs and steps, from those of the states.

    Args:
        samples: the cotangents of the states; the states before each step; inputs; steps. All begin with (time, batch).
        of_end: (batch, N), of the last state, from what came after it.
    """
    field = eqx.combine(parameters, rest)
    weights, others = eqx.partition(parameters, _inside_dense(parameters))

    def move(others: Field, state: Array, held: Array, step: Array, taps: list[Array], results: list) -> Array:
        position = iter(zip(taps, results, strict=True))
        field = eqx.combine(weights, others, rest)
        return advance(field, state, held, step, lambda layer, values: _replayed(layer, values, *next(position)))

    places: list[int] = []

    def step(carry: tuple, kept: tuple) -> tuple:
        of_state, of_others = carry
        of_output, state, held, step, results = kept
        of_state = of_state + of_output
        _, pull_back = jax.vjp(
            lambda others, state, taps: move(others, state, held, step, taps, results), others, state, _zeros(results)
        )
        more_of_others, through_move, of_results = pull_back(of_state)
        of_others = jax.tree.map(jnp.add, of_others, more_of_others)
        # Results that are added up have one cotangent in common: it leaves the loop once.
        distinct = {id(cotangent): cotangent for cotangent in of_results}
        places[:] = [list(distinct).index(id(cotangent)) for cotangent in of_results]
        return (through_move, of_others), (of_state, list(distinct.values()))

    def chunk(carry: tuple, kept: tuple) -> tuple:
        of_state, of_others, of_weights = carry
        of_states, before, inputs, steps = kept
        results = _results(advance, field, before, inputs, steps)
        (of_state, of_others), (of_moves, distinct) = jax.lax.scan(
            step, (of_state, of_others), (of_states, before, inputs, steps, results), reverse=True
        )
        of_results = [distinct[place] for place in places]
        more = _dense_gradients(advance, field, before, inputs, steps, results, of_results)
        _, to_samples = jax.vjp(
            lambda held, step: move(others, before, held, step, _zeros(results), results), inputs, steps
        )
        return (of_state, of_others, jax.tree.map(jnp.add, of_weights, more)), to_samples(of_moves)

    split, join = _chunks(*samples[0].shape[:2])
    (of_start, of_others, of_weights), of_samples = jax.lax.scan(
        chunk,
        (of_end, _zeros(others), _zeros(weights)),
        split(samples),
        reverse=True,
    )
    return eqx.combine(of_weights, of_others), of_start, *join(of_samples)


def _results(advance: Advance, field: Field, states: Array, inputs: Array, steps: Array) -> list[Array]:
    """What each dense layer returns in a step from each of these states."""
    results: list[Array] = []

    def record(layer: Dense, values: Array) -> Array:
        results.append(affine(layer, values))
        return results[-1]

    advance(field, states, inputs, steps, record)
    return results


def _replayed(layer: Dense, values: Array, tap: Array, result: Array) -> Array:
    """`result`, which is what the layer returned for `values`, differentiated as if it were computed here.

    What is added to the tap would be added to the result: its cotangent is that of the result.
    """
    bias = () if layer.bias is None else (layer.bias,)
    return _as_computed(result, values, tap, layer.weight, *bias)


def _along(arrays: Sequence[Array], tangents: Sequence[Array | None]) -> Array:
    result, values, _, weight, *_ = arrays
    _, of_values, of_tap, of_weight, *of_bias = tangents
    parts = [
        None if of_values is None else of_values @ weight.T,
        None if of_weight is None else values @ of_weight.T,
        *of_bias,
        of_tap,
    ]
    return jnp.broadcast_to(sum_of(*parts), result.shape)


_as_computed = with_derivative(lambda result, *_: result, _along, constant=0)


def _chunks(time: int, batch: int) -> Pieces:
    """Functions that split the time axis of arrays into chunks of about ROWS rows, and join it again."""
    fewest = -(-time // max(1, ROWS // max(batch, 1)))
    number = min(range(fewest, 2 * fewest + 1), key=lambda number: (-time % number, number))
    return pieces_of(time, -(-time // number))


def _zeros(tree: PyTree) -> PyTree:
    return jax.tree.map(jnp.zeros_like, tree)


def _inside_dense(parameters: Field) -> PyTree:
    """True at every parameter of a dense layer, False at every other one."""
    return jax.tree.map(lambda node: jax.tree.map(lambda _: is_dense(node), node), parameters, is_leaf=is_dense)


def _dense_gradients(
    advance: Advance,
    field: Field,
    states: Array,
    inputs: Array,
    steps: Array,
    results: list[Array],
    of_results: list[Array],
) -> PyTree:
    """Gradients of all dense layers, each one product over (time x batch); None in the place of other parameters."""
    gradients = {id(layer): _zeros(layer) for layer in layers_of(field)}
    position = iter(zip(results, of_results, strict=True))

    def gather(layer: Dense, values: Array) -> Array:
        result, of_result = next(position)
        rows = math.prod(values.shape[:-1])
        flat_values, flat_cotangents = (array.reshape(rows, array.shape[-1]) for array in (values, of_result))
        of_weight = flat_cotangents.T @ flat_values
        of_bias = None if layer.bias is None else flat_cotangents.sum(axis=0)
        gradients[id(layer)] = jax.tree.map(jnp.add, gradients[id(layer)], Dense(of_weight, of_bias))
        return result

    advance(field, states, inputs, steps, gather)
    return jax.tree.map(lambda node: gradients.get(id(node)), field, is_leaf=is_dense)
