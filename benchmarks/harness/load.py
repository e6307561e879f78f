"""A load of our own, on plain asyncio, where the number of requests or their times are given."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(slots=True)
class Took:
    """Seconds, by the time at which each request was due."""

    submits: list[tuple[float, float]] = field(default_factory=list)
    results: list[tuple[float, float]] = field(default_factory=list)


class Connection:
    """One kept-alive connection of HTTP/1.1."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        lower = head.lower()
        size = int(lower.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return int(head[9:12]), await self._reader.readexactly(size)

    def close(self) -> None:
        """At once."""
        self._writer.close()


@asynccontextmanager
async def connections(url: str, count: int) -> AsyncIterator[list[Connection]]:
    """So many, open."""
    at = urlsplit(url)
    opened = [Connection(*await asyncio.open_connection(at.hostname, at.port)) for _ in range(count)]
    try:
        yield opened
    finally:
        for one in opened:
            one.close()


def post(url: str, path: str, body: object, *fields: str) -> bytes:
    """A request, ready to be sent again and again."""
    data = json.dumps(body, separators=(",", ":")).encode()
    lines = [f"POST {path} HTTP/1.1", f"host: {urlsplit(url).netloc}", "content-type: application/json", *fields]
    return "\r\n".join([*lines, f"content-length: {len(data)}", "", ""]).encode() + data


def get(url: str, path: str, *fields: str) -> bytes:
    """A request for what is there."""
    return "\r\n".join([f"GET {path} HTTP/1.1", f"host: {urlsplit(url).netloc}", *fields, "", ""]).encode()


async def burst(url: str, request: bytes, count: int, width: int) -> list[float]:
    """Send exactly so many, as fast as they are answered: the seconds that each took. Raises at the first refusal."""
    took: list[float] = []
    left = iter(range(count))

    async def send(connection: Connection) -> None:
        for _ in left:
            begun = time.perf_counter()
            status, answer = await connection.ask(request)
            if status not in {200, 201, 202}:
                raise RuntimeError(f"{status} {answer[:300]!r}")
            took.append(time.perf_counter() - begun)

    async with connections(url, width) as opened, asyncio.TaskGroup() as group:
        for one in opened:
            group.create_task(send(one))
    return took


class Steady:
    """Sends one request at each of the given times (seconds from now), whether or not those before were answered.

    Seconds count from when a request was due, so that waiting for a free connection counts too. One task in so many
    (``follow``) is followed until its result is seen, by a reader that waits for it.
    """

    def __init__(self, url: str, path: str, request: bytes, *, follow: int, width: int) -> None:
        self._url, self._path, self._request = url, path, request
        self._follow, self._width = follow, width
        self._submitters: asyncio.Queue[Connection] = asyncio.Queue()
        self._readers: asyncio.Queue[Connection] = asyncio.Queue()
        self._started = 0.0
        self._took = Took()

    async def run(self, times: Sequence[float]) -> Took:
        """Until all are answered. Raises at the first refusal."""
        both = connections(self._url, 2 * self._width)
        async with both as opened, asyncio.TaskGroup() as group:
            for number, connection in enumerate(opened):
                (self._submitters if number % 2 else self._readers).put_nowait(connection)
            self._started = time.perf_counter()
            for number, due in enumerate(times):
                pause = due - self._now()
                if pause > 0:
                    await asyncio.sleep(pause)
                group.create_task(self._one(number, due))
        return self._took

    async def _one(self, number: int, due: float) -> None:
        connection = await self._submitters.get()
        status, answer = await connection.ask(self._request)
        self._took.submits.append((due, self._now() - due))
        self._submitters.put_nowait(connection)
        if status != 202:
            raise RuntimeError(f"{status} {answer[:300]!r}")
        if number % self._follow == 0:
            await self._result(json.loads(answer)["id"], due)

    async def _result(self, id_: str, due: float) -> None:
        reader = await self._readers.get()
        status, answer = await reader.ask(get(self._url, f"{self._path}/{id_}", "prefer: wait=30"))
        self._took.results.append((due, self._now() - due))
        self._readers.put_nowait(reader)
        if status != 200 or b'"completed"' not in answer:
            raise RuntimeError(f"{status} {answer[:300]!r}")

    def _now(self) -> float:
        return time.perf_counter() - self._started
