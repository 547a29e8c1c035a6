"""A model as an ONNX graph: the equations that NumPy and PyTorch follow, with arrays that write the nodes of a graph.

Imported when such a graph is asked for and not before, as spox, with which it is written, is no dependency.
"""

from typing import Any, Self

import numpy as np
import spox
import spox.opset.ai.onnx.v17 as op
from spox import Var

from gnode.models.equations import Equations
from gnode.models.model import Model


def onnx_graph(model: Model) -> bytes:
    """The model as an ONNX graph of standard operators (opset 17), for any number of trials and samples.

    What goes in, float32: `inputs` (trials, time, D), NaN where missing; `elapsed` (trials, time), seconds since the
    sample before, dt at the first and 0 at padding; and, only where the initial state is a net of them,
    `first_targets` (trials, outputs). What comes out is `outputs`, as the model gives them. Nothing is checked.

    Raises:
        InvalidInput: a model by a solver, with events, or several stacked.
    """
    description, arrays = model.taken_apart()
    shapes = {"inputs": ("trials", "time", model.config.input_size), "elapsed": ("trials", "time")}
    shapes |= {"first_targets": ("trials", model.config.output_size)} if model.is_told else {}
    given = {name: spox.argument(spox.Tensor(np.float32, shape)) for name, shape in shapes.items()}
    network = _Graph(description, {name: _Values(op.const(array)) for name, array in arrays.items()}, _Namespace)
    values, elapsed, *told = (_Values(node).double() for node in given.values())
    outputs = network.answer(values, elapsed, told[0] if told else None)
    graph: bytes = spox.build(given, {"outputs": outputs.node}).SerializeToString(deterministic=True)
    return graph


class _Graph(Equations):
    """The equations, where time is walked through by the operator Loop."""

    def path(self, values: Any, elapsed: Any, told: Any) -> tuple[Any, Any]:
        nothing = _Namespace.zeros_like(values[:, 0])
        first, _, _ = self.encode(values[:, 0], elapsed[:, 0, None], (nothing, nothing))

        def one_sample(k: Var, _: Var, state: Var, last: Var, age: Var) -> list[Var]:
            """Whether to go on and what is carried, in the order in which it came; then what is kept of sample k."""
            k = op.reshape(k, op.const(np.array([], np.int64)))
            sample, seconds = (_Values(op.gather(array.node, k, axis=1)) for array in (values, elapsed))
            inputs, length, (held, age_now) = self.encode(sample, seconds[..., None], (_Values(last), _Values(age)))
            after = self.step(_Values(state), inputs, length)
            if self.description["encoding"]["begins"] == "at-first":
                after = _Namespace.where(_Values(op.equal(k, op.const(np.array(0)))), _Values(state), after)
            return [go_on, after.node, held.node, age_now.node, after.node, inputs.node]

        go_on = op.const(np.array([True]))  # vectors of one, as spox has them
        samples = op.gather(op.shape(values.node), op.const(np.array([1])))
        carried = [self.start(first, told).node, nothing.node, nothing.node]
        *_, states, seen = op.loop(samples, go_on, carried, body=one_sample)
        trials_first = [1, 0, 2]
        return tuple(_Values(op.transpose(kept, perm=trials_first)) for kept in (states, seen))  # type: ignore[return-value]


