"""`gnode analyse`: the whole toolkit of gnode.analysis on one run, written next to it."""

import dataclasses
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from gnode import analysis
from gnode.examine.content import Content, content_of
from gnode.examine.evaluate import SEED, VALUES
from gnode.examine.stored import split, write_stored
from gnode.models import Model, load_model
from gnode.training import RunDirectory

SILENCES = (100, 1000, 10_000)  # bins after which attractors are looked at: that of the task, and far beyond
_SADDLES = 12  # of how many the manifolds are followed
_EXPONENT_STEPS = 2000
_EXPONENT_STARTS = 8
_TOPOLOGY_STATES = 180  # of each snapshot

Part = tuple[Any, dict[str, np.ndarray]]


def analyse(directory: str | Path, told: Callable[[str], object] | None = None) -> Path:
    """Analyse a finished run and write analysis.json and analysis.npz into its directory.

    Both hold, for the network without input: fixed points with the stability of flow and map, slow points, nullclines
    (N = 2: of the flow, of F and of the gate at 0.5), the manifolds of saddles, the attractor after each of SILENCES
    (kind, dimension, Betti numbers, drift, half-life, coverage, Hausdorff distance), time scales, Lyapunov exponents
    of the map and the flow, and the same kinds over the snapshots, if there are any; and what the report draws: the
    memory against silence, the flow on a grid, and trajectories. Trials that a flow could not be
    solved for are left out, and counted as unsolved.

    Args:
        told: is told, in words, what is looked at now, and how much is done.

    Returns:
        the path of analysis.json.

    Raises:
        InvalidInput: the directory holds no finished run.
        Diverged: the network leaves the finite numbers.
    """
    RunDirectory.open(directory).summary()  # of a finished run: what is stored must belong to its last word
    content = dataclasses.replace(content_of(directory), stored=None)
    parts: dict[str, Part] = {}
    wanted = _wanted(content)
    for number, (name, look) in enumerate(wanted.items(), start=1):
        if told:
            told(f"{number} of {len(wanted)}: {name}")
        parts |= look()
    numbers = {"gnode": version("gnode"), **{name: part[0] for name, part in parts.items()}}
    if content.unsolved:
        numbers["unsolved"] = content.unsolved
    arrays = {name: array for _, more in parts.values() for name, array in more.items()}
    return write_stored(content.path, numbers, arrays)


def _wanted(content: Content) -> dict[str, Callable[[], dict[str, Part]]]:
    """What is to be looked at, in words, and how, in the order of analysis.json."""
    wanted: dict[str, Callable[[], dict[str, Part]]] = {
        "fixed points": lambda: {"fixed_points": split("fixed_points", content.fixed_points)},
        "slow points": lambda: {"slow_points": split("slow_points", content.slow_points)},
        "time scales": lambda: {"timescales": _timescales(content)},
        "Lyapunov exponents": lambda: {"lyapunov": _lyapunov(content)},
        "the flow on a plane": lambda: {"plane": _plane(content)},
    }
    if content.model.config.state_size == 2:
        wanted["nullclines"] = lambda: _nullclines(content)
        wanted["manifolds of saddles"] = lambda: {"saddles": _saddles(content)}
    if content.memory is not None:
        wanted["attractors"] = lambda: {"attractors": _attractors(content)}
        wanted["memory"] = lambda: {"memory": split("memory", content.memory)}
        wanted["trajectories"] = lambda: {"trajectories": _trajectories(content)}
    if content.memory is not None and content.film is not None:
        wanted["how it was learned"] = lambda: {"birth": _birth(content)}
    return wanted


def _nullclines(content: Content) -> dict[str, Part]:
    field, held = content.model.field, content.held

    def curves(name: str, f: Callable, level: float = 0.0) -> Part:
        found = analysis.nullclines(f, content.bounds, level=level, resolution=101)
        named = {
            f"{name}/nullclines/{unit}/{number}": curve
            for unit, of_unit in enumerate(found.curves)
            for number, curve in enumerate(of_unit)
        }
        return [len(of_unit) for of_unit in found.curves], named

    return {
        "flow/nullclines": curves("flow", content.model.field_at(content.silent)),
        "candidate/nullclines": curves(
            "candidate", lambda states: field.candidate(states, _beside(held, states)) - states
        ),
        "gate/nullclines": curves("gate", lambda states: field.gate(states, _beside(held, states)), 0.5),
    }


def _beside(inputs: np.ndarray, states: Any) -> Any:
    return jnp.broadcast_to(inputs, (*states.shape[:-1], inputs.size))


