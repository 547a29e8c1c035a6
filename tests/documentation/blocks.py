"""What README and docs show: blocks of Python, of TOML and of the shell, page by page.

Neither sybil nor pytest-examples fits: sybil makes a test of each block, which xdist spreads over processes although
the blocks of a page go on from each other; pytest-examples gives each block names of its own; and neither makes
settings smaller.
"""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCED = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = {str(path.relative_to(ROOT)): path for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]}


def blocks(page: str, *languages: str) -> list[str]:
    """The fenced blocks of a page in any of these languages, in order."""
    return [block for language, block in FENCED.findall(PAGES[page].read_text()) if language in languages]


def commands(page: str) -> list[list[str]]:
    """Each call of `gnode` in a shell block, fenced or indented, as arguments without the program's name.

    Lines of a loop over `$name` are left out: what they call is known to the shell alone.
    """
    text = PAGES[page].read_text()
    prose = FENCED.sub("", text)
    lines = [line for block in blocks(page, "sh", "bash", "") for line in block.replace("\\\n", " ").splitlines()]
    lines += [line for line in prose.splitlines() if line.startswith("    ")]
    calls = [call.strip() for line in lines for call in re.split(r"&&|\|\||[|;>]", line.strip().removeprefix("$ "))]
    shown = [call for call in calls if re.match(r"gnode [a-z]+( |$)", call) and "$name" not in call]
    return [shlex.split(call, comments=True)[1:] for call in shown]


def mentions(page: str) -> list[list[str]]:
    """Each `gnode ...` within a sentence."""
    return [call.split()[1:] for call in re.findall(r"`(gnode [a-z][^`]*)`", FENCED.sub("", PAGES[page].read_text()))]
