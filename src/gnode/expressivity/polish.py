"""Levenberg-Marquardt on fitted networks, to tell "cannot express" from "was not found"."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree
from scipy.optimize import least_squares

from gnode.expressivity.fit import STEPS, Fitted, Network, relative_error, simulate


def polish(fitted: Fitted, targets: np.ndarray, *, alpha: float, evaluations: int, step: str = "map") -> Fitted:
    """The same networks after so many more evaluations of a damped Gauss-Newton method, none of them worse.

    The trust-region reflective method of scipy.optimize.least_squares (Branch, Coleman and Li 1999), unbounded: unlike
    MINPACK's, it takes more parameters than samples. Networks that diverged stay as they are.

    Args:
        targets: (M, time, d), what the networks were fitted to.
        evaluations: of the residuals, each with a Jacobian.
    """
    networks = [_one(fitted.networks, number) for number in range(len(targets))]
    parts = [eqx.partition(network, eqx.is_inexact_array) for network in networks]
    rest, unravel = parts[0][1], ravel_pytree(parts[0][0])[1]

    def run(vector: Array) -> tuple[Array, Array]:
        network: Network = eqx.combine(unravel(vector), rest)
        return simulate(network, targets.shape[1], alpha, STEPS[step])

    residuals = jax.jit(lambda vector, goal: (run(vector)[1] - goal).ravel())
    jacobian = jax.jit(jax.jacfwd(residuals))
    simulated = jax.jit(run)
    polished, states, outputs = [], [], []
    for (parameters, _), goal, error in zip(parts, targets, fitted.errors, strict=True):
        vector = np.asarray(ravel_pytree(parameters)[0], np.float64)
        if np.isfinite(error):
            vector = _minimised(vector, jnp.asarray(goal, jnp.float32), residuals, jacobian, evaluations)
        state, output = simulated(jnp.asarray(vector, jnp.float32))
        polished.append(unravel(jnp.asarray(vector, jnp.float32)))
        states.append(np.asarray(state))
        outputs.append(np.asarray(output))
    errors = relative_error(np.stack(outputs), targets)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *polished)
    return Fitted(eqx.combine(stacked, rest), errors, np.stack(outputs), np.stack(states))


def _one(networks: Network, number: int) -> Network:
    return jax.tree.map(lambda part: part[number] if eqx.is_array(part) else part, networks)


def _minimised(vector: np.ndarray, goal: Array, residuals, jacobian, evaluations: int) -> np.ndarray:  # type: ignore[no-untyped-def]
    def residual(x: np.ndarray) -> np.ndarray:
        # A step into the land of overflow must look bad to the trust region, not break it.
        return np.nan_to_num(np.asarray(residuals(jnp.asarray(x, jnp.float32), goal), np.float64), nan=1e6).clip(
            -1e6, 1e6
        )

    def slope(x: np.ndarray) -> np.ndarray:
        return np.nan_to_num(np.asarray(jacobian(jnp.asarray(x, jnp.float32), goal), np.float64))

    found = least_squares(
        residual, vector, slope, method="trf", x_scale="jac", max_nfev=evaluations, ftol=1e-9, xtol=1e-12, gtol=1e-14
    )
    return found.x if np.sum(found.fun**2) <= np.sum(residual(vector) ** 2) else vector
