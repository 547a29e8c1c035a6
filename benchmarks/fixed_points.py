"""Fixed points of trained networks: gnode against the algorithm of FixedPointFinder, on PyTorch.

FixedPointFinder: M. Golub and D. Sussillo, JOSS 3(31), 1003 (2018). The baseline below is freshly written after the
paper and the documented options of its PyTorch version; none of its code is here. With its defaults: Adam on the mean
of q = |F(h) - h|^2 / 2 over all starts at once, in float32; rate 1, times 0.95 whenever the mean has not improved
for more than 2 iterations; until every start has q < 1e-12 or changes q by less than 1e-20 times the rate, or for 5000
iterations; ends closer than 1e-3 in every coordinate are one; ends farther from the starts' centre than 10 times their
mean distance to it are dropped; Jacobians and their eigenvalues at what is left. Its 5000 iterations are kept although
its own example takes 10,000, and Jacobians are taken for all points in one call: both in its favour.

Both get the same weights, the same starts (states of trials plus noise of 0.5, as in its example) and count an end as a
fixed point from the same speed on. gnode is measured on the JAX map and on the very PyTorch module of the baseline;
compiling is part of its time.
"""

import statistics
import time
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import torch
from scipy.spatial import cKDTree

import gnode
from benchmarks.machine import ratio
from gnode import analysis

STARTS, NOISE = 1024, 0.5
TOLERANCE_Q, TOLERANCE_DQ, ITERATIONS = 1e-12, 1e-20, 5000
UNIQUE, OUTLIER = 1e-3, 10.0
SPEED = float(np.sqrt(2 * TOLERANCE_Q))  # |F(h) - h| where q is at its tolerance
ROUNDS = 2
NETWORKS = {  # model, N, hidden widths of F, epochs of training
    "gnODE, N = 6, F [100, 100, 100]": ("gnode", 6, (100, 100, 100), 40),
    "GRU, N = 100": ("gru", 100, (), 20),
}


class SilentNetwork(torch.nn.Module):
    """One Euler step of a gnODE or a GRU without input, with the weights of a gnode model: (batch, N) -> (batch, N)."""

    def __init__(self, model: gnode.models.Model) -> None:
        super().__init__()
        field = model.field
        self.reset = None if model.config.model == "gnode" else _perceptron(field.reset, torch.nn.Sigmoid())
        self.gate = _perceptron(field.gating if self.reset is None else field.update, torch.nn.Sigmoid())
        self.candidate = _perceptron(field.drive, torch.nn.Identity() if self.reset is None else torch.nn.Tanh())
        self.requires_grad_(False)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        candidate = self.candidate(h if self.reset is None else self.reset(h) * h)
        return h + self.gate(h) * (candidate - h)


def _perceptron(net: object, last: torch.nn.Module) -> torch.nn.Sequential:
    """A gnode FeedForward whose input is zero."""
    layers: list[torch.nn.Module] = []
    biases = [net.from_input.bias, *(layer.bias for layer in net.later)]
    for dense, bias in zip([net.from_state, *net.later], biases, strict=True):
        layer = torch.nn.Linear(dense.weight.shape[1], dense.weight.shape[0])
        layer.weight.data = torch.tensor(np.asarray(dense.weight))
        layer.bias.data = torch.tensor(np.asarray(bias))
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1], last)


