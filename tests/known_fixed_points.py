"""Systems whose fixed points and stability are known; docs/results/fixed-point-truths.py has a table of what is found.

From the literature (Strogatz, Nonlinear Dynamics and Chaos; Kuznetsov, Elements of Applied Bifurcation Theory; Gardner
and others, Nature 403 (2000), the toggle switch; Morris and Lecar 1981; Hodgkin and Huxley 1952) or by construction.
Where a point has no closed form it is the root of one scalar equation, and its name that of a Jacobian by hand.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import jax.numpy as jnp
import numpy as np
from known_portraits import Equations, System, lorenz, vdp
from scipy.optimize import brentq

STABLE, UNSTABLE, SADDLE, CENTER, MARGINAL = "stable node", "unstable node", "saddle", "center", "marginal"
FOCUS, UNSTABLE_FOCUS, SADDLE_FOCUS = "stable focus", "unstable focus", "saddle-focus"
Points = Sequence[tuple[tuple[float, ...] | float, str]]


@dataclass(frozen=True)
class Portrait:
    """name; what f is; its points in the box from low to high, each with its name; whether a flow or a map."""

    name: str
    equations: Equations
    points: Points
    low: tuple[float, ...] = (-2.0,)
    high: tuple[float, ...] = (2.3,)
    kind: str = "flow"

    @property
    def system(self) -> System:
        return System(self.name, self.equations, right=(), start=(), kind=self.kind)

    def f(self, module=jnp, unit=1.0, offset=0.0) -> Callable:
        return self.system.f(module, unit, offset)

    @property
    def truth(self) -> tuple[np.ndarray, list[str]]:
        """Points (K, N) and their names."""
        places = [np.atleast_1d(np.asarray(place, float)) for place, _ in self.points]
        return np.reshape(places, (len(places), len(self.low))), [name for _, name in self.points]


def plane(name, equations, points, size=2.0, kind="flow"):
    """In a box around the origin that is not quite even, so that no point lies in its middle."""
    return Portrait(name, equations, points, (-size, -size), (1.15 * size, 1.15 * size), kind)


def linear(name, matrix, verdict, kind="flow"):
    def equations(m, *h):
        return tuple(sum(row[j] * h[j] for j in range(len(h))) for row in matrix)

    size = len(matrix)
    return Portrait(name, equations, [((0.0,) * size, verdict)], (-2.0,) * size, (2.3,) * size, kind)


def turned(equations, angle=0.7):
    """The same in turned coordinates, where nothing lies along an axis."""
    c, s = np.cos(angle), np.sin(angle)

    def function(m, x, y):
        u, v = equations(m, c * x + s * y, -s * x + c * y)
        return c * u - s * v, s * u + c * v

    return function


def at(*place, angle=0.7):
    """Where a place of the plane is in turned coordinates."""
    c, s = np.cos(angle), np.sin(angle)
    return c * place[0] - s * place[1], s * place[0] + c * place[1]


def named(jacobian) -> str:
    """By the signs of the real parts of a flow's eigenvalues, all of them far from 0."""
    values = np.linalg.eigvals(np.array(jacobian, float))
    turning = (np.abs(values.imag) > 1e-9).any()
    if (values.real > 0).all():
        return UNSTABLE_FOCUS if turning else UNSTABLE
    if (values.real < 0).all():
        return FOCUS if turning else STABLE
    return SADDLE_FOCUS if turning else SADDLE


def roots(function, low, high, count=20_000) -> list[float]:
    """Simple roots of a scalar function."""
    grid = np.linspace(low, high, count)
    values = np.array([function(one) for one in grid])
    return [
        brentq(function, grid[i], grid[i + 1], xtol=1e-14)
        for i in np.flatnonzero(np.sign(values[:-1]) * values[1:] < 0)
    ]


def slopes_by_hand(equations, place, step=1e-5) -> np.ndarray:
    place = np.array(place, float)
    moves = step * np.eye(place.size)
    return np.transpose(
        [(np.array(equations(np, *(place + d))) - np.array(equations(np, *(place - d)))) / (2 * step) for d in moves]
    )


