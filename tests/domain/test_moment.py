"""How a time is written."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from duly.domain.moment import rfc3339


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_has_six_digits_and_a_z(at: datetime) -> None:
    assert rfc3339(at) == at.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def test_a_time_of_elsewhere_is_written_in_utc() -> None:
    assert rfc3339(datetime(2026, 11, 22, 12, 30, tzinfo=timezone(timedelta(hours=2)))) == "2026-11-22T10:30:00.000000Z"
