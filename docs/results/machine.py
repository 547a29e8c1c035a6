"""What results were measured on, and when: the line that every page of results carries."""

import os
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path


def measured_on() -> str:
    """Such as "2026-11-24, gnode 0.1.0, 2 cores (AMD EPYC)."; no names of hosts."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{date.today().isoformat()}, gnode {version('gnode')}, {os.cpu_count()} cores ({model})."
