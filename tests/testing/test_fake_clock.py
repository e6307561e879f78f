"""The clock that a test moves."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest

from duly.domain.errors import Misconfigured
from duly.testing.clock import FakeClock

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_it_stands_still_until_it_is_moved():
    clock = FakeClock(NOON)

    assert (clock.now(), clock.now()) == (NOON, NOON)
    assert clock.advance(SECOND) == NOON + SECOND
    assert clock.now() == NOON + SECOND


def test_it_tells_utc_whatever_zone_it_was_set_in():
    clock = FakeClock(NOON.astimezone(timezone(timedelta(hours=2))))

    assert clock.now().utcoffset() == timedelta()
    assert clock.now() == NOON


def test_it_is_never_naive_and_never_goes_back():
    with pytest.raises(Misconfigured, match="aware"):
        FakeClock(datetime(2026, 6, 1))  # noqa: DTZ001  that is the mistake
    with pytest.raises(Misconfigured, match="forward"):
        FakeClock(NOON).advance(-SECOND)


def test_several_threads_may_move_it():
    clock = FakeClock(NOON)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: clock.advance(SECOND), range(400)))

    assert clock.now() == NOON + 400 * SECOND
