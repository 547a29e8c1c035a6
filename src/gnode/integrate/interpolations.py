"""Inputs between samples: one cubic an interval, so that every interpolation is the same kind of data to a solver.

Interval k ends at sample k and begins at the sample before it; on it the input is

    x(s) = c[0] + c[1] s + c[2] s^2 + c[3] s^3,        s from 0 to 1.

Before the first sample the input is the first sample. A sample whose elapsed time is 0 is padding: its interval holds
the last sample that is none, and nothing depends on the values there. Names after Morrill, Kidger, Yang and Lyons 2021
(arXiv 2106.11028); PCHIP after Fritsch and Butland 1984, with the ends of SciPy's PchipInterpolator.

A new interpolation is a function of knots here and a line in INTERPOLATIONS.
"""

from collections.abc import Callable
from dataclasses import dataclass

import equinox as eqx
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Bool, Float, Shaped

Coefficients = Float[Array, "trials time 4 D"]


class Knots(eqx.Module):
    """The samples that an interpolation goes through. Padding repeats the last sample.

    Attributes:
        values: (trials, time, D), the value at the end of each interval.
        before: (trials, time, D), the value at its beginning.
        widths: (trials, time, 1), how long it is; 1 at padding, so that whatever divides by it stays finite.
        there: (trials, time, 1), false at padding.
    """

    values: Float[Array, "trials time D"]
    before: Float[Array, "trials time D"]
    widths: Float[Array, "trials time 1"]
    there: Bool[Array, "trials time 1"]

    @property
    def rises(self) -> Float[Array, "trials time D"]:
        """By how much the value grows over each interval."""
        return self.values - self.before


@dataclass(frozen=True)
class Interpolation:
    """A registered interpolation.

    Attributes:
        cubics: c[0] to c[3] of every interval, from its knots.
        history: how many earlier samples an interval needs; None for all of them.
        looks_ahead: whether output k needs a sample later than k, so that it cannot be computed while the data come in.
        summary: one line for `gnode list interpolations`.
    """

    cubics: Callable[[Knots], tuple[Array, Array, Array, Array]]
    history: int | None
    looks_ahead: bool
    summary: str

    def coefficients(
        self, inputs: Float[Array, "trials time D"], elapsed: Float[Array, "#trials time"]
    ) -> Coefficients:
        """The cubic of each interval, (trials, time, 4, D), from samples and the times that elapsed before them."""
        knots = _knots(inputs, jnp.broadcast_to(elapsed, inputs.shape[:2]))
        still = jnp.zeros_like(knots.values)
        held = (knots.values, still, still, still)
        return jnp.stack(
            [jnp.where(knots.there, *pair) for pair in zip(self.cubics(knots), held, strict=True)], axis=-2
        )


def constant(knots: Knots) -> tuple[Array, Array, Array, Array]:
    """Sample k over the whole interval that ends at it: what a step rule sees."""
    still = jnp.zeros_like(knots.values)
    return knots.values, still, still, still


def previous(knots: Knots) -> tuple[Array, Array, Array, Array]:
    """Sample k - 1 over the whole interval that ends at sample k."""
    still = jnp.zeros_like(knots.values)
    return knots.before, still, still, still


def linear(knots: Knots) -> tuple[Array, Array, Array, Array]:
    """The straight line from sample k - 1 to sample k."""
    still = jnp.zeros_like(knots.values)
    return knots.before, knots.rises, still, still


def quadratic(knots: Knots) -> tuple[Array, Array, Array, Array]:
    """The parabola through samples k - 2, k - 1 and k."""
    earlier_width = _earlier(knots.widths)
    turn = knots.rises - _earlier(knots.rises / knots.widths) * knots.widths
    bend = turn * knots.widths / (knots.widths + earlier_width)
    return knots.before, knots.rises - bend, bend, jnp.zeros_like(bend)


def cubic_hermite(knots: Knots) -> tuple[Array, Array, Array, Array]:
    """The cubic whose slope at each sample is that of the line to it from the sample before."""
    return _hermite(knots, knots.rises / knots.widths)


def natural_cubic(knots: Knots) -> tuple[Array, Array, Array, Array]:
    """The spline through all samples, without a bend at the first and the last."""
    widths, slopes = knots.widths, _secants(knots)
    later_width, later_slope = _later(widths), _later(slopes)
    first, last = _ends(knots)

    def rows(at_first: Array | float, inside: Array, at_last: Array | float, at_padding: float) -> Array:
        present = jnp.where(first, at_first, jnp.where(last, at_last, inside))
        return jnp.where(knots.there, present, at_padding)

    # The slopes at the samples, from the continuity of curvature; a row of the identity where there is no sample.
    at_samples = lax.linalg.tridiagonal_solve(
        rows(0.0, later_width, 1.0, 0.0)[..., 0],
        rows(2.0, 2 * (widths + later_width), 2.0, 1.0)[..., 0],
        rows(1.0, widths, 0.0, 0.0)[..., 0],
        rows(3 * later_slope, 3 * (later_width * slopes + widths * later_slope), 3 * slopes, 0.0),
    )
    return _hermite(knots, at_samples)


