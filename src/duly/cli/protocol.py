"""HTTP as uvicorn speaks it, and what it leaves to others: offers of another protocol, heads without an end."""

import asyncio

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from duly.cli.cycle import Cycle
from duly.cli.lingering import Lingering

LARGEST_HEAD = 65_536
"""Bytes. Of a head that goes on after so many, or of trailers, the parser would keep all that comes."""

_INVALID = "Invalid HTTP request received."
_TOO_LARGE = "The head of the request is too large."


class Http(HttpToolsProtocol):
    """With a Cycle for each request, a Lingering end, and one timer for an idle connection.

    No other protocol is spoken: a request that offers one (``Upgrade``) is served as if it had not (RFC 9110 section
    7.8). Its parser takes all that follows such a head for the other protocol, and uvicorn drops it. Java's client
    offers HTTP/2 with its first request, whose body would be lost.
    """

    _idle_until: float | None = None
    """When it is closed, by the loop's time, if no request comes; None while one is answered."""

    _head_bytes = 0
    """What came since a head, a part of a body or a whole request was there."""

    _unread = False
    """Whether a body is on its way."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """See asyncio.Protocol."""
        super().connection_made(Lingering(transport, self.loop, lambda: self._unread))

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._unset_keepalive_if_required()
        self._head_bytes += len(data)
        try:
            while data:
                data = self._left(data)
        except httptools.HttpParserError:
            self._refuse(_INVALID)
        else:
            if self._head_bytes > LARGEST_HEAD:
                self._refuse(_TOO_LARGE)

    def _refuse(self, why: str) -> None:
        self.logger.warning(why)
        self._unread = False
        if self.transport.is_closing():  # it has its answer
            self.transport.close()
        else:
            self.send_400_response(why)

    def _left(self, data: bytes) -> bytes:
        """Parse this. What is left to be parsed: after an offer its head once more, without it, and what followed."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as end:
            return self._head() + data[end.args[0] :] if self._offers() else b""
        return b""

    def _offers(self) -> bool:
        return any(name == b"upgrade" for name, _ in self.headers)

    def _head(self) -> bytes:
        first = b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        fields = [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join([first, *fields, b"", b""])

    def on_headers_complete(self) -> None:
        """See HttpToolsProtocol."""
        self._head_bytes = 0
        self._unread = True
        if not (self.parser.should_upgrade() and self._offers()):
            super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        cycle.__class__ = Cycle  # uvicorn makes it, and asks nobody of which class
        super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        """See HttpToolsProtocol."""
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """See HttpToolsProtocol."""
        self._head_bytes = 0
        self._unread = False
        if not (self.parser.should_upgrade() and self._offers()):
            super().on_message_complete()
        if self.transport.is_closing():
            self.transport.close()

    def on_response_complete(self) -> None:
        """See HttpToolsProtocol."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle_until = self.loop.time() + self.timeout_keep_alive
        if self.timeout_keep_alive_task is None:
            self._look_again_in(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it was idle for long enough."""
        self.timeout_keep_alive_task = None
        if self._idle_until is None:
            return
        left = self._idle_until - self.loop.time()
        if left > 0:
            self._look_again_in(left)
        else:
            super().timeout_keep_alive_handler()

    def _unset_keepalive_if_required(self) -> None:
        """A request comes; the timer finds out when it looks."""
        self._idle_until = None

    def _look_again_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)
