# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # A neurogym environment
#
# neurogym's trial environments draw a trial with `new_trial()` and hold it in `ob` (time, observations) and `gt`
# (time,). A short class makes a task of any of them; neurogym itself is not needed by gnode. In its place stands an
# environment of the same protocol here.

# %%
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

import gnode

SMALL = "GNODE_SMALL" in os.environ


@dataclass(frozen=True, kw_only=True)
class Gym(gnode.tasks.Task):
    """Trials of an environment: `make=lambda: neurogym.make("PerceptualDecisionMaking-v0").unwrapped`."""

    make: Any
    observations: int
    actions: int

    @property
    def input_size(self) -> int:
        return self.observations

    @property
    def output_size(self) -> int:
        return self.actions

    def sample(self, count, seed):
        environment = self.make()
        environment.seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
        trials = []
        for _ in range(count):
            environment.new_trial()
            trials.append((environment.ob.copy(), environment.gt.copy()))
        return gnode.training.Trials(gnode.Series.of([ob for ob, _ in trials]), [gt.astype(int) for _, gt in trials])


class Decision:
    """Which of two noisy inputs was larger? Fixate (action 0) while the stimulus is on, then answer 1 or 2."""

    def seed(self, seed):
        self.random = np.random.default_rng(seed)

    def new_trial(self):
        stimulus, answer = int(self.random.integers(8, 15)), int(self.random.integers(1, 3))
        self.ob = np.zeros((stimulus + 3, 3), np.float32)
        self.ob[:stimulus, 0] = 1  # the fixation cue
        self.ob[:stimulus, 1:] = 0.5 + 0.3 * self.random.standard_normal((stimulus, 2))
        self.ob[:stimulus, answer] += 0.3
        self.gt = np.where(np.arange(stimulus + 3) < stimulus, 0, answer)


# %%
task = Gym(make=Decision, observations=3, actions=3)
data = gnode.training.Data(*(task.sample(20 if SMALL else 300, seed) for seed in (1, 2, 3)))
model = gnode.models.make("gnode", input_size=3, state_size=8, output_size=3, hidden=(8,) if SMALL else (32,))
run = gnode.train(model, data, epochs=1 if SMALL else 20)
print(f"share of right actions {run.summary['test_accuracy']:.3f}")
