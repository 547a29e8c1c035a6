"""What was assumed of the user's own table and chosen for it, on one screen."""

import textwrap
from collections.abc import Mapping

from gnode.errors import many
from gnode.series import Data
from gnode.training.experiment import Experiment

_WIDTH = 79


def assumed(experiment: Experiment) -> list[str]:
    """Lines that say which column was taken for what, and what is trained."""
    assert isinstance(experiment.task, Data)
    model, settings = experiment.model, experiment.settings
    widths = "" if not model.hidden else f", F {list(model.hidden)}"
    facts = {
        **experiment.task.source["assumed"],
        "model": f"{model.model}, {model.state_size} units{widths}, read {_READ[model.reading]}, {model.integrator} "
        f"with dt = {model.dt:g} s and tau = {model.tau:g} s, scale {model.scale}, missing values: {model.missing}",
        "training": f"{many(settings.epochs, 'epoch')}, {settings.batch_size} series a minibatch, "
        f"rate {settings.lr:g}, weight decay {settings.weight_decay:g}, seed {settings.seed}",
    }
    return facts_in_lines(facts)


def facts_in_lines(facts: Mapping[str, str]) -> list[str]:
    """Facts by topic, wrapped beside their topics."""
    lines = []
    for name, words in facts.items():
        lines += textwrap.wrap(
            words, _WIDTH, initial_indent=f"{name:<9} ", subsequent_indent=" " * 10, break_on_hyphens=False
        )
    return lines


_READ = {"each": "at each sample", "last": "at the last sample", "mean": "as the mean over a series"}
