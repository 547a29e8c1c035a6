"""Trajectories to be generated, in families with one dial of complexity each.

Complexities of one target are nested: a more complex one goes on where a simpler one ended, or adds to it, and all are
stretched onto the same number of samples. So a difference between complexities is never a difference of luck.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.integrate import solve_ivp

from gnode.arguments import integer
from gnode.errors import InvalidInput, look_up, must_have
from gnode.files import path_of
from gnode.files.archive import read_npz
from gnode.files.table import read_table
from gnode.series.arrays import as_floats

Draw = Callable[[np.random.Generator, np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Family:
    """A family of targets.

    Attributes:
        draw: (generator, complexities (C,), samples) to the paths (C, samples, d) of one target.
        dial: what the complexity counts.
        unit: of the dial.
        dimension: d, of the paths.
        saturates: whether errors stop growing with the dial in the ranges tried, so that a capacity says little.
        complexities: dial settings where the user names none.
    """

    draw: Draw
    dial: str
    unit: str
    dimension: int
    saturates: bool
    complexities: tuple[float, ...]


def _gaussian_process(generator: np.random.Generator, complexities: np.ndarray, samples: int) -> np.ndarray:
    """A Gaussian process with kernel exp(-x^2 / 2), x in correlation lengths, d = 2.

    White noise through a Gaussian filter: the kernel exp(-x^2) convolved with itself is the wanted one. At four noise
    points a length the sum equals the integral to within exp(-100), and a longer path only appends noise.
    """
    spacing, reach = 0.25, 6.0
    first = -int(reach / spacing)
    count = int(np.ceil(complexities.max() / spacing)) + int(reach / spacing) + 1 - first
    at = spacing * (first + np.arange(count))
    noise = generator.standard_normal((count, 2))
    x = complexities[:, None] * np.linspace(0, 1, samples)
    return np.exp(-((x[..., None] - at) ** 2)) @ noise


def _chaotic(velocity: Callable, start: np.ndarray, transient: float, exponent: float) -> Draw:
    def draw(generator: np.random.Generator, complexities: np.ndarray, samples: int) -> np.ndarray:
        duration = transient + complexities.max() / exponent
        begin = start + 0.5 * generator.standard_normal(3)
        path = solve_ivp(velocity, (0, duration), begin, "DOP853", dense_output=True, rtol=1e-9, atol=1e-9).sol
        times = transient + complexities[:, None] / exponent * np.linspace(0, 1, samples)
        return np.moveaxis(path(times.ravel()).reshape(3, len(complexities), samples), 0, -1)

    return draw


def _lorenz(time: float, state: np.ndarray) -> list[float]:
    x, y, z = state
    return [10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z]


def _roessler(time: float, state: np.ndarray) -> list[float]:
    x, y, z = state
    return [-y - z, x + 0.2 * y, 0.2 + z * (x - 5.7)]


def _tones(generator: np.random.Generator, complexities: np.ndarray, samples: int) -> np.ndarray:
    """Sums of so many tones of equal amplitude and random phase, 1.5 sqrt(prime) cycles within the path, d = 2."""
    count = _whole(complexities)
    primes = [n for n in range(2, 20 * count + 20) if all(n % m for m in range(2, int(n**0.5) + 1))][:count]
    cycles = 1.5 * np.sqrt(primes)
    phases = generator.uniform(0, 2 * np.pi, (count, 2, 1))
    tones = np.cos(2 * np.pi * cycles[:, None, None] * np.linspace(0, 1, samples) + phases)
    return np.stack([tones[: int(c)].sum(axis=0).T for c in complexities])


def _whole(complexities: np.ndarray) -> int:
    if np.any(complexities % 1):
        must_have("whole numbers of tones as complexities", complexities.tolist())
    return int(complexities.max())


def _random_network(generator: np.random.Generator, complexities: np.ndarray, samples: int) -> np.ndarray:
    """Two random projections of dx/dt = -x + g J tanh(x), 100 units, 26 time constants after a transient of 50.

    Sompolinsky, Crisanti and Sommers, PRL 1988: chaotic for g > 1. Runge-Kutta in fine steps, since under coarse Euler
    steps such networks give zigzags.
    """
    units, step = 100, 0.05
    weights = generator.standard_normal((units, units)) / np.sqrt(units)
    start = generator.standard_normal(units)
    projection = generator.standard_normal((units, 2)) / np.sqrt(units)
    times = np.linspace(50, 76, samples)
    paths = []
    for gain in complexities:

        def velocity(time: float, x: np.ndarray, gain: float = float(gain)) -> np.ndarray:
            return -x + gain * (weights @ np.tanh(x))

        solved = solve_ivp(velocity, (0, 76), start, "RK45", t_eval=times, max_step=10 * step, rtol=1e-6, atol=1e-8)
        paths.append(solved.y.T @ projection)
    return np.stack(paths)


TARGETS: dict[str, Family] = {
    "gaussian-process": Family(
        _gaussian_process, "length of the path", "correlation lengths", 2, False, (4, 6, 8, 12, 16, 24, 32, 48, 64)
    ),
    "lorenz": Family(
        _chaotic(_lorenz, np.array([1.0, 1.0, 25.0]), 20.0, 0.9056),
        "length of the path",
        "Lyapunov times",
        3,
        False,
        (1, 2, 4, 6, 8, 12, 16),
    ),
    "roessler": Family(
        _chaotic(_roessler, np.array([1.0, 1.0, 0.0]), 100.0, 0.0714),
        "length of the path",
        "Lyapunov times",
        3,
        False,
        (0.5, 1, 1.5, 2, 3, 4),
    ),
    "tones": Family(_tones, "number of incommensurate tones", "tones", 2, True, (1, 2, 3, 4, 6, 8)),
    "random-rnn": Family(_random_network, "gain of the random network", "gain", 2, True, (1.5, 2, 3, 4, 6)),
}


def draw_targets(
    family: str, complexities: Sequence[float] | None = None, *, count: int, samples: int, seed: int
) -> np.ndarray:
    """Targets of a family, standardised: (complexities, count, samples, d), float32.

    Target k of a seed is the same however many are drawn.

    Raises:
        InvalidInput: an unknown family, a dial that does not grow, fewer samples than needed, or a target that
        stands still.
    """
    kind = look_up("family of targets", family, TARGETS)
    dial = check_dial(kind.complexities if complexities is None else complexities)
    count, samples, seed = integer("count", count, 1), integer("samples", samples, 3), integer("seed", seed, 0)
    if family == "gaussian-process" and samples < 2 * dial.max():
        must_have(f"at least two samples a correlation length, {int(2 * dial.max())} here", samples, "Raise the bins.")
    paths = [kind.draw(np.random.default_rng([seed, number]), dial, samples) for number in range(count)]
    return standardised(np.stack(paths, axis=1))


def check_dial(complexities: Sequence[float]) -> np.ndarray:
    """The dial's settings as floats.

    Raises:
        InvalidInput: there are none, one is not positive, or they do not grow.
    """
    dial = as_floats(complexities, "complexities").astype(float)
    if dial.ndim != 1 or not dial.size:
        must_have("at least one complexity", f"shape {dial.shape}")
    if not np.all(np.isfinite(dial)) or dial[0] <= 0 or np.any(np.diff(dial) <= 0):
        must_have("complexities that are positive and grow", dial.tolist())
    return dial


def standardised(paths: np.ndarray) -> np.ndarray:
    """Paths (..., time, d) with mean 0 and variance 1 in every dimension, float32.

    Raises:
        InvalidInput: one of them has a value that is not finite, or a dimension that stands still.
    """
    if not np.all(np.isfinite(paths)):
        must_have("targets of finite values", "NaN or infinity")
    rounding = 16 * np.finfo(paths.dtype if np.issubdtype(paths.dtype, np.floating) else float).eps
    scale = np.abs(paths).max(axis=-2, keepdims=True).astype(float)
    centred = paths.astype(float) - paths.mean(axis=-2, keepdims=True, dtype=float)
    spread = centred.std(axis=-2, keepdims=True)
    still = spread <= rounding * scale
    if still.any():
        where = tuple(int(at) for at in np.argwhere(still[..., 0, :])[0])
        must_have("targets that move in every dimension", f"a constant one at index {where}", "Leave it out.")
    return (centred / spread).astype(np.float32)


def read_trajectories(path: str | Path) -> np.ndarray:
    """Recorded trajectories (count, time, d) from a file.

    A .npz or .npy holds one array, (time, d), (count, time, d) or, for a dial of one's own, (complexities, count,
    time, d). A .csv (gnode.files.table) has a column a dimension; where a column is called `trajectory`, its values
    tell trajectories apart.

    Raises:
        InvalidInput: there is no such file, or it is not like that.
    """
    path = path_of(path)
    if not path.is_file():
        must_have("a file of trajectories", f"nothing at {path}")
    try:
        if path.suffix in (".npz", ".npy"):
            array = np.load(path) if path.suffix == ".npy" else next(iter(read_npz(path).values()))
        elif path.suffix == ".csv":
            array = _from_csv(path)
        else:
            must_have("a .csv, .npz or .npy", path.name)
        array = np.asarray(array, float)
    except (ValueError, OSError, StopIteration) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"Must have readable numbers in {path}, instead got: {error}.") from error
    if array.ndim == 2:
        array = array[None]
    if array.ndim not in (3, 4):
        must_have("an array (time, d), (count, time, d) or (complexities, count, time, d)", f"shape {array.shape}")
    return array


def _from_csv(path: Path) -> np.ndarray:
    table = read_table(path, names=["trajectory"]).frame
    if "trajectory" not in table:
        return table.to_numpy(float)
    parts = [part.drop(columns="trajectory").to_numpy(float) for _, part in table.groupby("trajectory", sort=False)]
    lengths = {len(part) for part in parts}
    if len(lengths) > 1:
        must_have("trajectories of one length", f"lengths {sorted(lengths)}", "Cut or resample them.")
    return np.stack(parts)
