"""States and gradients along 100 samples: gnode's integrators against torchdiffeq's and Diffrax's own Euler.

The same field (gnODE, N = 6, F [100, 100, 100] with relu, G one sigmoid layer) with the same weights, the same inputs,
one sample a tau, one thread each. A contender computes the states at all samples, a mean of their squares, and its
gradient with respect to every parameter, the initial state included. Inputs are held constant between samples, sample k
over (t[k-1], t[k]].

torchdiffeq (Chen 2018, github.com/rtqichen/torchdiffeq) is used as its manual says: `odeint` and backpropagation
through it, which is faster here than its adjoint; the field looks the input up by time; `perturb` and `jump_t` tell the
solver that it jumps at samples, on which dopri5 then lands. Its "rk4" is the 3/8 rule, with as many evaluations as
ours. Steps of its dopri5 are common to a batch and chosen by the mean error over the batch; those of gnode by the worst
series of the batch, or for each series. Diffrax's own Euler is one `diffeqsolve` with constant steps.
"""

import statistics
from collections.abc import Callable

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import torch
from torchdiffeq import odeint

import gnode
from benchmarks.machine import in_turn, ratio, seconds_of
from gnode.fields import Field
from gnode.integrate import Flow, Integrator, Map

ROUNDS = 9
BATCHES = (10, 100)
SAMPLES = 100
RTOL, ATOL = 1e-5, 1e-6  # gnode's own
PAIRS = (  # theirs, ours
    ("torchdiffeq euler", "euler"),
    ("torchdiffeq rk4", "rk4"),
    ("torchdiffeq dopri5", "dopri5, a grid a batch"),
    ("torchdiffeq dopri5", "dopri5, a grid a series"),
    ("diffrax euler", "euler"),
)
OURS: dict[str, Integrator] = {
    "euler": Map("euler"),
    "rk4": Map("rk4"),
    "dopri5, a grid a batch": Flow("dopri5", RTOL, ATOL, grid="batch"),
    "dopri5, a grid a series": Flow("dopri5", RTOL, ATOL, grid="series"),
}
TORCHDIFFEQ = {
    "torchdiffeq euler": dict(method="euler", options={"perturb": True}),
    "torchdiffeq rk4": dict(method="rk4", options={"perturb": True}),
    "torchdiffeq dopri5": dict(method="dopri5", rtol=RTOL, atol=ATOL, options={"jump_t": torch.arange(1.0, SAMPLES)}),
}
Gradient = Callable[[], tuple[float, np.ndarray]]  # the mean of squares, and its gradient with respect to the start


class TorchField(torch.nn.Module):
    """A gnode field G * (F - h) in PyTorch, with its weights: (batch, N), (batch, D) -> (batch, N)."""

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.from_state, self.from_input = _linear(field.drive.from_state), _linear(field.drive.from_input)
        later = [module for dense in field.drive.later for module in (torch.nn.ReLU(), _linear(dense))]
        self.later = torch.nn.Sequential(*later)
        self.gate_from_state = _linear(field.gating.from_state)
        self.gate_from_input = _linear(field.gating.from_input)

    def forward(self, h: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        candidate = self.later(self.from_state(h) + self.from_input(x))
        return torch.sigmoid(self.gate_from_state(h) + self.gate_from_input(x)) * (candidate - h)


def _linear(dense: gnode.nn.dense.Dense) -> torch.nn.Linear:
    fan_out, fan_in = dense.weight.shape
    layer = torch.nn.Linear(fan_in, fan_out, bias=dense.bias is not None)
    layer.weight.data = torch.tensor(np.asarray(dense.weight))
    if dense.bias is not None:
        layer.bias.data = torch.tensor(np.asarray(dense.bias))
    return layer


def _with_torchdiffeq(field: Field, start: np.ndarray, inputs: np.ndarray, options: dict) -> Gradient:
    torch.set_num_threads(1)
    module, first = TorchField(field), torch.tensor(start, requires_grad=True)
    over_time, times = torch.tensor(inputs).unbind(1), torch.arange(SAMPLES + 1.0)

    def velocity(t: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        return module(h, over_time[min(int(t), SAMPLES - 1)])

    def run() -> tuple[float, np.ndarray]:
        squares = odeint(velocity, first, times, **options)[1:].square().mean()
        of_start, *_ = torch.autograd.grad(squares, [first, *module.parameters()])
        return squares.item(), of_start.numpy()

    return run


def _in_jax(states: Callable, field: Field, start: np.ndarray, inputs: np.ndarray) -> Gradient:
    """The contender that finds its states by `states(field, start, inputs)`, compiled."""

    @eqx.filter_jit
    @eqx.filter_value_and_grad
    def squares(moving: tuple[Field, jax.Array], inputs: jax.Array) -> jax.Array:
        return jnp.mean(states(*moving, inputs) ** 2)

    moving, shown = (field, jnp.asarray(start)), jnp.asarray(inputs)

    def run() -> tuple[float, np.ndarray]:
        value, gradient = jax.block_until_ready(squares(moving, shown))
        return float(value), np.asarray(gradient[1])

    return run


def _with_gnode(integrator: Integrator) -> Callable:
    return lambda field, start, inputs: integrator(field, start, inputs, jnp.ones((1, SAMPLES))).states


def _with_diffrax(field: Field, start: jax.Array, inputs: jax.Array) -> jax.Array:
    over_time = jnp.moveaxis(inputs, 1, 0)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, h, args: args[0](h, args[1][jnp.floor(t).astype(int)])),
        diffrax.Euler(),
        t0=0.0,
        t1=float(SAMPLES),
        dt0=1.0,
        y0=start,
        args=(field, over_time),
        saveat=diffrax.SaveAt(ts=jnp.arange(1.0, SAMPLES + 1)),
        stepsize_controller=diffrax.ConstantStepSize(),
        max_steps=SAMPLES,
    )
    return solution.ys


