"""The end of a run is when every task is final, whatever moves between two looks."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from duly.torture.ending import all_final


class Evasive:
    """A service whose one task is never in the list that is asked for, until it has been read as running twice."""

    def __init__(self) -> None:
        self.reads = 0

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = json.dumps({"tasks": self._tasks(head.split(b" ")[1].decode()), "next": None}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    def _tasks(self, path: str) -> list[dict[str, str]]:
        if "state=" in path:
            return []
        self.reads += 1
        return [{"state": "running" if self.reads < 3 else "completed"}]


async def test_a_task_that_is_in_no_list_is_waited_for() -> None:
    service = Evasive()
    async with service.served() as url:
        assert await all_final(url, timedelta(seconds=30))

    assert service.reads == 3


async def test_patience_has_an_end() -> None:
    service = Evasive()
    service.reads = -1_000
    async with service.served() as url:
        assert not await all_final(url, timedelta(seconds=1))