def from_roots(equations, voltages, others) -> Points:
    """Points of a model of a nerve cell: voltages, and the rest of the state at each."""
    places = [(v, *others(v)) for v in voltages]
    return [(place, named(slopes_by_hand(equations, place))) for place in places]


# -- one dimension --

SPRUCE = sorted(np.roots([-0.05, 0.5, -1.05, 0.5]).real)  # of 0.5 (1 - x / 10) (1 + x^2) = x
WELLS = [(k * np.pi, UNSTABLE if k % 2 == 0 else STABLE) for k in range(-2, 3)]
QUINTIC = [np.sqrt((1 + side * np.sqrt(0.6)) / 2) for side in (-1, 1)]  # -0.1 x + x^3 - x^5
LINE = [
    Portrait("decay", lambda m, x: (-x,), [(0, STABLE)]),
    Portrait("growth", lambda m, x: (x,), [(0, UNSTABLE)]),
    Portrait(
        "saddle-node, two points", lambda m, x: (0.5 - x**2,), [(-np.sqrt(0.5), UNSTABLE), (np.sqrt(0.5), STABLE)]
    ),
    Portrait("saddle-node, a near pair", lambda m, x: (1e-10 - x**2,), [(-1e-5, UNSTABLE), (1e-5, STABLE)]),
    Portrait("saddle-node, a nearer pair", lambda m, x: (1e-14 - x**2,), [(-1e-7, UNSTABLE), (1e-7, STABLE)]),
    Portrait("saddle-node, at the bifurcation", lambda m, x: (-(x**2),), [(0, MARGINAL)]),
    Portrait("saddle-node, expanded", lambda m, x: (x**2 - 0.6 * x + 0.09,), [(0.3, MARGINAL)]),
    Portrait("saddle-node, gone", lambda m, x: (-0.01 - x**2,), []),
    Portrait("saddle-node, just gone", lambda m, x: (-1e-8 - x**2,), []),
    Portrait("transcritical", lambda m, x: (0.3 * x - x**2,), [(0, UNSTABLE), (0.3, STABLE)]),
    Portrait("transcritical, near", lambda m, x: (1e-6 * x - x**2,), [(0, UNSTABLE), (1e-6, STABLE)]),
    Portrait("transcritical, at the bifurcation", lambda m, x: (0 * x - x**2,), [(0, MARGINAL)]),
    Portrait(
        "pitchfork",
        lambda m, x: (0.5 * x - x**3,),
        [(-np.sqrt(0.5), STABLE), (0, UNSTABLE), (np.sqrt(0.5), STABLE)],
    ),
    Portrait("pitchfork, near", lambda m, x: (1e-10 * x - x**3,), [(-1e-5, STABLE), (0, UNSTABLE), (1e-5, STABLE)]),
    Portrait("pitchfork, at the bifurcation", lambda m, x: (-(x**3),), [(0, MARGINAL)]),
    Portrait("pitchfork, before", lambda m, x: (-0.1 * x - x**3,), [(0, STABLE)]),
    Portrait(
        "pitchfork, subcritical",
        lambda m, x: (-0.1 * x + x**3 - x**5,),
        [
            (-QUINTIC[1], STABLE),
            (-QUINTIC[0], UNSTABLE),
            (0, STABLE),
            (QUINTIC[0], UNSTABLE),
            (QUINTIC[1], STABLE),
        ],
    ),
    Portrait("tanh x - x", lambda m, x: (m.tanh(x) - x,), [(0, MARGINAL)]),
    Portrait("cosh x - 1", lambda m, x: (m.cosh(x) - 1,), [(0, MARGINAL)]),
    Portrait("fourth order", lambda m, x: (x**4,), [(0, MARGINAL)]),
    Portrait("fifth order", lambda m, x: (-(x**5),), [(0, MARGINAL)]),
    Portrait(
        "double and simple",
        lambda m, x: ((x - 0.7) ** 2 * (x + 0.5),),
        [(-0.5, UNSTABLE), (0.7, MARGINAL)],
    ),
    Portrait("sine", lambda m, x: (m.sin(x),), WELLS, (-7.0,), (7.5,)),
    Portrait(
        "spruce budworm",
        lambda m, x: (0.5 * x * (1 - x / 10) - x**2 / (1 + x**2),),
        [(0, UNSTABLE), *zip(SPRUCE, (STABLE, UNSTABLE, STABLE) if len(SPRUCE) == 3 else (STABLE,), strict=False)],
        (-0.5,),
        (12.0,),
    ),
    Portrait("Allee", lambda m, x: (x * (x - 0.2) * (1 - x),), [(0, STABLE), (0.2, UNSTABLE), (1, STABLE)]),
    Portrait("fading", lambda m, x: (m.exp(-x),), []),
    Portrait("none", lambda m, x: (1 + x**2,), []),
    Portrait("kink, half-stable", lambda m, x: (m.abs(x),), [(0, "undecided, on a kink")]),
    Portrait("kink, stable on both sides", lambda m, x: (0.5 * m.abs(x) - x,), [(0, STABLE)]),
    Portrait(
        "hard tanh",
        lambda m, x: (-x + 0.75 * (m.abs(x + 1) - m.abs(x - 1)),),
        [(-1.5, STABLE), (0, UNSTABLE), (1.5, STABLE)],
    ),
]

