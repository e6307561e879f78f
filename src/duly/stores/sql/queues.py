"""The queues: their pause, what waits in them, and what is counted of them."""

import json
from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection, delete, func, select, update

from duly.domain.errors import QueueNotFound
from duly.domain.state import State
from duly.domain.stats import Histogram, QueueDepth, QueueState
from duly.domain.task import HIGHEST_PRIORITY, TaskId
from duly.stores.sql.dialect import Sql
from duly.stores.sql.lane import Lane
from duly.stores.sql.runner import Runner
from duly.stores.sql.schema import queues, rates, tasks


class SqlQueues:
    """A QueueStore."""

    def __init__(self, runner: Runner, lane: Lane, sql: Sql) -> None:
        self._runner = runner
        self._lane = lane
        self._sql = sql

    async def states(self) -> list[QueueState]:
        """See QueueStore."""
        return await self._runner.read(_states)

    async def declare(self, queues: Collection[str]) -> None:
        """See QueueStore."""
        if queues:
            await self._runner.write(partial(_declare, sql=self._sql, names=queues))

    async def pause(self, queue: str, paused: bool) -> QueueState:
        """See QueueStore. Every claim looks at this row in its own statement."""
        return await self._runner.write(partial(_pause, sql=self._sql, name=queue, paused=paused))

    async def depths(self) -> list[QueueDepth]:
        """See QueueStore."""
        return await self._runner.read(_depths)

    async def ready(self, queues: Collection[str]) -> set[str]:
        """See QueueStore."""
        return await self._lane.ready(queues) if queues else set()

    async def unclaimed(self, queue: str, older_than: timedelta, limit: int) -> list[tuple[TaskId, int]]:
        """See QueueStore."""
        operation = partial(_unclaimed, sql=self._sql, queue=queue, older_than=older_than, limit=limit)
        return await self._runner.read(operation)

    async def add_rates(self, histograms: Sequence[Histogram]) -> None:
        """See QueueStore."""
        if histograms:
            await self._runner.write(partial(_add_rates, sql=self._sql, histograms=histograms))

    async def rates(self, since: timedelta) -> list[Histogram]:
        """See QueueStore."""
        return await self._runner.read(partial(_rates, sql=self._sql, since=since))

    async def drop_rates(self, older_than: timedelta) -> int:
        """See QueueStore."""
        return await self._runner.write(partial(_drop_rates, sql=self._sql, older_than=older_than))


def _states(connection: Connection) -> list[QueueState]:
    rows = connection.execute(select(queues.c.name, queues.c.paused, queues.c.paused_at).order_by(queues.c.name))
    return sorted((QueueState(*row) for row in rows), key=lambda state: state.name)


def _declare(connection: Connection, sql: Sql, names: Collection[str]) -> None:
    known = set(connection.scalars(select(queues.c.name).where(queues.c.name.in_(names))))
    new = [{"name": name, "paused": False} for name in sorted(names) if name not in known]
    if new:
        connection.execute(sql.dialect.insert_new(queues), new)


def _pause(connection: Connection, sql: Sql, name: str, paused: bool) -> QueueState:
    at = connection.scalar(select(sql.moments.now())) if paused else None
    written = connection.execute(update(queues).where(queues.c.name == name).values(paused=paused, paused_at=at))
    if written.rowcount == 0:
        raise QueueNotFound(name)
    return QueueState(name, paused, at)


def _depths(connection: Connection) -> list[QueueDepth]:
    """Two counts over live rows: the pending by the index duly_tasks_ready, the others by that of ``wake_at``."""
    pending = (
        select(tasks.c.queue, func.count(), func.min(tasks.c.run_at, type_=tasks.c.run_at.type))
        .where(tasks.c.state == State.PENDING.value)
        .group_by(tasks.c.queue)
    )
    others = (
        select(tasks.c.queue, tasks.c.state, func.count())
        .where(tasks.c.state.in_([State.SCHEDULED.value, State.RUNNING.value]), tasks.c.wake_at.is_not(None))
        .group_by(tasks.c.queue, tasks.c.state)
    )
    waiting = {queue: (count, oldest) for queue, count, oldest in connection.execute(pending)}
    counts = {(queue, state): count for queue, state, count in connection.execute(others)}
    return [
        QueueDepth(
            queue=queue,
            scheduled=counts.get((queue, State.SCHEDULED.value), 0),
            pending=waiting.get(queue, (0, None))[0],
            running=counts.get((queue, State.RUNNING.value), 0),
            oldest_pending=waiting.get(queue, (0, None))[1],
        )
        for queue in sorted(waiting.keys() | {queue for queue, _ in counts})
    ]


def _unclaimed(
    connection: Connection, sql: Sql, queue: str, older_than: timedelta, limit: int
) -> list[tuple[TaskId, int]]:
    """By the index duly_tasks_ready, in its order."""
    statement = (
        select(tasks.c.id, tasks.c.precedence)
        .where(tasks.c.state == State.PENDING.value, tasks.c.queue == queue)
        .where(tasks.c.run_at <= sql.moments.after(-older_than))
        .order_by(tasks.c.precedence, tasks.c.run_at, tasks.c.id)
        .limit(limit)
    )
    return [(TaskId(id_), HIGHEST_PRIORITY - precedence) for id_, precedence in connection.execute(statement)]


def _add_rates(connection: Connection, sql: Sql, histograms: Sequence[Histogram]) -> None:
    rows = [
        {
            "process": item.process,
            "queue": item.queue,
            "at": item.at,
            "submitted": item.submitted,
            "completed": item.completed,
            "failed": item.failed,
            "waits": json.dumps(item.waits),
            "runs": json.dumps(item.runs),
        }
        for item in histograms
    ]
    connection.execute(sql.dialect.put(rates), rows)


def _rates(connection: Connection, sql: Sql, since: timedelta) -> list[Histogram]:
    rows = connection.execute(select(*rates.columns).where(rates.c.at >= sql.moments.after(-since)))
    return [
        Histogram(
            process=row.process,
            queue=row.queue,
            at=row.at,
            submitted=row.submitted,
            completed=row.completed,
            failed=row.failed,
            waits=tuple(json.loads(row.waits)),
            runs=tuple(json.loads(row.runs)),
        )
        for row in rows
    ]


def _drop_rates(connection: Connection, sql: Sql, older_than: timedelta) -> int:
    return connection.execute(delete(rates).where(rates.c.at < sql.moments.after(-older_than))).rowcount
