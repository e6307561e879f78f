"""Answers over HTTP in one packet: uvicorn writes a head and its body apart, and uvloop sends each at once."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD = b"HTTP/"


class CorkedHttp(HttpToolsProtocol):
    """uvicorn's protocol, on a Cork."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """See asyncio.Protocol."""
        super().connection_made(Cork(transport, self.loop))


class Cork(asyncio.Transport):
    """Keeps the head of an answer until its body follows, or for one turn of the loop where none does yet."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._head = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See asyncio.Transport."""
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head + data)
        elif data[:5] == _HEAD:
            self._head = bytes(data)
            self._loop.call_soon(self._let_go)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """See asyncio.Transport."""
        self._let_go()
        self._transport.close()

    def get_extra_info(self, name: str, default: object = None) -> object:
        """See asyncio.Transport."""
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        """See asyncio.Transport."""
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        """See asyncio.Transport."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """See asyncio.Transport."""
        self._transport.resume_reading()

    def abort(self) -> None:
        """See asyncio.Transport."""
        self._transport.abort()

    def _let_go(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)
