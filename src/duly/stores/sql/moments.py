"""``now`` in SQL: the database's own, or an injected clock's."""

from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import ColumnElement, Interval, func, literal, text, type_coerce

from duly.domain.moment import MICROSECOND
from duly.ports.clock import Clock
from duly.stores.sql.types import MOMENT


class Moments(Protocol):
    """Times as SQL expressions."""

    def now(self) -> ColumnElement[datetime]:
        """The time at which the statement started."""
        ...

    def after(self, delay: timedelta) -> ColumnElement[datetime]:
        """So long after now; before now when the delay is negative."""
        ...


class ClockMoments:
    """A clock's time, bound as a value."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> ColumnElement[datetime]:
        """The clock's time as the statement is made."""
        return literal(self._clock.now(), MOMENT)

    def after(self, delay: timedelta) -> ColumnElement[datetime]:
        """So long after it."""
        return literal(self._clock.now() + delay, MOMENT)


class PostgresMoments:
    """``statement_timestamp()``: stable, so that an index can serve it, and true in a long transaction."""

    def now(self) -> ColumnElement[datetime]:
        """The server's time as the statement arrived."""
        return type_coerce(func.statement_timestamp(), MOMENT)

    def after(self, delay: timedelta) -> ColumnElement[datetime]:
        """So long after it."""
        return type_coerce(func.statement_timestamp() + literal(delay, Interval), MOMENT)


class MySqlMoments:
    """``UTC_TIMESTAMP(6)``, whatever the session's time zone."""

    def now(self) -> ColumnElement[datetime]:
        """The server's time as the statement started."""
        return type_coerce(func.utc_timestamp(text("6")), MOMENT)

    def after(self, delay: timedelta) -> ColumnElement[datetime]:
        """So long after it."""
        moved = func.timestampadd(text("MICROSECOND"), delay // MICROSECOND, func.utc_timestamp(text("6")))
        return type_coerce(moved, MOMENT)
