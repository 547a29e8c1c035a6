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
from gnode.training import Run, train
from gnode.training.directory import place_of_member
from gnode.training.progress import Silent, Watcher

_EPOCHS, _EPOCHS_OF_NOISY, _PATIENCE = 60, 30, 12
_WARM_PIECES, _PIECE_OF_COUNTS, _PATIENCE_OF_COUNTS = (6, 16), 26, 8
_TAU_OF_COUNTS, _EPOCHS_OF_COUNTS = 1.0, 15  # tau in samples
_SAMPLES, _SAMPLES_OF_NOISY = 12_000, 24_000  # of all training pieces of a network: noise has to be averaged


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How networks are fitted: what the user chose, and what was chosen for the recording.

    Attributes:
        model, hidden, state_size: as for gnode.models.make; None: as many units as a state has numbers.
        members: how many networks, each from another seed and without another tenth of the recording. Where some do not
            stay where the recording is, more are fitted: at most as many again.
        epochs: steps of Levenberg-Marquardt, at most; None: 60, of noisy recordings 30, of counts 15.
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
class Phase:
    """One training after another, each from where the last one ended.

    Attributes:
        piece: samples of a free-running piece.
        free: whether its start is fitted too.
        epochs: steps of Levenberg-Marquardt, at most.
        stages: (from_epoch, samples) pairs, in which pieces grow.
        patience: steps without a lower validation loss.
    """

    piece: int
    free: bool
    epochs: int
    stages: tuple[tuple[int, int], ...]
    patience: int


@dataclass(frozen=True)
class Way:
    """How a network is fitted.

    Attributes:
        activation: of its hidden units.
        tau: its time constant, in samples.
        samples: of all its training pieces together, at most.
        phases: one after another, of which the last leaves the files.
    """

    activation: str
    tau: float
    samples: int
    phases: tuple[Phase, ...]

    @property
    def piece(self) -> int:
        """Samples of a piece in the end."""
        return self.phases[-1].piece

    @property
    def free(self) -> bool:
        """Whether starts of pieces are fitted too in the end, since samples are not to be trusted as they are."""
        return self.phases[-1].free


@dataclass(frozen=True)
class Fitted:
    """An ensemble.

    Attributes:
        models: those that were fitted.
        numbers: which of the ensemble they are, from 0.
        losses: of each on its test pieces, mean squared error in standard deviations.
        failed: why others were not, in sentences.
        runs: of each, long and free.
    """

    models: tuple[Model, ...]
    numbers: tuple[int, ...]
    losses: tuple[float, ...]
    failed: tuple[str, ...]
    runs: tuple[Runs, ...]


def data_for(
    recording: Recording, learned: list[Stretch], tested: list[Stretch], way: Way, members: int
) -> list[tuple[Data, ...]]:
    """The pieces of each member that was asked for, of one phase after another.

    Raises:
        InvalidInput: the recording is too short.
    """
    step, even, every = recording.step, recording.even, recording.every
    lengths = sorted({phase.piece for phase in way.phases}, reverse=True)  # what the longest need does for all
    made = []
    for member in range(members):
        of = {
            length: data_of(learned, tested, length, step, even, member, members, way.samples, every)
            for length in lengths
        }
        made.append(tuple(of[phase.piece] for phase in way.phases))
    return made


