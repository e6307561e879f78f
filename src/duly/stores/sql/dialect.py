"""What the databases do differently. Everything else is written once, over a SQLAlchemy Core connection."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, Insert, Table

from duly.domain.task import TaskId
from duly.ports.clock import Clock
from duly.ports.store import StoreFacts
from duly.stores.sql.errors import Trouble
from duly.stores.sql.moments import ClockMoments, Moments


class Dialect(Protocol):
    """One database's own ways: its statements where they differ, its limits, and the meaning of its errors."""

    @property
    def names(self) -> frozenset[str]:
        """What SQLAlchemy calls this kind of database."""
        ...

    @property
    def moments(self) -> Moments:
        """The database's own clock in SQL."""
        ...

    def insert_new(self, table: Table) -> Insert:
        """An insert that leaves a row alone whose primary or unique key is already there."""
        ...

    def put(self, table: Table) -> Insert:
        """An insert that overwrites the row with this primary key, if there is one."""
        ...

    def contains(self, column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
        """Whether the text occurs in the column, letter by letter."""
        ...

    def patience(self, connection: Connection, longest: timedelta) -> AbstractContextManager[None]:
        """While the context is open, a lock that another transaction holds for so long raises an error."""
        ...

    def savepoint(self, connection: Connection) -> AbstractContextManager[object]:
        """While the context is open, a statement that fails leaves the rest of the transaction as it was."""
        ...

    def hold(self, connection: Connection, task_id: TaskId) -> None:
        """Lock the row of this task, if there is one, until the transaction ends."""
        ...

    def diagnose(self, error: BaseException) -> Trouble:
        """What an error of the driver means."""
        ...

    def facts(self, connection: Connection) -> StoreFacts:
        """What the database says of itself."""
        ...


@dataclass(frozen=True, slots=True)
class Sql:
    """How statements are made: one database's ways and the clock that counts."""

    dialect: Dialect
    moments: Moments


def sql_for(dialect: Dialect, clock: Clock | None) -> Sql:
    """The database's own clock counts, unless one is injected."""
    return Sql(dialect, dialect.moments if clock is None else ClockMoments(clock))
