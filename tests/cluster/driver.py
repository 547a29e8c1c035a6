"""A sweep in a process of its own, to be killed: python driver.py EXPERIMENT OUT [ADDRESS]."""

import sys

from gnode.sweeps.grid import read_plan
from gnode.sweeps.progress import SweepLines
from gnode.sweeps.sweep import run_sweep

if __name__ == "__main__":
    experiment, out, *address = sys.argv[1:]
    where = {"on": "ray", "address": address[0]} if address else {}
    run_sweep(read_plan(experiment), out, resume=True, watcher=SweepLines(sys.stderr, 0), **where)
