"""Models of a recording that run freely: gnode.reconstruct, an echo-state network, sparse regression, a GRU.

Echo-state network: reservoirpy (N. Trouvain et al., 2020), a reservoir and a ridge readout of the next sample. Sparse
regression: pysindy (A. Kaptanoglu et al., JOSS 7, 2022), a polynomial vector field. GRU: torch.nn.GRU with a linear
readout of the difference to the next sample, trained on pieces on which it runs freely. Each has four settings to
choose from, and each becomes one thing: a map of its state in JAX, how a state follows from a window of samples, and
how samples are read from a state. So all of them are run and judged by the same code.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pysindy
import torch
from reservoirpy import mat_gen
from reservoirpy.nodes import Reservoir, Ridge

import gnode

HELD = 0.1  # the last part of a recording, by which settings are chosen; gnode.reconstruct never learns from it either
WINDOW = 100  # samples before a forecast
A_PERIOD = 30  # samples
_ROUNDING = 4  # Runge-Kutta steps of a polynomial vector field in a sample
_UNITS = 500  # of the reservoir
_WARM, _FREE, _BATCH = 20, (4, 12, 30), 64  # of the GRU: samples shown first, then run freely, and pieces at once
_CHECKS = 20  # times in which the GRU is compared with what is held out


@dataclass(frozen=True)
class Peer:
    """A model of a recording in standard deviations (n, C), one sample a step.

    Attributes:
        step: states (B, N) one sample later.
        begun: (B, WINDOW, C) to the states (B, N) at the last sample.
        read: states (B, N) to samples (B, C).
    """

    step: Callable[[Any], Any]
    begun: Callable[[Any], Any]
    read: Callable[[Any], Any]


def _gnode(values: np.ndarray, settings: dict[str, Any], seconds: float) -> Peer:
    found = gnode.reconstruct(values, delays=1, members=1, **settings)
    model = found.models[0]
    scaling = model.output_scaling
    return Peer(
        model.map_at(np.zeros(0)),
        lambda windows: jnp.asarray(scaling.scaled(np.asarray(windows[:, -1]))),
        lambda states: scaling.unscaled(states),
    )


def _reservoir(values: np.ndarray, settings: dict[str, Any], seconds: float) -> Peer:
    learned = values[: -round(HELD * len(values))]
    reservoir = Reservoir(
        _UNITS,
        sr=settings["radius"],
        input_scaling=settings["input"],
        bias=mat_gen.uniform(low=-0.5, high=0.5),
        seed=0,
    )
    readout = Ridge(ridge=1e-6)
    # Without noise free courses leave soon, however the ridge is chosen.
    shaken = learned + settings["noise"] * np.random.default_rng(0).normal(size=learned.shape)
    (reservoir >> readout).fit(shaken[:-1], learned[1:], warmup=WINDOW)
    # NumPy's arrays keep their doubles outside of JAX's double mode; large weights that cancel need them.
    among, given = (np.asarray(part.todense()) for part in (reservoir.W, reservoir.Win))
    bias = np.asarray(reservoir.bias.todense() if hasattr(reservoir.bias, "todense") else reservoir.bias).ravel()
    weights, constant = np.asarray(readout.Wout), np.asarray(readout.bias)

    def shown(state: Any, sample: Any) -> Any:
        return jnp.tanh(state @ among.T + sample @ given.T + bias)

    def read(states: Any) -> Any:
        """What it foretells of the sample that it has not seen yet."""
        return states @ weights + constant

    def begun(windows: Any) -> Any:
        """The last sample is foretold, as later ones are: a state has seen what stands before what it says."""
        state = jnp.zeros((len(windows), len(among)))
        return jax.lax.scan(lambda now, sample: (shown(now, sample), None), state, windows[:, :-1].swapaxes(0, 1))[0]

    return Peer(lambda states: shown(states, read(states)), begun, read)


def _sparse(values: np.ndarray, settings: dict[str, Any], seconds: float) -> Peer:
    learned = values[: -round(HELD * len(values))]
    library = pysindy.PolynomialLibrary(degree=settings["degree"])
    model = pysindy.SINDy(
        pysindy.STLSQ(threshold=settings["threshold"], alpha=1e-6),
        library,
        pysindy.FiniteDifference(order=10),
    )
    model.fit(learned, t=1.0 / A_PERIOD)
    powers, weights = np.asarray(library.powers_, int), np.asarray(model.coefficients())

    def slopes(states: Any) -> Any:
        return jnp.prod(states[:, None, :] ** powers, axis=2) @ weights.T

    def step(states: Any) -> Any:
        for _ in range(_ROUNDING):
            states = _runge_kutta(slopes, states, 1.0 / (A_PERIOD * _ROUNDING))
        return states

    return Peer(step, lambda windows: windows[:, -1], lambda states: states)


def _runge_kutta(slopes: Callable[[Any], Any], states: Any, step: float) -> Any:
    first = slopes(states)
    second = slopes(states + step / 2 * first)
    third = slopes(states + step / 2 * second)
    return states + step / 6 * (first + 2 * second + 2 * third + slopes(states + step * third))


class _Recurrent(torch.nn.Module):
    def __init__(self, channels: int, units: int) -> None:
        super().__init__()
        self.cell = torch.nn.GRU(channels, units, batch_first=True)
        self.readout = torch.nn.Linear(units, channels)

    def forward(self, shown: torch.Tensor, ahead: int) -> torch.Tensor:
        """Samples (B, T, C) to the next ones: those after each that was shown, then so many of its free course."""
        states, last = self.cell(shown)
        said = [shown + self.readout(states)]
        sample = said[0][:, -1:]
        for _ in range(ahead - 1):
            states, last = self.cell(sample, last)
            sample = sample + self.readout(states)
            said.append(sample)
        return torch.cat(said, dim=1)


def _recurrent(values: np.ndarray, settings: dict[str, Any], seconds: float) -> Peer:
    """A GRU, trained until so many seconds of the processor are over; the best on what is held out is kept."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    began, cut = time.process_time(), len(values) - round(HELD * len(values))
    samples = torch.tensor(values, dtype=torch.float32)
    network, random = _Recurrent(values.shape[1], settings["units"]), np.random.default_rng(0)
    optimiser = torch.optim.Adam(network.parameters(), lr=settings["lr"])
    length = _WARM + _FREE[-1]
    held = torch.stack([samples[first : first + length] for first in range(cut, len(values) - length + 1, 10)])
    best, kept, checked = np.inf, {}, 0
    while (done := (time.process_time() - began) / seconds) < 1:
        optimiser.param_groups[0]["lr"] = settings["lr"] * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * done)))
        free = _FREE[min(int(len(_FREE) * done), len(_FREE) - 1)]
        pieces = torch.stack(
            [samples[first : first + _WARM + free] for first in random.integers(0, cut - _WARM - free + 1, _BATCH)]
        )
        optimiser.zero_grad()
        ((network(pieces[:, :_WARM], free) - pieces[:, 1:]) ** 2).mean().backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        if done * _CHECKS > checked:
            checked += 1
            with torch.no_grad():
                loss = float(((network(held[:, :_WARM], _FREE[-1]) - held[:, 1:]) ** 2).mean())
            if loss < best:
                best, kept = loss, {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(kept)
    return _as_map(network)


def _as_map(network: _Recurrent) -> Peer:
    """A state is the units and the sample that was said last."""
    own = {name: jnp.asarray(value.numpy()) for name, value in network.state_dict().items()}
    units = network.cell.hidden_size

    def shown(state: Any, sample: Any) -> Any:
        given = sample @ own["cell.weight_ih_l0"].T + own["cell.bias_ih_l0"]
        among = state @ own["cell.weight_hh_l0"].T + own["cell.bias_hh_l0"]
        reset, update = (
            jax.nn.sigmoid(given[:, at * units : (at + 1) * units] + among[:, at * units : (at + 1) * units])
            for at in range(2)
        )
        new = jnp.tanh(given[:, 2 * units :] + reset * among[:, 2 * units :])
        return (1 - update) * new + update * state

    def step(states: Any) -> Any:
        state, sample = shown(states[:, :units], states[:, units:]), states[:, units:]
        return jnp.hstack([state, sample + state @ own["readout.weight"].T + own["readout.bias"]])

    def begun(windows: Any) -> Any:
        state = jnp.zeros((len(windows), units))
        courses = windows[:, :-1].swapaxes(0, 1)
        state = jax.lax.scan(lambda now, sample: (shown(now, sample), None), state, courses)[0]
        return jnp.hstack([state, windows[:, -1]])

    return Peer(step, begun, lambda states: states[:, units:])


# Each: how it is fitted, and the four settings among which what is held out chooses. gnode comes first: the seconds of
# the processor that it took for a setting are those that the others have for one.
PEERS: dict[str, tuple[Callable[[np.ndarray, dict[str, Any], float], Peer], list[dict[str, Any]]]] = {
    "gnode": (
        _gnode,
        [{"hidden": hidden, "piece": piece} for hidden in ((32,), (64,)) for piece in (None, A_PERIOD + 1)],
    ),
    "reservoirpy": (
        _reservoir,
        [
            {"radius": radius, "input": size, "noise": noise}
            for radius, size in ((0.5, 0.5), (0.9, 0.2))
            for noise in (1e-4, 1e-3)
        ],
    ),
    "pysindy": (
        _sparse,
        [{"degree": degree, "threshold": least} for degree in (2, 3) for least in (1e-3, 1e-1)],
    ),
    "torch GRU": (_recurrent, [{"units": units, "lr": lr} for units in (64, 128) for lr in (2e-3, 1e-2)]),
}
