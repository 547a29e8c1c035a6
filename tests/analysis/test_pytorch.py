"""PyTorch functions through the door: `make test-torch` runs these in an environment that has it."""

import numpy as np
import pytest

from gnode import analysis
from gnode.errors import InvalidInput

torch = pytest.importorskip("torch", reason="PyTorch is no dependency; `make test-torch` runs this")
torch.set_num_threads(1)

BOX = ([-1.1, -1.1], [1.1, 1.1])
WIDE = ([-4.0, -4.0], [4.0, 4.0])


def cell_of_two_wells():
    """h' = (h + tanh(1.5 h)) / 2 in each unit: +-0.85856 attract, 0 repels."""
    cell = torch.nn.GRUCell(2, 2, bias=False)
    cell.weight_ih.data.zero_()
    cell.weight_hh.data.zero_()
    cell.weight_hh.data[4:] = 3 * torch.eye(2)
    return cell


def test_a_recurrent_cell_is_called_without_input():
    cell = cell_of_two_wells()
    found = analysis.fixed_points(cell, kind="map", bounds=BOX, count=64)
    by_hand = analysis.fixed_points(lambda h: cell(torch.zeros_like(h), h), kind="map", bounds=BOX, count=64)
    for one in (found, by_hand, analysis.fixed_points(cell, bounds=BOX, count=64)):
        assert one.kind == "map"
        side = 0.8585596
        assert np.allclose(one.points, [[x, y] for x in (-side, 0, side) for y in (-side, 0, side)], atol=1e-5)
        assert one.stability.count("stable node") == 4
        assert one.stability.count("saddle") == 4
    assert any("without input" in line for line in found.checks)
    with pytest.raises(InvalidInput, match="kind = 'map'"):
        analysis.fixed_points(cell, kind="flow", bounds=BOX)


def test_a_plain_recurrent_cell():
    cell = torch.nn.RNNCell(3, 2, bias=False)
    cell.weight_hh.data = 2 * torch.eye(2)
    found = analysis.fixed_points(cell, bounds=BOX, count=64)
    assert len(found) == 9


class Needs(torch.nn.Module):
    def forward(self, time, state):
        return -state


class Hides(torch.nn.Module):
    def forward(self, x, hidden=None):
        return x if hidden is None else hidden


class Pair(torch.nn.Module):
    def forward(self, h):
        return h, h


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (torch.nn.GRU(2, 2), r"torch\.nn\.GRU, which takes an input.*analysis\.torch_map\(module, inputs=0\)"),
        (torch.nn.RNN(2, 2), r"torch\.nn\.RNN, which takes an input"),
        (torch.nn.LSTM(2, 2), r"torch\.nn\.LSTM, .*torch_map"),
        (torch.nn.LSTMCell(2, 2), r"torch\.nn\.LSTMCell.*torch_map"),
        (torch.nn.GRUCell(2, 3), "the cell's 3 units, instead got states of 2"),
        (torch.nn.Linear(3, 3), r"takes an array of shape \(batch, N\)"),
        (Needs(), r"state alone.*instead got one of time, state.*lambda h: f\(time=\.\.\., h\)"),
        (Hides(), "state alone"),
        (Pair(), "one tensor of shape"),
        (lambda h: (h, h), "instead got"),
        (lambda h: torch.nn.functional.dropout(h, 0.5, training=True), "deterministic"),
    ],
)
def test_what_does_not_fit_is_one_sentence(module, message):
    with pytest.raises(InvalidInput, match=message) as raised:
        analysis.fixed_points(module, kind="map", bounds=BOX, count=8)
    assert "\n" not in str(raised.value)


class InsideFloat32(torch.nn.Module):
    """Makes its own input, in float32."""

    def __init__(self):
        super().__init__()
        self.cell = cell_of_two_wells()

    def forward(self, h):
        return self.cell(torch.zeros(len(h), 2), h)


