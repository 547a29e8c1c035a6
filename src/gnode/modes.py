"""JAX's modes of the caller: what gnode computes is written for the usual ones."""

import contextlib
from collections.abc import Iterator

import jax


@contextlib.contextmanager
def usual_modes() -> Iterator[None]:
    """Ranks and types are promoted as JAX does by default, whatever the caller chose for code of their own.

    Stands before what users call, and before the ways back of custom derivatives, which JAX calls later.
    """
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield
