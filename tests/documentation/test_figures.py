"""The figures of the concepts are those that their script makes, small, and each stands on a page."""

import importlib.util
import re

import pytest
from blocks import ROOT

CONCEPTS = ROOT / "docs" / "concepts"
spec = importlib.util.spec_from_file_location("figures_of_concepts", CONCEPTS / "figures.py")
figures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(figures)


@pytest.mark.parametrize("name", figures.FIGURES)
def test_a_figure_is_what_the_script_makes(name):
    kept = (CONCEPTS / "figures" / f"{name}.html").read_text()
    assert len(kept) < 200_000

    number = re.compile(r"-?\d+\.\d+")
    made = figures.html(name)
    assert number.sub("", made) == number.sub("", kept)
    # Rounding of another machine may show in the last digit.
    assert [*map(float, number.findall(made))] == pytest.approx([*map(float, number.findall(kept))], abs=0.0011)


def test_every_figure_stands_on_one_page():
    shown = [
        name for page in CONCEPTS.glob("*.md") for name in re.findall(r"<!-- figure: ([\w-]+) -->", page.read_text())
    ]
    assert sorted(shown) == sorted(figures.FIGURES)


def test_a_longer_step_of_euler_leaves_where_the_flow_arrives():
    long, short = (
        figures.run(figures.Unit(slope=-0.5), "euler", 1.0, figures.np.zeros(8), step) for step in (1.5, 1.0)
    )
    assert abs(long[-1]) > 1 > abs(short[-1])
