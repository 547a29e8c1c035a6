"""Systems and clouds whose portraits are known; docs/results/analysis-truths.py has a table of how they are named.

The equations are those of the literature: Strogatz, Nonlinear Dynamics and Chaos; Sprott, Phys.
Rev. E 50 (1994), cases B to S; Elowitz and Leibler, Nature 403 (2000), the repressilator; Henon 1976; Ikeda 1979;
Thomas 1999; Halvorsen and others as in Sprott, Chaos and Time-Series Analysis (2003).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp

Equations = Callable  # (module, *coordinates) -> velocities of a flow, or next coordinates of a map


@dataclass(frozen=True)
class System:
    """name; what f is; the right kinds, of which the name must begin with one; a start; time to settle; to sample."""

    name: str
    equations: Equations
    right: tuple[str, ...]
    start: tuple[float, ...]
    settle: float = 200.0
    span: float = 200.0
    kind: str = "flow"

    def f(self, module=jnp, unit=1.0, offset=0.0):
        """In other units: g(h) = unit f((h - offset) / unit), or the map that corresponds."""

        def function(h):
            coordinates = module.moveaxis((module.asarray(h) - offset) / unit, -1, 0)
            after = module.stack([part + 0.0 * coordinates[0] for part in self.equations(module, *coordinates)], -1)
            return unit * after + (offset if self.kind == "map" else 0.0)

        return function


def vdp(mu):
    return lambda m, x, y: (y, mu * (1 - x**2) * y - x)


def lorenz(rho):
    return lambda m, x, y, z: (10 * (y - x), x * (rho - z) - y, x * y - 8 / 3 * z)


def roessler(c):
    return lambda m, x, y, z: (-y - z, x + 0.2 * y, 0.2 + z * (x - c))


def repressilator(m, a, b, c, p, q, r):
    def made(repressor):
        return 216 / (1 + repressor**2) + 0.216

    return (made(r) - a, made(p) - b, made(q) - c, 5 * (a - p), 5 * (b - q), 5 * (c - r))


def stuart_landau(m, x, y, omega, radius=1.0, rate=1.0):
    """A limit cycle of this radius and angular speed."""
    pull = rate * (1 - (x**2 + y**2) / radius**2)
    return pull * x - omega * y, pull * y + omega * x


def two_cycles(other, omega):
    return lambda m, x, y, u, v: (*stuart_landau(m, x, y, 1.0), *stuart_landau(m, u, v, omega, other))


def ring_torus(tube, omega):
    """Quasi-periodic on the torus of radii 2 and `tube` in space."""

    def equations(m, x, y, z):
        rho = m.sqrt(x**2 + y**2)
        u, w = stuart_landau(m, rho - 2, z, omega, tube)
        return u * x / rho - y, u * y / rho + x, w

    return equations


CYCLE, STRANGE, TORUS = ("limit cycle",), ("strange set",), ("torus, moving",)

CYCLES = [
    System("van der Pol 1", vdp(1.0), CYCLE, (2, 0)),
    System("van der Pol 5", vdp(5.0), CYCLE, (2, 0)),
    System("van der Pol 20", vdp(20.0), CYCLE, (2, 0), span=400.0),
    System("Brusselator", lambda m, x, y: (1 + x**2 * y - 4 * x, 3 * x - x**2 * y), CYCLE, (1, 1)),
    System(
        "FitzHugh-Nagumo", lambda m, v, w: (v - v**3 / 3 - w + 0.5, 0.08 * (v + 0.7 - 0.8 * w)), CYCLE, (0, 0), span=800
    ),
    System("Selkov", lambda m, x, y: (-x + 0.08 * y + x**2 * y, 0.6 - 0.08 * y - x**2 * y), CYCLE, (1, 1), span=400),
    System(
        "Rosenzweig-MacArthur",
        lambda m, x, y: (x * (1 - x / 4) - 2 * x * y / (1 + x), y * (2 * x / (1 + x) - 1)),
        CYCLE,
        (1, 0.5),
        settle=1000,
        span=800,
    ),
    System("repressilator", repressilator, CYCLE, (1, 2, 3, 4, 5, 6), span=400),
    System("Lorenz 350", lorenz(350.0), CYCLE, (1, 1, 300), settle=100, span=20),
    System("Roessler 2.5", roessler(2.5), CYCLE, (1, 1, 0), settle=800),
    System("Roessler 3.5", roessler(3.5), CYCLE, (1, 1, 0), settle=800),
]
MORE_CYCLES = [
    System("Hopf", lambda m, x, y: stuart_landau(m, x, y, 1.0), CYCLE, (1, 0)),
    System("slow pull", lambda m, x, y: stuart_landau(m, x, y, 5.0, rate=0.05), CYCLE, (1, 0)),
    System(
        "Hopf in five dimensions",
        lambda m, x, y, u, v, w: (*stuart_landau(m, x, y, 1.0), x - u, y - 2 * v, x * y - w),
        CYCLE,
        (1, 0, 0, 0, 0),
    ),
    System("van der Pol 50", vdp(50.0), CYCLE, (2, 0), span=800.0),
    System(
        "Hindmarsh-Rose, tonic",
        lambda m, x, y, z: (y - x**3 + 3 * x**2 - z + 4, 1 - 5 * x**2 - y, 0.006 * (4 * (x + 1.6) - z)),
        CYCLE,
        (0, 0, 3.5),
        settle=3000,
        span=300,
    ),
    System("glycolysis, Lorenz 160", lorenz(160.0), CYCLE, (1, 1, 160), settle=200, span=40),
    System("Duffing-van der Pol", lambda m, x, y: (y, 0.5 * (1 - x**2) * y - x**3), CYCLE, (1, 1)),
    System("relu oscillator", lambda m, x, y: (y, m.where(m.abs(x) < 1, 1.0, -1.0) * y - x), CYCLE, (1, 1)),
]


def sprott(equations, start=(0.05, 0.05, 0.05)):
    return dict(equations=equations, start=start, settle=500.0, span=600.0)


STRANGE_SETS = [
    System("Lorenz", lorenz(28.0), STRANGE, (1, 1, 20), settle=50, span=100),
    System("Roessler 5.7", roessler(5.7), STRANGE, (1, 1, 0), settle=300, span=600),
    System(
        "Chua",
        lambda m, x, y, z: (15.6 * (y - x + 0.714 * x + 0.2145 * (m.abs(x + 1) - m.abs(x - 1))), x - y + z, -28 * y),
        STRANGE,
        (0.7, 0, 0),
        settle=100,
        span=200,
    ),
    System(
        "Rabinovich-Fabrikant",
        lambda m, x, y, z: (
            y * (z - 1 + x**2) + 0.87 * x,
            x * (3 * z + 1 - x**2) + 0.87 * y,
            -2 * z * (1.1 + x * y),
        ),
        STRANGE,
        (-1, 0, 0.5),
        settle=300,
        span=300,
    ),
    System(
        "Halvorsen",
        lambda m, x, y, z: (
            -1.4 * x - 4 * y - 4 * z - y**2,
            -1.4 * y - 4 * z - 4 * x - z**2,
            -1.4 * z - 4 * x - 4 * y - x**2,
        ),
        STRANGE,
        (-5, 0, 0),
        settle=100,
        span=100,
    ),
    System(
        "Thomas",
        lambda m, x, y, z: (m.sin(y) - 0.18 * x, m.sin(z) - 0.18 * y, m.sin(x) - 0.18 * z),
        STRANGE,
        (0.1, 0, 0),
        settle=500,
        span=2000,
    ),
    System("Sprott B", right=STRANGE, **sprott(lambda m, x, y, z: (y * z, x - y, 1 - x * y))),
    System("Sprott C", right=STRANGE, **sprott(lambda m, x, y, z: (y * z, x - y, 1 - x**2))),
    System("Sprott E", right=STRANGE, **sprott(lambda m, x, y, z: (y * z, x**2 - y, 1 - 4 * x))),
    System("Sprott F", right=STRANGE, **sprott(lambda m, x, y, z: (y + z, -x + 0.5 * y, x**2 - z))),
    System("Sprott G", right=STRANGE, **sprott(lambda m, x, y, z: (0.4 * x + z, x * z - y, -x + y))),
    System("Sprott H", right=STRANGE, **sprott(lambda m, x, y, z: (-y + z**2, x + 0.5 * y, x - z))),
    System("Sprott K", right=STRANGE, **sprott(lambda m, x, y, z: (x * y - z, x - y, x + 0.3 * z))),
    System("Sprott M", right=STRANGE, **sprott(lambda m, x, y, z: (-z, -(x**2) - y, 1.7 + 1.7 * x + y))),
    System("Sprott O", right=STRANGE, **sprott(lambda m, x, y, z: (y, x - z, x + x * z + 2.7 * y))),
    System("Sprott P", right=STRANGE, **sprott(lambda m, x, y, z: (2.7 * y + z, -x + y**2, x + y))),
    System("Sprott S", right=STRANGE, **sprott(lambda m, x, y, z: (-x - 4 * y, x + z**2, 1 + x))),
    System("Henon", lambda m, x, y: (1 - 1.4 * x**2 + y, 0.3 * x), STRANGE, (0.1, 0.1), 500, 2000, "map"),
    System(
        "Ikeda",
        lambda m, x, y: (
            1 + 0.9 * (x * m.cos(0.4 - 6 / (1 + x**2 + y**2)) - y * m.sin(0.4 - 6 / (1 + x**2 + y**2))),
            0.9 * (x * m.sin(0.4 - 6 / (1 + x**2 + y**2)) + y * m.cos(0.4 - 6 / (1 + x**2 + y**2))),
        ),
        STRANGE,
        (0.1, 0.1),
        500,
        2000,
        "map",
    ),
    System(
        "Chen",
        lambda m, x, y, z: (35 * (y - x), -7 * x - x * z + 28 * y, x * y - 3 * z),
        STRANGE,
        (1, 1, 20),
        settle=50,
        span=60,
    ),
]
MORE_STRANGE_SETS = [
    System("Lozi", lambda m, x, y: (1 - 1.7 * m.abs(x) + y, 0.5 * x), STRANGE, (0.1, 0.1), 500, 2000, "map"),
    System("logistic 3.9", lambda m, x: (3.9 * x * (1 - x),), STRANGE, (0.3,), 500, 2000, "map"),
    System("Sprott D", right=STRANGE, **sprott(lambda m, x, y, z: (-y, x + z, x * z + 3 * y**2))),
    System("Sprott L", right=STRANGE, **sprott(lambda m, x, y, z: (y + 3.9 * z, 0.9 * x**2 - y, 1 - x))),
    System("Sprott N", right=STRANGE, **sprott(lambda m, x, y, z: (-2 * y, x + z**2, 1 + y - 2 * z))),
    System("Sprott R", right=STRANGE, **sprott(lambda m, x, y, z: (0.9 - y, 0.4 + z, x * y - z))),
    System(
        "hyperchaotic Roessler",
        lambda m, x, y, z, w: (-y - z, x + 0.25 * y + w, 3 + x * z, -0.5 * z + 0.05 * w),
        STRANGE,
        (-20, 0, 0, 15),
        settle=100,
        span=600,
    ),
    System(
        "Lu", lambda m, x, y, z: (36 * (y - x), -x * z + 20 * y, x * y - 3 * z), STRANGE, (1, 1, 20), settle=50, span=60
    ),
    System("Lorenz 60", lorenz(60.0), STRANGE, (1, 1, 20), settle=50, span=60),
    System(
        "Aizawa",
        lambda m, x, y, z: (
            (z - 0.7) * x - 3.5 * y,
            3.5 * x + (z - 0.7) * y,
            0.6 + 0.95 * z - z**3 / 3 - (x**2 + y**2) * (1 + 0.25 * z) + 0.1 * z * x**3,
        ),
        STRANGE,
        (0.1, 0, 0),
        settle=200,
        span=400,
    ),
]


def may_leonard(a, b):
    """Three kinds that displace each other in turn (SIAM J. Appl. Math. 29, 1975)."""
    return lambda m, x, y, z: (x * (1 - x - a * y - b * z), y * (1 - y - a * z - b * x), z * (1 - z - a * x - b * y))


def guckenheimer_holmes(m, x, y, z):
    """Math. Proc. Camb. Phil. Soc. 103 (1988)."""

    def turned(one, other, third):
        return one * (1 - one**2 - 0.55 * other**2 - 1.5 * third**2)

    return turned(x, y, z), turned(y, z, x), turned(z, x, y)


UNTOLD = ("moving, undecided between a limit cycle of long period and a heteroclinic cycle",)
HETEROCLINIC = [
    System("May-Leonard 0.8, 1.3", may_leonard(0.8, 1.3), UNTOLD, (0.5, 0.3, 0.2), settle=50),
    System("May-Leonard 0.6, 1.6", may_leonard(0.6, 1.6), UNTOLD, (0.5, 0.3, 0.2), settle=50),
    System("May-Leonard 0.5, 2", may_leonard(0.5, 2.0), UNTOLD, (0.5, 0.3, 0.2), settle=50),
    System("Guckenheimer-Holmes", guckenheimer_holmes, UNTOLD, (0.5, 0.3, 0.2), settle=50),
]
GOLDEN = (np.sqrt(5) - 1) / 2
TORI = [
    System("cycles 1:1", two_cycles(1.0, GOLDEN), TORUS, (1, 0, 1, 0), span=2000),
    System("cycles 1:0.4", two_cycles(0.4, GOLDEN), TORUS, (1, 0, 0.4, 0), span=2000),
    System("cycles 1:0.1", two_cycles(0.1, np.sqrt(2)), TORUS, (1, 0, 0.1, 0), span=2000),
    System("ring torus 2:0.8", ring_torus(0.8, GOLDEN), TORUS, (2.8, 0, 0), span=2000),
    System("ring torus 2:0.3", ring_torus(0.3, np.sqrt(3)), TORUS, (2.3, 0, 0), span=2000),
]
MAPS = [
    System("logistic 3.2", lambda m, x: (3.2 * x * (1 - x),), ("cycle of period 2",), (0.3,), 1000, 2000, "map"),
    System("logistic 3.5", lambda m, x: (3.5 * x * (1 - x),), ("cycle of period 4",), (0.3,), 1000, 2000, "map"),
    System(
        "delayed logistic", lambda m, x, y: (2.1 * x * (1 - y), x), ("invariant circle",), (0.4, 0.5), 2000, 2000, "map"
    ),
    System(
        "turning circle",
        lambda m, x, y: tuple(
            part / m.sqrt(x**2 + y**2) for part in (m.cos(2.0) * x - m.sin(2.0) * y, m.sin(2.0) * x + m.cos(2.0) * y)
        ),
        ("invariant circle",),
        (1, 0),
        100,
        2000,
        "map",
    ),
    System(
        "Euler steps of van der Pol",
        lambda m, x, y: (x + 0.05 * y, y + 0.05 * ((1 - x**2) * y - x)),
        ("invariant circle",),
        (2, 0),
        2000,
        4000,
        "map",
    ),
    System(
        "Henon of period 7",
        lambda m, x, y: (1 - 1.25 * x**2 + y, 0.3 * x),
        ("cycle of period 7",),
        (0.1, 0.1),
        4000,
        2000,
        "map",
    ),
]


@cache
def path(system: System) -> tuple[np.ndarray, np.ndarray]:
    """Times and states on the attractor, finely."""
    if system.kind == "map":
        f, states = system.f(np), [np.array([system.start], float)]
        for _ in range(int(system.settle + system.span)):
            states.append(f(states[-1]))
        kept = np.concatenate(states)[int(system.settle) :]
        return np.arange(float(len(kept))), kept

    def velocity(_, h):
        return np.array(system.equations(np, *h), float)

    options = dict(method="LSODA", rtol=1e-8, atol=1e-10)
    settled = solve_ivp(velocity, (0, system.settle), np.array(system.start, float), **options).y[:, -1]
    found = solve_ivp(velocity, (0, system.span), settled, dense_output=True, **options)
    times = np.sort(
        np.concatenate(
            [np.linspace(0, system.span, 20_000), *(found.t[:-1] + s * np.diff(found.t) for s in (0, 0.25, 0.5, 0.75))]
        )
    )
    return times, found.sol(times).T


def states_of(system: System, count: int, how: str, seed: int = 0) -> np.ndarray:
    """At random times, at even times, or at even arc length ("random", "even", "arc")."""
    times, states = path(system)
    random = np.random.default_rng(seed)
    if system.kind == "map":
        return states[np.sort(random.choice(len(states), count, replace=False))]
    along = times
    if how == "arc":
        along = np.concatenate(
            [[0], np.cumsum(np.linalg.norm(np.diff(states / np.ptp(states, axis=0), axis=0), axis=1))]
        )
    at = np.sort(random.uniform(0, along[-1], count)) if how == "random" else np.linspace(0, along[-1], count)
    return np.stack([np.interp(at, along, column) for column in states.T], axis=1)


# -- clouds of resting states --


def circle(angles):
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def turns(n, random):
    return random.uniform(0, 2 * np.pi, n)


def disk(n, random):
    return np.sqrt(random.random(n))[:, None] * circle(turns(n, random))


def torus(tube):
    def draw(n, random):
        u, v = turns(8 * n, random), turns(8 * n, random)
        kept = np.flatnonzero(random.random(8 * n) < (1 + tube * np.cos(v)) / (1 + tube))[:n]
        u, v = u[kept], v[kept]
        return np.concatenate([(1 + tube * np.cos(v))[:, None] * circle(u), tube * np.sin(v)[:, None]], axis=1)

    return draw


def sphere(n, random):
    directions = random.normal(size=(n, 3))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def clusters(number, spread):
    def draw(n, random):
        return 5 * circle(2 * np.pi * np.arange(number) / number)[np.arange(n) % number] + spread * random.normal(
            size=(n, 2)
        )

    return draw


def beside(*draws):
    def draw(n, random):
        parts = [make(n // len(draws), random) for make in draws]
        width = len(draws) and max(part.shape[1] for part in parts)
        return np.concatenate(
            [
                np.pad(part, ((0, 0), (0, width - part.shape[1]))) + 10.0 * number * np.eye(width)[0]
                for number, part in enumerate(parts)
            ]
        )

    return draw


def tight(n, random):
    return 1e-6 * random.normal(size=(n, 2))


def annulus(n, random):
    return np.sqrt(random.uniform(0.25, 1, n))[:, None] * circle(turns(n, random))


def ring(n, random):
    return circle(turns(n, random))


CLOUDS: dict[str, tuple[Callable, tuple[str, ...]]] = {
    "ring": (ring, ("ring",)),
    "even ring": (lambda n, random: circle(2 * np.pi * np.arange(n) / n), ("ring",)),
    "ellipse 10:1": (lambda n, random: circle(2 * np.pi * np.arange(n) / n) * [1, 0.1], ("ring",)),
    "ring with noise": (lambda n, random: ring(n, random) + 0.03 * random.normal(size=(n, 2)), ("ring",)),
    "ring in five dimensions": (
        lambda n, random: ring(n, random) @ np.linalg.qr(random.normal(size=(5, 5)))[0][:2],
        ("ring",),
    ),
    "interval": (lambda n, random: random.uniform(-1, 1, (n, 1)) * [1, 0.5], ("interval",)),
    "parabola": (
        lambda n, random: (lambda x: np.concatenate([x, x**2], axis=1))(random.uniform(-1, 1, (n, 1))),
        ("interval",),
    ),
    "disk": (disk, ("disk",)),
    "square": (lambda n, random: random.uniform(-1, 1, (n, 2)), ("sheet",)),
    "annulus": (annulus, ("annulus",)),
    "torus 0.5": (torus(0.5), ("torus",)),
    "torus 0.3": (torus(0.3), ("torus",)),
    "sphere": (sphere, ("sphere",)),
    "cube": (lambda n, random: random.random((n, 3)), ("solid",)),
    "1 point": (lambda n, random: 1e-14 * random.normal(size=(n, 2)) + 3, ("discrete, 1 point",)),
    "4 points": (clusters(4, 0.02), ("discrete, 4 points",)),
    "8 points": (clusters(8, 1e-5), ("discrete, 8 points",)),
    "2 rings": (beside(ring, ring), ("2 rings",)),
    "ring and point": (beside(ring, tight), ("2 pieces: 1 ring, 1 point", "2 pieces: 1 point, 1 ring")),
    "ring and disk": (beside(ring, disk), ("2 pieces: 1 ring, 1 disk", "2 pieces: 1 disk, 1 ring")),
    "ring and interval": (
        beside(ring, lambda n, random: random.uniform(-1, 1, (n, 1))),
        ("2 pieces: 1 ring, 1 interval", "2 pieces: 1 interval, 1 ring"),
    ),
}


def with_stragglers(states: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """One in fifty more, somewhere in a box three times as wide."""
    middle, width = states.mean(axis=0), np.ptp(states, axis=0)
    return np.concatenate(
        [states, middle + 3 * width * (random.random((max(1, len(states) // 50), states.shape[1])) - 0.5)]
    )
