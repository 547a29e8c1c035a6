"""Recurrent networks of PyTorch and ncps, trained as gnode.train trains: what results are compared with.

GRU: torch.nn.GRU, with or without the elapsed time as one more input. CfC (R. Hasani et al., Nature Machine
Intelligence 4, 992 (2022)) and LTC (R. Hasani et al., AAAI 2021), as ncps (github.com/mlech26l/ncps) has them, get it
as their time. The batched call of CfC with elapsed times fails (ncps#82), so cells are called sample by sample, which
is what it does inside.

Minibatches and their order, rates, clipping, decay, input noise, scaling and the choice of the best epoch are those of
gnode.train; readouts have the same form. One thread.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from ncps.torch import CfCCell, LTCCell
from ncps.wirings import FullyConnected

from gnode.errors import Diverged
from gnode.models.scaling import Scaling
from gnode.series import Data, Series, Trials
from gnode.training import Settings
from gnode.training.loop import plan

KINDS = ("gru", "gru-elapsed", "cfc", "ltc")
_BATCH = 256  # series that are answered at once


class Network(torch.nn.Module):
    """A recurrent network and a feed-forward readout.

    Args:
        kind: one of KINDS.
        reading: "each" (outputs at each sample), "last" (after the last one) or "mean" (the mean of outputs).
        readout_hidden: widths of the readout's hidden layers; relu.
        backbone: width of the hidden layer that the gates of CfC share.
    """

    def __init__(
        self, kind: str, inputs: int, units: int, outputs: int, reading: str, readout_hidden: tuple[int, ...] = (),
        backbone: int = 128,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kind, self.units, self.reading = kind, units, reading
        if kind.startswith("gru"):
            self.recurrent = torch.nn.GRU(inputs + (kind == "gru-elapsed"), units, batch_first=True)
        elif kind == "cfc":
            self.recurrent = CfCCell(inputs, units, backbone_units=backbone, backbone_layers=1)
        else:
            wiring = FullyConnected(units)
            wiring.build(inputs)
            self.recurrent = LTCCell(wiring)
        layers: list[torch.nn.Module] = []
        for width, following in itertools.pairwise((units, *readout_hidden, outputs)):
            layers += [torch.nn.Linear(width, following), torch.nn.ReLU()]
        self.readout = torch.nn.Sequential(*layers[:-1])

    def forward(self, inputs: torch.Tensor, elapsed: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Outputs (series, outputs), or (series, time, outputs), of inputs (series, time, D) and elapsed times
        (series, time); padding stands behind them and is not seen by them."""
        states = self._states(inputs, elapsed)
        if self.reading == "last":
            return self.readout(states[torch.arange(len(states)), lengths - 1])
        outputs = self.readout(states)
        if self.reading == "each":
            return outputs
        there = (torch.arange(inputs.shape[1]) < lengths[:, None])[..., None]
        return (outputs * there).sum(1) / lengths[:, None]

    def _states(self, inputs: torch.Tensor, elapsed: torch.Tensor) -> torch.Tensor:
        if self.kind == "gru-elapsed":
            inputs = torch.cat([inputs, elapsed[..., None]], dim=-1)
        if self.kind.startswith("gru"):
            return self.recurrent(inputs)[0]
        state, states = torch.zeros(len(inputs), self.units), []
        for sample, step in zip(inputs.unbind(1), elapsed[..., None].unbind(1), strict=True):
            _, state = self.recurrent(sample, state, step)
            states.append(state)
        return torch.stack(states, dim=1)


def of_parameters(wanted: int, make: Callable[[int], Network]) -> Network:
    """The network, made from a size of 1 or more, whose number of parameters is nearest."""
    best = make(1)
    for size in itertools.count(2):
        network = make(size)
        if abs(parameters_of(network) - wanted) > abs(parameters_of(best) - wanted):
            return best
        best = network
    raise AssertionError("sizes do not end")


def parameters_of(network: Network) -> int:
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


@dataclass(frozen=True)
class Trained:
    """A network with its best parameters.

    Attributes:
        answer: series -> outputs.
        validation: its loss on the validation trials.
        epochs: how many were made.
        seconds: of the processor, in training.
    """

    answer: Callable[[Series], np.ndarray]
    validation: float
    parameters: int
    epochs: int
    seconds: float