class _Values:
    """A node of the graph that is being written, with as much of PyTorch's tensor as the equations use."""

    def __init__(self, node: Var) -> None:
        self.node = node

    @property
    def dtype(self) -> Any:
        return self.node.unwrap_tensor().dtype

    @property
    def shape(self) -> Any:
        """Of which only what belongs to no trial and no sample is a number."""
        return self.node.unwrap_tensor().shape

    @property
    def T(self) -> Self:
        return type(self)(op.transpose(self.node))

    def _with(self, operator: Any, other: Any) -> Self:
        return type(self)(operator(self.node, _node(other, self.dtype)))

    def __add__(self, other: Any) -> Self:
        return self._with(op.add, other)

    def __mul__(self, other: Any) -> Self:
        return self._with(op.mul, other)

    __radd__, __rmul__ = __add__, __mul__

    def __sub__(self, other: Any) -> Self:
        return self._with(op.sub, other)

    def __rsub__(self, other: Any) -> Self:
        return -self + other

    def __truediv__(self, other: Any) -> Self:
        return self._with(op.div, other)

    def __pow__(self, power: Any) -> Self:
        return self._with(op.pow, power)

    def __matmul__(self, other: Any) -> Self:
        return self._with(op.matmul, other)

    def __neg__(self) -> Self:
        return type(self)(op.neg(self.node))

    def __gt__(self, other: Any) -> Self:
        return self._with(op.greater, other)

    def __eq__(self, other: Any) -> Self:  # type: ignore[override]
        return self._with(op.equal, other)

    __hash__ = None  # type: ignore[assignment]

    def __getitem__(self, place: Any) -> Self:
        """Whole axes, a number on the second, the first ones of the last, or a new last axis."""
        node = self.node
        for part in place if isinstance(place, tuple) else (place,):
            if part is None:
                node = op.unsqueeze(node, op.const(np.array([-1])))
            elif isinstance(part, int):
                node = op.gather(node, op.const(np.array(part)), axis=1)
            elif part is not Ellipsis and part.stop is not None:
                start, stop, axis = (op.const(np.array([number])) for number in (0, part.stop, -1))
                node = op.slice(node, start, stop, axis)
        return type(self)(node)

    def sum(self, axis: int, keepdims: bool = False) -> Self:
        return type(self)(op.reduce_sum(self.node, op.const(np.array([axis])), keepdims=keepdims))

    def mean(self, axis: int, keepdims: bool = False) -> Self:
        return type(self)(op.reduce_mean(self.node, axes=[axis], keepdims=keepdims))

    def double(self) -> Self:
        return self.to(np.float64)

    def to(self, dtype: Any) -> Self:
        return type(self)(op.cast(self.node, to=dtype))


def _node(value: Any, dtype: Any) -> Var:
    return value.node if isinstance(value, _Values) else op.const(np.asarray(value, dtype))


class _Namespace:
    """What the equations ask of NumPy or PyTorch."""

    @staticmethod
    def where(condition: _Values, yes: Any, no: Any) -> _Values:
        dtype = (yes if isinstance(yes, _Values) else no).dtype
        return _Values(op.where(condition.node, _node(yes, dtype), _node(no, dtype)))

    @staticmethod
    def _like(values: _Values, number: int) -> _Values:
        constant = op.const(np.asarray(number, values.dtype))
        return _Values(op.where((values == values).node, constant, constant))  # keeps what is known of the shape

    @staticmethod
    def zeros_like(values: _Values) -> _Values:
        return _Namespace._like(values, 0)

    @staticmethod
    def ones_like(values: _Values) -> _Values:
        return _Namespace._like(values, 1)

    @staticmethod
    def concatenate(parts: list[_Values], axis: int) -> _Values:
        return _Values(op.concat([part.node for part in parts], axis=axis))

    @staticmethod
    def exp(values: _Values) -> _Values:
        return _Values(op.exp(values.node))

    @staticmethod
    def expm1(values: _Values) -> _Values:
        """ONNX has none; this way of writing exp(x) - 1 keeps its digits near 0."""
        return _Namespace.tanh(values * 0.5) * (_Namespace.exp(values) + 1.0)

    @staticmethod
    def log1p(values: _Values) -> _Values:
        """Of float64 alone, where ONNX's want of one costs no digit that float32 shows."""
        return _Values(op.log((values + 1.0).node))

    @staticmethod
    def sqrt(values: _Values) -> _Values:
        return _Values(op.sqrt(values.node))

    @staticmethod
    def tanh(values: _Values) -> _Values:
        return _Values(op.tanh(values.node))

    @staticmethod
    def sigmoid(values: _Values) -> _Values:
        return _Values(op.sigmoid(values.node))
