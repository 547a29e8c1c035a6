"""The examples of docs/analysis.md run as they stand."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "analysis.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
OF_PYTORCH = [block for block in BLOCKS if "import torch" in block]


def test_examples_run():
    names: dict = {}
    exec("\n".join(block for block in BLOCKS if block not in OF_PYTORCH), names)
    assert names["ring"].kind == "ring"
    assert sorted(names["found"].stability) == ["saddle", "stable focus", "stable focus"]
    assert names["ax"].get_title() == "Duffing oscillator, damped"


def test_examples_of_pytorch_run(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch", reason="PyTorch is no dependency; `make test-torch` runs this")
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    [block] = OF_PYTORCH
    names: dict = {}
    exec(block, names)
    assert len(names["found"]) and names["ax"].get_xlabel().startswith("PC 1 (")
    assert (tmp_path / "portrait.png").stat().st_size > 1000
