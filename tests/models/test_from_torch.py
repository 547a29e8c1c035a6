"""Recurrent layers of PyTorch as models of ours. State dicts may hold NumPy arrays, so most of it needs no PyTorch."""

import elsewhere
import numpy as np
import pytest

from gnode.errors import InvalidInput
from gnode.models import from_torch, make, with_weights
from gnode.models.names import named_leaves


def layer(gates, inputs=3, size=4, seed=0):
    """The state dict of a layer, drawn as PyTorch does."""
    random, rows = np.random.default_rng(seed), gates * size
    shapes = {"weight_ih_l0": (rows, inputs), "weight_hh_l0": (rows, size), "bias_ih_l0": rows, "bias_hh_l0": rows}
    return {name: random.uniform(-1, 1, shape).astype("f4") for name, shape in shapes.items()}


def agreeing_gru(seed=0):
    """One whose reset gate may as well act before the recurrent weights."""
    weights = layer(3, seed=seed)
    weights["weight_hh_l0"][8:] = np.diag(np.diag(weights["weight_hh_l0"][8:]))
    weights["bias_hh_l0"][8:] = 0
    return weights


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def outputs_of(weights, inputs, nonlinearity=np.tanh):
    """What PyTorch's documentation says that a layer gives, in float64."""
    w, u, b, c = (weights[name].astype(float) for name in weights)
    h, found = np.zeros((len(inputs), u.shape[1])), []
    for x in np.swapaxes(inputs, 0, 1):
        if len(u) == u.shape[1]:
            h = nonlinearity(x @ w.T + b + h @ u.T + c)
        else:
            (r, z, n), (hr, hz, hn) = np.split(x @ w.T + b, 3, axis=-1), np.split(h @ u.T + c, 3, axis=-1)
            keep = sigmoid(z + hz)
            h = (1 - keep) * np.tanh(n + sigmoid(r + hr) * hn) + keep * h
        found.append(h)
    return np.stack(found, axis=1)


X = np.random.default_rng(5).standard_normal((6, 12, 3))


@pytest.mark.parametrize("seed", range(3))
def test_an_rnn_gives_the_same_outputs(seed):
    weights = layer(1, seed=seed)
    assert np.allclose(from_torch(weights)(X), outputs_of(weights, X), rtol=0, atol=1e-6)
    relu = {name: 0.4 * array for name, array in weights.items()}
    found = from_torch(relu, nonlinearity="relu")(X)
    assert np.allclose(found, outputs_of(relu, X, lambda x: np.maximum(x, 0)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_a_gru_gives_the_same_outputs_where_its_equations_are_ours(seed):
    weights = agreeing_gru(seed)
    model = from_torch({f"net.gru.{name}": array for name, array in weights.items()})
    assert np.allclose(model(X), outputs_of(weights, X), rtol=0, atol=1e-6)
    assert (model.config.model, model.config.dt) == ("gru", model.config.tau)


def test_a_readout_goes_with_it():
    random, weights = np.random.default_rng(0), layer(1)
    linear = {"weight": random.standard_normal((2, 4)), "bias": random.standard_normal(2)}
    wanted = outputs_of(weights, X) @ linear["weight"].T + linear["bias"]
    model = from_torch(weights, linear, dt=0.02)
    assert np.allclose(model(X), wanted, rtol=0, atol=2e-6)
    assert model.config.dt == 0.02
    without = from_torch(weights, {"weight": linear["weight"]})
    assert np.allclose(without(X), wanted - linear["bias"], rtol=0, atol=2e-6)


def test_what_has_other_equations_is_refused_with_the_reason():
    unlike, square = layer(3), layer(1)
    for source, words in (
        (unlike, r"reset gate acts before .* torch\.nn\.GRU, which applies it behind them.*torch_map"),
        (layer(4), "an LSTM, whose equations no field"),
        (square | {"weight_hh_l1": np.zeros((4, 4))}, "one with weight_hh_l1"),
        (square | {"weight_ih_l0_reverse": np.zeros((4, 3))}, "one direction"),
        (square | {"linear.weight": np.zeros((4, 3))}, "hand in the layer itself"),
        ({"weight_ih_l0": np.zeros((4, 3))}, "recurrent layer"),
        (square | {"weight_hh_l0": np.zeros((5, 4))}, "one recurrent layer"),
        (square | {"weight_hh_l0": np.full((4, 4), np.nan)}, "finite numbers"),
        (object(), "instead got no weights"),
    ):
        with pytest.raises(InvalidInput, match=words):
            from_torch(source)
    with pytest.raises(InvalidInput, match="Linear of 4 inputs"):
        from_torch(square, {"weight": np.zeros((2, 3))})
    with pytest.raises(InvalidInput, match="a nonlinearity out of relu, tanh"):
        from_torch(square, nonlinearity="gelu")
    with pytest.raises(InvalidInput, match="dt"):
        from_torch(square, dt=0)


def test_weights_come_back():
    for case in (0, 6, 7):  # two of the latter are leaky nODEs, whose rates are a net without weights elsewhere
        model = elsewhere.made(case)
        arrays = {name: array + np.float32(0.5) for name, array in model.to_numpy().arrays.items()}
        back = with_weights(model, arrays)
        for name, leaf in named_leaves(back).items():
            if name in arrays:
                assert np.array_equal(leaf, arrays[name])
    other = make("rnn", input_size=1, state_size=1, output_size=1)
    with pytest.raises(InvalidInput, match=r"name of an array .*Did you mean 'field.drive.from_state.weight'"):
        with_weights(other, {"field.drive.from_state.wieght": np.zeros((1, 1))})
    with pytest.raises(InvalidInput, match="finite numbers of shape"):
        with_weights(other, {"initial.net.layers.0.bias": np.zeros(3)})


@pytest.mark.parametrize("name", ["RNN", "RNNCell", "GRU", "GRUCell"])
def test_a_pytorch_module_gives_the_same_outputs(name):
    torch = pytest.importorskip("torch", reason="PyTorch is no dependency; `make test-torch` runs this")
    options = {"nonlinearity": "relu"} if name.startswith("RNN") else {}
    module = getattr(torch.nn, name)(3, 4, **options)
    if name.startswith("GRU"):
        arrays = agreeing_gru().values()
        for parameter, array in zip(module.parameters(), arrays, strict=True):
            parameter.data = torch.tensor(array)
    linear, inputs = torch.nn.Linear(4, 2), torch.tensor(X, dtype=torch.float32)
    if name.endswith("Cell"):
        states = [torch.zeros(6, 4)]
        for sample in inputs.unbind(1):
            states.append(module(sample, states[-1]))
        found = torch.stack(states[1:], 1)
    else:
        found = module(inputs.transpose(0, 1))[0].transpose(0, 1)
    wanted = linear(found).detach().numpy()
    assert np.allclose(from_torch(module, linear)(X), wanted, rtol=0, atol=1e-6 * np.abs(wanted).max())
