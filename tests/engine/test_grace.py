"""What a grace is spent on."""

from datetime import timedelta

import pytest

from duly.engine.grace import LONGEST_REST, Grace
from duly.engine.lease import LONGEST_GOODBYE
from duly.engine.worker import LAST_SETTLES, TAKING_LEAVE
from duly.stores.sql.applying import ROW_WAIT


@pytest.mark.parametrize(
    ("whole", "work", "cooperation"), [(60, 55, 2), (30, 25, 2), (10, 5, 2), (4, 2, 0.8), (1, 0.5, 0.2), (0, 0, 0)]
)
def test_the_last_half_of_a_grace_but_no_more_than_five_seconds_is_for_the_end(
    whole: float, work: float, cooperation: float
) -> None:
    grace = Grace(timedelta(seconds=whole))

    assert grace.work == timedelta(seconds=work)
    assert grace.cooperation == timedelta(seconds=cooperation)


def test_what_is_put_back_at_the_end_may_wait_for_a_row_and_all_ends_within_the_rest() -> None:
    """One handler that held its task's row in a transaction kept all others from being put back."""
    rest = Grace(LONGEST_REST * 2).cooperation + LAST_SETTLES + TAKING_LEAVE + timedelta(seconds=LONGEST_GOODBYE)

    assert ROW_WAIT < LAST_SETTLES
    assert rest < LONGEST_REST
