"""A body that has come is read at once; one that has not loses nothing by having been looked for."""

import asyncio

import pytest
from starlette.types import Message, Receive

from duly.api.inbox import Inbox

WHOLE: Message = {"type": "http.request", "body": b"true"}
FIRST: Message = {"type": "http.request", "body": b"tr", "more_body": True}
LAST: Message = {"type": "http.request", "body": b"ue"}
GONE: Message = {"type": "http.disconnect"}


def after(arrived: asyncio.Event, *messages: Message) -> Receive:
    """A receive that gives these, once they have arrived."""
    coming = iter(messages)

    async def receive() -> Message:
        await arrived.wait()
        return next(coming)

    return receive


def here(*messages: Message) -> Receive:
    """A receive that gives these at once."""
    arrived = asyncio.Event()
    arrived.set()
    return after(arrived, *messages)


async def test_a_body_that_is_there_is_read_at_once() -> None:
    inbox = Inbox(here(WHOLE, GONE))

    assert inbox.whole() == b"true"
    assert await inbox() == GONE


async def test_the_first_part_of_a_body_is_not_lost() -> None:
    inbox = Inbox(here(FIRST, LAST))

    assert inbox.whole() is None
    assert [await inbox(), await inbox()] == [FIRST, LAST]


async def test_that_the_client_has_left_is_told() -> None:
    inbox = Inbox(here(GONE))

    assert inbox.whole() is None
    assert await inbox() == GONE


async def test_a_body_that_is_late_is_waited_for() -> None:
    arrived = asyncio.Event()
    inbox = Inbox(after(arrived, FIRST, LAST))
    asyncio.get_running_loop().call_soon(arrived.set)

    assert inbox.whole() is None
    assert [await inbox(), await inbox()] == [FIRST, LAST]


async def test_waiting_for_a_late_body_can_be_given_up() -> None:
    inbox = Inbox(after(asyncio.Event(), WHOLE))

    assert inbox.whole() is None
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await inbox()


async def test_a_receive_that_goes_on_after_a_cancellation_is_followed() -> None:
    arrived = asyncio.Event()

    async def receive() -> Message:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await arrived.wait()
        return GONE

    inbox = Inbox(receive)
    assert inbox.whole() is None
    waiting = asyncio.ensure_future(inbox())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    arrived.set()

    assert await waiting == GONE
