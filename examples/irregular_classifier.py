# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # An irregular series with an estimator
#
# Series of different lengths, samples at irregular times, some missing: is it the fast or the slow oscillation?

# %%
import os

import numpy as np

from gnode.estimators import GatedODEClassifier

SMALL = "GNODE_SMALL" in os.environ
random = np.random.default_rng(0)


def draw(count):
    """Oscillations of 1 or 2 rad/s, seen at exponential gaps of 0.3 s on average; every tenth sample is missing."""
    classes = random.integers(0, 2, count)
    times = [np.cumsum(random.exponential(0.3, random.integers(15, 40))) for _ in range(count)]
    values = [np.sin((1 + kind) * t + random.uniform(0, 6)) for kind, t in zip(classes, times, strict=True)]
    values = [np.where(random.uniform(size=len(x)) < 0.1, np.nan, x)[:, None] for x in values]
    return values, np.array(["slow", "fast"])[classes], times


X, y, times = draw(24 if SMALL else 200)
X_test, y_test, times_test = draw(10 if SMALL else 100)

# %%
small = dict(epochs=1, state_size=4, hidden=(8,)) if SMALL else {}
classifier = GatedODEClassifier(seed=0, **small).fit(X, y, times=times)
print(f"accuracy {classifier.score(X_test, y_test, times=times_test):.2f}")

# %% [markdown]
# Inside is a gnode model, for every analysis:

# %%
print(classifier.model_)
