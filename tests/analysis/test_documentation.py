"""The examples of docs/analysis.md run as they stand."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "analysis.md"


def test_examples_run():
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL))
    names: dict = {}
    exec(code, names)
    assert names["ring"].kind == "ring"
    assert sorted(names["found"].stability) == ["saddle", "stable focus", "stable focus"]
