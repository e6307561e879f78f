"""Writes inside a caller's own transaction: the same operations, on the caller's connection."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import Session

from duly.domain.errors import ClaimLost, Misconfigured, TaskNotFound
from duly.domain.task import Task, TaskId
from duly.domain.transition import Change
from duly.stores.sql import adding, applying, reading
from duly.stores.sql.aftercommit import AfterCommit
from duly.stores.sql.dialect import Sql
from duly.stores.sql.errors import OUTSIDE, translated
from duly.stores.sql.rows import values_of
from duly.stores.sql.schema import tasks

R = TypeVar("R")

Decide = Callable[[Task], Change]
Then = Callable[[], None]


class SqlJoined:
    """A Joined."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql
        self._after_commit = AfterCommit()

    async def add(self, session: object, task: Task, then: Then) -> Task:
        """See Joined."""
        return await self._run(session, partial(self._add, task=task, then=then))

    def add_blocking(self, session: object, task: Task, then: Then) -> Task:
        """See Joined."""
        return self._add(_blocking(session), task, then)

    async def settle(self, session: object, task_id: TaskId, decide: Decide, then: Then) -> Task:
        """See Joined."""
        return await self._run(session, partial(self._settle, task_id=task_id, decide=decide, then=then))

    def settle_blocking(self, session: object, task_id: TaskId, decide: Decide, then: Then) -> Task:
        """See Joined."""
        return self._settle(_blocking(session), task_id, decide, then)

    async def _run(self, session: object, operation: Callable[[Connection], R]) -> R:
        match session:
            case AsyncSession():
                return await (await session.connection()).run_sync(operation)
            case AsyncConnection():
                return await session.run_sync(operation)
            case _:
                # A synchronous one inside a coroutine: it blocks the loop anyway, as all its owner's statements do.
                return operation(_blocking(session))

    def _add(self, connection: Connection, task: Task, then: Then) -> Task:
        stored = self._guarded(connection, partial(self._store, task=task))
        self._after_commit.call(connection, then)
        return stored

    def _store(self, connection: Connection, task: Task) -> Task:
        """A task without a key cannot meet another one: its id is new, and in this transaction nothing is repeated."""
        if task.key is None:
            connection.execute(insert(tasks), values_of(task))
            return task
        return adding.add(connection, self._sql, [task])[0]

    def _settle(self, connection: Connection, task_id: TaskId, decide: Decide, then: Then) -> Task:
        change = self._guarded(connection, partial(self._decide, task_id=task_id, decide=decide))
        self._after_commit.call(connection, then)
        return change.after

    def _decide(self, connection: Connection, task_id: TaskId, decide: Decide) -> Change:
        """The row is locked before it is read, so that what is decided still holds when it is written."""
        self._sql.dialect.hold(connection, task_id)
        task = reading.get(connection, [task_id]).get(task_id)
        if task is None:
            raise TaskNotFound(task_id)
        change = decide(task)
        if applying.apply(connection, self._sql, [change]):
            raise ClaimLost(task_id)
        return change

    def _guarded(self, connection: Connection, operation: Callable[[Connection], R]) -> R:
        """Under a savepoint where the database needs one: what fails here leaves the caller's own work alone."""
        if connection.dialect.name not in self._sql.dialect.names:
            raise Misconfigured(f"The session is on {connection.dialect.name}, Duly is not: it cannot join there.")
        try:
            with self._sql.dialect.savepoint(connection):
                return operation(connection)
        except OUTSIDE as error:
            raise translated(error, self._sql.dialect.diagnose(error)) from error


def _blocking(session: object) -> Connection:
    match session:
        case Session():
            return session.connection()
        case Connection():
            return session
        case _:
            raise Misconfigured(
                "session must be a SQLAlchemy Session, AsyncSession, Connection or AsyncConnection, "
                f"not {type(session).__name__}."
            )
