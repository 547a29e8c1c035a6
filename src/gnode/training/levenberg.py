"""Levenberg-Marquardt: damped Gauss-Newton steps on all training trials at once.

For squared errors of small networks, where its error falls by orders of magnitude below Adam's. One epoch is one step.
 Levenberg (1944), Marquardt (SIAM Journal on Applied Mathematics 11, 1963).

Derivatives of the states with respect to parameters are carried along with the states, step by step (forward
sensitivities), of which there are N times as many as parameters, so N and parameters have to be few.

With `free_starts` each training trial has a start of its own, which is fitted too: multiple shooting (Bock 1983).
Where samples are noisy, a start that is taken from one of them is wrong, and what is learned is biased to forget it.
The starts are eliminated from each step's equations (a Schur complement), so they cost next to nothing.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree
from jaxtyping import Float, PyTree
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from gnode.errors import must_have
from gnode.integrate import RULES
from gnode.models import Model, trainable
from gnode.models.model import Samples, said
from gnode.nn.dense import affine
from gnode.series import Trials
from gnode.threads import one_thread
from gnode.training.loop import Record, TrainingState, begin, check_finite, shown_in
from gnode.training.score import Objective, Shown, show, take
from gnode.training.settings import Settings

MOST_PARAMETERS = 4000  # the equations of a step are as many, squared
_FIRST_DAMPING, _LEAST_DAMPING, _MOST_DAMPING = 1e-2, 1e-10, 1e10
_UP, _DOWN = 3.0, 5.0  # by what damping grows where a step fails, and falls where the first one does not
_TRIES = 15  # in one epoch
_ROUNDS = 8  # of them, of trials that are asked about once
_SETTLING = 4  # steps of the starts alone, of trials on which the parameters are only judged
_AT_ONCE = 4_000_000  # numbers of the Jacobian that are held at once
_RIDGE = 1e-12  # of the largest: what damping gives a parameter that nothing depends on


class Damped(NamedTuple):
    """What the next step starts from beside the parameters.

    Attributes:
        damping: ().
        starts: (trials, N), how far each training trial's start is from where the model would begin.
        held_out: the same of validation trials. Both without rows where starts are not free.
    """

    damping: Array
    starts: Float[Array, "trials N"]
    held_out: Float[Array, "trials N"]


class Equations(NamedTuple):
    """The normal equations of a step: its matrix and right-hand side without damping, and what they leave out.

    Attributes:
        matrix: (P, P), and diagonal: (P,), what damping multiplies.
        gradient: (P,).
        back: the step of the starts is -(back[0] + back[1] @ step of the parameters), (trials, N) and (trials, N, P).
    """

    matrix: Array
    diagonal: Array
    gradient: Array
    back: tuple[Array, Array] | None


def begin_damped(model: Model, train: Trials, validation: Trials, settings: Settings) -> TrainingState:
    """The state before the first step."""
    sizes = [len(trials) if settings.free_starts else 0 for trials in (train, validation)]
    starts = (jnp.zeros((size, model.config.state_size), jnp.float32) for size in sizes)
    return begin(model)._replace(optimiser=Damped(jnp.float32(_FIRST_DAMPING), *starts))


def refuse_undamped(model: Model, loss: str, settings: Settings, train: Trials) -> None:
    """Raises InvalidInput where this method cannot train such a model, or a setting would mean nothing to it."""
    config, name = model.config, "levenberg-marquardt"
    if loss != "mse":
        must_have(f"the loss mse for {name}", loss)
    if config.reading != "each" or config.integrator not in RULES or config.events:
        must_have(
            f"a step rule, reading each sample and no events for {name}",
            f"{config.integrator}, reading {config.reading} and {config.events} kinds of events",
        )
    if settings.weigh != "samples" or settings.input_noise or settings.readout_dropout:
        must_have(
            f"weigh = samples, no input_noise and no readout_dropout for {name}",
            f"weigh = {settings.weigh}, input_noise = {settings.input_noise:g}, "
            f"readout_dropout = {settings.readout_dropout:g}",
        )
    count = sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(model, trainable(model))))
    if count > MOST_PARAMETERS:
        must_have(
            f"at most {MOST_PARAMETERS} trained parameters for {name}",
            count,
            "Use fewer hidden units, or the optimiser adamw.",
        )
    if settings.free_starts and len(train) * config.state_size * count > 2**31:
        must_have("training trials times N times parameters below 2**31 for free_starts", f"{len(train)} trials")


def damped_epochs(
    frozen: Model, objective: Objective, settings: Settings, state: TrainingState, train: Trials, validation: Trials
) -> Iterator[tuple[TrainingState, Record]]:
    """Train step by step from `state`, yielding the state and the record of each.

    Raises:
        Diverged: an error became NaN or infinite.
    """
    all_shown, held_out = show(frozen, train), show(frozen, validation)
    for epoch in range(int(state.epoch) + 1, settings.epochs + 1):
        state, record = _step(frozen, settings, state, shown_in(epoch, all_shown, settings), held_out)
        check_finite(record, settings)
        yield state, record
        if settings.patience and epoch - record.best_epoch >= settings.patience:
            return


def _step(
    frozen: Model, settings: Settings, state: TrainingState, shown: Shown, held_out: Shown
) -> tuple[TrainingState, Record]:
    """One step that lowers the error on the training trials, or none where no damping finds such a step."""
    optimiser: Damped = state.optimiser
    vector, unravel = ravel_pytree(state.parameters)
    starts, damping = optimiser.starts, float(optimiser.damping)
    free = settings.free_starts
    if free:  # those that a longer piece has moved
        starts = _settled(frozen, state.parameters, shown, starts)
    before = float(_error(frozen, state.parameters, shown, starts))
    equations = jax.tree.map(np.asarray, _equations(frozen, state.parameters, shown, starts, jnp.float32(damping)))
    after, parameters = before, state.parameters
    for tried in range(_TRIES):
        step = _solved(equations, damping)
        with np.errstate(over="ignore", invalid="ignore"):  # a step beyond the numbers is none
            attempt = unravel(jnp.asarray((np.asarray(vector, float) + step).astype(np.float32)))
            moved = starts
            if equations.back is not None:
                moved = starts - jnp.asarray(equations.back[0] + equations.back[1] @ step.astype(np.float32))
        error = float(_error(frozen, attempt, shown, moved))
        if error < before:  # false where it is no number
            after, parameters, starts = error, attempt, moved
            damping = max(damping / _DOWN, _LEAST_DAMPING) if tried == 0 else damping
            break
        damping = min(damping * _UP, _MOST_DAMPING)
    validated = _settled(frozen, parameters, held_out, optimiser.held_out) if free else optimiser.held_out
    loss = _error(frozen, parameters, held_out, validated)
    loss = jnp.where(jnp.isfinite(loss), loss, np.finfo(np.float32).max)  # of long pieces, before it is fit for them
    epoch, better = int(state.epoch) + 1, bool(loss < state.best_loss)
    following = TrainingState(
        parameters=parameters,
        optimiser=Damped(jnp.float32(damping), starts, validated),
        best_parameters=parameters if better else state.best_parameters,
        best_loss=loss if better else state.best_loss,
        best_epoch=jnp.int32(epoch) if better else state.best_epoch,
        epoch=jnp.int32(epoch),
    )
    return following, Record(epoch, after, float(loss), int(following.best_epoch), damping=damping)


def settled_starts(model: Model, trials: Trials) -> tuple[Array, Array]:
    """Where trials start so that the free course of a trained model fits them best, and its states at their ends.

    Returns:
        both (trials, N).
    """
    parameters, frozen = eqx.partition(model, trainable(model))
    shown = show(model, trials)
    free = jnp.zeros((len(trials), model.config.state_size), jnp.float32)
    for _ in range(_ROUNDS):
        free = _settled(frozen, parameters, shown, free)
    return _ends(model, shown.samples, free)


@eqx.filter_jit
def _ends(model: Model, samples: Samples, free: Array) -> tuple[Array, Array]:
    start = model.initial(samples.inputs[:, 0], samples.told) + free
    return start, model.integrator(model.field, start, samples.inputs, samples.elapsed).states[:, -1]


@one_thread
def _solved(equations: Equations, damping: float) -> np.ndarray:
    """The step of the parameters, (P,), in float64."""
    matrix, gradient = np.array(equations.matrix, float), np.asarray(equations.gradient, float)
    diagonal = np.asarray(equations.diagonal, float)
    at = np.arange(len(matrix))
    matrix[at, at] += damping * (diagonal + _RIDGE * max(diagonal.max(initial=0.0), np.finfo(np.float32).tiny))
    try:
        return -cho_solve(cho_factor(matrix, check_finite=False), gradient, check_finite=False)
    except LinAlgError:  # rounding in float32 has left a matrix that is not quite positive: more damping will do
        return np.full(len(matrix), np.nan)


# -- compiled --


class _Trial(NamedTuple):
    """One trial as the functions below read it; vmap adds the axis of trials."""

    inputs: Array  # (time, width)
    elapsed: Array  # (time,)
    told: Array | None
    targets: Array  # (time, outputs)
    weights: Array  # (time,), square roots


def _trials(shown: Shown, free: Array, chunk: int) -> tuple[Shown, Array, np.ndarray]:
    """Trials and free starts in chunks, (chunks, chunk, ...), the last of them filled up; and which are no filling."""
    count = len(shown.targets)
    order = np.arange(-(-count // chunk) * chunk).reshape(-1, chunk)
    there = order < count
    order = np.minimum(order, count - 1)
    elapsed = jnp.broadcast_to(shown.samples.elapsed, shown.weights.shape)
    shown = shown._replace(samples=shown.samples._replace(elapsed=elapsed))
    return take(shown, order), free[order] if len(free) else jnp.zeros((*order.shape, 0)), there


def _one(model: Model, trial: _Trial, free: Array) -> tuple[Array, Callable]:
    """Where a trial starts, and the residuals of its answer at a state."""
    start = model.initial(trial.inputs[:1], None if trial.told is None else trial.told[None])[0]

    def residual(state: Array, inputs: Array, target: Array, weight: Array) -> Array:
        answer = said(model, state, inputs)
        return jnp.where(weight > 0, answer - target, 0) * weight

    return start + free if free.size else start, residual


def _residuals(model: Model, trial: _Trial, free: Array) -> Array:
    """The residuals of a trial's answers, (time, outputs)."""
    start, residual = _one(model, trial, free)
    advance = RULES[model.config.integrator].advance

    def forward(state: Array, sample: tuple) -> tuple[Array, Array]:
        inputs, elapsed, target, weight = sample
        state = advance(model.field, state, inputs, elapsed, affine)
        return state, residual(state, inputs, target, weight)

    return jax.lax.scan(forward, start, (trial.inputs, trial.elapsed, trial.targets, trial.weights))[1]


