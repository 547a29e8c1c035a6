"""Layers of PyTorch under a held input as maps: `make test-torch` runs these in an environment that has it."""

import numpy as np
import pytest

from gnode import analysis
from gnode.errors import InvalidInput

torch = pytest.importorskip("torch", reason="PyTorch is no dependency; `make test-torch` runs this")
torch.set_num_threads(1)

LAYERS = ("GRU", "RNN", "LSTM", "GRUCell", "RNNCell", "LSTMCell")


def layer_of(name, inputs=3, size=4, **options):
    torch.manual_seed(1)
    return getattr(torch.nn, name)(inputs, size, **options)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(module, inputs, states):
    """One step by the equations in PyTorch's documentation, in NumPy."""
    weights = {name.removesuffix("_l0"): value.detach().double().numpy() for name, value in module.named_parameters()}
    name, size = type(module).__name__.removesuffix("Cell"), module.hidden_size
    h, c = states[:, :size], states[:, size:]
    from_input = inputs @ weights["weight_ih"].T + weights["bias_ih"]
    from_state = h @ weights["weight_hh"].T + weights["bias_hh"]
    if name == "RNN":
        return np.tanh(from_input + from_state)
    gates = {"GRU": 3, "LSTM": 4}[name]
    x, y = np.split(from_input, gates, axis=-1), np.split(from_state, gates, axis=-1)
    if name == "GRU":
        reset, update = sigmoid(x[0] + y[0]), sigmoid(x[1] + y[1])
        return (1 - update) * np.tanh(x[2] + reset * y[2]) + update * h
    keep = sigmoid(x[1] + y[1]) * c + sigmoid(x[0] + y[0]) * np.tanh(x[2] + y[2])
    return np.concatenate([sigmoid(x[3] + y[3]) * np.tanh(keep), keep], axis=1)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("options", [{}, {"batch_first": True}])
def test_a_layer_as_a_pytorch_map_is_its_equations(name, options):
    module = layer_of(name, **({} if name.endswith("Cell") else options))
    inputs = np.array([0.5, -1.0, 2.0])
    step = analysis.torch_map(module, inputs=inputs)
    states = np.random.default_rng(0).standard_normal((5, step.state_size))
    found = step(torch.tensor(states))
    assert step.kind == "map" and found.dtype == torch.float64
    assert step.state_size == (8 if name.startswith("LSTM") else 4)
    assert np.allclose(found.detach().numpy(), by_hand(module, inputs, states), atol=1e-12)
    assert next(module.parameters()).dtype == torch.float32


def test_fixed_points_of_a_pytorch_gru():
    gru = layer_of("GRU", 2, 2, bias=False)
    gru.weight_hh_l0.data.zero_()
    gru.weight_hh_l0.data[4:] = 3 * torch.eye(2)  # h' = (h + tanh(1.5 h)) / 2 in each unit
    states = np.random.default_rng(0).uniform(-1.1, 1.1, (64, 2))
    found = analysis.fixed_points(analysis.torch_map(gru, inputs=0), starts=states)
    side = 0.8585596
    assert (found.kind, found.framework, found.jacobian_method) == ("map", "torch", "autodiff")
    assert np.allclose(found.points, [[x, y] for x in (-side, 0, side) for y in (-side, 0, side)], atol=1e-6)
    assert found.stability.count("stable node") == 4
    assert found.tolerance < 1e-9  # of float64
    attractor = analysis.attractor(analysis.torch_map(gru), states=states, silence=200)
    assert attractor.kind == "discrete, 4 points"


def test_the_pytorch_map_of_an_lstm_rests_where_both_of_its_states_do():
    lstm = layer_of("LSTM", 1, 2)
    step = analysis.torch_map(lstm, inputs=[0.3])
    found = analysis.fixed_points(step, starts=np.random.default_rng(0).standard_normal((50, 4)))
    assert len(found) >= 1
    assert np.allclose(by_hand(lstm, np.array([0.3]), found.points), found.points, atol=1e-9)


def test_what_is_no_pytorch_map_of_one_state_is_refused():
    for module, words in (
        (layer_of("GRU", num_layers=2), "one layer in one direction, instead got 2 layers"),
        (layer_of("RNN", bidirectional=True), "both directions"),
        (layer_of("LSTM", proj_size=2), "projections"),
        (torch.nn.Linear(2, 2), "instead got Linear.*as it is"),
        (lambda h: h, "instead got function"),
    ):
        with pytest.raises(InvalidInput, match=words):
            analysis.torch_map(module)
    for inputs in ([1.0, 2.0], np.nan, "none", [[0.0, 0.0, 0.0]]):
        with pytest.raises(InvalidInput, match="inputs"):
            analysis.torch_map(layer_of("GRU"), inputs=inputs)
    with pytest.raises(InvalidInput, match="states of 4 numbers"):
        analysis.fixed_points(analysis.torch_map(layer_of("GRU")), starts=np.zeros((5, 3)))
