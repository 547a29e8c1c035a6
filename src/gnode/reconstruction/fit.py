"""An ensemble of small networks, each fitted to free-running pieces of a recording."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gnode.arguments import integer
from gnode.errors import Diverged, look_up, must_have
from gnode.fields import FIELDS
from gnode.models import Model, make
from gnode.reconstruction.delays import Pace
from gnode.reconstruction.features import Runs
from gnode.reconstruction.pieces import data_of
from gnode.reconstruction.recording import Recording, Stretch
from gnode.series import Data
from gnode.training import train
from gnode.training.directory import place_of_member
from gnode.training.progress import Silent, Watcher

_EPOCHS, _EPOCHS_OF_NOISY, _PATIENCE = 60, 30, 12
_SAMPLES, _SAMPLES_OF_NOISY = 12_000, 24_000  # of all training pieces of a network: noise has to be averaged


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How networks are fitted: what the user chose, and what was chosen for the recording.

    Attributes:
        model, hidden, state_size: as for gnode.models.make; None: as many units as a state has numbers.
        members: how many networks, each from another seed and without another tenth of the recording. Where some do not
            stay where the recording is, more are fitted: at most as many again.
        epochs: steps of Levenberg-Marquardt, at most; None: 60, of noisy recordings 30.
        piece: samples of a free-running piece; None: by noise and pace.
        seed: of the first network.
    """

    model: str = "gnode"
    hidden: tuple[int, ...] | list[int] = (64,)
    state_size: int | None = None
    members: int = 3
    epochs: int | None = None
    piece: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        look_up("model", self.model, FIELDS)
        integer("members", self.members, 1)
        if self.epochs is not None:
            integer("epochs", self.epochs, 1)
        integer("seed", self.seed, 0)
        if self.piece is not None:
            integer("piece", self.piece, 3)
        if self.state_size is not None:
            integer("state_size", self.state_size, 1)


@dataclass(frozen=True)
class Fitted:
    """An ensemble.

    Attributes:
        models: those that were fitted.
        numbers: which of the ensemble they are, from 0.
        losses: of each on its test pieces, mean squared error in standard deviations.
        failed: why others were not, in sentences.
        runs: of each, long and free.
        piece, noisy: samples of a piece, and whether the starts of pieces were fitted too.
    """

    models: tuple[Model, ...]
    numbers: tuple[int, ...]
    losses: tuple[float, ...]
    failed: tuple[str, ...]
    runs: tuple[Runs, ...]
    piece: int
    noisy: bool


def data_for(recording: Recording, learned: list[Stretch], tested: list[Stretch], pace: Pace, plan: Plan) -> list[Data]:
    """The pieces of each member that was asked for.

    Raises:
        InvalidInput: the recording is too short.
    """
    samples, piece = _SAMPLES_OF_NOISY if pace.noisy else _SAMPLES, piece_of(plan, pace)
    return [
        data_of(learned, tested, piece, recording.step, recording.even, member, plan.members, samples, recording.every)
        for member in range(plan.members)
    ]


def fit(
    recording: Recording,
    pieces: list[Data],
    pace: Pace,
    plan: Plan,
    run_on: Callable[[Model], Runs],
    out: Path | None,
    resume: bool,
    watcher: Watcher | None,
) -> Fitted:
    """Fit the ensemble; with `out` each member is a run directory: the first is `out` itself.

    Networks of which long runs leave the recording are kept, and others of other seeds are fitted beside them until as
    many stay as were asked for: at most as many again, and none where not one stays.

    Args:
        pieces: of each member that was asked for; the others begin with the first again.
        run_on: a network to its long free runs.

    Raises:
        Diverged: not one member could be fitted.
        InvalidInput: the network is too large.
    """
    noisy = pace.noisy
    piece = piece_of(plan, pace)
    models, numbers, losses, failed, runs = [], [], [], [], []
    for member in range(2 * plan.members):
        staying = sum(one.network_stays for one in runs)
        if member >= plan.members and not 0 < staying < plan.members:
            break
        data = pieces[member % plan.members]
        try:
            run = train(
                _model(recording, pace, plan, plan.seed + member),
                data,
                out=None if out is None else place_of_member(out, member),
                resume=resume,
                watcher=watcher or Silent(),
                **_settings(plan, piece, noisy, len(data.train)),
            )
        except Diverged as error:
            failed.append(f"Member {member + 1}: {error}")
            continue
        models.append(run.model)
        numbers.append(member)
        losses.append(float(run.summary["test_loss"]))
        runs.append(run_on(run.model))
    if not models:
        raise Diverged(f"No network of {plan.members} could be fitted. {failed[0]}")
    return Fitted(tuple(models), tuple(numbers), tuple(losses), tuple(failed), tuple(runs), piece, noisy)


def piece_of(plan: Plan, pace: Pace) -> int:
    """Samples of a piece: what was asked for; or enough that the state has moved beyond the noise, and that networks
    which soon leave the recording are seen to, and few enough that its course is known."""
    return plan.piece or int(min(max(round(2.5 * pace.turn), 5), 50)) + 1


def _model(recording: Recording, pace: Pace, plan: Plan, seed: int) -> Model:
    numbers = recording.channels * recording.delays
    size = plan.state_size or numbers
    if size < numbers:
        must_have(f"at least {numbers} units, as a state has numbers that are seen", size, "Ask for fewer delays.")
    given: dict[str, Any] = {} if FIELDS[plan.model].hidden is None else {"hidden": plan.hidden, "activation": "swish"}
    return make(
        plan.model,
        input_size=recording.stretches[0].inputs.shape[1],
        state_size=size,
        output_size=numbers,
        initial_state="observed",
        begins="at-first",
        integrator="euler" if recording.even else "exponential-euler",
        dt=recording.step,
        tau=recording.step * min(max(0.5 * pace.turn, 1.0), 5.0),
        scale="standard",
        seed=seed,
        **given,
    )


def _settings(plan: Plan, piece: int, noisy: bool, trials: int) -> dict[str, Any]:
    """Pieces grow: first a step or a few, where errors are nearly linear, in the end whole ones."""
    epochs = plan.epochs or (_EPOCHS_OF_NOISY if noisy else _EPOCHS)
    if noisy:
        lengths, begins = (5, 12, piece), (1, epochs // 8 + 1, epochs // 4 + 1)
    else:
        lengths, begins = (2, piece // 3, piece), (1, epochs // 3 + 1, 2 * epochs // 3 + 1)
    stages: list[tuple[int, int]] = []
    for begin, length in zip(begins, lengths, strict=True):
        length = min(max(length, 2), piece)
        if not stages or (begin > stages[-1][0] and length > stages[-1][1]):
            stages.append((begin, length))
    return {
        "optimiser": "levenberg-marquardt",
        "free_starts": noisy,
        "epochs": epochs,
        "batch_size": min(10, trials),
        "curriculum": tuple(stages),
        "patience": _PATIENCE + stages[-1][0],
        "seed": plan.seed,
        "loss": "mse",
    }
