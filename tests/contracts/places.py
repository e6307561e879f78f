"""Where the contract suite runs: memory, and each database, emptied before every test."""

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy import create_engine, delete

from duly.ports.clock import Clock
from duly.ports.store import Store
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from duly.stores.sql.migrate import migrate
from duly.stores.sql.open import open_sql_store
from duly.stores.sql.schema import metadata
from tests.support.databases import blocking_url, mysql_database, postgres_database

KINDS = ("memory", "sqlite", "postgresql", "mysql")


def on(*kinds: str) -> pytest.MarkDecorator:
    """For a test that is about these stores only."""
    return pytest.mark.parametrize("home", [kind for kind in kinds if kind in KINDS], indirect=True, scope="session")


class Place(Protocol):
    """One database that stores can be opened on, again and again."""

    kind: str
    url: str

    def empty(self) -> None: ...

    async def open(self, clock: Clock) -> Store: ...


@contextmanager
def place(kind: str, folder: Path) -> Iterator[Place]:
    """A place of this kind; what it made is dropped at the end."""
    with ExitStack() as stack:
        match kind:
            case "memory":
                yield Memory()
            case "sqlite":
                yield SqliteFile(folder)
            case "postgresql":
                url = stack.enter_context(postgres_database())
                yield stack.enter_context(closing(Server("postgresql", url)))
            case _:
                url = stack.enter_context(mysql_database())
                yield stack.enter_context(closing(Server("mysql", url)))


@dataclass
class Memory:
    kind: str = "memory"
    url: str = ""
    database: MemoryDatabase = field(default_factory=MemoryDatabase)

    def empty(self) -> None:
        self.database = MemoryDatabase()

    async def open(self, clock: Clock) -> Store:
        return MemoryStore(self.database, clock)


class SqliteFile:
    """A new copy of an empty, migrated file for each test."""

    kind = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._template = folder / "template.db"
        self._copies = 0
        asyncio.run(migrate(f"sqlite:///{self._template}"))
        with sqlite3.connect(self._template) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()

    @property
    def url(self) -> str:
        return f"sqlite:///{self._path}"

    @property
    def _path(self) -> Path:
        return self._folder / f"copy-{self._copies}.db"

    def empty(self) -> None:
        for left in self._folder.glob(f"{self._path.name}*"):
            left.unlink()
        self._copies += 1
        shutil.copy(self._template, self._path)

    async def open(self, clock: Clock) -> Store:
        return await open_sql_store(self.url, clock=clock)


class Server:
    """A database on a server, migrated once."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind = kind
        self.url = url
        self._engine = create_engine(blocking_url(url), pool_pre_ping=True)
        asyncio.run(migrate(url))

    def empty(self) -> None:
        with self._engine.begin() as connection:
            for table in metadata.sorted_tables:
                connection.execute(delete(table))

    async def open(self, clock: Clock) -> Store:
        return await open_sql_store(self.url, clock=clock)

    def close(self) -> None:
        self._engine.dispose()
