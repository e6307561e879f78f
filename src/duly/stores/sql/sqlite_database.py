"""A SQLite file."""

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

from sqlalchemy import URL, Connection

from duly.domain.errors import Misconfigured
from duly.ports.clock import Clock
from duly.stores.sql.dialect import Sql
from duly.stores.sql.doubt import Doubt
from duly.stores.sql.errors import OUTSIDE, translated
from duly.stores.sql.fairlock import FairLock
from duly.stores.sql.hot import Hot
from duly.stores.sql.lane import CoreLane, Lane
from duly.stores.sql.runner import Runner, Waited
from duly.stores.sql.sqlite import SPEECH, SqliteDialect, WallClock
from duly.stores.sql.sqlite_runner import SqliteRunner, sqlite_engine

OLDEST = (3, 35)
"""As ``duly doctor`` has it. Before 3.33 (UPDATE FROM) no end of a task could be written."""


@dataclass(frozen=True, slots=True)
class SqliteDatabase:
    """A Database."""

    path: Path
    longest: timedelta
    dialect: SqliteDialect
    clock: Clock

    @classmethod
    def at(cls, address: URL, longest: timedelta) -> Self:
        """The file that the address names. Raises Misconfigured."""
        if not address.database or address.database == ":memory:":
            raise Misconfigured("Duly needs a SQLite file (sqlite:///duly.db): several connections share it.")
        if sqlite3.sqlite_version_info < OLDEST:
            raise Misconfigured(f"Duly needs SQLite 3.35 or later; that of this Python is {sqlite3.sqlite_version}.")
        path = Path(address.database)
        if not path.parent.is_dir():
            raise Misconfigured(f"There is no folder {path.parent} for the SQLite file {path.name}.")
        return cls(path, longest, SqliteDialect(), WallClock())

    async def open(self, sql: Sql, clock: Clock | None, waited: Waited, doubt: Doubt) -> tuple[Runner, Lane]:
        """See Database. There is no wire that could be in doubt."""
        del doubt
        engine = sqlite_engine(self.path, self.longest)
        runner = SqliteRunner(engine, self._lock(), self.dialect, self.longest, waited)
        runner.start()
        return runner, CoreLane(runner, sql, Hot(SPEECH, clock or self.clock))

    async def migrate(self, upgrade: Callable[[Connection], None]) -> None:
        """See Database."""
        await asyncio.to_thread(self._migrate, upgrade)

    def _migrate(self, upgrade: Callable[[Connection], None]) -> None:
        lock = self._lock()
        engine = sqlite_engine(self.path, self.longest)
        try:
            with lock, engine.connect() as connection, connection.begin():
                upgrade(connection)
        except OUTSIDE as error:
            raise translated(error, self.dialect.diagnose(error)) from error
        finally:
            engine.dispose()
            lock.close()

    def _lock(self) -> FairLock:
        try:
            return FairLock(str(self.path))
        except OSError as error:
            raise translated(error, self.dialect.diagnose(error)) from error
