# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # A ring in five lines
#
# Train a two-dimensional network to remember an angle, and look at what holds it.

# %%
import os

import numpy as np

import gnode

SMALL = "GNODE_SMALL" in os.environ  # the tests run every example small

# %%
task = gnode.tasks.make("ring")
model = gnode.models.make("gnode", input_size=2, state_size=2, output_size=2, hidden=(8,) if SMALL else (64, 64))
model = gnode.train(model, task, epochs=1 if SMALL else 40).model
states = model.states(task.sample(50, seed=1).inputs)
found = gnode.analysis.fixed_points(model.field_at(inputs=np.zeros(2)), starts=states.reshape(-1, 2)[::50])

# %%
print(found)

# %%
axes = gnode.plot.portrait(found, states, flow=model.field_at(inputs=np.zeros(2)))
