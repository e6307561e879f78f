"""The health of a worker over HTTP: two paths, nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus

from duly.domain.errors import Misconfigured

REQUEST_LIMIT = 8_192
PATIENCE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Health:
    """How to find out: ``live`` whether the process should be kept, ``ready`` whether it can work."""

    live: Callable[[], bool]
    ready: Callable[[], Awaitable[bool]]


@asynccontextmanager
async def serve_health(host: str, port: int, health: Health) -> AsyncIterator[None]:
    """Answer GET /health/live and /health/ready. Raises Misconfigured when the port is taken."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                writer.write(_response(*await _judge(await reader.readuntil(b"\r\n\r\n"), health)))
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            return  # not a request, or nobody waits for the answer any longer
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(answer, host, port, limit=REQUEST_LIMIT)
    except OSError as error:
        raise Misconfigured(f"--health-port: {host}:{port} cannot be listened on: {error.strerror}.") from error
    try:
        yield
    finally:
        server.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await server.wait_closed()


async def _judge(request: bytes, health: Health) -> tuple[HTTPStatus, str]:
    method, path = (*request.split(b" ", 2), b"", b"")[:2]
    if method not in (b"GET", b"HEAD"):
        return HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed"
    match path.partition(b"?")[0]:
        case b"/health/live":
            good = health.live()
        case b"/health/ready":
            good = health.live() and await health.ready()
        case _:
            return HTTPStatus.NOT_FOUND, "not-found"
    return (HTTPStatus.OK, "ok") if good else (HTTPStatus.SERVICE_UNAVAILABLE, "unavailable")


def _response(status: HTTPStatus, word: str) -> bytes:
    body = json.dumps({"status": word}).encode()
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"{head}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n".encode() + body