def adam_on_all(network: SilentNetwork, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The baseline: FixedPointFinder's joint optimisation, freshly written (see the module's docstring).

    Returns:
        distinct ends (K, N), and q at each (K,).
    """
    states = torch.tensor(starts, dtype=torch.float32, requires_grad=True)
    optimiser = torch.optim.Adam([states], lr=1.0)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.95, patience=2)
    before = torch.full((len(starts),), torch.nan)
    for _ in range(ITERATIONS):
        q = 0.5 * (network(states) - states).square().sum(dim=1)
        mean = q.mean()
        optimiser.zero_grad()
        mean.backward()
        ends = states.detach().clone()  # where q was taken
        optimiser.step()
        schedule.step(mean.detach())
        rate = optimiser.param_groups[0]["lr"]
        q = q.detach()
        if bool(((q < TOLERANCE_Q) | ((q - before).abs() < TOLERANCE_DQ * rate)).all()):
            break
        before = q
    points = ends.numpy()
    _, first = np.unique(np.round(points / UNIQUE), axis=0, return_index=True)
    centre = starts.mean(axis=0)
    near = np.linalg.norm(points - centre, axis=1) < OUTLIER * np.linalg.norm(starts - centre, axis=1).mean()
    unique = first[near[first]]
    if len(unique):
        together = torch.autograd.functional.jacobian(lambda h: network(h).sum(dim=0), torch.tensor(points[unique]))
        np.linalg.eig(together.permute(1, 0, 2).numpy())
    return points[unique], q.numpy()[unique]


def _trained(name: str, state_size: int, hidden: tuple[int, ...], epochs: int) -> tuple[gnode.models.Model, np.ndarray]:
    """A network that remembers three bits, and starts for the search."""
    task = gnode.tasks.make("fixed-amplitude")
    model = gnode.models.make(name, input_size=3, state_size=state_size, output_size=3, hidden=hidden)
    run = gnode.train(model, task, epochs=epochs, batch_size=50, lr=3e-3)
    random = np.random.default_rng(0)
    visited = np.asarray(run.model.states(task.sample(50, seed=1).inputs), float).reshape(-1, state_size)
    chosen = visited[random.choice(len(visited), STARTS)]
    return run.model, chosen + NOISE * random.standard_normal(chosen.shape)


def _searchers(model: gnode.models.Model, starts: np.ndarray) -> dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]]:
    """Each finder as a function without arguments that returns distinct points and q at each."""
    network = SilentNetwork(model)
    step = model.map_at(np.zeros(model.config.input_size, np.float32))
    theirs, ours = network(torch.tensor(starts, dtype=torch.float32)).numpy(), np.asarray(step(jnp.asarray(starts)))
    assert np.allclose(theirs, ours, atol=1e-4), "the two networks differ"

    def gnode_on(f: Callable) -> tuple[np.ndarray, np.ndarray]:
        found = analysis.fixed_points(f, kind="map", starts=starts, tolerance=SPEED, merge=UNIQUE)
        return found.points, found.speeds**2 / 2

    return {
        "gnode": lambda: gnode_on(step),
        "gnode on PyTorch": lambda: gnode_on(network),
        "baseline": lambda: adam_on_all(network, starts),
    }


def measure() -> list[dict]:
    """Seconds and fixed points of each finder on each network, in turn, and the ratios of their times.

    An end counts as a fixed point where q is below the tolerance. For the baseline, which may use up its iterations
    before, ends with q below 1e-8 are counted too.
    """
    torch.set_num_threads(1)
    rows = []
    for label, arguments in NETWORKS.items():
        searchers = _searchers(*_trained(*arguments))
        seconds: dict[str, list[float]] = {name: [] for name in searchers}
        ends = {}
        for _ in range(ROUNDS):
            for name, search in searchers.items():
                began = time.perf_counter()
                ends[name] = search()
                seconds[name].append(time.perf_counter() - began)
        fixed = {name: points[q < TOLERANCE_Q] for name, (points, q) in ends.items()}
        row = {
            "network": label,
            "seconds": {name: statistics.median(values) for name, values in seconds.items()},
            "points": {name: len(points) for name, points in fixed.items()},
            "baseline_below_1e-8": int(np.sum(ends["baseline"][1] < 1e-8)),
            "baseline_missed_by_gnode": _missed(fixed["baseline"], fixed["gnode"]),
            "over_baseline": ratio(seconds["baseline"], seconds["gnode"]),
        }
        rows.append(row)
        times = "; ".join(f"{name} {row['seconds'][name]:.1f} s, {row['points'][name]} points" for name in searchers)
        print(
            f"{label}: {times} ({row['baseline_below_1e-8']} with q < 1e-8; {row['baseline_missed_by_gnode']} that "
            f"gnode missed); gnode {row['over_baseline']['median']:.1f} times as fast as the baseline "
            f"({row['over_baseline']['least']:.1f} to {row['over_baseline']['greatest']:.1f})",
            flush=True,
        )
    return rows


def _missed(theirs: np.ndarray, ours: np.ndarray) -> int:
    """How many of their points have none of ours within a hundredth."""
    return int(np.sum(cKDTree(ours).query(theirs)[0] > 0.01)) if len(ours) and len(theirs) else len(theirs)
