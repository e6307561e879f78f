"""Servers that break off while RabbitMQ's protocol is still being agreed on."""

import asyncio
from datetime import timedelta

import pytest
from pamqp import commands, frame

from duly.brokers.rabbitmq.broker import RabbitBroker
from duly.brokers.rabbitmq.errors import in_time
from duly.brokers.rabbitmq.topology import Topology
from duly.domain.errors import BrokerUnavailable
from tests.contracts.brokers.houses import Told
from tests.support.hints import a_hint

START = frame.marshal(commands.Connection.Start(mechanisms="PLAIN", locales="en_US"), 0)


async def test_what_aiormq_raises_when_the_server_is_gone_before_it_greets_is_an_outage():
    """Once it was nobody's error, and ended the relay with all that ran beside it."""
    with pytest.raises(BrokerUnavailable):
        async with in_time(timedelta(seconds=10), "connect"):
            raise StopAsyncIteration


@pytest.mark.parametrize("greeting", [b"", START[:5], START], ids=["nothing", "half a word", "one word"])
async def test_a_server_that_leaves_in_the_middle_of_its_greeting_is_away(greeting):
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        broker = RabbitBroker(f"amqp://127.0.0.1:{port}/", Topology("duly"), timedelta(seconds=10), Told())

        for _ in range(10):
            with pytest.raises(BrokerUnavailable):
                await broker.announce([a_hint()])
        await broker.close()
