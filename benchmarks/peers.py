"""Recurrent networks of PyTorch and ncps on our trials, trained as gnode.train trains: what results are compared with.

GRU: torch.nn.GRU, with or without the elapsed time as one more input. CfC (R. Hasani et al., Nature Machine
Intelligence 4, 992 (2022)) and LTC (R. Hasani et al., AAAI 2021), as ncps (github.com/mlech26l/ncps) has them, get it
as their time. The batched call of CfC with elapsed times fails (ncps#82), so cells are called sample by sample, which
computes the same.

They have the minibatches, rates, clipping, decay, input noise and choice of the best epoch of gnode.train, scaling by
the same statistics, and a readout of the same form. One thread.
"""

import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from ncps.torch import CfCCell, LTCCell
from ncps.wirings import FullyConnected

from gnode.errors import Diverged
from gnode.models.scaling import Scaling
from gnode.series import Data, Trials
from gnode.training import Settings
from gnode.training.loop import plan


@dataclass(frozen=True)
class Peer:
    """A network to train.

    Attributes:
        kind: "gru", "gru-elapsed", "cfc" or "ltc".
        units: N.
        readout_hidden: widths of the readout's hidden layers; relu.
        step: the time between samples where none is missing; elapsed times are in this unit.
        standard: inputs are brought to mean 0 and variance 1 by the training series.
    """

    kind: str
    units: int
    readout_hidden: tuple[int, ...] = ()
    step: float = 1.0
    standard: bool = True


class Outcome(NamedTuple):
    """What a run came to; accuracies are None where there are no classes."""

    validation: float
    test: float
    validation_accuracy: float | None
    test_accuracy: float | None
    parameters: int
    epochs: int
    seconds: float


class Shown(NamedTuple):
    """Trials as tensors."""

    inputs: torch.Tensor  # (trials, time, channels)
    elapsed: torch.Tensor  # (trials, time), in steps
    lengths: torch.Tensor  # (trials,)
    targets: torch.Tensor  # (trials,) of classes, or (trials, time, outputs)


