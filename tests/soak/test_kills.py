"""A small slice of `make soak`: the commands that write most, killed a few times each."""

import pytest
from kills import soak, works


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["train", "data fetch", pytest.param("sweep", marks=pytest.mark.full)])
def test_killed_at_random_moments_it_ends_as_if_nothing_had_happened(name):
    said: list[str] = []
    with works() as every:
        work = next(work for work in every if work.name == name)
        count = soak(work, 4, seed=3, told=said.append)
    assert not said, said
    assert count.kills == 4 and count.ends >= 1
