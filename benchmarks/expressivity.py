"""Fitting many autonomous networks: gnode.expressivity.fit against a plain vmapped autodiff scan, per network.

The cells are those of the full preset at N = 4 and N = 12, with as many networks at once as it fits. The plain way is
what one writes first: the loss of one network by a scan, `jax.grad`, `jax.vmap`, the same Adam and clip.
"""

import statistics
from itertools import product

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.machine import in_turn, ratio
from gnode.expressivity import PRESETS
from gnode.expressivity import fit as fitting
from gnode.expressivity.plan import LINEAR, RNN, layers
from gnode.integrate import RULES

STEPS = 25
SIZES = (4, 12)
ROUNDS = 3
ALPHA = 0.2
CELLS = (LINEAR, RNN, layers(10), layers(30), layers(100), layers(30, 30), layers(30, gated=True))


@eqx.filter_jit
def _plain(state, rest, goals, peaks, first, last):
    adam = optax.scale_by_adam()
    schedule = optax.cosine_onecycle_schedule(3000, 1.0)

    def loss(parameters, goal):
        network = eqx.combine(parameters, rest)

        def step(h, _):
            h = h + ALPHA * network.field(h, jnp.zeros(0))
            return h, h

        _, later = jax.lax.scan(step, network.start, None, length=len(goal) - 1)
        states = jnp.concatenate([network.start[None], later])
        return jnp.mean((states @ network.readout.weight.T + network.readout.bias - goal) ** 2)

    def clipped(parameters, goal):
        gradient = jax.grad(loss)(parameters, goal)
        return jax.tree.map(lambda part: part * jnp.minimum(1.0, 1 / optax.tree.norm(gradient)), gradient)

    def update(number, state):
        parameters, moments = state
        change, moments = adam.update(jax.vmap(clipped)(parameters, goals), moments)
        rate = peaks * schedule(number)
        move = lambda old, part: old - rate.reshape(-1, *(1,) * (part.ndim - 1)) * part  # noqa: E731
        return jax.tree.map(move, parameters, change), moments

    return jax.lax.fori_loop(first, last, update, state)


def _contenders(kind, size, targets):
    config = kind.config(size, targets.shape[-1])
    drawn = [fitting.draw_network(config, (0, k)) for k in range(len(targets))]
    goals, peaks = jnp.asarray(targets), jnp.full(len(targets), 0.01)
    first, last = jnp.int32(0), jnp.int32(STEPS)

    def begin(networks):
        parameters, rest = eqx.partition(networks, eqx.is_inexact_array)
        return (parameters, optax.scale_by_adam().init(parameters)), rest

    networks = fitting._side_by_side(drawn)
    plain = begin(jax.tree.map(lambda part: jnp.moveaxis(part, -1, 0) if eqx.is_array(part) else part, networks))
    fast = begin(networks)
    runs = {
        "plain": lambda: _plain(*plain, goals, peaks, first, last),
        "gnode": lambda: fitting._train(
            *fast, jnp.moveaxis(goals, 0, -1), peaks, first, last, 3000, ALPHA, 1.0, RULES["euler"].advance
        ),
    }
    # Both must compute the same thing, or the ratio means nothing.
    plainly, fastly = (np.asarray(run()[0].start) for run in runs.values())
    np.testing.assert_allclose(plainly, fastly.T, atol=2e-2)
    return {name: (lambda run=run: jax.block_until_ready(run())) for name, run in runs.items()}


def measure() -> list[dict]:
    """Milliseconds a network and optimiser step, and the ratio, cell by cell and over all cells together."""
    plan = PRESETS["full"]
    targets = plan.draw()
    targets = np.repeat(targets.reshape(-1, *targets.shape[2:]), plan.restarts, axis=0)
    rows, totals = [], {"plain": [0.0] * ROUNDS, "gnode": [0.0] * ROUNDS}
    for kind, size in product(CELLS, SIZES):
        seconds = in_turn(_contenders(kind, size, targets), ROUNDS)
        each = {f"{name}_us": 1e6 * statistics.median(s) / STEPS / len(targets) for name, s in seconds.items()}
        rows.append(
            {
                "F": f"{kind.label}, N = {size}",
                "networks": len(targets),
                **each,
                "faster": ratio(seconds["plain"], seconds["gnode"]),
            }
        )
        totals = {name: [a + b for a, b in zip(totals[name], seconds[name], strict=True)] for name in totals}
        _show(rows[-1])
    rows.append({"F": "all", "networks": len(targets), "faster": ratio(totals["plain"], totals["gnode"])})
    _show(rows[-1])
    return rows


def _show(row: dict) -> None:
    times = "".join(f"  {name} {row[f'{name}_us']:6.1f} us" for name in ("plain", "gnode") if f"{name}_us" in row)
    low, high = row["faster"]["least"], row["faster"]["greatest"]
    print(f"F {row['F']:18s}{times}  {row['faster']['median']:.2f} times as fast ({low:.2f} to {high:.2f})", flush=True)