class _Shown(NamedTuple):
    """Series as tensors: (series, time, channels), (series, time) in steps, and (series,)."""

    inputs: torch.Tensor
    elapsed: torch.Tensor
    lengths: torch.Tensor

    def cut(self, chosen: np.ndarray) -> "_Shown":
        """Some series, to the end of the longest."""
        inputs, elapsed, lengths = (part[chosen] for part in self)
        longest = int(lengths.max())
        return _Shown(inputs[:, :longest], elapsed[:, :longest], lengths)


def train(
    make: Callable[[], Network], data: Data, settings: Settings, *, step: float = 1.0, standard: bool = True,
    most_seconds: float = math.inf,
) -> Trained:  # fmt: skip
    """Train a network as `gnode.train` would a model.

    Args:
        make: the network; its weights are drawn from the seed of the settings.
        step: the time between samples where none is missing, in seconds; elapsed times are in this unit.
        standard: inputs are brought to mean 0 and variance 1 by the training series.
        most_seconds: of the processor; where all epochs would take longer, as many as fit are made, under a schedule of
            that length. How long one takes is found by making two, of which the second counts.

    Raises:
        Diverged: the validation loss is no number.
    """
    torch.set_num_threads(1)
    fitted = data.train.series
    scaling = Scaling.fit(fitted.values, fitted.seen) if standard else None

    def shown(series: Series) -> _Shown:
        values = series.values if scaling is None else scaling.scaled(series.values)
        elapsed = np.broadcast_to(series.elapsed(step) / step, series.shape[:2])
        there = series.valid
        return _Shown(
            torch.tensor(np.where(there[..., None], values, 0), dtype=torch.float32),
            torch.tensor(np.where(there, elapsed, 0), dtype=torch.float32),
            torch.tensor(there.sum(axis=1), dtype=torch.long),
        )

    def fresh() -> Network:
        torch.manual_seed(settings.seed)
        return make()

    parts = [(shown(trials.series), _targets(trials)) for trials in (data.train, data.validation)]
    if math.isfinite(most_seconds):
        trial = _epochs(fresh(), *parts, replace(settings, epochs=max(settings.epochs, 2)))
        next(trial)
        began = time.process_time()
        next(trial)
        fitting = int(most_seconds / (time.process_time() - began))
        settings = replace(settings, epochs=min(settings.epochs, max(fitting, settings.warmup_epochs + 1)))
    network, began = fresh(), time.process_time()
    best, kept = math.inf, network.state_dict()
    for loss in _epochs(network, *parts, settings):
        if not math.isfinite(loss):
            raise Diverged(f"Training of {network.kind} diverged.")
        if loss < best:
            best, kept = loss, {name: value.clone() for name, value in network.state_dict().items()}
    seconds = time.process_time() - began
    network.load_state_dict(kept)
    return Trained(
        lambda series: _answer(network, shown(series)).numpy(), best, parameters_of(network), settings.epochs, seconds
    )


def _epochs(
    network: Network,
    train: tuple[_Shown, torch.Tensor],
    validation: tuple[_Shown, torch.Tensor],
    settings: Settings,
) -> Iterator[float]:
    """Validation losses, epoch by epoch."""
    (shown, targets), (held_out, wanted) = train, validation
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
    for epoch in range(1, settings.epochs + 1):
        today = plan(settings, len(targets), epoch)
        for trials, weights, rate in zip(today.trials, today.weights, today.rates, strict=True):
            chosen = trials[weights > 0]  # without the filling of the last minibatch
            batch = shown.cut(chosen)
            if settings.input_noise:
                batch = batch._replace(inputs=batch.inputs + settings.input_noise * torch.randn_like(batch.inputs))
            optimiser.param_groups[0]["lr"] = float(rate)
            optimiser.zero_grad()
            _loss(network(*batch), targets[chosen]).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip or math.inf)
            optimiser.step()
        yield float(_loss(_answer(network, held_out), wanted))


def _answer(network: Network, shown: _Shown) -> torch.Tensor:
    """Outputs, of at most _BATCH series at once; those of each sample for all of the time."""
    with torch.no_grad():
        return torch.cat(
            [network(*part) for part in map(_Shown._make, zip(*(one.split(_BATCH) for one in shown), strict=True))]
        )


def _loss(answers: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    if not targets.is_floating_point():
        return torch.nn.functional.cross_entropy(answers, targets)
    return ((answers - targets[:, : answers.shape[1]]) ** 2).mean()


def _targets(trials: Trials) -> torch.Tensor:
    classes = trials.targets.dtype.kind == "i"
    return torch.tensor(trials.targets, dtype=torch.long if classes else torch.float32)
