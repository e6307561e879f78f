"""A MySQL or MariaDB database."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Any

from sqlalchemy import URL, Connection, Dialect, NullPool, event, func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from duly.domain.errors import Misconfigured, StoreUnavailable
from duly.ports.clock import Clock
from duly.stores.sql.dialect import Sql
from duly.stores.sql.doubt import Doubt
from duly.stores.sql.errors import OUTSIDE, translated
from duly.stores.sql.hot import Hot
from duly.stores.sql.insistently import insistently
from duly.stores.sql.lane import CoreLane, Lane
from duly.stores.sql.mysql import SPEECH, MySqlDialect
from duly.stores.sql.runner import Runner, Waited
from duly.stores.sql.server_runner import ServerRunner

MIGRATION_WAIT = timedelta(seconds=60)

CONNECTIONS = 8

LONGEST_IDLE = timedelta(seconds=60)
"""The server ends a connection that is silent for so long, and with it the locks of a process that was stopped in the
middle of a transaction. One of the pool's is opened again when it is needed."""


@dataclass(frozen=True, slots=True)
class MySqlDatabase:
    """A Database."""

    address: URL
    longest: timedelta
    dialect: MySqlDialect = field(default_factory=MySqlDialect)
    clock: None = None

    async def open(self, sql: Sql, clock: Clock | None, waited: Waited, doubt: Doubt) -> tuple[Runner, Lane]:
        """See Database."""
        engine = create_async_engine(
            self._url,
            isolation_level="READ COMMITTED",
            connect_args=self._arguments(self.longest),
            pool_size=CONNECTIONS,
            max_overflow=CONNECTIONS,
            pool_timeout=self.longest.total_seconds(),
        )
        event.listen(engine.sync_engine, "do_connect", _connected)
        doubt.watch(engine.pool, partial(_answers, engine.dialect), _cut)
        runner = ServerRunner(engine, engine, self.dialect, longest=self.longest, waited=waited, doubt=doubt)
        return runner, CoreLane(runner, sql, Hot(SPEECH, clock))

    async def migrate(self, upgrade: Callable[[Connection], None]) -> None:
        """See Database. A statement that changes a table commits by itself here, so each step may be repeated."""
        engine = create_async_engine(self._url, connect_args=self._arguments(MIGRATION_WAIT), poolclass=NullPool)
        event.listen(engine.sync_engine, "do_connect", _connected)
        try:
            await self._migrate(engine, upgrade)
        except OUTSIDE as error:
            raise translated(error, self.dialect.diagnose(error)) from error
        finally:
            await engine.dispose()

    async def _migrate(self, engine: AsyncEngine, upgrade: Callable[[Connection], None]) -> None:
        async with engine.connect() as connection:
            seconds = MIGRATION_WAIT // timedelta(seconds=1)
            # The lock is the server's, not the database's, and ends with the connection.
            if await connection.scalar(select(func.get_lock(self._lock_name, seconds))) != 1:
                raise StoreUnavailable(f"Somebody else has been migrating for {MIGRATION_WAIT}.")
            await connection.execute(text("SET SESSION lock_wait_timeout = 5"))
            await connection.run_sync(upgrade)
            await connection.commit()

    @property
    def _url(self) -> URL:
        return self.address.set(drivername="mysql+asyncmy")

    @property
    def _lock_name(self) -> str:
        return f"duly-migrate-{sha256(str(self.address.database).encode()).hexdigest()[:32]}"

    def _arguments(self, longest: timedelta) -> dict[str, object]:
        seconds = longest.total_seconds()
        return {
            "charset": "utf8mb4",
            "connect_timeout": int(seconds),
            # What MariaDB alone knows is in a comment that it alone reads. A little less than we wait ourselves.
            "init_command": (
                "SET SESSION sql_mode = 'TRADITIONAL', time_zone = '+00:00', "
                f"innodb_lock_wait_timeout = 1, wait_timeout = {LONGEST_IDLE // timedelta(seconds=1)} "
                f"/*M! , max_statement_time = {seconds * 0.9} */"
            ),
        }


def _connected(dialect: Dialect, _record: object, arguments: list[Any], options: dict[str, Any]) -> Any:
    """The driver's connection. Where the server hangs up at once, asyncmy misses the socket to set its options on."""
    creator = partial(insistently, dialect.loaded_dbapi.asyncmy.connect)
    try:
        return dialect.connect(*arguments, async_creator_fn=creator, **options)
    except (TypeError, ValueError) as error:
        raise Misconfigured(f"The driver does not take the options of the database's address: {error}.") from error
    except RuntimeError as error:
        raise ConnectionResetError("The server hung up at once.") from error


def _answers(dialect: Dialect, connection: Any) -> bool:
    """Whether the server is still there. Not by the pool's own ping: that would come before any doubt."""
    try:
        return dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        if dialect.is_disconnect(error, connection, None):
            return False
        raise


def _cut(connection: Any) -> None:
    connection.driver_connection.close()
