"""A recurrent layer or cell of PyTorch whose input is held still, as a map of its hidden state."""

import sys
from typing import Any

import numpy as np

from gnode.analysis.frameworks import copied
from gnode.errors import must_have

_LAYERS = ("GRU", "RNN", "LSTM", "GRUCell", "RNNCell", "LSTMCell")


class TorchMap:
    """h -> the hidden state after one more step under the held input: tensors (batch, N), float64.

    It knows that it is a map, so analysis need not be told.

    Attributes:
        state_size: N: the layer's hidden size H, or 2 H for an LSTM, whose state is h and c side by side.
        inputs: (D,), what is held still.
    """

    kind = "map"

    def __init__(self, module: Any, inputs: np.ndarray) -> None:
        torch = sys.modules["torch"]
        self._module = copied(module, torch.float64)
        self._held = torch.tensor(inputs)
        self._in_pairs = isinstance(module, (torch.nn.LSTM, torch.nn.LSTMCell))
        self._sequence = isinstance(module, torch.nn.RNNBase)
        self.inputs = inputs
        self.state_size = module.hidden_size * (2 if self._in_pairs else 1)

    def __repr__(self) -> str:
        return f"TorchMap({self._module}, N = {self.state_size})"

    def __call__(self, states: Any) -> Any:
        torch = sys.modules["torch"]
        if not isinstance(states, torch.Tensor):  # so that whoever asks in NumPy first learns which framework it is
            raise TypeError(f"a tensor of PyTorch is needed, not {type(states).__name__}")
        states = states.to(torch.float64)
        if states.shape[-1] != self.state_size:
            must_have(f"states of {self.state_size} numbers", f"of {states.shape[-1]}")
        held = self._held.expand(len(states), -1)
        hidden = states.chunk(2, dim=-1) if self._in_pairs else (states,)
        after = self._layer(held, hidden) if self._sequence else self._cell(held, hidden)
        return torch.cat(after, dim=-1)

    def _cell(self, held: Any, hidden: tuple) -> tuple:
        return self._module(held, hidden) if self._in_pairs else (self._module(held, hidden[0]),)

    def _layer(self, held: Any, hidden: tuple) -> tuple:
        """A sequence of one sample, of which the layer's axes are taken off again."""
        sequence = held[:, None] if self._module.batch_first else held[None]
        before = tuple(part[None].contiguous() for part in hidden)
        after = self._module(sequence, before if self._in_pairs else before[0])[1]
        return tuple(part[0] for part in (after if self._in_pairs else (after,)))


def torch_map(module: Any, inputs: Any = 0.0) -> TorchMap:
    """A torch.nn.GRU, RNN, LSTM or one of their cells as a map of its hidden state, its input held still.

    It computes in float64, with a copy of the module. The state of an LSTM is (h, c) side by side, h first.

    Args:
        module: of one layer, in one direction, without projections.
        inputs: (D,), or one number for all of them.

    Raises:
        InvalidInput: another module, one of several layers or two directions, or inputs that do not fit.

    Example:
        >>> step = torch_map(torch.nn.GRU(3, 16), inputs=0)  # doctest: +SKIP
        >>> found = fixed_points(step, starts=states)  # doctest: +SKIP
    """
    torch = sys.modules.get("torch")
    kinds = () if torch is None else tuple(getattr(torch.nn, name) for name in _LAYERS)
    if not isinstance(module, kinds):
        must_have(
            f"a layer or cell of PyTorch ({', '.join(_LAYERS)})",
            type(module).__name__,
            "A module that maps a state to the next is passed to an analysis as it is.",
        )
    if getattr(module, "num_layers", 1) > 1 or getattr(module, "bidirectional", False):
        layers = f"{module.num_layers} layers" + (" in both directions" if module.bidirectional else "")
        must_have("one layer in one direction", layers, "Its state is not one vector that a held input moves.")
    if getattr(module, "proj_size", 0):
        must_have("a layer without projections", f"proj_size = {module.proj_size}")
    try:
        held = np.asarray(inputs, dtype=float)
    except (TypeError, ValueError):
        must_have("inputs that are numbers", type(inputs).__name__)
    if held.shape not in ((), (module.input_size,)) or not np.isfinite(held).all():
        must_have(f"inputs one finite number or ({module.input_size},) of them", f"{inputs}")
    return TorchMap(module, np.array(np.broadcast_to(held, (module.input_size,))))
