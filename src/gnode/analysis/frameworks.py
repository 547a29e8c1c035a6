"""How a callable of the state is called and differentiated in its own framework: JAX, NumPy or PyTorch.

Which one a callable speaks is read off what it returns for a NumPy array (or, if it refuses one, for a JAX array and
then a PyTorch tensor). Nothing here sets a global JAX flag: float64 is switched on around each call. Every call gets a
copy of the states and gives a copy of the answer, so that a callable may write into its argument, or return a buffer.
"""

import copy
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NoReturn

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from gnode.errors import GnodeError, InvalidInput, must_have

Function = Callable[[Any], Any]  # (batch, N) -> (batch, N), rows independent of each other
Values = Callable[[np.ndarray], np.ndarray]

_LARGEST_BATCH = 256  # rows that one compiled call takes
_SMALL_BATCH = 4  # calls with no more rows than this get a compiled function of their own
_JACOBIAN_ROWS = 64  # of a call for Jacobians: most calls of a search come from its last few starts, padded to this
_JACOBIAN_ENTRIES = 2**21  # fewer rows where those of many units would fill the memory
_STATES = {"h", "hx", "hidden", "state", "states", "y", "z", "carry"}  # what a state is called beside another argument


@dataclass(frozen=True)
class Speaker:
    """A callable as NumPy sees it.

    Attributes:
        framework: "jax", "numpy" or "torch".
        values: (batch, N) -> (batch, N), float64 outside whatever it computes in inside.
        raw: the same in the numbers that it returns.
        jacobians: (batch, N) -> (batch, N, N); None where only differences are left.
        method: "autodiff", "complex step" or "finite differences", what `jacobians` does.
        remark: what had to be done to call it at all; empty where nothing was.
        bare: `values` for loops that are `undisturbed` themselves; None where that makes no difference.
    """

    framework: str
    values: Values
    raw: Values
    jacobians: Values | None
    method: str
    remark: str = ""
    bare: Values | None = None


@contextmanager
def undisturbed() -> Iterator[None]:
    """Float64 where JAX is asked, and no warnings of numbers that are not finite: around every call in NumPy."""
    with jax.enable_x64(True), np.errstate(all="ignore"):
        yield


def speaker_of(function: Function, probe: np.ndarray) -> Speaker:
    """How to call `function`, found out at states `probe` (rows, N).

    Raises:
        InvalidInput: it takes something else than states, refuses them, or returns something else than one array.
    """
    if not callable(function):
        must_have("a callable (batch, N) -> (batch, N)", f"{type(function).__name__}")
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(function, torch.nn.Module):
        return _torch(*_torch_module(function, probe))
    _check_arguments(function)
    refusals: dict[str, Exception] = {}
    with jax.enable_x64(True):
        for framework, convert in (("NumPy", np.array), ("JAX", jnp.asarray)):
            try:
                answer = function(convert(probe))
            except Exception as refusal:
                refusals[f"of {framework}"] = refusal
                continue
            if isinstance(answer, jax.Array) and not _traceable(function, probe):
                return _numpy(lambda states: np.asarray(function(states)), probe)
            if isinstance(answer, jax.Array):
                return _jax(function, probe.shape[1])
            if torch is None or not isinstance(answer, torch.Tensor):
                return _numpy(function, probe)
            break
    if torch is not None:
        try:
            return _torch(function, _torch_precision(function, probe), "")
        except Exception as refusal:
            refusals["of PyTorch"] = refusal
    _refuse(probe, refusals)


def is_recurrent_cell(function: Any) -> bool:
    """Whether it is one of PyTorch's cells whose state is one vector: a map of that state."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(function, (torch.nn.RNNCell, torch.nn.GRUCell))


def _refuse(probe: np.ndarray, refusals: dict[str, Exception]) -> NoReturn:
    """Raises what a callable said to arrays of each kind: "of NumPy", ..."""
    for refusal in refusals.values():
        if isinstance(refusal, GnodeError):
            raise refusal
    reasons = "; ".join(
        f"for one {kind} {type(refusal).__name__}: {_first_line(refusal)}" for kind, refusal in refusals.items()
    )
    raise InvalidInput(
        f"Must have a callable that takes an array of shape (batch, N) = {probe.shape}, instead got {reasons}."
    ) from next(iter(refusals.values()))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0]


def _check_arguments(function: Function) -> None:
    """A callable of something else and a state must not get the state as that something."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return
    places = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    needed = [one for one in places if one.default is one.empty]
    first, later = places[:1], places[1:]
    takes_two = len(needed) > 1
    optional = [one for one in later if one.default is None]
    hides_a_state = any(one.name in _STATES for one in optional) and not any(one.name in _STATES for one in first)
    if takes_two or hides_a_state:
        others = [one for one in (needed if takes_two else places) if one.name not in _STATES] or needed[:1]
        given = ", ".join("h" if one not in others else f"{one.name}=..." for one in (needed if takes_two else places))
        must_have(
            "a callable of the state alone, (batch, N) -> (batch, N)",
            f"one of {', '.join(one.name for one in places)}",
            f"Hold the rest still, as in lambda h: f({given}).",
        )