# -- the plane --

SYMMETRIC = brentq(lambda u: u**3 + u - 4, 0, 4)
FITZHUGH_V = np.roots([-1 / 3, 0, 1 - 1 / 0.8, 0.5 - 0.7 / 0.8])
FITZHUGH = float(FITZHUGH_V[np.abs(FITZHUGH_V.imag) < 1e-9].real[0])


def fitzhugh(m, v, w):
    return v - v**3 / 3 - w + 0.5, 0.08 * (v + 0.7 - 0.8 * w)


def morris_lecar(m, v, w):
    """In units of 100 mV, with the parameters of its saddle-node on a cycle, at 30 of current: three points."""
    v = 100 * v
    open_ = 0.5 * (1 + m.tanh((v + 1.2) / 18))
    wanted = 0.5 * (1 + m.tanh((v - 12) / 17.4))
    current = 30 - 4 * open_ * (v - 120) - 8 * w * (v + 84) - 2 * (v + 60)
    return current / 20 / 100, 0.067 * (wanted - w) * m.cosh((v - 12) / 34.8)


def potassium(v):
    return (0.5 * (1 + np.tanh((100 * v - 12) / 17.4)),)


def hodgkin_huxley(m, v, n, q, h):
    """In units of 100 mV and without a current; rest near -65 mV."""
    v = 100 * v
    rates = hodgkin_huxley_rates(m, v)
    gates = tuple(up * (1 - gate) - down * gate for gate, (up, down) in zip((n, q, h), rates, strict=True))
    current = 36 * n**4 * (v + 77) + 120 * q**3 * h * (v - 50) + 0.3 * (v + 54.387)
    return (-current / 100, *gates)


def hodgkin_huxley_rates(m, v):
    return (
        (0.01 * (v + 55) / (1 - m.exp(-(v + 55) / 10)), 0.125 * m.exp(-(v + 65) / 80)),
        (0.1 * (v + 40) / (1 - m.exp(-(v + 40) / 10)), 4 * m.exp(-(v + 65) / 18)),
        (0.07 * m.exp(-(v + 65) / 20), 1 / (1 + m.exp(-(v + 35) / 10))),
    )


def gates(v):
    return tuple(up / (up + down) for up, down in hodgkin_huxley_rates(np, 100 * v))


def toggle(strength):
    return lambda m, u, v: (strength / (1 + v**2) - u, strength / (1 + u**2) - v)


def hopf(mu):
    return lambda m, x, y: ((mu - x**2 - y**2) * x - 2 * y, (mu - x**2 - y**2) * y + 2 * x)


def duffing(damping):
    return lambda m, x, y: (y, x - x**3 - damping * y)


def pendulum(damping):
    return lambda m, x, y: (y, -m.sin(x) - damping * y)


