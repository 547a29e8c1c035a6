"""From s = 0 to s = 1 by steps, all trials in one loop; and the ways back through it.

Each trial has an s and a step of its own, or all have those of the worst of them; a loop over trials there is none. A
step whose estimated error is too large is tried again, shorter (Hairer, Norsett and Wanner 1993, II.4, with the
constants of diffrax). Step sizes are data on the way back: the gradient is that of the steps that were taken, and the
tries that were not taken cost it nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Bool, Float, Int, PyTree

from gnode.integrate.methods import Method, Velocity
from gnode.modes import usual_modes
from gnode.nn.dense import Apply, Dense, by_turned, is_dense, layers_of, turned_affine

KEPT = 16  # steps whose beginnings are kept for the way back; an interval of more is solved again

TOO_MANY, TOO_SMALL, NOT_FINITE, BESIDE = 1, 2, 3, 4  # why a trial has failed

SAFETY, SHRINK, GROW = 0.9, 0.2, 10.0


@dataclass(frozen=True)
class Stepping:
    """How steps are chosen.

    Attributes:
        method: that takes them.
        rtol, atol: by how much a step may err, relative to the state and where that is near 0.
        most_steps: how many steps may be tried.
        equal: 0 for steps chosen by their error; n for n equal ones.
        common: whether all trials take the steps of the worst.
    """

    method: Method
    rtol: float
    atol: float
    most_steps: int
    equal: int
    common: bool


class Place(NamedTuple):
    """Where trials stand; `slope` is None where the method has no use of it, `worst` how large the last error was."""

    tried: Int[Array, ""]
    state: Float[Array, "trials N"]
    slope: Float[Array, "trials N"] | None
    s: Float[Array, "trials 1"]
    step: Float[Array, "trials 1"]
    worst: Float[Array, "trials 1"]
    failed: Int[Array, " trials"]

    @property
    def going(self) -> Bool[Array, "trials 1"]:
        return (self.s < 1) & (self.failed == 0)[:, None]


class Steps(NamedTuple):
    """The first steps that each trial took: where from, and how far; 0 where a trial took fewer."""

    state: Float[Array, "kept trials N"]
    s: Float[Array, "kept trials 1"]
    step: Float[Array, "kept trials 1"]
    taken: Int[Array, " trials"]


def solve(
    stepping: Stepping,
    way_back: str,
    velocity: Callable[..., Array],
    state: Float[Array, "trials N"],
    first: Float[Array, " trials"],
    args: PyTree,
    turned: list[Array],
) -> tuple[Float[Array, "trials N"], Int[Array, " trials"]]:
    """The state at s = 1, and why a trial failed, 0 where it did not.

    Args:
        way_back: how it is differentiated, a name out of WAYS_BACK.
        velocity: dh/ds, of how dense layers are applied (a function of their tree) and then as a method wants it. NaN
            counts as an error without bound.
        first: how far each trial tries to go at first, up to 1; 0 for trials that do not move.
        args: what the velocity depends on, arrays of floating numbers.
        turned: the weights in `args` as gnode.nn.dense.turn gives them.
    """
    return WAYS_BACK[way_back](stepping, velocity, state, first, args, turned)


def _begin(stepping: Stepping, velocity: Velocity, state: Array, first: Array, args: PyTree) -> Place:
    step = first.astype(state.dtype)[:, None]
    s = jnp.where(step == 0, 1, 0 * step)
    if stepping.common:
        step = jnp.broadcast_to(jnp.min(jnp.where(step == 0, 1, step)), step.shape)
    slope = velocity(s, state, args) if stepping.method.reuses else None
    return Place(jnp.int32(0), state, slope, s, step, 0 * step, jnp.zeros(len(state), jnp.int32))


def _attempt(stepping: Stepping, velocity: Velocity, args: PyTree, at: Place) -> tuple[Place, Array]:
    """Where the trials stand after one more try, and how far each went in it, (trials, 1)."""
    smallest = 16 * float(jnp.finfo(at.s.dtype).eps)
    going, equal = at.going, stepping.equal
    step = (at.tried + 1) / equal - at.s if equal else at.step
    last = at.s + step > 1 - smallest
    step = lax.stop_gradient(jnp.where(going, jnp.where(last, 1 - at.s, step), 0).astype(at.s.dtype))
    state, error, slope = stepping.method.advance(velocity, args, at.state, at.slope, at.s, step)
    if equal:
        good, following, worst, failed = going, step, at.worst, at.failed
    else:
        allowed = stepping.atol + stepping.rtol * jnp.maximum(jnp.abs(at.state), jnp.abs(state))
        size = lax.stop_gradient(jnp.sqrt(jnp.mean((error / allowed) ** 2, axis=-1, keepdims=True)))
        worst = jnp.where(jnp.isfinite(size), size, jnp.inf)
        decisive = jnp.max(jnp.where(going, worst, 0)) if stepping.common else worst
        good = going & (decisive < 1)
        factor = SAFETY * jnp.maximum(decisive, 1e-20) ** (-1 / stepping.method.order)
        following = step * jnp.clip(factor, SHRINK, GROW)
        shrunk = going & ~good & (following < smallest)
        failed = jnp.where(shrunk[:, 0], TOO_SMALL, at.failed)
    following = jnp.where(going, following, at.step)
    s = jnp.where(good, jnp.where(last, 1, at.s + step), at.s)
    slope = None if slope is None or at.slope is None else jnp.where(good, slope, at.slope)
    state = jnp.where(good, state, at.state)
    return Place(at.tried + 1, state, slope, s, following, worst, failed), jnp.where(good, step, 0)


def _goes_on(stepping: Stepping, at: Place) -> Array:
    return jnp.any(at.going) & (at.tried < (stepping.equal or stepping.most_steps))


def _end(stepping: Stepping, at: Place) -> tuple[Array, Array]:
    """The answer where nothing goes on. Of trials that failed together only the worst did so by itself."""
    failed = jnp.where(at.going[:, 0], TOO_MANY, at.failed)
    if stepping.common and not stepping.equal:
        culprit = jnp.argmax(jnp.where(failed == 0, -1, at.worst[:, 0]))
        failed = jnp.where((failed != 0) & (jnp.arange(len(failed)) != culprit), BESIDE, failed)
    return at.state, failed


def _march(
    stepping: Stepping, velocity: Velocity, args: PyTree, at: Place, keep: int, pauses: bool
) -> tuple[Place, Steps]:
    """On to the end, keeping the first steps of each trial; `pauses` ends it once a trial has taken so many."""
    still = jnp.broadcast_to(at.s, (keep, *at.s.shape))
    none = Steps(jnp.broadcast_to(at.state, (keep, *at.state.shape)), still, 0 * still, 0 * at.failed)

    def going(carry: tuple[Place, Steps]) -> Array:
        at, steps = carry
        on = _goes_on(stepping, at)
        return on & jnp.all(steps.taken < keep) if pauses else on

    def attempt(carry: tuple[Place, Steps]) -> tuple[Place, Steps]:
        at, steps = carry
        following, went = _attempt(stepping, velocity, args, at)
        took = went[:, 0] != 0
        here = ((jnp.arange(keep)[:, None] == steps.taken) & took)[..., None]
        state, s, step = (jnp.where(here, *pair) for pair in zip((at.state, at.s, went), steps[:3], strict=True))
        return following, Steps(state, s, step, steps.taken + took)

    return lax.while_loop(going, attempt, (at, none))


def _back_through(
    stepping: Stepping,
    velocity: Callable,
    args: PyTree,
    turned: list[Array],
    steps: Steps,
    of_end: tuple[Array, PyTree],
) -> tuple[Array, PyTree]:
    """Cotangents of the state and the arguments before some steps, from those after them."""
    pull = _pull_by_autodiff if stepping.method.implicit else _pull

    def one_step(carry: tuple[Array, Array, PyTree]) -> tuple[Array, Array, PyTree]:
        index, of_state, of_args = carry

        def step(by: Callable, state: Array, args: PyTree) -> Array:
            place = state, None, steps.s[index], steps.step[index]
            return stepping.method.advance(partial(velocity, by), args, *place)[0]

        of_state, more = pull(step, steps.state[index], args, turned, of_state)
        return index - 1, of_state, jax.tree.map(jnp.add, of_args, more)

    last = jnp.minimum(jnp.max(steps.taken), len(steps.s)) - 1
    return lax.while_loop(lambda carry: carry[0] >= 0, one_step, (last, *of_end))[1:]


def _pull_by_autodiff(
    step: Callable, state: Array, args: PyTree, turned: list[Array], of_end: Array
) -> tuple[Array, PyTree]:
    """Cotangents of the state and the arguments of a step."""
    return jax.vjp(partial(step, by_turned(turned)), state, args)[1](of_end)


def _pull(step: Callable, state: Array, args: PyTree, turned: list[Array], of_end: Array) -> tuple[Array, PyTree]:
    """The same with one product a weight matrix for all stages of the step, in place of one a stage.

    Whatever a layer returns has a zero added to it, whose cotangent is that of what it returned.
    """
    layer_of_call: list[int] = []
    results: list[jax.ShapeDtypeStruct] = []

    def tapped(state: Array, args: PyTree, taps: list[Array] | None) -> tuple[Array, list[Array]]:
        values_of_call: list[Array] = []

        def by(tree: PyTree) -> Apply:
            number = {id(layer): place for place, layer in enumerate(layers_of(tree))}
            apply = turned_affine(tree, turned)

            def dense(layer: Dense, values: Array) -> Array:
                call = len(values_of_call)
                values_of_call.append(values)
                result = apply(layer, values)
                if taps is not None:
                    return result + taps[call]
                layer_of_call.append(number[id(layer)])
                results.append(jax.ShapeDtypeStruct(result.shape, result.dtype))
                return result

            return dense

        return step(by, state, args), values_of_call

    nodes, structure = jax.tree.flatten(args, is_leaf=is_dense)
    others = [None if is_dense(node) else node for node in nodes]

    def without_weights(state: Array, others: list, taps: list[Array]) -> tuple[Array, list[Array]]:
        """Dense layers stand outside, so that they get no cotangent, yet whoever differentiates again sees them."""
        both = [node if is_dense(node) else other for node, other in zip(nodes, others, strict=True)]
        return tapped(state, jax.tree.unflatten(structure, both), taps)

    jax.eval_shape(lambda state, args: tapped(state, args, None), state, args)
    zeros = [jnp.zeros(result.shape, result.dtype) for result in results]
    _, pull, values = jax.vjp(without_weights, state, others, zeros, has_aux=True)
    of_state, of_others, of_taps = pull(of_end)
    place = iter(range(len(turned)))

    def gradient(node: Any, of_other: Any) -> Any:
        if not is_dense(node):
            return of_other
        here = next(place)
        calls = [call for call, layer in enumerate(layer_of_call) if layer == here]
        if not calls:
            return jax.tree.map(jnp.zeros_like, node)
        cotangents, inputs = (
            jnp.concatenate([of[call].reshape(-1, of[call].shape[-1]) for call in calls]) for of in (of_taps, values)
        )
        of_weight = cotangents.T @ inputs
        return Dense(of_weight, None if node.bias is None else cotangents.sum(axis=0))

    return of_state, jax.tree.unflatten(structure, list(map(gradient, nodes, of_others)))


def _back_in_pieces(
    stepping: Stepping,
    velocity: Velocity,
    args: PyTree,
    through: Callable[[Steps, tuple], tuple],
    start: Place,
    of_end: tuple[Array, PyTree],
) -> tuple[Array, PyTree]:
    """From the end to the start of a long solve, which is done again in pieces of KEPT steps; `through` goes back
    through one of them."""
    most = math.ceil((stepping.equal or stepping.most_steps) / KEPT) + 1

    def note(carry: tuple[Array, Place, Place]) -> tuple[Array, Place, Place]:
        number, at, noted = carry
        noted = jax.tree.map(lambda values, value: values.at[number].set(value), noted, at)
        return number + 1, _march(stepping, velocity, args, at, KEPT, pauses=True)[0], noted

    room = jax.tree.map(lambda value: jnp.zeros((most, *value.shape), value.dtype), start)
    number, _, noted = lax.while_loop(lambda carry: _goes_on(stepping, carry[1]), note, (jnp.int32(0), start, room))

    def piece(carry: tuple[Array, Array, PyTree]) -> tuple[Array, Array, PyTree]:
        index, of_state, of_args = carry
        at = jax.tree.map(lambda values: values[index], noted)
        _, steps = _march(stepping, velocity, args, at, KEPT, pauses=True)
        return index - 1, *through(steps, (of_state, of_args))

    return lax.while_loop(lambda carry: carry[0] >= 0, piece, (number - 1, *of_end))[1:]


def _checkpointed(
    stepping: Stepping, velocity: Callable, state: Array, first: Array, args: PyTree, turned: list[Array]
) -> tuple:
    """Back through the steps that were taken, of which the first of each interval are kept."""

    through = jax.jit(partial(_back_through, stepping, velocity))  # JAX is slow to trace it, and it is called twice

    @jax.custom_vjp
    def run(state: Array, args: PyTree, first: Array, turned: list[Array]) -> tuple[Array, Array]:
        return _to_the_end(stepping, partial(velocity, by_turned(turned)), state, first, args)

    def forward(state: Array, args: PyTree, first: Array, turned: list[Array]) -> tuple:
        moved = partial(velocity, by_turned(turned))
        start = _begin(stepping, moved, state, first, args)
        at, steps = _march(stepping, moved, args, start, KEPT, pauses=False)
        return _end(stepping, at), (state, first, args, turned, steps)

    @usual_modes()
    def back(residuals: tuple, cotangents: tuple[Array, Any]) -> tuple:
        state, first, args, turned, steps = residuals
        moved = partial(velocity, by_turned(turned))
        of_end = cotangents[0], jax.tree.map(jnp.zeros_like, args)

        def few() -> tuple:
            return through(args, turned, steps, of_end)

        def many() -> tuple:
            start = _begin(stepping, moved, state, first, args)
            return _back_in_pieces(stepping, moved, args, partial(through, args, turned), start, of_end)

        return *lax.cond(jnp.any(steps.taken > KEPT), many, few), None, None

    run.defvjp(forward, back)
    return run(state, args, first, turned)


def _forward(
    stepping: Stepping, velocity: Callable, state: Array, first: Array, args: PyTree, turned: list[Array]
) -> tuple:
    """No way back: as quick as it goes, and differentiable forward."""
    return _to_the_end(stepping, partial(velocity, by_turned(turned)), state, first, args)


def _to_the_end(stepping: Stepping, velocity: Velocity, state: Array, first: Array, args: PyTree) -> tuple:
    on, attempt = partial(_goes_on, stepping), lambda at: _attempt(stepping, velocity, args, at)[0]
    return _end(stepping, lax.while_loop(on, attempt, _begin(stepping, velocity, state, first, args)))


def _direct(
    stepping: Stepping, velocity: Callable, state: Array, first: Array, args: PyTree, turned: list[Array]
) -> tuple:
    """JAX's own derivative, forward and reverse and of any order: a loop of fixed length, which is kept in pieces."""
    length = math.ceil(math.sqrt(stepping.equal or stepping.most_steps))
    velocity = partial(velocity, by_turned(turned))
    on, attempt = partial(_goes_on, stepping), lambda at: _attempt(stepping, velocity, args, at)[0]

    def perhaps(at: Place, _: None) -> tuple[Place, None]:
        return lax.cond(on(at), attempt, lambda at: at, at), None

    def piece(at: Place, _: None) -> tuple[Place, None]:
        return lax.scan(perhaps, at, None, length)

    start = _begin(stepping, velocity, state, first, args)
    return _end(stepping, lax.scan(jax.checkpoint(piece), start, None, length)[0])


