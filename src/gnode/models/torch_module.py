"""A gnode network as a module of PyTorch, which is imported when one is asked for and not before."""

from functools import cache
from typing import Any

import numpy as np

from gnode.errors import must_have
from gnode.models.equations import Description, Equations, checked


def torch_network(description: Description, arrays: dict[str, np.ndarray]) -> Any:
    """The network as a torch.nn.Module.

    Raises:
        InvalidInput: PyTorch is not there.
    """
    try:
        import torch  # noqa: F401
    except ImportError:
        must_have("PyTorch for a module of it", "a Python without", "Install it: python -m pip install torch.")
    return torch_class()(description, arrays)


@cache
def torch_class() -> Any:
    """The class of such modules. `gnode export --to torch` writes the text of this function behind the equations."""
    import torch

    class TorchNetwork(torch.nn.Module):
        """A network as a torch.nn.Module, whose parameters are named as in model.safetensors and can be trained.

        What gnode never trains (scalings, a fixed random initial state) are buffers.
        """

        def __init__(self, description: Description, arrays: dict[str, np.ndarray]) -> None:
            super().__init__()
            self.description = description
            for name, array in arrays.items():
                *path, last = name.split(".")
                part: torch.nn.Module = self
                for step in path:
                    if step not in part._modules:
                        part.add_module(step, torch.nn.Module())
                    part = part.get_submodule(step)
                values = torch.tensor(array)
                if name in description["trained"]:
                    part.register_parameter(last, torch.nn.Parameter(values))
                else:
                    part.register_buffer(last, values)

        def __repr__(self) -> str:
            return f"TorchNetwork({self.description['name']})"

        def forward(
            self,
            inputs: torch.Tensor,
            first_targets: torch.Tensor | None = None,
            *,
            times: Any = None,
            elapsed: Any = None,
        ) -> torch.Tensor:
            """Outputs (trials, time, outputs); (trials, outputs) where the network reads the last sample or the mean.

            Args:
                inputs: (trials, time, channels); NaN is missing, which networks that refuse it do.
                first_targets: (trials, outputs), only for a network whose initial state is a net of them.
                times: of the samples in seconds, (time,) or (trials, time); by default the uniform grid of step dt.
                elapsed: in place of times: seconds since the sample before, 0 at padding.

            Raises:
                ValueError: something does not fit.
            """
            return self._equations().answer(*self._read(inputs, first_targets, times, elapsed))

        def states(
            self,
            inputs: torch.Tensor,
            first_targets: torch.Tensor | None = None,
            *,
            times: Any = None,
            elapsed: Any = None,
        ) -> torch.Tensor:
            """The state at each sample, (trials, time, N). Arguments as for a call."""
            return self._equations().path(*self._read(inputs, first_targets, times, elapsed))[0]

        def _equations(self) -> Equations:
            arrays = {**dict(self.named_parameters()), **dict(self.named_buffers())}
            return Equations(self.description, arrays, torch)

        def _read(self, inputs: torch.Tensor, told: torch.Tensor | None, times: Any, elapsed: Any) -> tuple:
            times, elapsed = (
                given.detach().cpu().numpy() if isinstance(given, torch.Tensor) else given for given in (times, elapsed)
            )
            inputs, told = (
                given if given is None or isinstance(given, torch.Tensor) else torch.tensor(given)  # copies of arrays
                for given in (inputs, told)
            )
            shape = None if told is None else tuple(told.shape)
            clock = checked(self.description, tuple(inputs.shape), times, elapsed, shape)
            seconds = torch.tensor(clock, device=inputs.device)
            values = inputs.double()
            there = values[seconds > 0]
            if torch.isinf(there).any():
                raise ValueError("Must have finite inputs, instead got infinity.")
            if self.description["encoding"]["missing"] == "refuse" and torch.isnan(there).any():
                raise ValueError("Must have inputs that are all there, instead got a missing one.")
            return values, seconds, None if told is None else told.double()

    return TorchNetwork
