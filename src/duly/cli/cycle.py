"""Answers over HTTP in one packet: uvicorn writes a head and its body apart, and uvloop sends each at once."""

from uvicorn._types import ASGISendEvent, HTTPResponseBodyEvent, HTTPResponseStartEvent
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_PRINTABLE = bytes({*range(256)} - {*range(32), 127} | {9})
"""What uvicorn lets into the value of a field."""


class Cycle(RequestResponseCycle):
    """One request and its answer. The head of an answer of known length waits for what comes first of its body.

    An answer that comes whole, on a connection that stays open, is put together here; any other goes uvicorn's way.
    """

    _held: HTTPResponseStartEvent | None = None

    async def send(self, message: ASGISendEvent) -> None:
        """See ASGI."""
        if message["type"] == "http.response.start" and not self.response_started:
            length = _length(message)
            if length is not None:
                self._held, self.expected_content_length = message, length
                return
        head, self._held = self._held, None
        if head is None:
            await super().send(message)
        elif message["type"] != "http.response.body" or not self._sent_whole(head, message):
            await super().send(head)
            await super().send(message)

    def _sent_whole(self, head: HTTPResponseStartEvent, message: HTTPResponseBodyEvent) -> bool:
        """Whether this was all there is, and could be sent like that."""
        body = message.get("body", b"")
        ordinary = self.keep_alive and not (self.flow.write_paused or self.disconnected or self.access_log)
        if not ordinary or len(body) != self.expected_content_length or message.get("more_body", False):
            return False
        fields = [*self.default_headers, *head.get("headers", ())]
        lines = b"".join([b"%b: %b\r\n" % field for field in fields])
        lower = lines.lower()
        if (
            lines.translate(None, _PRINTABLE) != b"\r\n" * len(fields)
            or b"\r\nconnection:" in lower
            or b"\r\ntransfer-encoding:" in lower
            or self.scope["method"] == "HEAD"
        ):
            return False
        self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[head["status"]], lines, body))
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.expected_content_length = 0
        self.message_event.set()
        self.on_response()
        return True


def _length(head: HTTPResponseStartEvent) -> int | None:
    for name, value in head.get("headers", ()):
        if name == b"content-length":
            return int(value)
    return None
