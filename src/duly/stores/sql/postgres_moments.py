"""Moments on their way to and from PostgreSQL: of all values they cost the driver the most."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from duly.domain.moment import MICROSECOND

_FIRST = datetime(2000, 1, 1, tzinfo=UTC)


def sent(moments: Sequence[datetime]) -> tuple[str, datetime]:
    """How many microseconds later than one of them each is, with commas between, and that one.

    An array of moments takes the driver four times as long, and texts of them both sides together three times.
    """
    first = moments[0]
    return ",".join([str((moment - first) // MICROSECOND) for moment in moments]), first


def received(value: bytes) -> datetime:
    """What ``timestamptz_send`` gives: microseconds since 2000 as eight bytes."""
    return _FIRST + timedelta(microseconds=int.from_bytes(value, "big", signed=True))
