"""``Duly`` itself: opened once or many times, for synchronous code, and from the wrong place."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from threading import Thread

import pytest
from fastapi import FastAPI
from structlog.contextvars import bound_contextvars

from duly import Duly, Settings
from duly.domain.errors import Misconfigured, StoreUnavailable, TaskCancelled
from duly.domain.state import State
from duly.handler import Handler, Options
from duly.ports.store import Store
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from tests.support.servers import free_port
from tests.support.stage import RealClock

SETTINGS = Settings.model_construct(slots=2, grace=timedelta(seconds=1))


class Opener:
    """Opens the same memory again and again, and counts."""

    def __init__(self) -> None:
        self.database = MemoryDatabase()
        self.opened = 0
        self.open = 0
        self.faults: list[Exception] = []

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[Store]:
        await asyncio.sleep(0)
        if self.faults:
            raise self.faults.pop()
        self.opened += 1
        self.open += 1
        try:
            yield MemoryStore(self.database, RealClock())
        finally:
            self.open -= 1


def a_duly(opener: Opener) -> Duly:
    duly = Duly(SETTINGS, opener=opener)

    @duly.task
    async def echo(text: str) -> str:
        return text

    @duly.task
    async def odd(self: str, handler: str) -> str:
        return self + handler

    return duly


async def test_opened_twice_it_is_opened_once_and_closed_with_the_last() -> None:
    opener = Opener()
    duly = a_duly(opener)
    async with duly:
        async with duly:
            core = duly.core
        assert duly.core is core
        assert opener.open == 1

    assert (opener.opened, opener.open) == (1, 0)


async def test_opened_by_two_at_the_same_moment_it_is_opened_once() -> None:
    """Both found it closed and opened it: one of the two was never closed."""
    opener = Opener()
    duly = a_duly(opener)
    both_open = asyncio.Barrier(2)

    async def use() -> None:
        async with duly:
            await both_open.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(use())
        group.create_task(use())

    assert (opener.opened, opener.open) == (1, 0)


async def test_an_opening_that_failed_may_be_tried_again() -> None:
    opener = Opener()
    opener.faults = [StoreUnavailable("away")]
    duly = a_duly(opener)
    with pytest.raises(StoreUnavailable):
        await duly.__aenter__()

    async with duly:
        assert opener.open == 1
    assert opener.open == 0


async def test_closed_it_may_be_opened_again() -> None:
    opener = Opener()
    duly = a_duly(opener)
    for _ in range(2):
        async with duly:
            pass

    assert (opener.opened, opener.open) == (2, 0)


async def test_not_open_it_says_what_to_do() -> None:
    with pytest.raises(Misconfigured, match=r"use `async with duly:`, or FastAPI\(lifespan=duly.lifespan\)"):
        await a_duly(Opener()).submit("echo", {"text": "x"})


async def test_a_second_event_loop_is_told_that_the_first_has_it_open() -> None:
    duly = a_duly(Opener())
    caught: list[BaseException] = []

    def elsewhere() -> None:
        try:
            with duly.blocking():
                pass
        except Misconfigured as error:
            caught.append(error)

    async with duly:
        await asyncio.to_thread(elsewhere)

    assert "open on another event loop" in str(caught[0])


async def test_a_lifespan_opens_it_and_starts_no_worker() -> None:
    duly = a_duly(Opener())
    async with duly.lifespan(FastAPI()):
        handle = await duly.submit("echo", {"text": "x"})

        assert await handle.status() is State.PENDING
        assert await duly.service.overview.workers() == []


async def test_a_lifespan_waits_for_a_database_that_is_away() -> None:
    opener = Opener()
    opener.faults = [StoreUnavailable("away") for _ in range(3)]
    duly = a_duly(opener)

    async with duly.lifespan(FastAPI()):
        assert opener.open == 1


async def test_a_lifespan_begins_without_a_broker_that_stays_away() -> None:
    settings = SETTINGS.model_copy(update={"broker_url": f"amqp://guest:guest@127.0.0.1:{free_port()}/"})
    duly = Duly(settings, opener=Opener())

    @duly.task
    async def echo(text: str) -> str:
        return text

    async with duly.lifespan(FastAPI()):
        handle = await echo.submit(text="x")

        assert await handle.status() is State.PENDING


async def test_what_is_submitted_inside_a_request_carries_its_request_id() -> None:
    duly = a_duly(Opener())
    async with duly:
        with bound_contextvars(request_id="mine"):
            inside = await (await duly.submit("echo", {"text": "x"})).task()
            other = await (await duly.submit("echo", {"text": "x"}, request_id="given")).task()
        outside = await (await duly.submit("echo", {"text": "x"})).task()

    assert [task.request_id for task in (inside, other, outside)] == ["mine", "given", None]


def test_synchronous_code_submits_and_waits_from_any_number_of_threads() -> None:
    duly = a_duly(Opener())
    results: list[str] = []

    with duly.blocking() as opened:
        stop = asyncio.Event()
        worker = opened._portal.start_task_soon(duly.work, stop)

        def use(number: int) -> None:
            handle = opened.submit(_handler(duly, "echo"), text=str(number))
            results.append(handle.result(20))

        threads = [Thread(target=use, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        opened._portal.call(stop.set)
        worker.result(20)

    assert sorted(results) == [str(number) for number in range(8)]


def test_synchronous_code_may_ask_and_cancel() -> None:
    duly = a_duly(Opener())
    with duly.blocking() as opened:
        handle = opened.submit(_handler(duly, "echo").options(delay=timedelta(hours=1)), text="later")

        assert handle.status() is State.SCHEDULED
        assert handle.task().id == handle.id
        with pytest.raises(TimeoutError, match="scheduled still"):
            handle.result(timedelta(milliseconds=1))
        assert handle.cancel().state is State.CANCELLED
        with pytest.raises(TaskCancelled):
            handle.result()


def test_a_handler_s_parameters_may_be_called_self_and_handler() -> None:
    duly = a_duly(Opener())
    with duly.blocking() as opened:
        handle = opened.submit(_handler(duly, "odd"), self="a", handler="b")

        assert handle.task().payload == '{"self":"a","handler":"b"}'


async def test_a_handle_by_id_gives_the_bare_result() -> None:
    duly = a_duly(Opener())
    async with duly:
        handle = await duly.submit("echo", {"text": "x"})

        again = duly.handle(str(handle.id))

        assert (await again.task()).id == handle.id


def test_what_is_no_function_is_refused_with_a_reason() -> None:
    with pytest.raises(Misconfigured, match="must be a function"):
        Duly().task(partial(print, "x"))


def _handler(duly: Duly, name: str) -> Handler[str]:
    return Handler(duly.handlers.get(name), duly, Options())
