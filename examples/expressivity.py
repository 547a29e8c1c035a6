# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # Expressivity of two architectures
#
# How complex a path can a network of each kind generate of itself? The capacity is the complexity at which the error
# crosses the tolerance.

# %%
import os

from gnode import expressivity

SMALL = "GNODE_SMALL" in os.environ
budget = dict(steps=(10,), complexities=(2, 4), count=1, restarts=1, bins=16) if SMALL else dict(steps=(600,), count=3)

# %%
result = expressivity.capacity(
    ["rnn", {"model": "node", "hidden": (30,)}], state_sizes=(2,), workers=1, resamples=100, **budget
)
print(result.table.T.to_string())