def _backsolve(
    stepping: Stepping, velocity: Callable, state: Array, first: Array, args: PyTree, turned: list[Array]
) -> tuple:
    """Back by solving the adjoint equation from the end, by diffrax; NaN where that fails.

    Chen, Rubanova, Bettencourt and Duvenaud 2018 (arXiv 1806.07366). Its steps are common to all trials, and the
    integral over the parameters has no say in them (Kidger, Chen and Lyons 2021, arXiv 2009.09457).
    """

    @jax.custom_vjp
    def run(state: Array, args: PyTree, first: Array, turned: list[Array]) -> tuple[Array, Array]:
        return _forward(stepping, velocity, state, first, args, turned)

    def forward(state: Array, args: PyTree, first: Array, turned: list[Array]) -> tuple:
        end, failed = run(state, args, first, turned)
        return (end, failed), (end, (first == 0) | (failed != 0), args, turned)

    @usual_modes()
    def back(residuals: tuple, cotangents: tuple[Array, Any]) -> tuple:
        end, still, args, turned = residuals

        leaves, structure = jax.tree.flatten(args)  # bare arrays, as diffrax stumbles over empty tuples

        def adjoint(s: Any, augmented: tuple, leaves: list) -> tuple:
            def moving(state: Array, leaves: list) -> Array:
                return jnp.where(
                    still[:, None], 0, velocity(by_turned(turned), s, state, jax.tree.unflatten(structure, leaves))
                )

            slope, pull = jax.vjp(moving, augmented[0], leaves)
            return slope, *pull(-augmented[1])

        in_diffrax, smallest = stepping.method.in_diffrax, 16 * float(jnp.finfo(end.dtype).eps)
        assert in_diffrax is not None  # Flow refuses backsolve with others
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(adjoint), in_diffrax(),
            t0=1.0, t1=0.0, dt0=-1.0, y0=(end, cotangents[0], [jnp.zeros_like(leaf) for leaf in leaves]), args=leaves,
            stepsize_controller=diffrax.PIDController(
                stepping.rtol, stepping.atol, norm=_worst_of_both, dtmin=smallest, force_dtmin=False
            ),
            max_steps=stepping.most_steps, throw=False, adjoint=diffrax.ForwardMode(),
        )  # fmt: skip
        solved = solution.result == diffrax.RESULTS.successful
        _, of_state, of_leaves = jax.tree.map(lambda values: jnp.where(solved, values[0], jnp.nan), solution.ys)
        return of_state, jax.tree.unflatten(structure, of_leaves), None, None

    run.defvjp(forward, back)
    return run(state, args, first, turned)


def _worst_of_both(error: tuple) -> Array:
    """Of the states and their cotangents, that of the worst trial: a mean would hide it among easy ones."""
    return jnp.max(jnp.stack([jnp.sqrt(jnp.mean(part**2, axis=-1)) for part in error[:2]]))


WAYS_BACK = {
    "recursive-checkpoint": _checkpointed,
    "backsolve": _backsolve,
    "direct": _direct,
    "forward": _forward,
}
