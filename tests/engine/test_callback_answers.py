"""What a delivery makes of what its receiver answers, or does not."""

import asyncio
from datetime import timedelta

import pytest

from duly.domain.state import State
from duly.engine import callbacks
from tests.engine.delivery import at_work, delivered, failing, submitted
from tests.support.receiver import receiving


@pytest.mark.standard("Standard Webhooks", "3.3", "410 Gone: the receiver wants no more; nothing is sent again.")
async def test_a_receiver_that_is_gone_is_not_called_again():
    async with receiving(410) as receiver, at_work() as stage:
        delivery = await delivered(stage, await submitted(stage, receiver))

    assert (delivery.state, delivery.attempt, len(receiver.calls)) == (State.FAILED, 1, 1)
    assert "410" in delivery.error


@pytest.mark.standard("Standard Webhooks", "3.3", "3xx is a failure: redirects are not followed.")
@pytest.mark.mistake(47)
async def test_a_redirect_is_not_followed():
    async with receiving() as elsewhere, receiving((302, {"location": elsewhere.url})) as receiver, at_work() as stage:
        delivery = await failing(stage, await submitted(stage, receiver))

    assert "answered 302" in delivery.error
    assert elsewhere.calls == []


@pytest.mark.standard("Standard Webhooks", "3.3", "Any status but 2xx is a failure, to be tried again.")
@pytest.mark.parametrize("status", [400, 404, 422, 500, 502, 504])
async def test_whatever_is_no_success_is_tried_again(status):
    async with receiving(status) as receiver, at_work() as stage:
        delivery = await failing(stage, await submitted(stage, receiver))

    assert (delivery.failures, delivery.max_attempts) == (1, 10)
    assert f"answered {status}" in delivery.error


@pytest.mark.standard("Standard Webhooks", "3.3", "`Retry-After` is heeded when the next attempt is planned.")
@pytest.mark.parametrize(("asked", "wait"), [("3600", 3600), ("Fri, 31 Dec 2100 23:59:59 GMT", 12 * 3600)])
async def test_a_receiver_may_say_when_to_come_back(asked, wait):
    async with receiving((429, {"retry-after": asked})) as receiver, at_work() as stage:
        before = stage.store.clock.now()
        delivery = await failing(stage, await submitted(stage, receiver))

    assert timedelta() <= delivery.run_at - before - timedelta(seconds=wait) < timedelta(minutes=1)


async def test_a_pause_that_makes_no_sense_is_not_heeded():
    async with receiving((503, {"retry-after": "soon"})) as receiver, at_work() as stage:
        delivery = await failing(stage, await submitted(stage, receiver))

    assert "answered 503" in delivery.error


async def test_a_receiver_that_cannot_be_reached_is_called_again():
    async with receiving() as receiver:
        pass
    async with at_work() as stage:
        delivery = await failing(stage, await submitted(stage, receiver))

    assert "cannot be reached" in delivery.error


async def test_a_name_that_does_not_resolve_is_looked_up_again_later():
    async with at_work() as stage:
        task_id = await stage.submit("greet", {"name": "Ada"}, callback_url="http://nowhere.invalid/")
        delivery = await failing(stage, task_id)

    assert "cannot be resolved" in delivery.error


@pytest.mark.standard("Standard Webhooks", "3.4", "A receiver has a limited time to answer.")
async def test_a_receiver_that_says_nothing_is_left_after_the_time_limit(monkeypatch):
    monkeypatch.setattr(callbacks, "LONGEST_CALL", timedelta(seconds=1))
    asked = asyncio.Event()

    async def silent(reader, writer):
        asked.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server, at_work() as stage:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        delivery = await failing(stage, await stage.submit("greet", {"name": "Ada"}, callback_url=url))

    assert asked.is_set()
    assert delivery.reason == "handler_error"


async def test_of_an_answer_without_end_nothing_but_the_head_is_read():
    closed = asyncio.Event()

    async def endless(reader, writer):
        await reader.readuntil(b"}}")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n" + bytes(100_000))
        await reader.read()  # until the other side has left
        writer.close()
        closed.set()

    server = await asyncio.start_server(endless, "127.0.0.1", 0)
    async with server, at_work() as stage:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        delivery = await delivered(stage, await stage.submit("greet", {"name": "Ada"}, callback_url=url))
        async with asyncio.timeout(10):
            await closed.wait()

    assert delivery.state is State.COMPLETED
