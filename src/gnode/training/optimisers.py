"""The ways to train, by name. A new one is a module beside loop.py, a line here and its name in settings.py."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gnode.models import Model
from gnode.series import Data, Trials
from gnode.training.levenberg import begin_damped, damped_epochs, refuse_undamped
from gnode.training.loop import Record, TrainingState, begin, epochs, refuse_large_batches
from gnode.training.score import Objective
from gnode.training.settings import Settings


@dataclass(frozen=True)
class Optimiser:
    """A way to train.

    Attributes:
        begin: the state before the first epoch.
        epochs: (frozen, objective, settings, state, train, validation) -> the state and the record of each epoch.
        refuse: raises InvalidInput where it cannot train (model, loss, settings, training trials).
    """

    begin: Callable[[Model, Data, Settings], TrainingState]
    epochs: Callable[
        [Model, Objective, Settings, TrainingState, Trials, Trials], Iterator[tuple[TrainingState, Record]]
    ]
    refuse: Callable[[Model, str, Settings, Trials], None]


OPTIMISERS = {
    "adamw": Optimiser(
        lambda model, data, settings: begin(model),
        epochs,
        lambda model, loss, settings, train: refuse_large_batches(settings, train),
    ),
    "levenberg-marquardt": Optimiser(
        lambda model, data, settings: begin_damped(model, data.train, data.validation, settings),
        damped_epochs,
        refuse_undamped,
    ),
}
