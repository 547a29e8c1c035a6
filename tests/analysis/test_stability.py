"""The names of fixed points, where eigenvalues and what they may be off by are written down."""

import numpy as np
import pytest

from gnode.analysis.stability import growing_directions, stability

OFF = 0.1


@pytest.mark.parametrize(
    ("eigenvalues", "kind", "name", "growing"),
    [
        ([-1, -2], "flow", "stable node", 0),
        ([1, 2], "flow", "unstable node", 2),
        ([1, -1], "flow", "saddle", 1),
        ([-1 + 1j, -1 - 1j], "flow", "stable focus", 0),
        ([1 + 1j, 1 - 1j], "flow", "unstable focus", 2),
        ([1, -1 + 1j, -1 - 1j], "flow", "saddle-focus", 1),
        ([1j, -1j], "flow", "center", 0),
        ([0.05, -1], "flow", "marginal", 0),
        ([0.05, 1], "flow", "unstable, marginal", 1),
        ([1j, -1j, -1], "flow", "marginal", 0),  # a pair alone would be a centre
        ([-1 + 0.05j, -1 - 0.05j], "flow", "stable node", 0),  # whether it turns is within the error
        ([0.1, -1], "flow", "marginal", 0),  # as large as the error is not beyond it
        ([0.1001, -1], "flow", "saddle", 1),
        ([-0.1001, -1], "flow", "stable node", 0),
        ([0.5, -0.5], "map", "stable node", 0),
        ([1.5, 0.5], "map", "saddle", 1),
        ([-1.5, -2], "map", "unstable node", 2),
        ([1.05, 0.5], "map", "marginal", 0),
        ([np.nan, -1], "flow", "not known", 0),
        ([np.inf, -1], "flow", "not known", 1),
    ],
)
def test_a_name_for_each_spectrum(eigenvalues, kind, name, growing):
    values = np.array([eigenvalues], complex)
    margins = np.full(values.shape, OFF)
    assert stability(values, margins, kind) == [name]
    assert growing_directions(values, margins, kind) == [growing]