class Network(torch.nn.Module):
    """States of a recurrent network, read by a feed-forward net: after the last sample for classes, else at each."""

    def __init__(self, peer: Peer, inputs: int, outputs: int, last: bool) -> None:
        super().__init__()
        self.peer, self.last = peer, last
        if peer.kind.startswith("gru"):
            self.recurrent = torch.nn.GRU(inputs + (peer.kind == "gru-elapsed"), peer.units, batch_first=True)
        elif peer.kind == "cfc":
            self.recurrent = CfCCell(inputs, peer.units, backbone_layers=1)
        else:
            wiring = FullyConnected(peer.units)
            wiring.build(inputs)
            self.recurrent = LTCCell(wiring)
        widths = (peer.units, *peer.readout_hidden, outputs)
        layers: list[torch.nn.Module] = []
        for width, following in itertools.pairwise(widths):
            layers += [torch.nn.Linear(width, following), torch.nn.ReLU()]
        self.readout = torch.nn.Sequential(*layers[:-1])

    def forward(self, inputs: torch.Tensor, elapsed: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        states = self.states(inputs, elapsed)
        return self.readout(states[torch.arange(len(states)), lengths - 1] if self.last else states)

    def states(self, inputs: torch.Tensor, elapsed: torch.Tensor) -> torch.Tensor:
        """(batch, time, N)."""
        if self.peer.kind == "gru-elapsed":
            inputs = torch.cat([inputs, elapsed[..., None]], dim=-1)
        if self.peer.kind.startswith("gru"):
            return self.recurrent(inputs)[0]
        state, states = torch.zeros(len(inputs), self.peer.units), []
        for sample, step in zip(inputs.unbind(1), elapsed[..., None].unbind(1), strict=True):
            _, state = self.recurrent(sample, state, step)
            states.append(state)
        return torch.stack(states, dim=1)


def train(peer: Peer, data: Data, settings: Settings, most_seconds: float) -> Outcome:
    """Train, and score the epoch of lowest validation loss.

    Where so many epochs would take longer than `most_seconds`, as many as fit are made, under a schedule of that
    length; how long one takes is found by making two, of which the second counts.

    Raises:
        Diverged: the validation loss is no number.
    """
    torch.set_num_threads(1)
    train_, validation, test = (_shown(peer, data, part) for part in (data.train, data.validation, data.test))
    classes = data.train.targets.dtype.kind == "i"
    outputs = int(data.train.targets.max()) + 1 if classes else data.train.targets.shape[-1]

    def fresh() -> Network:
        torch.manual_seed(settings.seed)
        return Network(peer, train_.inputs.shape[-1], outputs, last=classes)

    trial = _epochs(fresh(), train_, validation, replace(settings, epochs=max(settings.epochs, 2)))
    next(trial)
    began = time.perf_counter()
    next(trial)
    fitting = int(most_seconds / (time.perf_counter() - began))
    settings = replace(settings, epochs=min(settings.epochs, max(fitting, settings.warmup_epochs + 1)))
    network, began = fresh(), time.perf_counter()
    best, kept = math.inf, None
    for loss in _epochs(network, train_, validation, settings):
        if not math.isfinite(loss):
            raise Diverged(f"Training of {peer.kind} diverged.")
        if loss < best:
            best, kept = loss, {name: value.clone() for name, value in network.state_dict().items()}
    seconds = time.perf_counter() - began
    assert kept is not None
    network.load_state_dict(kept)
    _, validation_accuracy = _scores(network, validation)
    test_loss, test_accuracy = _scores(network, test)
    parameters = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    return Outcome(best, test_loss, validation_accuracy, test_accuracy, parameters, settings.epochs, seconds)


def _epochs(network: Network, train: Shown, validation: Shown, settings: Settings):
    """Validation losses, epoch by epoch."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
    for epoch in range(1, settings.epochs + 1):
        network.train()
        today = plan(settings, len(train.lengths), epoch)
        for trials, weights, rate in zip(today.trials, today.weights, today.rates, strict=True):
            inputs, *others, targets = _cut(train, trials[weights > 0])
            if settings.input_noise:
                inputs = inputs + settings.input_noise * torch.randn_like(inputs)
            optimiser.param_groups[0]["lr"] = float(rate)
            optimiser.zero_grad()
            _loss(network(inputs, *others), targets).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
            optimiser.step()
        yield _scores(network, validation)[0]


def _scores(network: Network, shown: Shown) -> tuple[float, float | None]:
    """Mean loss and the share of classes that is right."""
    network.eval()
    losses, right, total = 0.0, 0, len(shown.lengths)
    classes = not shown.targets.is_floating_point()
    with torch.no_grad():
        for chosen in torch.arange(total).split(256):
            *seen, targets = _cut(shown, chosen)
            answers = network(*seen)
            losses += float(_loss(answers, targets)) * len(chosen)
            right += int((answers.argmax(dim=-1) == targets).sum()) if classes else 0
    return losses / total, right / total if classes else None


def _cut(shown: Shown, trials: Sequence[int] | np.ndarray | torch.Tensor) -> Shown:
    """Some trials, to the longest one's end."""
    lengths = shown.lengths[trials]
    longest = int(lengths.max())
    targets = shown.targets[trials]
    return Shown(
        shown.inputs[trials, :longest],
        shown.elapsed[trials, :longest],
        lengths,
        targets[:, :longest] if targets.ndim == 3 else targets,
    )


def _loss(answers: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    if targets.is_floating_point():
        return ((answers - targets) ** 2).mean()
    return torch.nn.functional.cross_entropy(answers, targets)


def _shown(peer: Peer, data: Data, trials: Trials) -> Shown:
    series = trials.series
    values = np.asarray(series.values, dtype=np.float32)
    if peer.standard:
        fitted = data.train.series
        values = Scaling.fit(fitted.values, fitted.seen).scaled(values.astype(float)).astype(np.float32)
    elapsed = np.broadcast_to(series.elapsed(peer.step), series.shape[:2]) / peer.step
    lengths = series.valid.sum(axis=1)
    values = np.where(series.valid[..., None], values, 0)
    classes = trials.targets.dtype.kind == "i"
    return Shown(
        torch.tensor(values, dtype=torch.float32),
        torch.tensor(np.where(series.valid, elapsed, 0), dtype=torch.float32),
        torch.tensor(lengths, dtype=torch.long),
        torch.tensor(trials.targets, dtype=torch.long if classes else torch.float32),
    )
