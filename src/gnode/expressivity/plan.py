"""What is measured: architectures, state sizes, targets and budget, as plain data, from presets and TOML files."""

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from gnode.errors import InvalidInput, check_known, look_up, must_have
from gnode.expressivity.fit import STEPS
from gnode.expressivity.measure import check_tolerance
from gnode.expressivity.targets import TARGETS, check_dial, draw_targets, read_trajectories, standardised
from gnode.files import path_of
from gnode.models import ModelConfig


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A kind of network without its state size.

    Attributes:
        model, hidden, gate_hidden, activation, candidate_activation, layer_norm, leak, gain: as in
            gnode.models.ModelConfig.
    """

    model: str = "node"
    hidden: tuple[int, ...] | None = None
    gate_hidden: tuple[int, ...] = ()
    activation: str = "relu"
    candidate_activation: str | None = None
    layer_norm: bool = False
    leak: bool = True
    gain: bool = False

    def __post_init__(self) -> None:
        checked = self.config(1, 1)
        object.__setattr__(self, "hidden", checked.hidden)
        object.__setattr__(self, "gate_hidden", checked.gate_hidden)
        object.__setattr__(self, "candidate_activation", checked.candidate_activation)

    def config(self, state_size: int, outputs: int) -> ModelConfig:
        """An autonomous network of `state_size` units, whose readout has so many `outputs`."""
        return ModelConfig(input_size=0, state_size=state_size, output_size=outputs, **dataclasses.asdict(self))

    @property
    def label(self) -> str:
        """As a person would call it: linear, RNN, [30], gated [30], GRU."""
        gated = self.model in ("gnode", "mgru")
        if self.model == "gru":
            name = "GRU"
        elif self.hidden:
            name = f"[{','.join(map(str, self.hidden))}]"
        else:
            name = {"identity": "linear", "tanh": "RNN"}.get(
                str(self.candidate_activation), f"one {self.candidate_activation} layer"
            )
        marks = [f"gate [{','.join(map(str, self.gate_hidden))}]"] if self.gate_hidden else []
        marks += [self.activation] if self.activation != "relu" and self.hidden else []
        marks += [str(self.candidate_activation)] if self.hidden and self.candidate_activation != "identity" else []
        marks += ["layer norm"] if self.layer_norm else []
        marks += [] if self.leak else ["no leak"]
        marks += ["gain"] if self.gain else []
        return ("gated " if gated else "") + name + (f" ({', '.join(marks)})" if marks else "")

    @property
    def rates(self) -> tuple[float, float]:
        """Peak learning rates of even and odd restarts."""
        return (0.03, 0.01) if len(self.hidden or ()) < 2 else (0.01, 0.003)


GIVEN = "given"
LINEAR = Architecture(hidden=())
RNN = Architecture(model="rnn")
GATED_RNN = Architecture(model="mgru")


def layers(*hidden: int, gated: bool = False) -> Architecture:
    """The nODE (or gnODE) whose F has these hidden widths."""
    return Architecture(model="gnode" if gated else "node", hidden=hidden)


def as_architecture(given: Architecture | str | Mapping[str, Any]) -> Architecture:
    """An architecture from itself, the name of a model, or a table of its keys."""
    if isinstance(given, Architecture):
        return given
    if isinstance(given, str):
        return Architecture(model=given)
    if not isinstance(given, Mapping):
        must_have("an architecture, a model's name or a table with `model` and `hidden`", repr(given))
    _check_keys(given, Architecture)
    keys: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    return Architecture(**keys)


@dataclass(frozen=True)
class Cell:
    """One architecture at one size, duration and budget: networks that are fitted in one call."""

    architecture: Architecture
    state_size: int
    duration: float
    steps: int

    @property
    def label(self) -> str:
        return f"{self.architecture.label}, N = {self.state_size}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that determines a measurement.

    Attributes:
        architectures: the kinds of networks.
        state_sizes: N.
        targets: a family of TARGETS, "given" for an array passed from Python, or a file of the user's
            trajectories (complexities, count, time, d).
        complexities: settings of the dial; by default the family's own.
        count: targets.
        bins: T; a path has T + 1 samples.
        durations: of a path in units of tau; alpha = duration / bins.
        steps: of the optimiser, one budget or several; the first is the one that capacities are reported at.
        restarts: networks a target, at two learning rates in turn.
        polish: evaluations of Levenberg-Marquardt on every best restart; 0 for none.
        step: "map" or "flow".
        clip: largest norm of a network's gradient.
        tolerances: e at which capacity is read.
        resamples: of the bootstrap.
        seed: of targets, networks and bootstrap.
    """

    architectures: tuple[Architecture, ...]
    state_sizes: tuple[int, ...]
    targets: str = "gaussian-process"
    complexities: tuple[float, ...] | None = None
    count: int = 12
    bins: int = 128
    durations: tuple[float, ...] = (25.6,)
    steps: tuple[int, ...] = (3000,)
    restarts: int = 2
    polish: int = 0
    step: str = "map"
    clip: float = 1.0
    tolerances: tuple[float, ...] = (0.01, 0.05)
    resamples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        set_ = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731
        set_("architectures", tuple(as_architecture(item) for item in _several(self.architectures)))
        for name in ("state_sizes", "durations", "steps", "tolerances"):
            set_(name, tuple(_several(getattr(self, name))))
            if not getattr(self, name):
                must_have(f"at least one of {name}", "an empty grid")
        if not self.architectures:
            must_have("at least one architecture", "an empty grid")
        for name in ("architectures", "state_sizes", "durations", "steps"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                must_have(f"{name} without repetitions", [str(item) for item in getattr(self, name)])
        for name, least in (("count", 1), ("bins", 2), ("restarts", 1), ("polish", 0), ("resamples", 1), ("seed", 0)):
            _whole(name, getattr(self, name), least)
        for name in ("state_sizes", "steps"):
            for value in getattr(self, name):
                _whole(f"every one of {name}", value, 1)
        for value in (*self.durations, self.clip):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
                must_have("durations (in tau) and clip positive numbers", repr(value))
        for tolerance in self.tolerances:
            check_tolerance(tolerance)
        look_up("step", self.step, STEPS)
        if self.targets == GIVEN:
            dial: Sequence[float] = ()
        elif self.from_file:
            dial = range(1, len(self._file()) + 1)
        else:
            dial = look_up("family of targets", self.targets, TARGETS).complexities
        dial = dial if self.complexities is None else self.complexities
        set_("complexities", tuple(float(value) for value in check_dial(_several(dial))))
        set_("durations", tuple(float(value) for value in self.durations))

    @property
    def from_file(self) -> bool:
        """Whether the targets are the user's, in a file."""
        return Path(self.targets).suffix in (".csv", ".npz", ".npy")

    @property
    def dial(self) -> tuple[str, str]:
        """What the complexity counts, and its unit."""
        if self.from_file or self.targets == GIVEN:
            return "complexity", "in the user's order"
        return TARGETS[self.targets].dial, TARGETS[self.targets].unit

    def draw(self) -> np.ndarray:
        """The targets, standardised: (complexities, count, bins + 1, d)."""
        if not self.from_file:
            return draw_targets(
                self.targets, self.complexities, count=self.count, samples=self.bins + 1, seed=self.seed
            )
        return self.checked(self._file())

    def checked(self, paths: np.ndarray) -> np.ndarray:
        """The user's targets, standardised.

        Raises:
            InvalidInput: they are not as many, or not as long, as the plan says; or one of them stands still.
        """
        if np.ndim(paths) != 4 or paths.shape[:3] != (len(self.complexities or ()), self.count, self.bins + 1):
            must_have(
                f"an array ({len(self.complexities or ())}, {self.count}, {self.bins + 1}, d), as complexities, "
                f"count and bins say",
                f"shape {np.shape(paths)}",
            )
        return standardised(np.asarray(paths, float))

    def _file(self) -> np.ndarray:
        paths = read_trajectories(self.targets)
        return paths if paths.ndim == 4 else paths[None]

    def cells(self) -> list[Cell]:
        """Every architecture at every size, duration and budget."""
        return [Cell(*values) for values in product(self.architectures, self.state_sizes, self.durations, self.steps)]

    def as_tables(self) -> dict[str, Any]:
        """Plain data from which `plan_from_tables` gives the same."""
        plain = dataclasses.asdict(self)
        plain["architectures"] = [
            {key: list(value) if isinstance(value, tuple) else value for key, value in dataclasses.asdict(item).items()}
            for item in self.architectures
        ]
        return {key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()}


def plan_from_tables(tables: Mapping[str, Any]) -> Plan:
    """A plan from a TOML file's content; `preset` names the plan that the other keys change.

    Raises:
        InvalidInput: an unknown key, or a value that cannot be.
    """
    tables = {key: value for key, value in tables.items() if key != "gnode"}
    preset = tables.pop("preset", "full")
    base = look_up("preset", preset, PRESETS)
    _check_keys(tables, Plan)
    if "targets" in tables and "complexities" not in tables:
        tables["complexities"] = None
    return dataclasses.replace(base, **tables)


def read_plan(path: str | Path) -> Plan:
    """A plan from a TOML file.

    Raises:
        InvalidInput: there is no such file, it is no TOML, or a key or a value cannot be.
    """
    path = path_of(path)
    try:
        return plan_from_tables(tomllib.loads(path.read_text()))
    except FileNotFoundError:
        must_have("a file with a plan", f"nothing at {path}")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"Must have TOML in {path}, instead got: {error}.") from error


def _several(value: Any) -> Any:
    if isinstance(value, (str, Architecture, Mapping)) or not isinstance(value, Iterable):
        return (value,)
    return tuple(value)


def _whole(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        must_have(f"{name} an integer of at least {least}", repr(value))


def _check_keys(keys: Iterable[str], kind: type) -> None:
    known = [item.name for item in dataclasses.fields(kind)]
    check_known(keys, known, "a known key", f"There are {', '.join(known)}.")


PRESETS: dict[str, Plan] = {
    "quick": Plan(
        architectures=(RNN, layers(10), layers(30)),
        state_sizes=(2, 3, 4),
        complexities=(2, 4, 6, 8, 12, 16),
        count=8,
        bins=64,
        durations=(12.8,),
        steps=(1500,),
    ),
    "full": Plan(
        architectures=(
            LINEAR,
            RNN,
            layers(10),
            layers(30),
            layers(100),
            layers(30, 30),
            GATED_RNN,
            layers(30, gated=True),
        ),
        state_sizes=(2, 3, 4, 6, 8, 12),
    ),
}