PLANE = [
    linear("stable node", [[-1, 0.3], [0, -2]], STABLE),
    linear("unstable node", [[1, 0], [0.5, 2]], UNSTABLE),
    linear("saddle", [[1, 2], [0, -2]], SADDLE),
    linear("stable focus", [[-0.1, 1], [-1, -0.1]], FOCUS),
    linear("unstable focus", [[0.1, 1], [-1, 0.1]], UNSTABLE_FOCUS),
    linear("center", [[0, 2], [-0.5, 0]], CENTER),
    linear("star", [[-1, 0], [0, -1]], STABLE),
    linear("degenerate node", [[-1, 1], [0, -1]], STABLE),
    linear("non-normal", [[-1, 1e3], [0, -2]], STABLE),
    linear("non-normal saddle", [[1e-2, 1e3], [0, -2]], SADDLE),
    linear("stiff node", [[-1, 0], [0, -1e6]], STABLE),
    linear("stiff saddle", [[1, 3], [0, -1e6]], SADDLE),
    linear("weak focus", [[-1e-6, 1], [-1, -1e-6]], FOCUS),
    plane("near pair", turned(lambda m, x, y: (x**2 - 1e-8, -y)), [(at(-1e-4, 0), STABLE), (at(1e-4, 0), SADDLE)]),
    plane("nearer pair", turned(lambda m, x, y: (x**2 - 1e-12, -y)), [(at(-1e-6, 0), STABLE), (at(1e-6, 0), SADDLE)]),
    plane("saddle-node of the plane", turned(lambda m, x, y: (x**2, -y)), [((0, 0), MARGINAL)]),
    plane("unstable saddle-node", turned(lambda m, x, y: (x**2, y)), [((0, 0), "unstable, marginal")]),
    plane("Bogdanov-Takens", lambda m, x, y: (y, x**2), [((0, 0), MARGINAL)]),
    plane(
        "Bogdanov-Takens, unfolded",
        lambda m, x, y: (y, -0.01 + 0.3 * y + x**2 + x * y),
        [((-0.1, 0), UNSTABLE_FOCUS), ((0.1, 0), SADDLE)],
    ),
    plane("monkey saddle", lambda m, x, y: (x**2 - y**2, -2 * x * y), [((0, 0), MARGINAL)]),
    plane("quartic center", lambda m, x, y: (y, -(x**3)), [((0, 0), MARGINAL)]),
    plane("Hopf, before", hopf(-0.3), [((0, 0), FOCUS)]),
    plane("Hopf, at the bifurcation", hopf(0.0), [((0, 0), CENTER)]),
    plane("Hopf, after", hopf(0.3), [((0, 0), UNSTABLE_FOCUS)]),
    plane("Duffing, Hamiltonian", duffing(0.0), [((-1, 0), CENTER), ((0, 0), SADDLE), ((1, 0), CENTER)]),
    plane("Duffing, damped", duffing(0.3), [((-1, 0), FOCUS), ((0, 0), SADDLE), ((1, 0), FOCUS)]),
    plane("Duffing, overdamped", duffing(4.0), [((-1, 0), STABLE), ((0, 0), SADDLE), ((1, 0), STABLE)]),
    plane("pendulum", pendulum(0.0), [((-np.pi, 0), SADDLE), ((0, 0), CENTER), ((np.pi, 0), SADDLE)], size=4.0),
    plane("pendulum, damped", pendulum(0.5), [((-np.pi, 0), SADDLE), ((0, 0), FOCUS), ((np.pi, 0), SADDLE)], size=4.0),
    plane("Lotka-Volterra", lambda m, x, y: (x * (1 - y), y * (x - 1)), [((0, 0), SADDLE), ((1, 1), CENTER)]),
    plane(
        "rabbits and sheep",
        lambda m, x, y: (x * (3 - x - 2 * y), y * (2 - x - y)),
        [((0, 0), UNSTABLE), ((0, 2), STABLE), ((1, 1), SADDLE), ((3, 0), STABLE)],
        size=4.0,
    ),
    plane("van der Pol 1", vdp(1.0), [((0, 0), UNSTABLE_FOCUS)]),
    plane("van der Pol 20", vdp(20.0), [((0, 0), UNSTABLE)]),
    plane("Brusselator", lambda m, x, y: (1 + x**2 * y - 4 * x, 3 * x - x**2 * y), [((1, 3), UNSTABLE_FOCUS)], 5.0),
    plane(
        "Selkov",
        lambda m, x, y: (-x + 0.08 * y + x**2 * y, 0.6 - 0.08 * y - x**2 * y),
        [((0.6, 0.6 / 0.44), UNSTABLE_FOCUS)],
    ),
    plane("toggle switch, one state", toggle(1.0), [((0.6823278038280193,) * 2, STABLE)]),
    plane("toggle switch, at the bifurcation", toggle(2.0), [((1, 1), MARGINAL)]),
    plane(
        "toggle switch, two states",
        toggle(4.0),
        [
            ((2 - np.sqrt(3), 2 + np.sqrt(3)), STABLE),
            ((SYMMETRIC, SYMMETRIC), SADDLE),
            ((2 + np.sqrt(3), 2 - np.sqrt(3)), STABLE),
        ],
        size=5.0,
    ),
    plane(
        "FitzHugh-Nagumo",
        fitzhugh,
        [((FITZHUGH, (FITZHUGH + 0.7) / 0.8), named(slopes_by_hand(fitzhugh, (FITZHUGH, (FITZHUGH + 0.7) / 0.8))))],
    ),
    Portrait(
        "Morris-Lecar",
        morris_lecar,
        from_roots(morris_lecar, roots(lambda v: morris_lecar(np, v, *potassium(v))[0], -1, 1), potassium),
        (-1.0, -0.2),
        (1.0, 1.2),
    ),
]

