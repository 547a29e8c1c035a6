"""Models of every kind, and what goes into them, for the tests of what leaves gnode."""

import dataclasses
from itertools import cycle

import jax
import numpy as np

import gnode
from gnode.fields import FIELDS
from gnode.integrate import RULES
from gnode.models.initial import INITIAL_STATES
from gnode.models.reading import READINGS
from gnode.models.scaling import Scaling
from gnode.nn.activations import ACTIVATIONS

CASES = [(model, rule) for model in FIELDS for rule in RULES]


def _settings() -> list[dict]:
    """For each case other choices, so that each is made with several fields and rules."""
    activations, starts, readings = cycle(ACTIVATIONS), cycle(INITIAL_STATES), list(READINGS)
    ways, times, numbers = cycle(("refuse", "hold", "hold-with-observed")), cycle(("step", "input", "both", "step")), 0
    found = []
    for model, rule in CASES:
        reads, numbers = FIELDS[model].reads, numbers + 1
        start, reading = next(starts), readings[(numbers + numbers // 3) % 3]
        options = {"activation": next(activations), "gate_activation": ("sigmoid", "steep-sigmoid")[numbers % 2]}
        options |= {"gate_bias": -0.5, "gate_hidden": (3,), "learn_rates": bool(numbers % 2)}
        options |= {"candidate_activation": (None, "gelu", "relu", "swish")[numbers % 4], "gain": numbers % 3 == 0}
        options |= {"layer_norm": numbers % 2 == 0, "leak": rule == "exponential-euler" or numbers % 5 > 0}
        options = {key: value for key, value in options.items() if key in reads or key == "activation"}
        options |= {"hidden": (5, 4)} if FIELDS[model].hidden else {}
        options |= {"readout_hidden": (3,)} if numbers % 3 and start != "observed" else {}
        options |= {"initial_hidden": (3,)} if INITIAL_STATES[start].has_net and numbers % 2 else {}
        if not {"hidden", "readout_hidden", "initial_hidden"} & set(options):
            del options["activation"]
        elapsed, residual = next(times), reading == "each" and numbers % 2 == 0 and start != "observed"
        at_first = elapsed == "step" and reading != "mean" and numbers % 2 == 1
        found.append(
            {
                **options,
                "initial_state": start,
                "reading": reading,
                "missing": next(ways),
                "elapsed": elapsed,
                "residual": residual,
                "begins": "at-first" if at_first else "before-first",
                "dt": 0.02,
                "tau": 0.05,
            }
        )
    return found


SETTINGS = _settings()


def made(case: int) -> gnode.models.Model:
    """The model of a case, of three inputs and two outputs; every other one is scaled, from units far from 1."""
    (model, rule), options = CASES[case], SETTINGS[case]
    plain = gnode.models.make(model, input_size=3, state_size=4, output_size=2, integrator=rule, seed=case, **options)
    random = np.random.default_rng(case)
    leaves, tree = jax.tree.flatten(plain)
    moved = [
        leaf + (0.3 * random.standard_normal(leaf.shape)).astype("f4") if leaf.dtype == "f4" else leaf
        for leaf in leaves
    ]
    plain = jax.tree.unflatten(tree, moved)  # so that no bias, gain or norm is what it begins as
    if case % 2:
        return plain
    return dataclasses.replace(
        plain,
        encoding=dataclasses.replace(plain.encoding, scaling=Scaling.of([1e9, -3.0, 0.0], [1e6, 2.0, 1e-9])),
        readout=dataclasses.replace(
            plain.readout, scaling=None if SETTINGS[case]["residual"] else Scaling.of([5.0, 0.0], [10.0, 1e-3])
        ),
    )


def trials(case: int) -> dict:
    """Inputs (5, 9, 3) at irregular times, missing where they may be, and first targets where they are wanted."""
    random = np.random.default_rng(100 + case)
    inputs = random.standard_normal((5, 9, 3))
    if case % 2 == 0:
        inputs = inputs * [1e6, 2.0, 1e-9] + [1e9, -3.0, 0.0]
    if SETTINGS[case]["missing"] != "refuse":
        inputs[random.random(inputs.shape) < 0.3] = np.nan
    given = {"inputs": inputs, "times": np.cumsum(random.uniform(0.005, 0.04, (5, 9)), axis=1)}
    if INITIAL_STATES[SETTINGS[case]["initial_state"]].is_told:
        given["first_targets"] = random.standard_normal((5, 2))
    return given
