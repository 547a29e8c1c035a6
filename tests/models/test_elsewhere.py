"""Models as functions of NumPy arrays, and as files: what they answer is what the model answers."""

import dataclasses
import json
import subprocess
import sys

import elsewhere
import equinox as eqx
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest

import gnode
from gnode.errors import InvalidInput
from gnode.fields import FIELDS, UngatedField
from gnode.integrate import RULES
from gnode.models import equations
from gnode.models.encoding import BEGINS, ELAPSED, MISSING
from gnode.models.initial import INITIAL_STATES
from gnode.models.reading import READINGS
from gnode.nn.activations import ACTIVATIONS
from gnode.nn.dense import affine


def close(found, wanted, part=1e-6):
    """Whether numbers are within a part of the largest of them."""
    wanted = np.asarray(wanted)
    return found.shape == wanted.shape and np.abs(found - wanted).max() <= part * np.abs(wanted).max()


def test_everything_that_is_registered_has_its_equations():
    for known, registry in (
        (equations.RULES, RULES),
        (equations.ACTIVATIONS, ACTIVATIONS),
        (equations.INITIAL_STATES, INITIAL_STATES),
        (equations.READINGS, READINGS),
        (equations.MISSING, MISSING),
        (equations.BEGINS, BEGINS),
    ):
        assert set(known) == set(registry)
    for key, registry in (
        ("activation", ACTIVATIONS),
        ("initial_state", INITIAL_STATES),
        ("reading", READINGS),
        ("begins", BEGINS),
        ("elapsed", ELAPSED),
        ("missing", MISSING),
    ):
        assert {options.get(key) for options in elsewhere.SETTINGS} >= set(registry)
    assert {model for model, _ in elsewhere.CASES} == set(FIELDS)


@pytest.mark.parametrize("case", range(len(elsewhere.CASES)))
def test_as_a_function_of_numpy_arrays_it_answers_alike(case):
    model, given = elsewhere.made(case), elsewhere.trials(case)
    network = model.to_numpy()
    found = network(**given)
    assert found.dtype == np.float32
    assert close(found, model(**given))


@pytest.mark.parametrize("case", [0, 4, 8, 14])
def test_its_states_and_its_steps_are_those_of_the_model(case):
    model, given = elsewhere.made(case), elsewhere.trials(case)
    network = model.to_numpy()
    assert close(network.states(**given), model.states(**given))
    seconds = np.diff(given["times"], axis=1, prepend=0)
    seconds[:, 0] = 0.02
    told = given.get("first_targets")
    here, outputs = network.begin(given["inputs"][1, 0], None if told is None else told[1]), []
    if model.config.reading == "mean":
        with pytest.raises(ValueError, match="one of the mean"):
            network.advance(here, given["inputs"][1, 0])
        return
    first = int(model.config.begins == "at-first")
    for sample, elapsed in zip(given["inputs"][1, first:], seconds[1, first:], strict=True):
        here, output = network.advance(here, sample, elapsed)
        outputs.append(output)
    whole = network(**given)[1]
    assert close(np.stack(outputs), whole[first:]) if whole.ndim == 2 else close(outputs[-1], whole)


def test_padding_acts_for_no_time():
    model = gnode.models.make("gru", input_size=2, state_size=3, output_size=1, elapsed="both", reading="mean", seed=1)
    ragged = [np.random.default_rng(n).standard_normal((n, 2)) for n in (4, 7)]
    padded, elapsed = np.full((2, 7, 2), np.nan), np.full((2, 7), 0.01)
    padded[0, :4], padded[1], elapsed[0, 4:] = ragged[0], ragged[1], 0
    assert close(model.to_numpy()(padded, elapsed=elapsed), model(gnode.Series.of(ragged)))


