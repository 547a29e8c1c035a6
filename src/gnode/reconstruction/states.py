"""The states of a network along a recording whose samples are noisy: ends of windows mean little, courses much."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnode.models import Model
from gnode.reconstruction.recording import Stretch
from gnode.series import Series, Trials
from gnode.training.levenberg import settled_starts

WINDOW = 20  # samples of a free course that is fitted to the recording


def along(model: Model, stretches: list[Stretch], window: int = WINDOW) -> list[np.ndarray]:
    """Where a network was along evenly sampled stretches: in each window, the free course that fits it best.

    Returns:
        for each stretch (n, N), in the scale of the network. What lies at the end of a window, every `window` samples,
        is known best: it is the network's own, and the noise of where the course began is forgotten.
    """
    found = []
    for stretch in stretches:
        count = len(stretch)
        size = min(window, count)
        firsts = np.minimum(np.arange(0, count, size), count - size)  # the last window overlaps the one before
        parts = [stretch.part(first, first + size) for first in firsts]
        trials = Trials(Series.of(np.stack([part.inputs for part in parts])), np.stack([part.values for part in parts]))
        starts, _ = settled_starts(model, trials)
        inputs = jnp.asarray(model.encoding.encode_array(trials.series.values).inputs)
        gaps = np.full((len(parts), size), model.config.dt / model.config.tau)
        gaps[:, 0] = 0.0  # the first sample is where it starts
        courses = np.asarray(_course(model, starts, inputs, jnp.asarray(gaps, jnp.float32)), float)
        states = np.empty((count, courses.shape[-1]))
        for first, course in zip(firsts, courses, strict=True):
            states[first : first + size] = course
        found.append(states)
    return found


@eqx.filter_jit
def _course(model: Model, starts: Array, inputs: Array, elapsed: Array) -> Array:
    return model.integrator(model.field, starts, inputs, elapsed).states
