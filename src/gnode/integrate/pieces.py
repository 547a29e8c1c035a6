"""Time in pieces of equal length. What is missing at the end is padding: steps of length 0, whose cotangents are 0."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

Pieces = tuple[Callable[[PyTree], PyTree], Callable[[PyTree], PyTree]]


def pieces_of(time: int, length: int) -> Pieces:
    """Functions that split arrays (time, ...) into (pieces, length, ...), and join them again."""
    number = -(-time // length)

    def split(array: Array) -> Array:
        padded = jnp.pad(array, [(0, number * length - time)] + [(0, 0)] * (array.ndim - 1))
        return padded.reshape(number, length, *array.shape[1:])

    def join(array: Array) -> Array:
        return array.reshape(number * length, *array.shape[2:])[:time]

    return (lambda tree: jax.tree.map(split, tree)), (lambda tree: jax.tree.map(join, tree))