def fit(
    recording: Recording,
    pieces: list[tuple[Data, ...]],
    plan: Plan,
    way: Way,
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
    models, numbers, losses, failed, runs = [], [], [], [], []
    for member in range(2 * plan.members):
        staying = sum(one.network_stays for one in runs)
        if member >= plan.members and not 0 < staying < plan.members:
            break
        place = None if out is None else place_of_member(out, member)
        try:
            run = fit_one(recording, pieces[member % plan.members], plan, way, member, place, resume, watcher)
        except Diverged as error:
            failed.append(f"Member {member + 1}: {error}")
            continue
        models.append(run.model)
        numbers.append(member)
        losses.append(float(run.summary["test_loss"]))
        runs.append(run_on(run.model))
    if not models:
        raise Diverged(f"No network of {plan.members} could be fitted. {failed[0]}")
    return Fitted(tuple(models), tuple(numbers), tuple(losses), tuple(failed), tuple(runs))


def fit_one(
    recording: Recording,
    pieces: tuple[Data, ...],
    plan: Plan,
    way: Way,
    member: int = 0,
    out: Path | None = None,
    resume: bool = False,
    watcher: Watcher | None = None,
) -> Run:
    """Fit one network, phase after phase; with `out`, the last of them is its run directory.

    Args:
        pieces: of each phase.
        member: which of the ensemble it is, from 0.

    Raises:
        Diverged: it could not be fitted.
        InvalidInput: the network is too large.
    """
    model = _model(recording, plan, way, plan.seed + member)
    for phase, data in zip(way.phases[:-1], pieces[:-1], strict=True):
        model = train(model, data, watcher=Silent(), **_settings(plan, phase)).model
    settings = _settings(plan, way.phases[-1])
    return train(model, pieces[-1], out=out, resume=resume, watcher=watcher or Silent(), **settings)


def usual_way(pace: Pace, plan: Plan) -> Way:
    """One phase in which pieces grow: first a step or a few, where errors are nearly linear, in the end whole ones.

    The whole ones are long enough that the state has moved beyond the noise, and that networks which soon leave the
    recording are seen to; and short enough that its course is known.
    """
    noisy = pace.noisy
    piece = plan.piece or int(min(max(round(2.5 * pace.turn), 5), 50)) + 1
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
    tau = min(max(0.5 * pace.turn, 1.0), 5.0)
    samples = _SAMPLES_OF_NOISY if noisy else _SAMPLES
    return Way("swish", tau, samples, (Phase(piece, noisy, epochs, tuple(stages), _PATIENCE + stages[-1][0]),))


def way_of_counts(plan: Plan) -> Way:
    """First from what was seen, in which states off the attractor are drawn to it, and then with starts of its own.

    Of what moves little without its input, the data say only by long courses, and nothing of what lies off the
    attractor. So F is bounded, by hidden units that are, and the state with it: no course can grow without bounds. A
    short tau lets states be drawn to where F says as fast as a network of neurons would.
    """
    epochs = plan.epochs or _EPOCHS_OF_COUNTS
    piece = plan.piece or _PIECE_OF_COUNTS
    warm = tuple(
        Phase(size, False, max(1, epochs // 2), ((1, size),), _PATIENCE_OF_COUNTS)
        for size in (min(size, piece) for size in _WARM_PIECES)
    )
    last = Phase(piece, True, epochs, ((1, piece),), _PATIENCE_OF_COUNTS)
    return Way("tanh", _TAU_OF_COUNTS, _SAMPLES_OF_NOISY, (*warm, last))


def _model(recording: Recording, plan: Plan, way: Way, seed: int) -> Model:
    numbers = recording.channels * recording.delays
    size = plan.state_size or numbers
    if size < numbers:
        must_have(f"at least {numbers} units, as a state has numbers that are seen", size, "Ask for fewer delays.")
    given: dict[str, Any] = (
        {} if FIELDS[plan.model].hidden is None else {"hidden": plan.hidden, "activation": way.activation}
    )
    return make(
        plan.model,
        input_size=recording.stretches[0].inputs.shape[1],
        state_size=size,
        output_size=numbers,
        initial_state="observed",
        begins="at-first",
        integrator="euler" if recording.even else "exponential-euler",
        dt=recording.step,
        tau=recording.step * way.tau,
        scale="standard",
        seed=seed,
        **given,
    )


def _settings(plan: Plan, phase: Phase) -> dict[str, Any]:
    return {
        "optimiser": "levenberg-marquardt",
        "free_starts": phase.free,
        "epochs": phase.epochs,
        "curriculum": phase.stages,
        "patience": phase.patience,
        "seed": plan.seed,
        "loss": "mse",
    }