# -- more dimensions --


def hopfield(gain, size):
    """One pattern of ones: along it m' = -m + tanh(gain m), across it decay."""
    return lambda m, *h: tuple(-one + m.tanh(gain * sum(h) / size) for one in h)


def alone(gain):
    """Units that excite only themselves."""
    return lambda m, *h: tuple(-one + m.tanh(gain * one) for one in h)


def own(gain):
    return brentq(lambda x: np.tanh(gain * x) - x, 0.1, 1)


def cube(size, zero, outer, level):
    names = {0: outer, size: zero}
    return [
        (tuple(level * np.array(signs)), names.get(signs.count(0), SADDLE))
        for signs in product((-1, 0, 1), repeat=size)
    ]


def box(size, low, high):
    return (low,) * size, (high,) * size


C10, C28 = np.sqrt(8 / 3 * 9), np.sqrt(72)
DISCRIMINANT = np.sqrt(5.7**2 - 4 * 0.2 * 0.2)
ROESSLER = [(5.7 - s * DISCRIMINANT) / 2 * np.array([1, -5, 5]) for s in (1, -1)]
MORE = [
    linear("saddle-focus", [[-1, 0, 0], [0, 0.2, 2], [0, -2, 0.2]], SADDLE_FOCUS),
    linear("center and decay", [[0, 1, 0], [-1, 0, 0], [0, 0, -1]], MARGINAL),
    Portrait("Lorenz 0.5", lorenz(0.5), [((0, 0, 0), STABLE)], *box(3, -30.0, 35.0)),
    Portrait(
        "Lorenz 10",
        lorenz(10.0),
        [((-C10, -C10, 9), FOCUS), ((0, 0, 0), SADDLE), ((C10, C10, 9), FOCUS)],
        *box(3, -30.0, 35.0),
    ),
    Portrait(
        "Lorenz 28",
        lorenz(28.0),
        [((-C28, -C28, 27), SADDLE_FOCUS), ((0, 0, 0), SADDLE), ((C28, C28, 27), SADDLE_FOCUS)],
        *box(3, -30.0, 35.0),
    ),
    Portrait("Lorenz, at the pitchfork", lorenz(1.0), [((0, 0, 0), MARGINAL)], *box(3, -30.0, 35.0)),
    Portrait(
        "Roessler",
        lambda m, x, y, z: (-y - z, x + 0.2 * y, 0.2 + z * (x - 5.7)),
        [(tuple(place), SADDLE_FOCUS) for place in ROESSLER],
        (-10.0, -40.0, -5.0),
        (12.0, 10.0, 40.0),
    ),
    Portrait(
        "Hopfield, one pattern",
        hopfield(1.5, 5),
        [((-own(1.5),) * 5, STABLE), ((0.0,) * 5, SADDLE), ((own(1.5),) * 5, STABLE)],
        *box(5, -1.2, 1.4),
    ),
    Portrait("Hopfield, weak", hopfield(0.7, 5), [((0.0,) * 5, STABLE)], *box(5, -1.2, 1.4)),
    Portrait("Hopfield, at the pitchfork", hopfield(1.0, 5), [((0.0,) * 5, MARGINAL)], *box(5, -1.2, 1.4)),
    Portrait("27 points", alone(2.0), cube(3, UNSTABLE, STABLE, own(2.0)), *box(3, -1.2, 1.4)),
    Portrait(
        "Hodgkin-Huxley",
        hodgkin_huxley,
        from_roots(hodgkin_huxley, roots(lambda v: hodgkin_huxley(np, v, *gates(v))[0], -0.9, 0.6), gates),
        (-0.9, 0.0, 0.0, 0.0),
        (0.61, 1.0, 1.0, 1.0),
    ),
]

