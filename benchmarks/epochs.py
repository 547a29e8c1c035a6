"""One training epoch, of gnode and in PyTorch: AdamW at a constant rate with clipping, minibatches in random order."""

from collections.abc import Callable

import equinox as eqx
import jax
import numpy as np
import torch

from gnode.models import Model, trainable
from gnode.series import Trials
from gnode.training import Settings
from gnode.training.loop import _compiled_epoch, begin, longest_first, plan, strength
from gnode.training.score import Objective, show

LR, WEIGHT_DECAY, CLIP = 1e-3, 1e-2, 1.0


def gnode_epoch(model: Model, trials: Trials, validation: Trials, batch: int, classes: int = 0) -> Callable[[], object]:
    """The compiled epoch of `gnode.train`, validation loss included. It starts from the same parameters every time.

    Args:
        classes: on how many numbers of rows a ragged minibatch is computed; 0 for as a rectangle.
    """
    settings = Settings(batch_size=batch, lr=LR, weight_decay=WEIGHT_DECAY, clip=CLIP, schedule="constant")
    objective = Objective("mse", settings.weigh, settings.on_failure, classes)
    frozen = eqx.partition(model, trainable(model))[1]
    state, shown, held_out = begin(model), show(model, trials), show(model, validation)
    today = longest_first(plan(settings, len(trials), 1), trials.series.valid.sum(axis=1))
    return lambda: jax.block_until_ready(
        _compiled_epoch(frozen, objective, strength(settings), state, shown, held_out, today)
    )


def torch_epoch(model: torch.nn.Module, given: list[np.ndarray], targets: np.ndarray, batch: int) -> Callable[[], None]:
    """An epoch of a PyTorch module, without a validation loss. It goes on from where the last one ended.

    Args:
        given: what the module is called with; each array begins with (trials, time).
    """
    torch.set_num_threads(1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)
    tensors, wanted = [torch.tensor(array) for array in given], torch.tensor(targets)

    def run() -> None:
        for chosen in torch.randperm(len(wanted)).split(batch):
            optimiser.zero_grad()
            outputs = model(*(tensor[chosen] for tensor in tensors))
            torch.nn.functional.mse_loss(outputs, wanted[chosen]).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimiser.step()

    return run
