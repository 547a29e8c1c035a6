"""What training adds so that a model does not lean on too little: noise on inputs, dropout on the readout.

Both draw from the key of a minibatch, which the run's seed and the epoch determine. Validation knows neither.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnode.models.model import Samples

_STREAM = 102  # of random numbers; the order of trials has another


def keys(seed: int, epoch: int, batches: int) -> np.ndarray:
    """The key of every minibatch of an epoch, (batches, 2), 32 bits each."""
    return np.random.SeedSequence((seed, _STREAM, epoch)).generate_state(2 * batches).reshape(batches, 2)


def noisy(samples: Samples, size: float, channels: int, key: Array | np.ndarray) -> Samples:
    """Samples with normal noise on what the field sees of each channel; what is told beside the values stays."""
    inputs = samples.inputs
    noise = size * jax.random.normal(_key(key, 0), (*inputs.shape[:2], channels), inputs.dtype)
    there = (samples.elapsed > 0)[..., None]
    return samples._replace(inputs=inputs.at[..., :channels].add(jnp.where(there, noise, 0)))


def dropped(states: Array, share: float, key: Array | np.ndarray) -> Array:
    """States of which the readout misses a share, and sees the rest so much larger (Srivastava et al., JMLR 2014)."""
    kept = jax.random.bernoulli(_key(key, 1), 1 - share, states.shape)
    return jnp.where(kept, states / (1 - share), 0)


def _key(words: Array | np.ndarray, stream: int) -> Array:
    return jax.random.fold_in(jax.random.wrap_key_data(jnp.asarray(words), impl="threefry2x32"), stream)
