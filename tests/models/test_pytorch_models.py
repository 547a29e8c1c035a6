"""Models as modules of PyTorch: `make test-torch` runs these in an environment that has it."""

import subprocess
import sys

import elsewhere
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gnode
from gnode.errors import InvalidInput
from gnode.models.model import trainable
from gnode.models.names import named_leaves


def test_without_pytorch_a_pytorch_module_is_refused_in_a_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InvalidInput, match=r"Must have PyTorch .* python -m pip install torch"):
        gnode.models.make("rnn", input_size=1, state_size=2, output_size=1).to_torch()


def given_to(torch, given):
    return {name: torch.tensor(values) if name != "times" else values for name, values in given.items()}


@pytest.mark.parametrize("case", range(len(elsewhere.CASES)))
def test_a_pytorch_module_answers_and_has_gradients_alike(case):
    torch = pytest.importorskip("torch", reason="PyTorch is no dependency; `make test-torch` runs this")
    model, given = elsewhere.made(case), elsewhere.trials(case)
    module = model.to_torch()
    found, wanted = module(**given_to(torch, given)), np.asarray(model(**given))
    assert np.abs(found.detach().numpy() - wanted).max() <= 1e-6 * np.abs(wanted).max()
    weights = np.random.default_rng(0).standard_normal(wanted.shape) / np.abs(wanted).max()
    (found * torch.tensor(weights)).sum().backward()
    free, rest = eqx.partition(model, trainable(model))
    gradients = named_leaves(jax.jit(jax.grad(lambda free: jnp.sum(eqx.combine(free, rest)(**given) * weights)))(free))
    parameters = dict(module.named_parameters())
    assert gradients.keys() == parameters.keys()
    for name, wanted in gradients.items():
        got = parameters[name].grad
        got = torch.zeros(wanted.shape) if got is None else got
        assert np.abs(got.numpy() - wanted).max() <= 1e-4 * max(np.abs(wanted).max(), 1e-3), name


def test_a_pytorch_module_is_trained_on_and_its_weights_are_copies():
    torch = pytest.importorskip("torch", reason="PyTorch is no dependency; `make test-torch` runs this")
    task = gnode.tasks.make("ring", bins=8)
    model = gnode.models.make("gnode", input_size=2, state_size=2, output_size=2, hidden=(8,), seed=0)
    before = np.asarray(model(task.sample(5, seed=0).inputs))
    module, trials = model.to_torch(), task.sample(40, seed=1)
    inputs, targets = torch.tensor(trials.inputs), torch.tensor(trials.targets)
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        optimiser.zero_grad()
        loss = ((module(inputs) - targets) ** 2).mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert np.array_equal(before, np.asarray(model(task.sample(5, seed=0).inputs)))
    again = model.to_torch()
    again.load_state_dict(module.state_dict())
    assert torch.equal(again(inputs), module(inputs))
    assert module.double()(inputs).dtype == torch.float64


def test_a_pytorch_file_runs_where_gnode_is_not(tmp_path):
    pytest.importorskip("torch", reason="PyTorch is no dependency; `make test-torch` runs this")
    model, given = elsewhere.made(3), elsewhere.trials(3)
    gnode.models.export(model, tmp_path / "net.py", to="torch")
    np.savez(tmp_path / "given.npz", **given)
    (tmp_path / "use.py").write_text(
        "import sys\n"
        "for absent in ('gnode', 'jax', 'equinox'):\n"
        "    sys.modules[absent] = None\n"
        "import numpy as np, torch\n"
        "from net import network\n"
        "given = np.load('given.npz')\n"
        "found = network(torch.tensor(given['inputs']), torch.tensor(given['first_targets']), times=given['times'])\n"
        "np.save('found.npy', found.detach().numpy())\n"
        "assert isinstance(network, torch.nn.Module)\n"
    )
    done = subprocess.run([sys.executable, "use.py"], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.stderr == ""
    wanted = np.asarray(model(**given))
    assert np.abs(np.load(tmp_path / "found.npy") - wanted).max() <= 1e-6 * np.abs(wanted).max()


def test_wrong_inputs_of_a_pytorch_module_are_refused_in_a_line():
    torch = pytest.importorskip("torch", reason="PyTorch is no dependency; `make test-torch` runs this")
    module = gnode.models.make("rnn", input_size=2, state_size=2, output_size=1).to_torch()
    x = torch.zeros(3, 4, 2)
    for inputs, words in ((x[0], "trials, time, 2"), (x + torch.nan, "a missing one"), (x + torch.inf, "infinity")):
        with pytest.raises(ValueError, match=words):
            module(inputs)
