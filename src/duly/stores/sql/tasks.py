"""The tasks: which way each operation goes."""

import time
from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import partial
from operator import attrgetter

from duly.domain.errors import StoreUnavailable
from duly.domain.query import Page, TaskQuery
from duly.domain.state import State
from duly.domain.task import Task, TaskId, WorkerId
from duly.domain.transition import Change
from duly.ports.store import Renewal
from duly.stores.sql import adding, applying, reading
from duly.stores.sql.clock import DatabaseClock
from duly.stores.sql.dialect import Sql
from duly.stores.sql.errors import RowExists
from duly.stores.sql.lane import Lane
from duly.stores.sql.runner import MAX_TRIES, Runner
from duly.stores.sql.wakes import Wakes

_task_of = attrgetter("before.id_text")


class SqlTasks:
    """A TaskStore: the ordinary goes by the fast lane, the rest by one general way."""

    def __init__(self, runner: Runner, lane: Lane, sql: Sql, clock: DatabaseClock) -> None:
        self._runner = runner
        self._lane = lane
        self._sql = sql
        self._clock = clock
        self._wakes = Wakes()

    async def add(self, tasks: Sequence[Task], *, within: Collection[str] | None = None) -> list[Task]:
        """See TaskStore. Tasks with a key go apart: somebody's open transaction may hold one."""
        if not tasks:
            return []
        if all(task.key is None for task in tasks):
            try:
                await self._lane.insert(tasks)
            except RowExists:
                pass  # repeated after an unknown outcome: the general way looks at what is there
            else:
                return list(tasks)
        return await self._runner.write(partial(adding.add, sql=self._sql, new=tasks, within=within))

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
        if limit <= 0 or (among is not None and not among):
            return []
        return await self._lane.claim(queue, limit, worker, lease, among=among)

    async def renew(self, renewals: Sequence[Renewal], lease: timedelta) -> dict[TaskId, bool]:
        """See TaskStore."""
        return await self._lane.renew(renewals, lease) if renewals else {}

    async def apply(self, changes: Sequence[Change]) -> list[Change]:
        """See TaskStore."""
        if not changes:
            return []
        if all(map(applying.plain, changes)) and len(set(map(_task_of, changes))) == len(changes):
            # The general way finds out why some were not written, and waits a while for rows that are locked.
            changes = await self._lane.complete(changes)
        return await self._apply(changes) if changes else []

    async def _apply(self, changes: Sequence[Change]) -> list[Change]:
        for _ in range(MAX_TRIES):
            try:
                return await self._runner.write(partial(applying.apply, sql=self._sql, changes=changes))
            except RowExists:
                continue  # a key was taken between our look and our write: look again
        raise StoreUnavailable("A key changed hands again and again.")

    async def get(self, ids: Collection[TaskId]) -> dict[TaskId, Task]:
        """See TaskStore."""
        return await self._lane.get(ids) if ids else {}

    async def cancelling(self, ids: Collection[TaskId]) -> set[TaskId]:
        """See TaskStore."""
        return await self._runner.read(partial(reading.cancelling, ids=ids)) if ids else set()

    async def page(self, query: TaskQuery) -> Page:
        """See TaskStore."""
        return await self._runner.read(partial(reading.page, sql=self._sql, query=query))

    async def overdue(self, state: State, limit: int) -> list[Task]:
        """See TaskStore. What is overdue will be judged by the store's clock, so that is set right first."""
        await self._clock.follow()
        since = self._wakes.since.get(state)
        return await self._runner.read(partial(reading.overdue, sql=self._sql, state=state, limit=limit, since=since))

    async def soonest(self) -> dict[State, timedelta]:
        """See TaskStore. Where that takes long, only seldom everywhere: ``Wakes`` tells what may be found late.

        The way to the database and back does not count: it is measured, once a look was slow. Every process looks for
        what wakes, and so keeps its clock right.
        """
        await self._clock.follow()
        since = self._wakes.since
        trip = await self._trip() if self._wakes.slow and not since else 0.0
        began = time.monotonic()
        try:
            now, firsts = await self._runner.read(partial(reading.soonest, sql=self._sql, since=since))
        finally:
            if not since:
                self._wakes.took(time.monotonic() - began - trip)
        self._wakes.found(now, firsts)
        return {state: at - now for state, at in firsts.items()}

    async def _trip(self) -> float:
        began = time.monotonic()
        await self._clock.ask()
        return time.monotonic() - began

    async def unhandled(self, types: Collection[str], limit: int) -> list[Task]:
        """See TaskStore."""
        return await self._runner.read(partial(reading.unhandled, types=types, limit=limit)) if types else []
