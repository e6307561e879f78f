"""Somebody who is told of tasks: a real HTTP server that keeps what it got."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.listening import listening
from tests.support.stage import LONG

Answer = int | tuple[int, dict[str, str]]
"""A status, perhaps with headers."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Answers in turn, the last answer again and again."""

    answers: tuple[Answer, ...]
    waits_for: asyncio.Event | None
    port: int = 0
    calls: list[Call] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/told"

    async def told(self, times: int = 1) -> list[Call]:
        """The calls, once there are so many."""
        async with asyncio.timeout(LONG.total_seconds()), self._news:
            await self._news.wait_for(lambda: len(self.calls) >= times)
        return self.calls

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        answer = self.answers[min(len(self.calls), len(self.answers) - 1)]
        status, sent = (answer, {}) if isinstance(answer, int) else answer
        async with self._news:
            self.calls.append(Call(scope["path"], headers, body))
            self._news.notify_all()
        if self.waits_for is not None:
            await self.waits_for.wait()
        raw = [(name.encode(), value.encode()) for name, value in sent.items()]
        await send({"type": "http.response.start", "status": status, "headers": [*raw, (b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def receiving(*answers: Answer, waits_for: asyncio.Event | None = None) -> AsyncIterator[Receiver]:
    """A receiver on a port of this machine; without answers it says 204, once what it waits for has come."""
    receiver = Receiver(answers or (204,), waits_for)
    async with listening(receiver) as port:
        receiver.port = port
        yield receiver