def _contenders(batch: int) -> dict[str, Gradient]:
    field = gnode.models.make("gnode", input_size=3, state_size=6, output_size=3, hidden=(100, 100, 100)).field
    inputs = gnode.tasks.make("variable-amplitude").sample(batch, seed=0).inputs[:, :SAMPLES]
    start = np.random.default_rng(0).standard_normal((batch, 6), np.float32)
    ours = {name: _in_jax(_with_gnode(integrator), field, start, inputs) for name, integrator in OURS.items()}
    theirs = {name: _with_torchdiffeq(field, start, inputs, options) for name, options in TORCHDIFFEQ.items()}
    return {**ours, **theirs, "diffrax euler": _in_jax(_with_diffrax, field, start, inputs)}


def _check_agreement(contenders: dict[str, Gradient]) -> None:
    """All must compute the same thing, or the ratios mean nothing.

    Euler's steps are the same; other solvers differ by their errors, which at kinks of relu are a percent in gradients
    (each of both tends to the same one as its tolerance falls).
    """
    for theirs, ours in PAIRS:
        tolerance = 1e-3 if ours == "euler" else 0.05
        (value, gradient), (wanted, of_start) = contenders[ours](), contenders[theirs]()
        np.testing.assert_allclose(value, wanted, rtol=tolerance, err_msg=f"{ours} against {theirs}")
        away = np.linalg.norm(gradient - of_start) / np.linalg.norm(of_start)
        assert away < tolerance, f"the gradients of {ours} and {theirs} differ by {away:.2g}"


def measure() -> list[dict]:
    """Milliseconds for states and gradient, the first call's seconds, and ratios with their spread, by batch size."""
    rows = []
    for batch in BATCHES:
        contenders = _contenders(batch)
        first = {name: seconds_of(run) for name, run in contenders.items()}
        _check_agreement(contenders)
        seconds = in_turn(contenders, ROUNDS)
        steady = {name: statistics.median(values) for name, values in seconds.items()}
        print(f"batch {batch}:")
        for name in contenders:
            print(f"  {name:23s} {1e3 * steady[name]:8.1f} ms, first call {first[name]:5.2f} s")
        for theirs, ours in PAIRS:
            row = {"batch": batch, "theirs": theirs, "ours": ours, "ratio": ratio(seconds[theirs], seconds[ours])}
            row |= {"theirs_ms": 1e3 * steady[theirs], "ours_ms": 1e3 * steady[ours]}
            row |= {"theirs_first_s": first[theirs], "ours_first_s": first[ours]}
            rows.append(row)
            print(
                f"  {ours:23s} {row['ratio']['median']:6.2f} times {theirs} "
                f"({row['ratio']['least']:.2f} to {row['ratio']['greatest']:.2f})",
                flush=True,
            )
    return rows
