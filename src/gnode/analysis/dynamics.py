"""One door for a function: any callable (batch, N) -> (batch, N), as float64 NumPy, checked before it is believed.

What every analysis calls first. It finds out in which numbers the callable computes, that its rows are independent of
each other and its answers repeatable, and whether its derivative is that of the function: by autodiff or complex steps
where these agree with differences, else by differences.
"""

from typing import Any

import numpy as np

from gnode.analysis.differences import Check, by_differences, compared, spacing
from gnode.analysis.frameworks import Function, Speaker, is_recurrent_cell, speaker_of
from gnode.errors import InvalidInput, must_have

_PROBES = 32  # states at which the precision and the derivative are looked at
_MOST = 128  # states at which derivatives are compared in one go
_COARSE = [2.0**-10, 2.0**-7]  # spacings of float16 and bfloat16
_SINGLE = 2.0**-23
_TRUNCATED = 8  # how many times the spacing of its numbers a callable's own arithmetic may lose


class Dynamics:
    """A callable that has passed the door. Arrays in and out are NumPy float64.

    Attributes:
        size: N.
        framework: "jax", "numpy" or "torch".
        extent: (N,), the length of each coordinate over which the callable is of interest: units of everything.
        ratio: (N, N), what a Jacobian is multiplied by, entry by entry, to be in units of the extent.
        values: the callable, (batch, N) -> (batch, N), and bare: the same for loops that are `undisturbed`.
        precision: the spacing of numbers near 1 in which the callable really computes.
        jacobian_method: "autodiff", "complex step" or "finite differences". Differences take over, for good, where the
            first two turn out not to be the derivative of the function.
    """

    def __init__(self, speaker: Speaker, extent: np.ndarray, precision: float, probe: np.ndarray) -> None:
        self.size = extent.size
        self.framework = speaker.framework
        self.extent = extent
        self.ratio = extent / extent[:, None]
        self.precision = precision
        self.jacobian_method = speaker.method
        self.values = speaker.values
        self.bare = speaker.bare or speaker.values
        self._exact = speaker.jacobians
        self._said: dict[str, str] = {"remark": speaker.remark} if speaker.remark else {}
        self._compared = 0
        self._unseen: np.ndarray | None = probe  # where the derivative will be looked at before it is used

    @property
    def checks(self) -> tuple[str, ...]:
        """What was found out about the callable, a sentence each."""
        numbers = "float64" if self.precision < 1e-10 else "float32" if self.precision < 1e-5 else "less than float32"
        sentences = [f"Computes in {numbers}; repeatable; rows independent."]
        if self._exact is None and "derivative" not in self._said:
            sentences.append("Derivative by finite differences: the callable is not analytic.")
        elif self._exact is not None and self._compared:
            sentences.append(
                f"Derivative by {self.jacobian_method} agrees with differences at {self._compared} states."
            )
        return (*sentences, *self._said.values())

    def jacobians(self, states: np.ndarray) -> np.ndarray:
        """df_i / dh_j at states (batch, N), (batch, N, N). By differences where autodiff gives no finite number."""
        if self._unseen is not None:
            probe, self._unseen = self._unseen, None
            self.verify(probe)
        if self._exact is None:
            return self._by_differences(states)[0]
        slopes = self._exact(states)
        holes = np.flatnonzero(~np.isfinite(slopes.sum(axis=(1, 2))))
        if len(holes):
            differences = self._by_differences(states[holes])[0]
            filled = np.isfinite(differences).all(axis=(1, 2))
            slopes[holes[filled]] = differences[filled]
            if filled.any():
                self._said["holes"] = (
                    f"Derivative by {self.jacobian_method} is not finite at some states; differences are used there."
                )
        return slopes

    def checked_jacobians(self, states: np.ndarray) -> np.ndarray:
        """The same at states (batch, N) that matter: each is compared with differences and replaced by them where it
        is not the derivative, as where autodiff has a convention for a kink that is the slope of neither side."""
        slopes = self.jacobians(states)
        if self._exact is None or not len(states):
            return slopes
        wrong = ~self.compared(states, slopes).right
        if wrong.any():
            slopes[wrong] = self._by_differences(states[wrong])[0]
        return slopes

    def jacobian_errors(self, states: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        """Largest error of each entry of Jacobians (batch, N, N) at states: of rounding, and of differences."""
        rounding = _TRUNCATED * self.precision * np.abs(slopes)
        if self._exact is not None:
            return rounding
        return rounding + self._by_differences(states)[1]

    def jacobian_error(self, states: np.ndarray) -> float:
        """Estimate of the largest absolute error of the Jacobians at `states`; 0 where they are exact to rounding."""
        if self._exact is not None:
            return 0.0
        errors = self._by_differences(states)[1]
        return float(np.max(errors[np.isfinite(errors)], initial=0.0))

    def verify(self, states: np.ndarray) -> bool:
        """Compare the derivative with differences at (at most 128 of) the states; where it is another one, differences
        take over from now on.

        Returns:
            whether they have taken over now, so that what was computed before is in doubt.
        """
        if self._exact is None or not len(states):
            return False
        some = states[np.unique(np.linspace(0, len(states) - 1, min(len(states), _MOST)).astype(int))]
        some = some[np.isfinite(some).all(axis=1)]
        check = self.compared(some, self.jacobians(some))
        self._compared += len(some)
        wrong = int(np.sum(~check.right))
        if not wrong:
            return False
        self._said["derivative"] = (
            f"Derivative by {self.jacobian_method} is not that of the function at {wrong} of {len(some)} states "
            f"(off by {check.off.max():.2g} of its size); finite differences are used."
        )
        self.jacobian_method, self._exact = "finite differences", None
        return True

    def compared(self, states: np.ndarray, slopes: np.ndarray) -> Check:
        """Jacobians at states beside differences along one direction: right or not, on a kink or not."""
        return compared(self.values, states, slopes, self.extent, self.precision)

    def spacing(self, states: np.ndarray) -> np.ndarray:
        """Distance between numbers that the callable tells apart at states (batch, N), in units of the extent."""
        return spacing(states, self.extent, self.precision)

    def _by_differences(self, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return by_differences(self.values, states, self.extent, self.precision)


def dynamics_of(function: Function, states: np.ndarray, extent: np.ndarray | None = None) -> Dynamics:
    """A callable that has been looked at from all sides.

    Args:
        function: (batch, N) -> (batch, N); each row of the answer may depend on the same row of the argument only.
        states: (batch, N), some states at which it is meant to be called.
        extent: (N,), the lengths that matter; by default those of the states (`extent_of`).

    Raises:
        InvalidInput: it is not callable, takes something else than states, refuses (batch, N) arrays, returns another
            shape or other numbers than floating ones, gives different answers to equal questions, or mixes rows.
    """
    extent = extent_of(states) if extent is None else extent
    size = states.shape[1]
    few = 5 if size == 4 else 4  # never N, so that a transposed answer shows
    probe = _scattered(states, extent, few)
    speaker = speaker_of(function, probe)
    answer = speaker.raw(probe)
    _check_answer(answer, probe)
    _check_repeatable(speaker, answer, probe)
    wide = _scattered(states, extent, _PROBES)
    precision = max(_precision(speaker.values, wide, extent), float(np.finfo(answer.dtype).eps))
    _check_independent(speaker, answer, probe, extent, precision)
    return Dynamics(speaker, extent, precision, wide)


def extent_of(states: np.ndarray) -> np.ndarray:
    """Half of the range (N,) of each coordinate of states (batch, N), without the outermost twentieth of them.

    A coordinate that does not vary has the length of its value, or of the widest other one; one state at 0 has 1.
    """
    spread = np.ptp(np.quantile(states, [0.025, 0.975], axis=0), axis=0) / 2
    spread = np.where(spread > 0, spread, np.ptp(states, axis=0) / 2)
    sizes = np.abs(states).max(axis=0)
    varies = spread > 16 * np.finfo(float).eps * sizes
    widest = spread[varies].max(initial=0.0) or sizes.max() or 1.0
    return np.where(varies, spread, np.where(sizes > 0, np.minimum(sizes, widest), widest))


def first_positive(lengths: np.ndarray, *otherwise: Any) -> np.ndarray:
    """Lengths, and where one is 0 the first of the others that is not."""
    for other in otherwise:
        lengths = np.where(lengths > 0, lengths, other)
    return lengths


def kind_of(function: Function, kind: str | None, otherwise: str = "flow") -> str:
    """ "flow" or "map": what a callable says of itself by its attribute `kind`, as a still model does, else `kind`.

    Args:
        kind: what it was said to be; None where nothing was said.
        otherwise: what a callable is that neither says itself nor was said to be either.

    Raises:
        InvalidInput: `kind` is neither, or contradicts the callable.
    """
    if kind not in (None, "flow", "map"):
        must_have('kind = "flow" or kind = "map"', repr(kind))
    known = "map" if is_recurrent_cell(function) else getattr(function, "kind", None)
    if known not in ("flow", "map"):
        return kind or otherwise
    if kind not in (None, known):
        must_have(f"kind = {known!r}, as the callable says of itself", repr(kind), "It may be left out.")
    return known


def floats(name: str, values: Any) -> np.ndarray:
    """Numbers as an array of float64.

    Raises:
        InvalidInput: something else.
    """
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        must_have(f"{name} an array of numbers", type(values).__name__)


def checked_states(states: Any, name: str = "states") -> np.ndarray:
    """States as a float64 array (batch, N); one state (N,) becomes a batch of one.

    Raises:
        InvalidInput: not numbers, another shape, nothing in it, or not finite.
    """
    try:
        array = np.atleast_1d(np.asarray(states, dtype=float))
    except (TypeError, ValueError):
        must_have(f"{name} of shape (batch, N), floating", f"{type(states).__name__}")
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or 0 in array.shape:
        must_have(f"{name} of shape (batch, N), at least one of them", f"shape {array.shape}")
    if not np.isfinite(array).all():
        must_have(f"{name} that are finite", f"{int((~np.isfinite(array)).any(axis=1).sum())} with NaN or infinity")
    return array


def checked_bounds(bounds: Any, size: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The two corners (N,), (N,) of a box.

    Raises:
        InvalidInput: not a pair of vectors of one length, not finite, or empty.
    """
    try:
        low, high = (np.atleast_1d(np.asarray(corner, dtype=float)) for corner in bounds)
    except (TypeError, ValueError):
        must_have("bounds = (low, high), two vectors of length N", repr(bounds))
    if low.ndim != 1 or low.shape != high.shape or size not in (None, low.size):
        length = "N" if size is None else f"{size}"
        must_have(f"bounds = (low, high), two vectors of length {length}", f"shapes {low.shape} and {high.shape}")
    with np.errstate(over="ignore"):
        finite = np.isfinite(high - low).all()
    if not finite or not (low < high).all():
        must_have("bounds with low < high in every coordinate and a finite width", f"{low.tolist()}, {high.tolist()}")
    return low, high


# -- finding out what a callable is --


def _scattered(states: np.ndarray, extent: np.ndarray, rows: int) -> np.ndarray:
    """States (rows, N) near some of the given ones, no two alike."""
    random = np.random.default_rng(0)
    some = states[np.linspace(0, len(states) - 1, rows).astype(int)]
    return some + 1e-2 * extent * random.uniform(-1, 1, (rows, states.shape[1]))


def _check_answer(answer: np.ndarray, probe: np.ndarray) -> None:
    if answer.shape != probe.shape:
        must_have(
            f"a callable that maps states of shape {probe.shape} to the same shape",
            f"shape {answer.shape}",
            "Its first axis is the batch, its last the N units of the state.",
        )
    if not np.issubdtype(answer.dtype, np.floating):
        must_have("a callable that returns floating-point numbers", f"{answer.dtype}")


def _check_repeatable(speaker: Speaker, answer: np.ndarray, probe: np.ndarray) -> None:
    again = speaker.raw(probe)
    if not np.array_equal(answer, again, equal_nan=True):
        must_have(
            "a deterministic callable",
            f"two answers to the same states that differ by {_largest(answer - again):.3g}",
            "Hold its noise or dropout still.",
        )


@np.errstate(all="ignore")
def _check_independent(
    speaker: Speaker, answer: np.ndarray, probe: np.ndarray, extent: np.ndarray, precision: float
) -> None:
    """Rows must answer alike alone, in reversed order, and whatever stands in the other rows."""
    changed = np.concatenate([probe[:1], probe[1:] + 0.1 * extent])
    try:
        alone = speaker.raw(probe[:1]).astype(float)
    except Exception as refusal:
        said = (str(refusal).strip().splitlines() or [type(refusal).__name__])[0]
        raise InvalidInput(
            f"Must have a callable that takes any number of states, instead got one that refuses a single one "
            f"({said}). A PyTorch module with batch normalisation needs eval()."
        ) from refusal
    others = {
        "depend on the order of the states in the batch": (speaker.raw(probe[::-1].copy())[::-1], answer),
        "depend on how many states there are in the batch": (alone, answer[:1]),
        "depend on the other states in the batch": (speaker.raw(changed)[:1], answer[:1]),
    }
    sizes = np.abs(answer).max(axis=0) + np.ptp(answer, axis=0) * np.max(np.abs(probe) / extent, initial=1.0)
    # A term without the state, in float32, rounds differently in batches of different sizes: that is no influence.
    tolerance = max(1e2 * precision, 4 * _SINGLE) * np.where(np.isfinite(sizes), sizes, _largest(answer))
    for reason, (one, other) in others.items():
        same = (np.abs(one - other) <= tolerance) | (np.isnan(one) & np.isnan(other)) | (one == other)
        if not same.all():
            must_have("a callable whose rows do not influence each other", f"answers that {reason}")


@np.errstate(all="ignore")
def _precision(values: Any, states: np.ndarray, extent: np.ndarray) -> float:
    """Spacing of the numbers that the callable computes with, which may be coarser than those that it returns.

    Over steps of a spacing of float32 a function in float64 is straight, whatever its scale: its bend falls with the
    square of the step. One that rounds on the way is a staircase, whose bend falls no faster than the steps do.
    """

    def bends(spacing: float) -> tuple[float, float]:
        """Bend and slope over steps of this share of the states, as root sums of squares over all coordinates."""
        moves = spacing * np.where(states == 0, extent, np.abs(states))
        up, here, down = values(np.concatenate([states + moves, states, states - moves])).reshape(3, *states.shape)
        numbers = [(up - 2 * here + down) / extent, (up - down) / extent / 2]
        bend, slope = (part[np.isfinite(part)] for part in numbers)
        return float(np.linalg.norm(bend)), float(np.linalg.norm(slope))

    double = float(np.finfo(float).eps)
    bend, slope = bends(_SINGLE)
    finer, _ = bends(_SINGLE / 8)
    if finer > 0.1 * bend and finer > 1e-4 * slope:
        return _SINGLE
    if slope == 0:  # nothing moves at all: coarser still, or constant
        for spacing in _COARSE:
            if bends(spacing)[1] > 0:
                return spacing
    return double


def _largest(numbers: np.ndarray) -> float:
    """Largest size among those that are finite."""
    return float(np.max(np.abs(numbers[np.isfinite(numbers)]), initial=0.0))
