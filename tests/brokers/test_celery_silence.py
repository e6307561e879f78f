"""Celery on a wire to Redis that carries nothing any more."""

import asyncio
from urllib.parse import urlsplit

import pytest

from duly.brokers.celery.application import SILENCE, address_of, celery_application
from duly.torture.proxy import Mode, Proxy
from tests.support.servers import RedisServer


@pytest.mark.full
@pytest.mark.mistake(34)
async def test_a_wire_that_carries_nothing_any_more_is_given_up(redis: RedisServer):
    """Once, the workers of a fleet waited on it for ever: nothing ran again until they were restarted."""
    address = urlsplit(redis.url)
    proxy = Proxy(address.hostname or "127.0.0.1", address.port or 6379)
    async with proxy.open():
        app = celery_application(address_of(f"celery+redis://127.0.0.1:{proxy.own_port}/0"))
        connection = app.connection_for_read()
        client = await asyncio.to_thread(lambda: connection.default_channel.client)
        await asyncio.to_thread(client.ping)
        proxy.turn(Mode.HALF_OPEN)

        async with asyncio.timeout(SILENCE.total_seconds() * 3):
            with pytest.raises(connection.connection_errors):
                await asyncio.to_thread(client.ping)

        proxy.turn(Mode.OPEN)
        assert await asyncio.to_thread(client.ping)
        await asyncio.to_thread(connection.release)
