"""The line between a parent process and its child: signs of life go up, and its end tells the child to drain."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

READY, UNREADY = b"+", b"-"
_UNREAD_BYTES = 1024
"""A parent that stands still reads nothing; beyond this, signs of life are left out."""


class ParentLink:
    """The child's end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def parent_gone(self) -> None:
        """Return when the parent has ended, however it did (killed, it leaves what it had not read: a reset)."""
        with suppress(ConnectionError):
            while await self._reader.read(1024):
                continue

    def beat(self, *, ready: bool) -> None:
        """Tell the parent that this process lives, and whether it can work."""
        transport = self._writer.transport
        if not transport.is_closing() and transport.get_write_buffer_size() < _UNREAD_BYTES:
            self._writer.write(READY if ready else UNREADY)


@asynccontextmanager
async def link_to_parent(descriptor: int) -> AsyncIterator[ParentLink]:
    """The child's end of the line, from the descriptor that it was started with."""
    os.set_inheritable(descriptor, False)
    reader, writer = await asyncio.open_unix_connection(sock=socket.socket(fileno=descriptor))
    try:
        yield ParentLink(reader, writer)
    finally:
        writer.close()


class Beats(asyncio.Protocol):
    """The parent's end: remembers the last sign of life."""

    def __init__(self) -> None:
        self.ready = False
        self.last: float | None = None
        self.first = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Signs of life that came together count by the last of them."""
        self.ready = data.endswith(READY)
        self.last = asyncio.get_running_loop().time()
        self.first.set()
