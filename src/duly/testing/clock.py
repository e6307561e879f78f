"""A clock that stands still until the test moves it."""

from datetime import UTC, datetime, timedelta
from threading import Lock

from duly.domain.errors import Misconfigured


class FakeClock:
    """A Clock for tests; safe to use from several threads."""

    def __init__(self, now: datetime) -> None:
        if now.tzinfo is None:
            raise Misconfigured("FakeClock needs an aware datetime: a naive one means another time on each machine.")
        self._now = now.astimezone(UTC)
        self._lock = Lock()

    def now(self) -> datetime:
        """The time to which the clock was set or moved last, in UTC."""
        with self._lock:
            return self._now

    def advance(self, by: timedelta) -> datetime:
        """Move the clock on and return the new time. A time never comes back: a negative step is refused."""
        if by < timedelta():
            raise Misconfigured("FakeClock only moves forward.")
        with self._lock:
            self._now += by
            return self._now
