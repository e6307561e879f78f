"""The database's clock, followed from afar."""

import time
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from duly.domain.moment import EPOCH
from duly.stores.sql.dialect import Sql
from duly.stores.sql.runner import Runner

STALE_AFTER = timedelta(seconds=5)


class DatabaseClock:
    """A Clock: this machine's steady counter plus what the database was ahead of it when it was last asked.

    The steps and errors of this machine's own clock do not matter then, and the clock never waits.
    """

    def __init__(self, runner: Runner, sql: Sql) -> None:
        self._runner = runner
        self._sql = sql
        self._ahead: datetime = EPOCH
        self._asked_at: float | None = None

    def now(self) -> datetime:
        """See Clock."""
        return self._ahead + timedelta(0, time.monotonic())  # by its name the second would take half as long again

    async def follow(self) -> None:
        """Ask the database, unless that was done a moment ago."""
        if self._asked_at is None or time.monotonic() - self._asked_at > STALE_AFTER.total_seconds():
            await self.ask()

    async def ask(self) -> None:
        """Ask the database what time it is; half of what the answer took is taken for the way back."""
        told, asked, answered = await self._runner.read(self._ask)
        self._ahead = told - timedelta(seconds=(asked + answered) / 2)
        self._asked_at = answered

    def _ask(self, connection: Connection) -> tuple[datetime, float, float]:
        asked = time.monotonic()
        told = connection.execute(select(self._sql.moments.now())).scalar_one()
        return told, asked, time.monotonic()
