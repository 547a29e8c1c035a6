# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # A task of your own
#
# Delayed match to sample: were two stimuli the same? In a file `my_tasks.py` the same class is named
# `my_tasks.py:Match`, on the command line and in experiment files.

# %%
import os
from dataclasses import dataclass

import numpy as np

import gnode

SMALL = "GNODE_SMALL" in os.environ


@dataclass(frozen=True, kw_only=True)
class Match(gnode.tasks.Task):
    """Delayed match to sample."""

    delay: int = 20  # an option: silent bins between the two

    @property
    def input_size(self) -> int:
        return 2

    @property
    def output_size(self) -> int:
        return 2  # two classes: integer targets, so cross-entropy

    def sample(self, count, seed):
        random = np.random.default_rng(seed)
        pair = random.integers(0, 2, (count, 2))
        inputs = np.zeros((count, self.delay + 4, 2), np.float32)
        for at, step in ((0, 1), (1, self.delay + 2)):
            inputs[np.arange(count), step, pair[:, at]] = 1
        return gnode.training.Trials(inputs, (pair[:, 0] == pair[:, 1]).astype(int))


# %%
model = gnode.models.make("gnode", input_size=2, state_size=8, output_size=2, hidden=(8,) if SMALL else (32,))
run = gnode.train(model, Match(delay=4 if SMALL else 20), epochs=1 if SMALL else 20)
print(f"test accuracy {run.summary['test_accuracy']:.3f}")
