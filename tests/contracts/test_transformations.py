"""Whatever JAX's transformations make of the adjoint, and of one another, they make of autodiff: to 1e-10, in float64.

Second derivatives are those in field, start, inputs and elapsed times at once. A transformation stands before the
derivative, within it or between two of them; one case nests all of them.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scans import (
    CASES,
    QUICKEST,
    SLICE,
    TRIALS,
    compiled,
    covering,
    in_float64,
    largest_relative_difference,
    samples,
    scalar_of,
)

from gnode.integrate import RULES, Map, adjoint
from gnode.integrate.adjoint import scan_with_adjoint, scan_with_autodiff

NETWORKS = 2


@pytest.fixture(autouse=True)
def _several_chunks_in_float64(monkeypatch):
    monkeypatch.setattr(adjoint, "ROWS", 3 * TRIALS)  # chunks of a few steps, which do not divide the time
    with jax.enable_x64(True):
        yield


def directions(tree, seed: int = 9):
    """A direction for each array of a tree."""
    generator = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: jnp.asarray(generator.standard_normal(leaf.shape)), tree)


def forward_over_reverse(scalar, at):
    """The Hessian's product with a direction."""
    return jax.jvp(jax.grad(scalar), (at,), (directions(at),))[1]


def reverse_over_reverse(scalar, at):
    """The same product, as the gradient of a slope."""
    along = directions(at)

    def slope(at):
        return sum(
            jnp.vdot(one, other)
            for one, other in zip(jax.tree.leaves(jax.grad(scalar)(at)), jax.tree.leaves(along), strict=True)
        )

    return jax.grad(slope)(at)


def scanned_twice(scan, rule, arguments):
    """States of a scan over pieces of time, each of which is a scan under jax.checkpoint; in sum."""
    field, start, inputs, steps = arguments
    pieces = jax.tree.map(lambda array: array[:6].reshape(2, 3, *array.shape[1:]), (inputs, steps))

    @jax.checkpoint
    def piece(state, samples):
        states = scan(RULES[rule].advance, field, state, *samples)
        return states[-1], jnp.sum(jnp.sin(states))

    last, sums = jax.lax.scan(piece, start, pieces)
    return jnp.sum(jnp.cos(last)) + jnp.sum(sums * jnp.arange(1.0, 3.0))


def one_of_several(arguments, count: int = NETWORKS):
    """As many such arguments, stacked, which differ a little."""
    return jax.tree.map(
        lambda leaf, along: jnp.stack([leaf + 0.1 * number * along for number in range(count)]),
        arguments, directions(arguments, 4),
    )  # fmt: skip


def gradient_by_networks(scan, rule, arguments):
    return jax.vmap(jax.grad(partial(scalar_of, scan, rule)))(one_of_several(arguments))


def curvature_by_networks(scan, rule, arguments):
    return jax.vmap(partial(forward_over_reverse, partial(scalar_of, scan, rule)))(one_of_several(arguments))


def gradient_of_a_mean_over_networks(scan, rule, arguments):
    """The transformation within the derivative; weights of one network, states of several."""
    field, *rest = arguments

    def mean(arguments):
        field, rest = arguments
        return jnp.mean(jax.vmap(lambda rest: scalar_of(scan, rule, (field, *rest)))(rest))

    return jax.grad(mean)((field, tuple(one_of_several(rest))))


def all_at_once(scan, rule, arguments):
    """Over networks, the Hessian's product for a scan of checkpointed scans."""
    return jax.vmap(partial(reverse_over_reverse, partial(scanned_twice, scan, rule)))(one_of_several(arguments))


TRANSFORMED = {
    "Hessian product": lambda scan, rule, at: forward_over_reverse(partial(scalar_of, scan, rule), at),
    "gradient of a slope": lambda scan, rule, at: reverse_over_reverse(partial(scalar_of, scan, rule), at),
    "checkpoint": lambda scan, rule, at: jax.grad(jax.checkpoint(partial(scalar_of, scan, rule)))(at),
    "scan in scan": lambda scan, rule, at: jax.grad(partial(scanned_twice, scan, rule))(at),
    "scan in scan, twice": lambda scan, rule, at: forward_over_reverse(partial(scanned_twice, scan, rule), at),
    "networks": gradient_by_networks,
    "networks, twice": curvature_by_networks,
    "within the derivative": gradient_of_a_mean_over_networks,
    "all at once": all_at_once,
}


def differ(transform, rule, arguments, scan=scan_with_adjoint) -> float:
    truth, ours = (compiled(partial(transform, one, rule))(arguments) for one in (scan_with_autodiff, scan))
    return largest_relative_difference(truth, ours)


PAIRS = sorted(covering(CASES, pairs=True), key=str)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "all at once" else pytest.mark.full) for name in TRANSFORMED]
)
def test_a_transformed_adjoint_is_transformed_autodiff(name):
    assert differ(TRANSFORMED[name], QUICKEST.rule, (in_float64(QUICKEST.field()), *samples())) < 1e-10


@pytest.mark.full
@pytest.mark.parametrize("name", TRANSFORMED)
@pytest.mark.parametrize("case", sorted(SLICE - {QUICKEST}, key=str), ids=str)
def test_every_field_rule_and_switch_under_every_transformation(case, name):
    assert differ(TRANSFORMED[name], case.rule, (in_float64(case.field()), *samples())) < 1e-10


@pytest.mark.full
@pytest.mark.parametrize("case", PAIRS, ids=str)
def test_every_pair_of_field_rule_and_switch_under_all_transformations_at_once(case):
    assert differ(all_at_once, case.rule, (in_float64(case.field()), *samples())) < 1e-10


@pytest.mark.parametrize(
    ("truncate", "classes"),
    [
        (3, 0),
        pytest.param(0, 0, marks=pytest.mark.full),
        pytest.param(0, 2, marks=pytest.mark.full),
        pytest.param(3, 2, marks=pytest.mark.full),
    ],
)
def test_a_map_has_the_second_derivatives_of_autodiff_cut_or_ragged(truncate, classes):
    """`truncate` is an outer scan; rows that end at different times are computed in classes."""
    field, start, inputs, steps = in_float64(QUICKEST.field()), *samples()
    there = np.arange(inputs.shape[0])[:, None] < np.array([7, 4, 2])
    by_trial = jnp.swapaxes(inputs, 0, 1), jnp.where(there, steps[..., 0] + 0.1, 0.0).T

    def scalar(integrator, arguments):
        states = integrator(*arguments).states
        return jnp.sum(jnp.sin(states) * jnp.arange(1, states.size + 1).reshape(states.shape) / states.size)

    truth, ours = (
        compiled(partial(forward_over_reverse, partial(scalar, integrator)))((field, start, *by_trial))
        for integrator in (Map("euler", "autodiff", truncate), Map("euler", "adjoint", truncate, classes))
    )
    assert largest_relative_difference(truth, ours) < 1e-10
