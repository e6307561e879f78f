"""A connection that ends without losing its last answer on the way."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

LINGER = timedelta(seconds=2)
"""So long a connection takes what its client still sends, when its last answer is out.

Closed with something unread, it would be reset, and the client might never see that answer (RFC 9112 section 9.6).
"""


class Lingering(asyncio.Transport):
    """Closes in two steps while something is ``unread``: it says that no more comes from here, and takes what comes."""

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, unread: Callable[[], bool]
    ) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._unread = unread
        self._lingers = False
        self.write = transport.write  # type: ignore[method-assign]  # each answer passes here

    def close(self) -> None:
        """See asyncio.Transport. Once more: at once."""
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
