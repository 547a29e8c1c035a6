"""One face for any dynamics: a callable (batch, N) -> (batch, N) in JAX, NumPy or PyTorch, seen as float64 NumPy.

Which framework a callable speaks is read off what it returns for a NumPy array (or, if it refuses one, for a JAX array
and then a PyTorch tensor). Jacobians come from automatic differentiation in JAX and PyTorch; for NumPy from complex
steps where the callable turns out to be analytic, else from extrapolated central differences, with an error estimate.
Nothing here sets a global JAX flag: float64 is switched on around each call.
"""

import abc
import copy
import sys
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gnode.errors import InvalidInput, must_have

Function = Callable[[Any], Any]  # (batch, N) -> (batch, N), rows independent of each other
Call = Callable[[np.ndarray], np.ndarray]

_LARGEST_BATCH = 256  # rows that one compiled call takes
_SMALL_BATCH = 4  # calls with no more rows than this get a compiled function of their own
_JACOBIAN_ROWS = 64  # of a call for Jacobians: most calls of a search come from its last few starts, padded to this
_JACOBIAN_ENTRIES = 2**21  # fewer rows where those of many units would fill the memory


class Dynamics(abc.ABC):
    """What every framework's adapter offers. Arrays in and out are NumPy float64.

    Attributes:
        size: N.
        framework: "jax", "numpy" or "torch".
        precision: the spacing of numbers near 1 in which the callable really computes.
        jacobian_method: "autodiff", "complex step" or "finite differences".
    """

    size: int
    framework: str
    precision: float
    jacobian_method: str

    @abc.abstractmethod
    def values(self, states: np.ndarray) -> np.ndarray:
        """f at states (batch, N), (batch, N)."""

    @abc.abstractmethod
    def jacobians(self, states: np.ndarray) -> np.ndarray:
        """df_i / dh_j at states (batch, N), (batch, N, N)."""

    @abc.abstractmethod
    def jacobian_error(self, states: np.ndarray) -> float:
        """Estimate of the largest absolute error of the Jacobians at `states`; 0 where they are exact to rounding."""


def dynamics_of(function: Function, states: np.ndarray) -> Dynamics:
    """The adapter for a callable, after checking that it is one.

    Args:
        function: (batch, N) -> (batch, N); each row of the answer may depend on the same row of the argument only.
        states: (batch, N), some states at which it is meant to be called.

    Raises:
        InvalidInput: it is not callable, refuses (batch, N) arrays, returns another shape or other numbers than
            floating ones, gives different answers to equal questions, or mixes rows.
    """
    if not callable(function):
        must_have("a callable (batch, N) -> (batch, N)", f"{type(function).__name__}")
    size = states.shape[1]
    rows = 5 if size == 4 else 4  # never N, so that a transposed answer shows
    probe = np.array(states[np.linspace(0, len(states) - 1, rows).astype(int)], dtype=float)
    probe = probe + 1e-3 * (1 + np.abs(probe)) * np.linspace(-1, 2, rows)[:, None]  # no two rows alike
    framework, call = _ask(function, probe)
    answer = call(probe)
    _check_answer(answer, probe)
    _check_repeatable(call, answer, probe)
    precision = _precision(call, answer, probe)
    if isinstance(call, _TorchCall):
        return _Torch(call, size, precision)
    if framework == "jax" and _traceable(function, probe):
        return _Jax(function, size, precision)
    return _NumPy(function, size, precision, probe)


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
    known = getattr(function, "kind", None)
    if known not in ("flow", "map"):
        return kind or otherwise
    if kind not in (None, known):
        must_have(f"kind = {known!r}, as the callable says of itself", repr(kind), "It may be left out.")
    return known


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


