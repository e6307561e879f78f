"""Who is told by callbacks: writes down each, and now and then asks to be told again."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from random import Random
from typing import Any

import uvicorn

from duly.torture.records import Delivery, Pen

UNWELL = 0.05
"""How often it says that it is unwell."""


class Receiver:
    """An ASGI application."""

    def __init__(self, pen: Pen, random: Random) -> None:
        self._pen = pen
        self._random = random

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Read, answer, write down what was answered; what its sender broke off was never delivered."""
        body = await _whole(receive)
        if body is None:
            return
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        status = 503 if self._random.random() < UNWELL else 204
        self._pen.write(
            Delivery(
                t=time.monotonic(),
                id=_task_of(body),
                webhook_id=headers.get("webhook-id"),
                headers=headers,
                body=body.decode(errors="replace"),
                status=status,
            )
        )
        again = [(b"content-length", b"0"), *([(b"retry-after", b"1")] if status != 204 else [])]  # noqa: PLR2004
        await send({"type": "http.response.start", "status": status, "headers": again})
        await send({"type": "http.response.body", "body": b""})


class _Server(uvicorn.Server):
    """Leaves the signals to the command."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None of them."""
        yield


@asynccontextmanager
async def receiving(receiver: Receiver) -> AsyncIterator[str]:
    """Listening on this machine, at the address that is given back."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(receiver, lifespan="off", ws="none", log_config=None, access_log=False)
    server = _Server(config)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/told"
        finally:
            server.should_exit = True


async def _whole(receive: Any) -> bytes | None:
    """The body; None: its sender went away in the middle, as one that is killed does."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


def _task_of(body: bytes) -> str | None:
    """The id of the task that it tells of."""
    try:
        return str(json.loads(body)["data"]["id"])
    except (ValueError, KeyError, TypeError):
        return None
