"""The figures of the concepts are those that their script makes, small, and each stands on a page."""

import re
import subprocess
import sys

import pytest
from blocks import ROOT

CONCEPTS = ROOT / "docs" / "concepts"
NAMES = sorted(path.stem for path in (CONCEPTS / "figures").glob("*.html"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What the script makes in a process of its own, where no types are checked: rules get NumPy's arrays."""
    folder = tmp_path_factory.mktemp("figures")
    subprocess.run([sys.executable, CONCEPTS / "figures.py", folder], check=True, timeout=200)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_what_the_script_makes(name, made):
    kept, now = (CONCEPTS / "figures" / f"{name}.html").read_text(), (made / f"{name}.html").read_text()
    assert len(kept) < 200_000
    number = re.compile(r"-?\d+\.\d+")
    assert number.sub("", now) == number.sub("", kept)
    # Rounding of another machine may show in the last digit.
    assert [*map(float, number.findall(now))] == pytest.approx([*map(float, number.findall(kept))], abs=0.0011)


def test_every_figure_stands_on_one_page():
    pages = "".join(page.read_text() for page in CONCEPTS.glob("*.md"))
    assert sorted(re.findall(r"<!-- figure: ([\w-]+) -->", pages)) == NAMES
