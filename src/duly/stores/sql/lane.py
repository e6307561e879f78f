"""The hot statements, which a database may have a faster way for."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import partial
from typing import Protocol
from uuid import uuid4

from sqlalchemy import Connection

from duly.domain.task import ClaimToken, Task, TaskId, WorkerId
from duly.domain.transition import Change
from duly.ports.store import Renewal
from duly.stores.sql import reading, renewing
from duly.stores.sql.dialect import Sql
from duly.stores.sql.errors import RowLocked
from duly.stores.sql.hot import Claim, Hot
from duly.stores.sql.runner import Runner


class Lane(Protocol):
    """What a worker and a submit do thousands of times a second."""

    async def insert(self, new: Sequence[Task]) -> None:
        """Insert all or none. Raises RowExists when an id is already there."""
        ...

    async def claim(
        self,
        queue: str,
        limit: int,
        worker: WorkerId,
        lease: timedelta,
        *,
        among: Collection[TaskId] | None = None,
    ) -> list[Task]:
        """See TaskStore."""
        ...

    async def renew(self, renewals: Sequence[Renewal], lease: timedelta) -> dict[TaskId, bool]:
        """See TaskStore."""
        ...

    async def complete(self, changes: Sequence[Change]) -> list[Change]:
        """Write plain completions of different tasks; returns those that were not written, for whatever reason."""
        ...

    async def get(self, ids: Collection[TaskId]) -> dict[TaskId, Task]:
        """See TaskStore."""
        ...

    async def ready(self, queues: Collection[str]) -> set[str]:
        """See QueueStore."""
        ...

    async def close(self) -> None:
        """Give back the lane's own connections. May be called twice."""
        ...


class SomeLost(Exception):
    """Of a batch that was written at once not all still held: it is rolled back. It never leaves the lane."""


class CoreLane:
    """A Lane on the store's ordinary connections."""

    def __init__(self, runner: Runner, sql: Sql, hot: Hot) -> None:
        self._runner = runner
        self._sql = sql
        self._hot = hot

    async def insert(self, new: Sequence[Task]) -> None:
        """See Lane."""
        await self._runner.write(partial(self._hot.insert, new=new))

    async def claim(
        self,
        queue: str,
        limit: int,
        worker: WorkerId,
        lease: timedelta,
        *,
        among: Collection[TaskId] | None = None,
    ) -> list[Task]:
        """See TaskStore."""
        wanted = Claim(queue, limit, worker, lease, ClaimToken(uuid4()), among)
        return await self._runner.write(partial(self._hot.claim, wanted=wanted))

    async def renew(self, renewals: Sequence[Renewal], lease: timedelta) -> dict[TaskId, bool]:
        """See TaskStore."""
        operation = partial(renewing.renew, sql=self._sql, renewals=renewals, lease=lease)
        return await self._runner.write(operation, urgent=True)

    async def complete(self, changes: Sequence[Change]) -> list[Change]:
        """See Lane. All are written at once, or none."""
        ordered = sorted(changes, key=lambda change: change.before.id)
        try:
            await self._runner.write(partial(self._complete, changes=ordered))
        except (SomeLost, RowLocked):
            return list(changes)
        return []

    def _complete(self, connection: Connection, changes: Sequence[Change]) -> None:
        if self._hot.complete(connection, changes) != len(changes):
            raise SomeLost

    async def get(self, ids: Collection[TaskId]) -> dict[TaskId, Task]:
        """See TaskStore."""
        return await self._runner.read(partial(self._hot.get, ids=ids))

    async def ready(self, queues: Collection[str]) -> set[str]:
        """See QueueStore."""
        return await self._runner.read(partial(reading.ready, queues=queues))

    async def close(self) -> None:
        """See Lane. The connections are the store's."""
