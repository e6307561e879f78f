"""Connections that stay open and carry nothing any more: each call ends in time, and the next ones get new ones."""

import asyncio
import time
from contextlib import suppress
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit

import asyncmy
import pytest

from duly.domain.errors import StoreUnavailable
from duly.domain.task import WorkerId
from duly.stores.sql.migrate import migrate
from duly.stores.sql.open import open_sql_store
from duly.torture.proxy import Mode, Proxy
from tests.support.builders import LEASE, a_task

LONGEST = timedelta(seconds=4)
PATIENCE = 40
PORTS = {"postgresql": 5432, "mysql": 3306}


@pytest.fixture(params=["postgresql", "mysql"])
async def wire_and_store(request, new_database):
    with new_database(request.param) as url:
        await migrate(url)
        address = urlsplit(url)
        proxy = Proxy(address.hostname, address.port or PORTS[request.param])
        async with proxy.open():
            account, sign, _ = address.netloc.rpartition("@")
            by_wire = urlunsplit(address._replace(netloc=f"{account}{sign}127.0.0.1:{proxy.own_port}"))
            store = await open_sql_store(by_wire, longest=LONGEST)
            yield proxy, store
            async with asyncio.timeout(PATIENCE):
                await store.close()


async def test_calls_on_dead_connections_end_in_time_and_new_ones_heal(wire_and_store):
    """Once, a pool waited for ever for the answer to a cancel that nobody could hear, and kept the place."""
    wire, store = wire_and_store
    task = a_task()
    await store.tasks.add([task])
    await asyncio.gather(*(store.tasks.get([task.id]) for _ in range(20)))

    wire.turn(Mode.HALF_OPEN)
    calls = [store.tasks.get([task.id]) for _ in range(20)]
    calls += [store.tasks.claim("nothing", 1, WorkerId("w"), LEASE) for _ in range(20)]
    async with asyncio.timeout(PATIENCE):
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    wire.turn(Mode.OPEN)

    assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
    async with asyncio.timeout(PATIENCE):
        assert (await store.tasks.get([task.id]))[task.id].id == task.id


async def test_after_one_call_without_an_answer_no_other_dead_connection_is_tried(wire_and_store):
    """Once, each idle connection that a dead wire had left behind cost its user the whole time limit, one by one."""
    wire, store = wire_and_store
    task = a_task()
    await store.tasks.add([task])
    await _many_calls(store, task)

    wire.turn(Mode.HALF_OPEN)
    with pytest.raises(StoreUnavailable):
        await store.tasks.get([task.id])
    wire.turn(Mode.OPEN)

    await _many_calls(store, task)


@pytest.mark.parametrize("wire_and_store", ["mysql"], indirect=True)
async def test_a_driver_that_forgets_that_it_was_cancelled_while_it_connects_holds_nobody_up(
    wire_and_store, monkeypatch
):
    """Once, asyncmy did so now and then, and the call that wanted a connection waited without an end."""
    _, store = wire_and_store
    begun = []

    async def forgetful(**_):
        begun.append(1)
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncmy, "connect", forgetful)
    async with asyncio.timeout(PATIENCE):
        outcomes = await asyncio.gather(*(store.tasks.get([a_task().id]) for _ in range(5)), return_exceptions=True)

    assert begun
    assert [type(outcome) for outcome in outcomes if outcome != {}] == [StoreUnavailable] * len(begun)


async def _many_calls(store, task):
    """By every kind of connection that there is, so that many are idle afterwards."""
    calls = [store.tasks.get([task.id]) for _ in range(5)]
    calls += [store.tasks.cancelling([task.id]) for _ in range(5)]
    await asyncio.gather(*calls)


@pytest.mark.parametrize("wire_and_store", ["postgresql"], indirect=True)
async def test_closing_waits_a_moment_for_dead_connections_and_reports_none(wire_and_store, caplog):
    """Once, a good-bye that took long was logged as an error of the pool, and each was waited for ten seconds."""
    wire, store = wire_and_store
    task = a_task()
    await store.tasks.add([task])
    await _many_calls(store, task)
    wire.turn(Mode.HALF_OPEN)

    began = time.monotonic()
    await store.close()

    assert time.monotonic() - began < 8  # a moment, on a busy machine
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []
