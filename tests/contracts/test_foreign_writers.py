"""Somebody else writes in the same database."""

import asyncio
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from threading import Event

import pytest
from sqlalchemy import NullPool, create_engine, select, update

from duly.domain import fact as facts
from duly.domain.errors import KeyInFlight
from duly.stores.sql.schema import tasks as table
from tests.contracts.places import on
from tests.support.builders import a_failure, a_task
from tests.support.databases import blocking_url
from tests.support.moves import a_change, added, claims, decided, kinds_of, now_stored, running

ON_SERVERS = on("postgresql", "mysql")
"""SQLite has one writer at a time: there is no row to skip and no key to wait for."""

ON_SQLITE = on("sqlite")


@ON_SERVERS
async def test_a_claim_skips_rows_that_another_transaction_holds(open_store, home):
    store = await open_store()
    held, free = await added(store), await added(store)

    engine = create_engine(blocking_url(home.url), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(select(table.c.id).where(table.c.id == held.id).with_for_update()).all()
        async with asyncio.timeout(20):
            assert [task.id for task in await claims(store)] == [free.id]

    assert [task.id for task in await claims(store)] == [held.id]


@ON_SERVERS
@pytest.mark.mistake(22)
@pytest.mark.parametrize("fact", [facts.Returned, facts.Interrupted, None])
async def test_a_change_of_a_row_that_somebody_is_changing_waits_and_then_loses(open_store, home, fact):
    store = await open_store()
    task = await running(store)
    settle = facts.CancelAsked() if fact is None else fact(task.claim, *(['"1"'] if fact is facts.Returned else []))
    change = a_change(store, task, settle)

    engine = create_engine(blocking_url(home.url), poolclass=NullPool)
    async with asyncio.TaskGroup() as group:
        with engine.begin() as connection:
            values = {"version": task.version + 1, "worker": "other"}
            connection.execute(update(table).where(table.c.id == task.id).values(values))
            applying = group.create_task(store.tasks.apply([change]))
            done, _ = await asyncio.wait([applying], timeout=0.3)
            assert not done

    assert applying.result() == [change]
    assert (await now_stored(store, task)).worker == "other"
    assert await kinds_of(store, task) == []


@ON_SERVERS
async def test_a_key_in_somebodys_open_transaction_is_waited_for_a_second_and_told(open_store, home):
    store = await open_store()
    mine, theirs = a_task(key="k"), a_task(key="k")
    engine = create_engine(blocking_url(home.url), poolclass=NullPool)

    with engine.connect() as connection, connection.begin() as transaction:
        store.joined.add_blocking(connection, theirs, list)
        async with asyncio.timeout(10):
            with pytest.raises(KeyInFlight):
                await store.tasks.add([mine])
            assert await store.tasks.add([a_task(key="other"), a_task()])
        transaction.rollback()

    assert await store.tasks.add([mine]) == [mine]


@ON_SQLITE
@pytest.mark.mistake(11)
async def test_a_foreign_writer_between_a_read_and_a_write_makes_nobody_fail(open_store, home):
    """In SQLite a transaction that began with a read fails at once when it writes after somebody else has written."""
    store = await open_store()
    foreign = Foreigner(home.url.removeprefix("sqlite:///"))

    with foreign.writing():
        async with asyncio.timeout(60):
            while foreign.written < 20:
                task = await running(store, key="k")
                await decided(store, task, facts.Raised(task.claim, a_failure(), None))


class Foreigner:
    """An application that writes to a table of its own in the same file, again and again; how many times it has."""

    def __init__(self, path: str) -> None:
        self.written = 0
        self._path = path
        self._stop = Event()

    @contextmanager
    def writing(self) -> Iterator[None]:
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(self._write)
            try:
                yield
            finally:
                self._stop.set()
                done.result()

    def _write(self) -> None:
        with closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as connection:
            connection.execute("CREATE TABLE counted (number INTEGER)")
            while not self._stop.wait(0.0005):
                connection.execute("INSERT INTO counted VALUES (1)")
                self.written += 1
