"""By which power of the step the error of rk4 and tsit5 falls, with smooth activations and with relu.

python docs/results/order.py docs/results/order.md
"""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("NPROC", "1")

import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from machine import measured_on

import gnode
from gnode.fields import Field
from gnode.integrate import Flow, Map

METHODS: dict[str, tuple[Map | Flow, int]] = {"rk4": (Map("rk4"), 4), "tsit5": (Flow("tsit5", substeps=1), 5)}
ACTIVATIONS = ("tanh", "swish", "relu")
TRIALS, SAMPLES, STEPS = 40, 8, [1, 2, 4, 8, 16, 32, 64]
ROUNDING = 1e4 * np.finfo(float).eps  # what is below this is not the method's error alone

PAGE = """# Order of integrators, with and without kinks

**Question.** rk4 is of order 4 and tsit5 of order 5: with half the step, 1/16 and 1/32 of the error. That is proved for
smooth fields. What is left of it with relu, which has a kink at 0?

**Rule.** A gnODE of six units, F [32], weights drawn with seed 0; {trials} trials of {samples} samples, one tau apart,
normal inputs held over each sample; float64. Each sample is crossed in 1 to {most} equal steps. The error is the root
mean square distance, over trials and units, of the last state to that of dopri8 with rtol = 1e-12 and steps of its own
for each series. The order is the slope over the last three halvings whose error is above 1e4 roundings.

    python docs/results/order.py docs/results/order.md

{table}

**What it says.** {verdict} A step that crosses the kink of a unit errs by about the square of its length, whatever the
order is elsewhere, and halving steps does not make the crossings fewer. So with relu an order above 2 buys little in
the end; tanh, swish and gelu have no kinks.

{measured_on}
"""


def draw_field(activation: str) -> Field:
    model = gnode.models.make(
        "gnode", input_size=2, state_size=6, output_size=1, hidden=(32,), activation=activation, seed=0
    )
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, float) if eqx.is_inexact_array(leaf) else leaf, model.field)


def errors_of(integrator: Map | Flow, field: Field, start: Array, inputs: np.ndarray, truth: np.ndarray) -> list[float]:
    """The error with each number of steps a sample: one ragged batch, since what is padded acts for no time."""
    batch, longest = len(STEPS) * TRIALS, SAMPLES * STEPS[-1]
    samples, elapsed = np.zeros((batch, longest, inputs.shape[-1])), np.zeros((batch, longest))
    for number, steps in enumerate(STEPS):
        rows = slice(number * TRIALS, (number + 1) * TRIALS)
        samples[rows, : SAMPLES * steps] = np.repeat(inputs, steps, axis=1)
        elapsed[rows, : SAMPLES * steps] = 1 / steps
    path = integrator(field, jnp.tile(start, (len(STEPS), 1)), jnp.asarray(samples), jnp.asarray(elapsed))
    apart = np.asarray(path.states[:, -1]).reshape(len(STEPS), *truth.shape) - truth
    return np.sqrt(np.mean(apart**2, axis=(1, 2))).tolist()


def order_of(errors: list[float]) -> float:
    """By which power of the step they fall, over the last three halvings."""
    above = [error for error in errors if error > ROUNDING][-4:]
    return float(np.polyfit(-np.arange(len(above)), np.log2(above), 1)[0])


def measure() -> dict[tuple[str, str], list[float]]:
    generator = np.random.default_rng(0)
    start = jnp.asarray(generator.standard_normal((TRIALS, 6)))
    inputs = jnp.asarray(generator.standard_normal((TRIALS, SAMPLES, 2)))
    exact = Flow("dopri8", rtol=1e-12, atol=1e-13, most_steps=100_000, grid="series")
    found = {}
    for activation in ACTIVATIONS:
        field = draw_field(activation)
        path = exact(field, start, inputs, jnp.ones((1, SAMPLES)))
        assert not np.any(path.failed)
        truth = np.asarray(path.states[:, -1])
        for name, (integrator, _) in METHODS.items():
            found[activation, name] = errors_of(integrator, field, start, np.asarray(inputs), truth)
    return found


def main(out: Path) -> None:
    with jax.enable_x64(True):
        found = measure()
    lines = [
        "| activation | method | order on paper | order found | "
        + " | ".join(f"{n} step{'s' if n > 1 else ''}" for n in STEPS)
        + " |",
        "|---|---|---|---|" + "---|" * len(STEPS),
    ]
    orders = {key: order_of(errors) for key, errors in found.items()}
    for (activation, name), errors in found.items():
        cells = [activation, name, str(METHODS[name][1]), f"{orders[activation, name]:.2f}"]
        lines.append("| " + " | ".join(cells + [f"{error:.1e}" for error in errors]) + " |")
    smooth = [
        f"{name} {order:.2f} with {activation}" for (activation, name), order in orders.items() if activation != "relu"
    ]
    kinked = [f"{name} {orders['relu', name]:.2f}" for name in METHODS]
    verdict = (
        f"Smooth activations keep the order or better it ({', '.join(smooth)}); relu loses it ({', '.join(kinked)})."
    )
    page = PAGE.format(
        trials=TRIALS,
        samples=SAMPLES,
        most=STEPS[-1],
        table="\n".join(lines),
        verdict=verdict,
        measured_on=measured_on(),
    )
    out.write_text(page)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
