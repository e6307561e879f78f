"""A page fetched from the public network, with limits on time and size."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser

import httpx

from duly.links.guard import PORTS, GuardedTransport, Judge, Resolve, public, resolve

TOO_MANY_REQUESTS = 429
LONGEST_PAUSE = timedelta(hours=1)
"""A server that asks for a longer pause is asked again after this one."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one fetch may cost, and where it may go."""

    most_bytes: int = 2 * 1024 * 1024
    longest: timedelta = timedelta(seconds=20)
    redirects: int = 5
    ports: frozenset[int] | None = PORTS
    """None: every port."""
    resolve: Resolve = field(default=resolve)
    judge: Judge = field(default=public)


@dataclass(frozen=True, slots=True)
class Fetched:
    url: str
    """Where the page was found, after redirects."""
    status: int
    content_type: str
    size_bytes: int
    sha256: str
    title: str | None
    redirects: int


class Unusable(Exception):
    """The answer is of no use, and asking again will not change that."""


class Unwell(Exception):
    """The server cannot answer now; ``pause`` is how long it asks us to wait, if it says so."""

    def __init__(self, detail: str, pause: timedelta | None = None) -> None:
        super().__init__(detail)
        self.pause = pause


async def fetch(url: str, limits: Limits) -> Fetched:
    """Get the page. Raises Refused, Unusable; Unwell, Unresolved, TimeoutError, httpx.TransportError: try again."""
    async with asyncio.timeout(limits.longest.total_seconds()), _client(limits) as client:
        try:
            async with client.stream("GET", url) as response:
                _check(response)
                body = await _body(response, limits.most_bytes)
        except (httpx.TooManyRedirects, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Unusable(str(error)) from error
    content_type = response.headers.get("content-type", "")
    return Fetched(
        url=str(response.url),
        status=response.status_code,
        content_type=content_type,
        size_bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        title=title(body.decode(response.encoding or "utf-8", "replace")) if "html" in content_type else None,
        redirects=len(response.history),
    )


def title(html: str) -> str | None:
    """The text of the page's first title element."""
    reader = _TitleReader()
    reader.feed(html)
    return " ".join("".join(reader.parts).split())[:300] or None


@asynccontextmanager
async def _client(limits: Limits) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=GuardedTransport(limits.resolve, limits.judge, limits.ports),
        trust_env=False,  # a proxy from the environment would connect in our place, unjudged
        follow_redirects=True,
        max_redirects=limits.redirects,
        headers={"user-agent": "duly-tour", "accept-encoding": "identity"},
        timeout=limits.longest.total_seconds(),
    ) as client:
        yield client


def _check(response: httpx.Response) -> None:
    status = response.status_code
    if status == TOO_MANY_REQUESTS or response.is_server_error:
        raise Unwell(f"The server answered {status}.", _pause(response.headers.get("retry-after", "")))
    if not response.is_success:
        raise Unusable(f"The server answered {status}.")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise Unusable("The server answered with a packed body, though it was asked not to.")


async def _body(response: httpx.Response, most_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > most_bytes:
            raise Unusable(f"The page is larger than {most_bytes:,} bytes.")
    return bytes(body)


def _pause(header: str) -> timedelta | None:
    """The Retry-After header (RFC 9110, 10.2.3): seconds, or a date."""
    try:
        wait = timedelta(seconds=int(header)) if header.isdigit() else _until(header)
    except (ValueError, OverflowError):
        return None
    return min(max(wait, timedelta()), LONGEST_PAUSE)


def _until(date: str) -> timedelta:
    moment = parsedate_to_datetime(date)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime.now(UTC)


class _TitleReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._inside = False
        self._done = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002  the parser's
        self._inside = tag == "title" and not self._done

    def handle_endtag(self, tag: str) -> None:
        self._done = self._done or (self._inside and tag == "title")
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.parts.append(data)
