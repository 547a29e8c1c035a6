"""The map: one step of a rule a sample."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from gnode.fields import Field
from gnode.integrate.adjoint import SCANS, scan_ragged
from gnode.integrate.path import Path
from gnode.integrate.pieces import pieces_of
from gnode.integrate.rules import RULES, Advance
from gnode.nn.dense import Apply, affine


class Map(eqx.Module):
    """Moves the state by one step of a rule a sample, the sample's input held still over the time that elapsed.

    Attributes:
        rule: a name in gnode.integrate.RULES.
        gradient: "adjoint" (by hand, faster) or "autodiff".
        truncate: the gradient passes through at most so many samples (truncated backpropagation: it is cut after every
            so many); 0 for all of them.
        classes: by how many numbers of rows a ragged batch is computed, which changes nothing but the time that it
            takes; 0 for as a rectangle.
    """

    kind: ClassVar[str] = "map"

    rule: str = eqx.field(static=True)
    gradient: str = eqx.field(static=True, default="adjoint")
    truncate: int = eqx.field(static=True, default=0)
    classes: int = eqx.field(static=True, default=0)

    def __call__(
        self,
        field: Field,
        start: Float[Array, "trials N"],
        inputs: Float[Array, "trials time D"],
        elapsed: Float[Array, "#trials time"],
        impulses: Float[Array, "trials time N"] | None = None,
    ) -> Path:
        """The state at each sample. Elapsed times are in units of tau; one of zero is padding, which nothing can move.

        Impulses are added to the state at the end of each interval.

        No step of a map fails: what is not finite shows in the states.
        """
        still = jnp.where(elapsed == 0, 0.0, elapsed)  # so that no gradient reaches the length of padding
        advance = RULES[self.rule].advance
        if impulses is not None:
            advance, inputs = _then_jump(advance), jnp.concatenate([inputs, impulses], axis=-1)
        samples = jnp.swapaxes(inputs, 0, 1), still.T[..., None]
        time, trials = samples[0].shape[:2]

        def scan(start: Array, samples: tuple[Array, Array]) -> Array:
            by = scan_ragged(self.classes) if self.classes else SCANS[self.gradient]
            return by(advance, field, start, *samples)

        cut = 0 < self.truncate < time
        states = _in_pieces(scan, start, samples, self.truncate) if cut else scan(start, samples)
        whole = jnp.full(trials, time, jnp.int32)
        return Path(jnp.swapaxes(states, 0, 1), jnp.zeros(trials, jnp.int32), whole)

    def step(
        self,
        field: Field,
        state: Float[Array, "*batch N"],
        inputs: Float[Array, "*batch D"],
        elapsed: Float[Array, "*#batch"] | float,
    ) -> Float[Array, "*batch N"]:
        """The state of a field after a time (in units of tau) under inputs that are held still."""
        length = elapsed[..., None] if isinstance(elapsed, jax.Array) and elapsed.ndim else elapsed
        return RULES[self.rule].advance(field, state, inputs, length, affine)

    def between(
        self,
        field: Field,
        start: Float[Array, "trials N"],
        inputs: Float[Array, "trials time D"],
        elapsed: Float[Array, "#trials time"],
        states: Float[Array, "trials time N"],
        sample: Int[Array, "trials K"],
        fraction: Float[Array, "trials K"],
    ) -> Float[Array, "trials K N"]:
        """The state at a fraction of the interval that ends at a sample: a part of its step, from the sample before.

        Arguments as for a call, which began at `start` and gave `states`.
        """
        trial = jnp.arange(len(start))[:, None]
        before = jnp.concatenate([start[:, None], states], axis=1)[trial, sample]
        lengths = jnp.broadcast_to(elapsed, inputs.shape[:2])[trial, sample]
        return self.step(field, before, inputs[trial, sample], lengths * fraction)


def _then_jump(advance: Advance) -> Advance:
    """A rule whose inputs end in what is added to the state after the step."""

    def jumping(field: Field, state: Array, inputs: Array, step: Array | float, dense: Apply) -> Array:
        size = state.shape[-1]
        return advance(field, state, inputs[..., :-size], step, dense) + inputs[..., -size:]

    return jumping


def _in_pieces(scan, start: Array, samples: tuple[Array, Array], length: int) -> Array:
    """States of a scan that is cut into pieces between which no gradient passes; the last is filled with padding."""
    split, join = pieces_of(samples[0].shape[0], length)

    def piece(state: Array, samples: tuple[Array, Array]) -> tuple[Array, Array]:
        states = scan(jax.lax.stop_gradient(state), samples)
        return states[-1], states

    # The first piece stands outside, so that its gradient reaches the start.
    samples = split(samples)
    first = scan(start, jax.tree.map(lambda array: array[0], samples))
    _, states = jax.lax.scan(piece, first[-1], jax.tree.map(lambda array: array[1:], samples))
    return join(jnp.concatenate([first[None], states]))