def _saddles(content: Content) -> Part:
    """The manifolds of the flow's saddles, each branch an array."""
    fixed = content.fixed_points
    names = fixed.flow_stability or []
    saddles = [point for point, name in zip(fixed.points, names, strict=True) if name == "saddle"]
    low, high = content.bounds
    branches: dict[str, np.ndarray] = {}
    facts = []
    for number, saddle in enumerate(saddles[:_SADDLES]):
        found = analysis.separatrices(
            content.model.field_at(content.silent),
            saddle,
            bounds=(2 * low - high, 2 * high - low),
            length=float(np.linalg.norm(high - low)),
            points=300,
        )
        for manifold in ("stable", "unstable"):
            for side, branch in enumerate(getattr(found, manifold)):
                branches[f"saddles/{number}/{manifold}/{side}"] = branch.points
        facts.append({"saddle": saddle.tolist(), "endings": [b.ending for b in (*found.stable, *found.unstable)]})
    return {"saddles": len(saddles), "followed": facts}, branches


def _attractors(content: Content) -> Part:
    """The attractor after each of SILENCES."""
    assert content.task is not None
    facts, arrays = [], {}
    for silence in SILENCES:
        found = analysis.attractor(
            content.model, content.task, silence=silence, count=VALUES, seed=SEED, memory=content.memory
        )
        numbers, more = split(f"attractors/{silence}", found)
        facts.append(numbers)
        arrays |= more
        for order, diagram in enumerate(found.topology.diagrams[0] if found.topology.diagrams else []):
            arrays[f"attractors/{silence}/persistence/{order}"] = np.asarray(diagram)
    return facts, arrays


def _plane(content: Content) -> Part:
    """The flow on the grid that the report draws, and the axes of the drawing."""
    grid, plane = content.flow, content.plane
    arrays = {"x": grid.x, "y": grid.y, "velocity": grid.velocity, "speed": grid.speed}
    arrays |= {"origin": plane.origin, "axes": plane.axes}
    return {"labels": plane.labels}, {f"plane/{name}": array for name, array in arrays.items()}


def _trajectories(content: Content) -> Part:
    """What the report draws as trajectories after pulses."""
    if content.traces is None:  # none could be solved
        return {"bin_seconds": content.bin_seconds}, {}
    values, states = content.traces
    return {"bin_seconds": content.bin_seconds}, {"trajectories/values": values, "trajectories/states": states}


def _timescales(content: Content) -> Part:
    """On what survives a second of silence (or on visited states), and for N = 2 over the plane."""
    states = content.visited[:: max(1, len(content.visited) // 360)]
    if content.memory is not None:
        states = content.after(100)
    found = analysis.timescales(content.model, states, content.silent)
    numbers, arrays = split("timescales", found)
    arrays["timescales/states"] = states
    if content.model.config.state_size == 2:
        flow = content.flow
        nodes = np.stack(np.meshgrid(flow.x, flow.y, indexing="xy"), axis=-1).reshape(-1, 2)
        over_plane = analysis.timescales(content.model, nodes, content.silent)
        shape = (len(flow.y), len(flow.x), 2)
        arrays["timescales/plane/units"] = over_plane.units.reshape(shape)
        arrays["timescales/plane/modes"] = over_plane.modes.reshape(shape)
    return numbers, arrays


def _lyapunov(content: Content) -> Part:
    """Of the map and the flow without input, from states that the model has settled on."""
    states = content.visited
    if content.memory is not None:
        states = content.memory.states[-1][~content.memory.escaped[-1]]
    starts = states[np.linspace(0, len(states) - 1, _EXPONENT_STARTS).astype(int)]
    numbers, arrays = {}, {}
    for kind in ("map", "flow"):
        f = getattr(content.model, {"map": "map_at", "flow": "field_at"}[kind])(content.silent)
        duration = _EXPONENT_STEPS * (1 if kind == "map" else content.bin_seconds)
        step = None if kind == "map" else content.bin_seconds / 10
        found = analysis.lyapunov_exponents(f, starts, duration=duration, step=step)
        numbers[kind], more = split(f"lyapunov/{kind}", found)
        arrays |= more
    return numbers, arrays


def _birth(content: Content) -> Part:
    """The kind of attractor in every snapshot. One compiled step serves all of them."""
    assert content.film is not None

    @eqx.filter_jit
    def step(model: Model, states: jax.Array) -> jax.Array:
        return model.map_at(content.silent)(states).astype(states.dtype)

    facts = []
    paths = [path for _, path in RunDirectory.open(content.path).snapshots()]
    for epoch, loss, states, path in zip(
        content.film.epochs, content.film.losses, content.film.states, paths, strict=True
    ):
        model = load_model(path)
        found = analysis.attractor(
            lambda h, model=model: np.asarray(step(model, jnp.asarray(h))), states=states[:_TOPOLOGY_STATES]
        )
        facts.append(
            {
                "epoch": int(epoch),
                "val_loss": float(loss),
                "kind": found.kind,
                "dimension": found.dimension,
                "betti": list(found.betti),
                "drift": found.drift,
                "intervals": found.intervals,
            }
        )
    return facts, {}
