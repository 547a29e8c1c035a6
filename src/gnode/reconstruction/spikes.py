"""From counts to a recording of factors that is as sharp as the counts allow."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np

from gnode.reconstruction.counts import (
    Factors,
    Rates,
    as_factors,
    bits_per_spike,
    find_factors,
    fit_rates,
    refuse_no_counts,
    sharpened,
)
from gnode.reconstruction.fit import Plan, data_for, fit_one, way_of_counts
from gnode.reconstruction.pieces import parted
from gnode.reconstruction.recording import Recording, Stretch
from gnode.reconstruction.states import along


@dataclass(frozen=True)
class Spikes:
    """Counts, and what became of them.

    Attributes:
        counts: the recording as it came.
        factors: what its units share.
        sharpened: the recording whose channels are those factors, as each bin's counts say them of a state.
    """

    counts: Recording
    factors: Factors
    sharpened: Recording


def read_spikes(counts: Recording, number: int | str, plan: Plan) -> Spikes:
    """Factors of counts, and by a first network what each bin says of them.

    What is held out for the test is not learned from, here neither.

    Raises:
        InvalidInput: these are no counts, or too few.
        Diverged: the first network could not be fitted.
    """
    refuse_no_counts(counts)
    learned, _ = parted(counts)
    factors = find_factors(learned, number)
    coarse = as_factors(counts, factors)
    way = way_of_counts(plan)
    model = fit_one(coarse, data_for(coarse, *parted(coarse), way, 1)[0], plan, way).model
    own = model.output_scaling
    assert own is not None
    size = coarse.channels
    states = [course[:, :size] for course in along(model, list(coarse.stretches))]
    rates = _fitted_rates(counts, states)
    made = [
        replace(stretch, values=np.asarray(own.unscaled(jnp.asarray(sharpened(course, stretch.values, rates))), float))
        for stretch, course in zip(counts.stretches, states, strict=True)
    ]
    return Spikes(counts, factors, replace(coarse, stretches=tuple(made)))


def rates_of(spikes: Spikes, states: list[np.ndarray]) -> tuple[Rates, float]:
    """The rates that a network's states along the recording give, and the bits a spike they explain of the test."""
    rates = _fitted_rates(spikes.counts, states)
    _, tested = _parts(spikes.counts, states)
    return rates, bits_per_spike(rates.at(np.concatenate([one for one, _ in tested])), _counts(tested))


def _fitted_rates(counts: Recording, states: list[np.ndarray]) -> Rates:
    learned, _ = _parts(counts, states)
    return fit_rates(np.concatenate([one for one, _ in learned]), _counts(learned))


def _counts(parts: list[tuple[np.ndarray, Stretch]]) -> np.ndarray:
    return np.concatenate([stretch.values for _, stretch in parts])


def _parts(counts: Recording, states: list[np.ndarray]) -> tuple[list, list]:
    """States and counts of what is learned from, and of the test."""
    numbers = replace(
        counts,
        stretches=tuple(
            replace(stretch, values=np.column_stack([course, stretch.values]))
            for stretch, course in zip(counts.stretches, states, strict=True)
        ),
    )
    size = states[0].shape[1]
    return tuple(  # type: ignore[return-value]
        [(part.values[:, :size], replace(part, values=part.values[:, size:])) for part in parts]
        for parts in parted(numbers)
    )
