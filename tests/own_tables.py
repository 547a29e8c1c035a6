"""A table of series, for tests."""

import numpy as np
import pandas as pd

CLASSES = ("up", "down", "left")


def long(series=12, seed=0, most=9):
    """A row a sample: irregular times, two inputs, a class and an age a series, a number a sample."""
    random = np.random.default_rng(seed)
    rows = []
    for at in range(series):
        count = int(random.integers(4, most))
        times = np.cumsum(random.uniform(0.5, 2.0, count))
        values = random.standard_normal((count, 2))
        for sample in range(count):
            x, y = values[sample]
            rows.append((f"s{at}", times[sample], x, y, "by hand", CLASSES[at % 3], 20.5 + at, x + y))
    return pd.DataFrame(rows, columns=["id", "t", "x", "y", "note", "label", "age", "sum"])
