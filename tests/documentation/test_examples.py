"""The scripts under examples/ run, small; their pages and notebooks hold what they hold."""

import importlib.util
import json

import pytest
from blocks import ROOT

from gnode.fields import FIELDS

# What costs more than ten seconds, most of it for programs that are compiled.
DEAR = {
    "custom_field",
    "custom_task",
    "expressivity",
    "forecast",
    "irregular_classifier",
    "neurogym",
    "ring",
    "sweep_in_pandas",
}


def room():
    spec = importlib.util.spec_from_file_location("rendered_examples", ROOT / "docs" / "examples.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


examples = room()
SCRIPTS = {path.stem: path for path in examples.scripts()}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.full] if name in DEAR else []) for name in SCRIPTS]
)
def test_an_example_runs_and_shows_what_its_page_shows(name, tmp_path, monkeypatch):
    if name == "pytorch_gru":
        pytest.importorskip("torch", reason="PyTorch is no dependency; `make test-torch` runs this")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GNODE_SMALL", "1")
    known = dict(FIELDS)
    try:
        ran = examples.run(SCRIPTS[name])
    finally:  # what custom_field registers is taken away again
        FIELDS.clear()
        FIELDS.update(known)
    assert [sorted(output) for output in ran] == [sorted(output) for output in examples.kept(SCRIPTS[name])]


@pytest.mark.parametrize("name", SCRIPTS)
def test_pages_and_notebooks_hold_the_script(name):
    cells = examples.cells(SCRIPTS[name])
    code = [text for kind, text in cells if kind == "code"]
    notebook = json.loads(examples.notebook(SCRIPTS[name]))
    assert [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"] == code
    assert all(text in examples.page(SCRIPTS[name]) for text in code)
    assert cells[0][0] == "markdown" and cells[0][1].startswith("# ")
    compile("\n".join(code), name, "exec")
