"""Learning rates at the places where they are known on paper, and the labels that a loss of classes takes."""

import numpy as np
import pytest

from gnode.errors import InvalidInput
from gnode.series import Trials
from gnode.training.loop import rates
from gnode.training.losses import LOSSES
from gnode.training.schedules import SCHEDULES
from gnode.training.settings import Settings


def test_the_rate_of_a_minibatch_is_that_of_the_run_s_progress_at_its_end():
    """Three minibatches an epoch: 5 trials by 2, in the last one alone."""
    settings = Settings(epochs=4, batch_size=2, lr=0.5, schedule="cosine", final_fraction=0.0)
    progress = np.array([1 / 3, 2 / 3, 1.0])
    for epoch in (1, 2, 4):
        expected = 0.5 * (1 + np.cos(np.pi * (epoch - 1 + progress) / 4)) / 2
        np.testing.assert_allclose(rates(settings, 5, epoch), expected, atol=1e-7)
    assert rates(settings, 5, 4)[-1] == 0


@pytest.mark.parametrize(
    ("epochs", "warmup", "peak"), [(20.0, 5, 5.0), (20.0, 10, 10.0), (20.0, 16, 10.0), (1.0, 5, 0.5)]
)
def test_the_rate_rises_to_the_end_of_the_warm_up_which_is_at_most_half_the_run(epochs, warmup, peak):
    rate = SCHEDULES["warmup-cosine"]
    assert rate(np.array([peak]), epochs, warmup, 0.1) == pytest.approx(1.0)
    before, after = rate(np.array([0.5 * peak, peak * (1 + 1e-6)]), epochs, warmup, 0.1)
    assert before == pytest.approx(0.5) and after == pytest.approx(1.0, abs=1e-6)
    fall = max(epochs - peak, 1)
    assert rate(np.array([peak + fall / 2]), epochs, warmup, 0.1) == pytest.approx((1 + 0.1) / 2)
    assert rate(np.array([peak + fall / 4]), epochs, warmup, 0.1) == pytest.approx(0.1 + 0.9 * (1 + np.sqrt(0.5)) / 2)


def test_without_a_warm_up_the_rate_falls_from_its_peak():
    assert SCHEDULES["warmup-cosine"](np.array([0.0, 10.0]), 10.0, 0, 0.2) == pytest.approx([1.0, 0.2])


@pytest.mark.parametrize(
    ("targets", "reading", "said"),
    [
        (np.zeros((2, 3), int), "each", None),
        (np.zeros(2, int), "each", None),
        (np.zeros(2, int), "last", None),
        (np.zeros(2, int) + 1, "last", None),
        (np.zeros((2, 3), int), "last", "integer classes"),  # integers of another shape
        (np.zeros((2, 3, 1)), "each", "integer classes"),  # numbers of a shape of their own
        (np.array([0, 2]), "last", "classes from 0 to 1"),
        (np.array([-1, 1]), "last", "classes from 0 to 1"),
        (np.array([-1, 2]), "last", "classes from 0 to 1"),
    ],
)
def test_classes_are_integers_of_a_shape_and_within_the_outputs(targets, reading, said):
    trials = Trials(np.ones((2, 3, 1)), targets)
    if said is None:
        LOSSES["cross-entropy"].check("cross-entropy", trials, 2, reading)
    else:
        with pytest.raises(InvalidInput, match=said):
            LOSSES["cross-entropy"].check("cross-entropy", trials, 2, reading)
