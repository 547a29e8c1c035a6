"""Whether a version of the lock has a known weakness: pip-audit, where the database of PyPI can be asked.

A mirror often answers without the list of weaknesses, and then every version looks sound. So one that is known to have
some is asked about first; where that shows none, nothing was audited, and a line says so. That is no finding about the
lock: the exit code is 0 then, and 1 where there is one.
"""

import json
import subprocess
import sys
import urllib.request

KNOWN = "https://pypi.org/pypi/urllib3/1.26.4/json"  # CVE-2021-33503 and others


def unreachable() -> str:
    """Why the database cannot be asked; "" where it can."""
    try:
        with urllib.request.urlopen(KNOWN, timeout=20) as answer:
            known = json.load(answer)
    except (OSError, ValueError) as error:
        return str(error)
    return "" if known.get("vulnerabilities") else "what answers for pypi.org knows of no weakness of urllib3 1.26.4"


if why := unreachable():
    print(f"Not audited: the database of known weaknesses is not reachable ({why}).")
    sys.exit(0)
options = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "--requirement", "requirements.lock"]
sys.exit(subprocess.call([sys.executable, "-m", "pip_audit", *options]))
