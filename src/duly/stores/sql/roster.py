"""The workers that gave a sign of life, and what they hold."""

import json
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select

from duly.domain.stats import WorkerRecord
from duly.domain.task import Task, WorkerId
from duly.ports.store import MAX_COUNTED
from duly.stores.sql import reading
from duly.stores.sql.clock import DatabaseClock
from duly.stores.sql.dialect import Sql
from duly.stores.sql.runner import Runner
from duly.stores.sql.schema import workers


class SqlRoster:
    """A Roster."""

    def __init__(self, runner: Runner, sql: Sql, clock: DatabaseClock) -> None:
        self._runner = runner
        self._sql = sql
        self._clock = clock

    async def beat(self, worker: WorkerRecord, within: timedelta) -> int:
        """See Roster. A process that lives also keeps its clock right."""
        await self._clock.follow()
        return await self._runner.write(partial(_beat, sql=self._sql, worker=worker, within=within))

    async def leave(self, worker: WorkerId) -> None:
        """See Roster."""
        await self._runner.write(partial(_leave, worker=worker))

    async def alive(self, within: timedelta) -> list[WorkerRecord]:
        """See Roster."""
        return await self._runner.read(partial(_alive, sql=self._sql, within=within))

    async def bury(self, silent_for: timedelta) -> int:
        """See Roster."""
        return await self._runner.write(partial(_bury, sql=self._sql, silent_for=silent_for))

    async def claims(self, worker: WorkerId) -> list[Task]:
        """See Roster."""
        return await self._runner.read(partial(reading.claims, worker=worker))


def _beat(connection: Connection, sql: Sql, worker: WorkerRecord, within: timedelta) -> int:
    row = {
        "id": worker.id,
        "host": worker.host,
        "pid": worker.pid,
        "queues": json.dumps(worker.queues),
        "types": json.dumps(worker.types),
        "slots": worker.slots,
        "running": worker.running,
        "version": worker.version,
        "started_at": worker.started_at,
        "seen_at": connection.scalar(select(sql.moments.now())),
    }
    connection.execute(sql.dialect.put(workers), row)
    living = select(workers.c.id).where(workers.c.seen_at >= sql.moments.after(-within)).limit(MAX_COUNTED)
    return connection.execute(select(func.count()).select_from(living.subquery())).scalar_one()


def _leave(connection: Connection, worker: WorkerId) -> None:
    connection.execute(delete(workers).where(workers.c.id == worker))


def _alive(connection: Connection, sql: Sql, within: timedelta) -> list[WorkerRecord]:
    statement = (
        select(*workers.columns)
        .where(workers.c.seen_at >= sql.moments.after(-within))
        .order_by(workers.c.started_at, workers.c.id)
    )
    return [_record_of(row) for row in connection.execute(statement)]


def _bury(connection: Connection, sql: Sql, silent_for: timedelta) -> int:
    return connection.execute(delete(workers).where(workers.c.seen_at < sql.moments.after(-silent_for))).rowcount


def _record_of(row: Row[Any]) -> WorkerRecord:
    return WorkerRecord(
        id=WorkerId(row.id),
        host=row.host,
        pid=row.pid,
        queues=tuple(json.loads(row.queues)),
        types=tuple(json.loads(row.types)),
        slots=row.slots,
        running=row.running,
        version=row.version,
        started_at=row.started_at,
        seen_at=row.seen_at,
    )
