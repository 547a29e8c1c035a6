# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # Analyse a torch.nn.GRU of your own
#
# Nothing is converted: its input is held still, and its map is looked at. This one is not trained; yours would be.

# %%
import os

import torch

import gnode
from gnode import analysis

SMALL = "GNODE_SMALL" in os.environ
torch.manual_seed(0)
gru = torch.nn.GRU(3, 4 if SMALL else 16)
with torch.no_grad():
    states, _ = gru(torch.randn(20, 30, 3))  # (time, trials, N): where it goes
visited = states.transpose(0, 1).numpy()  # (trials, time, N)

# %%
step = analysis.torch_map(gru, inputs=0)  # h -> the next h, in float64
found = analysis.fixed_points(step, starts=visited.reshape(-1, visited.shape[-1]))
print(found)

# %%
axes = gnode.plot.portrait(found, visited)
