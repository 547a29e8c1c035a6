# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # A sweep, and its table in pandas
#
# Every combination of a grid and its seeds, then medians with intervals.

# %%
import os
import tempfile

import gnode

SMALL = "GNODE_SMALL" in os.environ
size = dict(epochs=1, train_trials=20, validation_trials=10, test_trials=10, bins=20) if SMALL else dict(epochs=20)

# %%
if __name__ == "__main__":  # in a script: workers import it
    out = tempfile.mkdtemp() + "/rates"
    runs = gnode.sweep("ring", grid={"lr": [1e-2, 1e-3]}, seeds=2, model="rnn", out=out, workers=1, **size)
    print(runs[["lr", "seed", "state", "val_loss", "test_loss"]].to_string())

# %%
if __name__ == "__main__":
    print(gnode.results.summary(runs, ["lr"]).T.to_string())
