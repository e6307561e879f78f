"""Submits that were named by their client: the name's row and the tasks commit together."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, and_, delete, or_, select, update
from sqlalchemy.exc import DBAPIError

from duly.domain.errors import KeyInFlight, StoreUnavailable
from duly.domain.task import Task, TaskId
from duly.ports.once import Added, OnceKey, Seen
from duly.stores.sql import adding
from duly.stores.sql.dialect import Sql
from duly.stores.sql.errors import Trouble
from duly.stores.sql.runner import MAX_TRIES, Runner
from duly.stores.sql.schema import once as table


class SqlOnce:
    """A OnceStore."""

    def __init__(self, runner: Runner, sql: Sql) -> None:
        self._runner = runner
        self._sql = sql

    async def add(self, once: OnceKey, tasks: Sequence[Task], *, within: Collection[str] | None = None) -> Added | Seen:
        """See OnceStore."""
        return await self._runner.write(partial(_add, sql=self._sql, once=once, new=tasks, within=within))

    async def seen(self, scope: str, key: str) -> Seen | None:
        """See OnceStore."""
        return await self._runner.read(partial(_seen, scope=scope, key=key))

    async def forget(self, older_than: timedelta, limit: int) -> int:
        """See OnceStore."""
        return await self._runner.write(partial(_forget, sql=self._sql, older_than=older_than, limit=limit))


def _add(
    connection: Connection, sql: Sql, once: OnceKey, new: Sequence[Task], within: Collection[str] | None
) -> Added | Seen:
    """The key first: it locks out equal submits before any task is written."""
    mine = Seen(once.fingerprint, tuple(task.id for task in new))
    for _ in range(MAX_TRIES):
        _take(connection, sql, once, mine)
        found = _seen(connection, once.scope, once.key)
        if found == mine:  # ids are made anew for each submit: this row is ours, of now or of an unknown outcome
            return _added(connection, once, new, adding.add(connection, sql, new, within))
        if found is not None:
            return found
    # Each time it was forgotten between our insert, which it stopped, and our look at it.
    raise StoreUnavailable("An Idempotency-Key came and went again and again.")


def _take(connection: Connection, sql: Sql, once: OnceKey, mine: Seen) -> None:
    row = {"scope": once.scope, "key": once.key, "fingerprint": mine.fingerprint, "task_ids": _text(mine.ids)}
    statement = sql.dialect.insert_new(table).values(**row, created_at=sql.moments.now())
    try:
        with sql.dialect.patience(connection, adding.KEY_WAIT):
            connection.execute(statement)
    except DBAPIError as error:
        if sql.dialect.diagnose(error) is Trouble.LOCKED:
            raise KeyInFlight(once.key) from error
        raise


def _added(connection: Connection, once: OnceKey, new: Sequence[Task], stored: Sequence[Task]) -> Added:
    ids = _text([task.id for task in stored])
    if ids != _text([task.id for task in new]):
        own = and_(table.c.scope == once.scope, table.c.key == once.key)
        connection.execute(update(table).where(own).values(task_ids=ids))
    return Added(tuple(stored))


def _seen(connection: Connection, scope: str, key: str) -> Seen | None:
    statement = select(table.c.fingerprint, table.c.task_ids).where(table.c.scope == scope, table.c.key == key)
    row = connection.execute(statement).one_or_none()
    return None if row is None else Seen(row.fingerprint, tuple(TaskId(UUID(id_)) for id_ in row.task_ids.split()))


def _forget(connection: Connection, sql: Sql, older_than: timedelta, limit: int) -> int:
    """By the index of ``created_at``; rows that somebody else forgets are skipped."""
    statement = (
        select(table.c.scope, table.c.key)
        .where(table.c.created_at < sql.moments.after(-older_than))
        .order_by(table.c.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    found = connection.execute(statement).all()
    if found:
        rows = (and_(table.c.scope == row.scope, table.c.key == row.key) for row in found)
        connection.execute(delete(table).where(or_(*rows)))
    return len(found)


def _text(ids: Sequence[TaskId]) -> str:
    return " ".join(id_.hex for id_ in ids)