def _split(shown: Shown, there: Array | np.ndarray) -> _Trial:
    samples = shown.samples
    weights = jnp.sqrt(shown.weights) * jnp.asarray(there, shown.weights.dtype)[..., None]
    return _Trial(samples.inputs, samples.elapsed, samples.told, shown.targets, weights)


@eqx.filter_jit
def _error(frozen: Model, parameters: PyTree, shown: Shown, free: Array) -> Array:
    """The mean squared error over all that counts."""
    model: Model = eqx.combine(parameters, frozen)

    def of_trial(trial: _Trial, free: Array) -> Array:
        return jnp.sum(_residuals(model, trial, free) ** 2)

    chunked, starts, there = _trials(shown, free, min(256, len(shown.targets)))
    totals = jax.lax.map(lambda some: jnp.sum(jax.vmap(of_trial)(*some)), (_split(chunked, there), starts))
    return jnp.sum(totals) / (jnp.sum(shown.weights) * shown.targets.shape[-1])


@eqx.filter_jit
def _equations(frozen: Model, parameters: PyTree, shown: Shown, free: Array, damping: Array) -> Equations:
    """The normal equations, summed over all trials."""
    vector, unravel = ravel_pytree(parameters)
    size, (count, time, outputs) = vector.size, shown.targets.shape
    chunk = int(np.clip(_AT_ONCE // (time * outputs * size), 1, min(128, count)))
    chunked, starts, there = _trials(shown, free, chunk)

    def add(sums: tuple[Array, Array, Array], some: tuple) -> tuple[tuple[Array, Array, Array], tuple | None]:
        matrix, diagonal, gradient = sums
        residuals, slopes, of_starts = jax.vmap(lambda trial, free: _slopes(frozen, unravel, vector, trial, free))(
            *some
        )
        rows = slopes.reshape(-1, size)
        matrix, gradient = matrix + rows.T @ rows, gradient + rows.T @ residuals.reshape(-1)
        diagonal = diagonal + jnp.sum(rows**2, axis=0)
        if not free.size:
            return (matrix, diagonal, gradient), None
        inner = jnp.einsum("bri,brj->bij", of_starts, of_starts)
        inner = inner + _damped(inner, damping)
        mixed, right = (
            jnp.einsum("bri,brp->bip", of_starts, slopes),
            jnp.einsum("bri,br->bi", of_starts, residuals),
        )
        triangle = jnp.linalg.cholesky(inner)
        half = jax.scipy.linalg.solve_triangular(triangle, mixed, lower=True)
        lesser = jax.scipy.linalg.solve_triangular(triangle, right[..., None], lower=True)
        flat = half.reshape(-1, size)
        matrix, gradient = matrix - flat.T @ flat, gradient - flat.T @ lesser.reshape(-1)
        turned = jnp.swapaxes(triangle, 1, 2)
        back = jax.scipy.linalg.solve_triangular(turned, jnp.concatenate([lesser, half], axis=-1), lower=False)
        return (matrix, diagonal, gradient), (back[..., 0], back[..., 1:])

    nothing = jnp.zeros((size, size)), jnp.zeros(size), jnp.zeros(size)
    sums, back = jax.lax.scan(add, nothing, (_split(chunked, there), starts))
    if back is not None:
        back = tuple(part.reshape(-1, *part.shape[2:])[:count] for part in back)
    return Equations(*sums, back)


def _slopes(frozen: Model, unravel: Callable, vector: Array, trial: _Trial, free: Array) -> tuple[Array, Array, Array]:
    """A trial's residuals (R,), and their derivatives by parameters (R, P) and by the start (R, N)."""

    def model_of(vector: Array) -> Model:
        return eqx.combine(unravel(vector), frozen)

    advance = RULES[model_of(vector).config.integrator].advance

    def start(vector: Array) -> Array:
        return _one(model_of(vector), trial, free)[0]

    def moved(vector: Array, state: Array, inputs: Array, elapsed: Array) -> Array:
        return advance(model_of(vector).field, state, inputs, elapsed, affine)

    def residual(vector: Array, state: Array, *sample: Array) -> Array:
        return _one(model_of(vector), trial, free)[1](state, *sample)

    def forward(carry: tuple, sample: tuple) -> tuple[tuple, tuple]:
        state, by_parameters, by_start = carry
        inputs, elapsed, *rest = sample
        through, fresh = (
            jax.jacfwd(moved, 1)(vector, state, inputs, elapsed),
            jax.jacrev(moved)(vector, state, inputs, elapsed),
        )
        state = moved(vector, state, inputs, elapsed)
        by_parameters, by_start = through @ by_parameters + fresh, through @ by_start
        answer = vector, state, inputs, *rest
        seen = jax.jacfwd(residual, 1)(*answer)
        direct = jax.jacrev(residual)(*answer)
        return (state, by_parameters, by_start), (residual(*answer), seen @ by_parameters + direct, seen @ by_start)

    first = start(vector)
    carry = first, jax.jacrev(start)(vector), jnp.eye(first.size)
    samples = trial.inputs, trial.elapsed, trial.targets, trial.weights
    residuals, slopes, of_start = jax.lax.scan(forward, carry, samples)[1]
    return residuals.reshape(-1), slopes.reshape(-1, vector.size), of_start.reshape(-1, first.size)


def _damped(inner: Array, damping: Array) -> Array:
    """What is added to (..., N, N) so that it can be solved with: a unit of which nothing is seen stays where it is."""
    diagonal = jnp.diagonal(inner, axis1=-2, axis2=-1)
    return (damping * diagonal + 1e-6 * jnp.max(diagonal, axis=-1, keepdims=True) + 1e-30)[..., None] * jnp.eye(
        inner.shape[-1]
    )


@eqx.filter_jit
def _settled(frozen: Model, parameters: PyTree, shown: Shown, free: Array) -> Array:
    """Free starts after some damped Gauss-Newton steps of their own; each only gets better."""
    model: Model = eqx.combine(parameters, frozen)

    def residuals(free: Array, trial: _Trial) -> Array:
        return _residuals(model, trial, free).reshape(-1)

    def of_trial(trial: _Trial, free: Array) -> Array:
        def once(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
            free, damping = carry
            now, slope = residuals(free, trial), jax.jacfwd(residuals)(free, trial)
            inner = slope.T @ slope
            there = free - jnp.linalg.solve(inner + _damped(inner, damping), slope.T @ now)
            better = jnp.sum(residuals(there, trial) ** 2) < jnp.sum(now**2)
            return (jnp.where(better, there, free), jnp.where(better, damping / 10, damping * 10)), None

        return jax.lax.scan(once, (free, jnp.float32(_FIRST_DAMPING)), None, length=_SETTLING)[0][0]

    chunked, starts, there = _trials(shown, free, min(256, len(shown.targets)))
    settled = jax.lax.map(lambda some: jax.vmap(of_trial)(*some), (_split(chunked, there), starts))
    return settled.reshape(-1, free.shape[-1])[: len(free)]
