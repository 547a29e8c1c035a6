"""One training epoch of a gnODE: gnode against PyTorch eager, and the hand-written adjoint against autodiff.

N = 6, F [100, 100, 100], G one sigmoid layer, 500 trials of 100 bins, 3 inputs and outputs; AdamW with clipping; Euler
with alpha = 1. The PyTorch model is the same equations written as its users write them: modules and a loop over time.
"""

import statistics

import torch

import gnode
from benchmarks.epochs import gnode_epoch, torch_epoch
from benchmarks.machine import in_turn, ratio

ROUNDS = 9
BATCHES = (10, 50, 100)
GRADIENTS = ("adjoint", "autodiff")


class TorchGnode(torch.nn.Module):
    """The same network in PyTorch."""

    def __init__(self, inputs: int, state: int, outputs: int, hidden: int) -> None:
        super().__init__()
        self.from_state = torch.nn.Linear(state, hidden, bias=False)
        self.from_input = torch.nn.Linear(inputs, hidden)
        self.later = torch.nn.Sequential(
            torch.nn.ReLU(), torch.nn.Linear(hidden, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, hidden),
            torch.nn.ReLU(), torch.nn.Linear(hidden, state),
        )  # fmt: skip
        self.gate_from_state = torch.nn.Linear(state, state, bias=False)
        self.gate_from_input = torch.nn.Linear(inputs, state)
        self.initial = torch.nn.Linear(inputs, state)
        self.readout = torch.nn.Linear(state, outputs)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        h = self.initial(inputs[:, 0])
        states = []
        for x in inputs.unbind(1):
            candidate = self.later(self.from_state(h) + self.from_input(x))
            h = h + torch.sigmoid(self.gate_from_state(h) + self.gate_from_input(x)) * (candidate - h)
            states.append(h)
        return self.readout(torch.stack(states, 1))


def measure() -> list[dict]:
    """Milliseconds an epoch and ratios with their spread, at each batch size.

    gnode's epoch includes a validation loss on 10 trials; PyTorch's none.
    """
    task = gnode.tasks.make("variable-amplitude")
    trials, validation = task.sample(500, seed=0), task.sample(10, seed=1)
    sizes = dict(input_size=3, state_size=6, output_size=3)
    models = {name: gnode.models.make("gnode", **sizes, hidden=(100,) * 3, gradient=name) for name in GRADIENTS}
    rows = []
    for batch in BATCHES:
        contenders = {name: gnode_epoch(model, trials, validation, batch) for name, model in models.items()}
        torch.manual_seed(0)
        contenders["pytorch"] = torch_epoch(TorchGnode(3, 6, 3, 100), [trials.inputs], trials.targets, batch)
        seconds = in_turn(contenders, ROUNDS)
        row = {
            "batch": batch,
            **{f"{name}_ms": 1e3 * statistics.median(values) for name, values in seconds.items()},
            "over_pytorch": ratio(seconds["pytorch"], seconds["adjoint"]),
            "over_autodiff": ratio(seconds["autodiff"], seconds["adjoint"]),
        }
        rows.append(row)
        times = "  ".join(f"{name} {row[f'{name}_ms']:.0f} ms" for name in seconds)
        compared = "  ".join(
            f"{row[key]['median']:.2f} times {label} ({row[key]['least']:.2f} to {row[key]['greatest']:.2f})"
            for key, label in (("over_pytorch", "PyTorch eager"), ("over_autodiff", "autodiff"))
        )
        print(f"batch {batch:3d}: {times}; {compared}", flush=True)
    return rows