def test_a_file_runs_where_gnode_is_not(tmp_path):
    model, given = elsewhere.made(2), elsewhere.trials(2)
    path = gnode.models.export(model, tmp_path / "net.py", to="numpy")
    assert path.read_bytes() == gnode.models.export(model, tmp_path / "again.py").read_bytes()
    np.savez(tmp_path / "given.npz", **given)
    (tmp_path / "use.py").write_text(
        "import sys\n"
        "for absent in ('gnode', 'jax', 'equinox', 'torch'):\n"
        "    sys.modules[absent] = None\n"
        "import numpy as np\n"
        "from net import network\n"
        "np.save('found.npy', network(**np.load('given.npz')))\n"
        "print(network)\n"
    )
    done = subprocess.run([sys.executable, "use.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout.startswith("Network(gnode, N = 4, rk4")
    assert np.array_equal(np.load(tmp_path / "found.npy"), model.to_numpy()(**given))


@pytest.mark.parametrize("case", [pytest.param(1, marks=pytest.mark.full), 14])
def test_as_an_artefact_of_jax_it_answers_alike_on_any_number_of_trials_and_samples(case, tmp_path):
    model, given = elsewhere.made(case), elsewhere.trials(case)
    gnode.models.export(model, tmp_path / "net.jaxexport", to="jax")
    given = {key: value if key == "times" else value.astype("f4").astype(float) for key, value in given.items()}
    seconds = np.diff(given["times"], axis=1, prepend=0)
    seconds[:, 0] = model.config.dt
    told = [given["first_targets"]] if model.is_told else []
    arrays = [np.asarray(array, "f4") for array in (given["inputs"], seconds, *told)]
    np.savez(tmp_path / "given.npz", *arrays)
    (tmp_path / "use.py").write_text(
        "import sys\n"
        "sys.modules['gnode'] = sys.modules['equinox'] = None\n"
        "import jax, jax.export, numpy as np\n"
        "given = list(np.load('given.npz').values())\n"
        "network = jax.export.deserialize(bytearray(open('net.jaxexport', 'rb').read())).call\n"
        "few = [given[0][:2, :6], given[1][:2, :6], *(one[:2] for one in given[2:])]\n"
        "slope = jax.grad(lambda x: network(x, *few[1:]).sum())(few[0])\n"
        "np.savez('found.npz', all=network(*given), few=network(*few), slope=slope)\n"
    )
    done = subprocess.run([sys.executable, "use.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "found.npz")
    assert close(found["all"], model(**given))
    few = {key: value[:2] if key == "first_targets" else value[:2, :6] for key, value in given.items()}
    assert close(found["few"], model(**few))
    assert np.isfinite(found["slope"]).all() and found["slope"].any()


@pytest.mark.parametrize(
    "case", [n if n in (2, 7, 9, 13) else pytest.param(n, marks=pytest.mark.full) for n in range(len(elsewhere.CASES))]
)
def test_as_a_graph_of_onnx_it_answers_alike_on_any_number_of_trials_and_samples(case, tmp_path):
    model, given = elsewhere.made(case), elsewhere.trials(case)
    path = gnode.models.export(model, tmp_path / "net.onnx", to="onnx")
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path)
    elapsed = np.diff(given.pop("times"), axis=1, prepend=0)
    elapsed[:, 0], elapsed[0, 6:] = model.config.dt, 0
    given = {name: array.astype("f4") for name, array in (given | {"elapsed": elapsed}).items()}
    for count, length in ((5, 9), (3, 9), (4, 2)):
        few = {
            name: array[:count] if name == "first_targets" else array[:count, :length] for name, array in given.items()
        }
        assert close(session.run(None, few)[0], model.to_numpy()(**few), part=3e-6)  # a mean is smaller than its terms


def test_short_steps_keep_their_digits_as_a_graph(tmp_path):
    """What a step of a millionth moves is found from exp(x) - 1, which in float32 would have one digit."""
    model = gnode.models.make(
        "gnode",
        input_size=1,
        state_size=2,
        output_size=2,
        hidden=(4,),
        integrator="exponential-euler",
        dt=1e-7,
        tau=0.1,
        initial_state="learned",
    )
    at_rest = [jnp.zeros(2), jnp.zeros(2)]
    model = eqx.tree_at(lambda tree: [tree.initial.value, tree.readout.layers[0].bias], model, at_rest)
    inputs, elapsed = np.ones((1, 1, 1), "f4"), np.full((1, 1), 1e-7, "f4")
    path = gnode.models.export(model, tmp_path / "net.onnx", to="onnx")
    assert path.read_bytes() == gnode.models.export(model, tmp_path / "again.onnx", to="onnx").read_bytes()
    found = onnxruntime.InferenceSession(path).run(None, {"inputs": inputs, "elapsed": elapsed})[0]
    wanted = model.to_numpy()(inputs, elapsed=elapsed)
    assert close(found, wanted) and 0 < np.abs(wanted).max() < 1e-5


class Odd(UngatedField):
    """A field of another form, which its nets do not show."""

    def __call__(self, state, inputs, dense=affine):
        return jnp.sin(super().__call__(state, inputs, dense))


def test_what_cannot_go_elsewhere_is_refused():
    sizes = dict(input_size=2, state_size=2, output_size=1)
    plain = gnode.models.make("node", hidden=(4,), **sizes)
    parts = {name: getattr(plain.field, name) for name in ("drive", "gain", "state_size", "input_size", "leak")}
    for model, words in (
        (gnode.models.make("rnn", integrator="tsit5", **sizes), 'a solver of Diffrax.*under\\(model, "rk4"\\)'),
        (gnode.models.make("rnn", events=2, **sizes), "without events"),
        (eqx.tree_at(lambda tree: tree.field, plain, Odd(**parts)), "to go elsewhere, instead got Odd"),
        (eqx.filter_vmap(lambda seed: plain)(jnp.arange(3)), "one model, instead got several"),
    ):
        with pytest.raises(InvalidInput, match=words):
            model.to_numpy()
    with pytest.raises(InvalidInput, match=r"ends in \.py"):
        gnode.models.export(plain, "net.txt")
    with pytest.raises(InvalidInput, match=r"ends in \.jaxexport"):
        gnode.models.export(plain, "net.py", to="jax")
    with pytest.raises(InvalidInput, match="Diffrax"):
        gnode.models.export(gnode.models.under(plain, "tsit5"), "net.jaxexport", to="jax")
    with pytest.raises(InvalidInput, match="Did you mean 'numpy'"):
        gnode.models.export(plain, "net.py", to="nunpy")


@pytest.mark.parametrize(("to", "absent"), [("jax", "flatbuffers"), ("onnx", "spox")])
def test_without_its_package_a_file_is_not_written_and_what_to_install_is_said(to, absent, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, absent, None)
    monkeypatch.delitem(sys.modules, "gnode.models.onnx_graph", raising=False)
    path = tmp_path / ("net.onnx" if to == "onnx" else "net.jaxexport")
    model = gnode.models.make("rnn", input_size=2, state_size=2, output_size=1)
    with pytest.raises(InvalidInput, match=rf"{absent}.*instead got a Python without.*pip install 'gnode\[export\]'"):
        gnode.models.export(model, path, to=to)
    assert not path.exists()


def test_wrong_inputs_are_refused_in_a_line():
    network = gnode.models.make("rnn", input_size=2, state_size=2, output_size=1).to_numpy()
    x = np.zeros((3, 4, 2))
    hole = np.where(np.arange(4)[:, None] == 2, np.nan, x)
    for given, words in (
        (dict(inputs=x[0]), r"\(trials, time, 2\)"),
        (dict(inputs=x[..., :1]), r"\(trials, time, 2\)"),
        (dict(inputs=hole), "a missing one"),
        (dict(inputs=x + np.inf), "infinity"),
        (dict(inputs=x, times=[1, 2, 2, 3]), "increase"),
        (dict(inputs=x, times=[1, 2, 3]), "seconds of shape"),
        (dict(inputs=x, elapsed=[1, 0, 1, 1]), "at the end of a trial"),
        (dict(inputs=x, elapsed=[0, 1, 1, 1]), "above 0 at the first"),
        (dict(inputs=x, elapsed=np.ones(4), times=np.ones(4)), "both"),
        (dict(inputs=x, first_targets=np.zeros((3, 1))), "never reads"),
    ):
        with pytest.raises(ValueError, match=words):
            network(**given)


@pytest.mark.parametrize("seconds", [1e-9, 1e9])
def test_any_unit_of_time(seconds):
    model = gnode.models.make(
        "gnode", input_size=1, state_size=2, output_size=1, hidden=(4,), dt=seconds, tau=3 * seconds, elapsed="both"
    )
    x = np.random.default_rng(0).standard_normal((2, 6, 1)).astype("f4")
    times = seconds * np.cumsum(np.random.default_rng(1).uniform(0.5, 2, 6))
    assert close(model.to_numpy()(x, times=times), model(x, times=times))


def test_weights_are_copied():
    model = gnode.models.make("rnn", input_size=1, state_size=2, output_size=1)
    network = model.to_numpy()
    description = json.loads(json.dumps(network.description))  # plain data
    arrays = {name: array.copy() for name, array in network.arrays.items()}
    x = np.ones((1, 3, 1))
    assert np.array_equal(equations.Network(description, arrays)(x), network(x))
    other = dataclasses.replace(model, encoding=model.encoding.fit_scaling(gnode.Series.of(10 + x)))
    assert not np.array_equal(other.to_numpy()(x), network(x))
