"""The health of a worker over HTTP, and its metrics: three paths, nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus

from duly.cli.metrics import Scraped
from duly.domain.errors import Misconfigured
from duly.telemetry.exposition import exposed

REQUEST_LIMIT = 8_192
PATIENCE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Health:
    """How to find out: ``live`` whether the process should be kept, ``ready`` whether it can work.

    ``scraped`` gives the figures of `/metrics`; None: there is no such path.
    """

    live: Callable[[], bool]
    ready: Callable[[], Awaitable[bool]]
    scraped: Scraped | None = None


@asynccontextmanager
async def serve_health(host: str, port: int, health: Health) -> AsyncIterator[None]:
    """Answer GET /health/live, /health/ready and /metrics. Raises Misconfigured when the port is taken."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                writer.write(await _answer(await reader.readuntil(b"\r\n\r\n"), health))
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


async def _answer(request: bytes, health: Health) -> bytes:
    method, path = (*request.split(b" ", 2), b"", b"")[:2]
    if method not in (b"GET", b"HEAD"):
        return _judged(HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed")
    path = path.partition(b"?")[0]
    if path == b"/metrics" and health.scraped is not None:
        return _response(HTTPStatus.OK, *await exposed(await health.scraped(), _accept(request)))
    return _judged(*await _judge(path, health))


async def _judge(path: bytes, health: Health) -> tuple[HTTPStatus, str]:
    match path:
        case b"/health/live":
            good = health.live()
        case b"/health/ready":
            good = health.live() and await health.ready()
        case _:
            return HTTPStatus.NOT_FOUND, "not-found"
    return (HTTPStatus.OK, "ok") if good else (HTTPStatus.SERVICE_UNAVAILABLE, "unavailable")


def _accept(request: bytes) -> str:
    fields = (line.partition(b":") for line in request.split(b"\r\n")[1:])
    return ",".join(value.strip().decode("latin-1") for name, _, value in fields if name.lower() == b"accept")


def _judged(status: HTTPStatus, word: str) -> bytes:
    return _response(status, json.dumps({"status": word}).encode(), "application/json")


def _response(status: HTTPStatus, body: bytes, media_type: str) -> bytes:
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}"
    return f"{head}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n".encode() + body
