"""SQLite's own ways."""

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Insert, Table, func, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError

from duly.domain.task import TaskId
from duly.ports.store import StoreFacts
from duly.stores.sql.codec import SQLITE_CODEC
from duly.stores.sql.errors import Trouble, trouble_of
from duly.stores.sql.hot import Speech
from duly.stores.sql.moments import ClockMoments, Moments
from duly.stores.sql.schema import tasks
from duly.stores.sql.sqlite_claiming import rows
from duly.stores.sql.sqlite_completing import complete

_SYNCHRONOUS = {
    0: "A commit survives the end of the process, but not of the machine (synchronous=OFF).",
    1: "A commit survives the end of the process; the last ones may be lost with the power (synchronous=NORMAL).",
}
_DURABLE = "A commit survives the end of the process and the loss of power (synchronous=FULL)."

_CODES: dict[object, Trouble] = {
    sqlite3.SQLITE_BUSY: Trouble.UNAVAILABLE,
    sqlite3.SQLITE_LOCKED: Trouble.UNAVAILABLE,
    sqlite3.SQLITE_FULL: Trouble.UNAVAILABLE,
    sqlite3.SQLITE_IOERR: Trouble.UNAVAILABLE,
    sqlite3.SQLITE_READONLY: Trouble.UNAVAILABLE,
    sqlite3.SQLITE_CANTOPEN: Trouble.UNAVAILABLE,
    sqlite3.SQLITE_NOMEM: Trouble.UNAVAILABLE,
    sqlite3.SQLITE_CORRUPT: Trouble.UNAVAILABLE,
    sqlite3.SQLITE_NOTADB: Trouble.UNAVAILABLE,
    sqlite3.SQLITE_PERM: Trouble.UNAVAILABLE,
    sqlite3.SQLITE_CONSTRAINT_UNIQUE: Trouble.EXISTS,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: Trouble.EXISTS,
    sqlite3.SQLITE_CONSTRAINT: Trouble.DATA,
    sqlite3.SQLITE_TOOBIG: Trouble.DATA,
    sqlite3.SQLITE_MISMATCH: Trouble.DATA,
}


SPEECH = Speech(
    codec=SQLITE_CODEC,
    mark="?",
    now="NULL",
    by_order="",
    by_key="",
    place="rowid",
    lock="",
    rows=rows,
    complete=complete,
)


class WallClock:
    """This machine's clock: a SQLite file has no other."""

    def now(self) -> datetime:
        """See Clock."""
        return datetime.now(UTC)


class SqliteDialect:
    """A Dialect."""

    names = frozenset({"sqlite"})

    @property
    def moments(self) -> Moments:
        """See Dialect."""
        return ClockMoments(WallClock())

    def insert_new(self, table: Table) -> Insert:
        """See Dialect."""
        return insert(table).on_conflict_do_nothing()

    def put(self, table: Table) -> Insert:
        """See Dialect."""
        statement = insert(table)
        new = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
        return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=new)

    def contains(self, column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
        """See Dialect."""
        return func.instr(column, text) > 0

    @contextmanager
    def patience(self, connection: Connection, longest: timedelta) -> Iterator[None]:
        """See Dialect. Writers follow each other: whoever writes here holds the only lock there is."""
        del connection, longest
        yield

    def savepoint(self, connection: Connection) -> AbstractContextManager[object]:
        """See Dialect. None here: a savepoint outside of a transaction begins one, and its release commits that.

        Python's driver begins a transaction only before the first write, so the caller's may not have begun yet. Nor
        is one needed: a failed statement undoes nothing but itself.
        """
        return nullcontext(connection)

    def hold(self, connection: Connection, task_id: TaskId) -> None:
        """See Dialect. A write that changes nothing takes the lock of the whole file."""
        connection.execute(update(tasks).where(tasks.c.id == task_id).values(version=tasks.c.version))

    def diagnose(self, error: BaseException) -> Trouble:
        """See Dialect."""
        origin = error.orig if isinstance(error, DBAPIError) else error
        if "no such table" in str(origin):
            return Trouble.NO_TABLE
        code = getattr(origin, "sqlite_errorcode", None)
        # The low byte is the kind; what is above it only tells more.
        return trouble_of(error, _CODES, code if code is None or code in _CODES else code & 0xFF)

    def facts(self, connection: Connection) -> StoreFacts:
        """See Dialect."""
        mode = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
        return StoreFacts("sqlite", sqlite3.sqlite_version, _SYNCHRONOUS.get(mode, _DURABLE))
