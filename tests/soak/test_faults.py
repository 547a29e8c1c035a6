"""A slice of `make faults`: some writes fail, in every way; the whole of it is in the full cross."""

import pytest
from faults import WORKS, everything

SLICE = {"train": 9, "data fetch": 3, "save data": 5}  # one write in so many


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SLICE)
def test_whatever_fails_at_a_write_the_end_is_the_same(name):
    found = everything(WORKS[name], every=SLICE[name], first=1)
    assert found.faults > 20
    assert not found.wrong, found.wrong


@pytest.mark.full
@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("name", WORKS)
def test_whatever_fails_at_any_write_the_end_is_the_same(name):
    assert not everything(WORKS[name]).wrong
