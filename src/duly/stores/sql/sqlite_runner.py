"""Runs operations on a SQLite file: writes on one thread, reads on another."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from duly.domain.errors import StoreUnavailable
from duly.stores.sql.dialect import Dialect
from duly.stores.sql.errors import OUTSIDE, translated
from duly.stores.sql.fairlock import FairLock
from duly.stores.sql.goodbye import GOODBYE
from duly.stores.sql.runner import R, Waited
from duly.stores.sql.writer import Writer


def sqlite_engine(path: Path, longest: timedelta) -> Engine:
    """An engine whose transactions begin as the connection's ``duly_begin`` option says (BEGIN IMMEDIATE by default).

    A transaction that reads first and writes later fails at once when another one wrote in between, whatever the busy
    timeout: so each write transaction takes the write lock as it begins.

    None begins on a file that is not at its path any more (deleted, or replaced): what is written there is lost. It
    raises FileNotFoundError, and so does a new connection: it would make an empty file.
    """
    file = _File(path, longest)
    engine = create_engine("sqlite+pysqlite://", creator=file.connect, poolclass=NullPool)
    event.listen(engine, "connect", file.connected)
    event.listen(engine, "begin", file.begin)
    return engine


class _File:
    """What is at this path, and whether that is what was there before."""

    def __init__(self, path: Path, longest: timedelta) -> None:
        self._path = path
        self._longest = longest
        self._known = False

    def connect(self) -> sqlite3.Connection:
        if self._known:
            _place_of(self._path)
        connection = _connect(self._path, self._longest)
        self._known = True
        return connection

    def connected(self, _connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
        record.info["duly_place"] = _place_of(self._path)

    def begin(self, connection: Connection) -> None:
        if connection.info["duly_place"] != _place_of(self._path):
            raise FileNotFoundError(f"{self._path} is another file than it was")
        connection.exec_driver_sql(connection.get_execution_options().get("duly_begin", "BEGIN IMMEDIATE"))


def _place_of(path: Path) -> tuple[int, int]:
    """Which file it is, whatever its name. Raises FileNotFoundError."""
    found = path.stat()
    return found.st_dev, found.st_ino


def _connect(path: Path, longest: timedelta) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=longest.total_seconds(), isolation_level=None, check_same_thread=False, cached_statements=256
    )
    connection.execute("PRAGMA journal_mode = WAL")
    # NORMAL would lose the last commits with the power.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -16000")
    return connection


class SqliteRunner:
    """A Runner. Several may be open on one file, in one process or many: their writers queue at a fair lock."""

    def __init__(self, engine: Engine, lock: FairLock, dialect: Dialect, longest: timedelta, waited: Waited) -> None:
        self._engine = engine
        self._dialect = dialect
        self._longest = longest
        self._waited = waited
        self._writer = Writer(engine, lock, waited)
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="duly-sqlite-reader")
        self._reading: Connection | None = None
        self._closed = False

    def start(self) -> None:
        """Start the writer's thread."""
        self._writer.start()

    async def read(self, operation: Callable[[Connection], R]) -> R:
        """See Runner."""
        if self._closed:
            raise StoreUnavailable("The store is closed.")
        return await self._outcome(self._reader.submit(self._read, operation, time.perf_counter()))

    async def write(self, operation: Callable[[Connection], R], *, urgent: bool = False) -> R:
        """See Runner."""
        return await self._outcome(self._writer.submit(operation, urgent=urgent))

    async def close(self) -> None:
        """See Runner."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(partial(self._writer.close, GOODBYE.total_seconds()))
        await asyncio.to_thread(self._close_reader)
        self._engine.dispose()

    def _close_reader(self) -> None:
        self._reader.submit(self._forget_reading)
        self._reader.shutdown()

    async def _outcome(self, future: "Future[R]") -> R:
        try:
            async with asyncio.timeout(self._longest.total_seconds()):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            raise StoreUnavailable(f"The SQLite file was busy for {self._longest}.") from error
        except OUTSIDE as error:
            raise translated(error, self._dialect.diagnose(error)) from error

    def _read(self, operation: Callable[[Connection], R], asked: float) -> R:
        self._waited(time.perf_counter() - asked)
        if self._reading is None:
            self._reading = self._engine.connect().execution_options(duly_begin="BEGIN")
        try:
            with self._reading.begin():
                return operation(self._reading)
        except OUTSIDE:
            self._forget_reading()
            raise

    def _forget_reading(self) -> None:
        connection, self._reading = self._reading, None
        if connection is not None:
            connection.invalidate()
            connection.close()
