# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # A forecast with intervals, and whether they hold
#
# Twelve samples ahead with 90 % intervals, checked on series that were never seen.

# %%
import os

import numpy as np

from gnode.estimators import GatedODEForecaster

SMALL = "GNODE_SMALL" in os.environ
STEPS = 2 if SMALL else 12
random = np.random.default_rng(0)


def draw(count):
    """Noisy oscillations of one channel, 60 samples each."""
    phase = 0.4 * np.arange(60) + random.uniform(0, 6, (count, 1))
    return [(np.sin(row) + 0.1 * random.standard_normal(60))[:, None] for row in phase]


# %%
small = dict(epochs=1, state_size=4, hidden=(8,)) if SMALL else {}
forecaster = GatedODEForecaster(steps=STEPS, seed=0, **small).fit(draw(30 if SMALL else 80))
new = np.stack(draw(60))
forecast = forecaster.predict(list(new[:, :-STEPS]), interval=0.9)  # .values .lower .upper: (series, steps, channels)

# %%
rmse = np.sqrt(np.mean((forecast.values - new[:, -STEPS:]) ** 2))
held = forecaster.coverage(list(new), interval=0.9)  # (steps, channels), of series that were never seen
print(f"root mean square error {rmse:.2f}, noise alone 0.10")
print(f"the 90 % intervals hold {held.mean():.0%} of the values")
