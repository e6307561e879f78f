"""The store, put together."""

import asyncio

from duly.ports.clock import Clock
from duly.ports.store import StoreFacts
from duly.stores.sql.clock import DatabaseClock
from duly.stores.sql.dialect import Sql
from duly.stores.sql.history import SqlHistory
from duly.stores.sql.joined import SqlJoined
from duly.stores.sql.keys import SqlKeys
from duly.stores.sql.lane import Lane
from duly.stores.sql.once import SqlOnce
from duly.stores.sql.queues import SqlQueues
from duly.stores.sql.roster import SqlRoster
from duly.stores.sql.runner import Runner
from duly.stores.sql.tasks import SqlTasks
from duly.stores.sql.versioned import prove_write


class SqlStore:
    """A Store. ``sync_clock`` keeps ``clock`` near the database's; beats, sweeps and checks do so by the way."""

    def __init__(self, runner: Runner, lane: Lane, sql: Sql, database_clock: DatabaseClock, clock: Clock) -> None:
        self._runner = runner
        self._lane = lane
        self._sql = sql
        self._database_clock = database_clock
        self.clock = clock
        self.tasks = SqlTasks(runner, lane, sql, database_clock)
        self.history = SqlHistory(runner, sql)
        self.queues = SqlQueues(runner, lane, sql)
        self.roster = SqlRoster(runner, sql, database_clock)
        self.joined = SqlJoined(sql)
        self.once = SqlOnce(runner, sql)
        self.keys = SqlKeys(runner, sql)

    async def facts(self) -> StoreFacts:
        """See Store."""
        return await self._runner.read(self._sql.dialect.facts)

    async def check(self) -> None:
        """See Store."""
        await self._runner.write(prove_write)
        await self._database_clock.follow()

    async def sync_clock(self) -> None:
        """Ask the database what time it is, if that was not done in the last few seconds."""
        await self._database_clock.follow()

    async def close(self) -> None:
        """See Store."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._lane.close())
            group.create_task(self._runner.close())
