"""Who is told by callbacks in a torture: what it writes down of whom."""

import asyncio
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

from duly.torture.receiver import Receiver, receiving
from duly.torture.records import Delivery, Pen, read
from tests.support.stage import becomes_true

BODY = b'{"data": {"id": "a", "version": 3}}'
HEAD = b"POST /told HTTP/1.1\r\nhost: here\r\nwebhook-id: w\r\ncontent-length: %d\r\n\r\n" % len(BODY)


async def test_what_arrives_whole_is_written_down_and_what_its_sender_broke_off_is_not(tmp_path: Path):
    """A worker that was killed in the middle of a callback made the checker speak of a forged one."""
    with Pen(tmp_path / "told") as pen:
        receiver = _Counted(pen, Random(1))  # noqa: S311  # not for secrets
        async with receiving(receiver) as url:
            await sent(url, HEAD + BODY[:9])
            await sent(url, HEAD + BODY, answered=True)
            await becomes_true(lambda: receiver.over == 2)

    [delivery] = read(tmp_path / "told")

    assert isinstance(delivery, Delivery)
    assert (delivery.id, delivery.body, delivery.webhook_id) == ("a", BODY.decode(), "w")


class _Counted(Receiver):
    """Counts the requests that it is done with."""

    over = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await super().__call__(scope, receive, send)
        self.over += 1


async def sent(url: str, request: bytes, *, answered: bool = False) -> None:
    """These bytes, and then nothing more; perhaps only after the answer has begun."""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(request)
    await writer.drain()
    if answered:
        assert (await reader.readline()).startswith(b"HTTP/1.1 ")
    writer.close()
    await writer.wait_closed()
