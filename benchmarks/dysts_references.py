"""Lyapunov exponents of the systems of dysts that gnode's are judged by, from a code that shares nothing with gnode's.

    python -m benchmarks.dysts_references [SYSTEM ...]

makes benchmarks/dysts-references.json, system by system; what the file holds is kept. Classical Runge-Kutta steps of
the state and of tangent vectors (by forward differentiation), made orthonormal by Gram and Schmidt: Shimada and
Nagashima, Progress of Theoretical Physics 61 (1979). The published spectra are no truth: their largest exponents are
off by 20 % in the median.

A pilot of one trajectory finds the attractor: states of it, of which trajectories begin, and the fastest time constant
(the largest modulus of an eigenvalue of any Jacobian on it), of which a step is at most a tenth. Each trajectory is
followed for about 300 Lyapunov times, or for as long as 200,000 steps last (`cut_short`), but for 100 Lyapunov times
wherever two million steps suffice: shorter ones are biased, since tangent vectors have to turn first. `error` is the
standard error over trajectories. One exponent of a bounded flow is 0: where none is, steps are made finer, at most 64
times, and a system where that does not help has no reference (`failed`).
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.machine import use_one_thread

use_one_thread()  # before JAX is imported

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from benchmarks.dysts_systems import flow_of, metadata, systems  # noqa: E402
from gnode.files import write_atomically  # noqa: E402

FILE = Path(__file__).with_name("dysts-references.json")
TRAJECTORIES, STARTS = 32, 5
LYAPUNOV_TIMES, ENOUGH = 300, 100  # of each trajectory; it may be stopped after so many
MOST_STEPS, MOST_FOR_ENOUGH = 200_000, 2_000_000
PERIODS, PILOT_STATES = 200, 2000
FINE, RATE = 2000, 0.2  # steps of the pilot in a period, and the most of a fastest time constant that one may be
STEP = 0.1  # of the fastest time constant
BETWEEN = 5  # steps from one orthonormalisation to the next
BLOCKS = 50  # of which a tenth is not counted
FINER = (1, 8, 64)  # times as many steps, where an exponent that has to be 0 is not: on kinks, near singularities
ZERO = 0.01  # of the largest exponent, what the zero exponent may be off by, beside three standard errors


def _runge_kutta(slopes: Callable[[Any], Any], states: Any, step: Any) -> Any:
    first = slopes(states)
    second = slopes(states + step / 2 * first)
    third = slopes(states + step / 2 * second)
    return states + step / 6 * (first + 2 * second + 2 * third + slopes(states + step * third))


def _followed(f: Callable[[Any], Any], start: np.ndarray, step: float, every: int, count: int) -> np.ndarray:
    """States (count, N) of one trajectory, `every` so many steps."""

    def to_next(states: Any, _: None) -> tuple[Any, Any]:
        states = jax.lax.fori_loop(0, every, lambda _, now: _runge_kutta(f, now, step), states)
        return states, states[0]

    run = jax.jit(lambda states: jax.lax.scan(to_next, states, None, count)[1])
    return np.asarray(run(jnp.asarray(start)[None]))


def _fastest(f: Callable[[Any], Any], states: np.ndarray) -> float:
    jacobians = jax.jit(jax.vmap(jax.jacfwd(lambda state: f(state[None])[0])))(jnp.asarray(states))
    return float(np.abs(np.linalg.eigvals(np.asarray(jacobians))).max())


def _on_attractor(f: Callable[[Any], Any], start: np.ndarray, period: float) -> tuple[np.ndarray, float]:
    """States of the pilot, the first quarter of its time not among them, and the fastest rate there."""
    fine = FINE
    for _ in range(6):
        every = round(PERIODS * fine / PILOT_STATES)
        states = _followed(f, start, period / fine, every, PILOT_STATES)
        if np.isfinite(states).all():
            rate = _fastest(f, states)
            if rate * period / fine <= RATE:
                return states[PILOT_STATES // 4 :], rate
        fine *= 3
    raise ArithmeticError("the pilot does not stay finite, or is too stiff")


def _rates(f: Callable[[Any], Any], starts: np.ndarray, step: float, rounds: int) -> np.ndarray:
    """Rates of growth (blocks, trajectories, N) of tangent vectors."""
    count, size = starts.shape

    def slopes(together: Any) -> Any:
        following, forwards = jax.linearize(f, together[0])
        return jnp.concatenate([following[None], jax.vmap(forwards)(together[1:])])

    def gram_schmidt(vectors: Any) -> tuple[Any, Any]:
        axes: list[Any] = []
        sizes = []
        for number in range(size):
            vector = vectors[number]
            for axis in axes:
                vector = vector - jnp.sum(vector * axis, axis=1, keepdims=True) * axis
            length = jnp.sqrt(jnp.sum(vector**2, axis=1))
            axes.append(vector / length[:, None])
            sizes.append(jnp.log(length))
        return jnp.stack(axes), jnp.stack(sizes, axis=1)

    def one_round(_: Any, carry: tuple[Any, Any]) -> tuple[Any, Any]:
        together, grown = carry
        together = jax.lax.fori_loop(0, BETWEEN, lambda _, now: _runge_kutta(slopes, now, step), together)
        axes, sizes = gram_schmidt(together[1:])
        return jnp.concatenate([together[:1], axes]), grown + sizes

    def block(together: Any, _: None) -> tuple[Any, Any]:
        return jax.lax.fori_loop(0, rounds, one_round, (together, jnp.zeros((count, size))))

    frame = np.random.default_rng(1).standard_normal((size, count, size))
    together = jnp.concatenate([jnp.asarray(starts)[None], gram_schmidt(jnp.asarray(frame))[0]])
    grown = jax.jit(lambda now: jax.lax.scan(block, now, None, BLOCKS)[1])(together)
    return np.asarray(grown) / (rounds * BETWEEN * step)


def _has_zero(exponents: np.ndarray, error: np.ndarray) -> bool:
    zero = np.argmin(np.abs(exponents))
    return bool(np.abs(exponents[zero]) <= ZERO * exponents.max() + 3 * error[zero])


def reference(name: str) -> dict[str, Any]:
    """Exponents of one system, and states that others may begin from."""
    f, told, began = flow_of(name), metadata()[name], time.process_time()
    start = np.asarray(told["initial_conditions"], float)
    states, rate = _on_attractor(f, start.reshape(-1, start.shape[-1])[0], told["period"])
    random = np.random.default_rng(0)
    chosen = states[random.choice(len(states), TRAJECTORIES + STARTS, replace=False)]
    step = STEP / rate
    # A first, short run says how long a Lyapunov time is.
    short = _rates(f, chosen[:TRAJECTORIES], step, 20)
    largest = max(float(short[BLOCKS // 2 :].mean(axis=(0, 1)).max()), 1e-6 * rate)
    # At least as long as the pilot where that is not asking for too much.
    wanted = max(LYAPUNOV_TIMES / largest, PERIODS / 2 * told["period"]) / step
    for finer in FINER:
        taken = step / finer
        most = max(MOST_STEPS * min(finer, 4), min(ENOUGH / largest / taken, MOST_FOR_ENOUGH))
        rounds = int(np.ceil(min(wanted * finer, most) / (BETWEEN * BLOCKS)))
        rates = _rates(f, chosen[:TRAJECTORIES], taken, rounds)[BLOCKS // 10 :].mean(axis=0)
        exponents, error = rates.mean(axis=0), rates.std(axis=0, ddof=1) / np.sqrt(TRAJECTORIES)
        if _has_zero(exponents, error):
            break
    else:
        raise ArithmeticError(f"no exponent is 0 with the finest step: {exponents.round(4).tolist()}")
    order = np.argsort(-exponents)
    speeds = np.linalg.norm(np.asarray(f(jnp.asarray(states))) / np.ptp(states, axis=0), axis=1)
    return {
        "exponents": exponents[order].tolist(),
        "error": error[order].tolist(),
        "of_each": rates.max(axis=1).round(6).tolist(),
        "trajectories": TRAJECTORIES,
        "time": rounds * BETWEEN * (BLOCKS - BLOCKS // 10) * taken,
        "step": taken,
        "cut_short": bool(rounds * BETWEEN * BLOCKS * taken < 0.99 * wanted * step),
        "starts": chosen[TRAJECTORIES:].tolist(),
        "slowest": states[np.argmin(speeds)].tolist(),
        "seconds": round(time.process_time() - began, 1),
    }


def references() -> dict[str, dict[str, Any]]:
    """Those that are there, by name."""
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def extend(name: str) -> dict[str, Any]:
    """The reference of one system, made and kept if it is not there; {"failed": why} where none can be had."""
    found = references()
    if name not in found:
        try:
            with jax.enable_x64(True):
                found[name] = reference(name)
        except ArithmeticError as error:
            found[name] = {"failed": str(error)}
        lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(found[key])}" for key in sorted(found))
        write_atomically(FILE, f"{{\n{lines}\n}}\n".encode())
    return found[name]


def main() -> None:
    for name in sys.argv[1:] or systems():
        made = extend(name)
        said = made.get("failed") or f"{np.round(made['exponents'], 4).tolist()}, {made['seconds']} s"
        print(f"{name}: {said}", flush=True)


if __name__ == "__main__":
    main()
