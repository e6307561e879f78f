"""A PostgreSQL database."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import URL, Connection, NullPool, func, select, text
from sqlalchemy.ext.asyncio import create_async_engine

from duly.domain.errors import Misconfigured
from duly.ports.clock import Clock
from duly.stores.sql.dialect import Sql
from duly.stores.sql.doubt import Doubt
from duly.stores.sql.errors import OUTSIDE, translated
from duly.stores.sql.lane import Lane
from duly.stores.sql.postgres import USUAL_PLANNER, PostgresDialect
from duly.stores.sql.postgres_connection import BriefConnection
from duly.stores.sql.postgres_lane import PLANNER, ROW_WAIT_MS, PostgresLane
from duly.stores.sql.postgres_pool import PostgresPool
from duly.stores.sql.runner import Runner, Waited
from duly.stores.sql.server_runner import ServerRunner

MIGRATION_LOCK = 0x64756C79
"""The key of the advisory lock that whoever migrates holds: "duly"."""

CONNECTIONS = 5
HOT_CONNECTIONS = 4

_HOT = {"lock_timeout": str(ROW_WAIT_MS)}


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """A Database."""

    address: URL
    longest: timedelta
    dialect: PostgresDialect = field(default_factory=PostgresDialect)
    clock: None = None

    async def open(self, sql: Sql, clock: Clock | None, waited: Waited, doubt: Doubt) -> tuple[Runner, Lane]:
        """See Database."""
        del sql
        engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=partial(self._connect, USUAL_PLANNER),
            pool_size=CONNECTIONS,
            max_overflow=CONNECTIONS,
            pool_timeout=self.longest.total_seconds(),
        )
        doubt.watch(engine.pool, _still_open, _cut)
        reading = engine.execution_options(isolation_level="AUTOCOMMIT")
        pool = PostgresPool(partial(self._connect, PLANNER | _HOT), HOT_CONNECTIONS, doubt)
        runner = ServerRunner(engine, reading, self.dialect, longest=self.longest, waited=waited, doubt=doubt)
        return runner, PostgresLane(pool, self.dialect, clock, longest=self.longest, waited=waited, doubt=doubt)

    async def migrate(self, upgrade: Callable[[Connection], None]) -> None:
        """See Database. Several who migrate at once wait for each other; nobody waits long for the tables' users."""
        engine = create_async_engine(
            "postgresql+asyncpg://", async_creator=partial(self._connect, USUAL_PLANNER), poolclass=NullPool
        )
        try:
            async with engine.begin() as connection:
                await connection.execute(text("SET LOCAL statement_timeout = 0"))
                await connection.execute(text("SET LOCAL lock_timeout = '60s'"))
                await connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
                await connection.execute(text("SET LOCAL lock_timeout = '5s'"))
                await connection.run_sync(upgrade)
        except OUTSIDE as error:
            raise translated(error, self.dialect.diagnose(error)) from error
        finally:
            await engine.dispose()

    async def _connect(self, settings: dict[str, str]) -> Any:
        try:
            return await asyncpg.connect(
                self._dsn,
                timeout=self.longest.total_seconds(),
                connection_class=BriefConnection,
                server_settings=self._settings() | settings,
            )
        except asyncpg.exceptions.ClientConfigurationError as error:
            raise Misconfigured(f"The address of the database cannot be used: {error}.") from error

    @property
    def _dsn(self) -> str:
        return self.address.set(drivername="postgresql").render_as_string(hide_password=False)

    def _settings(self) -> dict[str, str]:
        return {
            "application_name": "duly",
            "default_transaction_isolation": "read committed",
            # A little less than we wait ourselves, so that the server ends it and the connection stays good.
            "statement_timeout": str(self.longest * 0.9 // timedelta(milliseconds=1)),
            "idle_in_transaction_session_timeout": "60s",
        }


def _still_open(connection: Any) -> bool:
    """Whether the server has not closed it; a ping would be three round trips."""
    return not connection.driver_connection.is_closed()


def _cut(connection: Any) -> None:
    connection.driver_connection.terminate()
