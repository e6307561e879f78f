"""Connections that are killed heal without a restart, and what a server says is told as what it means."""

import asyncio
import os
from contextlib import suppress

import pytest
from sqlalchemy import NullPool, bindparam, create_engine, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from duly.domain.errors import RowInvalid, StoreUnavailable
from duly.domain.fact import CancelAsked, Returned
from duly.domain.transition import decide
from duly.ports.store import Renewal
from duly.stores.sql.migrate import migrate
from duly.stores.sql.open import open_sql_store
from duly.stores.sql.schema import tasks
from tests.support.builders import LEASE, WORKER, a_task
from tests.support.databases import blocking_url

KILL_ALL = {
    "postgresql": (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ),
    "mysql": "SELECT concat('KILL ', id) FROM information_schema.processlist "
    "WHERE db = database() AND id <> connection_id()",
}


@pytest.fixture(params=["postgresql", "mysql"])
async def url(request, new_database):
    with new_database(request.param) as url:
        await migrate(url)
        yield url


@pytest.fixture
async def store(url):
    store = await open_sql_store(url)
    yield store
    await store.close()


def kill_all(url):
    """End every connection to the database but our own."""
    engine = create_engine(blocking_url(url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        commands = connection.execute(text(KILL_ALL[engine.dialect.name])).scalars().all()
        for command in commands:
            if isinstance(command, str):
                with suppress(OperationalError):  # it ended by itself meanwhile
                    connection.execute(text(command))
    engine.dispose()


async def healed(operation):
    """The outcome of the operation, tried again while the database counts as away."""
    for _ in range(20):
        try:
            return await operation()
        except StoreUnavailable:
            await asyncio.sleep(0)
    return await operation()


async def test_killed_connections_heal(store, url):
    first, second = a_task(), a_task()
    await store.tasks.add([first])

    await asyncio.to_thread(kill_all, url)

    assert await healed(lambda: store.tasks.add([second])) == [second]
    await asyncio.to_thread(kill_all, url)
    claimed = await healed(lambda: store.tasks.claim("default", 10, WORKER, LEASE))
    assert [task.id for task in claimed] == [first.id, second.id]
    await asyncio.to_thread(kill_all, url)
    changes = [decide(task, Returned(task.claim, "1"), store.clock.now()) for task in claimed]
    assert await healed(lambda: store.tasks.apply(changes)) == []
    await asyncio.to_thread(kill_all, url)
    assert len(await healed(lambda: store.tasks.get([first.id, second.id]))) == 2


async def test_connections_that_are_killed_under_load_lose_nothing(store, url):
    stop = asyncio.Event()
    added = []

    async def add_on():
        while not stop.is_set():
            task = a_task()
            await healed(lambda task=task: store.tasks.add([task]))
            added.append(task.id)

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(add_on())
        for _ in range(5):
            await asyncio.to_thread(kill_all, url)
        stop.set()

    assert len(await healed(lambda: store.tasks.get(added))) == len(added)


async def test_a_server_that_is_not_there_is_unavailable():
    for url in ("postgresql://postgres@127.0.0.1:1/none", "mysql://root@127.0.0.1:1/none"):
        with pytest.raises(StoreUnavailable):
            await open_sql_store(url)


async def test_a_database_that_is_not_there_is_unavailable(url):
    with pytest.raises(StoreUnavailable):
        await open_sql_store(url + "_not_there")


async def test_rows_that_somebody_keeps_locked_lose_the_race_and_hold_nobody_up(store, url):
    await store.tasks.add([a_task(), a_task()])
    locked, free = await store.tasks.claim("default", 2, WORKER, LEASE)
    changes = [decide(task, CancelAsked(), store.clock.now()) for task in (locked, free)]
    engine = create_engine(blocking_url(url), poolclass=NullPool)
    with engine.begin() as connection:
        where = bindparam("id", locked.id, tasks.c.id.type)
        connection.execute(select(tasks.c.id).where(tasks.c.id == where).with_for_update())

        async with asyncio.timeout(20):
            lost = await store.tasks.apply(changes)
            renewed = await store.tasks.renew([Renewal(t.id, t.claim) for t in (locked, free)], LEASE)

    assert lost == [changes[0]]
    assert renewed == {locked.id: False, free.id: True}
    engine.dispose()


@pytest.mark.parametrize("flaw", [{"type": "x" * 300}, {"max_attempts": 2**40}, {"queue": "\ud800"}])
async def test_a_value_that_the_database_cannot_keep_is_told_and_nothing_is_written(store, flaw):
    good = a_task()

    with pytest.raises(RowInvalid):
        await store.tasks.add([good, a_task(**flaw)])

    assert await store.tasks.get([good.id]) == {}


async def test_a_batch_of_four_mebibytes_goes_through(store):
    big = '"' + 'x\\"' * 120_000 + '"'
    given = [a_task(payload=big) for _ in range(11)]

    assert await store.tasks.add(given) == given
    claimed = await store.tasks.claim("default", 11, WORKER, LEASE)
    assert await store.tasks.apply([decide(t, Returned(t.claim, big), store.clock.now()) for t in claimed]) == []
    assert {task.result for task in (await store.tasks.get([t.id for t in given])).values()} == {big}


async def test_a_completion_whose_row_somebody_keeps_locked_does_not_hold_up_its_batch(store, url):
    """One handler that settled in a transaction of its own, and left it open, would hold up everybody's results."""
    await store.tasks.add([a_task(), a_task()])
    locked, free = await store.tasks.claim("default", 2, WORKER, LEASE)
    changes = [decide(task, Returned(task.claim, "1"), store.clock.now()) for task in (locked, free)]
    engine = create_engine(blocking_url(url), poolclass=NullPool)
    with engine.begin() as connection:
        where = bindparam("id", locked.id, tasks.c.id.type)
        connection.execute(select(tasks.c.id).where(tasks.c.id == where).with_for_update())

        async with asyncio.timeout(20):
            lost = await store.tasks.apply(changes)

    engine.dispose()
    assert lost == [changes[0]]
    assert (await store.tasks.get([free.id]))[free.id].final
    assert await store.tasks.apply([changes[0]]) == []


async def test_the_server_lets_go_of_what_a_process_that_was_stopped_holds(store, url):
    """One that was stopped in mid-transaction kept its task from everybody for as long as it stood still."""
    limit = {"postgresql": "SHOW idle_in_transaction_session_timeout", "mysql": "SELECT @@SESSION.wait_timeout"}

    found = await store.tasks._runner.read(lambda connection: connection.scalar(text(limit[url.partition(":")[0]])))

    assert str(found) in ("1min", "60")


async def test_a_user_without_rights_on_the_tables_is_told_so(url):
    """It was a traceback of Duly's: nothing said that somebody must grant something."""
    at = make_url(url)
    name = f"duly_poor_{os.getpid()}"
    made = {
        "postgresql": ("CREATE ROLE {} LOGIN", "DROP ROLE {}"),
        "mysql": ("GRANT CREATE TEMPORARY TABLES ON *.* TO {}@'%' IDENTIFIED BY 'poor'", "DROP USER {}@'%'"),
    }
    make, drop = made[at.get_backend_name()]
    engine = create_engine(blocking_url(url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(make.format(name).replace("%", "%%"))
        try:
            poor = at.set(username=name, password="poor").render_as_string(hide_password=False)  # noqa: S106
            with pytest.raises(StoreUnavailable, match="denied"):
                await open_sql_store(poor)
        finally:
            connection.exec_driver_sql(drop.format(name).replace("%", "%%"))
    engine.dispose()
