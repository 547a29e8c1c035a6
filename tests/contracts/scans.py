"""Cases of fields, switches and rules, and how the gradients of two scans over them are compared."""

import itertools
import random
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from gnode.fields import FIELDS, Field, FieldOptions
from gnode.integrate import RULES

N, D, TRIALS, TIME = 4, 3, 3, 7


def options_of(name: str, **changes) -> FieldOptions:
    kind = FIELDS[name]
    plain = dict(
        state_size=N,
        input_size=D,
        hidden=(5,) if kind.hidden is not None else (),
        gate_hidden=(6,) if "gate_hidden" in kind.reads else (),
        activation="tanh",
        candidate_activation=kind.candidate_activation,
        gate_activation="sigmoid",
        gate_bias=0.0,
        layer_norm=False,
        leak=True,
        gain=False,
    )
    return FieldOptions(**{**plain, **changes})


def draw_field(name: str, **changes) -> Field:
    return FIELDS[name].draw(np.random.default_rng(3), options_of(name, **changes))


@dataclass(frozen=True)
class Case:
    """A field, its switches, and the rule that moves the state."""

    name: str
    layer_norm: bool
    leak: bool
    gain: bool
    rule: str

    def __str__(self) -> str:
        switches = [switch for switch in ("layer_norm", "leak", "gain") if getattr(self, switch)]
        return "-".join([self.name, self.rule, *switches])

    def field(self) -> Field:
        return draw_field(self.name, layer_norm=self.layer_norm, leak=self.leak, gain=self.gain)


ON_AND_OFF = (False, True)
CASES = [
    case
    for case in itertools.starmap(Case, itertools.product(FIELDS, ON_AND_OFF, ON_AND_OFF, ON_AND_OFF, RULES))
    if case.leak or not RULES[case.rule].needs_leak
]


def covering(cases: list[Case], pairs: bool = False) -> set[Case]:
    """A few of the cases in which every field, every rule and both states of every switch appear; `pairs`: each with
    each other."""

    def held(case: Case) -> set:
        items = vars(case).items()
        return set(itertools.combinations(items, 2)) if pairs else set(items)

    cases = random.Random(1).sample(cases, len(cases))
    chosen, missing = set(), set().union(*map(held, cases))
    while missing:
        case = max(cases, key=lambda case: len(missing & held(case)))
        chosen.add(case)
        missing -= held(case)
    return chosen


SLICE = covering(CASES)
QUICKEST = Case("rnn", layer_norm=False, leak=True, gain=False, rule="euler")  # to compile


def in_float64(tree):
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), dtype=jnp.float64), tree)


def samples(seed: int = 5, time: int = TIME, trials: int = TRIALS):
    """A start, inputs, and elapsed times that differ by step and by trial, one of them 0: all float64."""
    generator = np.random.default_rng(seed)
    steps = generator.uniform(0.1, 1.3, (time, trials, 1))
    steps[time // 2, 0] = 0.0
    shapes = (trials, N), (time, trials, D)
    return (*(jnp.asarray(generator.standard_normal(shape)) for shape in shapes), jnp.asarray(steps))


def scalar_of(scan, rule, arguments):
    states = scan(RULES[rule].advance, *arguments)
    return jnp.sum(jnp.sin(states) * jnp.arange(1, states.size + 1).reshape(states.shape) / states.size)


# Quick to compile; there is little to compute.
compiled = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def largest_relative_difference(one, other) -> float:
    """Over the arrays of two trees, each in units of its largest entry; or of 1e-3 of the largest of all."""
    pairs = list(zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))
    least = 1e-3 * max(float(jnp.abs(leaf).max()) for leaf, _ in pairs)
    return max(float(jnp.abs(a - b).max()) / max(float(jnp.abs(a).max()), least) for a, b in pairs)