# -- JAX --


def _traceable(function: Function, probe: np.ndarray) -> bool:
    try:
        jax.eval_shape(function, jax.ShapeDtypeStruct(probe.shape, jnp.float64))
    except Exception:
        return False
    return True


def _jax(function: Function, size: int) -> Speaker:
    jacobian_rows = 2 ** int(np.log2(np.clip(_JACOBIAN_ENTRIES // size**2, 1, _JACOBIAN_ROWS)))
    values = compiled(_values, function)
    jacobians = compiled(_batched_jacobian, function)

    def raw(states: np.ndarray) -> np.ndarray:
        with jax.enable_x64(True):
            return np.asarray(function(jnp.asarray(states)))

    return Speaker(
        "jax",
        lambda states: _in_batches(values, _LARGEST_BATCH, states, np.empty((len(states), size))),
        raw,
        lambda states: _in_batches(jacobians, jacobian_rows, states, np.empty((len(states), size, size))),
        "autodiff",
    )


def compiled(program: Callable[..., Any], function: Function, *fixed: Any) -> Callable[..., Any]:
    """program(function, *fixed, ...), compiled.

    Functions that are pytrees of one structure, such as those of networks of one architecture, share what is compiled,
    since their arrays are arguments. `program` is one at the top of a module, and what is fixed can be hashed.
    """
    arrays, rest = eqx.partition(function, eqx.is_array)
    leaves, kept = jax.tree.flatten(arrays)
    others, structure = jax.tree.flatten(rest)
    try:
        hash((*others, structure))
    except TypeError:
        leaves = []
    if not leaves:
        return jax.jit(partial(program, function, *fixed))
    return partial(_shared(program, fixed, kept, structure, tuple(others), tuple(map(type, others))), leaves)


@lru_cache(maxsize=256)
def _shared(program: Callable[..., Any], fixed: tuple, kept: Any, structure: Any, others: tuple, kinds: tuple) -> Any:
    """The compiled program of functions that differ in their arrays alone: these are its first argument, as a list,
    which costs a call a tenth of taking the function apart each time. `kinds` tells 1 from 1.0 and True."""

    @jax.jit
    def run(leaves: list[jax.Array], *arguments: Any) -> Any:
        function = eqx.combine(jax.tree.unflatten(kept, leaves), jax.tree.unflatten(structure, others))
        return program(function, *fixed, *arguments)

    return run


def _values(function: Function, states: jax.Array) -> jax.Array:
    return jnp.asarray(function(states), jnp.float64)


def _in_batches(compiled: Callable, largest: int, states: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Batches of one of two sizes, the last one padded, so that nothing is compiled more than twice."""
    rows = min(largest, _SMALL_BATCH) if len(states) <= _SMALL_BATCH else largest
    with jax.enable_x64(True):
        for first in range(0, len(states), rows):
            batch = states[first : first + rows]
            padded = np.concatenate([batch, np.repeat(batch[-1:], rows - len(batch), axis=0)])
            out[first : first + len(batch)] = np.asarray(compiled(padded))[: len(batch)]
    return out


def _batched_jacobian(function: Function, states: jax.Array) -> jax.Array:
    """(batch, N, N) by N forward-mode products, shared by the whole batch because rows are independent."""
    _, push_forward = jax.linearize(lambda now: jnp.asarray(function(now), jnp.float64), states)
    directions = jnp.broadcast_to(jnp.eye(states.shape[1])[:, None, :], (states.shape[1], *states.shape))
    return jnp.moveaxis(jax.vmap(push_forward)(directions), 0, 2)


# -- NumPy --


def _numpy(function: Function, probe: np.ndarray) -> Speaker:
    @undisturbed()
    def raw(states: np.ndarray) -> np.ndarray:
        return np.array(function(np.array(states)))

    def bare(states: np.ndarray) -> np.ndarray:
        return np.array(function(np.array(states)), dtype=float, order="C").reshape(states.shape)

    def jacobians(states: np.ndarray) -> np.ndarray:
        """Squire and Trapp, SIAM Review 40 (1998): no cancellation, exact to rounding for analytic functions."""
        tiny, size = 1e-30, states.shape[1]
        moved = states[:, None, :] + 1j * tiny * np.eye(size)
        with np.errstate(all="ignore"):
            answer = np.array(function(moved.reshape(-1, size)))
        return np.moveaxis(answer.imag.reshape(len(states), size, size), 1, 2) / tiny

    if _takes_complex(function, probe):
        return Speaker("numpy", undisturbed()(bare), raw, jacobians, "complex step", bare=bare)
    return Speaker("numpy", undisturbed()(bare), raw, None, "finite differences", bare=bare)


def _takes_complex(function: Function, probe: np.ndarray) -> bool:
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error")  # where the imaginary part is thrown away it is not analytic
            answer = np.asarray(function(probe + 0j))
    except Exception:
        return False
    return np.iscomplexobj(answer) and answer.shape == probe.shape


# -- PyTorch --


def _torch(function: Function, dtype: Any, remark: str) -> Speaker:
    torch = sys.modules["torch"]

    def raw(states: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            answer = function(torch.tensor(np.ascontiguousarray(states), dtype=dtype))
        return answer.detach().cpu().numpy().copy()

    def jacobians(states: np.ndarray) -> np.ndarray:
        """Rows are independent: one backward pass a unit serves them all. Zeros where there is no graph."""
        leaf = torch.tensor(np.ascontiguousarray(states), dtype=dtype, requires_grad=True)
        with torch.enable_grad():
            sums = function(leaf.clone()).sum(dim=0)
            if not sums.requires_grad:
                return np.zeros((*states.shape, states.shape[1]))
            rows = [torch.autograd.grad(unit, leaf, retain_graph=True, allow_unused=True)[0] for unit in sums]
        filled = [torch.zeros_like(leaf) if row is None else row for row in rows]
        return torch.stack(filled, dim=1).detach().cpu().numpy().astype(float)

    return Speaker("torch", lambda states: raw(states).astype(float), raw, jacobians, "autodiff", remark)


def _torch_module(module: Any, probe: np.ndarray) -> tuple[Function, Any, str]:
    """A module as a callable of the state, the numbers that it takes, and what was done to it: a copy of it in float64
    if it can, and in evaluation mode."""
    torch = sys.modules["torch"]
    size = probe.shape[1]
    if isinstance(module, (torch.nn.RNNBase, torch.nn.LSTMCell)):
        must_have(
            "a callable of the state alone, (batch, N) -> (batch, N)",
            f"torch.nn.{type(module).__name__}, which takes an input and returns an output beside its state",
            "Hold the input still: gnode.analysis.torch_map(module, inputs=0).",
        )
    if is_recurrent_cell(module):
        if module.hidden_size != size:
            must_have(f"states of the cell's {module.hidden_size} units", f"states of {size}")
        forward, remark = _without_input(module), "The cell was called as cell(0, h): without input."
    else:
        _check_arguments(module.forward)
        forward, remark = (lambda copied: copied), ""
    if module.training and any(type(one).__name__.startswith(("Dropout", "BatchNorm")) for one in module.modules()):
        remark = f"{remark} The module was put in evaluation mode, in a copy.".strip()
    refusals: dict[str, Exception] = {}
    for dtype in (torch.float64, torch.float32):
        try:
            still = forward(copied(module, dtype))
            _answer_of(still, probe, dtype)
            return still, dtype, remark
        except Exception as refusal:
            refusals[f"of PyTorch in {dtype}"] = refusal
    wide, narrow = refusals
    if _first_line(refusals[wide]) == _first_line(refusals[narrow]):
        del refusals[narrow]
    _refuse(probe, refusals)


def copied(module: Any, dtype: Any) -> Any:
    """A copy in these numbers and in evaluation mode; the module itself where PyTorch cannot copy it."""
    try:
        return copy.deepcopy(module).to(dtype).eval()
    except RuntimeError:
        if any(one.training for one in module.modules()):
            must_have(
                "a module in evaluation mode, since PyTorch cannot copy it", "one in training mode", "Call eval()."
            )
        return module


def _without_input(cell: Any) -> Callable[[Any], Function]:
    torch = sys.modules["torch"]
    width = cell.input_size
    return lambda copied: lambda h: copied(torch.zeros(len(h), width, dtype=h.dtype, device=h.device), h)


def _torch_precision(function: Function, probe: np.ndarray) -> Any:
    """float64 where a plain callable takes it, else float32: one around float32 weights."""
    torch = sys.modules["torch"]
    try:
        _answer_of(function, probe, torch.float64)
    except RuntimeError:
        _answer_of(function, probe, torch.float32)
        return torch.float32
    return torch.float64


def _answer_of(function: Function, probe: np.ndarray, dtype: Any) -> None:
    torch = sys.modules["torch"]
    with torch.no_grad():
        answer = function(torch.tensor(probe, dtype=dtype))
    if not isinstance(answer, torch.Tensor):
        must_have(
            "a callable that returns one tensor of shape (batch, N)",
            f"{type(answer).__name__}",
            "Take the state out of it, as in lambda h: f(h)[0].",
        )
