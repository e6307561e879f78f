"""The wire that a torture cuts leaves nothing behind."""

import asyncio

import pytest

from duly.torture.proxy import Mode, Proxy
from tests.support.processes import eventually


@pytest.mark.parametrize("mode", [Mode.OPEN, Mode.CUT, Mode.HALF_OPEN])
async def test_at_its_end_every_connection_is_over(mode: Mode):
    """Once, those that were still being served were left to the end of the event loop, which complained about them."""
    taken: list[asyncio.StreamWriter] = []
    far = await asyncio.start_server(lambda _, writer: taken.append(writer), "127.0.0.1", 0)
    before = asyncio.all_tasks()
    async with Proxy("127.0.0.1", far.sockets[0].getsockname()[1]).open() as wire:
        near = [(await asyncio.open_connection("127.0.0.1", wire.own_port))[1] for _ in range(3)]
        await asyncio.to_thread(eventually, lambda: wire.carries == len(taken) == len(near))
        wire.turn(mode)

    assert asyncio.all_tasks() == before
    assert not wire.carries
    far.close()
    for writer in near + taken:
        writer.transport.abort()
