"""What a client sends, read without a timer where it has come already, as nearly every body has."""

from collections.abc import Coroutine, Generator
from typing import Any

from starlette.types import Message, Receive


class Inbox:
    """An ASGI receive around another one, from which nobody has read."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._came: Message | None = None
        self._awaited: _Begun | None = None

    def whole(self) -> bytes | None:
        """The body, if all of it is there. None: it is to be received, in one message or several."""
        receiving: Any = self._receive()
        try:
            awaited = receiving.send(None)
        except StopIteration as end:
            message: Message = end.value
            if message["type"] == "http.request" and not message.get("more_body", False):
                body: bytes = message.get("body", b"")
                return body
            self._came = message
        else:
            self._awaited = _Begun(receiving, awaited)
        return None

    async def __call__(self) -> Message:
        """See ASGI."""
        came, self._came = self._came, None
        if came is not None:
            return came
        begun, self._awaited = self._awaited, None
        return await (self._receive() if begun is None else begun)


class _Begun:
    """A coroutine that was begun outside of a task, and what it waits for: awaited, it goes on inside."""

    def __init__(self, coroutine: Coroutine[Any, Any, Message], awaited: object) -> None:
        self._coroutine = coroutine
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, Message]:
        try:
            yield self._awaited
        except BaseException as error:  # noqa: BLE001  # the coroutine's to see, a cancellation too
            try:
                awaited = self._coroutine.throw(error)
            except StopIteration as end:
                message: Message = end.value
                return message
            yield awaited
        return (yield from self._coroutine.__await__())
