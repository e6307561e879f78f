"""A real server on a real socket, in the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from socket import create_server
from typing import Any

import uvicorn


@asynccontextmanager
async def listening(app: Any, http: str = "httptools") -> AsyncIterator[int]:
    """The port at which the application listens."""
    config = uvicorn.Config(app, http=http, loop="asyncio", lifespan="off", log_config=None)  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    with closing(create_server(("127.0.0.1", 0))) as socket:
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve([socket]))
            try:
                yield socket.getsockname()[1]
            finally:
                server.should_exit = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server sent on a connection, up to its end or to the end of one answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Wire:
    """One connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self._writer.write(part)
            await self._writer.drain()

    async def answer(self) -> Answer:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(first.split()[1]), headers, body)

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Wire]:
    """A connection to a port of this machine."""
    async with asyncio.timeout(20):
        wire = Wire(*await asyncio.open_connection("127.0.0.1", port))
        try:
            yield wire
        finally:
            await wire.close()