def _ask(function: Function, probe: np.ndarray) -> tuple[str, Call]:
    """The framework that the callable speaks, and how to call it in that framework, NumPy to NumPy."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(function, torch.nn.Module):
        return "torch", _TorchCall(function, probe)
    refusals: list[Exception] = []
    with jax.enable_x64(True):
        for convert in (np.asarray, jnp.asarray):
            try:
                answer = function(convert(probe))
            except Exception as refusal:
                refusals.append(refusal)
                continue
            if isinstance(answer, jax.Array):
                return "jax", lambda states: _call_jax(function, states)
            if torch is None or not isinstance(answer, torch.Tensor):
                return "numpy", lambda states: np.asarray(function(np.asarray(states)))
            break
    if torch is not None:
        try:
            return "torch", _TorchCall(function, probe)
        except Exception as refusal:
            refusals.append(refusal)
    if isinstance(refusals[0], InvalidInput):
        raise refusals[0]
    reasons = "; ".join(f"{type(refusal).__name__}: {refusal}" for refusal in refusals)
    raise InvalidInput(
        f"Must have a callable that takes an array of shape (batch, N) = {probe.shape}, instead got {reasons}."
    ) from refusals[0]


def _call_jax(function: Function, states: np.ndarray) -> np.ndarray:
    with jax.enable_x64(True):
        return np.asarray(function(jnp.asarray(states)))


class _TorchCall:
    """A PyTorch callable from NumPy to NumPy, in float64 if it can: modules are copied to it, without dropout."""

    def __init__(self, function: Function, probe: np.ndarray) -> None:
        torch = sys.modules["torch"]
        module = isinstance(function, torch.nn.Module)
        self.function: Any = copy.deepcopy(function).double().eval() if module else function  # type: ignore[attr-defined]
        self.dtype = torch.float64
        try:
            self(probe)
        except RuntimeError:  # a plain callable around float32 weights
            self.dtype = torch.float32
            self(probe)

    def __call__(self, states: np.ndarray) -> np.ndarray:
        return self.function(self.tensor(states)).detach().cpu().numpy()

    def tensor(self, states: np.ndarray, **options: Any) -> Any:
        return sys.modules["torch"].tensor(np.ascontiguousarray(states), dtype=self.dtype, **options)


def _check_answer(answer: np.ndarray, probe: np.ndarray) -> None:
    if answer.shape != probe.shape:
        must_have(
            f"a callable that maps states of shape {probe.shape} to the same shape",
            f"shape {answer.shape}",
            "Its first axis is the batch, its last the N units of the state.",
        )
    if not np.issubdtype(answer.dtype, np.floating):
        must_have("a callable that returns floating-point numbers", f"{answer.dtype}")


def _check_repeatable(call: Call, answer: np.ndarray, probe: np.ndarray) -> None:
    """The same states must give the same answer, and in reversed order the same rows in reversed order."""
    again, reversed_rows = call(probe), call(probe[::-1].copy())
    if not np.array_equal(answer, again, equal_nan=True):
        difference = _largest(answer - again)
        must_have(
            "a deterministic callable",
            f"two answers to the same states that differ by {difference:.3g}",
            "Hold its noise or dropout still.",
        )
    with np.errstate(all="ignore"):
        tolerance = 1e3 * np.finfo(answer.dtype).eps * (1 + _largest(answer))
        independent = np.allclose(answer, reversed_rows[::-1], rtol=0, atol=tolerance, equal_nan=True)
    if not independent:
        must_have(
            "a callable whose rows do not influence each other",
            "answers that depend on the order of the states in the batch",
        )


def _precision(call: Call, answer: np.ndarray, probe: np.ndarray) -> float:
    """Spacing of the numbers that the callable computes with, which may be coarser than those that it returns.

    Over steps of a ten-millionth a smooth function in float64 is straight, and one in float32 is a staircase.
    """
    with np.errstate(all="ignore"):
        moves = 0.7e-7 * (1 + np.abs(probe))
        bend = np.abs(call(probe + moves) - 2 * answer + call(probe - moves)) / (1 + np.abs(answer))
        rough = _largest(bend) > 1e-11
    return float(np.finfo(np.float32).eps if rough else np.finfo(answer.dtype).eps)


def _largest(numbers: np.ndarray) -> float:
    """Largest size among those that are finite."""
    return float(np.max(np.abs(numbers[np.isfinite(numbers)]), initial=0.0))


def _traceable(function: Function, probe: np.ndarray) -> bool:
    with jax.enable_x64(True):
        try:
            jax.eval_shape(function, jax.ShapeDtypeStruct(probe.shape, jnp.float64))
        except Exception:
            return False
    return True


# -- the adapters --


class _Jax(Dynamics):
    framework = "jax"
    jacobian_method = "autodiff"

    def __init__(self, function: Function, size: int, precision: float) -> None:
        self.function, self.size, self.precision = function, size, precision
        self._jacobian_rows = 2 ** int(np.log2(np.clip(_JACOBIAN_ENTRIES // size**2, 1, _JACOBIAN_ROWS)))
        self._values = jax.jit(lambda states: jnp.asarray(function(states), jnp.float64))
        self._jacobians = jax.jit(lambda states: _batched_jacobian(function, states))

    def values(self, states: np.ndarray) -> np.ndarray:
        return self._in_batches(self._values, _LARGEST_BATCH, states, np.empty((len(states), self.size)))

    def jacobians(self, states: np.ndarray) -> np.ndarray:
        shape = (len(states), self.size, self.size)
        return self._in_batches(self._jacobians, self._jacobian_rows, states, np.empty(shape))

    def jacobian_error(self, states: np.ndarray) -> float:
        return 0.0

    def _in_batches(self, compiled: Callable, largest: int, states: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Batches of one of two sizes, the last one padded, so that nothing is compiled more than twice."""
        rows = min(largest, _SMALL_BATCH) if len(states) <= _SMALL_BATCH else largest
        with jax.enable_x64(True):
            for first in range(0, len(states), rows):
                batch = states[first : first + rows]
                padded = np.concatenate([batch, np.repeat(batch[-1:], rows - len(batch), axis=0)])
                out[first : first + len(batch)] = np.asarray(compiled(jnp.asarray(padded)))[: len(batch)]
        return out


