"""Answers over HTTP in one packet: uvicorn writes a head and its body apart, and uvloop sends each at once."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

LINGER = timedelta(seconds=2)
"""So long a connection takes what its client still sends, when its last answer is out.

Closed with something unread, it would be reset, and the client might never see that answer (RFC 9112 section 9.6).
"""

_HEAD = b"HTTP/"


class Cork(asyncio.Transport):
    """Keeps the head of an answer until its body follows, or for one turn of the loop where none does yet.

    While something is ``unread`` it closes in two steps: it says that no more comes from here, and takes what comes.
    """

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, unread: Callable[[], bool]
    ) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._unread = unread
        self._head = b""
        self._lingers = False

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
        """See asyncio.Transport. Once more: at once."""
        self._let_go()
        if self.is_closing() or not self._unread():
            self._transport.close()
            return
        self._lingers = True
        self._transport.write_eof()
        self._transport.resume_reading()
        self._loop.call_later(LINGER.total_seconds(), self._transport.close)

    def get_extra_info(self, name: str, default: object = None) -> object:
        """See asyncio.Transport."""
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        """See asyncio.Transport."""
        return self._lingers or self._transport.is_closing()

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
