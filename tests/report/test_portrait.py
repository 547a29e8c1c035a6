"""The network in the page is the network in Python: the same trajectories, the same fixed points."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import gnode
from gnode import analysis
from gnode.fields import UngatedField
from gnode.integrate.rules import RULES, Rule
from gnode.nn.activations import ACTIVATIONS
from gnode.nn.dense import affine
from gnode.report.html import asset, embedded_json
from gnode.report.portrait import portrait_weights, why_not

BOX = (np.full(3, -2.0), np.full(3, 2.0))

CASES = {
    "gnode": dict(model="gnode", hidden=(16, 8)),
    "node": dict(model="node", hidden=(16,)),
    "leaky nODE": dict(model="leaky-node", hidden=(16,), gate_bias=-1.0),
    "leaky nODE, fixed": dict(model="leaky-node", hidden=(16,), gate_bias=-1.0, learn_rates=False),
    "mgru": dict(model="mgru"),
    "rnn": dict(model="rnn"),
    "gru": dict(model="gru"),
    "three units": dict(model="gnode", hidden=(16,), state_size=3),
    "layer norm": dict(model="gnode", hidden=(16, 8), gate_hidden=(8,), layer_norm=True),
    "gain": dict(model="gnode", hidden=(16,), gain=True),
    "no leak": dict(model="gnode", hidden=(16,), leak=False, candidate_activation="tanh"),
    "half a step, gelu": dict(model="gnode", hidden=(16,), activation="gelu", dt=0.01, tau=0.02),
    "swish, steep gate": dict(model="gnode", hidden=(16,), activation="swish", gate_activation="steep-sigmoid"),
    "exponential Euler, GRU": dict(model="gru", integrator="exponential-euler", dt=0.03),
    "Runge-Kutta": dict(model="gnode", hidden=(16,), integrator="rk4", activation="tanh", dt=0.02),
    "solved": dict(model="mgru", integrator="tsit5", rtol=1e-6),
}


def made(seed: int = 3, **options):
    """A model none of whose parameters is at a special value, such as a gain of one."""
    model = gnode.models.make(**{"input_size": 2, "state_size": 2, "output_size": 2, "seed": seed, **options})
    random = np.random.default_rng(seed)
    parameters, rest = eqx.partition(model, eqx.is_inexact_array)
    moved = jax.tree.map(lambda a: (a + 0.3 * random.standard_normal(a.shape)).astype(a.dtype), parameters)
    return eqx.combine(moved, rest)


def open_portrait(browser, model, reach=1.5):
    size = model.config.state_size
    data = portrait_weights(
        model, (BOX[0][:size], BOX[1][:size]), pulse_bins=3, input_reach=reach, known=np.zeros((0, size))
    )
    page = browser.new_page(viewport={"width": 900, "height": 900})
    page.set_content(
        f"<style>{asset('page.css')}</style>"
        f'<div class="portrait"><script type="application/json">{embedded_json(data)}</script></div>'
        f"<script>{asset('network.js')}</script><script>{asset('portrait.js')}</script>"
        "<script>const portrait = new gnode.Portrait(document.querySelector('.portrait'));</script>"
    )
    return page


def held(f, inputs):
    """In float64, of states (N,)."""
    compiled = jax.jit(f(np.asarray(inputs, np.float32)))

    def at(state):
        with jax.enable_x64(True):
            return np.asarray(compiled(np.asarray(state, float)), float)

    return at


# Every kind of field, rule and net; the others only choose another value.
SLICE = ("gnode", "leaky nODE", "gru", "three units", "layer norm", "exponential Euler, GRU", "Runge-Kutta", "solved")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in SLICE else pytest.mark.full) for name in CASES]
)
def test_trajectories_of_map_and_flow_agree_with_python(browser, name):
    model = made(**CASES[name])
    start = np.array([0.7, -0.4, 0.2])[: model.config.state_size]
    inputs = [0.5, -0.3]
    page = open_portrait(browser, model)
    page.evaluate("x => portrait.hold(x)", inputs)

    page.evaluate("h => { portrait.use('map'); portrait.place(h, 40); }", start.tolist())
    found = np.array(page.evaluate("portrait.trajectory()"))
    step, expected = held(model.map_at, inputs), [start]
    for _ in range(40):
        expected.append(step(expected[-1]))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)

    page.evaluate("h => { portrait.clear(); portrait.use('flow'); portrait.place(h, 20); }", start.tolist())
    found = np.array(page.evaluate("portrait.trajectory()"))
    flow, times = held(model.field_at, inputs), model.config.dt * np.arange(21)
    solved = solve_ivp(lambda _, h: flow(h), (0, times[-1]), start, t_eval=times, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(found, solved.y.T, rtol=1e-4, atol=1e-4)
    page.close()


def test_a_pulse_is_given_for_its_length_and_then_the_held_input_returns(browser):
    model = made(model="gnode", hidden=(16,))
    page = open_portrait(browser, model)
    page.evaluate("() => { portrait.hold([0.1, 0.2]); portrait.place([0.3, 0.3], 5); portrait.pulse([1, -1]); }")
    found = np.array(page.evaluate("portrait.trajectory()"))
    state = np.array([0.3, 0.3])
    resting, pulsed = held(model.map_at, [0.1, 0.2]), held(model.map_at, [1, -1])
    for _ in range(5):
        state = resting(state)
    expected = [state]
    for at in range(30):
        expected.append((pulsed if at < 3 else resting)(expected[-1]))
    np.testing.assert_allclose(found[:31], expected, rtol=1e-4, atol=1e-4)
    page.close()


@pytest.mark.parametrize(
    ("size", "integrator"),
    [
        (2, "euler"),
        (3, "euler"),
        pytest.param(2, "exponential-euler", marks=pytest.mark.full),
        pytest.param(2, "tsit5", marks=pytest.mark.full),
    ],
)
def test_fixed_points_follow_the_input(browser, size, integrator):
    model = made(model="rnn", state_size=size, seed=5, integrator=integrator, dt=0.03)
    steep = eqx.tree_at(lambda m: m.field.drive.from_state.weight, model, 1.6 * np.eye(size, dtype=np.float32))
    page = open_portrait(browser, steep)
    seen = []
    for inputs in ([0.0, 0.0], [0.15, 0.1], [1.5, -1.5]):
        page.evaluate("x => portrait.hold(x)", inputs)
        points = page.evaluate("portrait.points.map(p => [...p.point, p.flow, p.map])")
        found = np.array([point[:size] for point in points])
        random = np.random.default_rng(0)
        truth = analysis.fixed_points(
            steep.field_at(np.asarray(inputs, np.float32)),
            starts=random.uniform(-2, 2, (200, size)),
            beside=steep.map_at(np.asarray(inputs, np.float32)),
        )
        distance = np.linalg.norm(found[:, None] - truth.points[None], axis=-1)
        assert distance.min(axis=0).max() < 1e-4
        assert distance.min(axis=1).max() < 1e-4
        names = [truth.flow_stability[at].split()[0] for at in distance.argmin(axis=1)]
        assert [point[size] for point in points] == [name.replace("saddle-focus", "saddle") for name in names]
        names = [truth.map_stability[at].split()[0] for at in distance.argmin(axis=1)]
        assert [point[size + 1] for point in points] == [name.replace("saddle-focus", "saddle") for name in names]
        seen.append(len(found))
    assert seen[0] > seen[-1]  # the strong input has merged most of them away
    page.close()


def test_keyboard_places_states_and_moves_the_input(browser):
    page = open_portrait(browser, made(model="gnode", hidden=(16,)))
    page.locator(".stage canvas").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    np.testing.assert_allclose(page.evaluate("portrait.trajectory()[0]"), [0.2, 0.1], atol=1e-9)
    page.locator(".pad").focus()
    page.keyboard.press("ArrowLeft")
    np.testing.assert_allclose(page.evaluate("portrait.input"), [-0.15, 0.0], atol=1e-9)
    page.get_by_role("button", name="Zero").click()
    assert page.evaluate("portrait.input") == [0, 0]
    page.get_by_role("button", name="Remove states").click()
    assert page.evaluate("portrait.trajectory()") == []
    page.close()


def test_sliders_hold_three_inputs(browser):
    page = open_portrait(browser, made(model="gnode", hidden=(16,), input_size=3))
    assert page.locator("input[type=range]").count() == 3
    page.locator("input[type=range]").nth(1).fill("0.75")
    np.testing.assert_allclose(page.evaluate("portrait.input"), [0, 0.75, 0], atol=1e-9)
    page.close()


class Odd(UngatedField):
    """A field of another form than the page knows, whose nets it would take for one that it does."""

    def __call__(self, state, inputs, dense=affine):
        return jnp.sin(super().__call__(state, inputs, dense))


@pytest.mark.parametrize("name", CASES)
def test_the_page_can_run_every_model_of_ours(name):
    assert why_not(made(**CASES[name])) is None


def test_what_the_page_cannot_run_is_left_out_and_said(monkeypatch):
    rule = Rule(RULES["euler"].advance, order=1, needs_leak=False, summary="a toy")
    monkeypatch.setitem(RULES, "toy", rule)
    monkeypatch.setitem(ACTIVATIONS, "cube", lambda x: x**3)
    plain = made(model="node", hidden=(4,))
    parts = {name: getattr(plain.field, name) for name in ("drive", "gain", "state_size", "input_size", "leak")}
    scaled = plain.encoding.fit_scaling(gnode.Series.of(np.random.default_rng(0).normal(size=(3, 4, 2))))
    for model, reason in (
        (made(model="rnn", integrator="toy"), "step rule toy"),
        (made(model="node", hidden=(4,), activation="cube"), "its activations"),
        (made(model="rnn", missing="hold-with-observed"), "its inputs"),
        (eqx.tree_at(lambda m: m.encoding, plain, scaled), "its inputs"),
        (eqx.tree_at(lambda m: m.field, plain, Odd(**parts)), "not of the form"),
        (eqx.tree_at(lambda m: m.field.drive, plain, lambda state, inputs: state), "not made of nets"),
    ):
        assert reason in why_not(model)
