"""A broker that goes away and comes back: every broker says so in time, and heals without a restart."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from duly.brokers.memory import MemoryBroker
from duly.brokers.rabbitmq.broker import open_rabbitmq_broker
from duly.brokers.redis import open_redis_broker
from duly.domain.errors import BrokerUnavailable, Misconfigured
from duly.ports.broker import Broker
from tests.support.hints import AT_ONCE, SOON, a_hint
from tests.support.servers import free_port


@dataclass
class Place:
    open: Callable[[], AbstractAsyncContextManager[Broker]]
    stop: Callable[[], None]
    start: Callable[[], None]


@pytest.fixture(params=["memory", "redis", "rabbitmq"])
def place(request) -> Place:
    if request.param == "memory":
        memory = MemoryBroker()

        @asynccontextmanager
        async def opened() -> AsyncIterator[Broker]:
            yield memory

        return Place(opened, memory.stop, memory.start)
    server = request.getfixturevalue({"redis": "redis", "rabbitmq": "rabbit"}[request.param])
    make = open_redis_broker if request.param == "redis" else open_rabbitmq_broker
    return Place(lambda: make(server.url, _quiet), server.kill, server.start)


@pytest.mark.mistake(34)
async def test_a_broker_that_was_killed_is_used_again_when_it_is_back(place):
    async with place.open() as broker, broker.subscribe(["default"]) as subscription:
        await broker.announce([first := a_hint()])
        assert await subscription.take(1, SOON) == [first]

        await asyncio.to_thread(place.stop)
        for ask in (
            lambda: broker.announce([a_hint()]),
            lambda: broker.depths(["default"]),
            broker.facts,
            lambda: subscription.take(1, SOON),
            lambda: subscription.take(1, SOON),
        ):
            began = time.monotonic()
            with pytest.raises(BrokerUnavailable):
                await ask()
            assert time.monotonic() - began < 30
        await subscription.consume(["default", "other"])

        await asyncio.to_thread(place.start)
        await broker.announce([again := a_hint("other")])
        assert await subscription.take(1, SOON) == [again]
        assert await broker.depths(["other"]) == {"other": 0}


async def test_a_take_that_waits_learns_that_the_broker_is_gone(place):
    async with place.open() as broker, broker.subscribe(["default"]) as subscription:
        await subscription.take(1, AT_ONCE)
        async with asyncio.TaskGroup() as group:
            began = time.monotonic()
            waiting = group.create_task(_refused(subscription.take(1, timedelta(seconds=60))))
            await asyncio.sleep(0.1)
            await asyncio.to_thread(place.stop)
            await waiting

        assert time.monotonic() - began < 300
        await asyncio.to_thread(place.start)


@pytest.mark.parametrize("make", [open_redis_broker, open_rabbitmq_broker])
async def test_a_broker_that_was_never_there_can_be_opened_and_appear_later(make):
    scheme = "redis" if make is open_redis_broker else "amqp"
    async with make(f"{scheme}://127.0.0.1:{free_port()}/", _quiet) as broker:
        async with broker.subscribe(["default"]) as subscription:
            with pytest.raises(BrokerUnavailable):
                await subscription.take(1, AT_ONCE)
        with pytest.raises(BrokerUnavailable):
            await broker.announce([a_hint()])


@pytest.mark.parametrize(
    ("make", "url"),
    [
        (open_redis_broker, "http://127.0.0.1:6379"),
        (open_redis_broker, "redis://user:secret/word@127.0.0.1:6379/0"),
        (open_rabbitmq_broker, "redis://127.0.0.1:5672"),
        (open_rabbitmq_broker, "amqp://"),
        (open_rabbitmq_broker, "amqp://user:secret/word@127.0.0.1/"),
    ],
)
async def test_an_address_that_cannot_be_is_refused_at_once_without_its_password(make, url):
    with pytest.raises(Misconfigured, match="address") as refused:
        async with make(url, _quiet):
            pass

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("make", [open_redis_broker, open_rabbitmq_broker])
async def test_a_broker_that_accepts_and_says_nothing_is_away_in_time(make):
    """A frozen machine, or a firewall that swallows packets."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    scheme = "redis" if make is open_redis_broker else "amqp"
    limit = timedelta(milliseconds=500)
    async with server, make(f"{scheme}://127.0.0.1:{port}/", _quiet, longest=limit) as broker:
        async with broker.subscribe(["default"]) as subscription:
            for ask in (lambda: broker.announce([a_hint()]), lambda: subscription.take(1, AT_ONCE)):
                began = time.monotonic()
                with pytest.raises(BrokerUnavailable):
                    await ask()
                assert time.monotonic() - began < 30
        server.close()


def _quiet(name: str, facts: object) -> None:
    pass


async def _refused(call) -> None:
    with pytest.raises(BrokerUnavailable):
        await call