# -- maps --


def logistic(rate):
    return lambda m, x: (rate * x * (1 - x),)


HENON = [(-0.7 + side * np.sqrt(0.49 + 5.6)) / 2.8 for side in (-1, 1)]
GATED = brentq(lambda x: np.tanh(1.5 * x) - x, 0.1, 1)


def a_map(name, equations, points, low=(-0.6,), high=(1.2,)):
    return Portrait(name, equations, points, low, high, "map")


MAPS = [
    a_map("logistic 0.8", logistic(0.8), [(-0.25, UNSTABLE), (0, STABLE)]),
    a_map("logistic 1", logistic(1.0), [(0, MARGINAL)]),
    a_map("logistic 2", logistic(2.0), [(0, UNSTABLE), (0.5, STABLE)]),
    a_map("logistic 3", logistic(3.0), [(0, UNSTABLE), (2 / 3, MARGINAL)]),
    a_map("logistic 3.2", logistic(3.2), [(0, UNSTABLE), (1 - 1 / 3.2, UNSTABLE)]),
    a_map("tangent, near", lambda m, x: (x + x**2 - 1e-10,), [(-1e-5, STABLE), (1e-5, UNSTABLE)]),
    a_map("tangent", lambda m, x: (x + x**2,), [(0, MARGINAL)]),
    a_map("tanh", lambda m, x: (m.tanh(x),), [(0, MARGINAL)]),
    a_map("tanh 1.5", lambda m, x: (m.tanh(1.5 * x),), [(-GATED, STABLE), (0, UNSTABLE), (GATED, STABLE)], (-2.0,)),
    a_map("Newton for the root of 2", lambda m, x: (x / 2 + 1 / x,), [(np.sqrt(2), STABLE)], (0.5,), (4.0,)),
    a_map(
        "Henon",
        lambda m, x, y: (1 - 1.4 * x**2 + y, 0.3 * x),
        [((x, 0.3 * x), SADDLE) for x in HENON],
        (-2.0, -1.0),
        (2.1, 1.0),
    ),
    a_map(
        "standard map",
        lambda m, x, p: (x + p + m.sin(x), p + m.sin(x)),
        [((-np.pi, 0), CENTER), ((0, 0), SADDLE), ((np.pi, 0), CENTER)],
        (-4.0, -3.0),
        (4.2, 3.3),
    ),
    a_map(
        "delayed logistic",
        lambda m, x, y: (2.1 * x * (1 - y), x),
        [((0, 0), SADDLE), ((1.1 / 2.1, 1.1 / 2.1), UNSTABLE_FOCUS)],
        (-0.5, -0.5),
        (1.2, 1.2),
    ),
    a_map(
        "gated, nine points",
        lambda m, *h: tuple((one + m.tanh(1.5 * one)) / 2 for one in h),
        cube(2, UNSTABLE, STABLE, GATED),
        (-1.1, -1.1),
        (1.2, 1.2),
    ),
    linear("turning and shrinking", [[0.5, 0.6], [-0.6, 0.5]], FOCUS, "map"),
    linear("turning", [[0.6, 0.8], [-0.8, 0.6]], CENTER, "map"),
    linear("flip saddle", [[-1.5, 0], [0, 0.5]], SADDLE, "map"),
    a_map("shifted", lambda m, x: (x + 0.1,), []),
]
PORTRAITS = [*LINE, *PLANE, *MORE, *MAPS]
