"""The stories of tasks, and the ids of those that are gone."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection, insert, select

from duly.domain.event import TaskEvent
from duly.domain.task import Task, TaskId
from duly.ports.store import Retention
from duly.stores.sql import purging
from duly.stores.sql.dialect import Sql
from duly.stores.sql.rows import EVENT_COLUMNS, event_of, event_values
from duly.stores.sql.runner import Runner
from duly.stores.sql.schema import events, purged, tasks


class SqlHistory:
    """A HistoryStore."""

    def __init__(self, runner: Runner, sql: Sql) -> None:
        self._runner = runner
        self._sql = sql
        self._purged_up_to: TaskId | None = None

    async def events(self, task_id: TaskId) -> list[TaskEvent]:
        """See HistoryStore."""
        return await self._runner.read(partial(_events, task_id=task_id))

    async def record(self, events: Sequence[TaskEvent]) -> None:
        """See HistoryStore."""
        if events:
            await self._runner.write(partial(_record, told=events))

    async def purge(self, kept: Retention, limit: int) -> int:
        """See HistoryStore. Each call looks at one window of ids only and goes on where the last one ended."""
        done = await self._runner.write(
            partial(purging.purge, sql=self._sql, kept=kept, limit=limit, after=self._purged_up_to)
        )
        self._purged_up_to = done.after
        return done.count

    async def delete(self, task: Task) -> bool:
        """See HistoryStore."""
        return await self._runner.write(partial(purging.delete_task, sql=self._sql, task=task))

    async def purged(self, ids: Collection[TaskId]) -> set[TaskId]:
        """See HistoryStore."""
        return await self._runner.read(partial(_purged, ids=ids))

    async def forget(self, older_than: timedelta, limit: int) -> int:
        """See HistoryStore."""
        return await self._runner.write(partial(purging.forget, sql=self._sql, older_than=older_than, limit=limit))


def _events(connection: Connection, task_id: TaskId) -> list[TaskEvent]:
    statement = select(*EVENT_COLUMNS).where(events.c.task_id == task_id).order_by(events.c.id)
    return [event_of(row) for row in connection.execute(statement)]


def _record(connection: Connection, told: Sequence[TaskEvent]) -> None:
    ids = {event.task_id for event in told}
    alive = set(connection.scalars(select(tasks.c.id).where(tasks.c.id.in_(ids))))
    rows = [event_values(event) for event in told if event.task_id in alive]
    if rows:
        connection.execute(insert(events), rows)


def _purged(connection: Connection, ids: Collection[TaskId]) -> set[TaskId]:
    return {TaskId(id_) for id_ in connection.scalars(select(purged.c.id).where(purged.c.id.in_(ids)))}
