"""Where a store is: what an address means, how it is opened and migrated."""

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from sqlalchemy import URL, Connection
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from duly.domain.errors import Misconfigured
from duly.ports.clock import Clock
from duly.stores.sql.dialect import Dialect, Sql
from duly.stores.sql.doubt import Doubt
from duly.stores.sql.lane import Lane
from duly.stores.sql.mysql_database import MySqlDatabase
from duly.stores.sql.runner import Runner, Waited
from duly.stores.sql.sqlite_database import SqliteDatabase

LONGEST_WAIT = timedelta(seconds=10)
"""No call of a store takes longer, unless it is opened otherwise."""


class Database(Protocol):
    """One database, not open yet."""

    @property
    def dialect(self) -> Dialect:
        """Its own ways."""
        ...

    @property
    def clock(self) -> Clock | None:
        """The clock that counts for those who use it; None: the server's own."""
        ...

    async def open(self, sql: Sql, clock: Clock | None, waited: Waited, doubt: Doubt) -> tuple[Runner, Lane]:
        """Make ready to connect; the clock, if there is one, counts instead of the database's."""
        ...

    async def migrate(self, upgrade: Callable[[Connection], None]) -> None:
        """Run the upgrade in one transaction, or as near to one as the database has, alone among all who migrate."""
        ...


def database_at(url: str, longest: timedelta = LONGEST_WAIT) -> Database:
    """The database at this address. Raises Misconfigured."""
    try:
        address = make_url(url)
    except (ArgumentError, ValueError) as error:  # a port that is no number
        raise Misconfigured(
            "The address of the database cannot be read: it should look like sqlite:///duly.db"
        ) from error
    match address.get_backend_name():
        case "sqlite" if "?" in url:
            raise Misconfigured("The address of a SQLite file takes no options. A ? in the file's name is written %3F.")
        case "sqlite":
            return SqliteDatabase.at(address, longest)
        case "postgresql" | "postgres":
            return _postgres(address, longest)
        case "mysql" | "mariadb":
            return _mysql(address, longest)
        case name:
            raise Misconfigured(f"Duly knows sqlite, postgresql, mysql and mariadb, not {name}.")


def _postgres(address: URL, longest: timedelta) -> Database:
    try:
        from duly.stores.sql.postgres_database import PostgresDatabase  # noqa: PLC0415  # an optional driver
    except ModuleNotFoundError as error:
        raise Misconfigured("PostgreSQL needs its driver: pip install 'duly[postgres]'.") from error
    return PostgresDatabase(address, longest)


def _mysql(address: URL, longest: timedelta) -> Database:
    try:
        import asyncmy  # noqa: F401, PLC0415  # SQLAlchemy imports it by name
    except ModuleNotFoundError as error:
        raise Misconfigured("MySQL and MariaDB need their driver: pip install 'duly[mysql]'.") from error
    return MySqlDatabase(address, longest)