class NotALeaf(torch.nn.Module):
    """Holds a tensor that PyTorch refuses to copy."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(2))
        self.product = self.scale * 1.5

    def forward(self, h):
        return torch.tanh(h * self.product)


def test_modules_that_cannot_be_doubled_or_copied():
    found = analysis.fixed_points(InsideFloat32(), kind="map", bounds=BOX, count=64)
    assert len(found) == 9
    assert any("float32" in line for line in found.checks)
    module = NotALeaf()
    with pytest.raises(InvalidInput, match="evaluation mode"):
        analysis.fixed_points(module, kind="map", bounds=BOX, count=64)
    found = analysis.fixed_points(module.eval(), kind="map", bounds=BOX, count=64)
    assert len(found) == 9


def test_modules_are_left_as_they_were():
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.5), torch.nn.Tanh())
    analysis.fixed_points(module, kind="map", bounds=BOX, count=8)
    assert module.training
    assert module[0].weight.dtype == torch.float32


def test_batch_normalisation_in_training_mode_is_refused():
    for seed in range(3):
        torch.manual_seed(seed)
        net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
        with pytest.raises(InvalidInput, match=r"eval\(\)|rows do not influence|deterministic"):
            analysis.fixed_points(lambda h, net=net: net(h.float()), kind="map", bounds=BOX, count=8)
        analysis.fixed_points(net, kind="map", bounds=BOX, count=8)  # passed as it is, a copy is put in evaluation mode


@torch.no_grad()
def without_graph(h):
    return -h + 2 * torch.tanh(h)


@pytest.mark.parametrize(
    "f",
    [
        without_graph,
        lambda h: -h + 2 * torch.tanh(h.detach()),
        lambda h: -h + 2 * torch.tensor(np.tanh(h.detach().numpy())),
        lambda h: (-h + 2 * torch.tanh(h)).detach(),
    ],
)
def test_a_cut_graph_is_replaced_by_differences(f):
    found = analysis.fixed_points(f, bounds=([-4.0], [4.0]), count=64)
    assert np.allclose(found.points.ravel(), [-1.9150080481545, 0, 1.9150080481545], atol=1e-6)
    assert found.stability == ["stable node", "unstable node", "stable node"]
    assert found.jacobian_method == "finite differences"
    assert found.unfinished == 0


def test_writing_in_place():
    def f(h):
        h *= 0.5
        return h + 0.5

    found = analysis.fixed_points(f, kind="map", bounds=WIDE, count=16)
    assert np.allclose(found.points, 1, atol=1e-8)


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_units(unit):
    f = lambda h: unit * (-h / unit + 2 * torch.tanh(h / unit))  # noqa: E731
    found = analysis.fixed_points(f, bounds=([-4.0 * unit], [4.0 * unit]), count=64)
    assert np.allclose(found.points.ravel() / unit, [-1.9150080481545, 0, 1.9150080481545], atol=1e-7)


def test_relu_on_its_kink():
    found = analysis.fixed_points(lambda h: -h + 2 * torch.relu(h), bounds=([-1.0], [1.0]))
    assert found.stability == ["undecided, on a kink: stable node or unstable node"]


def test_scripted_modules_and_other_analyses():
    scripted = torch.jit.script(torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)))
    assert analysis.fixed_points(scripted, bounds=WIDE, count=32).framework == "torch"
    f = lambda h: torch.stack([h[:, 0] - h[:, 0] ** 3, -h[:, 1]], 1)  # noqa: E731
    assert len(analysis.slow_points(f, bounds=([-2.0, -2.0], [2.0, 2.0]), count=50)) >= 3
    assert len(analysis.nullclines(f, ([-2.0, -2.0], [2.0, 2.0]), resolution=21).curves[0]) == 3
    exponents = analysis.lyapunov_exponents(f, [[0.5, 0.1]], duration=60.0)
    assert np.allclose(exponents.exponents, [-1, -2], atol=0.1)
    basins = analysis.basins(f, bounds=([-2.0, -2.0], [2.0, 2.0]), count=50)
    assert len(basins.attractors) == 2
