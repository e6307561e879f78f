"""Moments on their way to and from PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duly.stores.sql.postgres_moments import received, sent
from tests.support.builders import NOON

MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # they get one


@given(st.lists(MOMENTS, min_size=1))
def test_moments_are_sent_to_the_microsecond_however_far_apart(moments: list[datetime]) -> None:
    later, first = sent(moments)

    assert [first + timedelta(microseconds=int(text)) for text in later.split(",")] == moments


@pytest.mark.parametrize("moment", [NOON, datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)], ids=str)
def test_a_moment_is_received_as_postgresql_sends_it(moment: datetime) -> None:
    microseconds = (moment - datetime(2000, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)

    assert received(microseconds.to_bytes(8, "big", signed=True)) == moment
