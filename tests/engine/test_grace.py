"""What a grace is spent on."""

from datetime import timedelta

import pytest

from duly.engine.grace import Grace


@pytest.mark.parametrize(
    ("whole", "work", "cooperation"), [(60, 55, 2), (30, 25, 2), (10, 5, 2), (4, 2, 0.8), (1, 0.5, 0.2), (0, 0, 0)]
)
def test_the_last_half_of_a_grace_but_no_more_than_five_seconds_is_for_the_end(
    whole: float, work: float, cooperation: float
) -> None:
    grace = Grace(timedelta(seconds=whole))

    assert grace.work == timedelta(seconds=work)
    assert grace.cooperation == timedelta(seconds=cooperation)