def _batched_jacobian(function: Function, states: jax.Array) -> jax.Array:
    """(batch, N, N) by N forward-mode products, shared by the whole batch because rows are independent."""
    _, push_forward = jax.linearize(lambda now: jnp.asarray(function(now), jnp.float64), states)
    directions = jnp.broadcast_to(jnp.eye(states.shape[1])[:, None, :], (states.shape[1], *states.shape))
    return jnp.moveaxis(jax.vmap(push_forward)(directions), 0, 2)


class _Torch(Dynamics):
    framework = "torch"
    jacobian_method = "autodiff"

    def __init__(self, call: _TorchCall, size: int, precision: float) -> None:
        self._call, self.size, self.precision = call, size, precision

    def values(self, states: np.ndarray) -> np.ndarray:
        with sys.modules["torch"].no_grad():
            return self._call(states).astype(float)

    def jacobians(self, states: np.ndarray) -> np.ndarray:
        torch = sys.modules["torch"]
        leaf = self._call.tensor(states, requires_grad=True)
        sums = self._call.function(leaf).sum(dim=0)  # rows are independent: one backward pass a unit serves them all
        if not sums.requires_grad:
            return np.zeros((*states.shape, self.size))
        rows = [torch.autograd.grad(unit, leaf, retain_graph=True, allow_unused=True)[0] for unit in sums]
        filled = [torch.zeros_like(leaf) if row is None else row for row in rows]
        return torch.stack(filled, dim=1).cpu().numpy().astype(float)

    def jacobian_error(self, states: np.ndarray) -> float:
        return 0.0


class _NumPy(Dynamics):
    framework = "numpy"

    def __init__(self, function: Function, size: int, precision: float, probe: np.ndarray) -> None:
        self.function, self.size, self.precision = function, size, precision
        self._step = precision**0.2  # balances rounding and truncation of the extrapolated central difference
        self.jacobian_method = "complex step" if self._analytic(probe) else "finite differences"

    def values(self, states: np.ndarray) -> np.ndarray:
        with jax.enable_x64(True), np.errstate(all="ignore"):
            return np.array(self.function(states), dtype=float).reshape(states.shape)

    def jacobians(self, states: np.ndarray) -> np.ndarray:
        if self.jacobian_method == "complex step":
            return self._by_complex_step(states)
        return self._by_differences(states)[0]

    def jacobian_error(self, states: np.ndarray) -> float:
        return 0.0 if self.jacobian_method == "complex step" else float(self._by_differences(states)[1])

    def _by_complex_step(self, states: np.ndarray) -> np.ndarray:
        """Squire and Trapp, SIAM Review 40 (1998): no cancellation, exact to rounding for analytic functions."""
        tiny = 1e-30
        moved = states[:, None, :] + 1j * tiny * np.eye(self.size)
        with np.errstate(all="ignore"):
            answer = np.asarray(self.function(moved.reshape(-1, self.size)))
        return np.moveaxis(answer.imag.reshape(len(states), self.size, self.size), 1, 2) / tiny

    @np.errstate(all="ignore")
    def _by_differences(self, states: np.ndarray) -> tuple[np.ndarray, float]:
        """Central differences at two steps, extrapolated (Richardson); their disagreement bounds the error."""
        coarse, fine = (self._central(states, step) for step in (self._step, self._step / 2))
        extrapolated = fine + (fine - coarse) / 3
        return extrapolated, _largest(fine - coarse) / 3

    def _central(self, states: np.ndarray, step: float) -> np.ndarray:
        sizes = step * (1 + np.abs(states))
        moves = sizes[:, :, None] * np.eye(self.size)
        up, down = states[:, None, :] + moves, states[:, None, :] - moves
        values = self.values(np.concatenate([up, down]).reshape(-1, self.size)).reshape(2, *moves.shape)
        with np.errstate(all="ignore"):
            return np.moveaxis((values[0] - values[1]) / (2 * sizes[:, :, None]), 1, 2)

    def _analytic(self, probe: np.ndarray) -> bool:
        """Whether complex steps agree with differences where the callable was probed."""
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("error")  # where the imaginary part is thrown away it is not analytic
                complex_answer = np.asarray(self.function(probe + 0j))
                if not np.iscomplexobj(complex_answer) or complex_answer.shape != probe.shape:
                    return False
                exact = self._by_complex_step(probe)
        except Exception:
            return False
        differences, error = self._by_differences(probe)
        scale = 1 + _largest(differences)
        return bool(np.allclose(exact, differences, rtol=0, atol=1e-6 * scale + error, equal_nan=False))
