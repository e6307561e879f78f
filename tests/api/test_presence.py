"""Work for a client lasts as long as the client is there."""

import asyncio

import pytest
from starlette.requests import Request

from duly.api.presence import while_present
from duly.domain.errors import BadRequest, TaskNotFound


def request_of(*messages: str) -> Request:
    waiting = [{"type": message} for message in messages]

    async def receive():
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    return Request({"type": "http", "method": "GET", "path": "/", "headers": []}, receive)


async def test_the_work_gives_its_answer():
    async def work():
        return 5

    assert await while_present(request_of("http.request"), work()) == 5


async def test_the_works_own_error_is_raised_as_it_is():
    async def work():
        raise TaskNotFound("x")

    with pytest.raises(TaskNotFound):
        await while_present(request_of("http.request"), work())


async def test_a_client_that_leaves_ends_the_work():
    ended = asyncio.Event()

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(BadRequest):
        await while_present(request_of("http.request", "http.disconnect"), work())

    assert ended.is_set()


async def test_who_is_cancelled_stays_cancelled():
    async def work():
        await asyncio.Event().wait()

    asking = asyncio.create_task(while_present(request_of(), work()))
    await asyncio.sleep(0)
    asking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking
