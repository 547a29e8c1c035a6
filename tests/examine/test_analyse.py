"""`analyse` on networks of one, two, three and six units."""

import dataclasses
import json

import numpy as np
import pytest

from gnode.examine import analyse
from gnode.examine.content import content_of
from gnode.examine.stored import read_stored
from gnode.report import report
from gnode.report.page import between


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "task", "options"),
    [
        pytest.param(1, "variable-amplitude", {"bits": 1}, marks=pytest.mark.full),
        (3, "ring", {}),
        pytest.param(6, "variable-amplitude", {"bits": 3}, marks=pytest.mark.full),
        pytest.param(2, "copy", {}, marks=pytest.mark.full),
    ],
)
def test_analyse_writes_what_the_size_allows(make_run, tmp_path, size, task, options):
    folder = make_run(tmp_path / "run", task, size=size, epochs=2, **options)
    preview = content_of(folder)
    numbers = json.loads(analyse(folder).read_text(), parse_constant=pytest.fail)
    remembers = task != "copy"
    assert ("attractors" in numbers) == remembers
    assert ("saddles" in numbers) == (size == 2)
    stored = read_stored(folder)
    assert stored.fixed_points.points.shape[1] == size
    for searched, kept in (
        (preview.fixed_points, stored.fixed_points),
        (preview.slow_points, stored.slow_points),
    ):
        assert searched.starts == kept.starts
        np.testing.assert_array_equal(searched.points, kept.points)
    assert np.isfinite(stored["lyapunov/map/exponents"]).all()
    for name in ("x", "y", "velocity", "speed"):  # what the report draws can be read from the file
        np.testing.assert_array_equal(stored[f"plane/{name}"], getattr(preview.flow, name))
    assert ("memory" in numbers) == ("trajectories" in numbers) == remembers
    if remembers:
        for field in dataclasses.fields(stored.memory):
            np.testing.assert_array_equal(getattr(stored.memory, field.name), getattr(preview.memory, field.name))
        np.testing.assert_array_equal(stored["trajectories/states"], preview.traces[1])
    if remembers:
        assert [facts["silence"] for facts in numbers["attractors"]] == [100, 1000, 10_000]
        assert [facts["epoch"] for facts in numbers["birth"]] == [2]
    page = report([folder]).read_text()
    assert page.count(f"from {stored.fixed_points.starts} starts") >= 3  # the tile and two captions
    assert ("The attractor, at three time scales" in page) == remembers
    assert between(numbers["lyapunov"]["map"]["kaplan_yorke_interval"]) in page
    for facts in numbers["attractors"] if remembers else []:
        assert set(facts["intervals"]) == {"drift", "half_life", *facts["dimensions"]}
        assert between(facts["intervals"]["drift"]).startswith(" [")
        assert between(facts["intervals"]["drift"]) in page
    assert ('<div class="portrait">' in page) == (size in (2, 3))