def monotone(knots: Knots) -> tuple[Array, Array, Array, Array]:
    """PCHIP: the cubic that rises and falls only where the samples do."""
    widths, slopes = knots.widths, _secants(knots)
    later_width, later_slope = _later(widths), _later(slopes)
    left, right = widths + 2 * later_width, 2 * widths + later_width
    agree = slopes * later_slope > 0
    weighted = jnp.where(agree, left * later_slope + right * slopes, 1.0)
    inside = jnp.where(agree, (left + right) * slopes * later_slope / weighted, 0.0)
    third_slope = jnp.where(_later(_later(knots.there)), _later(later_slope), later_slope)
    at_first = _at_end(later_width, _later(later_width), later_slope, third_slope)
    at_last = _at_end(widths, _earlier(widths), slopes, _earlier(slopes))
    first, last = _ends(knots)
    return _hermite(knots, jnp.where(first, at_first, jnp.where(last, at_last, inside)))


INTERPOLATIONS: dict[str, Interpolation] = {
    "constant": Interpolation(constant, 0, False, "sample k over the interval that ends at it, as in a step rule"),
    "previous": Interpolation(previous, 1, False, "sample k - 1 until sample k comes"),
    "linear": Interpolation(linear, 1, False, "straight lines between samples"),
    "quadratic": Interpolation(quadratic, 2, False, "the parabola through a sample and the two before it"),
    "cubic-hermite": Interpolation(cubic_hermite, 2, False, "smooth and causal: cubics with backward differences"),
    "natural-cubic": Interpolation(natural_cubic, None, True, "the smoothest: natural cubic spline; looks ahead"),
    "monotone": Interpolation(monotone, 2, True, "PCHIP: smooth without overshoot; looks ahead by one sample"),
}


def _knots(inputs: Float[Array, "trials time D"], elapsed: Float[Array, "trials time"]) -> Knots:
    there = elapsed > 0
    # The last sample that is no padding, at each place: whatever stands in the padding is never read.
    last = lax.cummax(jnp.where(there, jnp.arange(elapsed.shape[1]), 0), axis=1)
    values = jnp.take_along_axis(inputs, last[..., None], axis=1)
    widths = jnp.where(there, elapsed, 1).astype(inputs.dtype)
    return Knots(values, _earlier(values), widths[..., None], there[..., None])


def _earlier(values: Shaped[Array, "trials time D"]) -> Shaped[Array, "trials time D"]:
    """What stands one sample before; at the first the first."""
    return jnp.concatenate([values[:, :1], values[:, :-1]], axis=1)


def _later(values: Shaped[Array, "trials time D"]) -> Shaped[Array, "trials time D"]:
    """What stands one sample later; at the last the last."""
    return jnp.concatenate([values[:, 1:], values[:, -1:]], axis=1)


def _secants(knots: Knots) -> Float[Array, "trials time D"]:
    """The slope of the line across each interval; across the first, which none precedes, that of the second."""
    slopes = knots.rises / knots.widths
    return jnp.concatenate([slopes[:, 1:2], slopes[:, 1:]], axis=1) if slopes.shape[1] > 1 else slopes


def _ends(knots: Knots) -> tuple[Bool[Array, "1 time 1"], Bool[Array, "trials time 1"]]:
    """Which samples are the first and the last of their series."""
    place = jnp.arange(knots.there.shape[1])[:, None]
    return place[None] == 0, knots.there & (~_later(knots.there) | (place == place[-1]))


def _at_end(near: Array, far: Array, slope: Array, next_slope: Array) -> Array:
    """The slope of PCHIP at the end of a series: that of the parabola through three samples, cut to keep the shape."""
    parabola = ((2 * near + far) * slope - near * next_slope) / (near + far)
    turned = jnp.sign(parabola) != jnp.sign(slope)
    steep = (jnp.sign(slope) != jnp.sign(next_slope)) & (jnp.abs(parabola) > 3 * jnp.abs(slope))
    return jnp.where(turned, 0.0, jnp.where(steep, 3 * slope, parabola))


def _hermite(knots: Knots, slopes: Float[Array, "trials time D"]) -> tuple[Array, Array, Array, Array]:
    """The cubics with these slopes at the samples; before the first sample the input holds still."""
    moving = knots.widths.at[:, 0].set(0.0)
    begin, end = _earlier(slopes) * moving, slopes * moving
    rises = knots.rises
    return knots.before, begin, 3 * rises - 2 * begin - end, begin + end - 2 * rises
