"""What the plain words say of numbers."""

import pytest

from gnode.expressivity.words import FAILS, HOLDS, OPEN, _lower


@pytest.mark.parametrize(
    ("mean", "error", "verdict"),
    [
        (-0.65, 0.10, HOLDS),
        (-0.05, 0.02, HOLDS),  # little, but beyond doubt
        (-0.05, 0.17, OPEN),  # a mean near zero says nothing where the error is large
        (0.10, 0.12, OPEN),
        (0.40, 0.08, FAILS),
        (0.01, 0.02, FAILS),  # less than a tenth of a decade, beyond doubt
        (float("nan"), float("nan"), OPEN),
    ],
)
def test_a_difference_is_judged_with_its_error(mean, error, verdict):
    assert _lower(mean, error) == verdict
