"""How fast units and modes of a model move, where its gates make them slow, and whether the attractor lies there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import mannwhitneyu

from gnode.analysis.dynamics import checked_states, first_positive, floats
from gnode.arguments import integer
from gnode.errors import Diverged, must_have
from gnode.modes import usual_modes
from gnode.threads import one_thread

_BATCH = 256
_BINS = 50
_REFERENCES = 1000


@dataclass(frozen=True)
class Timescales:
    """Time scales at each of S states; times in seconds.

    Attributes:
        gates: (S, N), the gate of each unit, in (0, 1]; ones for models without.
        units: (S, N), tau / gate.
        rates: (S, N) complex, eigenvalues of the flow's Jacobian, the slowest first (smallest absolute real part).
        modes: (S, N), 1 / |real part| of those: infinite for a mode that stands still.
        steps: (S, N), the same of the model's own map over dt, dt / |log |multiplier||, the slowest first: what it
            really does at large alpha. A flow that is solved does what its rates say.
        histogram: (N, 50), how many states have each unit's gate in each of the bins of
        edges: (51,), from 0 to 1.
        slow_overlap: chance that a state given here has smaller gates (in the geometric mean over units) than a
            reference state: 0.5 where slowness and attractor have nothing to do with each other, 1 where the attractor
            is slower than everything else.
        checks: what was found wanting, in sentences.
        evidence: the numbers in short.
    """

    gates: np.ndarray
    units: np.ndarray
    rates: np.ndarray
    modes: np.ndarray
    steps: np.ndarray
    histogram: np.ndarray
    edges: np.ndarray
    slow_overlap: float
    checks: tuple[str, ...]
    evidence: str


@usual_modes()
@one_thread
def timescales(model: Any, states: Any, inputs: Any = None, *, reference: Any = None, seed: int = 0) -> Timescales:
    """Effective time scales of a model at states, in float64.

    Args:
        model: with `field` (callable on states and inputs, with `gate` and `input_size`), `integrator` (with `kind`,
            "map" or "flow", and `step(field, states, inputs, elapsed)`), and `config.tau` and `.dt` in seconds, as
            gnode's models have. Where it has an `encoding`, inputs become what the field sees by its `hold_still`.
        states: (S, N), for instance on the attractor or along trajectories.
        inputs: held input (D,), or one for each state (S, D); zeros by default. Of the model, so observed just now.
        reference: (R, N), states to compare gates with; by default 1000 uniform draws from the states' bounding box,
            widened by half its size on every side.
        seed: of those draws.

    Raises:
        InvalidInput: shapes do not fit the model.
        Diverged: the model is not finite at a state.
    """
    field = getattr(model, "field", None)
    if field is None:
        must_have("a model with a field (gnode.models)", type(model).__name__)
    states, seed = checked_states(states), integer("seed", seed, 0)
    if states.shape[1] != field.state_size:
        must_have(f"states of shape (S, {field.state_size})", f"shape {states.shape}")
    encoding = getattr(model, "encoding", None)
    channels = field.input_size if encoding is None else encoding.channels
    held = np.zeros(channels) if inputs is None else floats("inputs", inputs)
    if held.shape not in ((channels,), (len(states), channels)):
        must_have(f"inputs of shape ({channels},) or ({len(states)}, {channels})", f"shape {held.shape}")
    if encoding is not None:
        with jax.enable_x64(True):
            held = np.asarray(encoding.hold_still(held), dtype=float)
    if reference is None:
        middle, widths = (states.min(axis=0) + states.max(axis=0)) / 2, np.ptp(states, axis=0)
        # A coordinate in which the states do not differ is searched as far as another, or as they are from 0.
        widths = first_positive(widths, widths.max(), np.abs(states).max(), 1.0)
        reference = middle + widths * np.random.default_rng(seed).uniform(-1, 1, (_REFERENCES, states.shape[1]))
    else:
        reference = checked_states(reference, "reference")
    tau, dt = float(model.config.tau), float(model.config.dt)

    beside = np.broadcast_to(held, (len(states), field.input_size))
    gates, rates = _gates(field, states, beside), _eigenvalues(lambda h, x: field(h, x) / tau, states, beside)
    rates = _slowest_first(rates, np.abs(rates.real))
    if model.integrator.kind == "flow":
        multipliers = np.exp(dt * rates)
    else:
        multipliers = _eigenvalues(lambda h, x: model.integrator.step(field, h, x, dt / tau), states, beside)
    still = held if held.ndim == 1 else held.mean(axis=0)
    elsewhere = _gates(field, reference, np.broadcast_to(still, (len(reference), field.input_size)))
    edges = np.linspace(0, 1, _BINS + 1)
    overlap = _chance_smaller(_mean_log(gates), _mean_log(elsewhere))
    with np.errstate(divide="ignore"):
        strides = np.abs(np.log(np.abs(multipliers)))
        modes = 1 / np.abs(rates.real)
        return Timescales(
            gates=gates,
            units=tau / gates,
            rates=rates,
            modes=modes,
            steps=dt / _slowest_first(strides, strides),
            histogram=np.stack([np.histogram(unit, edges)[0] for unit in gates.T]),
            edges=edges,
            slow_overlap=overlap,
            checks=(),
            evidence=f"At {len(states)} states gates have a median of {np.median(gates):.3g} (units of "
            f"{np.median(tau / gates):.3g} s), the slowest mode a median of {np.median(modes[:, 0]):.3g} s; "
            f"slower than {len(reference)} states around with a chance of {overlap:.2f}.",
        )


def _gates(field: Any, states: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    with jax.enable_x64(True):
        return np.asarray(field.gate(jnp.asarray(states), jnp.asarray(inputs)), dtype=float)


def _eigenvalues(step: Callable[[Any, Any], Any], states: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """Eigenvalues of the Jacobian with respect to the state, (S, N), in batches of one size."""
    jacobian = jax.jit(jax.vmap(jax.jacfwd(lambda state, held: step(state, held).astype(jnp.float64))))
    eigenvalues = np.empty(states.shape, complex)
    with jax.enable_x64(True):
        for first in range(0, len(states), _BATCH):
            rows = np.minimum(np.arange(first, first + _BATCH), len(states) - 1)
            slopes = np.asarray(jacobian(jnp.asarray(states[rows]), jnp.asarray(inputs[rows])))
            if not np.isfinite(slopes).all():
                raise Diverged("The Jacobian of the model is not finite at some of the states.")
            count = min(_BATCH, len(states) - first)
            eigenvalues[first : first + count] = np.linalg.eigvals(slopes[:count])
    return eigenvalues


def _slowest_first(values: np.ndarray, speeds: np.ndarray) -> np.ndarray:
    """Values (S, N) in the order of their speeds."""
    return np.take_along_axis(values, np.argsort(speeds, axis=1, kind="stable"), axis=1)


def _mean_log(gates: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(gates, 1e-300)).mean(axis=1)


def _chance_smaller(one: np.ndarray, other: np.ndarray) -> float:
    """P(one < other) + P(equal) / 2: the Mann-Whitney statistic as a share of all pairs."""
    return float(mannwhitneyu(other, one).statistic / (len(one) * len(other)))
